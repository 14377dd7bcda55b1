//! Which instance goes when a group shrinks. Start at [`choose_termination`].
//!
//! Source: Amazon EC2 Auto Scaling User Guide, "Configure termination policies". Balance between zones goes before any
//! policy. Not reproduced: Lambda functions as policies, which are refused.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::allocation::{Misfit, Purchase};
use super::instance::LaunchedFrom;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{InstanceId, Zone};

/// A termination policy in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TerminationPolicy {
    AllocationStrategy,
    ClosestToNextInstanceHour,
    Default,
    NewestInstance,
    OldestInstance,
    OldestLaunchConfiguration,
    OldestLaunchTemplate,
}

impl TerminationPolicy {
    pub const ALL: &[Self] = &[
        Self::AllocationStrategy,
        Self::ClosestToNextInstanceHour,
        Self::Default,
        Self::NewestInstance,
        Self::OldestInstance,
        Self::OldestLaunchConfiguration,
        Self::OldestLaunchTemplate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::AllocationStrategy => "AllocationStrategy",
            Self::ClosestToNextInstanceHour => "ClosestToNextInstanceHour",
            Self::Default => "Default",
            Self::NewestInstance => "NewestInstance",
            Self::OldestInstance => "OldestInstance",
            Self::OldestLaunchConfiguration => "OldestLaunchConfiguration",
            Self::OldestLaunchTemplate => "OldestLaunchTemplate",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|policy| policy.name() == text)
    }
}

/// Whether a list of policies, as a caller writes it, is one: known names, a Lambda function's ARN first, `Default` last.
///
/// Source: User Guide, "Configure termination policies" and "Create a custom termination policy with Lambda".
///
/// # Errors
/// `ValidationError` naming the first rule that the list breaks.
pub fn check_policies(names: &[String]) -> Result<(), Refusal> {
    let lambda = |name: &String| name.starts_with("arn:") && name.contains(":lambda:");
    if let Some(unknown) = names.iter().find(|name| !lambda(name) && TerminationPolicy::parse(name).is_none()) {
        return Err(Refusal::validation(format!("'{unknown}' is not a valid termination policy")));
    }
    if names.iter().skip(1).any(lambda) {
        let text = "A Lambda function must be the first termination policy in the list, and only one is allowed";
        return Err(Refusal::validation(text));
    }
    let default = names.iter().position(|name| name == TerminationPolicy::Default.name());
    if default.is_some_and(|place| place + 1 < names.len()) {
        return Err(Refusal::validation("The Default termination policy must be the last in the list"));
    }
    Ok(())
}

/// An instance in service, as the choice sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: InstanceId,
    pub zone: Zone,
    pub launched_at: Timestamp,
    pub launched_from: LaunchedFrom,
    pub protected: bool,
    pub purchase: Purchase,
    /// How badly it fits a mixed instances policy; all the same without one.
    pub misfit: Misfit,
}

/// The instance to terminate, or `None` if all are protected.
///
/// `current_templates` are the ids of the group's launch templates. `choose` picks one of that many equals.
pub fn choose_termination(
    policies: &[TerminationPolicy],
    candidates: &[Candidate],
    current_templates: &[&str],
    now: Timestamp,
    choose: impl FnOnce(usize) -> usize,
) -> Option<InstanceId> {
    let mut left = in_fullest_zones(candidates);
    for policy in policies {
        left = narrow(*policy, left, current_templates, now);
    }
    match left.len() {
        0 => None,
        count => left.get(choose(count) % count).map(|candidate| candidate.id.clone()),
    }
}

/// The unprotected instances of the zones with most instances among the zones that have an unprotected one.
fn in_fullest_zones(candidates: &[Candidate]) -> Vec<&Candidate> {
    let mut sizes: BTreeMap<&Zone, usize> = BTreeMap::new();
    for candidate in candidates {
        *sizes.entry(&candidate.zone).or_default() += 1;
    }
    let size = |candidate: &Candidate| sizes.get(&candidate.zone).copied().unwrap_or_default();
    let open: Vec<&Candidate> = candidates.iter().filter(|candidate| !candidate.protected).collect();
    let most = open.iter().map(|candidate| size(candidate)).max();
    open.into_iter().filter(|candidate| Some(size(candidate)) == most).collect()
}

fn narrow<'a>(
    policy: TerminationPolicy,
    left: Vec<&'a Candidate>,
    current_templates: &[&str],
    now: Timestamp,
) -> Vec<&'a Candidate> {
    match policy {
        TerminationPolicy::OldestInstance => with_least(left, |candidate| candidate.launched_at),
        TerminationPolicy::NewestInstance => with_least(left, |candidate| std::cmp::Reverse(candidate.launched_at)),
        TerminationPolicy::ClosestToNextInstanceHour => with_least(left, |candidate| to_next_hour(candidate, now)),
        TerminationPolicy::OldestLaunchConfiguration => with_least(left, configuration_age),
        TerminationPolicy::OldestLaunchTemplate => {
            with_least(left, |candidate| template_age(candidate, current_templates))
        }
        TerminationPolicy::AllocationStrategy => with_least(left, |candidate| std::cmp::Reverse(candidate.misfit)),
        // The first step narrows only groups with a mixed instances policy.
        TerminationPolicy::Default => {
            let left = with_least(left, |candidate| std::cmp::Reverse(candidate.misfit));
            let left = with_least(left, configuration_age);
            let left = with_least(left, |candidate| template_age(candidate, current_templates));
            with_least(left, |candidate| to_next_hour(candidate, now))
        }
    }
}

fn with_least<K: Ord>(left: Vec<&Candidate>, key: impl Fn(&Candidate) -> K) -> Vec<&Candidate> {
    let least = left.iter().map(|candidate| key(candidate)).min();
    left.into_iter().filter(|candidate| least.as_ref() == Some(&key(candidate))).collect()
}

