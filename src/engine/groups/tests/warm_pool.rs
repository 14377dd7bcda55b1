//! Warm pools over virtual time. Rules: User Guide, "Decrease latency for applications with long boot times using warm
//! pools" and "Use lifecycle hooks with a warm pool".

use super::*;
use crate::engine::groups::cause::HealthFinding;
use crate::engine::groups::hook::{ActionResult, LifecycleHook, Transition};
use crate::engine::groups::refresh::RefreshPreferences;
use crate::engine::groups::timing::{BOOT, IN_SERVICE_DELAY, LAUNCH_DELAY, WARM_START, WARM_STOP};

fn web() -> GroupName {
    "web".into()
}

/// A settled group of `min`/`desired`/`max` whose warm pool has settled too.
fn pooled(sizes: (u32, u32, u32), change: WarmPoolChange) -> Stage {
    let mut stage = Stage::settled(sizes.0, sizes.1, sizes.2);
    stage.put_pool(change);
    stage.run_for(300);
    stage.outcomes.clear();
    stage
}

impl Stage {
    fn put_pool(&mut self, change: WarmPoolChange) {
        self.call(|groups, now| groups.put_warm_pool(now, &web(), change)).unwrap();
    }

    fn pool(&self) -> String {
        self.pool_states().into_iter().map(LifecycleState::name).collect::<Vec<_>>().join(" ")
    }

    fn want(&mut self, desired: u32) {
        self.call(|groups, now| groups.set_desired_capacity(now, &web(), desired, false)).unwrap();
    }

    /// A hook that tells a topic.
    fn put_hook(&mut self, transition: Transition) {
        let hook = LifecycleHook {
            name: transition.name().rsplit('_').next().unwrap().into(),
            transition,
            heartbeat_secs: 3600,
            default_result: ActionResult::Abandon,
            target: Some("arn:aws:sns:us-east-1:123456789012:hooks".to_string().into()),
            role_arn: None,
            metadata: None,
        };
        self.call(|groups, now| groups.put_lifecycle_hook(now, &web(), hook)).unwrap();
        self.outcomes.clear();
    }

    /// Ends every wait for the hook of `transition`.
    fn complete(&mut self, transition: Transition, result: ActionResult) {
        let hook = transition.name().rsplit('_').next().unwrap();
        for id in self.group().everyone().cloned().collect::<Vec<_>>() {
            let _ =
                self.call(|groups, now| groups.complete_lifecycle_action(now, &web(), hook, None, Some(&id), result));
        }
    }

    /// `Origin`, `Destination` and `LifecycleTransition` of each hook's message.
    fn hook_ways(&self) -> Vec<String> {
        let messages = self.messages().into_iter().map(|(_, _, message)| message);
        let hooks = messages.filter(|message| message["LifecycleTransition"].is_string());
        let told = hooks.map(|message| {
            let text = |key: &str| message[key].as_str().unwrap().to_string();
            let transition = text("LifecycleTransition").rsplit('_').next().unwrap().to_string();
            format!("{} {} {transition}", text("Origin"), text("Destination"))
        });
        told.collect()
    }
}

#[test]
fn a_pool_fills_up_to_what_may_be_prepared_and_its_instances_are_not_the_groups() {
    let mut stage = pooled((1, 6, 10), WarmPoolChange::default());
    assert_eq!(stage.pool(), "Warmed:Stopped Warmed:Stopped Warmed:Stopped Warmed:Stopped");
    assert_eq!(stage.states().matches("InService").count(), 6);
    assert_eq!(stage.member_ids().len(), 6);
    let instance = stage.groups.instance(&stage.pooled_ids()[0]).unwrap();
    assert_eq!((instance.state, instance.public_ip.clone()), (Ec2State::Stopped, None));
    // Raising the minimum beyond that fills it further; a maximum below the desired capacity empties it.
    stage.put_pool(WarmPoolChange { max_prepared: Some(Some(8)), ..WarmPoolChange::default() });
    stage.run_for(300);
    assert_eq!(stage.pool_states().len(), 2);
    stage.put_pool(WarmPoolChange { min_size: Some(3), max_prepared: Some(Some(4)), ..WarmPoolChange::default() });
    stage.run_for(300);
    assert_eq!(stage.pool_states().len(), 3);
    // -1 removes the maximum; what is left out stays.
    stage.put_pool(WarmPoolChange { max_prepared: Some(None), ..WarmPoolChange::default() });
    stage.run_for(300);
    let pool = stage.group().warm_pool.clone().unwrap();
    assert_eq!((pool.max_prepared, pool.min_size, stage.pool_states().len()), (None, 3, 4));
}

