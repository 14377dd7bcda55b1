//! The message that an alarm's SNS action publishes. Start at [`Firing::notice`].

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::composite::{CHILDREN_IN_MESSAGE, CompositeSnapshot, Triggering};
use super::config::{AlarmState, Comparison, MetricAlarm, Watched};
use super::{AlarmSnapshot, Firing, Subject};
use crate::engine::metrics::math::{Query, Source};
use crate::engine::metrics::{MetricStat, Statistic};
use crate::engine::names::Place;
use crate::engine::text::Text;
use crate::engine::topics::Notice;

/// SNS takes no longer subject.
const SUBJECT_CHARS: usize = 100;

/// How a moment is written for people.
pub const FOR_PEOPLE: &str = "%A %d %B, %Y %H:%M:%S UTC";

impl Firing {
    /// The message an SNS action publishes.
    pub fn notice(&self, place: &Place) -> Notice {
        let about = Arc::new((self.alarm.clone(), place.clone(), self.after_mute_window.is_some()));
        let same = Arc::clone(&about);
        let subject = subject(self.alarm.new_state(), self.alarm.name().as_str(), &place.region);
        let message = Text::later(move || match &about.0 {
            Subject::Metric(alarm) => document(alarm, &about.1, about.2),
            Subject::Composite(alarm) => composite_document(alarm, &about.1, about.2),
        });
        let email = Text::later(move || match &same.0 {
            Subject::Metric(alarm) => email(alarm, &same.1),
            Subject::Composite(alarm) => composite_email(alarm, &same.1),
        });
        let by_protocol = [("sms", subject.as_str().into()), ("email", email)];
        Notice {
            subject: Some(subject),
            message,
            by_protocol: by_protocol.map(|(protocol, text)| (protocol.to_string(), text)).into(),
        }
    }
}

/// The message about `alarm`: a JSON document whose keys stand in AWS's order.
///
/// Source: messages recorded from AWS.
fn document(alarm: &AlarmSnapshot, place: &Place, after_mute_window: bool) -> String {
    let config = &*alarm.config;
    let message = Message {
        alarm_name: config.name.as_str(),
        alarm_description: config.description.as_deref(),
        account: &place.account,
        configuration_updated_at: alarm.configuration_updated_at.cloudwatch_millis(),
        new_state: alarm.new_state,
        reason: &alarm.reason,
        state_changed_at: alarm.state_changed_at.cloudwatch_millis(),
        region: region_name(&place.region),
        arn: &alarm.arn,
        old_state: alarm.old_state,
        after_mute_window,
        ok_actions: &config.ok_actions,
        alarm_actions: &config.alarm_actions,
        insufficient_data_actions: &config.insufficient_data_actions,
        trigger: trigger(config),
    };
    serde_json::to_string(&message).unwrap_or_default()
}

/// The same for a composite alarm.
fn composite_document(alarm: &CompositeSnapshot, place: &Place, after_mute_window: bool) -> String {
    let config = &*alarm.config;
    let message = CompositeMessage {
        alarm_name: config.name.as_str(),
        alarm_description: config.description.as_deref(),
        account: &place.account,
        new_state: alarm.new_state,
        reason: &alarm.reason,
        state_changed_at: alarm.state_changed_at.cloudwatch_millis(),
        region: region_name(&place.region),
        arn: &alarm.arn,
        ok_actions: &config.ok_actions,
        alarm_actions: &config.alarm_actions,
        insufficient_data_actions: &config.insufficient_data_actions,
        after_mute_window,
        old_state: alarm.old_state,
        alarm_rule: config.rule.as_str(),
        triggering_children: alarm.triggering.iter().take(CHILDREN_IN_MESSAGE).map(child).collect(),
    };
    serde_json::to_string(&message).unwrap_or_default()
}

fn child(child: &Triggering) -> Value {
    json!({"Arn": child.arn, "State": {"Value": child.state, "Timestamp": child.at.cloudwatch_millis()}})
}

