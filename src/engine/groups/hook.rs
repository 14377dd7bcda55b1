//! Lifecycle actions: an instance held up until someone says go on. Start at [`LifecycleAction`].

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A hook that an instance waits for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleAction {
    pub hook: String,
    /// Names this wait in `CompleteLifecycleAction`.
    pub token: String,
    pub started_at: Timestamp,
}