#[test]
fn a_launch_into_the_pool_takes_the_stop_longer_than_one_into_the_group() {
    let mut stage = Stage::settled(1, 1, 2);
    stage.put_pool(WarmPoolChange::default());
    let secs = |duration: Duration| duration.as_secs();
    stage.run_for(secs(LAUNCH_DELAY));
    assert_eq!(stage.pool(), "Warmed:Pending");
    let id = stage.pooled_ids()[0].clone();
    stage.run_for(secs(BOOT + WARM_STOP) - 1);
    assert_eq!(stage.pool(), "Warmed:Pending");
    stage.run_for(1);
    assert_eq!(stage.pool(), "Warmed:Stopped");
    assert_eq!(stage.activities()[0], (
        format!("Launching a new EC2 instance into warm pool: {id}"),
        "Successful",
        "At 308 an instance was started in response to a difference between desired and actual warm pool capacity, \
         increasing the warm pool from 0 to 1."
            .into(),
    ));
}

#[test]
fn a_group_scales_out_from_its_pool_first_and_sooner_and_launches_what_the_pool_lacks() {
    let mut stage = pooled((1, 1, 4), WarmPoolChange { max_prepared: Some(Some(2)), ..WarmPoolChange::default() });
    let id = stage.pooled_ids()[0].clone();
    stage.want(3);
    stage.run_for((LAUNCH_DELAY + WARM_START + IN_SERVICE_DELAY).as_secs());
    assert_eq!(stage.states().matches("InService").count(), 2, "{}", stage.states());
    assert!(stage.member_ids().contains(&id));
    assert_eq!(stage.pool(), "");
    stage.run_for((BOOT - WARM_START).as_secs());
    assert_eq!(stage.states(), "InService InService InService");
    let activities = stage.activities();
    let (title, status, cause) = activities.iter().find(|(title, ..)| title.contains("from warm pool")).unwrap();
    assert_eq!(
        (title.as_str(), *status),
        (&*format!("Launching a new EC2 instance from warm pool: {id}"), "Successful")
    );
    assert_eq!(
        cause,
        "At 600 a user request explicitly set group desired capacity changing the desired capacity from 1 to 3.  At 608 \
         an instance was started in response to a difference between desired and actual capacity, increasing the capacity \
         from 1 to 3."
    );
    assert_eq!(
        activities.iter().filter(|(title, ..)| title.starts_with("Launching a new EC2 instance: ")).count(),
        3 - 1
    );
}

#[test]
fn a_pool_that_keeps_a_minimum_fills_again() {
    let mut stage = pooled((1, 1, 4), WarmPoolChange { min_size: Some(2), ..WarmPoolChange::default() });
    assert_eq!(stage.pool_states().len(), 3);
    stage.want(4);
    stage.run_for(300);
    assert_eq!(stage.states(), "InService InService InService InService");
    assert_eq!(stage.pool(), "Warmed:Stopped Warmed:Stopped");
}

#[test]
fn instances_that_rest_running_need_no_start() {
    let state = Some(PoolState::Running);
    let mut stage = pooled((1, 1, 2), WarmPoolChange { state, ..WarmPoolChange::default() });
    assert_eq!(stage.pool(), "Warmed:Running");
    stage.want(2);
    stage.run_for((LAUNCH_DELAY + IN_SERVICE_DELAY).as_secs());
    assert_eq!(stage.states(), "InService InService");
    let mut stage =
        pooled((1, 1, 2), WarmPoolChange { state: Some(PoolState::Hibernated), ..WarmPoolChange::default() });
    assert_eq!(stage.pool(), "Warmed:Hibernated");
    let instance = stage.groups.instance(&stage.pooled_ids()[0]).unwrap();
    assert_eq!(instance.state_reason.as_ref().unwrap().0, "Client.UserInitiatedHibernate");
    stage.want(2);
    stage.run_for(300);
    assert_eq!(stage.states(), "InService InService");
}

