//! The message that an alarm's SNS action publishes. Start at [`notice`].

use serde::Serialize;

use super::config::{AlarmState, Comparison, MetricAlarm};
use super::{AlarmSnapshot, Firing};
use crate::engine::metrics::Statistic;
use crate::engine::names::Place;
use crate::engine::topics::Notice;

/// SNS takes no longer subject.
const SUBJECT_CHARS: usize = 100;

impl Firing {
    /// The message an SNS action publishes.
    pub fn notice(&self, place: &Place) -> Notice {
        notice(&self.alarm, place)
    }
}

/// The message about `alarm`: a subject for people and a JSON document whose keys stand in AWS's order.
///
/// Source: messages recorded from AWS.
pub fn notice(alarm: &AlarmSnapshot, place: &Place) -> Notice {
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
        after_mute_window: false,
        ok_actions: &config.ok_actions,
        alarm_actions: &config.alarm_actions,
        insufficient_data_actions: &config.insufficient_data_actions,
        trigger: Trigger::of(config),
    };
    let subject = subject(alarm.new_state, config.name.as_str(), &place.region);
    let by_protocol = [("sms", subject.clone()), ("email", email(alarm, place))];
    Notice {
        subject: Some(subject),
        message: serde_json::to_string(&message).unwrap_or_default(),
        by_protocol: by_protocol.map(|(protocol, text)| (protocol.to_string(), text)).into(),
    }
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
    trigger: Trigger<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Trigger<'a> {
    metric_name: &'a str,
    namespace: &'a str,
    statistic_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistic: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_statistic: Option<Statistic>,
    unit: Option<&'a str>,
    dimensions: Vec<Dimension<'a>>,
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

pub(super) fn dimensions(config: &MetricAlarm) -> Vec<Dimension<'_>> {
    config.metric.key.dimensions.iter().map(|(name, value)| Dimension { value, name }).collect()
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

impl<'a> Trigger<'a> {
    fn of(config: &'a MetricAlarm) -> Self {
        let stat = &config.metric;
        Self {
            metric_name: &stat.key.name,
            namespace: &stat.key.namespace,
            statistic_type: if stat.statistic.is_extended() { "ExtendedStatistic" } else { "Statistic" },
            statistic: shouted(stat.statistic),
            extended_statistic: stat.statistic.is_extended().then_some(stat.statistic),
            unit: stat.unit.as_deref(),
            dimensions: dimensions(config),
            period: stat.period_secs,
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
    texts.insert("default".into(), notice.message.clone().into());
    for (protocol, text) in notice.by_protocol.iter().rev() {
        texts.insert(protocol.clone(), text.clone().into());
    }
    serde_json::Value::Object(texts).to_string()
}

/// The text for people that email subscribers get instead of the JSON document.
pub fn email(alarm: &AlarmSnapshot, place: &Place) -> String {
    let config = &*alarm.config;
    let (stat, region) = (&config.metric, region_name(&place.region));
    let name = config.name.as_str();
    let at = alarm.state_changed_at.format("%A %d %B, %Y %H:%M:%S UTC");
    let dimensions: Vec<String> = stat.key.dimensions.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let actions = |state| config.actions(state).iter().map(|arn| format!("[{arn}]")).collect::<Vec<_>>().join(" ");
    format!(
        "You are receiving this email because your Amazon CloudWatch Alarm \"{name}\" in the {region} region has \
         entered the {new} state, because \"{reason}\" at \"{at}\".\n\n\
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
         {n} period(s) of {period} seconds.\n\n\
         Monitored Metric:\n\
         - MetricNamespace:            {namespace}\n\
         - MetricName:                 {metric}\n\
         - Dimensions:                 [{dimensions}]\n\
         - Period:                     {period} seconds\n\
         - Statistic:                  {statistic}\n\
         - Unit:                       {unit}\n\
         - TreatMissingData:           {missing}\n\n\
         State Change Actions:\n\
         - OK: {ok}\n\
         - ALARM: {alarm_actions}\n\
         - INSUFFICIENT_DATA: {insufficient}\n",
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
        period = stat.period_secs,
        namespace = stat.key.namespace,
        metric = stat.key.name,
        dimensions = dimensions.join("] ["),
        statistic = stat.statistic,
        unit = stat.unit.as_deref().unwrap_or("not specified"),
        missing = config.effective_treat_missing_data(),
        ok = actions(AlarmState::Ok),
        alarm_actions = actions(AlarmState::Alarm),
        insufficient = actions(AlarmState::InsufficientData),
    )
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
