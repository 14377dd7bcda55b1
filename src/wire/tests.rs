//! The laws of `wire`, against a small AWS in memory.

use std::path::Path;

use super::*;
use crate::aws::Clients;
use crate::aws::fake::FakeAws;
use crate::aws::names::{AlarmName, TopicArn};
use crate::aws::{AwsError, Trouble};
use crate::model::{GroupEvent, Stack};

/// The course stack of the examples.
pub fn course() -> Stack {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/course.yaml");
    crate::cli::spec_file::load(&path).map(|loaded| loaded.stack).unwrap_or_else(|failure| panic!("{failure}"))
}

async fn wired(clients: &Clients, stack: &Stack) -> Result<Applied, WireError> {
    let found = find(clients, stack).await.unwrap();
    apply(clients, &plan(stack, &found), &mut |_| {}).await
}

async fn planned(clients: &Clients, stack: &Stack) -> Vec<String> {
    let plan = plan(stack, &find(clients, stack).await.unwrap());
    let line = |change: &Change| {
        let fields: Vec<&str> = change.diff.iter().map(|diff| diff.field).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        format!("{} {}{fields}", change.verb, change.resource)
    };
    plan.doing().map(line).collect()
}

fn ops() -> TopicArn {
    TopicArn::from("arn:aws:sns:ap-northeast-2:123456789012:course-ops")
}

#[tokio::test]
async fn a_second_run_plans_nothing_and_asks_for_no_tags_of_alarms() {
    let (fake, clients) = FakeAws::clients();
    let stack = course();
    let applied = wired(&clients, &stack).await.unwrap();
    assert_eq!((applied.created, applied.updated, applied.deleted), (7, 0, 0));
    assert_eq!(applied.unconfirmed, [Pending { topic: "course-ops".into(), email: "ops@example.com".into() }]);
    fake.state().calls.clear();
    assert_eq!(planned(&clients, &stack).await, Vec::<String>::new());
    assert!(!fake.state().calls.contains(&"cloudwatch:ListTagsForResource"));
}