#[test]
fn hooks_run_on_the_way_into_the_pool_and_again_on_the_way_out() {
    let mut stage = Stage::settled(1, 1, 2);
    stage.put_hook(Transition::Launching);
    stage.put_pool(WarmPoolChange::default());
    stage.run_for(120);
    assert_eq!(stage.pool(), "Warmed:Pending:Wait");
    stage.complete(Transition::Launching, ActionResult::Continue);
    assert_eq!(stage.pool(), "Warmed:Pending:Proceed");
    stage.run_for(60);
    assert_eq!(stage.pool(), "Warmed:Stopped");
    stage.want(2);
    stage.run_for(60);
    assert!(stage.states().contains("Pending:Wait"), "{}", stage.states());
    stage.complete(Transition::Launching, ActionResult::Continue);
    stage.run_for(60);
    assert_eq!(stage.states(), "InService InService");
    assert_eq!(stage.hook_ways(), ["EC2 WarmPool LAUNCHING", "WarmPool AutoScalingGroup LAUNCHING"]);
}

#[test]
fn a_launch_into_the_pool_that_a_hook_abandons_is_tried_again() {
    let mut stage = Stage::settled(1, 1, 2);
    stage.put_hook(Transition::Launching);
    stage.put_pool(WarmPoolChange::default());
    stage.run_for(120);
    let first = stage.pooled_ids();
    stage.complete(Transition::Launching, ActionResult::Abandon);
    stage.run_for(120);
    assert_eq!(stage.pool(), "Warmed:Pending:Wait");
    assert_ne!(stage.pooled_ids(), first);
}

#[test]
fn an_instance_that_a_user_stops_on_its_way_is_replaced() {
    let mut stage = Stage::settled(1, 1, 2);
    stage.put_hook(Transition::Launching);
    stage.put_pool(WarmPoolChange::default());
    stage.run_for(120);
    assert_eq!(stage.pool(), "Warmed:Pending:Wait");
    let stopped = stage.pooled_ids();
    stage.call(|groups, now| groups.stop_instances(now, &stopped)).unwrap();
    assert_eq!(stage.pool(), "");
    stage.run_for(120);
    stage.complete(Transition::Launching, ActionResult::Continue);
    stage.want(2);
    stage.run_for(120);
    let stopped: Vec<InstanceId> = stage.member_ids();
    let stopped: Vec<InstanceId> = stopped
        .into_iter()
        .filter(|id| stage.groups.instance(id).unwrap().lifecycle() != Some(LifecycleState::InService))
        .collect();
    assert_eq!(stopped.len(), 1, "{}", stage.states());
    stage.call(|groups, now| groups.stop_instances(now, &stopped)).unwrap();
    stage.run_for(120);
    stage.complete(Transition::Launching, ActionResult::Continue);
    stage.run_for(120);
    assert_eq!(stage.states(), "InService InService");
}

#[test]
fn a_group_that_shrinks_returns_instances_to_a_pool_that_reuses_them() {
    let reuse = WarmPoolChange { reuse_on_scale_in: Some(true), ..WarmPoolChange::default() };
    let mut stage = pooled((1, 2, 3), reuse);
    stage.put_hook(Transition::Terminating);
    let topic: TopicArn = "arn:aws:sns:us-east-1:123456789012:events".into();
    let types = std::collections::BTreeSet::from([notice::NotificationType::Terminate]);
    stage.call(|groups, now| groups.put_notification(now, &web(), topic, types)).unwrap();
    stage.outcomes.clear();
    let before = stage.groups.instances().count();
    stage.want(1);
    stage.run_for(60);
    assert_eq!(stage.states(), "InService");
    assert!(stage.pool().contains("Warmed:Pending:Wait"), "{}", stage.pool());
    stage.complete(Transition::Terminating, ActionResult::Continue);
    stage.run_for(60);
    assert_eq!(stage.pool(), "Warmed:Stopped Warmed:Stopped");
    assert_eq!(stage.groups.instances().count(), before, "nothing was launched or terminated");
    assert_eq!(stage.hook_ways(), ["AutoScalingGroup WarmPool TERMINATING"]);
    let (_, subject, message) = stage.messages().pop().unwrap();
    assert_eq!(subject, "Auto Scaling: termination for group \"web\"");
    assert_eq!((&message["Origin"], &message["Destination"]), (&json!("AutoScalingGroup"), &json!("WarmPool")));
    let (_, status, cause) = &stage.activities()[0];
    assert_eq!(*status, "Successful");
    assert!(cause.contains("shrinking the capacity from 2 to 1.") && cause.ends_with("was selected for termination."));
    // A pool that is full, and one that does not reuse, get nothing back.
    stage.put_pool(WarmPoolChange { reuse_on_scale_in: Some(false), ..WarmPoolChange::default() });
    stage.want(2);
    stage.run_for(300);
    stage.want(1);
    stage.run_for(60);
    assert!(stage.states().contains("Terminating:Wait"), "{}", stage.states());
}

