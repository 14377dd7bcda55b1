//! The command line: one file per subcommand, flags in, a view (text or JSON) and an exit code out.
//! The only module that prints or exits, and the only one that strings stages together.

mod backtest;
mod completions;
mod confirm;
mod connection;
mod demo;
mod destroy;
mod doctor;
mod explain;
mod failure;
mod health;
mod init;
mod interrupt;
mod operations;
mod plan;
mod process;
mod progress;
mod provision;
mod render;
pub mod rendered_files;
mod sandbox;
mod schema;
mod simulate;
pub mod spec_file;
mod stages;
mod status;
mod test;
mod validate;
mod verify;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::{Exit, Failure};
use process::in_runtime;

/// Write one small file, get an Auto Scaling group with alerting on AWS, and a timed proof that it scales
#[derive(Debug, Parser)]
#[command(name = "scaleproof", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Backtest(backtest::Backtest),
    Completions(completions::Completions),
    Demo(demo::Demo),
    Destroy(destroy::Destroy),
    Doctor(doctor::Doctor),
    Plan(plan::Plan),
    Provision(provision::Provision),
    Sandbox(sandbox::Sandbox),
    Simulate(simulate::Simulate),
    Status(status::Status),
    Test(test::Test),
    Validate(validate::Validate),
    Verify(verify::Verify),
    Wire(wire::Wire),
    Init(init::Init),
    Schema(schema::Schema),
    Explain(explain::Explain),
    Render(render::Render),
}

/// Parses the command line, runs the command and prints what went wrong, if anything did.
pub fn main() -> ExitCode {
    process::end(run(Cli::parse().command))
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Completions(args) => completions::run(&args),
        Command::Demo(args) => in_runtime(demo::run(&args)),
        Command::Destroy(args) => in_runtime(destroy::run(&args)),
        Command::Doctor(args) => in_runtime(doctor::run(&args)),
        Command::Plan(args) => in_runtime(plan::run(&args)),
        Command::Provision(args) => in_runtime(provision::run(&args)),
        Command::Sandbox(args) => in_runtime(sandbox::run(&args)),
        Command::Simulate(args) => simulate::run(&args),
        Command::Status(args) => in_runtime(status::run(&args)),
        Command::Backtest(args) => backtest::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Verify(args) => in_runtime(verify::run(&args)),
        Command::Wire(args) => in_runtime(wire::run(&args)),
        Command::Init(args) => init::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Render(args) => render::run(&args),
    }
}
