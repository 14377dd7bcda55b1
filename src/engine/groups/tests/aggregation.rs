//! What a step policy holds against its steps: the alarm's data point, or the minimum or maximum of its metric.

use super::*;
use crate::engine::World;
use crate::engine::alarms::Watched;
use crate::engine::groups::steps::Step;

/// The capacity after an alarm on an average of 60 (40 and 80, over 50) asked a policy that adds one within 20 of the
/// threshold and two beyond.
fn capacity_after(aggregation: Option<&str>) -> u32 {
    let stage = Stage::new(Timing::Instant);
    let mut world = World::new(Place::new("us-east-1", "123456789012"), 7, Timing::Instant);
    world.groups = stage.groups.clone();
    let (now, spec) = (stage.now, stage.spec("web", 1, 1, 9));
    world.with_groups(now, |groups| groups.create_group(now, spec)).unwrap();
    let step = |lower: f64, upper: Option<f64>, adjustment| Step { lower: Some(lower), upper, adjustment };
    let policy = Policy {
        name: "steps".into(),
        arn: PolicyArn::default(),
        enabled: true,
        adjustment_type: AdjustmentType::ChangeInCapacity,
        min_adjustment_magnitude: None,
        kind: PolicyKind::Step {
            steps: vec![step(0.0, Some(20.0), 1), step(20.0, None, 2)],
            aggregation: aggregation.map(str::to_string),
            estimated_warmup_secs: Some(0),
        },
        last: None,
    };
    let arn = world.with_groups(now, |groups| groups.put_policy(&"web".into(), policy)).unwrap();
    let mut config = (*alarm(now, 0.0).config).clone();
    let Watched::Metric(stat) = &mut config.watched else { panic!("the alarm is on one metric") };
    stat.key.name = "Load".into();
    let key = stat.key.clone();
    (config.comparison, config.threshold) = (Comparison::GreaterThanThreshold, 50.0);
    (config.evaluation_periods, config.datapoints_to_alarm) = (1, None);
    config.alarm_actions = vec![arn.to_string()];
    world.alarms.put(now, config, BTreeMap::new());
    for value in [40.0, 80.0] {
        world.metrics.record(key.clone(), now, crate::engine::metrics::Sample::one(value, "Percent"));
    }
    // Long enough for one evaluation with the data, too short for a repetition.
    world.step(now + Duration::from_secs(79), crate::engine::Event::Tick);
    world.groups.get(&"web".into()).unwrap().desired_capacity
}

#[test]
fn a_step_policy_reads_the_aggregation_that_it_asks_for() {
    for (aggregation, expected) in [(None, 2), (Some("Average"), 2), (Some("Maximum"), 3), (Some("Minimum"), 1)] {
        assert_eq!(capacity_after(aggregation), expected, "{aggregation:?}");
    }
}
