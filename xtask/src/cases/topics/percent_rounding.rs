//! `percent-rounding`: how a change in percent becomes instances.

use scaleproof::engine::groups::policy::{AdjustmentType, percent_of, round_percent_change};

use super::scaling::{calm, decide, expect_capacity, limits, policy, read_adjustment_type, simple, whole};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    if let Some(raw) = given.opt_f64("raw_change")? {
        return case.expect_eq("rounded", round_percent_change(raw));
    }
    let kind = read_adjustment_type(given.opt_str("adjustment_type")?, AdjustmentType::PercentChangeInCapacity)?;
    let member = if given.has("percent") { "percent" } else { "adjustment" };
    let (capacity, adjustment) = (given.u32("current_capacity")?, whole(given.value(member)?)?);
    case.expect_if("raw", percent_of(capacity.into(), adjustment.into()))?;
    let magnitude = given.opt_u32("min_adjustment_magnitude")?;
    let policy = policy("percent", kind, magnitude, simple(adjustment, None));
    case.expect_if("rounded", kind.change(capacity, adjustment, magnitude))?;
    expect_capacity(case, capacity, decide(&policy, &calm(limits(given)?, capacity), None))
}
