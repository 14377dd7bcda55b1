use super::*;
use crate::engine::groups::steps::Step;

fn policy(adjustment_type: AdjustmentType, min_adjustment_magnitude: Option<u32>, kind: PolicyKind) -> Policy {
    Policy {
        name: "p".into(),
        arn: PolicyArn::default(),
        enabled: true,
        adjustment_type,
        min_adjustment_magnitude,
        kind,
        last: None,
    }
}

fn simple(adjustment_type: AdjustmentType, adjustment: i32) -> Policy {
    policy(adjustment_type, None, PolicyKind::Simple { adjustment, cooldown_secs: None })
}

/// The documentation's pair: nothing within 10 of the threshold, 10 % within 20, 30 % beyond.
fn documented_steps(sign: i32) -> Policy {
    let bound = |distance: i32| Some(f64::from(sign * distance));
    let range = |near, far, adjustment: i32| match sign {
        1 => Step { lower: near, upper: far, adjustment },
        _ => Step { lower: far, upper: near, adjustment: -adjustment },
    };
    let steps = vec![range(bound(0), bound(10), 0), range(bound(10), bound(20), 10), range(bound(20), None, 30)];
    let kind = PolicyKind::Step { steps, aggregation: None, estimated_warmup_secs: None };
    policy(AdjustmentType::PercentChangeInCapacity, None, kind)
}

fn settled(desired: u32, min: u32, max: u32) -> Situation {
    Situation {
        limits: Limits { min, max },
        desired,
        weighed: None,
        warm: desired,
        terminating: 0,
        busy: false,
        cooldown_until: None,
        others: Others::default(),
    }
}

fn breach(value: f64) -> Option<Breach> {
    Some(Breach { value, threshold: 50.0, alarm_above: value >= 50.0 })
}

#[test]
fn percent_changes_round_towards_zero_but_never_to_none() {
    // Source: User Guide, scaling adjustment types; the last rows follow from the rule.
    for (raw, rounded) in
        [(12.7, 12), (0.67, 1), (-0.58, -1), (-6.67, -6), (0.3, 1), (1.0, 1), (1.5, 1), (-1.5, -1), (0.0, 0)]
    {
        assert_eq!(round_percent_change(raw), rounded, "{raw}");
    }
}

#[test]
fn a_minimum_magnitude_raises_small_percent_changes() {
    let check = |base, percent, magnitude, change| {
        let kind = AdjustmentType::PercentChangeInCapacity;
        assert_eq!(kind.change(base, percent, magnitude), change, "{percent} % of {base}, at least {magnitude:?}");
    };
    check(4, 25, Some(2), 2);
    check(4, 10, Some(3), 3);
    check(4, -10, Some(3), -3);
    check(40, 10, Some(3), 4);
    check(10, 10, None, 1);
    check(13, -30, None, -3);
    check(7, -100, None, -7);
    check(10, 0, Some(2), 0);
}

#[test]
fn a_simple_policy_stays_within_the_groups_limits() {
    let check = |kind, adjustment, desired, min, max, action: Action, because: Reason| {
        let decision = simple(kind, adjustment).decide(Timestamp::default(), &settled(desired, min, max), None, true);
        assert_eq!(decision, Decision { action, because }, "{adjustment} at {desired} of {min}..={max}");
    };
    use AdjustmentType::{ChangeInCapacity, ExactCapacity, PercentChangeInCapacity};
    check(ChangeInCapacity, 5, 3, 0, 10, Action::ScaleOut { to: 8 }, Reason::Adjusted { by: 5 });
    check(ChangeInCapacity, 3, 2, 1, 3, Action::ScaleOut { to: 3 }, Reason::Adjusted { by: 3 });
    check(ChangeInCapacity, -2, 3, 2, 5, Action::ScaleIn { to: 2 }, Reason::Adjusted { by: -2 });
    check(ChangeInCapacity, 1, 3, 1, 3, Action::NoOp, Reason::AtMaxSize);
    check(ChangeInCapacity, -1, 1, 1, 3, Action::NoOp, Reason::AtMinSize);
    check(ExactCapacity, 2, 5, 1, 9, Action::ScaleIn { to: 2 }, Reason::Adjusted { by: -3 });
    check(ExactCapacity, 5, 5, 1, 9, Action::NoOp, Reason::NoChangeAsked);
    check(PercentChangeInCapacity, -25, 8, 1, 9, Action::ScaleIn { to: 6 }, Reason::Adjusted { by: -2 });
}