/// `ALARM: "cpu-high" in US East (N. Virginia)`, cut and cleaned so that SNS takes it.
pub fn subject(state: AlarmState, name: &str, region: &str) -> String {
    let whole = |name: &str| format!("{state}: \"{name}\" in {}", region_name(region));
    let name = ascii(name);
    let subject = whole(&name);
    match subject.len().checked_sub(SUBJECT_CHARS) {
        None | Some(0) => subject,
        Some(over) => {
            let kept = name.len().saturating_sub(over + 3);
            whole(&format!("{}...", &name[..kept]))
        }
    }
}

/// Every run of other characters becomes one `_`.
fn ascii(text: &str) -> String {
    let mut clean = String::new();
    let mut run = false;
    for c in text.chars() {
        match (c.is_ascii(), run) {
            (true, _) => clean.push(c),
            (false, false) => clean.push('_'),
            (false, true) => {}
        }
        run = !c.is_ascii();
    }
    clean
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'a> {
    alarm_name: &'a str,
    alarm_description: Option<&'a str>,
    #[serde(rename = "AWSAccountId")]
    account: &'a str,
    #[serde(rename = "AlarmConfigurationUpdatedTimestamp")]
    configuration_updated_at: String,
    #[serde(rename = "NewStateValue")]
    new_state: AlarmState,
    #[serde(rename = "NewStateReason")]
    reason: &'a str,
    #[serde(rename = "StateChangeTime")]
    state_changed_at: String,
    region: &'a str,
    #[serde(rename = "AlarmArn")]
    arn: &'a str,
    #[serde(rename = "OldStateValue")]
    old_state: AlarmState,
    #[serde(rename = "ActionExecutedAfterMuteWindow")]
    after_mute_window: bool,
    #[serde(rename = "OKActions")]
    ok_actions: &'a [String],
    alarm_actions: &'a [String],
    insufficient_data_actions: &'a [String],
    trigger: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CompositeMessage<'a> {
    alarm_name: &'a str,
    alarm_description: Option<&'a str>,
    #[serde(rename = "AWSAccountId")]
    account: &'a str,
    #[serde(rename = "NewStateValue")]
    new_state: AlarmState,
    #[serde(rename = "NewStateReason")]
    reason: &'a str,
    #[serde(rename = "StateChangeTime")]
    state_changed_at: String,
    region: &'a str,
    #[serde(rename = "AlarmArn")]
    arn: &'a str,
    #[serde(rename = "OKActions")]
    ok_actions: &'a [String],
    alarm_actions: &'a [String],
    insufficient_data_actions: &'a [String],
    #[serde(rename = "ActionExecutedAfterMuteWindow")]
    after_mute_window: bool,
    #[serde(rename = "OldStateValue")]
    old_state: AlarmState,
    alarm_rule: &'a str,
    triggering_children: Vec<Value>,
}

/// What the alarm watches: one metric, or several queries after the rest.
fn trigger(config: &MetricAlarm) -> Value {
    match &config.watched {
        Watched::Metric(stat) => serde_json::to_value(MetricTrigger::of(config, stat)),
        Watched::Math { queries, .. } => serde_json::to_value(MathTrigger {
            condition: Condition::of(config),
            metrics: queries.iter().map(query).collect(),
        }),
    }
    .unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricTrigger<'a> {
    metric_name: &'a str,
    namespace: &'a str,
    statistic_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistic: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_statistic: Option<Statistic>,
    unit: Option<&'a str>,
    dimensions: Vec<Dimension<'a>>,
    #[serde(flatten)]
    condition: Condition,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MathTrigger {
    #[serde(flatten)]
    condition: Condition,
    metrics: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    period: u32,
    evaluation_periods: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    datapoints_to_alarm: Option<u32>,
    comparison_operator: Comparison,
    threshold: f64,
    treat_missing_data: &'static str,
    evaluate_low_sample_count_percentile: &'static str,
}

/// Lower-case keys, value first: this is how AWS writes them here and in the alarm's history.
#[derive(Serialize)]
pub(super) struct Dimension<'a> {
    value: &'a str,
    name: &'a str,
}

