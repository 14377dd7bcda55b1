//! Lifecycle hooks: an instance is held up until someone says go on, or nobody does in time. Start at [`LifecycleHook`].
//!
//! Hooks of one transition run one after the other, by name. Source: User Guide, "Lifecycle hooks".

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Groups;
use super::activity::{ActivityStatus, Way};
use super::agenda::Due;
use super::cause::{Cause, What};
use super::group::{MAX_HOOKS_PER_GROUP, limit_exceeded};
use super::instance::LifecycleState;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{GroupName, InstanceId, TopicArn};
use crate::engine::topics::Notice;

/// `HeartbeatTimeout` when left out. Source: PutLifecycleHook.
pub const DEFAULT_HEARTBEAT_SECS: u32 = 3600;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleHook {
    pub name: String,
    pub transition: Transition,
    pub heartbeat_secs: u32,
    pub default_result: ActionResult,
    /// Who hears of each wait.
    #[serde(alias = "topic_arn")]
    pub target: Option<HookTarget>,
    pub role_arn: Option<String>,
    pub metadata: Option<String>,
}

/// Where Auto Scaling sends what a hook has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum HookTarget {
    Topic(TopicArn),
    /// The ARN of a queue of the same account and region.
    Queue(String),
}

impl HookTarget {
    pub fn arn(&self) -> &str {
        match self {
            Self::Topic(arn) => arn.as_str(),
            Self::Queue(arn) => arn,
        }
    }
}

impl From<String> for HookTarget {
    fn from(arn: String) -> Self {
        if arn.split(':').nth(2) == Some("sqs") { Self::Queue(arn) } else { Self::Topic(TopicArn(arn)) }
    }
}

impl From<HookTarget> for String {
    fn from(target: HookTarget) -> Self {
        target.arn().to_string()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transition {
    Launching,
    Terminating,
}

impl Transition {
    pub fn name(self) -> &'static str {
        match self {
            Self::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Self::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Launching, Self::Terminating].into_iter().find(|transition| transition.name() == text)
    }

    /// As the subject of a hook's message writes it.
    fn short(self) -> &'static str {
        self.name().rsplit('_').next().unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActionResult {
    Continue,
    Abandon,
}

impl ActionResult {
    pub fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::Abandon => "ABANDON",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Continue, Self::Abandon].into_iter().find(|result| result.name() == text)
    }
}

/// A hook that an instance waits for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleAction {
    pub hook: String,
    /// Names this wait in `CompleteLifecycleAction`.
    pub token: String,
    pub started_at: Timestamp,
}

/// How long an instance may wait however often its heartbeat comes: 48 hours or 100 heartbeats, whichever is less.
pub fn global_timeout(heartbeat_secs: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(48 * 3600);
    LONGEST.min(Duration::from_secs(u64::from(heartbeat_secs) * 100))
}

/// Why an abandoned action was abandoned. The first is documented, the second as users published it.
const COMPLETED: &str = "Lifecycle Action Completed with ABANDON Result";
const TIMED_OUT: &str = "Heartbeat Timeout";

impl Groups {
    /// Creates or replaces a hook.
    pub fn put_lifecycle_hook(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        hook: LifecycleHook,
    ) -> Result<(), Refusal> {
        let test = self.hook_test_notice(now, group, &hook);
        let group = self.group_or_refuse(group)?;
        if !group.hooks.contains_key(&hook.name) && group.hooks.len() >= MAX_HOOKS_PER_GROUP {
            return Err(limit_exceeded("lifecycle hooks per group", MAX_HOOKS_PER_GROUP));
        }
        let target = hook.target.clone();
        group.hooks.insert(hook.name.clone(), hook);
        if let Some(target) = target {
            self.tell(target, test);
        }
        Ok(())
    }

