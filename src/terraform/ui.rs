//! Terraform's `-json` user interface, line by line. Source: developer.hashicorp.com/terraform/internals/machine-readable-ui

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a line of the interface means to somebody who waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Terraform was asked to stop and still finishes the calls that are under way.
    Stopping,
    /// A resource moves on.
    Resource {
        address: String,
        verb: String,
        step: Step,
    },
    /// Terraform says something; unknown kinds of line arrive here with their `@message`.
    Message(String),
    Diagnostic(Diagnostic),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    Started,
    /// Still at it, for so many seconds.
    Waiting {
        elapsed_secs: f64,
    },
    Done {
        elapsed_secs: f64,
    },
    Failed,
}

/// An error or a warning, with the place in the generated files that it points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub summary: String,
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub address: Option<String>,
    #[serde(default)]
    pub range: Option<Range>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    #[serde(other)]
    Warning,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub filename: String,
    pub start: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub line: u32,
    #[serde(default)]
    pub column: u32,
}

/// Reads one line; `None` for lines that say nothing to a person.
pub fn parse_line(line: &str) -> Option<Progress> {
    let line = line.trim();
    let Ok(Value::Object(event)) = serde_json::from_str(line) else {
        return (!line.is_empty()).then(|| Progress::Message(line.to_string()));
    };
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "diagnostic" => {
            let diagnostic = event.get("diagnostic").cloned().and_then(|d| serde_json::from_value(d).ok());
            Some(diagnostic.map_or_else(|| Progress::Message(text("@message").into()), Progress::Diagnostic))
        }
        "apply_start" => resource(&event, |_| Step::Started),
        "apply_progress" => resource(&event, |elapsed_secs| Step::Waiting { elapsed_secs }),
        "apply_complete" => resource(&event, |elapsed_secs| Step::Done { elapsed_secs }),
        "apply_errored" => resource(&event, |_| Step::Failed),
        "version" | "outputs" | "planned_change" | "resource_drift" | "change_summary" => None,
        "refresh_start" | "refresh_complete" => None,
        _ => Some(text("@message")).filter(|m| !m.is_empty()).map(|m| Progress::Message(m.to_string())),
    }
}

fn resource(event: &serde_json::Map<String, Value>, step: impl Fn(f64) -> Step) -> Option<Progress> {
    let hook = event.get("hook")?;
    let address = hook.pointer("/resource/addr")?.as_str()?.to_string();
    let verb = hook.get("action").and_then(Value::as_str).unwrap_or("change").to_string();
    let elapsed = hook.get("elapsed_seconds").and_then(Value::as_f64).unwrap_or_default();
    Some(Progress::Resource { address, verb, step: step(elapsed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_progress() {
        // line                                                                        what it means
        let table = [
            (
                r#"{"@message":"aws_vpc.main: Creating...","type":"apply_start","hook":{"resource":{"addr":"aws_vpc.main"},"action":"create"}}"#,
                Some(Progress::Resource { address: "aws_vpc.main".into(), verb: "create".into(), step: Step::Started }),
            ),
            (
                r#"{"@message":"x","type":"apply_complete","hook":{"resource":{"addr":"aws_vpc.main"},"action":"create","elapsed_seconds":3}}"#,
                Some(Progress::Resource {
                    address: "aws_vpc.main".into(),
                    verb: "create".into(),
                    step: Step::Done { elapsed_secs: 3.0 },
                }),
            ),
            (r#"{"@message":"from the future","type":"quantum"}"#, Some(Progress::Message("from the future".into()))),
            (r#"{"@message":"Terraform 1.11.4","type":"version"}"#, None),
            ("not json at all", Some(Progress::Message("not json at all".into()))),
            ("", None),
        ];
        for (line, expected) in table {
            assert_eq!(parse_line(line), expected, "{line}");
        }
    }

    #[test]
    fn a_diagnostic_keeps_its_place() {
        let line = r#"{"type":"diagnostic","@message":"Error: x","diagnostic":{"severity":"error","summary":"Argument definition required","detail":"d","range":{"filename":"main.tf","start":{"line":3,"column":13,"byte":12},"end":{"line":3,"column":33,"byte":32}}}}"#;
        let Some(Progress::Diagnostic(found)) = parse_line(line) else { panic!("no diagnostic in {line}") };
        assert_eq!(found.summary, "Argument definition required");
        assert_eq!(found.range.map(|r| (r.filename, r.start.line)), Some(("main.tf".into(), 3)));
    }
}
