//! Runs terraform (or tofu) in a directory: progress while it works, plan, outputs and trouble as types.
//!
//! Only a saved plan is applied. Lock file and state are never deleted. Start at [`Terraform`].

mod binary;
mod plan;
mod run;
mod ui;

pub use binary::{Binary, FindError};
pub use plan::{Action, Plan, ResourceChange};
pub use run::{Interrupt, RunError, Subcommand, Terraform};
pub use ui::{Diagnostic, Progress, Range, Severity, Step};
