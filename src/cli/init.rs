//! `scaleproof init`: a commented spec that works as it is.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Exit, Failure};

/// Print a commented spec that works as it is
#[derive(Debug, Args)]
pub struct Init {
    /// What to start from
    #[arg(long, value_enum, default_value_t = Preset::Course)]
    preset: Preset,
    /// Write to a new file instead; an existing one is never overwritten
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Preset {
    /// One to three t2.nano machines with CPU alarms, a warning and mails
    Course,
    /// A web server that scales on CPU and tells of failing machines
    Web,
    /// Workers that scale on the length of an SQS queue
    Worker,
}

pub fn run(args: &Init) -> Result<Exit, Failure> {
    let text = preset_text(args.preset);
    let Some(path) = &args.output else {
        anstream::print!("{text}");
        return Ok(Exit::Done);
    };
    let failure = |source: io::Error| {
        let exists = source.kind() == io::ErrorKind::AlreadyExists;
        let failure = Failure::new(Exit::Usage, CannotWrite { path: path.clone(), source });
        match exists {
            true => failure.hint("an existing file is never overwritten: name another one, or remove this one first"),
            false => failure,
        }
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failure)?;
    file.write_all(text.as_bytes()).map_err(failure)?;
    anstream::println!("{0} written; check it after each change with: scaleproof validate {0}", path.display());
    Ok(Exit::Done)
}

fn preset_text(preset: Preset) -> String {
    match preset {
        Preset::Course => with_script_inside(),
        Preset::Web => include_str!("../../examples/web.yaml").to_owned(),
        Preset::Worker => include_str!("../../examples/worker.yaml").to_owned(),
    }
}

/// The course example names a file; a spec that works as it is has to bring the script along.
fn with_script_inside() -> String {
    let mut inside = "  user_data: |\n".to_owned();
    for line in include_str!("../../examples/user-data.sh").lines() {
        let indent = if line.is_empty() { "" } else { "    " };
        inside.push_str(&format!("{indent}{line}\n"));
    }
    include_str!("../../examples/course.yaml").replace("  user_data_file: user-data.sh\n", &inside)
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
struct CannotWrite {
    path: PathBuf,
    #[source]
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{build_stack, lint_stack};
    use crate::spec::parse_spec;

    #[test]
    fn every_preset_works_as_it_is() {
        for preset in Preset::value_variants() {
            let parsed = parse_spec("preset.yaml", preset_text(*preset).as_bytes());
            assert_eq!(parsed.problems, [], "{preset:?}");
            let spec = parsed.spec.expect("a spec");
            assert!(spec.files().is_empty(), "{preset:?} needs no other file");
            let stack = build_stack(&spec, &parsed.map, &Default::default()).expect("no errors");
            let codes: Vec<_> = lint_stack(&stack, &parsed.map).iter().map(|p| p.kind.code()).collect();
            // The course asks for 50 and 40 percent, and that pair does oscillate.
            let expected: &[&str] = if matches!(preset, Preset::Course) { &["oscillates"] } else { &[] };
            assert_eq!(codes, expected, "{preset:?}");
        }
    }

    #[test]
    fn the_course_preset_carries_the_examples_script() {
        let parsed = parse_spec("preset.yaml", preset_text(Preset::Course).as_bytes());
        let script = parsed.spec.and_then(|spec| spec.launch.user_data).expect("a script");
        assert_eq!(script.0, include_str!("../../examples/user-data.sh"));
    }
}
