//! `alarm-percentile`: alarms on percentiles of few samples.

use scaleproof::engine::metrics::Statistic;

use super::alarm::{Subject, datapoints, instant, prior_state, request};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    if let Some(share) = case.given.opt_f64("percentile")? {
        // The rule in words is what the engine computes.
        case.given.skip("rule");
        let text = format!("p{}", (share * 100.0 * 1e6).round() / 1e6);
        let statistic = Statistic::parse(&text).ok_or_else(|| format!("`{text}` is no statistic"))?;
        let least = statistic.low_sample_count().ok_or("the statistic has no least count of samples")?;
        return case.expect_eq("low_sample_if_count_below", least);
    }
    let prior = prior_state(&case.given)?;
    let mut subject = Subject::new(request(&case.given)?, prior)?;
    let query_date = instant(case.given.str("query_date")?)?;
    for (at, value, count) in datapoints(case.given.list("samples")?)? {
        subject.measure(at, vec![(value, count)]);
    }
    let change = subject.evaluate(query_date);
    if case.expects_text("state_reason") {
        case.expect_text("state_reason", change.as_ref().map_or("", |change| &change.reason))?;
    }
    case.expect_if("retained", change.is_none())?;
    case.expect_eq("state", change.map_or(prior, |change| change.value).as_str())
}