/// Instances of launch configurations first, the oldest configuration before newer ones; then those of templates.
fn configuration_age(candidate: &Candidate) -> (bool, Timestamp) {
    match &candidate.launched_from {
        LaunchedFrom::Configuration { created_at, .. } => (false, *created_at),
        LaunchedFrom::Template { .. } | LaunchedFrom::Elsewhere => (true, Timestamp::default()),
    }
}

/// Instances of another template than the current ones first, then by version, oldest first.
fn template_age(candidate: &Candidate, current: &[&str]) -> (u8, u64) {
    match &candidate.launched_from {
        LaunchedFrom::Elsewhere => (0, 0),
        LaunchedFrom::Template { id, .. } if !current.contains(&id.as_str()) => (0, 0),
        LaunchedFrom::Template { version, .. } => (1, *version),
        LaunchedFrom::Configuration { .. } => (2, 0),
    }
}

fn to_next_hour(candidate: &Candidate, now: Timestamp) -> Duration {
    const HOUR: Duration = Duration::from_secs(3600);
    let used = now.since(candidate.launched_at).as_millis() % HOUR.as_millis();
    HOUR - Duration::from_millis(u64::try_from(used).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use TerminationPolicy::*;

    /// `id zone launched_at template:version [protected]`
    fn candidate(text: &str) -> Candidate {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (template, version) = words[3].split_once(':').unwrap();
        Candidate {
            id: words[0].into(),
            zone: words[1].into(),
            launched_at: Timestamp::from_secs(words[2].parse().unwrap()),
            launched_from: match version {
                "lc" => LaunchedFrom::Configuration { name: template.into(), created_at: Timestamp::default() },
                version => LaunchedFrom::Template {
                    id: template.into(),
                    name: template.into(),
                    version: version.parse().unwrap(),
                },
            },
            protected: words.get(4) == Some(&"protected"),
            purchase: Purchase::OnDemand,
            misfit: Misfit::default(),
        }
    }

    /// Terminates one after the other; `expected` is the order of departure.
    fn check(policies: &[TerminationPolicy], now_secs: i64, instances: &[&str], expected: &str) {
        let mut left: Vec<Candidate> = instances.iter().map(|text| candidate(text)).collect();
        let mut order = Vec::new();
        while order.len() < expected.split_whitespace().count().max(1) {
            let now = Timestamp::from_secs(now_secs);
            let Some(id) = choose_termination(policies, &left, &["cur"], now, |_| 0) else { break };
            left.retain(|candidate| candidate.id != id);
            order.push(id.to_string());
        }
        assert_eq!(order.join(" "), expected, "{policies:?} of {instances:?}");
    }

    #[test]
    fn balance_between_zones_goes_before_the_policy() {
        check(&[NewestInstance], 100, &["i-1 a 0 cur:1", "i-2 a 10 cur:1", "i-3 b 20 cur:1"], "i-2");
        check(
            &[OldestInstance],
            100,
            &["i-1 a 0 cur:1", "i-2 a 10 cur:1", "i-3 b 20 cur:1", "i-4 b 30 cur:1"],
            "i-1 i-3",
        );
    }

    #[test]
    fn protected_instances_stay_even_if_none_is_left_to_go() {
        check(&[OldestInstance], 100, &["i-1 a 0 cur:1 protected", "i-2 a 10 cur:1"], "i-2");
        check(&[Default], 100, &["i-1 a 0 cur:1 protected", "i-2 b 10 cur:1 protected"], "");
        // Zone a has most instances but none that may go.
        check(&[Default], 100, &["i-1 a 0 cur:1 protected", "i-2 a 1 cur:1 protected", "i-3 b 2 cur:1"], "i-3");
    }

    #[test]
    fn the_default_policy_takes_configurations_then_old_templates_then_the_next_billing_hour() {
        check(&[Default], 11_100, &["i-1 a 0 cur:1", "i-2 a 600 cur:1"], "i-2");
        check(&[Default], 11_100, &["i-1 a 0 cur:2", "i-2 a 600 old:lc", "i-3 a 0 cur:1"], "i-2 i-3 i-1");
    }

    #[test]
    fn a_template_that_is_not_current_goes_before_old_versions_of_the_current_one() {
        check(&[OldestLaunchTemplate], 100, &["i-1 a 0 cur:1", "i-2 a 10 other:5", "i-3 a 20 cur:3"], "i-2 i-1 i-3");
    }

    #[test]
    fn the_billing_hour_counts_from_each_launch() {
        let instances = ["i-1 a 0 cur:1", "i-2 a 1800 cur:1", "i-3 a 2400 cur:1"];
        check(&[ClosestToNextInstanceHour], 20_000, &instances, "i-3");
    }

    #[test]
    fn a_list_of_policies_has_its_order() {
        let check = |names: &[&str], expected: bool| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(check_policies(&names).is_ok(), expected, "{names:?}");
        };
        let lambda = "arn:aws:lambda:us-east-1:123456789012:function:pick";
        check(&["OldestLaunchConfiguration", "ClosestToNextInstanceHour"], true);
        check(&["OldestInstance", "Default"], true);
        check(&["Default", "OldestInstance"], false);
        check(&[lambda, "OldestInstance"], true);
        check(&["OldestInstance", lambda], false);
        check(&["Oldest"], false);
    }

    #[test]
    fn later_policies_break_ties() {
        let instances = ["i-1 a 50 cur:1", "i-2 a 40 cur:1", "i-3 a 0 cur:2"];
        check(&[OldestLaunchTemplate, NewestInstance], 100, &instances, "i-1 i-2 i-3");
    }
}