#[tokio::test]
async fn what_the_spec_changes_is_updated_and_what_it_drops_is_deleted() {
    let (_, clients) = FakeAws::clients();
    let mut stack = course();
    wired(&clients, &stack).await.unwrap();
    stack.alerting.alarms.retain(|alarm| alarm.key != "cpu-warning");
    stack.alerting.alarms.iter_mut().find(|alarm| alarm.key == "cpu-high").unwrap().threshold = 60.0;
    stack.alerting.topics[0].group_events = vec![GroupEvent::Launch];
    assert_eq!(
        planned(&clients, &stack).await,
        [
            "update notifications of course to course-ops (NotificationTypes)",
            "update alarm course-cpu-high (Threshold)",
            "delete alarm course-cpu-warning",
        ]
    );
    wired(&clients, &stack).await.unwrap();
    assert_eq!(planned(&clients, &stack).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_alarm_of_our_name_that_is_not_ours_stops_everything_until_it_is_adopted() {
    let (fake, clients) = FakeAws::clients();
    let stack = course();
    wired(&clients, &stack).await.unwrap();
    let name = AlarmName::from("course-cpu-high");
    let bend = |owner: Option<&str>| {
        let mut state = fake.state();
        let alarm = state.alarms.get_mut(&name).unwrap();
        alarm.described.config.threshold = 99.0;
        alarm.tags = owner.map(|stack| (OWNER_TAG.to_string(), stack.to_string())).into_iter().collect();
        state.calls.clear();
    };
    bend(None);
    let error = wired(&clients, &stack).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not ours to change: alarm course-cpu-high exists without the tag `scaleproof:stack`"
    );
    assert!(error.hint().unwrap().contains("--adopt"));
    assert!(!fake.state().calls.contains(&"cloudwatch:PutMetricAlarm"));

    let found = find(&clients, &stack).await.unwrap();
    let adopting = plan_adopting(&stack, &found, Adoption::Untagged);
    let applied = apply(&clients, &adopting, &mut |_| {}).await.unwrap();
    assert_eq!((applied.adopted, applied.updated), (1, 1));
    assert_eq!(planned(&clients, &stack).await, Vec::<String>::new());

    bend(Some("another"));
    let found = find(&clients, &stack).await.unwrap();
    let refused = plan_adopting(&stack, &found, Adoption::Untagged);
    assert_eq!(refused.conflicts[0].to_string(), "alarm course-cpu-high belongs to the stack `another`");
}

#[tokio::test]
async fn removing_takes_everything_of_ours_and_nothing_of_a_stack_with_a_longer_name() {
    let (fake, clients) = FakeAws::clients();
    let stack = course();
    let mut other = course();
    other.name = "course-prod".into();
    for topic in &mut other.alerting.topics {
        topic.name = format!("course-prod-{}", topic.key);
    }
    for alarm in &mut other.alerting.alarms {
        alarm.name = format!("course-prod-{}", alarm.key);
    }
    wired(&clients, &stack).await.unwrap();
    wired(&clients, &other).await.unwrap();
    assert_eq!(planned(&clients, &stack).await, Vec::<String>::new());
    unwire(&clients, &stack, &mut |_| {}).await.unwrap();
    {
        let state = fake.state();
        assert_eq!(state.topics.len(), 1);
        assert_eq!(state.notifications.len(), 1);
        assert!(state.alarms.keys().all(|name| name.as_str().starts_with("course-prod-")) && state.alarms.len() == 3);
    }
    let again = unwire(&clients, &stack, &mut |_| {}).await.unwrap();
    assert_eq!(again.deleted, 0);
}

#[tokio::test]
async fn a_run_that_broke_off_is_taken_up_again() {
    let (fake, clients) = FakeAws::clients();
    let stack = course();
    let throttled = Trouble::Answered { code: "Throttling".into(), message: "Rate exceeded".into(), status: 400 };
    fake.state().refused.insert("cloudwatch:PutMetricAlarm", throttled);
    let error = wired(&clients, &stack).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot create alarm course-cpu-"), "{error}");
    assert!(error.to_string().ends_with("; 4 of 7 changes are made"), "{error}");
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<AwsError>()).unwrap();
    assert_eq!(cause.to_string(), "Throttling for `cloudwatch:PutMetricAlarm` at http://127.0.0.1:1: Rate exceeded");
    fake.state().refused.clear();
    assert_eq!(wired(&clients, &stack).await.unwrap().created, 3);
}

#[tokio::test]
async fn without_the_policies_nothing_is_applied() {
    let (fake, clients) = FakeAws::clients();
    fake.state().policies.clear();
    let error = wired(&clients, &course()).await.unwrap_err();
    assert_eq!(error.to_string(), "the group `course` has no scaling policy `scale-in`, `scale-out`");
    assert!(fake.state().topics.is_empty());
}

#[tokio::test]
async fn an_endpoint_without_auto_scaling_gets_the_rest_and_is_told_what_is_left_out() {
    let (fake, clients) = FakeAws::clients();
    let licence = Trouble::Answered { code: "InternalFailure".into(), message: "license".into(), status: 501 };
    fake.state().refused.insert("autoscaling:", licence);
    let stack = course();
    let plan = plan(&stack, &find(&clients, &stack).await.unwrap());
    assert_eq!(plan.left_out.len(), 3);
    assert!(plan.left_out.iter().all(|left_out| left_out.contains("is not served by this endpoint")));
    let applied = apply(&clients, &plan, &mut |_| {}).await.unwrap();
    assert_eq!(applied.created, 6);
    let state = fake.state();
    let alarm = &state.alarms[&AlarmName::from("course-cpu-high")].described.config;
    assert_eq!(alarm.alarm_actions, [ops().0]);
}
