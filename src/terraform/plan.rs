//! A saved plan as terraform describes it: what would change, replacements first.

use serde::Serialize;
use serde_json::Value;

/// What a saved plan would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Plan {
    /// Replacements first, then deletions, creations and updates; each by address.
    pub changes: Vec<ResourceChange>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ResourceChange {
    pub action: Action,
    pub address: String,
    /// The arguments that force a replacement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// In the order in which a person should read them: what destroys comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Replace,
    Delete,
    Create,
    Update,
    Forget,
}

impl Action {
    /// As terraform's own plan output marks it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Replace => "-/+",
            Self::Delete => "-",
            Self::Create => "+",
            Self::Update => "~",
            Self::Forget => ".",
        }
    }
}

impl Plan {
    /// Reads `terraform show -json PLANFILE`.
    pub fn from_show(shown: &Value) -> Self {
        let all = shown.get("resource_changes").and_then(Value::as_array);
        let mut changes: Vec<_> = all.into_iter().flatten().filter_map(change).collect();
        changes.sort();
        Self { changes }
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }

    /// `2 to replace, 10 to create`, or `no changes`.
    pub fn summary(&self) -> String {
        self.counted(|action| match action {
            Action::Replace => "to replace",
            Action::Delete => "to destroy",
            Action::Create => "to create",
            Action::Update => "to change",
            Action::Forget => "to forget",
        })
    }

    /// The same once it is applied: `2 replaced, 10 created`.
    pub fn done_summary(&self) -> String {
        self.counted(|action| match action {
            Action::Replace => "replaced",
            Action::Delete => "destroyed",
            Action::Create => "created",
            Action::Update => "changed",
            Action::Forget => "forgotten",
        })
    }

    fn counted(&self, word: fn(Action) -> &'static str) -> String {
        let all = [Action::Replace, Action::Delete, Action::Create, Action::Update, Action::Forget];
        let counts = all.into_iter().map(|action| (self.count(action), word(action)));
        let parts: Vec<String> =
            counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        if parts.is_empty() { "no changes".into() } else { parts.join(", ") }
    }
}

fn change(found: &Value) -> Option<ResourceChange> {
    let actions: Vec<&str> = found.pointer("/change/actions")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let action = match actions.as_slice() {
        ["create"] => Action::Create,
        ["update"] => Action::Update,
        ["delete"] => Action::Delete,
        ["forget"] => Action::Forget,
        ["delete", "create"] | ["create", "delete"] => Action::Replace,
        _ => return None,
    };
    let paths = found.pointer("/change/replace_paths").and_then(Value::as_array);
    let because = paths.into_iter().flatten().filter_map(path_text).collect();
    Some(ResourceChange { action, address: found.get("address")?.as_str()?.to_string(), because })
}

/// `["tags", "Name"]` as `tags.Name`.
fn path_text(path: &Value) -> Option<String> {
    let steps = path.as_array()?.iter().map(|step| match step {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    });
    Some(steps.collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replacements_come_first_and_say_why() {
        let plan = Plan::from_show(&json!({ "resource_changes": [
            { "address": "aws_vpc.main", "change": { "actions": ["no-op"] } },
            { "address": "aws_subnet.b", "change": { "actions": ["create"] } },
            { "address": "aws_subnet.a", "change": { "actions": ["delete", "create"], "replace_paths": [["cidr_block"]] } },
            { "address": "data.aws_ami.x", "change": { "actions": ["read"] } },
        ]}));
        let lines: Vec<_> =
            plan.changes.iter().map(|c| (c.action.symbol(), c.address.as_str(), c.because.join(","))).collect();
        assert_eq!(lines, [("-/+", "aws_subnet.a", "cidr_block".into()), ("+", "aws_subnet.b", String::new())]);
        assert_eq!(plan.summary(), "1 to replace, 1 to create");
        assert_eq!(plan.done_summary(), "1 replaced, 1 created");
    }

    #[test]
    fn a_plan_without_changes_is_empty() {
        let plan = Plan::from_show(&json!({ "format_version": "1.2" }));
        assert!(plan.is_empty());
        assert_eq!(plan.summary(), "no changes");
    }
}