pub(super) fn dimensions(stat: &MetricStat) -> Vec<Dimension<'_>> {
    stat.key.dimensions.iter().map(|(name, value)| Dimension { value, name }).collect()
}

/// A query as messages write it.
fn query(query: &Query) -> Value {
    let account = query.account_id.as_ref();
    present(match &query.source {
        Source::Stat(stat) => json!({
            "Id": query.id,
            "Label": query.label,
            "MetricStat": present(json!({
                "Metric": {
                    "Dimensions": dimensions(stat),
                    "MetricName": stat.key.name,
                    "Namespace": stat.key.namespace,
                },
                "Period": stat.period_secs,
                "Stat": stat.statistic,
                "Unit": stat.unit,
            })),
            "ReturnData": query.returns_data(),
            "AccountId": account,
        }),
        Source::Expression { expression, period_secs } => json!({
            "Expression": expression,
            "Id": query.id,
            "Label": query.label,
            "ReturnData": query.returns_data(),
            "Period": period_secs,
            "AccountId": account,
        }),
    })
}

/// A query as the history writes it: the same with other initials.
pub(super) fn query_in_history(one: &Query) -> Value {
    lower(query(one))
}

fn lower(value: Value) -> Value {
    let name = |name: String| -> String {
        name.chars().take(1).flat_map(char::to_lowercase).chain(name.chars().skip(1)).collect()
    };
    match value {
        Value::Object(members) => members.into_iter().map(|(key, value)| (name(key), lower(value))).collect(),
        Value::Array(items) => items.into_iter().map(lower).collect(),
        other => other,
    }
}

/// The same without members that are null.
fn present(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    value
}

/// `AVERAGE` and so on; `None` for extended statistics.
pub(super) fn shouted(statistic: Statistic) -> Option<&'static str> {
    match statistic {
        Statistic::SampleCount => Some("SAMPLE_COUNT"),
        Statistic::Average => Some("AVERAGE"),
        Statistic::Sum => Some("SUM"),
        Statistic::Minimum => Some("MINIMUM"),
        Statistic::Maximum => Some("MAXIMUM"),
        Statistic::Extended(_) => None,
    }
}

impl<'a> MetricTrigger<'a> {
    fn of(config: &'a MetricAlarm, stat: &'a MetricStat) -> Self {
        Self {
            metric_name: &stat.key.name,
            namespace: &stat.key.namespace,
            statistic_type: if stat.statistic.is_extended() { "ExtendedStatistic" } else { "Statistic" },
            statistic: shouted(stat.statistic),
            extended_statistic: stat.statistic.is_extended().then_some(stat.statistic),
            unit: stat.unit.as_deref(),
            dimensions: dimensions(stat),
            condition: Condition::of(config),
        }
    }
}

impl Condition {
    fn of(config: &MetricAlarm) -> Self {
        Self {
            period: config.period_secs(),
            evaluation_periods: config.evaluation_periods,
            datapoints_to_alarm: config.datapoints_to_alarm,
            comparison_operator: config.comparison,
            threshold: config.threshold,
            treat_missing_data: config.treat_missing_data.map_or("", |treatment| treatment.as_str()),
            evaluate_low_sample_count_percentile: config
                .evaluate_low_sample_count_percentile
                .map_or("", |low_samples| low_samples.as_str()),
        }
    }
}

/// What the history says was published: the texts for the kinds of subscribers.
pub(super) fn published(notice: &Notice) -> String {
    let mut texts = serde_json::Map::new();
    texts.insert("default".into(), notice.message.as_str().into());
    for (protocol, text) in notice.by_protocol.iter().rev() {
        texts.insert(protocol.clone(), text.as_str().into());
    }
    serde_json::Value::Object(texts).to_string()
}