#[test]
fn a_pools_instances_count_in_its_own_metrics_alone() {
    let mut stage = Stage::settled(1, 2, 5);
    stage.call(|groups, now| groups.enable_metrics(now, &web(), &[])).unwrap();
    stage.put_pool(WarmPoolChange::default());
    let newest = |stage: &Stage, name: &str| stage.values(name, "AutoScalingGroupName").last().unwrap().1;
    stage.run_for(60);
    assert_eq!(newest(&stage, "WarmPoolPendingCapacity"), 3.0);
    stage.run_for(240);
    for (name, expected) in [
        ("GroupTotalInstances", 2.0),
        ("GroupDesiredCapacity", 2.0),
        ("WarmPoolDesiredCapacity", 3.0),
        ("WarmPoolWarmedCapacity", 3.0),
        ("WarmPoolPendingCapacity", 0.0),
        ("WarmPoolTerminatingCapacity", 0.0),
        ("WarmPoolTotalCapacity", 3.0),
        ("GroupAndWarmPoolDesiredCapacity", 5.0),
        ("GroupAndWarmPoolTotalCapacity", 5.0),
    ] {
        assert_eq!(newest(&stage, name), expected, "{name}");
    }
}

#[test]
fn a_pool_is_deleted_when_it_is_empty_or_by_force() {
    let mut stage = pooled((1, 1, 3), WarmPoolChange::default());
    stage.put_hook(Transition::Terminating);
    let delete = |stage: &mut Stage, force| stage.call(|groups, now| groups.delete_warm_pool(now, &web(), force));
    assert_eq!(delete(&mut stage, false).unwrap_err().code, "ResourceInUse");
    delete(&mut stage, true).unwrap();
    // Forced, so without the hook.
    assert_eq!(stage.pool(), "Warmed:Terminating Warmed:Terminating");
    assert!(stage.group().warm_pool.as_ref().unwrap().deleting);
    let refused = stage.call(|groups, now| groups.put_warm_pool(now, &web(), WarmPoolChange::default()));
    assert_eq!(refused.unwrap_err().code, "ScalingActivityInProgress");
    stage.run_for(120);
    assert_eq!(stage.group().warm_pool, None);
    assert_eq!(stage.states(), "InService");
    let (title, _, cause) = &stage.activities()[0];
    assert!(title.starts_with("Terminating EC2 instance from warm pool: i-"), "{title}");
    assert!(cause.contains("shrinking the warm pool from 2 to 0."), "{cause}");
    delete(&mut stage, false).unwrap();
}

#[test]
fn a_group_goes_with_its_pool_by_force_alone() {
    let mut stage = pooled((0, 0, 2), WarmPoolChange::default());
    let delete = |stage: &mut Stage, force| stage.call(|groups, now| groups.delete_group(now, &web(), force));
    assert_eq!(delete(&mut stage, false).unwrap_err().code, "ResourceInUse");
    delete(&mut stage, true).unwrap();
    stage.run_for(120);
    assert!(stage.groups.get(&web()).is_none());
    assert!(stage.groups.instances().all(|instance| instance.state == Ec2State::Terminated));
}

#[test]
fn unhealthy_instances_of_a_pool_are_replaced() {
    let mut stage = pooled((1, 1, 2), WarmPoolChange::default());
    let first = stage.pooled_ids()[0].clone();
    stage.call(|groups, now| groups.report_check(now, &first, HealthFinding::EbsVolume, true));
    assert_eq!(stage.pool(), "Warmed:Terminating");
    assert!(stage.activities()[0].2.ends_with("in response to EBS volume health check failure."));
    stage.run_for(300);
    assert_eq!(stage.pool(), "Warmed:Stopped");
    let second = stage.pooled_ids()[0].clone();
    assert_ne!(second, first);
    // There is no grace period to respect.
    stage.call(|groups, now| groups.set_instance_health(now, &second, Health::Unhealthy, true)).unwrap();
    stage.run_for(300);
    let third = stage.pooled_ids()[0].clone();
    assert_ne!(third, second);
    stage.call(|groups, now| groups.terminate_instances(now, std::slice::from_ref(&third))).unwrap();
    stage.run_for(300);
    assert_eq!(stage.pool(), "Warmed:Stopped");
    assert_ne!(stage.pooled_ids()[0], third);
    let refused = stage.pooled_ids()[0].clone();
    let refused = stage.call(|groups, now| groups.terminate_member(now, &refused, false));
    assert_eq!(refused.unwrap_err().code, "ValidationError");
}

