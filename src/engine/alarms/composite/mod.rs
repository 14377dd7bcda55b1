//! The two rules of composite alarms: when one is in ALARM ([`rule`]) and when it may act ([`suppression`]).
//!
//! Both are pure. Alarms that live by them are not kept yet, and PutCompositeAlarm is refused.

pub mod rule;
pub mod suppression;
