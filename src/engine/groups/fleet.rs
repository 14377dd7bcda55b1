//! What a group could launch and has launched, type by type and purchase option by purchase option. Start at
//! [`Groups::offers`]. The order of preference is decided in `allocation.rs`; a group without a mixed instances policy has
//! one thing to offer.

use serde_json::{Value, json};

use super::Groups;
use super::allocation::{Misfit, Offered, Purchase, by_preference, misfit, next_purchase, purchases_to_give_up};
use super::group::{Group, LaunchSource, TemplateSpecification};
use super::instance::{Instance, LaunchedFrom, LifecycleState};
use super::launch::DEFAULT_INSTANCE_TYPE;
use super::market::SpotPool;
use super::mixed::{MixedInstancesPolicy, Override};
use super::termination::Candidate;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{GroupName, Zone};

/// Something that a group could launch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    pub from: LaunchedFrom,
    /// Launch data in the words of launch templates.
    pub data: Value,
    pub weight: u32,
    /// The only purchase options that it is for, where requirements on prices leave another out.
    pub only: Option<Purchase>,
}

impl Offer {
    pub fn instance_type(&self) -> &str {
        self.data["InstanceType"].as_str().unwrap_or(DEFAULT_INSTANCE_TYPE)
    }
}

impl LaunchSource {
    /// The ids of the launch templates that it launches from.
    pub(super) fn templates(&self) -> Vec<&str> {
        match self {
            Self::Template(template) => vec![&template.id],
            Self::Configuration { .. } => Vec::new(),
            Self::Mixed(policy) => policy.templates().collect(),
        }
    }

    /// Whether what it launches changes without the group's owner saying so.
    pub(super) fn is_floating(&self) -> bool {
        match self {
            Self::Template(template) => template.is_floating(),
            Self::Configuration { .. } => false,
            Self::Mixed(policy) => policy.is_floating(),
        }
    }

    /// Whether its group counts capacity in weights.
    pub fn is_weighted(&self) -> bool {
        matches!(self, Self::Mixed(policy) if policy.is_weighted())
    }

    /// What instances of this type weigh, unless nothing is said about them.
    fn weight_of_type(&self, instance_type: &str) -> Option<u32> {
        match self {
            Self::Mixed(policy) if policy.is_weighted() => policy.weight_of_type(instance_type),
            _ => Some(1),
        }
    }
}

impl Groups {
    /// # Errors
    /// `ValidationError` for a source that contradicts itself or cannot launch anything.
    pub(super) fn check_launch(&self, source: &LaunchSource) -> Result<(), Refusal> {
        if let LaunchSource::Mixed(policy) = source {
            policy.check()?;
        }
        self.resolve_source(source).map(drop)
    }

    /// All that a source launches On-Demand, in its own order.
    pub(super) fn resolve_source(&self, source: &LaunchSource) -> Result<Vec<Offer>, Refusal> {
        let LaunchSource::Mixed(policy) = source else {
            let (from, data) = self.resolve_launch(source)?;
            return Ok(vec![Offer { from, data, weight: 1, only: None }]);
        };
        if policy.overrides.is_empty() {
            return Ok(vec![self.resolve_override(&policy.template, &Override::default())?]);
        }
        let mut offers = Vec::new();
        for over in &policy.overrides {
            let offer = self.resolve_override(&policy.template, over)?;
            match &over.requirements {
                None => offers.push(offer),
                Some(requirements) => {
                    let matching = requirements.matching.iter().filter_map(|kind| {
                        let only = match (kind.on_demand, kind.spot) {
                            (true, true) => None,
                            (true, false) => Some(Purchase::OnDemand),
                            (false, true) => Some(Purchase::Spot),
                            (false, false) => return None,
                        };
                        let weight = policy.weight_of_matching(over, kind);
                        let mut offer = Offer { weight, only, ..offer.clone() };
                        offer.data["InstanceType"] = json!(kind.instance_type);
                        Some(offer)
                    });
                    offers.extend(matching);
                }
            }
        }
        Ok(offers)
    }

    fn resolve_override(&self, template: &TemplateSpecification, over: &Override) -> Result<Offer, Refusal> {
        let (from, mut data) = self.resolve_template(over.template.as_ref().unwrap_or(template))?;
        if data["InstanceMarketOptions"]["MarketType"].is_string() {
            return Err(incompatible_template());
        }
        for (member, value) in [("InstanceType", &over.instance_type), ("ImageId", &over.image_id)] {
            if let Some(value) = value {
                data[member] = json!(value);
            }
        }
        Ok(Offer { from, data, weight: over.weight.unwrap_or(1), only: None })
    }

