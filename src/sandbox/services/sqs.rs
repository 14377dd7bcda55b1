use serde::{Deserialize, Serialize};

use crate::engine::topics::{Delivery, DeliveryOutcome};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sqs {}

impl Sqs {
    pub fn receive_from_topic(&mut self, _delivery: &Delivery) -> DeliveryOutcome {
        unimplemented!("sqs room")
    }
}

/// None yet: every call is refused by name.
pub fn operations() -> crate::sandbox::operations::Operations {
    crate::sandbox::operations::Operations::default()
}
