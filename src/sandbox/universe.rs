//! All accounts and regions, and how a call finds its operation. Start at [`Universe::answer`].

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::{self, Faults, Strike, is_read};
use super::limits::{Limits, Usage};
use super::operations::{Call, Identity, Operations};
use super::region::Region;
use super::services;
use super::wire::answer::{self, Answer};
use super::wire::request::{self, Request};
use super::wire::shape::{OperationShape, Service};
use super::wire::value::Value;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::Timing;
use crate::engine::ids::Ids;
use crate::engine::names::Place;
use crate::engine::topics::{Delivery, DeliveryOutcome};

/// The operations of every service, by its name in `models`.
static OPERATIONS: LazyLock<BTreeMap<&'static str, Operations>> = LazyLock::new(|| {
    BTreeMap::from([
        ("autoscaling", services::autoscaling::operations()),
        ("cloudwatch", services::cloudwatch::operations()),
        ("ec2", services::ec2::operations()),
        ("elbv2", services::elbv2::operations()),
        ("iam", services::iam::operations()),
        ("kms", services::kms::operations()),
        ("sns", services::sns::operations()),
        ("sqs", services::sqs::operations()),
        ("ssm", services::ssm::operations()),
        ("sts", services::sts::operations()),
    ])
});

/// The operations of all services, for the documentation.
pub fn operations() -> &'static BTreeMap<&'static str, Operations> {
    &OPERATIONS
}

/// Every account in every region that somebody has called.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Universe {
    /// The account of callers whose access key does not name one.
    default_account: String,
    seed: u64,
    timing: Timing,
    request_ids: Ids,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    faults: Faults,
    /// By account, then region.
    regions: BTreeMap<String, BTreeMap<String, Region>>,
}

/// An answer, or when to ask again at the latest (long polling).
pub enum Reply {
    Now(Answer),
    Later { answer: Answer, until: Timestamp },
}

impl Universe {
    pub fn new(default_account: &str, seed: u64, timing: Timing) -> Self {
        let request_ids = Ids::new(seed, "requests");
        let limits = Limits::off();
        let (default_account, faults, regions) = (default_account.into(), Faults::default(), BTreeMap::new());
        Self { default_account, seed, timing, request_ids, limits, faults, regions }
    }

    /// What it was made with: the account, the seed and the timing.
    pub(super) fn settings(&self) -> (&str, u64, Timing) {
        (&self.default_account, self.seed, self.timing)
    }