    fn hook_test_notice(&mut self, now: Timestamp, group: &GroupName, _hook: &LifecycleHook) -> Notice {
        let request_id = self.ids.activities.uuid();
        let arn = self.groups.get(group).map(|group| group.arn.clone()).unwrap_or_default();
        super::notice::test_notice(&self.place, now, group, &arn, &request_id)
    }

    /// Deletes a hook; instances that wait for it go on with its default result.
    pub fn delete_lifecycle_hook(&mut self, now: Timestamp, group: &GroupName, hook: &str) -> Result<(), Refusal> {
        let state = self.group_or_refuse(group)?;
        let Some(removed) = state.hooks.remove(hook) else {
            let text = format!("No Lifecycle Hook found with name {hook} for AutoScalingGroup: {group}");
            return Err(Refusal::validation(text));
        };
        let members: Vec<InstanceId> = state.everyone().cloned().collect();
        let waits = |id: &InstanceId| self.waits_for(id).is_some_and(|action| action.hook == hook);
        let waiting: Vec<InstanceId> = members.into_iter().filter(waits).collect();
        for id in waiting {
            self.end_wait(now, &id, &removed, removed.default_result, COMPLETED);
        }
        Ok(())
    }

    fn waits_for(&self, id: &InstanceId) -> Option<&LifecycleAction> {
        self.instances.get(id)?.membership.as_ref()?.lifecycle_action.as_ref()
    }

