//! Whole runs against a small AWS in memory: met, not met, could not tell, and everything undone.

use std::sync::Arc;
use std::time::Duration;

use super::journal::{Entry, Journal};
use super::*;
use crate::aws::fake::FakeAws;
use crate::aws::names::{AlarmName, TopicArn};
use crate::aws::{AlarmState, Clients, StepAdjustment, Subscription, Trouble};
use crate::model::Stack;
use crate::wire;

struct Bench {
    fake: Arc<FakeAws>,
    clients: Clients,
    stack: Stack,
    dir: tempfile::TempDir,
}

impl Bench {
    /// The course stack, wired, its subscriber confirmed.
    async fn new() -> Self {
        let (fake, mut clients) = FakeAws::clients();
        let stack = wire::tests::course();
        let found = wire::find(&clients, &stack).await.unwrap();
        wire::apply(&clients, &wire::plan(&stack, &found), &mut |_| {}).await.unwrap();
        for topic in fake.state().topics.values_mut() {
            for subscription in &mut topic.subscriptions {
                *subscription = Subscription { arn: Some("arn:aws:sns:confirmed".into()), ..subscription.clone() };
            }
        }
        clients.endpoint.url = Some("http://127.0.0.1:1".into());
        Self { fake, clients, stack, dir: tempfile::tempdir().unwrap() }
    }

    /// The same with step policies at AWS.
    async fn with_steps() -> Self {
        let bench = Self::new().await;
        for policy in &mut bench.fake.state().policies {
            let adjustment = policy.scaling_adjustment.take().unwrap_or_default();
            let (lower_bound, upper_bound) = if adjustment > 0 { (Some(0.0), None) } else { (None, Some(0.0)) };
            policy.steps = vec![StepAdjustment { lower_bound, upper_bound, adjustment }];
            policy.policy_type = "StepScaling".into();
            policy.cooldown = None;
            policy.estimated_instance_warmup = Some(Duration::from_secs(200));
        }
        bench
    }

    async fn verify(&self, drills: &[Drill]) -> Result<Report, VerifyError> {
        let (_sender, interrupt) = tokio::sync::watch::channel(0);
        self.verify_until(drills, interrupt).await
    }

    async fn verify_until(
        &self,
        drills: &[Drill],
        interrupt: crate::terraform::Interrupt,
    ) -> Result<Report, VerifyError> {
        let options = Options { drills: drills.to_vec(), poll: Some(Duration::ZERO), ..Options::new(self.dir.path()) };
        verify_stack(&self.clients, &self.stack, &options, interrupt, &mut |_| {}).await
    }

    /// Nothing of ours is left, and the group wants what it wanted.
    fn assert_clean(&self) {
        let state = self.fake.state();
        assert!(state.queues.is_empty());
        let topics = state.topics.values().flat_map(|topic| &topic.subscriptions);
        assert!(topics.into_iter().all(|subscription| subscription.protocol == "email"));
        assert_eq!(state.group.as_ref().unwrap().desired_capacity, 1);
        drop(state);
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        assert!(files.into_iter().all(|file| file.unwrap().path().extension().is_some_and(|end| end == "lock")));
    }
}

fn names(drill: &DrillReport) -> Vec<(&str, Verdict)> {
    drill.steps.iter().map(|step| (step.step.as_str(), step.verdict)).collect()
}