#[test]
fn a_simple_policy_waits_for_activities_and_the_cooldown() {
    let now = Timestamp::from_secs(340);
    let decide = |busy, until: Option<i64>, honor| {
        let cooldown_until = until.map(Timestamp::from_secs);
        let situation = Situation { busy, cooldown_until, ..settled(1, 1, 3) };
        simple(AdjustmentType::ChangeInCapacity, 1).decide(now, &situation, None, honor).because
    };
    assert_eq!(decide(true, None, true), Reason::ActivityInProgress);
    assert_eq!(decide(false, Some(341), true), Reason::InCooldown { until: Timestamp::from_secs(341) });
    assert_eq!(decide(false, Some(340), true), Reason::Adjusted { by: 1 }, "a cooldown that ends now is over");
    assert_eq!(decide(false, Some(341), false), Reason::Adjusted { by: 1 });
}

#[test]
fn steps_follow_the_documented_example() {
    let check = |sign, desired, value: f64, expected: u32| {
        let decision =
            documented_steps(sign).decide(Timestamp::default(), &settled(desired, 0, 1000), breach(value), true);
        assert_eq!(decision.to().unwrap_or(desired), expected, "{value} at {desired}");
    };
    check(1, 10, 60.0, 11);
    check(1, 11, 70.0, 14);
    check(1, 10, 50.5, 10);
    check(1, 10, 69.999, 11);
    check(1, 10, 1000.0, 13);
    check(-1, 14, 40.0, 13);
    check(-1, 13, 30.0, 10);
    check(-1, 10, 40.001, 10);
}

#[test]
fn instances_that_warm_up_count_as_ordered() {
    let decide = |warm, desired, value: f64| {
        let situation = Situation { warm, ..settled(desired, 0, 1000) };
        documented_steps(1).decide(Timestamp::default(), &situation, breach(value), true)
    };
    assert_eq!(decide(10, 11, 62.0), Decision::no_op(Reason::AlreadyUnderWay));
    assert_eq!(decide(10, 11, 70.0).action, Action::ScaleOut { to: 13 });
    assert_eq!(decide(11, 13, 71.0).action, Action::ScaleOut { to: 14 });
}

#[test]
fn steps_take_nothing_away_while_instances_warm_up_or_already_terminate() {
    let decide = |warm, desired, terminating| {
        let situation = Situation { warm, terminating, ..settled(desired, 0, 1000) };
        documented_steps(-1).decide(Timestamp::default(), &situation, breach(40.0), true)
    };
    assert_eq!(decide(10, 11, 0), Decision::no_op(Reason::WarmingUp));
    assert_eq!(decide(9, 9, 1), Decision::no_op(Reason::AlreadyUnderWay));
    assert_eq!(decide(10, 10, 0).action, Action::ScaleIn { to: 9 });
}

#[test]
fn steps_need_a_metric_value_and_a_step_for_it() {
    let decide = |breach| documented_steps(1).decide(Timestamp::default(), &settled(10, 0, 100), breach, true);
    assert_eq!(decide(None), Decision::no_op(Reason::NoMetricValue));
    assert_eq!(decide(breach(45.0)), Decision::no_op(Reason::NoStepMatches));
    assert_eq!(decide(breach(51.0)), Decision::no_op(Reason::NoChangeAsked));
}

#[test]
fn a_decrement_smaller_than_the_surplus_of_weighted_instances_changes_nothing() {
    let limits = Limits { min: 0, max: 100 };
    assert_eq!(capacity_after(limits, 30, 32, -1), 30);
    assert_eq!(capacity_after(limits, 30, 32, -3), 29);
    assert_eq!(capacity_after(Limits { min: 0, max: 12 }, 10, 10, 5), 12);
    assert_eq!(capacity_launched(10, 12, 6), 16, "the guide's example: above max_size by less than the weight");
    assert_eq!(capacity_launched(12, 12, 6), 12);
}

