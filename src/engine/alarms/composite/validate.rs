//! What PutCompositeAlarm accepts, as far as the call alone shows it. Start at [`CompositeRequest`].

use super::rule::AlarmRule;
use super::{CompositeAlarm, Suppressor};
use crate::engine::Refusal;
use crate::engine::alarms::validate::{check_actions, check_description, check_name};

/// The services whose actions composite alarms cannot take.
///
/// Source: CloudWatch API Reference, PutCompositeAlarm: they notify SNS topics, invoke Lambda functions, and make OpsItems
/// and incidents in Systems Manager.
const TAKEN: &[&str] = &["sns", "lambda", "ssm", "ssm-incidents", "aiops"];

/// PutCompositeAlarm as it came in; nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CompositeRequest {
    pub name: String,
    pub description: Option<String>,
    pub actions_enabled: Option<bool>,
    pub ok_actions: Vec<String>,
    pub alarm_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
    pub rule: String,
    pub suppressor: Option<String>,
    pub wait_secs: Option<i64>,
    pub extension_secs: Option<i64>,
}

impl CompositeRequest {
    /// The alarm that was asked for. Whether the alarms it names exist is another question.
    ///
    /// # Errors
    /// The error AWS answers with. Those about the rule are recorded from AWS.
    pub fn into_alarm(self) -> Result<CompositeAlarm, Refusal> {
        check_name(&self.name)?;
        check_description(self.description.as_deref())?;
        for actions in [&self.ok_actions, &self.alarm_actions, &self.insufficient_data_actions] {
            check_actions(actions)?;
            check_services(actions)?;
        }
        Ok(CompositeAlarm {
            rule: AlarmRule::parse(&self.rule)?,
            suppressor: self.suppressor()?,
            name: self.name.into(),
            description: self.description,
            actions_enabled: self.actions_enabled.unwrap_or(true),
            ok_actions: self.ok_actions,
            alarm_actions: self.alarm_actions,
            insufficient_data_actions: self.insufficient_data_actions,
        })
    }

    /// Both periods are required with a suppressor and have no place without one.
    fn suppressor(&self) -> Result<Option<Suppressor>, Refusal> {
        let secs = |value: Option<i64>, name: &str| {
            let value = value.ok_or_else(|| {
                Refusal::validation(format!("{name} must be specified when ActionsSuppressor is specified"))
            })?;
            u32::try_from(value).map_err(|_| Refusal::validation(format!("{name} must not be negative")))
        };
        match &self.suppressor {
            Some(alarm) => Ok(Some(Suppressor {
                alarm: alarm.clone(),
                wait_secs: secs(self.wait_secs, "ActionsSuppressorWaitPeriod")?,
                extension_secs: secs(self.extension_secs, "ActionsSuppressorExtensionPeriod")?,
            })),
            None if self.wait_secs.is_some() || self.extension_secs.is_some() => Err(Refusal::validation(
                "ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod can only be specified with an \
                 ActionsSuppressor",
            )),
            None => Ok(None),
        }
    }
}

fn check_services(actions: &[String]) -> Result<(), Refusal> {
    let taken = |arn: &&String| arn.split(':').nth(2).is_some_and(|service| TAKEN.contains(&service));
    match actions.iter().find(|arn| !taken(arn)) {
        Some(arn) => Err(Refusal::validation(format!("Composite alarms do not support the action {arn}"))),
        None => Ok(()),
    }
}