    /// The same universe with these request quotas. Without any, the account's quotas on groups have been raised as well.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        let enforced = limits.are_enforced();
        self.all_regions().for_each(|region| region.world.groups.has_default_quotas = enforced);
        Self { limits, ..self }
    }

    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.values().flat_map(BTreeMap::values)
    }

    /// Every region, to be changed.
    pub fn regions_mut(&mut self) -> impl Iterator<Item = &mut Region> {
        self.all_regions().for_each(|region| region.answers.forget());
        self.all_regions()
    }

    fn all_regions(&mut self) -> impl Iterator<Item = &mut Region> {
        self.regions.values_mut().flat_map(BTreeMap::values_mut)
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        let limits = self.limits.fresh();
        *self = Self::new(&self.default_account, self.seed, self.timing).with_limits(limits);
    }

    /// Follows every confirmation link there is, as the people addressed would. Returns how many.
    pub fn confirm_all(&mut self, now: Timestamp) -> usize {
        let mut confirmed = 0;
        for region in self.regions_mut() {
            for token in region.world.topics.pending_tokens() {
                confirmed += usize::from(region.world.topics.confirm(now, &token).is_ok());
            }
        }
        confirmed
    }

    /// What people made and have not removed, in words. Histories, metrics and instances that have ended stay on AWS
    /// too and are not named.
    pub fn remains(&self) -> Vec<String> {
        let remains = |region: &Region| {
            let fresh = Region::new(region.world.place.clone(), self.seed, self.timing);
            region.remains(&fresh)
        };
        self.regions().flat_map(remains).collect()
    }

    /// Messages that left for people and webhooks, oldest first.
    pub fn mailbox(&self) -> Vec<&Delivery> {
        let mut messages: Vec<_> = self.regions().flat_map(|region| &region.mailbox).collect();
        messages.sort_by_key(|message| message.at);
        messages
    }

    /// When something happens next by itself, anywhere.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.regions().filter_map(|region| region.world.next_due()).min()
    }

    /// Lets everything happen that is due by `now`.
    pub fn advance(&mut self, now: Timestamp) {
        self.all_regions().for_each(|region| region.advance(now));
        self.carry(now);
    }

    /// Carries messages between regions and accounts until none is left on its way.
    fn carry(&mut self, now: Timestamp) {
        while self.regions().any(|region| !region.leaving.is_empty()) {
            let out = |region: &mut Region| {
                let place = region.world.place.clone();
                std::mem::take(&mut region.leaving).into_iter().map(move |delivery| (place.clone(), delivery))
            };
            let leaving: Vec<(Place, Delivery)> = self.all_regions().flat_map(out).collect();
            for (from, delivery) in leaving {
                let outcome = self.hand_over(&delivery);
                let sender = self.region(&from.account, &from.region);
                sender.report(delivery.at, delivery.id, outcome);
                sender.advance(now);
            }
        }
    }

    /// Gives a message to a queue of a region that somebody has called.
    fn hand_over(&mut self, delivery: &Delivery) -> DeliveryOutcome {
        let mut parts = delivery.endpoint.split(':').skip(3);
        let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match self.regions.get_mut(account).and_then(|regions| regions.get_mut(region)) {
            Some(region) => {
                region.answers.forget();
                region.sqs.receive_from_topic(delivery, &region.world.keys)
            }
            None => DeliveryOutcome::Refused { because: "the queue does not exist".into() },
        }
    }

    /// The region of one account, to be changed, made on first use.
    pub fn region(&mut self, account: &str, name: &str) -> &mut Region {
        let region = self.visit(account, name);
        region.answers.forget();
        region
    }

    /// The region of one account, made on first use.
    fn visit(&mut self, account: &str, name: &str) -> &mut Region {
        let (seed, timing, enforced) = (self.seed, self.timing, self.limits.are_enforced());
        let regions = self.regions.entry(account.to_string()).or_default();
        regions.entry(name.to_string()).or_insert_with(|| {
            let place = Place::new(name, account);
            let mut region = Region::new(place.clone(), seed, timing);
            region.world.groups.has_default_quotas = enforced;
            self.faults.of_world(&place).for_each(|planned| region.world.add_fault(planned));
            region
        })
    }

    /// From now on this goes wrong. Returns the fault's name.
    pub fn add_fault(&mut self, order: faults::Order) -> String {
        let id = faults::name(self.faults.add(order));
        for region in self.regions.values_mut().flat_map(BTreeMap::values_mut) {
            let place = region.world.place.clone();
            let new = self.faults.of_world(&place).filter(|planned| planned.id == id);
            new.for_each(|planned| region.world.add_fault(planned));
        }
        id
    }

    /// Ends one fault, or all. Returns the names of those that ended.
    pub fn remove_faults(&mut self, number: Option<u32>) -> Vec<String> {
        let ended: Vec<String> = self.faults.remove(number).into_iter().map(faults::name).collect();
        for region in self.regions_mut() {
            for id in &ended {
                region.world.remove_faults(Some(id));
            }
        }
        ended
    }

    /// Every fault that was planned, with how often it struck.
    pub fn list_faults(&self) -> Vec<serde_json::Value> {
        self.faults.list(|id| {
            let planned = self.regions().flat_map(|region| region.world.planned_faults());
            planned.filter(|planned| planned.id == id).map(|planned| planned.chance.hits()).sum()
        })
    }

    /// What the faults do to this call. To be asked once for each that arrives.
    pub fn strike(&mut self, request: &Request, now: Timestamp) -> Strike {
        let Ok((shape, input)) = &request.call else { return Strike::default() };
        let Ok(Identity { account, .. }) = self.caller(&request.access_key, now) else { return Strike::default() };
        self.faults.strike(&usage(request, &account, shape, input))
    }

    /// The id of an answer.
    pub fn request_id(&mut self) -> String {
        self.request_ids.uuid()
    }

    /// Runs one call at `now`.
    pub fn answer(&mut self, request: &Request, now: Timestamp, base_url: &str, strike: &Strike) -> Reply {
        let request_id = self.request_id();
        let plain = *strike == Strike::default() && !self.limits.are_enforced();
        if let Some(answer) = plain.then(|| self.answered_before(request, now, &request_id)).flatten() {
            return Reply::Now(answer);
        }
        let mut call = Call::new(now, request_id, base_url.to_string());
        let result = request.call.clone().and_then(|(operation, input)| {
            let output = self.run(request, operation, input, &mut call, strike)?;
            Ok((operation, output))
        });
        let (service, protocol) = (request.service, request.protocol);
        let answer = match result {
            Ok((operation, output)) => {
                let answer = answer::output(service, operation, protocol, output, &call.request_id);
                if plain {
                    self.remember(request, &call, &answer);
                }
                answer
            }
            Err(refusal) => answer::refusal(service, protocol, &refusal, &call.request_id),
        };
        match call.waits_until() {
            Some(until) if until > now => Reply::Later { answer, until },
            _ => Reply::Now(answer),
        }
    }

    /// The answer to a view, if nothing has happened since it was asked for last.
    fn answered_before(&mut self, request: &Request, now: Timestamp, request_id: &str) -> Option<Answer> {
        let (shape, input) = request.call.as_ref().ok()?;
        let account = self.caller(&request.access_key, now).ok()?.account;
        let region = self.regions.get_mut(&account)?.get_mut(place_of(request, shape))?;
        region.advance(now);
        region.answers.find(shape, request.protocol, input, request_id)
    }

    /// Keeps the answer to a view.
    fn remember(&mut self, request: &Request, call: &Call, answer: &Answer) {
        let Ok((shape, input)) = &request.call else { return };
        let operation = OPERATIONS.get(request.service.name).and_then(|table| table.get(shape.name));
        if operation.is_some_and(|operation| operation.is_view) {
            let region = self.visit(&call.caller.account, place_of(request, shape));
            region.answers.keep(shape, request.protocol, input.clone(), answer, &call.request_id);
        }
    }

    /// Whose key this is: a session's or user's that this sandbox gave it to, or the account's that its twelve digits
    /// name, or the default account's. Keys are known everywhere, as on AWS.
    ///
    /// # Errors
    /// `ExpiredToken` for a session that has ended.
    fn caller(&self, key: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let issued = key.len() == 20 && (key.starts_with("ASIA") || key.starts_with("AKIA"));
        let found = || self.regions().find_map(|region| region.sts.identity(key).or_else(|| region.iam.identity(key)));
        if let Some(identity) = issued.then(found).flatten() {
            if identity.expires.is_some_and(|expires| expires <= now) {
                let text = "The security token included in the request is expired";
                return Err(Refusal::new("ExpiredToken", 403, text));
            }
            return Ok(identity);
        }
        let is_account = key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit());
        Ok(Identity::of_account(if is_account { key } else { &self.default_account }))
    }

    pub(super) fn run(
        &mut self,
        request: &Request,
        shape: &OperationShape,
        input: Value,
        call: &mut Call,
        strike: &Strike,
    ) -> Result<Value, Refusal> {
        let table = OPERATIONS.get(request.service.name);
        let operation = table
            .and_then(|table| table.get(shape.name))
            .ok_or_else(|| request::unknown(request.service, shape.name))?;
        call.caller = self.caller(&request.access_key, call.now)?;
        let account = call.caller.account.clone();
        self.limits.admit(call.now, &usage(request, &account, shape, &input))?;
        if let Some(refusal) = &strike.refusal {
            return Err(refusal.clone());
        }
        refuse_unknown_arguments(request.service, shape, operation.takes, &input)?;
        let input = with_page(input, operation.takes, strike.page);
        if let Some(source) = source_region(&input).filter(|source| *source != request.region)
            && let Some(elsewhere) = self.regions.get(&account).and_then(|regions| regions.get(source))
        {
            call.bring(elsewhere.ec2.clone());
        }
        let place = place_of(request, shape);
        self.visit(&account, place).advance(call.now);
        if let Some(mut earlier) = self.earlier(&account, place, call.now, strike.stale_by) {
            return (operation.handler)(&mut earlier, call, input);
        }
        if !is_read(shape.name)
            && let Some(region) = self.regions.get(&account).and_then(|regions| regions.get(place))
        {
            self.faults.remember(call.now, region);
        }
        let region = self.visit(&account, place);
        if !operation.is_view {
            region.answers.forget();
        }
        let output = (operation.handler)(region, call, input);
        if request.service.name == "ec2" && !is_read(shape.name) {
            region.ec2.tell_inventory(&mut region.world.groups);
        }
        // What the call set off at once, such as a message to a queue, has happened before the caller hears of it.
        region.advance(call.now);
        self.carry(call.now);
        output
    }

    /// What a read sees that does not see the latest changes.
    fn earlier(&self, account: &str, region: &str, now: Timestamp, span: Option<Duration>) -> Option<Region> {
        self.faults.before(&Place::new(region, account), now, span?)
    }
}

