//! Chores of the repository that must not ship: `cargo xtask CHORE`.

mod models;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask CHORE

  models --botocore DIR|WHEEL   write src/sandbox/models/ from botocore's service models";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["models", "--botocore", source] => models::write(source.as_ref()),
        _ => Err(USAGE.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}