#[test]
fn the_largest_capacity_wins_and_warm_up_falls_back() {
    assert_eq!(largest_capacity([5, 6]), Some(6));
    assert_eq!(largest_capacity([12, 8]), Some(12));
    assert_eq!(effective_warmup_secs(Some(200), Some(60), 300), 200);
    assert_eq!(effective_warmup_secs(None, Some(60), 300), 60);
    assert_eq!(effective_warmup_secs(None, Some(0), 300), 0);
    assert_eq!(effective_warmup_secs(None, None, 300), 300);
}

fn tracker(target: f64, disable_scale_in: bool) -> Policy {
    use crate::engine::groups::target_tracking::{AlarmNames, PredefinedMetric, TrackedMetric};
    let metric = TrackedMetric::Predefined { kind: PredefinedMetric::ASGAverageCPUUtilization, resource_label: None };
    let alarms = AlarmNames::default();
    let tracking = TargetTracking { metric, target, disable_scale_in, estimated_warmup_secs: None, alarms };
    policy(AdjustmentType::ChangeInCapacity, None, PolicyKind::TargetTracking(tracking))
}

fn track(policy: &Policy, situation: &Situation, alarm_above: bool, value: f64) -> Decision {
    let breach = Breach { value, threshold: 50.0, alarm_above };
    policy.decide(Timestamp::default(), situation, Some(breach), true)
}

#[test]
fn target_tracking_scales_out_in_proportion_and_counts_what_warms_up() {
    let out = |warm, desired, value| {
        track(&tracker(50.0, false), &Situation { warm, ..settled(desired, 1, 20) }, true, value)
    };
    assert_eq!(out(10, 10, 75.0).action, Action::ScaleOut { to: 15 });
    assert_eq!(out(10, 10, 200.0).action, Action::ScaleOut { to: 20 }, "no more than max_size");
    assert_eq!(out(10, 15, 75.0), Decision::no_op(Reason::AlreadyUnderWay));
    assert_eq!(out(10, 15, 90.0).action, Action::ScaleOut { to: 18 });
    assert_eq!(out(10, 10, 40.0), Decision::no_op(Reason::NoChangeAsked), "below the target nothing is added");
}

#[test]
fn target_tracking_scales_in_gradually_and_never_against_the_others() {
    let calm = || settled(10, 1, 20);
    let scale_in = |situation: Situation, value| track(&tracker(50.0, false), &situation, false, value);
    assert_eq!(scale_in(calm(), 30.0).action, Action::ScaleIn { to: 9 });
    assert_eq!(scale_in(settled(40, 1, 99), 0.0).action, Action::ScaleIn { to: 36 });
    assert_eq!(scale_in(settled(1, 0, 9), 0.0).action, Action::ScaleIn { to: 0 });
    assert_eq!(scale_in(settled(1, 1, 9), 0.0), Decision::no_op(Reason::AtMinSize));
    assert_eq!(scale_in(settled(5, 1, 9), 44.0), Decision::no_op(Reason::NoChangeAsked), "4.4 are 5");
    assert_eq!(scale_in(Situation { warm: 9, ..calm() }, 0.0), Decision::no_op(Reason::WarmingUp));
    let object = Others { object: true, at_least: 0 };
    assert_eq!(scale_in(Situation { others: object, ..calm() }, 0.0), Decision::no_op(Reason::OtherPolicyNotReady));
    let at_least = Others { object: false, at_least: 10 };
    assert_eq!(scale_in(Situation { others: at_least, ..calm() }, 0.0), Decision::no_op(Reason::NoChangeAsked));
    let going = Situation { terminating: 1, ..settled(9, 1, 20) };
    assert_eq!(scale_in(going, 30.0), Decision::no_op(Reason::AlreadyUnderWay), "one step at a time");
    assert_eq!(track(&tracker(50.0, true), &calm(), false, 0.0), Decision::no_op(Reason::ScaleInDisabled));
}
