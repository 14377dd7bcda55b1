//! When a delivery that failed is tried again. Start at [`schedule_for`].
//!
//! AWS adds jitter to every delay; it is left out here, so that a run can be repeated.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::DeliveryOutcome;

/// Of AWS: how long an HTTP endpoint may take to answer.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(15);

/// How delays grow from the shortest to the longest between the phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

/// A delivery policy's `healthyRetryPolicy`, in AWS's own names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryPolicy {
    /// Seconds, 1 to `max_delay_target`.
    #[serde(default = "RetryPolicy::twenty")]
    pub min_delay_target: u32,
    /// Seconds, up to an hour.
    #[serde(default = "RetryPolicy::twenty")]
    pub max_delay_target: u32,
    /// All phases together, 0 to 100.
    #[serde(default = "RetryPolicy::three")]
    pub num_retries: u32,
    #[serde(default)]
    pub num_max_delay_retries: u32,
    #[serde(default)]
    pub num_no_delay_retries: u32,
    #[serde(default)]
    pub num_min_delay_retries: u32,
    #[serde(default = "RetryPolicy::linear")]
    pub backoff_function: Backoff,
}

/// What HTTP endpoints get unless a topic or subscription says otherwise: three retries, 20 seconds apart.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: Backoff::Linear,
        }
    }
}

impl RetryPolicy {
    fn twenty() -> u32 {
        20
    }

    fn three() -> u32 {
        3
    }

    fn linear() -> Backoff {
        Backoff::Linear
    }

    /// Reads and checks a policy.
    ///
    /// # Errors
    /// The reason, as it stands after `DeliveryPolicy: `. The limits are those of the developer guide; AWS's
    /// wording of the refusals is not recorded.
    pub fn read(value: &Value) -> Result<Self, String> {
        let policy: Self = serde_json::from_value(value.clone())
            .map_err(|_| "healthyRetryPolicy has a member that is not known or of the wrong type".to_string())?;
        let phases = policy.num_no_delay_retries + policy.num_min_delay_retries + policy.num_max_delay_retries;
        match () {
            () if policy.num_retries > 100 => Err("numRetries must be between 0 and 100".into()),
            () if policy.min_delay_target < 1 || policy.min_delay_target > policy.max_delay_target => {
                Err("minDelayTarget must be between 1 and maxDelayTarget".into())
            }
            () if policy.max_delay_target > 3600 => Err("maxDelayTarget must be at most 3600".into()),
            () if phases > policy.num_retries => Err("the retries of all phases must not exceed numRetries".into()),
            () if policy.delays().sum::<f64>() > 3600.0 => {
                Err("the total retry time must not exceed 3600 seconds".into())
            }
            () => Ok(policy),
        }
    }

    /// The seconds before each retry, in order: immediate, pre-backoff, backoff, post-backoff.
    pub fn delays(&self) -> impl Iterator<Item = f64> {
        (0..self.num_retries).map_while(|retry| self.schedule().delay_secs(retry))
    }

    fn schedule(&self) -> Schedule {
        let phases = self.num_no_delay_retries + self.num_min_delay_retries + self.num_max_delay_retries;
        Schedule {
            immediate: self.num_no_delay_retries,
            pre_backoff: self.num_min_delay_retries,
            backoff: self.num_retries.saturating_sub(phases),
            post_backoff: self.num_max_delay_retries,
            min_secs: f64::from(self.min_delay_target),
            max_secs: f64::from(self.max_delay_target),
            shape: self.backoff_function,
        }
    }
}

/// The four phases of a retry schedule, each with its number of retries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    pub immediate: u32,
    pub pre_backoff: u32,
    pub backoff: u32,
    pub post_backoff: u32,
    pub min_secs: f64,
    pub max_secs: f64,
    pub shape: Backoff,
}