fn usage<'a>(request: &'a Request, account: &'a str, shape: &'a OperationShape, input: &Value) -> Usage<'a> {
    let (region, service) = (request.region.as_str(), request.service.name);
    Usage { account, region, service, operation: shape.name, narrowed: is_narrowed(input) }
}

/// The members by which AWS's services let callers say how much a page holds.
const PAGE_SIZES: [&str; 4] = ["MaxRecords", "MaxResults", "MaxItems", "PageSize"];

/// The input with pages of `size` items at most, where the operation has pages.
fn with_page(mut input: Value, takes: &[&str], size: Option<i64>) -> Value {
    let name = PAGE_SIZES.into_iter().find(|name| takes.contains(name));
    if let (Some(size), Some(name), Value::Structure(members)) = (size, name, &mut input) {
        match members.iter_mut().find(|(member, _)| *member == name) {
            Some((_, Value::Integer(wanted))) => *wanted = size.min(*wanted),
            Some((_, value)) => *value = Value::Integer(size),
            None => members.push((name, Value::Integer(size))),
        }
    }
    input
}

/// The region that keeps what a call is about.
fn place_of<'a>(request: &'a Request, shape: &OperationShape) -> &'a str {
    if is_global(request.service, shape.name) { home(&request.region) } else { &request.region }
}

