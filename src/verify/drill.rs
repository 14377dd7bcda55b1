//! The scaling drills: pull one alarm and watch what follows. Start at [`observe`].

use std::time::Duration;

use super::cause::Cause;
use super::distance::Told;
use super::evidence::{Direction, Ran, Received, Restored, ScalingEvidence, Seen};
use super::inbox::{Arrived, Inbox};
use super::journal::{Entry, Journal};
use super::limits::patience;
use super::ready::{Hold, free_at};
use super::report::Verdict;
use super::run::Options;
use super::wait::{Look, Stop, Wait, Waited};
use crate::aws::names::{AlarmName, GroupName, Place, PolicyArn, PolicyName, TopicArn};
use crate::aws::{
    Activity, AlarmSelection, AlarmState, AwsError, Clients, DescribedAlarm, Group, HistoryItemType, MetricAlarm,
    Policy,
};
use crate::clock::{Clock, Timestamp};
use crate::model::{ActionRef, Alarm, GroupEvent, ScalingPolicy, Stack};

/// Where a drill plays, and its tools.
pub(super) struct Scene<'a> {
    pub clients: &'a Clients,
    pub stack: &'a Stack,
    pub place: Place,
    pub options: &'a Options,
    pub wait: Wait<'a>,
    pub inbox: Option<Inbox>,
    pub journal: &'a mut Journal,
    pub progress: &'a mut (dyn FnMut(&str) + Send),
    /// No drill waits for anything beyond this instant.
    pub end: Timestamp,
}

/// Clocks of AWS's front ends and back ends may differ a little, and `Date` shows whole seconds.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// How long a group may take to come to rest before a drill.
const SETTLE: Duration = Duration::from_secs(600);

/// Why a drill ends before its time.
enum Halt {
    Stop(Stop),
    Blocked(Verdict, String),
}

impl<E: Into<Stop>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Stop(error.into())
    }
}

fn blocked<T>(verdict: Verdict, because: impl Into<String>) -> Result<T, Halt> {
    Err(Halt::Blocked(verdict, because.into()))
}

/// The alarm to pull, the policy that must act, and the group that must move.
struct Aim<'a> {
    direction: Direction,
    alarm: &'a Alarm,
    /// The same as AWS has it.
    described: MetricAlarm,
    cause: Cause,
    /// `Err` where the endpoint has no Auto Scaling: then only the alarm's own message can be proved.
    group: Result<Ground, AwsError>,
}

struct Ground {
    policy: Policy,
    /// The value that a step policy is told of; the others need none.
    told: Option<Told>,
    baseline: u32,
    /// The capacity to move from: a group at its minimum is raised by one before a scale-in.
    from: u32,
}

/// Pulls the alarm of one direction and gathers everything that follows. What it changes is in the journal.
///
/// # Errors
/// If AWS refuses a call, somebody interrupts, or the journal cannot be written.
pub(super) async fn observe(scene: &mut Scene<'_>, direction: Direction) -> Result<ScalingEvidence, Stop> {
    match pull(scene, direction).await {
        Ok(ran) => Ok(ScalingEvidence::Ran(Box::new(ran))),
        Err(Halt::Blocked(verdict, because)) => Ok(ScalingEvidence::Blocked { direction, verdict, because }),
        Err(Halt::Stop(stop)) => Err(stop),
    }
}

async fn pull(scene: &mut Scene<'_>, direction: Direction) -> Result<Ran, Halt> {
    let aim = scene.aim(direction).await?;
    let since = scene.now() - CLOCK_SLACK;
    if let Ok(ground) = &aim.group {
        scene.prepare(ground).await?;
    }
    let pulled = scene.breach(&aim).await?;
    let mut ran = Ran {
        direction,
        alarm: aim.alarm.name.clone(),
        policy: aim.cause.policy.clone(),
        forced: pulled.forced,
        breach: pulled.at,
        action: unknown("the alarm did not change"),
        activities: unknown("the alarm did not change"),
        finished: unknown("no activity was seen"),
        alarm_notices: Vec::new(),
        group_notices: Vec::new(),
        restored: unknown("there was nothing to bring back"),
    };
    if let Some(breach) = ran.breach.yes().copied() {
        scene.follow(&aim, since, breach, &mut ran).await?;
    }
    if let Ok(ground) = &aim.group {
        ran.restored = scene.restore(ground.baseline).await?;
    }
    Ok(ran)
}

