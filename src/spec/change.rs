//! Giving single arguments of a spec another value, for tables of variants. Start at [`find_arguments`].

use super::map::SpecMap;
use super::problem::nearest;
use super::reader::{Read, Reader};
use super::schema::paths;
use super::tree::{Entry, Node, Value, is_number, parse_tree};
use super::{Parsed, Spec, parse_spec};

/// An argument, by its path, and the text to stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub path: String,
    pub value: String,
}

/// Why a name means no argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    Unknown { nearest: Option<String> },
    Ambiguous { paths: Vec<String> },
}

/// Returns the arguments that `name` means: the end of one path (`cooldown`, `cpu-high.threshold`), or of several where
/// it has a `*` (`alarms.*.period`). Where the spec writes none of them, those that it leaves out are meant.
///
/// # Errors
/// The nearest argument where none is meant, all of them where several are and there is no `*`.
pub fn find_arguments(map: &SpecMap, name: &str) -> Result<Vec<String>, NameError> {
    let known: Vec<String> = paths().into_iter().flat_map(|path| with_names(map, &path)).collect();
    let wanted: Vec<&str> = name.split('.').collect();
    let mut found: Vec<String> = known.iter().filter(|path| ends_with(path, &wanted)).cloned().collect();
    // What is written is meant rather than what could be.
    if found.iter().any(|path| map.has(path)) {
        found.retain(|path| map.has(path));
    }
    if let Some(exact) = found.iter().position(|path| path == name) {
        found = vec![found.swap_remove(exact)];
    }
    match found.len() {
        0 => {
            // As many segments as were written, so that one slip in them does not hide the rest.
            let starts = |path: &'_ str| path.rmatch_indices('.').map(|(at, _)| at + 1).nth(wanted.len() - 1);
            let ends = known.iter().map(|path| &path[starts(path).unwrap_or(0)..]);
            Err(NameError::Unknown { nearest: nearest(name, ends).map(str::to_owned) })
        }
        1 => Ok(found),
        _ if wanted.contains(&"*") => Ok(found),
        _ => Err(NameError::Ambiguous { paths: found }),
    }
}

/// `alarms.NAME.period` for each alarm that the spec has.
fn with_names(map: &SpecMap, path: &str) -> Vec<String> {
    match path.split_once(".NAME") {
        None => vec![path.to_owned()],
        Some((block, rest)) => map.names_in(block).map(|name| format!("{block}.{name}{rest}")).collect(),
    }
}

fn ends_with(path: &str, wanted: &[&str]) -> bool {
    let path: Vec<&str> = path.split('.').collect();
    let pairs = path.iter().rev().zip(wanted.iter().rev());
    path.len() >= wanted.len() && pairs.clone().all(|(have, want)| have == want || *want == "*")
}

/// Reads a spec as if the changes had been written into it. Problems keep their places in the text as it is.
pub fn parse_changed(file: &str, text: &str, changes: &[Change]) -> Parsed {
    let (Some(mut root), problems) = parse_tree(text) else { return parse_spec(file, text.as_bytes()) };
    if !problems.is_empty() {
        return parse_spec(file, text.as_bytes());
    }
    for change in changes {
        let segments: Vec<&str> = change.path.split('.').collect();
        set_at(&mut root, &segments, &change.value);
    }
    let mut reader = Reader::new(SpecMap::new(file, text));
    let spec = Spec::read(&root, &mut reader);
    reader.problems.sort_by_key(|problem| problem.place);
    Parsed { spec, problems: reader.problems, map: reader.map }
}

fn set_at(node: &mut Node, path: &[&str], value: &str) {
    let Some((name, rest)) = path.split_first() else { return set_scalar(node, value) };
    if node.is_null() {
        node.value = Value::Map(Vec::new());
    }
    let place = node.place;
    let Value::Map(entries) = &mut node.value else { return };
    let at = entries.iter().position(|entry| entry.key == *name).unwrap_or_else(|| {
        let empty = Node { place, value: Value::Scalar { text: String::new(), plain: true } };
        entries.push(Entry { key: (*name).to_owned(), key_place: place, node: empty });
        entries.len() - 1
    });
    set_at(&mut entries[at].node, rest, value);
}

/// A number in place of a threshold keeps the threshold's comparison.
fn set_scalar(node: &mut Node, value: &str) {
    let sign = match &node.value {
        Value::Scalar { text, .. } if is_number(value) => {
            &text[..text.find(|c: char| !matches!(c, '<' | '>' | '=' | ' ')).unwrap_or(0)]
        }
        _ => "",
    };
    node.value = Value::Scalar { text: format!("{sign}{value}"), plain: true };
}

#[cfg(test)]
mod tests {
    use super::*;

    const COURSE: &str = include_str!("../../examples/course.yaml");

    #[test]
    fn a_name_is_the_end_of_a_path() {
        let map = parse_spec("course.yaml", COURSE.as_bytes()).map;
        let found = |name: &str| find_arguments(&map, name).map(|paths| paths.join(" "));
        for (name, paths) in [
            ("max_size", "group.max_size"),
            ("cpu-high.threshold", "alarms.cpu-high.threshold"),
            ("scaling.scale-out.cooldown", "scaling.scale-out.cooldown"),
            ("cpu-high.datapoints_to_alarm", "alarms.cpu-high.datapoints_to_alarm"),
            ("load.requests_per_second", "load.requests_per_second"),
            ("*.cooldown", "scaling.scale-out.cooldown scaling.scale-in.cooldown"),
        ] {
            let found = found(name).expect(name);
            assert!(found.split(' ').all(|path| paths.contains(path)) && found.len() == paths.len(), "{name}: {found}");
        }
        assert!(matches!(found("threshold"), Err(NameError::Ambiguous { paths }) if paths.len() == 3));
        let near = |name: &str| match found(name) {
            Err(NameError::Unknown { nearest }) => nearest.unwrap_or_default(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(
            (near("treshold"), near("banana"), near("cpu-hihg.threshold")),
            ("threshold".into(), String::new(), "cpu-high.threshold".into())
        );
    }

    #[test]
    fn a_changed_argument_reads_as_if_it_were_written() {
        let change = |path: &str, value: &str| {
            let changes = [Change { path: path.into(), value: value.into() }];
            parse_changed("course.yaml", COURSE, &changes)
        };
        let parsed = change("alarms.cpu-high.threshold", "65");
        let high = &parsed.spec.as_ref().expect("a spec").alarms.as_ref().expect("alarms").entries["cpu-high"];
        assert_eq!((high.threshold.comparison.sign(), high.threshold.value), (">=", 65.0));
        let parsed = change("load.requests_per_second", "12.5");
        let load = parsed.spec.expect("a spec").load.expect("a load");
        assert_eq!(load.requests_per_second.map(|rate| rate.0), Some(12.5));
        let wrong = change("alarms.cpu-high.period", "soon");
        assert_eq!(wrong.problems.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["alarms.cpu-high.period"]);
    }
}