    /// Holds `id` up at the next hook of `transition` after the one named, if there is one.
    pub(super) fn enter_hook(&mut self, now: Timestamp, id: &InstanceId, transition: Transition, after: &str) -> bool {
        let Some(group) = self.instances.get(id).and_then(|instance| instance.group()).cloned() else { return false };
        let Some(hook) = self.groups.get(&group).and_then(|group| {
            group.hooks.values().find(|hook| hook.transition == transition && hook.name.as_str() > after).cloned()
        }) else {
            return false;
        };
        let token = self.ids.activities.uuid();
        let action = LifecycleAction { hook: hook.name.clone(), token, started_at: now };
        let way = self.way_of(id);
        if let Some(target) = hook.target.clone() {
            let notice = self.hook_notice(now, &group, id, way, &hook, &action);
            self.tell(target, notice);
        }
        if let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) {
            member.lifecycle = LifecycleState::waiting_on(way);
            member.lifecycle_action = Some(action);
        }
        // Recorded for a terminating hook; a launching one by analogy.
        self.update_activity(id, ActivityStatus::MidLifecycleAction, 60);
        if let Some(activity) = self.current_activity(id) {
            activity.held_by_hook |= transition == Transition::Terminating;
        }
        self.set_due(id, now + self.heartbeat(&hook), Due::HookTimeout(id.clone()));
        true
    }

    fn heartbeat(&self, hook: &LifecycleHook) -> Duration {
        Duration::from_secs(u64::from(hook.heartbeat_secs))
    }

    fn hook_notice(
        &self,
        now: Timestamp,
        group: &GroupName,
        id: &InstanceId,
        way: Way,
        hook: &LifecycleHook,
        action: &LifecycleAction,
    ) -> Notice {
        let mut message = json!({
            "Origin": way.from.name(),
            "LifecycleHookName": hook.name,
            "Destination": way.to.name(),
            "AccountId": self.place.account,
            "RequestId": action.token,
            "LifecycleTransition": hook.transition.name(),
            "AutoScalingGroupName": group,
            "Service": "AWS Auto Scaling",
            "Time": now.iso_millis(),
            "EC2InstanceId": id,
            "LifecycleActionToken": action.token,
        });
        if let Some(metadata) = &hook.metadata {
            message["NotificationMetadata"] = json!(metadata);
        }
        let transition = hook.transition.short();
        // Two spaces, as recorded.
        let subject = format!("Auto Scaling:  Lifecycle action '{transition}' for instance {id} in progress.");
        Notice::new(subject, message.to_string())
    }

    /// The wait that a caller names by hook and by token or instance.
    fn find_wait(
        &self,
        group: &GroupName,
        hook: &str,
        token: Option<&str>,
        instance: Option<&InstanceId>,
    ) -> Result<(InstanceId, LifecycleHook), Refusal> {
        let state = self.groups.get(group).ok_or_else(|| super::group::group_not_found(group))?;
        let found = state.hooks.get(hook).ok_or_else(|| {
            Refusal::validation(format!("No Lifecycle Hook found with name {hook} for AutoScalingGroup: {group}"))
        })?;
        let waiting = state.everyone().find(|id| {
            let named = |action: &LifecycleAction| {
                action.hook == hook
                    && (token == Some(action.token.as_str()) || (token.is_none() && instance == Some(*id)))
            };
            self.waits_for(id).is_some_and(named)
        });
        let id = waiting.ok_or_else(|| match (token, instance) {
            (None, Some(id)) => Refusal::validation(format!("No active Lifecycle Action found with instance ID {id}")),
            (token, _) => Refusal::validation(format!(
                "No active Lifecycle Action found with token {}",
                token.unwrap_or_default()
            )),
        })?;
        Ok((id.clone(), found.clone()))
    }

    pub fn complete_lifecycle_action(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        hook: &str,
        token: Option<&str>,
        instance: Option<&InstanceId>,
        result: ActionResult,
    ) -> Result<(), Refusal> {
        let (id, hook) = self.find_wait(group, hook, token, instance)?;
        self.end_wait(now, &id, &hook, result, COMPLETED);
        Ok(())
    }

    /// Gives the instance another heartbeat, within the global limit.
    pub fn record_lifecycle_heartbeat(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        hook: &str,
        token: Option<&str>,
        instance: Option<&InstanceId>,
    ) -> Result<(), Refusal> {
        let (id, hook) = self.find_wait(group, hook, token, instance)?;
        let started_at = self.waits_for(&id).map_or(now, |action| action.started_at);
        let until = (now + self.heartbeat(&hook)).min(started_at + global_timeout(hook.heartbeat_secs));
        self.set_due(&id, until, Due::HookTimeout(id.clone()));
        Ok(())
    }

    pub(super) fn on_hook_timeout(&mut self, now: Timestamp, id: &InstanceId) {
        let hook = self
            .waits_for(id)
            .map(|action| action.hook.clone())
            .and_then(|hook| self.groups.get(self.instances.get(id)?.group()?)?.hooks.get(&hook).cloned());
        if let Some(hook) = hook {
            self.end_wait(now, id, &hook, hook.default_result, TIMED_OUT);
        }
    }

    fn end_wait(&mut self, now: Timestamp, id: &InstanceId, hook: &LifecycleHook, result: ActionResult, because: &str) {
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        let token = member.lifecycle_action.take().map(|action| action.token).unwrap_or_default();
        self.clear_due(id);
        match (hook.transition, result) {
            (Transition::Launching, ActionResult::Abandon) => {
                let reason = format!(
                    "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token {token} was \
                     abandoned: {because}"
                );
                self.abandon_launch(now, id, reason);
            }
            (Transition::Launching, ActionResult::Continue) => {
                if !self.enter_hook(now, id, Transition::Launching, &hook.name) {
                    self.set_lifecycle(id, LifecycleState::proceeding_on(self.way_of(id)));
                    self.update_activity(id, ActivityStatus::PreInService, 60);
                    self.on_hooks_done(now, id);
                }
            }
            (Transition::Terminating, ActionResult::Abandon) if self.way_of(id) == Way::BACK_TO_POOL => {
                self.begin_pool_termination(now, id, Cause::new(now, What::ReturnAbandoned).to_string());
            }
            (Transition::Terminating, result) => {
                let held =
                    result == ActionResult::Continue && self.enter_hook(now, id, Transition::Terminating, &hook.name);
                if !held {
                    self.set_lifecycle(id, LifecycleState::proceeding_on(self.way_of(id)));
                    self.on_hooks_done(now, id);
                }
            }
        }
    }
}