    /// How a group's next instance is paid for; `None` where no policy says.
    pub(super) fn purchase_of_next(&self, group: &Group) -> Option<Purchase> {
        let LaunchSource::Mixed(policy) = group.launch_source() else { return None };
        let capacity = group.target().max(self.active(&group.name).saturating_add(1));
        Some(next_purchase(&policy.distribution, capacity, self.capacity_by(group, Purchase::OnDemand)))
    }

    /// What to try to launch in `zone`, best first.
    ///
    /// # Errors
    /// EC2's reason if nothing can be.
    pub(super) fn offers(&self, group: &Group, purchase: Option<Purchase>, zone: &Zone) -> Result<Vec<Offer>, Refusal> {
        let source = group.launch_source();
        let offers = self.resolve_source(source)?;
        let (LaunchSource::Mixed(policy), Some(purchase)) = (source, purchase) else {
            offers.iter().try_for_each(|offer| check_own_price(offer, zone))?;
            return Ok(offers);
        };
        let offers: Vec<Offer> = offers.into_iter().filter(|it| it.only.is_none_or(|only| only == purchase)).collect();
        if offers.is_empty() {
            return Err(nothing_matches());
        }
        let offered = self.offered(group, zone, &offers);
        let mut places = by_preference(&policy.distribution, purchase, zone, &offered);
        if purchase == Purchase::OnDemand {
            return Ok(places.into_iter().map(|place| offers[place].clone()).collect());
        }
        if let Some(most) = policy.distribution.max_price() {
            places.retain(|place| offered[*place].spot_unit_price(zone) <= most);
            if places.is_empty() {
                let least = offered.iter().map(|offer| offer.spot_unit_price(zone)).fold(f64::INFINITY, f64::min);
                return Err(price_too_low(most, least));
            }
        }
        Ok(places.into_iter().map(|place| as_spot(&offers[place], policy)).collect())
    }

    fn offered<'a>(&self, group: &Group, zone: &Zone, offers: &'a [Offer]) -> Vec<Offered<'a>> {
        let offered = |offer: &'a Offer| Offered {
            instance_type: offer.instance_type(),
            weight: offer.weight,
            spot_count: self.count_spot(group, zone, offer.instance_type()),
        };
        offers.iter().map(offered).collect()
    }

    fn count_spot(&self, group: &Group, zone: &Zone, instance_type: &str) -> u32 {
        let counted = self.active_instances(group).filter(|instance| {
            let pool = (&instance.placement.zone, instance.instance_type.as_str());
            instance.purchase() == Purchase::Spot && pool == (zone, instance_type)
        });
        u32::try_from(counted.count()).unwrap_or(u32::MAX)
    }

    fn active_instances(&self, group: &Group) -> impl Iterator<Item = &Instance> {
        let members = group.members.iter().filter_map(|id| self.instances.get(id));
        members.filter(|instance| instance.lifecycle().is_some_and(LifecycleState::is_active))
    }

    fn capacity_by(&self, group: &Group, purchase: Purchase) -> u32 {
        let wanted = self.active_instances(group).filter(|instance| instance.purchase() == purchase);
        wanted.map(|instance| self.weight_of(&instance.id)).sum()
    }

    /// Candidates as a group's policy sees them: how badly each fits, and those of the purchase option that is not to be
    /// touched as protected.
    pub(super) fn as_policy_sees(&self, group: &Group, candidates: &[Candidate]) -> Vec<Candidate> {
        let mut candidates = candidates.to_vec();
        let LaunchSource::Mixed(policy) = group.launch_source() else { return candidates };
        let capacity = [Purchase::OnDemand, Purchase::Spot].map(|purchase| self.capacity_by(group, purchase));
        let order = purchases_to_give_up(&policy.distribution, group.desired_capacity, capacity[0], capacity[1]);
        let open = |purchase: &Purchase| candidates.iter().any(|one| !one.protected && one.purchase == *purchase);
        let first = order.into_iter().find(open);
        let offers = self.resolve_source(group.launch_source()).unwrap_or_default();
        for candidate in &mut candidates {
            candidate.protected |= Some(candidate.purchase) != first;
            let offered = self.offered(group, &candidate.zone, &offers);
            let kind = self.instances.get(&candidate.id).map_or("", |instance| instance.instance_type.as_str());
            candidate.misfit = match candidate.protected {
                true => Misfit::default(),
                false => misfit(&policy.distribution, candidate.purchase, &candidate.zone, &offered, kind),
            };
        }
        candidates
    }

    /// Whether moving one of `movable` to `zone` changes nothing but the balance of zones: the new instance weighs no more
    /// than any of them, and the capacity stays at or above the desired one. Otherwise balancing would go on and on.
    pub(super) fn swaps_evenly(&self, group: &Group, zone: &Zone, movable: &[&Candidate]) -> bool {
        if !matches!(group.launch_source(), LaunchSource::Mixed(_)) {
            return true;
        }
        let purchase = self.purchase_of_next(group);
        let offers = self.offers(group, purchase, zone).unwrap_or_default();
        let Some(new) = offers.first().map(|offer| offer.weight) else { return false };
        let surplus = self.active(&group.name).saturating_sub(group.desired_capacity);
        let mut same = movable.iter().filter(|one| Some(one.purchase) == purchase).peekable();
        same.peek().is_some() && same.all(|one| (new..=surplus + new).contains(&self.weight_of(&one.id)))
    }

    /// Whether a group gives `surplus` capacity up. What a launch of a large weight was too much stays until something
    /// asks for less; without weights there is none.
    pub(super) fn gives_up(&self, name: &GroupName, surplus: u32) -> bool {
        let Some(group) = self.groups.get(name) else { return false };
        let LaunchSource::Mixed(policy) = &group.settings.launch else { return true };
        let weights = self.members(group).map(|(_, member)| member.weight);
        let largest = weights.chain([policy.largest_weight()]).max().unwrap_or(1);
        group.shrinks || group.rebalancing.is_some() || surplus >= largest
    }

    /// Gives members the weights that their types have now; those of types that are no longer mentioned keep theirs.
    ///
    /// Source: User Guide, "Configure an Auto Scaling group to use instance weights".
    pub(super) fn reweigh(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let mut changed = false;
        for id in &group.members {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            let weight = group.settings.launch.weight_of_type(&instance.instance_type);
            if let (Some(member), Some(weight)) = (&mut instance.membership, weight) {
                changed |= member.weight != weight;
                member.weight = weight;
            }
        }
        if changed {
            group.shrinks = true;
            self.plan_converge(now + self.timing.launch_delay(), name);
        }
    }

    /// # Errors
    /// AWS's refusal of first weights that leave out a type that is running.
    pub(super) fn check_first_weights(&self, group: &Group, launch: &LaunchSource) -> Result<(), Refusal> {
        if !launch.is_weighted() || group.settings.launch.is_weighted() {
            return Ok(());
        }
        let types = self.members(group).map(|(instance, _)| instance.instance_type.as_str());
        match types.into_iter().find(|kind| launch.weight_of_type(kind).is_none()) {
            None => Ok(()),
            // Recorded.
            Some(kind) => Err(Refusal::validation(format!(
                "Cannot configure weights because instance type [{kind}] is not in the overrides but is currently running \
                 in the group. Add [{kind}] to the overrides, specify a weight, and try again."
            ))),
        }
    }
}

