//! What a dashboard's body may hold. A body that breaks the structure is refused, one that would show nothing somewhere is
//! taken with messages that say where.
//!
//! Source: CloudWatch API Reference, "Dashboard body structure and syntax", whose required members, values and ranges these
//! are. The words of the messages are ours where no answer of AWS is recorded. Start at [`check`].

use serde_json::{Map, Value};

use crate::engine::Refusal;

/// The widgets that there are, each with the members of `properties` that it cannot do without.
const KINDS: [(&str, &[&str]); 6] = [
    ("metric", &[]),
    ("text", &["markdown"]),
    ("log", &["query"]),
    ("alarm", &["alarms"]),
    ("explorer", &["metrics", "labels"]),
    ("custom", &["endpoint"]),
];
/// Widgets of one dashboard. Source: CloudWatch quotas.
const MAX_WIDGETS: usize = 500;
/// Columns of the grid, and rows of one widget.
const COLUMNS: i64 = 24;
const MAX_HEIGHT: i64 = 1000;

/// Something that AWS says about a part of a body, and the JSON pointer of that part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub message: String,
}

/// Checks a body. What is returned are warnings.
///
/// # Errors
/// `InvalidParameterInput` for what is no JSON object, or breaks the structure.
pub fn check(body: &str) -> Result<Vec<Finding>, Refusal> {
    let refused = |text: String| Refusal::new("InvalidParameterInput", 400, text);
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let Some(Value::Object(body)) = parsed else {
        return Err(refused("The field DashboardBody must be a valid JSON object".into()));
    };
    let mut reader = Reader::default();
    reader.body(&body);
    if reader.errors.is_empty() {
        return Ok(reader.warnings);
    }
    let list: Vec<String> = reader.errors.iter().map(|error| format!("{}: {}", error.path, error.message)).collect();
    Err(refused(format!(
        "The dashboard body is invalid, there are {} validation errors: {}",
        list.len(),
        list.join("; ")
    )))
}

#[derive(Default)]
struct Reader {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Reader {
    fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.errors.push(Finding { path: path.into(), message: message.into() });
    }

    fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Finding { path: path.into(), message: message.into() });
    }

    fn body(&mut self, body: &Map<String, Value>) {
        match body.get("widgets") {
            Some(Value::Array(widgets)) if widgets.len() > MAX_WIDGETS => {
                self.error("/widgets", format!("Should NOT have more than {MAX_WIDGETS} items"));
            }
            Some(Value::Array(widgets)) => {
                widgets.iter().enumerate().for_each(|(nth, widget)| self.widget(&format!("/widgets/{nth}"), widget));
            }
            Some(_) => self.error("/widgets", "Should be array"),
            None => self.error("/", "Should have required property 'widgets'"),
        }
        if body.get("periodOverride").is_some_and(|value| value != "auto" && value != "inherit") {
            self.error("/periodOverride", "Should be equal to one of the allowed values: auto, inherit");
        }
    }

    fn widget(&mut self, path: &str, widget: &Value) {
        let Value::Object(widget) = widget else { return self.error(path, "Should be object") };
        for (name, least, most) in
            [("x", 0, COLUMNS - 1), ("y", 0, i64::MAX), ("width", 1, COLUMNS), ("height", 1, MAX_HEIGHT)]
        {
            let Some(value) = widget.get(name) else { continue };
            if !value.as_i64().is_some_and(|number| (least..=most).contains(&number)) {
                self.error(format!("{path}/{name}"), format!("Should be integer from {least} to {most}"));
            }
        }
        let Some(kind) = widget.get("type").and_then(Value::as_str) else {
            return self.error(path, "Should have required property 'type'");
        };
        let Some((_, needed)) = KINDS.iter().find(|(name, _)| *name == kind) else {
            let kinds: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
            let text = format!("Should be equal to one of the allowed values: {}", kinds.join(", "));
            return self.error(format!("{path}/type"), text);
        };
        let path = format!("{path}/properties");
        let Some(Value::Object(properties)) = widget.get("properties") else {
            return self.error(path, "Should have required property 'properties'");
        };
        for name in needed.iter().filter(|name| !properties.contains_key(**name)) {
            self.error(&path, format!("Should have required property '{name}'"));
        }
        if kind == "metric" {
            self.metric(&path, properties);
        }
    }

    fn metric(&mut self, path: &str, properties: &Map<String, Value>) {
        let annotated = properties.get("annotations").and_then(|all| all.get("alarms")).is_some();
        match properties.get("metrics") {
            Some(Value::Array(rows)) => {
                let rows = rows.iter().enumerate();
                rows.for_each(|(nth, row)| self.row(&format!("{path}/metrics/{nth}"), row));
            }
            Some(_) => self.error(format!("{path}/metrics"), "Should be array"),
            None if annotated => {}
            None => self.error(path, "Should have required property 'metrics'"),
        }
        if !properties.contains_key("region") && !annotated {
            self.warn(path, "Should have required property 'region'");
        }
        let period = properties.get("period").map(Value::as_i64);
        if period.is_some_and(|period| {
            !period.is_some_and(|secs| matches!(secs, 1 | 5 | 10 | 20 | 30) || (secs > 0 && secs % 60 == 0))
        }) {
            self.error(format!("{path}/period"), "Should be 1, 5, 10, 20, 30 or a multiple of 60");
        }
        let views = ["timeSeries", "singleValue", "gauge", "bar", "pie", "table"];
        let view = properties.get("view").map(|view| view.as_str().unwrap_or_default());
        if view.is_some_and(|view| !views.contains(&view)) {
            let text = format!("Should be equal to one of the allowed values: {}", views.join(", "));
            self.error(format!("{path}/view"), text);
        }
    }

    /// Namespace, metric, then names and values of dimensions, and options at the end; or an expression alone.
    fn row(&mut self, path: &str, row: &Value) {
        let Value::Array(parts) = row else { return self.error(path, "Should be array") };
        let named = parts.iter().take_while(|part| part.is_string()).count();
        match &parts[named..] {
            [] | [Value::Object(_)] => {}
            _ => return self.error(path, "Should be strings, then at most one object"),
        }
        let is_expression = parts.last().is_some_and(|options| options.get("expression").is_some());
        match (named, is_expression) {
            (0, true) => {}
            (0 | 1, _) => self.error(path, "Should NOT have fewer than 2 items"),
            (named, _) if named % 2 == 1 => self.warn(path, "Should have a value for each dimension"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widget(text: &str) -> String {
        format!(r#"{{"widgets": [{text}]}}"#)
    }

    /// Bodies from the API Reference, "Dashboard body structure and syntax", and what each lacks.
    #[test]
    fn a_body_is_refused_for_its_structure_and_warned_of_for_the_rest() {
        let metric = |properties: &str| widget(&format!(r#"{{"type": "metric", "properties": {{{properties}}}}}"#));
        for (body, expected) in [
            ("{", Err("must be a valid JSON object")),
            ("[]", Err("must be a valid JSON object")),
            ("{}", Err("/: Should have required property 'widgets'")),
            (r#"{"widgets": []}"#, Ok(0)),
            (&widget(r#"{"type": "text", "width": 3, "properties": {"markdown": "Hello world"}}"#), Ok(0)),
            (&widget(r#"{"type": "text", "width": 25, "properties": {"markdown": "x"}}"#), Err("/widgets/0/width: ")),
            (&widget(r#"{"type": "text", "properties": {}}"#), Err("/widgets/0/properties: Should have required")),
            (&widget(r#"{"type": "map", "properties": {}}"#), Err("/widgets/0/type: ")),
            (
                &metric(r#""metrics": [["AWS/EC2", "CPUUtilization", "InstanceId", "i-1"]], "region": "us-east-1""#),
                Ok(0),
            ),
            (&metric(r#""metrics": [["AWS/EC2", "CPUUtilization"]]"#), Ok(1)),
            (&metric(r#""metrics": [[{"expression": "m1"}]], "region": "us-east-1", "period": 300"#), Ok(0)),
            (&metric(r#""metrics": [["AWS/EC2"]], "region": "us-east-1""#), Err("/metrics/0: ")),
            (&metric(r#""metrics": [], "region": "us-east-1", "period": 7"#), Err("/properties/period: ")),
        ] {
            let found = check(body);
            match (&found, expected) {
                (Ok(warnings), Ok(count)) => assert_eq!(warnings.len(), count, "{body}: {warnings:?}"),
                (Err(refusal), Err(text)) => assert!(refusal.message.contains(text), "{body}: {refusal}"),
                _ => panic!("{body}: {found:?}"),
            }
        }
    }
}
