//! `scaleproof completions`: a script that teaches a shell the commands and flags.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit, Failure};

/// Print a completion script for a shell
///
/// For bash: `scaleproof completions bash > ~/.local/share/bash-completion/completions/scaleproof`.
/// For zsh, into a folder of $fpath: `scaleproof completions zsh > ~/.zfunc/_scaleproof`.
/// For fish: `scaleproof completions fish > ~/.config/fish/completions/scaleproof.fish`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

pub fn run(args: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "scaleproof", &mut script);
    // A reader that has seen enough closes the pipe; that is no failure of ours.
    let _ = std::io::stdout().write_all(&script);
    Ok(Exit::Done)
}
