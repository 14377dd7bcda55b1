//! Faults of the world as a caller meets them: planned on a universe, seen through AWS's API.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Strike, order};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::Timing;
use crate::sandbox::models::autoscaling;
use crate::sandbox::operations::Call;
use crate::sandbox::universe::Universe;
use crate::sandbox::wire::json;
use crate::sandbox::wire::request::Request;
use crate::sandbox::wire::shape::Protocol;
use crate::sandbox::wire::value::Value;

struct Stage {
    universe: Universe,
    now: Timestamp,
}

impl Stage {
    fn with(fault: Json) -> Self {
        let mut universe = Universe::new("123456789012", 1, Timing::Realistic);
        universe.add_fault(order::read(fault).unwrap());
        Self { universe, now: Timestamp::from_secs(1_800_000_000) }
    }

    fn call(&mut self, service: &str, operation: &str, input: Json) -> Json {
        let answer = self.universe.call(self.now, "us-east-1", service, operation, input.clone());
        answer.unwrap_or_else(|refusal| panic!("{operation} {input}: {refusal}"))
    }

    fn pass(&mut self, secs: u64) {
        self.now = self.now + Duration::from_secs(secs);
        self.universe.advance(self.now);
    }

    fn hits(&self) -> u64 {
        self.universe.list_faults()[0]["hits"].as_u64().unwrap()
    }

    fn topic(&mut self) -> String {
        self.call("sns", "CreateTopic", json!({"Name": "ops"}))["TopicArn"].as_str().unwrap().to_string()
    }

    /// How many messages of a topic a queue has right after one was published, and some seconds later.
    fn messages_after(mut self, secs: u64) -> (usize, usize) {
        let topic = self.topic();
        let allow = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                           "Action": "sqs:SendMessage", "Resource": "*"}]});
        let queue = json!({"QueueName": "q", "Attributes": {"Policy": allow.to_string()}});
        let queue = self.call("sqs", "CreateQueue", queue)["QueueUrl"].clone();
        let endpoint = "arn:aws:sqs:us-east-1:123456789012:q";
        self.call("sns", "Subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint}));
        self.call("sns", "Publish", json!({"TopicArn": topic, "Message": "hello"}));
        let mut waiting = || {
            let attributes = json!({"QueueUrl": queue, "AttributeNames": ["ApproximateNumberOfMessages"]});
            let found = self.call("sqs", "GetQueueAttributes", attributes);
            let count = found["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap().parse().unwrap();
            self.pass(secs);
            count
        };
        (waiting(), waiting())
    }
}

#[test]
fn notices_come_late_twice_or_never() {
    let check = |fault: Json, expected: (usize, usize)| {
        assert_eq!(Stage::with(fault.clone()).messages_after(60), expected, "{fault}");
    };
    check(json!({"fault": "notice_late", "by": "60s"}), (0, 1));
    check(json!({"fault": "notice_late", "by": "2m"}), (0, 0));
    check(json!({"fault": "notice_twice", "protocol": "sqs"}), (2, 2));
    check(json!({"fault": "notice_lost"}), (0, 0));
    check(json!({"fault": "notice_lost", "protocol": "email"}), (1, 1));
    check(json!({"fault": "notice_lost", "region": "eu-west-1"}), (1, 1));
}

#[test]
fn metrics_come_late_or_never() {
    let check = |fault: Json, expected: [usize; 2]| {
        let mut stage = Stage::with(fault.clone());
        let data = json!([{"MetricName": "Depth", "Value": 7.0}]);
        stage.call("cloudwatch", "PutMetricData", json!({"Namespace": "app", "MetricData": data}));
        let mut seen = || {
            stage.pass(60);
            let query = json!({"Namespace": "app", "MetricName": "Depth", "Period": 60, "Statistics": ["Sum"],
                               "StartTime": 1_800_000_000, "EndTime": 1_800_000_600});
            let found = stage.call("cloudwatch", "GetMetricStatistics", query);
            found["Datapoints"].as_array().map_or(0, Vec::len)
        };
        assert_eq!([seen(), seen()], expected, "{fault}");
    };
    check(json!({"fault": "metric_late", "by": "2m", "namespace": "app"}), [0, 1]);
    check(json!({"fault": "metric_lost", "metric": "Depth"}), [0, 0]);
    check(json!({"fault": "metric_lost", "metric": "CPUUtilization"}), [1, 1]);
}