/// The same, as a request for a Spot Instance.
fn as_spot(offer: &Offer, policy: &MixedInstancesPolicy) -> Offer {
    let mut options = json!({ "MarketType": "spot" });
    if let Some(price) = policy.distribution.max_price() {
        options["SpotOptions"] = json!({ "MaxPrice": (price * f64::from(offer.weight)).to_string() });
    }
    let mut offer = offer.clone();
    offer.data["InstanceMarketOptions"] = options;
    offer
}

/// Our text: no activity of a group whose requirements no instance type meets was published.
fn nothing_matches() -> Refusal {
    let text = "No instance type that is offered here meets the instance requirements. Launching EC2 instance failed.";
    Refusal::new("InvalidParameterValue", 400, text)
}

/// What an activity says about a launch that failed. Source: activities that users published, 2020 to 2026.
pub(super) fn launch_failure(purchase: Option<Purchase>, refusal: &Refusal) -> String {
    match purchase {
        None => refusal.message.clone(),
        Some(purchase) => {
            format!("Could not launch {} Instances. {} - {}", purchase.name(), refusal.code, refusal.message)
        }
    }
}

/// Recorded.
fn incompatible_template() -> Refusal {
    let text = "Incompatible launch template: You cannot use a launch template that is set to request Spot Instances \
                (InstanceMarketOptions) when you configure an Auto Scaling group with a mixed instances policy. Add a \
                different launch template to the group and try again.";
    Refusal::new("InvalidQueryParameter", 400, text)
}

/// Whether a template or launch configuration that asks for Spot Instances itself pays enough for one.
fn check_own_price(offer: &Offer, zone: &Zone) -> Result<(), Refusal> {
    let options = &offer.data["InstanceMarketOptions"];
    let most = options["SpotOptions"]["MaxPrice"].as_str().and_then(|price| price.parse::<f64>().ok());
    let least = SpotPool { instance_type: offer.instance_type(), zone }.price();
    match most.filter(|most| options["MarketType"] == "spot" && *most < least) {
        Some(most) => Err(price_too_low(most, least)),
        None => Ok(()),
    }
}

/// EC2's text for a request below the price.
fn price_too_low(most: f64, least: f64) -> Refusal {
    let text = format!(
        "Your Spot request price of {most} is lower than the minimum required Spot request fulfillment price of \
         {least:.4}. Launching EC2 instance failed."
    );
    Refusal::new("SpotMaxPriceTooLow", 400, text)
}