/// Queues and functions: 100,015 retries over 23 days (developer guide, "Message delivery retries").
const AWS_MANAGED: Schedule = Schedule {
    immediate: 3,
    pre_backoff: 2,
    backoff: 10,
    post_backoff: 100_000,
    min_secs: 1.0,
    max_secs: 20.0,
    shape: Backoff::Exponential,
};

/// Email, SMS and mobile push: 50 retries over 6 hours (same page).
const CUSTOMER_MANAGED: Schedule = Schedule {
    immediate: 0,
    pre_backoff: 2,
    backoff: 10,
    post_backoff: 38,
    min_secs: 10.0,
    max_secs: 600.0,
    shape: Backoff::Exponential,
};

/// The schedule of a protocol; `policy` speaks for `http` and `https` alone.
pub fn schedule_for(protocol: &str, policy: &RetryPolicy) -> Schedule {
    match protocol {
        "sqs" | "lambda" | "firehose" => AWS_MANAGED,
        "http" | "https" => policy.schedule(),
        _ => CUSTOMER_MANAGED,
    }
}

impl Schedule {
    pub fn total_retries(&self) -> u32 {
        self.immediate + self.pre_backoff + self.backoff + self.post_backoff
    }

    /// From the first failure until it is given up.
    pub fn total_secs(&self) -> f64 {
        (0..self.total_retries()).filter_map(|retry| self.delay_secs(retry)).sum()
    }

    /// The wait before retry number `retry` (the first is 0); `None` when there is no such retry.
    pub fn delay(&self, retry: u32) -> Option<Duration> {
        self.delay_secs(retry).map(Duration::from_secs_f64)
    }

    fn delay_secs(&self, retry: u32) -> Option<f64> {
        let mut place = retry;
        if place < self.immediate {
            return Some(0.0);
        }
        place -= self.immediate;
        if place < self.pre_backoff {
            return Some(self.min_secs);
        }
        place -= self.pre_backoff;
        if place < self.backoff {
            return Some(self.backoff_secs(place));
        }
        place -= self.backoff;
        (place < self.post_backoff).then_some(self.max_secs)
    }

    /// The `place`-th delay of the backoff phase. The first is the shortest and the last the longest, and the shape
    /// lies between: AWS documents the ends and shows the shapes in a figure.
    fn backoff_secs(&self, place: u32) -> f64 {
        let steps = self.backoff.saturating_sub(1);
        if steps == 0 {
            return self.min_secs;
        }
        let part = f64::from(place) / f64::from(steps);
        let span = self.max_secs - self.min_secs;
        match self.shape {
            Backoff::Linear => self.min_secs + span * part,
            // The delay grows by a little more each time: 1 + 2 + … + n.
            Backoff::Arithmetic => {
                let sum = |n: f64| n * (n + 1.0);
                self.min_secs + span * sum(f64::from(place)) / sum(f64::from(steps))
            }
            Backoff::Geometric => self.min_secs * (self.max_secs / self.min_secs).powf(part),
            Backoff::Exponential => self.min_secs + span * (part.exp2().powi(10) - 1.0) / 1023.0,
        }
    }
}

/// What becomes of a POST to an HTTP endpoint by the status that it answered with; `None` stands for no answer within
/// [`HTTP_TIMEOUT`]. 2xx is delivered, 5xx and 429 are worth another try, anything else is final.
pub fn judge_response(status: Option<u16>) -> DeliveryOutcome {
    let because = || status.map_or_else(|| "no answer".to_string(), |status| format!("status {status}"));
    match status {
        Some(200..=299) => DeliveryOutcome::Accepted,
        None | Some(429 | 500..=599) => DeliveryOutcome::Failed { because: because() },
        Some(_) => DeliveryOutcome::Refused { because: because() },
    }
}

