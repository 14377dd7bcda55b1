//! Which shapes the wanted operations reach, and which structures hold themselves.

use std::collections::BTreeSet;

use serde_json::Value;

/// The shapes that `start` mentions directly.
fn mentioned(shape: &Value) -> Vec<&str> {
    let members = shape["members"].as_object().into_iter().flat_map(|members| members.values());
    let all = members.chain([&shape["member"], &shape["key"], &shape["value"]]);
    all.filter_map(|member| member["shape"].as_str()).collect()
}

/// Every shape reachable from `starts`.
pub fn from<'a>(model: &'a Value, starts: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = starts.into_iter().collect();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(mentioned(&model["shapes"][name]));
        }
    }
    found
}

/// Whether a member of type `target` inside `holder` makes a struct of endless size: only structures count, since lists and
/// maps keep their elements elsewhere.
pub fn is_endless(model: &Value, holder: &str, target: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![target];
    while let Some(name) = open.pop() {
        let shape = &model["shapes"][name];
        if shape["type"] != "structure" || !seen.insert(name) {
            continue;
        }
        if name == holder {
            return true;
        }
        open.extend(mentioned(shape));
    }
    false
}
