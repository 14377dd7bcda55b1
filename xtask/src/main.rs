//! Chores of the repository that must not ship: `cargo xtask CHORE`.

mod cases;
mod models;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask CHORE

  cases [--json] FILE...        hold the engine and the sandbox to files of cases; exits 1 if one fails
  models --botocore DIR|WHEEL   write src/sandbox/models/ from botocore's service models";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["cases", rest @ ..] => cases::run(rest),
        ["models", "--botocore", source] => models::write(source.as_ref()).map(|()| true),
        _ => Err(USAGE.to_string()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}
