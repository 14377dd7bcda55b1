//! Where each argument of a spec stands. Start at [`SpecMap`].

use std::collections::BTreeMap;

use super::problem::{Kind, Place, Problem};

/// Places by argument path (`alarms.cpu-high.period`, `launch.inbound[0]`), with the text they point into.
#[derive(Debug, Clone, Default)]
pub struct SpecMap {
    /// The spec's name as the user gave it.
    pub file: String,
    pub text: String,
    spots: BTreeMap<String, Spot>,
}

#[derive(Debug, Clone, Copy)]
struct Spot {
    key: Place,
    value: Place,
}

impl SpecMap {
    pub fn new(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.to_owned(), spots: BTreeMap::new() }
    }

    pub(super) fn record(&mut self, path: &str, key: Place, value: Place) {
        self.spots.insert(path.to_owned(), Spot { key, value });
    }

    /// Returns the place of an argument's value, or of the nearest block around it when it is not written.
    pub fn place(&self, path: &str) -> Option<Place> {
        let (spot, exact) = self.find(path)?;
        // A block's value starts on the line below its name; the name is what people look for.
        Some(if exact && spot.value.line == spot.key.line { spot.value } else { spot.key })
    }

    /// Returns the place of an argument's name, or of the nearest block around it when it is not written.
    pub fn key_place(&self, path: &str) -> Option<Place> {
        self.find(path).map(|(spot, _)| spot.key)
    }

    /// Returns the line on which an argument, or the nearest block around it, is named.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.find(path).map(|(spot, _)| spot.key.line)
    }

    /// Whether an argument is written.
    pub fn has(&self, path: &str) -> bool {
        self.spots.contains_key(path)
    }

    /// The names written directly inside a block.
    pub fn names_in<'a>(&'a self, block: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.spots.keys().filter_map(move |path| path.strip_prefix(block)?.strip_prefix('.'));
        names.filter(|name| !name.contains(['.', '[']))
    }

    fn find(&self, path: &str) -> Option<(&Spot, bool)> {
        let mut shorter = path;
        loop {
            if let Some(spot) = self.spots.get(shorter) {
                return Some((spot, shorter.len() == path.len()));
            }
            shorter = &shorter[..shorter.rfind(['.', '['])?];
        }
    }

    /// A problem at an argument.
    pub fn problem(&self, kind: Kind, path: &str, fact: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { kind, place: self.place(path), path: path.to_owned(), fact: fact.into(), remedy: remedy.into() }
    }
}
