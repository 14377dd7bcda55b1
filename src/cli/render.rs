//! `scaleproof render`: the stack as plain Terraform, without credentials or network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::rendered_files::{Files, diff_files, write_files};
use super::spec_file::{load, print_warnings};
use super::{Exit, Failure};
use crate::render::{RenderOptions, Renderer, render_stack};

/// Write the stack as plain, hand-readable Terraform
///
/// Needs no credentials and no network. The files run without scaleproof. Alarms and notifications are not among
/// them: `scaleproof wire` makes those.
#[derive(Debug, Args)]
pub struct Render {
    /// The spec, or - for standard input
    spec: PathBuf,
    /// The folder to write to; without it the files are printed
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write nothing; show how DIR differs and exit 12 if it does
    #[arg(long, requires = "output")]
    check: bool,
    /// A folder with templates (NAME.tf.tera) that replace or add to the built-in ones
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// An endpoint that stands in for AWS, such as http://127.0.0.1:4599
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Write skip_get_ec2_platforms beside the endpoint, for AWS provider 3 (later ones refuse it)
    #[arg(long, requires = "endpoint")]
    skip_ec2_platforms: bool,
    /// Overwrite files that were edited or not rendered by scaleproof
    #[arg(long, requires = "output", conflicts_with = "check")]
    force: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Render) -> Result<Exit, Failure> {
    let loaded = load(&args.spec)?;
    let options =
        RenderOptions { endpoint: args.endpoint.clone(), region: None, skip_ec2_platforms: args.skip_ec2_platforms };
    let files = match &args.templates {
        Some(dir) => Renderer::new(&read_templates(dir)?).and_then(|r| r.render(&loaded.stack, &options)),
        None => render_stack(&loaded.stack, &options),
    };
    let files = files.map_err(|error| Failure::new(Exit::Usage, error))?;
    print_warnings(&loaded.warnings, &loaded.map);
    match &args.output {
        None => print_files(&files, args.json),
        Some(dir) if args.check => return check(dir, &files, args.json),
        Some(dir) => write(dir, &files, args)?,
    }
    Ok(Exit::Done)
}

fn print_files(files: &Files, json: bool) {
    if json {
        anstream::println!("{:#}", json!({ "files": files }));
        return;
    }
    for (index, (name, text)) in files.iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        anstream::print!("{gap}==> {name} <==\n{text}");
    }
}

fn check(dir: &Path, files: &Files, json: bool) -> Result<Exit, Failure> {
    let diff = diff_files(dir, files)?;
    let same = diff.is_empty();
    if json {
        anstream::println!("{:#}", json!({ "dir": dir, "same": same, "diff": diff }));
    } else if same {
        anstream::println!("{}: {} files as rendered", dir.display(), files.len());
    } else {
        anstream::print!("{diff}");
    }
    Ok(if same { Exit::Done } else { Exit::Differs })
}

fn write(dir: &Path, files: &Files, args: &Render) -> Result<(), Failure> {
    let written = write_files(dir, files, args.force)?;
    if args.json {
        anstream::println!("{:#}", json!({ "dir": dir, "files": written }));
        return Ok(());
    }
    let deleted = match written.deleted.as_slice() {
        [] => String::new(),
        names => format!(", {} deleted ({})", names.len(), names.join(", ")),
    };
    anstream::println!(
        "{}: {} written, {} unchanged{deleted}",
        dir.display(),
        written.written.len(),
        written.unchanged.len()
    );
    Ok(())
}

/// Reads a folder of templates; an empty one is a mistake.
fn read_templates(dir: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let failure = |source| Failure::new(Exit::Usage, TemplatesError::Read { dir: dir.to_owned(), source });
    let mut templates = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        if let Some(name) = entry.file_name().to_str().filter(|name| name.ends_with(".tf.tera")) {
            templates.insert(name.to_owned(), fs::read_to_string(entry.path()).map_err(failure)?);
        }
    }
    if templates.is_empty() {
        return Err(Failure::new(Exit::Usage, TemplatesError::Empty { dir: dir.to_owned() }));
    }
    Ok(templates)
}

#[derive(Debug, thiserror::Error)]
enum TemplatesError {
    #[error("cannot read the templates in `{}`", dir.display())]
    Read {
        dir: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("no file in `{}` ends in .tf.tera", dir.display())]
    Empty { dir: PathBuf },
}