#[test]
fn a_refresh_replaces_the_groups_instances_and_then_the_pools() {
    let mut stage = pooled((1, 2, 5), WarmPoolChange::default());
    let (members, pool) = (stage.member_ids(), stage.pooled_ids());
    let preferences = RefreshPreferences { min_healthy_percentage: 50, ..RefreshPreferences::default() };
    stage.call(|groups, now| groups.start_instance_refresh(now, &web(), None, preferences)).unwrap();
    let refused = stage.call(|groups, now| groups.put_warm_pool(now, &web(), WarmPoolChange::default()));
    assert_eq!(refused.unwrap_err().code, "InstanceRefreshInProgress");
    let mut live_first = true;
    while stage.group().active_refresh().is_some() {
        stage.run_for(5);
        let old_live = stage.member_ids().iter().any(|id| members.contains(id));
        let old_pool = pool.iter().all(|id| stage.pooled_ids().contains(id) || stage.member_ids().contains(id));
        live_first &= old_pool || !old_live;
    }
    assert!(live_first);
    assert_eq!(stage.group().refreshes[0].status.name(), "Successful");
    assert_eq!(stage.group().refreshes[0].percentage_complete, 100);
    assert_eq!(stage.states(), "InService InService");
    assert_eq!(stage.pool(), "Warmed:Stopped Warmed:Stopped Warmed:Stopped");
    assert!(stage.pooled_ids().iter().chain(&stage.member_ids()).all(|id| !pool.contains(id) && !members.contains(id)));
}

#[test]
fn a_zone_without_capacity_starts_nothing_from_the_pool() {
    let mut stage = pooled((0, 0, 2), WarmPoolChange::default());
    for letter in ["a", "b"] {
        stage.groups.set_zone_capacity(format!("us-east-1{letter}").as_str().into(), false);
    }
    stage.want(1);
    stage.run_for(60);
    assert_eq!(stage.states(), "");
    let activities = stage.activities();
    let failed = activities.iter().find(|(title, ..)| title.starts_with("Launching a new EC2 instance.")).unwrap();
    assert_eq!(failed.1, "Failed", "{}", failed.0);
    stage.groups.set_zone_capacity("us-east-1a".into(), true);
    stage.run_for(300);
    assert_eq!(stage.states(), "InService");
}

#[test]
fn an_instance_from_the_pool_has_booted_and_serves_at_once() {
    let serving_after = |pool: bool| {
        let mut stage = Stage::settled(1, 1, 2);
        let workload = Workload {
            requests_per_sec: 100.0,
            base_cpu: 2.0,
            boot: workload::Spread::fixed(Duration::from_secs(300)),
            service_ms: 20.0,
            latency_cap_ms: 30_000.0,
            credits: None,
            metric_delay: Duration::ZERO,
            metric_loss_percent: 0.0,
            seed: 1,
        };
        stage.call(|groups, now| groups.set_workload(now, &web(), workload)).unwrap();
        if pool {
            stage.put_pool(WarmPoolChange::default());
        }
        stage.run_for(600);
        stage.want(2);
        stage.run_for(120);
        stage.group().minute.unwrap().serving
    };
    assert_eq!((serving_after(false), serving_after(true)), (1, 2));
}

#[test]
fn a_group_that_launches_spot_instances_has_no_pool() {
    let mut stage = Stage::settled(1, 1, 2);
    let data = json!({"ImageId": "ami-1", "InstanceMarketOptions": {"MarketType": "spot"}});
    stage.groups.create_launch_template(stage.now, "spot", None, data, BTreeMap::new()).unwrap();
    let launch = stage.groups.launch_source_of_template(None, Some("spot"), None).unwrap();
    let settings = Settings { launch, ..stage.group().settings.clone() };
    let change = GroupChange { min_size: None, max_size: None, desired_capacity: None, settings };
    stage.call(|groups, now| groups.update_group(now, &web(), change)).unwrap();
    let refused = stage.call(|groups, now| groups.put_warm_pool(now, &web(), WarmPoolChange::default()));
    assert!(refused.unwrap_err().message.contains("Spot Instances"));
}
