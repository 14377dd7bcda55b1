//! The adapters, one file per topic. An adapter reads every member of `given` and `expect` that its topic may have,
//! translates, asks the engine or the sandbox, and compares; the rules themselves are theirs.

mod sns_signature;

use super::case::Case;
use super::failure::Failure;

/// Asks the engine or the sandbox what the case asks, and holds the answer to what it expects.
pub type Adapter = fn(&Case) -> Result<(), Failure>;

/// By topic; sorted.
const ADAPTERS: &[(&str, Adapter)] = &[("sns-signature", sns_signature::check)];

pub fn adapter(topic: &str) -> Option<Adapter> {
    ADAPTERS.iter().find(|(name, _)| *name == topic).map(|(_, adapter)| *adapter)
}