#[test]
fn an_alarm_that_may_not_publish_says_so_in_its_history() {
    let check = |because: &str, expected: &str| {
        let mut stage = Stage::with(json!({"fault": "publish_denied", "because": because}));
        let topic = stage.topic();
        let alarm = json!({"AlarmName": "a", "Namespace": "app", "MetricName": "m", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [topic]});
        stage.call("cloudwatch", "PutMetricAlarm", alarm);
        let state = json!({"AlarmName": "a", "StateValue": "ALARM", "StateReason": "drill"});
        stage.call("cloudwatch", "SetAlarmState", state);
        let history =
            stage.call("cloudwatch", "DescribeAlarmHistory", json!({"HistoryItemType": "Action"})).to_string();
        assert!(history.contains(expected), "{because}: {history}");
    };
    check("policy", "is not authorized to perform: SNS:Publish on resource");
    check("key", "does not have authorization to access the SNS topic encryption key");
}

fn make_group(stage: &mut Stage, zones: &[&str]) {
    let configuration = json!({"LaunchConfigurationName": "lc", "ImageId": "ami-12c6146b", "InstanceType": "t2.nano"});
    stage.call("autoscaling", "CreateLaunchConfiguration", configuration);
    let group = json!({"AutoScalingGroupName": "web", "LaunchConfigurationName": "lc", "MinSize": 2, "MaxSize": 2,
                       "AvailabilityZones": zones});
    stage.call("autoscaling", "CreateAutoScalingGroup", group);
}

fn states(stage: &mut Stage) -> Vec<String> {
    let found = stage.call("autoscaling", "DescribeAutoScalingInstances", json!({}));
    let instances = found["AutoScalingInstances"].as_array().cloned().unwrap_or_default();
    instances.iter().map(|instance| instance["LifecycleState"].as_str().unwrap().to_string()).collect()
}

#[test]
fn a_machine_that_never_serves_stays_pending() {
    let mut stage = Stage::with(json!({"fault": "never_in_service", "group": "web", "times": 1}));
    make_group(&mut stage, &["us-east-1a"]);
    stage.pass(1800);
    let mut found = states(&mut stage);
    found.sort();
    assert_eq!((found, stage.hits()), (vec!["InService".to_string(), "Pending".to_string()], 1));
}

#[test]
fn a_zone_or_type_without_capacity_is_told_by_the_activity() {
    let mut stage = Stage::with(json!({"fault": "no_capacity", "instance_type": "t2.nano", "zone": "us-east-1a"}));
    make_group(&mut stage, &["us-east-1a"]);
    stage.pass(120);
    assert!(states(&mut stage).is_empty());
    let activities = stage.call("autoscaling", "DescribeScalingActivities", json!({})).to_string();
    assert!(activities.contains("We currently do not have sufficient t2.nano capacity"), "{activities}");
    stage.universe.remove_faults(None);
    stage.pass(1800);
    assert_eq!(states(&mut stage), ["InService", "InService"]);
}

#[test]
fn a_region_that_is_called_for_the_first_time_has_the_faults_too() {
    let mut stage = Stage::with(json!({"fault": "metric_lost"}));
    assert_eq!(stage.hits(), 0);
    let data = json!([{"MetricName": "Depth", "Value": 7.0}]);
    stage.call("cloudwatch", "PutMetricData", json!({"Namespace": "app", "MetricData": data}));
    assert_eq!(stage.hits(), 1);
}

#[test]
fn pages_are_as_small_as_a_fault_says() {
    let mut stage = Stage::with(json!({"fault": "small_pages", "size": 1, "service": "ec2"}));
    let request = Request {
        service: &autoscaling::SERVICE,
        protocol: Protocol::Json10,
        region: "us-east-1".into(),
        access_key: String::new(),
        call: Err(Refusal::validation("")),
    };
    make_group(&mut stage, &["us-east-1a"]);
    stage.pass(600);
    let shape = autoscaling::SERVICE.operation("DescribeAutoScalingInstances").unwrap();
    let mut call = Call::new(stage.now, "r".into(), "http://127.0.0.1".into());
    let mut page = |size| {
        let strike = Strike { page: size, ..Strike::default() };
        json::encode(stage.universe.run(&request, shape, Value::Structure(Vec::new()), &mut call, &strike).unwrap())
    };
    let count = |page: &Json| (page["AutoScalingInstances"].as_array().unwrap().len(), page["NextToken"].is_string());
    assert_eq!(count(&page(None)), (2, false));
    assert_eq!(count(&page(Some(1))), (1, true));
}
