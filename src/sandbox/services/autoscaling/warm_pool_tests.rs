//! Warm pools as a client sees them, below the codecs.

use super::tests::{ask, create, described, group, region};
use super::*;

fn put(region: &mut Region, input: model::PutWarmPoolInput) -> Result<(), Refusal> {
    let input = model::PutWarmPoolInput { auto_scaling_group_name: Some("web".into()), ..input };
    ask::<_, model::PutWarmPoolOutput>(region, "PutWarmPool", input).map(|_| ())
}

fn describe(
    region: &mut Region,
    max_records: Option<i64>,
    next_token: Option<String>,
) -> model::DescribeWarmPoolOutput {
    let name = Some("web".into());
    let input = model::DescribeWarmPoolInput { auto_scaling_group_name: name, max_records, next_token };
    ask(region, "DescribeWarmPool", input).unwrap()
}

/// A pool without what nobody set, as the user guide's example of DescribeWarmPool shows one.
#[test]
fn a_pool_shows_what_was_set_and_its_instances_stand_apart_from_the_groups() {
    let mut region = region();
    create(&mut region, group("web", 1));
    assert_eq!(describe(&mut region, None, None).warm_pool_configuration, None);
    put(&mut region, model::PutWarmPoolInput::default()).unwrap();
    let shown = described(&mut region, Default::default()).remove(0);
    let expected =
        model::WarmPoolConfiguration { min_size: Some(0), pool_state: Some("Stopped".into()), ..Default::default() };
    assert_eq!((shown.warm_pool_configuration, shown.warm_pool_size), (Some(expected.clone()), Some(2)));
    assert_eq!(shown.instances.unwrap().len(), 1);
    let pool = describe(&mut region, None, None);
    assert_eq!(pool.warm_pool_configuration, Some(expected));
    let states: Vec<_> = pool.instances.iter().flatten().map(|one| one.lifecycle_state.clone().unwrap()).collect();
    assert_eq!(states, ["Warmed:Stopped", "Warmed:Stopped"]);
    let all: model::DescribeAutoScalingInstancesOutput =
        ask(&mut region, "DescribeAutoScalingInstances", model::DescribeAutoScalingInstancesInput::default()).unwrap();
    assert_eq!(all.auto_scaling_instances.unwrap().len(), 3);
}

#[test]
fn a_change_keeps_what_it_leaves_out_and_minus_one_removes_the_maximum() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let reuse = Some(model::InstanceReusePolicy { reuse_on_scale_in: Some(true) });
    let first = model::PutWarmPoolInput {
        max_group_prepared_capacity: Some(2),
        pool_state: Some("Running".into()),
        instance_reuse_policy: reuse.clone(),
        ..Default::default()
    };
    put(&mut region, first).unwrap();
    put(&mut region, model::PutWarmPoolInput { min_size: Some(1), ..Default::default() }).unwrap();
    let all = model::WarmPoolConfiguration {
        max_group_prepared_capacity: Some(2),
        min_size: Some(1),
        pool_state: Some("Running".into()),
        instance_reuse_policy: reuse,
        status: None,
    };
    assert_eq!(describe(&mut region, None, None).warm_pool_configuration, Some(all.clone()));
    put(&mut region, model::PutWarmPoolInput { max_group_prepared_capacity: Some(-1), ..Default::default() }).unwrap();
    let expected = model::WarmPoolConfiguration { max_group_prepared_capacity: None, ..all };
    assert_eq!(describe(&mut region, None, None).warm_pool_configuration, Some(expected));
}

#[test]
fn a_pools_instances_come_in_pages() {
    let mut region = region();
    create(&mut region, group("web", 0));
    put(&mut region, model::PutWarmPoolInput::default()).unwrap();
    let first = describe(&mut region, Some(2), None);
    assert_eq!(first.instances.unwrap().len(), 2);
    let second = describe(&mut region, Some(2), first.next_token);
    assert_eq!((second.instances.unwrap().len(), second.next_token), (1, None));
}

#[test]
fn a_pool_is_deleted_by_force_or_when_it_is_empty() {
    let mut region = region();
    create(&mut region, group("web", 0));
    put(&mut region, model::PutWarmPoolInput::default()).unwrap();
    let delete = |region: &mut Region, force_delete: Option<bool>| {
        let input = model::DeleteWarmPoolInput { auto_scaling_group_name: Some("web".into()), force_delete };
        ask::<_, model::DeleteWarmPoolOutput>(region, "DeleteWarmPool", input).map(|_| ())
    };
    assert_eq!(delete(&mut region, None).unwrap_err().code, "ResourceInUse");
    delete(&mut region, Some(true)).unwrap();
    let gone = describe(&mut region, None, None);
    assert_eq!((gone.warm_pool_configuration, gone.instances), (None, Some(Vec::new())));
}

#[test]
fn a_group_that_is_not_there_has_no_pool() {
    let refused = put(&mut region(), model::PutWarmPoolInput::default()).unwrap_err();
    assert_eq!(refused.code, "ValidationError");
    assert_eq!(refused.message, "AutoScalingGroup name not found - No such Auto Scaling group: web");
}