/// The text for people that email subscribers get instead of the JSON document. Recorded from AWS.
pub fn email(alarm: &AlarmSnapshot, place: &Place) -> String {
    let config = &*alarm.config;
    let (name, region) = (config.name.as_str(), region_name(&place.region));
    let at = alarm.state_changed_at.format(FOR_PEOPLE);
    let actions = |state| listed(config.actions(state));
    format!(
        "You are receiving this email because your Amazon CloudWatch Alarm \"{name}\" in the {region} region has \
         entered the {new} state, because \"{reason}\" at \"{at}\".\n\n\
         {console}\
         Alarm Details:\n\
         - Name:                       {name}\n\
         - Description:                {description}\n\
         - State Change:               {old} -> {new}\n\
         - Reason for State Change:    {reason}\n\
         - Timestamp:                  {at}\n\
         - AWS Account:                {account}\n\
         - Alarm Arn:                  {arn}\n\n\
         Threshold:\n\
         - The alarm is in the ALARM state when the metric is {comparison} {threshold} for at least {m} of the last \
         {n} period(s) of {period} seconds. \n\n\
         {monitored}\n\
         {actions}",
        console = console_link(name, place),
        new = alarm.new_state,
        old = alarm.old_state,
        reason = alarm.reason,
        description = config.description.as_deref().unwrap_or(""),
        account = place.account,
        arn = alarm.arn,
        comparison = config.comparison,
        threshold = super::reason::java_double(config.threshold),
        m = config.effective_datapoints_to_alarm(),
        n = config.evaluation_periods,
        period = config.period_secs(),
        monitored = monitored(config),
        actions = actions_for_people(&actions),
    )
}

/// The same for a composite alarm.
fn composite_email(alarm: &CompositeSnapshot, place: &Place) -> String {
    let config = &*alarm.config;
    let (name, region) = (config.name.as_str(), region_name(&place.region));
    let at = alarm.state_changed_at.format(FOR_PEOPLE);
    let actions = |state| listed(config.actions(state));
    let child = |child: &Triggering| {
        format!("- {}   {:<19} {}\n", child.arn, child.state.as_str(), child.at.format(FOR_PEOPLE))
    };
    format!(
        "You are receiving this email because your Amazon CloudWatch Alarm \"{name}\" in the {region} region has \
         transitioned to {new} state on {at}, because \"{reason}\".\n\n\
         {console}\
         Alarm Details:\n\
         - Name:                       {name}\n\
         - Description:                {description}\n\
         - State Change:               {old} -> {new}\n\
         - Alarm Rule:                 {rule}\n\
         - Reason for State Change:    {reason}\n\
         - Timestamp:                  {at}\n\
         - AWS Account:                {account}\n\
         - Alarm Arn:                  {arn}\n\n\
         Triggering children (max. {CHILDREN_IN_MESSAGE}):\n\
         {children}\n\
         {actions}",
        console = console_link(name, place),
        new = alarm.new_state,
        old = alarm.old_state,
        reason = alarm.reason,
        rule = config.rule.as_str(),
        description = config.description.as_deref().unwrap_or(""),
        account = place.account,
        arn = alarm.arn,
        children = alarm.triggering.iter().take(CHILDREN_IN_MESSAGE).map(child).collect::<String>(),
        actions = actions_for_people(&actions),
    )
}

fn listed(arns: &[String]) -> String {
    arns.iter().map(|arn| format!("[{arn}]")).collect::<Vec<_>>().join(" ")
}

fn actions_for_people(listed: &dyn Fn(AlarmState) -> String) -> String {
    format!(
        "State Change Actions:\n- OK: {}\n- ALARM: {}\n- INSUFFICIENT_DATA: {}\n",
        listed(AlarmState::Ok),
        listed(AlarmState::Alarm),
        listed(AlarmState::InsufficientData)
    )
}

