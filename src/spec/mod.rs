//! The file as written: text in, [`Spec`] and every [`Problem`] out. Rules that span arguments are `model`'s.
//!
//! The text becomes a tree with places ([`tree`]), typed readers walk the tree and record every problem they meet
//! ([`reader`]), and the blocks of arguments are declared once for the reader and the JSON Schema ([`arguments`]).
//! Nothing here opens a file: [`Spec::files`] names the files, and whoever loaded the spec passes their texts on.

pub mod arguments;
pub mod change;
pub mod expectations;
mod map;
pub mod problem;
pub mod reader;
mod schema;
pub mod series;
pub mod shape;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod values;

pub use arguments::Spec;
pub use map::SpecMap;
pub use problem::{Kind, Place, Problem, Severity};
pub use schema::{Explanation, explain, json_schema};

use arguments::KeyPairSpec;
use expectations::TestFile;
use reader::{Read, Reader};

/// What came of a text.
#[derive(Debug, Clone)]
pub struct Parsed<T = Spec> {
    /// Present when enough could be read to go on checking; not a sign that all is well.
    pub spec: Option<T>,
    /// In the order of the file.
    pub problems: Vec<Problem>,
    pub map: SpecMap,
}

/// Reads a spec from the bytes of a file; `file` is its name for messages.
pub fn parse_spec(file: &str, bytes: &[u8]) -> Parsed {
    parse_bytes(file, bytes, Reader::new)
}

/// Reads a file of tests in the same way.
pub fn parse_test_file(file: &str, bytes: &[u8]) -> Parsed<TestFile> {
    parse_bytes(file, bytes, Reader::of_tests)
}

fn parse_bytes<T: Read>(file: &str, bytes: &[u8], reader: fn(SpecMap) -> Reader) -> Parsed<T> {
    let refuse = |kind, place, fact: String, remedy: &str| Parsed {
        spec: None,
        problems: vec![Problem { kind, place, path: String::new(), fact, remedy: remedy.into() }],
        map: SpecMap::new(file, ""),
    };
    if bytes.len() > tree::MAX_BYTES {
        let fact = format!("The file has {} bytes; a spec has at most {}.", bytes.len(), tree::MAX_BYTES);
        return refuse(Kind::TooLarge, None, fact, "Is this the right file? Long scripts belong into user_data_file.");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => parse_text(text.strip_prefix('\u{feff}').unwrap_or(text), file, reader),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            let place = Some(Place { line, column: 1, length: 1 });
            refuse(Kind::Unreadable, place, "The file is not UTF-8 text.".into(), "Save it as UTF-8.")
        }
    }
}

fn parse_text<T: Read>(text: &str, file: &str, reader: fn(SpecMap) -> Reader) -> Parsed<T> {
    let (root, mut problems) = tree::parse_tree(text);
    let mut reader = reader(SpecMap::new(file, text));
    let spec = match &root {
        Some(root) if root.is_null() => {
            problems.push(empty_problem());
            None
        }
        Some(root) => T::read(root, &mut reader),
        None => {
            if problems.is_empty() {
                problems.push(empty_problem());
            }
            None
        }
    };
    problems.append(&mut reader.problems);
    problems.sort_by_key(|p| p.place);
    Parsed { spec, problems, map: reader.map }
}

fn empty_problem() -> Problem {
    Problem {
        kind: Kind::Unreadable,
        place: None,
        path: String::new(),
        fact: "The file has no arguments in it.".into(),
        remedy: "Start from one that works: scaleproof init --preset course".into(),
    }
}

impl Spec {
    /// The files that the spec names: argument path and file name, as written.
    pub fn files(&self) -> Vec<(&'static str, &str)> {
        let mut files = Vec::new();
        if let Some(file) = &self.launch.user_data_file {
            files.push(("launch.user_data_file", file.0.as_str()));
        }
        if let Some(KeyPairSpec::PublicKeyFile(file)) = &self.launch.key_pair {
            files.push(("launch.key_pair.public_key_file", file.as_str()));
        }
        files
    }
}