struct Pulled {
    forced: bool,
    at: Seen<Timestamp>,
}

fn unknown<T>(because: impl Into<String>) -> Seen<T> {
    Seen::Unknown { because: because.into() }
}

impl<'a> Scene<'a> {
    fn now(&self) -> Timestamp {
        self.clients.clock.now()
    }

    fn say(&mut self, what: &str) {
        (self.progress)(what);
    }

    fn group_name(&self) -> GroupName {
        GroupName(self.stack.group.name.clone())
    }

    fn deadline(&self, from: Timestamp, limit: Duration) -> Timestamp {
        (from + patience(limit)).min(self.end)
    }

    async fn group(&self) -> Result<Option<Group>, AwsError> {
        self.clients.autoscaling.describe_auto_scaling_groups(&self.group_name()).await
    }

    async fn described(&self, alarm: &Alarm) -> Result<Option<DescribedAlarm>, AwsError> {
        let names = [AlarmName(alarm.name.clone())];
        Ok(self.clients.cloudwatch.describe_alarms(AlarmSelection::Names(&names)).await?.into_iter().next())
    }

    /// Finds the alarm and the policy, and checks at AWS that the one acts on the other.
    async fn aim(&self, direction: Direction) -> Result<Aim<'a>, Halt> {
        let Some((alarm, policy)) = choose(self.stack, direction) else {
            let verb = if direction == Direction::Out { "adds" } else { "removes" };
            return blocked(Verdict::CouldNotTell, format!("no alarm acts on a policy that {verb} instances"));
        };
        let Some(described) = self.described(alarm).await? else {
            return blocked(Verdict::NotMet, format!("alarm {} does not exist", alarm.name));
        };
        let cause = Cause { alarm: alarm.name.clone(), policy: policy.name.clone() };
        let group = match self.group().await {
            Err(error) if error.is_not_served() => Err(error),
            Err(error) => return Err(error.into()),
            Ok(None) => return blocked(Verdict::NotMet, format!("group {} does not exist", self.group_name())),
            Ok(Some(group)) => {
                let policy = self.acting_policy(policy, &described).await?;
                let baseline = group.desired_capacity;
                let from = if direction == Direction::In { baseline.max(group.min_size + 1) } else { baseline };
                let told = tell(direction, &policy, &described.config, from)?;
                let change = told.map_or(policy.scaling_adjustment.unwrap_or(1).into(), |told| told.change);
                self.room(direction, &group, change)?;
                Ok(Ground { policy, told, baseline, from })
            }
        };
        Ok(Aim { direction, alarm, described: described.config, cause, group })
    }

    async fn acting_policy(&self, policy: &ScalingPolicy, alarm: &DescribedAlarm) -> Result<Policy, Halt> {
        let policies = self.clients.autoscaling.describe_policies(&self.group_name()).await?;
        let Some(found) = policies.into_iter().find(|found| found.name == PolicyName(policy.name.clone())) else {
            return blocked(Verdict::NotMet, format!("policy {} does not exist", policy.name));
        };
        if !alarm.config.alarm_actions.contains(&found.arn.0) {
            let because = format!("alarm {} does not act on policy {} at AWS", alarm.config.name, policy.name);
            return blocked(Verdict::NotMet, because);
        }
        Ok(found)
    }

    /// Whether the group can move that way, and may.
    fn room(&self, direction: Direction, group: &Group, change: i64) -> Result<(), Halt> {
        let (min, desired, max) = (group.min_size, group.desired_capacity, group.max_size);
        let peak = match direction {
            Direction::Out if desired >= max => {
                return blocked(Verdict::CouldNotTell, format!("the group is at its maximum of {max}"));
            }
            Direction::In if desired <= min && min >= max => {
                return blocked(Verdict::CouldNotTell, format!("the group's minimum is its maximum, {max}"));
            }
            Direction::Out => desired.saturating_add(change.unsigned_abs().try_into().unwrap_or(u32::MAX)).min(max),
            Direction::In => desired.max(min + 1),
        };
        match self.options.max_instances {
            Some(allowed) if peak > allowed => blocked(
                Verdict::CouldNotTell,
                format!("the drill needs {peak} instances and --max-instances allows {allowed}"),
            ),
            _ => Ok(()),
        }
    }

    /// Waits until the group is at rest and makes room for a scale-in, after writing down where it stood.
    async fn prepare(&mut self, ground: &Ground) -> Result<(), Halt> {
        self.say("waiting until the group is at rest");
        self.settle_or_block(ground.baseline).await?;
        let group = self.group_name();
        self.journal.record(Entry::DesiredCapacity { group: group.clone(), was: ground.baseline })?;
        if ground.from != ground.baseline {
            self.say(&format!("raising the desired capacity to {}, so that there is one to remove", ground.from));
            self.clients.autoscaling.set_desired_capacity(&group, ground.from).await?;
            self.settle_or_block(ground.from).await?;
        }
        Ok(())
    }

    async fn settle_or_block(&mut self, capacity: u32) -> Result<(), Halt> {
        match self.settle(capacity, SETTLE).await? {
            Waited::Done(()) => Ok(()),
            Waited::GaveUp { last } => {
                blocked(Verdict::CouldNotTell, format!("the group does not come to rest: {last}"))
            }
        }
    }

    /// Waits until the group wants `capacity` and has just that in service.
    async fn settle(&mut self, capacity: u32, limit: Duration) -> Result<Waited<()>, Stop> {
        let deadline = (self.now() + limit).min(self.end);
        let (clients, name) = (self.clients, self.group_name());
        let look = async || match clients.autoscaling.describe_auto_scaling_groups(&name).await? {
            None => Ok(Look::Never("the group is gone".into())),
            Some(group) if is_settled(&group, capacity) => Ok(Look::Done(())),
            Some(group) => Ok(Look::NotYet(describe(&group))),
        };
        self.wait.until(deadline, look).await
    }

    /// Brings the alarm into ALARM, or finds it there.
    async fn breach(&mut self, aim: &Aim<'_>) -> Result<Pulled, Halt> {
        let (free_at, hold) = self.free_at(aim).await?;
        // A scaling action of an alarm in ALARM is repeated every minute, so waiting for it is enough.
        let repeats = aim.group.is_ok();
        if self.state(aim).await? == AlarmState::Alarm && repeats {
            let after = if free_at > self.now() { format!(" after the {}", hold.words()) } else { String::new() };
            self.say(&format!("{} is in ALARM already; waiting for its policy to act{after}", aim.alarm.name));
            return Ok(Pulled { forced: false, at: Seen::Yes(self.now().max(free_at)) });
        }
        self.wait_until_free(free_at, hold).await?;
        if self.state(aim).await? == AlarmState::Alarm {
            if repeats {
                return Ok(Pulled { forced: false, at: Seen::Yes(self.now()) });
            }
            // Without a change there is no message.
            self.set_state(aim, AlarmState::Ok).await?;
        }
        let since = self.now() - CLOCK_SLACK;
        self.say(&format!("forcing {} into ALARM", aim.alarm.name));
        self.set_state(aim, AlarmState::Alarm).await?;
        Ok(Pulled { forced: true, at: self.state_update(aim, since).await? })
    }

    async fn state(&self, aim: &Aim<'_>) -> Result<AlarmState, Halt> {
        match self.described(aim.alarm).await? {
            Some(alarm) => Ok(alarm.state),
            None => blocked(Verdict::NotMet, format!("alarm {} has vanished", aim.alarm.name)),
        }
    }

    async fn set_state(&self, aim: &Aim<'_>, state: AlarmState) -> Result<(), AwsError> {
        let reason = format!("scaleproof verify, drill {}", aim.direction.drill());
        let name = AlarmName(aim.alarm.name.clone());
        let told = aim.group.as_ref().ok().and_then(|ground| ground.told).filter(|_| state == AlarmState::Alarm);
        let data = told.map(|told| told.reason_data(&aim.described, self.now()));
        self.clients.cloudwatch.set_alarm_state(&name, state, &reason, data.as_deref()).await
    }

    /// When the policy is free to act, and what holds it until then.
    async fn free_at(&self, aim: &Aim<'_>) -> Result<(Timestamp, Hold), AwsError> {
        let Ok(ground) = &aim.group else { return Ok((self.now(), Hold::Cooldown)) };
        let autoscaling = &self.clients.autoscaling;
        let activities = autoscaling.describe_scaling_activities(&self.group_name()).await?;
        let policies = autoscaling.describe_policies(&self.group_name()).await?;
        let group = self.group().await?.unwrap_or_default();
        Ok(free_at(&ground.policy, &policies, &group, &activities))
    }

    async fn wait_until_free(&mut self, free_at: Timestamp, hold: Hold) -> Result<(), Halt> {
        if free_at <= self.now() {
            return Ok(());
        }
        self.say(&format!("waiting for the {}, until {}", hold.words(), free_at.iso_secs()));
        let (clients, name) = (self.clients, self.group_name());
        // The clock shows what the newest answer said, so each look asks something.
        let look = async || {
            clients.autoscaling.describe_auto_scaling_groups(&name).await?;
            let left = free_at.since(clients.clock.now());
            Ok(if left.is_zero() { Look::Done(()) } else { Look::NotYet(format!("{} s left", left.as_secs())) })
        };
        let deadline = (free_at + CLOCK_SLACK).min(self.end);
        match self.wait.until(deadline, look).await? {
            Waited::Done(()) => Ok(()),
            Waited::GaveUp { last } => {
                let because = format!("the {} is in the way: {last}; a longer --timeout waits for it", hold.words());
                blocked(Verdict::CouldNotTell, because)
            }
        }
    }

    async fn state_update(&mut self, aim: &Aim<'_>, since: Timestamp) -> Result<Seen<Timestamp>, Stop> {
        let deadline = self.deadline(self.now(), self.options.limits.action);
        let (clients, name) = (self.clients, AlarmName(aim.alarm.name.clone()));
        let look = async || {
            let history = clients.cloudwatch.describe_alarm_history(&name, since).await?;
            let changed = history
                .iter()
                .find(|item| item.kind == HistoryItemType::StateUpdate && item.summary.ends_with("to ALARM"));
            Ok(changed.map_or_else(
                || Look::NotYet("the history shows no change to ALARM".into()),
                |item| Look::Done(item.at),
            ))
        };
        Ok(seen(self.wait.until(deadline, look).await?))
    }

    /// Watches the two roads from the alarm: over its policy to instances, over its topics to people.
    async fn follow(&mut self, aim: &Aim<'_>, since: Timestamp, breach: Timestamp, ran: &mut Ran) -> Result<(), Stop> {
        match &aim.group {
            Err(error) => {
                ran.action = unknown(error.to_string());
                ran.activities = unknown(error.to_string());
                ran.finished = unknown(error.to_string());
                ran.restored = unknown(error.to_string());
            }
            Ok(ground) => {
                if ran.forced {
                    ran.action = self.action(aim, breach, &ground.policy.arn).await?;
                }
                ran.activities = self.activities(aim, since, breach).await?;
                if !ran.forced {
                    self.date_repeated_action(aim, ran);
                } else if ran.activities.yes().is_none() && self.is_not_moved(ground).await? {
                    ran.activities = unknown(not_taken(aim));
                }
                if let Seen::Yes(activities) = &ran.activities {
                    ran.finished = self.finished(aim, activities.clone()).await?;
                }
            }
        }
        self.notices(aim, breach, ran).await
    }

    /// Whether a step policy that was told a value has left the group as it was.
    async fn is_not_moved(&self, ground: &Ground) -> Result<bool, AwsError> {
        let capacity = self.group().await?.map(|group| group.desired_capacity);
        Ok(ground.told.is_some() && capacity == Some(ground.from))
    }

    /// The history of a repeated action need not show the repetition; the activity's cause tells when it was.
    fn date_repeated_action(&self, aim: &Aim<'_>, ran: &mut Ran) {
        let first = ran.activities.yes().and_then(|activities| activities.first());
        match first.and_then(|activity| aim.cause.decided_at(activity)) {
            None => ran.action = unknown("no activity tells when the policy was invoked"),
            Some(at) => {
                ran.action = Seen::Yes(at);
                // It may have acted before we were ready to count.
                ran.breach = Seen::Yes(ran.breach.yes().map_or(at, |breach| at.min(*breach)));
            }
        }
    }

    async fn action(&mut self, aim: &Aim<'_>, breach: Timestamp, policy: &PolicyArn) -> Result<Seen<Timestamp>, Stop> {
        let deadline = self.deadline(breach, self.options.limits.action);
        let (clients, name) = (self.clients, AlarmName(aim.alarm.name.clone()));
        let look = async || {
            let history = clients.cloudwatch.describe_alarm_history(&name, breach).await?;
            let mut actions = history
                .iter()
                .filter(|item| item.kind == HistoryItemType::Action && item.summary.contains(policy.as_str()));
            let newest = actions.clone().next();
            // The oldest success is the one that the breach set off.
            let succeeded = actions.rfind(|item| item.summary.starts_with("Successfully"));
            Ok(match (succeeded, newest) {
                (Some(item), _) => Look::Done(item.at),
                (None, Some(item)) => Look::NotYet(format!("{}: {}", item.summary, error_of(&item.data))),
                (None, None) => Look::NotYet("the history shows no action on the policy".into()),
            })
        };
        self.wait.until(deadline, look).await.map(seen)
    }

    async fn activities(
        &mut self,
        aim: &Aim<'_>,
        since: Timestamp,
        breach: Timestamp,
    ) -> Result<Seen<Vec<Activity>>, Stop> {
        self.say("waiting for an activity that the alarm and the policy caused");
        let limits = &self.options.limits;
        let deadline = self.deadline(breach, limits.repeated_action + limits.activity);
        let (clients, name) = (self.clients, self.group_name());
        let look = async || {
            let activities = clients.autoscaling.describe_scaling_activities(&name).await?;
            let caused = caused(&activities, aim, since);
            Ok(if caused.is_empty() { Look::NotYet(newest_activity(&activities)) } else { Look::Done(caused) })
        };
        self.wait.until(deadline, look).await.map(seen)
    }

    async fn finished(&mut self, aim: &Aim<'_>, started: Vec<Activity>) -> Result<Seen<Vec<Activity>>, Stop> {
        let (limit, what) = match aim.direction {
            Direction::Out => (self.options.limits.launch, "waiting for the new instance to be in service"),
            Direction::In => (self.options.limits.terminate, "waiting for the instance to be gone"),
        };
        self.say(what);
        let from = started.iter().map(|activity| activity.start_time).max().unwrap_or_default();
        let deadline = self.deadline(from, limit);
        let (clients, name) = (self.clients, self.group_name());
        let look = async || {
            let all = clients.autoscaling.describe_scaling_activities(&name).await?;
            let ours: Vec<Activity> =
                all.into_iter().filter(|activity| started.iter().any(|start| start.id == activity.id)).rev().collect();
            if let Some(failed) = ours.iter().find(|activity| activity.has_failed()) {
                return Ok(Look::Never(format!("{}: {}", failed.status_code, failed.status_message)));
            }
            let group = clients.autoscaling.describe_auto_scaling_groups(&name).await?.unwrap_or_default();
            let agrees = ours.iter().all(|activity| activity.is_successful() && shows(&group, activity, aim.direction));
            Ok(if agrees && !ours.is_empty() { Look::Done(ours) } else { Look::NotYet(describe(&group)) })
        };
        self.wait.until(deadline, look).await.map(seen)
    }

    async fn notices(&mut self, aim: &Aim<'_>, breach: Timestamp, ran: &mut Ran) -> Result<(), Stop> {
        for (name, topic) in topics_of(self.stack, &self.place, &aim.alarm.alarm_actions) {
            let notice = if ran.forced {
                self.notice(&topic, breach, |arrived| arrived.is_alarm(&aim.alarm.name)).await?
            } else {
                unknown("the alarm was in ALARM before the drill, so it had nothing new to say")
            };
            ran.alarm_notices.push((name, notice));
        }
        let (event, announced) = match aim.direction {
            Direction::Out => (GroupEvent::Launch, ran.finished.yes()),
            Direction::In => (GroupEvent::Terminate, ran.finished.yes()),
        };
        let last = announced.and_then(|activities| activities.last().cloned());
        for topic in self.stack.alerting.topics.iter().filter(|topic| topic.group_events.contains(&event)) {
            let arn = TopicArn(self.place.arn("sns", &topic.name));
            let group = self.stack.group.name.clone();
            let notice = match (&last, &aim.group) {
                (_, Err(error)) => unknown(error.to_string()),
                (None, _) => unknown("no instance came that far"),
                (Some(activity), Ok(_)) => {
                    let instance = activity.instance_id().unwrap_or_default();
                    let from = activity.end_time.unwrap_or(breach);
                    let fits = |arrived: &Arrived| {
                        arrived.is_group_event(&group, event.notification_type(), instance.as_str())
                    };
                    self.notice(&arn, from, fits).await?
                }
            };
            ran.group_notices.push((topic.name.clone(), notice));
        }
        Ok(())
    }

    /// Waits for a message in the temporary queue.
    async fn notice(
        &mut self,
        topic: &TopicArn,
        from: Timestamp,
        fits: impl Fn(&Arrived) -> bool,
    ) -> Result<Seen<Received>, Stop> {
        let deadline = self.deadline(from, self.options.limits.notice);
        let Some(inbox) = self.inbox.as_mut().filter(|inbox| inbox.hears(topic)) else {
            return Ok(Seen::No { last: format!("topic {topic} does not exist") });
        };
        let clients = self.clients;
        let look = async || {
            inbox.look(clients).await?;
            Ok(match inbox.find(topic, &fits) {
                Some(received) => Look::Done(received.clone()),
                None => Look::NotYet(inbox.describe(topic)),
            })
        };
        self.wait.until(deadline, look).await.map(seen)
    }

    /// Brings the group back to where it stood.
    async fn restore(&mut self, baseline: u32) -> Result<Seen<Restored>, Stop> {
        let name = self.group_name();
        let began = self.now();
        let entry = Entry::DesiredCapacity { group: name.clone(), was: baseline };
        let at_rest = |group: &Group| is_settled(group, baseline);
        let restored = match self.group().await? {
            None => return Ok(Seen::No { last: "the group is gone".into() }),
            Some(group) if at_rest(&group) => Restored { at: self.now(), desired_capacity: baseline, took: None },
            Some(group) => {
                self.say(&format!("bringing the desired capacity back to {baseline}"));
                if group.desired_capacity != baseline {
                    self.clients.autoscaling.set_desired_capacity(&name, baseline).await?;
                }
                match self.settle(baseline, patience(self.options.limits.restore)).await? {
                    Waited::GaveUp { last } => return Ok(Seen::No { last }),
                    Waited::Done(()) => {
                        let at = self.now();
                        Restored { at, desired_capacity: baseline, took: Some(at.since(began)) }
                    }
                }
            }
        };
        self.journal.strike(&entry)?;
        Ok(Seen::Yes(restored))
    }
}