fn console_link(name: &str, place: &Place) -> String {
    let region = &place.region;
    let console = if place.partition == "aws-cn" { "console.amazonaws.cn" } else { "console.aws.amazon.com" };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let name: String = name.bytes().map(encode).collect();
    format!(
        "View this alarm in the AWS Management Console:\n\
         https://{region}.{console}/cloudwatch/deeplink.js?region={region}#alarmsV2:alarm/{name}\n\n"
    )
}

fn monitored(config: &MetricAlarm) -> String {
    match &config.watched {
        Watched::Metric(stat) => {
            let dimensions: Vec<String> =
                stat.key.dimensions.iter().map(|(name, value)| format!("[{name} = {value}]")).collect();
            format!(
                "Monitored Metric:\n\
                 - MetricNamespace:                     {}\n\
                 - MetricName:                          {}\n\
                 - Dimensions:                          {}\n\
                 - Period:                              {} seconds\n\
                 - Statistic:                           {}\n\
                 - Unit:                                {}\n\
                 - TreatMissingData:                    {}\n\n",
                stat.key.namespace,
                stat.key.name,
                dimensions.join(" "),
                stat.period_secs,
                stat.statistic,
                stat.unit.as_deref().unwrap_or("not specified"),
                config.effective_treat_missing_data(),
            )
        }
        Watched::Math { queries, place } => {
            let query = queries.get(*place);
            let expression = match &query.source {
                Source::Expression { expression, .. } => expression.as_str(),
                Source::Stat(stat) => &stat.key.name,
            };
            let label = query.default_label();
            format!(
                "Monitored Metrics:\n- MetricExpression:           {expression}\n- MetricLabel:                {label}\n"
            )
        }
    }
}

/// The region's name for people, as alarm messages write it; the code itself for one that is not known.
pub fn region_name(code: &str) -> &str {
    match code {
        "us-east-1" => "US East (N. Virginia)",
        "us-east-2" => "US East (Ohio)",
        "us-west-1" => "US West (N. California)",
        "us-west-2" => "US West (Oregon)",
        "us-gov-east-1" => "AWS GovCloud (US-East)",
        "us-gov-west-1" => "AWS GovCloud (US-West)",
        "af-south-1" => "Africa (Cape Town)",
        "ap-east-1" => "Asia Pacific (Hong Kong)",
        "ap-east-2" => "Asia Pacific (Taipei)",
        "ap-south-1" => "Asia Pacific (Mumbai)",
        "ap-south-2" => "Asia Pacific (Hyderabad)",
        "ap-northeast-1" => "Asia Pacific (Tokyo)",
        "ap-northeast-2" => "Asia Pacific (Seoul)",
        "ap-northeast-3" => "Asia Pacific (Osaka)",
        "ap-southeast-1" => "Asia Pacific (Singapore)",
        "ap-southeast-2" => "Asia Pacific (Sydney)",
        "ap-southeast-3" => "Asia Pacific (Jakarta)",
        "ap-southeast-4" => "Asia Pacific (Melbourne)",
        "ap-southeast-5" => "Asia Pacific (Malaysia)",
        "ap-southeast-7" => "Asia Pacific (Thailand)",
        "ca-central-1" => "Canada (Central)",
        "ca-west-1" => "Canada West (Calgary)",
        "cn-north-1" => "China (Beijing)",
        "cn-northwest-1" => "China (Ningxia)",
        "eu-central-1" => "EU (Frankfurt)",
        "eu-central-2" => "Europe (Zurich)",
        "eu-north-1" => "EU (Stockholm)",
        "eu-south-1" => "EU (Milan)",
        "eu-south-2" => "Europe (Spain)",
        "eu-west-1" => "EU (Ireland)",
        "eu-west-2" => "EU (London)",
        "eu-west-3" => "EU (Paris)",
        "il-central-1" => "Israel (Tel Aviv)",
        "me-central-1" => "Middle East (UAE)",
        "me-south-1" => "Middle East (Bahrain)",
        "mx-central-1" => "Mexico (Central)",
        "sa-east-1" => "South America (Sao Paulo)",
        other => other,
    }
}
