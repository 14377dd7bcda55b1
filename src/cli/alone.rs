//! The command line of a build without the feature `stacks`: `scaleproof sandbox`, word for word, and nothing else.

mod failure;
mod health;
mod interrupt;
mod operations;
mod process;
mod sandbox;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::{Exit, Failure};

/// Run the AWS endpoint of scaleproof; this build has nothing else
#[derive(Debug, Parser)]
#[command(name = "scaleproof", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sandbox(sandbox::Sandbox),
}

/// Parses the command line, runs the command and prints what went wrong, if anything did.
pub fn main() -> ExitCode {
    let Command::Sandbox(args) = Cli::parse().command;
    process::end(process::in_runtime(sandbox::run(&args)))
}
