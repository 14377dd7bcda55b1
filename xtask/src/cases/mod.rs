//! Runs cases of AWS's behaviour (`tests/cases/*.json`) against the engine and the sandbox: `cargo xtask cases FILE...`.
//!
//! A case says what was given and what AWS documents or was recorded to answer. Each topic has an adapter in
//! [`topics`] that translates what was given into engine values or calls, asks, and compares; nothing is decided
//! here. What an adapter did not read fails the case, so that no part of it is passed over. Start at [`run`].

mod api;
mod case;
mod document;
mod failure;
mod file;
mod group_stage;
mod report;
mod topics;

use std::panic::{AssertUnwindSafe, catch_unwind};

use case::Case;
use failure::Failure;
use report::{Outcome, Report};

/// Runs the files that `arguments` name and prints what came of it. Returns whether every case passed.
pub fn run(arguments: &[&str]) -> Result<bool, String> {
    let (flags, paths): (Vec<&str>, Vec<&str>) =
        arguments.iter().copied().partition(|argument| argument.starts_with("--"));
    if let Some(flag) = flags.iter().find(|flag| **flag != "--json") {
        return Err(format!("`{flag}` is no option of cases"));
    }
    if paths.is_empty() {
        return Err("name one file of cases or more, such as tests/cases/public-sns.json".into());
    }
    let files: Vec<Vec<Case>> = paths.iter().map(|path| file::read(path)).collect::<Result<_, _>>()?;
    let report = Report { outcomes: files.iter().flatten().map(outcome).collect() };
    if flags.is_empty() {
        print!("{}", report.text())
    } else {
        println!("{:#}", report.json())
    }
    Ok(report.all_passed())
}

fn outcome(case: &Case) -> Outcome {
    let failure = check(case).err();
    Outcome { id: case.id.clone(), topic: case.topic.clone(), failure }
}

/// A panic is a bug of ours and fails the case that met it, not the run.
fn check(case: &Case) -> Result<(), Failure> {
    let adapter = topics::adapter(&case.topic).ok_or_else(|| Failure::no_adapter(&case.topic))?;
    catch_unwind(AssertUnwindSafe(|| adapter(case))).unwrap_or_else(|_| Err(Failure::panicked()))?;
    case.all_read()
}