/// The value to tell a step policy.
fn tell(direction: Direction, policy: &Policy, alarm: &MetricAlarm, capacity: u32) -> Result<Option<Told>, Halt> {
    if !policy.is_step() {
        return Ok(None);
    }
    match Told::nearest(policy, alarm, direction, capacity) {
        Some(told) => Ok(Some(told)),
        None => {
            let verb = if direction == Direction::Out { "adds" } else { "removes" };
            let because = format!("no step of policy {} {verb} instances where {} goes off", policy.name, alarm.name);
            blocked(Verdict::NotMet, because)
        }
    }
}

/// AWS does not say which data a step policy takes from an alarm that was set by hand.
fn not_taken(aim: &Aim<'_>) -> String {
    format!(
        "a step policy reads how far the metric is from the threshold, and this one took nothing from an alarm that was set \
         by hand; put load on the group until {} goes off by itself, and verify again",
        aim.alarm.name
    )
}

fn seen<T>(waited: Waited<T>) -> Seen<T> {
    match waited {
        Waited::Done(value) => Seen::Yes(value),
        Waited::GaveUp { last } => Seen::No { last },
    }
}

/// The first alarm of the spec that acts on a policy of this direction.
fn choose(stack: &Stack, direction: Direction) -> Option<(&Alarm, &ScalingPolicy)> {
    let fits = |policy: &&ScalingPolicy| match direction {
        Direction::Out => policy.scales_out(),
        Direction::In => policy.scales_in(),
    };
    stack.alerting.alarms.iter().find_map(|alarm| {
        let mut policies = alarm.alarm_actions.iter().filter_map(|action| match action {
            ActionRef::Policy(name) => stack.policies.iter().find(|policy| policy.name == *name),
            ActionRef::Topic(_) | ActionRef::Arn(_) => None,
        });
        policies.find(fits).map(|policy| (alarm, policy))
    })
}