/// The `EffectiveDeliveryPolicy` of a topic, from its `DeliveryPolicy`.
pub fn effective_policy(delivery_policy: Option<&Value>) -> Value {
    let http = delivery_policy.and_then(|policy| policy.get("http"));
    let member = |name: &str| http.and_then(|http| http.get(name)).cloned();
    let retries = member("defaultHealthyRetryPolicy").and_then(|value| RetryPolicy::read(&value).ok());
    let content_type = json!({"headerContentType": "text/plain; charset=UTF-8"});
    json!({"http": {
        "defaultHealthyRetryPolicy": retries.unwrap_or_default(),
        "disableSubscriptionOverrides": member("disableSubscriptionOverrides").unwrap_or(Value::Bool(false)),
        "defaultRequestPolicy": member("defaultRequestPolicy").unwrap_or(content_type),
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<RetryPolicy, String> {
        RetryPolicy::read(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_phases_follow_each_other() {
        for (text, expected) in [
            (
                r#"{"minDelayTarget":10,"maxDelayTarget":40,"numRetries":7,"numMaxDelayRetries":1,"numNoDelayRetries":2,"numMinDelayRetries":1,"backoffFunction":"linear"}"#,
                vec![0.0, 0.0, 10.0, 10.0, 25.0, 40.0, 40.0],
            ),
            (r#"{"numRetries":4,"numNoDelayRetries":4}"#, vec![0.0; 4]),
            ("{}", vec![20.0; 3]),
            (r#"{"numRetries":0}"#, vec![]),
        ] {
            assert_eq!(policy(text).unwrap().delays().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn every_shape_goes_from_the_shortest_to_the_longest_delay() {
        for shape in ["linear", "arithmetic", "geometric", "exponential"] {
            let text =
                format!(r#"{{"minDelayTarget":5,"maxDelayTarget":260,"numRetries":10,"backoffFunction":"{shape}"}}"#);
            let delays: Vec<f64> = policy(&text).unwrap().delays().collect();
            assert_eq!((delays.len(), delays[0].round(), delays[9].round()), (10, 5.0, 260.0), "{shape}");
            assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]), "{shape}: {delays:?}");
        }
    }

    #[test]
    fn protocols_have_their_documented_schedules() {
        let total = |protocol: &str| {
            let schedule = schedule_for(protocol, &RetryPolicy::default());
            (schedule.total_retries(), schedule.total_secs())
        };
        let (retries, secs) = total("sqs");
        assert_eq!((retries, (secs / 86_400.0).round()), (100_015, 23.0));
        let (retries, secs) = total("email");
        assert_eq!((retries, (secs / 3600.0).floor()), (50, 6.0));
        assert_eq!(total("https"), (3, 60.0));
        assert_eq!(schedule_for("sqs", &RetryPolicy::default()).delay(100_015), None);
    }

    #[test]
    fn a_policy_outside_the_limits_is_refused() {
        for text in [
            r#"{"numRetries":101}"#,
            r#"{"minDelayTarget":30,"maxDelayTarget":20}"#,
            r#"{"maxDelayTarget":3601}"#,
            r#"{"numRetries":1,"numNoDelayRetries":2}"#,
            r#"{"minDelayTarget":600,"maxDelayTarget":600,"numRetries":7}"#,
            r#"{"numTries":1}"#,
        ] {
            assert!(policy(text).is_err(), "{text}");
        }
    }

    #[test]
    fn statuses_decide_whether_to_try_again() {
        for (status, expected) in [
            (Some(200), "delivered"),
            (Some(204), "delivered"),
            (Some(301), "permanent"),
            (Some(404), "permanent"),
            (Some(429), "retry"),
            (Some(500), "retry"),
            (Some(503), "retry"),
            (None, "retry"),
        ] {
            let found = match judge_response(status) {
                DeliveryOutcome::Accepted => "delivered",
                DeliveryOutcome::Failed { .. } => "retry",
                DeliveryOutcome::Refused { .. } => "permanent",
            };
            assert_eq!(found, expected, "{status:?}");
        }
    }
}