/// Users, roles, the credentials they were given, and dashboards are one for all regions of a partition. Source: IAM User
/// Guide, "What is IAM?", and CloudWatch user guide, "Using Amazon CloudWatch dashboards".
fn is_global(service: &Service, operation: &str) -> bool {
    matches!(service.name, "iam" | "sts") || (service.name == "cloudwatch" && operation.contains("Dashboard"))
}

/// The region in which a partition keeps what has none.
fn home(region: &str) -> &'static str {
    match Place::new(region, "").partition.as_str() {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// Whether the caller names resources, filters them or asks for a page.
fn is_narrowed(input: &Value) -> bool {
    let Value::Structure(members) = input else { return false };
    members.iter().any(|(name, value)| *name != "DryRun" && !asks_for_nothing(value))
}

/// The region that a call copies from.
fn source_region(input: &Value) -> Option<&str> {
    let Value::Structure(members) = input else { return None };
    members.iter().find_map(|(name, value)| match value {
        Value::String(region) if *name == "SourceRegion" => Some(region.as_str()),
        _ => None,
    })
}

/// An argument without an effect is refused rather than forgotten.
fn refuse_unknown_arguments(
    service: &Service,
    shape: &OperationShape,
    takes: &[&str],
    input: &Value,
) -> Result<(), Refusal> {
    let Value::Structure(members) = input else { return Ok(()) };
    let asks = |(name, value): &&(&str, Value)| !takes.contains(name) && !asks_for_nothing(value);
    let Some((name, _)) = members.iter().find(asks) else { return Ok(()) };
    let code = if service.name == "ec2" { "UnsupportedOperation" } else { "InvalidParameterCombination" };
    let operation = shape.name;
    Err(Refusal::new(
        code,
        400,
        format!("The argument {name} of {operation} is not reproduced by scaleproof's sandbox"),
    ))
}

/// What clients write out where leaving it out means the same: terraform's provider sends every flag of a call, and
/// empty texts for what its configuration does not have. A flag that AWS takes for true when it is absent has to be
/// among an operation's `takes`.
fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_would_be_forgotten_is_refused_and_one_that_asks_for_nothing_is_not() {
        let service = &crate::sandbox::models::ec2::SERVICE;
        let shape = service.operation("CreateVpc").unwrap();
        let check = |name: &'static str, value: Value| {
            let input = Value::Structure(vec![("CidrBlock", Value::String("10.0.0.0/16".into())), (name, value)]);
            refuse_unknown_arguments(service, shape, &["CidrBlock"], &input).map_err(|refusal| refusal.message)
        };
        assert_eq!(check("AmazonProvidedIpv6CidrBlock", Value::Bool(false)), Ok(()));
        assert_eq!(check("TagSpecifications", Value::List(Vec::new())), Ok(()));
        assert_eq!(check("Ipv6Pool", Value::String(String::new())), Ok(()));
        let text = "The argument AmazonProvidedIpv6CidrBlock of CreateVpc is not reproduced by scaleproof's sandbox";
        assert_eq!(check("AmazonProvidedIpv6CidrBlock", Value::Bool(true)), Err(text.into()));
        let text = "The argument Ipv4IpamPoolId of CreateVpc is not reproduced by scaleproof's sandbox";
        assert_eq!(check("Ipv4IpamPoolId", Value::String("ipam-pool-1".into())), Err(text.into()));
    }

    fn body_of(reply: Reply) -> String {
        match reply {
            Reply::Now(answer) | Reply::Later { answer, .. } => String::from_utf8(answer.body).unwrap(),
        }
    }

    fn without_id(body: &str) -> String {
        let (before, rest) = body.split_once("<RequestId>").unwrap();
        format!("{before}{}", rest.split_once("</RequestId>").unwrap().1)
    }

    #[test]
    fn a_view_is_told_again_under_an_id_of_its_own_until_something_happens() {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let mut now = Timestamp::from_secs(1_800_000_000);
        let ask = |universe: &mut Universe, now: Timestamp, form: &str| {
            let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
            let request = Request::read(&parts, format!("Version=2010-08-01&{form}").as_bytes()).unwrap();
            body_of(universe.answer(&request, now, "http://127.0.0.1", &Strike::default()))
        };
        let describe = "Action=DescribeAlarms";
        let put = "Action=PutMetricAlarm&AlarmName=a&Namespace=n&MetricName=m&Period=10&EvaluationPeriods=1\
            &ComparisonOperator=LessThanThreshold&Statistic=Sum&TreatMissingData=breaching&Threshold=";
        ask(&mut universe, now, &format!("{put}1"));
        let first = ask(&mut universe, now, describe);
        let second = ask(&mut universe, now, describe);
        assert_ne!(first, second, "each has its own id");
        assert_eq!(without_id(&first), without_id(&second));
        // Other input is another question.
        assert!(!ask(&mut universe, now, "Action=DescribeAlarms&AlarmNamePrefix=b").contains("<AlarmName>"));
        // A call that changes something.
        ask(&mut universe, now, &format!("{put}2"));
        assert!(ask(&mut universe, now, describe).contains("<Threshold>2.0</Threshold>"));
        // What happens by itself.
        now = now + Duration::from_secs(120);
        assert!(ask(&mut universe, now, describe).contains("<StateValue>ALARM</StateValue>"));
        // What the control surface does.
        universe.reset();
        assert!(!ask(&mut universe, now, describe).contains("<AlarmName>"));
    }

    #[test]
    fn an_account_without_limits_has_had_its_quota_of_groups_raised() {
        let now = Timestamp::from_secs(1_800_000_000);
        for (limits, expected) in [(Limits::off(), None), (Limits::aws(), Some("LimitExceeded".to_string()))] {
            let mut universe = Universe::new("123456789012", 1, Timing::Instant).with_limits(limits);
            let mut call = |operation: &str, input| universe.call(now, "us-east-1", "autoscaling", operation, input);
            let launch = serde_json::json!({
                "LaunchConfigurationName": "web", "ImageId": "ami-03cf127a", "InstanceType": "t2.nano",
            });
            call("CreateLaunchConfiguration", launch).unwrap();
            let mut refusals = (0..501).filter_map(|nth| {
                let group = serde_json::json!({
                    "AutoScalingGroupName": format!("web-{nth}"), "LaunchConfigurationName": "web",
                    "MinSize": 0, "MaxSize": 0, "AvailabilityZones": ["us-east-1a"],
                });
                call("CreateAutoScalingGroup", group).err().map(|refusal| refusal.code)
            });
            assert_eq!(refusals.next(), expected);
        }
    }
}