/// The stack's topics among an alarm's actions.
fn topics_of(stack: &Stack, place: &Place, actions: &[ActionRef]) -> Vec<(String, TopicArn)> {
    let named = actions.iter().filter_map(|action| match action {
        ActionRef::Topic(key) => stack.alerting.topics.iter().find(|topic| topic.key == *key),
        ActionRef::Policy(_) | ActionRef::Arn(_) => None,
    });
    named.map(|topic| (topic.name.clone(), TopicArn(place.arn("sns", &topic.name)))).collect()
}

fn is_settled(group: &Group, capacity: u32) -> bool {
    let all_in_service = group.instances.iter().all(crate::aws::Instance::is_in_service);
    group.desired_capacity == capacity && group.instances.len() == capacity as usize && all_in_service
}

fn describe(group: &Group) -> String {
    let states: Vec<String> =
        group.instances.iter().map(|instance| format!("{} {}", instance.id, instance.lifecycle_state)).collect();
    let states = if states.is_empty() { "no instances".to_string() } else { states.join(", ") };
    format!("desired capacity {}, {states}", group.desired_capacity)
}

/// The activities since `since` that the alarm and the policy explain, oldest first.
fn caused(activities: &[Activity], aim: &Aim<'_>, since: Timestamp) -> Vec<Activity> {
    let verb = match aim.direction {
        Direction::Out => "Launching",
        Direction::In => "Terminating",
    };
    let fits = |activity: &&Activity| {
        activity.start_time >= since && activity.description.starts_with(verb) && aim.cause.explains(activity)
    };
    let mut caused: Vec<Activity> = activities.iter().filter(fits).cloned().collect();
    caused.sort_by_key(|activity| activity.start_time);
    caused
}

fn newest_activity(activities: &[Activity]) -> String {
    match activities.first() {
        None => "there are no activities".into(),
        Some(activity) => {
            // Sentences are separated by two spaces; the first says who asked, the others what Auto Scaling made of it.
            let asked = activity.cause.split("  ").next().unwrap_or_default();
            format!("the newest activity is `{}`, {asked}", activity.description)
        }
    }
}

/// Whether the group's own list agrees with a successful activity.
fn shows(group: &Group, activity: &Activity, direction: Direction) -> bool {
    let Some(id) = activity.instance_id() else { return false };
    let listed = group.instances.iter().find(|instance| instance.id == id);
    match direction {
        Direction::Out => listed.is_some_and(crate::aws::Instance::is_in_service),
        Direction::In => listed.is_none(),
    }
}

/// What a failed action's history data says went wrong.
fn error_of(data: &str) -> String {
    let data: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
    data["error"].as_str().unwrap_or("no reason given").to_string()
}
