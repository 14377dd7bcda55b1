//! `scaleproof sandbox operations`: what the sandbox answers, as text, JSON or the page `docs/sandbox-operations.md`.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Exit, Failure};
use crate::sandbox::universe;

/// List the operations that the sandbox serves, with the arguments that have an effect
#[derive(Debug, Args)]
pub struct Operations {
    /// Only those of this service, such as autoscaling
    service: Option<String>,
    /// Print the list in this form
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
    Markdown,
}

#[derive(Debug, Serialize)]
struct Row {
    service: &'static str,
    operation: &'static str,
    does: &'static str,
    arguments: &'static [&'static str],
}

pub fn run(args: &Operations) -> Result<Exit, Failure> {
    let rows: Vec<Row> =
        rows().filter(|row| args.service.as_deref().is_none_or(|wanted| wanted == row.service)).collect();
    if let (Some(service), true) = (&args.service, rows.is_empty()) {
        let served: Vec<&str> = universe::operations().keys().copied().collect();
        let failure = Failure::new(Exit::Usage, format!("the sandbox has no service `{service}`"));
        return Err(failure.hint(format!("it serves {}", served.join(", "))));
    }
    match args.format {
        Form::Text => anstream::print!("{}", text(&rows)),
        Form::Markdown => anstream::print!("{}", markdown(&rows)),
        Form::Json => {
            let json = serde_json::to_string_pretty(&rows).map_err(|error| Failure::new(Exit::Bug, error))?;
            anstream::println!("{json}");
        }
    }
    Ok(Exit::Done)
}

fn rows() -> impl Iterator<Item = Row> {
    universe::operations().iter().flat_map(|(service, operations)| {
        operations.iter().map(move |(operation, found)| Row {
            service,
            operation,
            does: found.does,
            arguments: found.takes,
        })
    })
}

fn text(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("{} {}: {}\n", row.service, row.operation, row.does)).collect()
}

fn markdown(rows: &[Row]) -> String {
    let mut page = format!(
        "# What the sandbox serves\n\n{} operations. Printed by `scaleproof sandbox operations --format markdown` from \
         the table that the\nsandbox itself works by. An argument that is not listed is refused by name; flags that are false and \
         empty lists ask for\nnothing and are taken.\n",
        rows.len()
    );
    let mut service = "";
    for row in rows {
        if row.service != service {
            service = row.service;
            page += &format!("\n## {service}\n\n| operation | does | arguments |\n| --- | --- | --- |\n");
        }
        page += &format!("| {} | {} | {} |\n", row.operation, row.does.replace('|', "\\|"), row.arguments.join(", "));
    }
    page
}