#[tokio::test]
async fn a_sound_stack_is_met_in_all_drills_and_left_as_it_was() {
    let bench = Bench::new().await;
    let report = bench.verify(&Drill::ALL).await.unwrap();
    assert_eq!(report.verdict, Verdict::Met, "{report}");
    let met = |names: &[&'static str]| names.iter().map(|name| (*name, Verdict::Met)).collect::<Vec<_>>();
    assert_eq!(
        names(&report.drills[1]),
        met(&[
            "course-cpu-high in ALARM",
            "scale-out invoked",
            "alarm notice on course-ops",
            "activity started, caused by alarm and policy",
            "instance in service",
            "launch notice on course-ops",
            "back to baseline",
        ])
    );
    assert_eq!(
        names(&report.drills[2])[3..],
        met(&["instance gone", "termination notice on course-ops", "back to baseline"])
    );
    bench.assert_clean();
}

#[tokio::test]
async fn an_alarm_that_moves_nothing_is_not_met() {
    let bench = Bench::new().await;
    bench.fake.state().policies_act = false;
    let report = bench.verify(&[Drill::ScaleOut]).await.unwrap();
    assert_eq!(report.verdict, Verdict::NotMet, "{report}");
    let failing: Vec<_> =
        names(&report.drills[0]).into_iter().filter(|(_, verdict)| *verdict != Verdict::Met).collect();
    assert_eq!(
        failing,
        [
            ("activity started, caused by alarm and policy", Verdict::NotMet),
            ("instance in service", Verdict::CouldNotTell),
            ("launch notice on course-ops", Verdict::CouldNotTell),
        ]
    );
    bench.assert_clean();
}

#[tokio::test]
async fn scaling_that_nobody_hears_of_is_not_met() {
    let bench = Bench::new().await;
    bench.fake.state().notices_arrive = false;
    let report = bench.verify(&[Drill::ScaleOut]).await.unwrap();
    let failing: Vec<_> =
        names(&report.drills[0]).into_iter().filter(|(_, verdict)| *verdict != Verdict::Met).collect();
    let unheard = ["alarm notice on course-ops", "launch notice on course-ops"];
    assert_eq!(failing, unheard.map(|name| (name, Verdict::NotMet)));
    assert!(report.to_string().contains("nothing has come"), "{report}");
    bench.assert_clean();
}

#[tokio::test]
async fn an_endpoint_without_auto_scaling_proves_the_message_and_cannot_tell_the_rest() {
    let bench = Bench::new().await;
    let licence = Trouble::Answered { code: "InternalFailure".into(), message: "license".into(), status: 501 };
    bench.fake.state().refused.insert("autoscaling:", licence);
    let report = bench.verify(&[Drill::ScaleOut]).await.unwrap();
    assert_eq!(report.verdict, Verdict::CouldNotTell, "{report}");
    assert!(names(&report.drills[0]).contains(&("alarm notice on course-ops", Verdict::Met)), "{report}");
    let activity = report.drills[0].steps.iter().find(|step| step.step.starts_with("activity")).unwrap();
    assert!(activity.detail.contains("is not served by this endpoint"), "{}", activity.detail);
}

#[tokio::test]
async fn a_group_at_its_maximum_cannot_be_told() {
    let bench = Bench::new().await;
    bench.fake.state().group.as_mut().unwrap().max_size = 1;
    let report = bench.verify(&[Drill::ScaleOut]).await.unwrap();
    assert_eq!((report.verdict, report.drills[0].steps.len()), (Verdict::CouldNotTell, 0));
    assert_eq!(report.drills[0].summary, "It could not begin: the group is at its maximum of 1.");
    bench.assert_clean();
}

#[tokio::test]
async fn preflight_names_what_would_fail_silently() {
    let bench = Bench::new().await;
    {
        let mut state = bench.fake.state();
        let topic = TopicArn::from("arn:aws:sns:ap-northeast-2:123456789012:course-ops");
        let topic = state.topics.get_mut(&topic).unwrap();
        topic.attributes.insert("Policy".into(), r#"{"Statement":[]}"#.into());
        topic.subscriptions[0].arn = None;
        state.group.as_mut().unwrap().suspended_processes = vec!["AlarmNotification".into()];
        state.policies.retain(|policy| policy.name.as_str() != "scale-in");
    }
    let report = bench.verify(&[Drill::Preflight]).await.unwrap();
    let failing: Vec<&str> = report.drills[0]
        .steps
        .iter()
        .filter(|step| step.verdict == Verdict::NotMet)
        .map(|step| step.step.as_str())
        .collect();
    assert_eq!(
        failing,
        [
            "group course is as specified",
            "alerting is as specified",
            "course-cpu-low can act",
            "course-ops lets CloudWatch publish",
            "course-ops reaches its subscribers",
        ]
    );
}

#[tokio::test]
async fn an_error_in_the_middle_and_an_interrupt_leave_nothing_behind() {
    let bench = Bench::new().await;
    let denied = Trouble::Answered { code: "AccessDenied".into(), message: "no".into(), status: 403 };
    bench.fake.state().refused.insert("cloudwatch:SetAlarmState", denied);
    let error = bench.verify(&[Drill::ScaleOut]).await.unwrap_err();
    assert!(matches!(error, VerifyError::Aws { .. }), "{error}");
    bench.assert_clean();
    let (sender, interrupt) = tokio::sync::watch::channel(0);
    sender.send_modify(|count| *count += 1);
    let error = bench.verify_until(&[Drill::ScaleOut], interrupt).await.unwrap_err();
    assert!(matches!(error, VerifyError::Interrupted), "{error}");
    bench.assert_clean();
}

#[tokio::test]
async fn the_next_run_undoes_what_a_crash_left() {
    let bench = Bench::new().await;
    let world = "123456789012-ap-northeast-2-http://127.0.0.1:1";
    let mut journal = Journal::open(bench.dir.path(), world).unwrap();
    journal.record(Entry::Queue { name: "scaleproof-verify-course-1".into() }).unwrap();
    journal.record(Entry::DesiredCapacity { group: "course".into(), was: 1 }).unwrap();
    drop(journal);
    {
        let mut state = bench.fake.state();
        state.queues.insert(crate::aws::fake::queue_url("scaleproof-verify-course-1"), Vec::new());
        state.group.as_mut().unwrap().desired_capacity = 2;
    }
    let report = bench.verify(&[Drill::Preflight]).await.unwrap();
    assert_eq!(report.undone, ["desired capacity of course, which was 1", "queue scaleproof-verify-course-1"]);
    bench.assert_clean();
}

#[tokio::test]
async fn an_activity_with_another_cause_is_no_proof() {
    let bench = Bench::new().await;
    {
        // The alarm at AWS names the right policy, but is another one than the activity will name.
        let mut state = bench.fake.state();
        state.policies_act = false;
        let name = AlarmName::from("course-cpu-high");
        state.alarms.get_mut(&name).unwrap().described.state = AlarmState::InsufficientData;
    }
    bench.clients.autoscaling.set_desired_capacity(&"course".into(), 2).await.unwrap();
    let report = bench.verify(&[Drill::ScaleOut]).await.unwrap();
    assert_eq!(report.verdict, Verdict::NotMet, "{report}");
    assert!(report.to_string().contains("a user request explicitly set"), "{report}");
}

/// A forced alarm carries no data point of its own; a step policy has to be told one.
#[tokio::test]
async fn a_step_policy_is_told_how_far_the_metric_is() {
    let bench = Bench::with_steps().await;
    let report = bench.verify(&[Drill::ScaleOut, Drill::ScaleIn]).await.unwrap();
    assert_eq!(report.verdict, Verdict::Met, "{report}");
    bench.assert_clean();
}

#[tokio::test]
async fn a_step_policy_that_takes_nothing_from_a_forced_alarm_cannot_be_told() {
    let bench = Bench::with_steps().await;
    bench.fake.state().policies_act = false;
    let report = bench.verify(&[Drill::ScaleOut]).await.unwrap();
    assert_eq!(report.verdict, Verdict::CouldNotTell, "{report}");
    assert!(report.to_string().contains("put load on the group until course-cpu-high goes off by itself"), "{report}");
    bench.assert_clean();
}

/// Instances that the drill itself launched are not taken away while they warm up.
#[tokio::test]
async fn a_scale_in_waits_until_the_drills_own_instance_is_warm() {
    let bench = Bench::with_steps().await;
    let mut said = Vec::new();
    let (_sender, interrupt) = tokio::sync::watch::channel(0);
    let drills = vec![Drill::ScaleIn];
    let options = Options { drills, poll: Some(Duration::ZERO), ..Options::new(bench.dir.path()) };
    verify_stack(&bench.clients, &bench.stack, &options, interrupt, &mut |what| said.push(what.to_string()))
        .await
        .unwrap();
    let raised = said.iter().position(|what| what.starts_with("raising the desired capacity to 2"));
    let waited = said.iter().position(|what| what.starts_with("waiting for the warm-up of new instances, until "));
    assert!(raised.is_some() && raised < waited, "{said:#?}");
    bench.assert_clean();
}

#[tokio::test]
async fn steps_that_lie_where_the_alarm_is_quiet_are_not_met() {
    let bench = Bench::with_steps().await;
    bench.fake.state().policies.iter_mut().for_each(|policy| policy.steps[0].adjustment = 0);
    let report = bench.verify(&[Drill::ScaleOut]).await.unwrap();
    assert_eq!(report.verdict, Verdict::NotMet);
    let summary = "It could not begin: no step of policy scale-out adds instances where course-cpu-high goes off.";
    assert_eq!(report.drills[0].summary, summary);
    bench.assert_clean();
}
