//! Typed readers over the tree: each takes a node, records every problem it meets, and goes on. Start at [`Read`].
//!
//! A reader that fails has said why, so its caller stays silent. An optional argument that cannot be read counts as
//! absent; the recorded problem stops the command anyway, and the rest of the spec is still checked.

use indexmap::IndexMap;

use super::map::SpecMap;
use super::problem::{Kind, Place, Problem, did_you_mean, quote};
use super::tree::{Entry, Node, Value, is_boolean, is_number};

/// A value that can be read from a node of the spec.
pub trait Read: Sized {
    /// Returns none after recording what is wrong.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// What a missing argument means: nothing for a required one.
    fn absent() -> Option<Self> {
        None
    }

    /// What to do where a required argument is missing; `file` is the name of the file that is read.
    fn remedy_where_missing(name: &str, _file: &str) -> String {
        format!("Add {name}; `scaleproof explain {name}` says what it means.")
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if node.is_null() {
            return Some(None);
        }
        Some(T::read(node, reader))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(items) = &node.value else {
            return reader.wrong_shape(node, "a list", "Write it as [one, two], or one per line after a dash.");
        };
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| reader.inside(&format!("[{index}]"), item.place, item, T::read))
            .collect();
        read.into_iter().collect()
    }
}

impl Read for bool {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, plain: true } if is_boolean(text) => Some(text.starts_with(['t', 'T'])),
            _ => reader.wrong_shape(node, "true or false", "Write true or false, without quotes."),
        }
    }
}

/// Things of one kind by the names that the user gave them, in the order written.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyed<T> {
    pub entries: IndexMap<String, T>,
    /// Names whose entry could not be read: they exist, so nothing that refers to them is wrong.
    pub broken: Vec<String>,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self { entries: IndexMap::new(), broken: Vec::new() }
    }
}

impl<T> Keyed<T> {
    /// Every name, also of entries that could not be read.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().chain(&self.broken).map(String::as_str)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|n| n == name)
    }
}

impl<T: Read> Read for Keyed<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let entries = reader.entries(node)?;
        let mut keyed = Self::default();
        for entry in entries {
            let value = reader.inside(&entry.key, entry.key_place, &entry.node, |node, reader| {
                check_name(&entry.key, entry.key_place, reader);
                T::read(node, reader)
            });
            match value {
                Some(value) => drop(keyed.entries.insert(entry.key.clone(), value)),
                None => keyed.broken.push(entry.key.clone()),
            }
        }
        Some(keyed)
    }
}

/// The rule for names that people give: they become parts of names at AWS and labels in terraform.
pub const NAME_PATTERN: &str = "^[a-z]([a-z0-9-]{0,62}[a-z0-9])?$";

/// Whether `text` follows [`NAME_PATTERN`].
pub fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

pub const NAME_REMEDY: &str = "Use a lower-case letter, then lower-case letters, digits and hyphens, 64 at most.";

/// A name like the one written that follows the rule, or the rule itself.
pub fn name_remedy(text: &str) -> String {
    let near = text.trim().to_lowercase().replace([' ', '_', '.'], "-");
    if is_name(&near) { format!("Write {near}.") } else { NAME_REMEDY.to_owned() }
}

fn check_name(name: &str, place: Place, reader: &mut Reader) {
    if !is_name(name) {
        let fact = format!("{} is not a name that AWS and terraform both take.", quote(name));
        reader.problem_at(Kind::InvalidName, place, fact, name_remedy(name));
    }
}

/// Collects problems and places while the tree is walked.
pub struct Reader {
    pub map: SpecMap,
    pub problems: Vec<Problem>,
    path: String,
    /// What the whole file is called in messages.
    whole: &'static str,
}

impl Reader {
    pub fn new(map: SpecMap) -> Self {
        Self { map, problems: Vec::new(), path: String::new(), whole: "the spec" }
    }

    /// The same for a file of tests.
    pub fn of_tests(map: SpecMap) -> Self {
        Self { whole: "the file of tests", ..Self::new(map) }
    }

    /// Reads one step deeper; `segment` is a name or `[index]`.
    pub fn inside<T>(
        &mut self,
        segment: &str,
        key: Place,
        node: &Node,
        read: impl FnOnce(&Node, &mut Self) -> Option<T>,
    ) -> Option<T> {
        let outer = self.path.len();
        if outer > 0 && !segment.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(segment);
        self.map.record(&self.path, key, node.place);
        let value = read(node, self);
        self.path.truncate(outer);
        value
    }

    /// The path read just now, for a message.
    pub fn path(&self) -> &str {
        if self.path.is_empty() { self.whole } else { &self.path }
    }

    pub fn problem_at(&mut self, kind: Kind, place: Place, fact: impl Into<String>, remedy: impl Into<String>) {
        let (path, fact, remedy) = (self.path.clone(), fact.into(), remedy.into());
        self.problems.push(Problem { kind, place: Some(place), path, fact, remedy });
    }

    /// Records that the node is something else than asked, and returns none for the caller to pass on.
    pub fn wrong_shape<T>(&mut self, node: &Node, wanted: &str, remedy: &str) -> Option<T> {
        let fact = format!("{} is {} where {wanted} is expected.", self.path(), node.kind_name());
        self.problem_at(Kind::WrongShape, node.place, fact, remedy);
        None
    }

    fn entries<'n>(&mut self, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => self.wrong_shape(
                node,
                "a block of arguments",
                "Write `argument: value` lines, indented below the name.",
            ),
        }
    }

    /// Opens a block whose arguments are known; unknown ones are reported at once.
    pub fn arguments<'n>(&mut self, node: &'n Node, names: &[&str]) -> Option<Arguments<'n>> {
        let entries = self.entries(node)?;
        for entry in entries.iter().filter(|e| !names.contains(&e.key.as_str())) {
            let otherwise = format!("Arguments here: {}.", names.join(", "));
            let remedy = did_you_mean(&entry.key, names.iter().copied(), &otherwise);
            let full = if self.path.is_empty() { entry.key.clone() } else { format!("{}.{}", self.path, entry.key) };
            let fact = format!("{} is not an argument of {}.", quote(&full), self.path());
            self.problem_at(Kind::UnknownArgument, entry.key_place, fact, remedy);
        }
        Some(Arguments { entries, place: node.place })
    }

    /// Reads one argument of a block whose others are not known.
    pub fn one_argument<T: Read>(&mut self, node: &Node, name: &str) -> Option<T> {
        let entries = self.entries(node)?;
        Arguments { entries, place: node.place }.read(name, self)
    }

    /// Text, quoted or such that YAML cannot take it for anything else.
    pub fn text<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, plain: true } if is_number(text) || is_boolean(text) => {
                let remedy = format!("Write it in quotes if it is meant: \"{text}\".");
                self.wrong_shape(node, wanted, &remedy)
            }
            Value::Scalar { text, .. } if !node.is_null() => Some(text),
            _ => self.wrong_shape(node, wanted, &format!("Write {wanted}.")),
        }
    }

    /// A whole number within limits.
    pub fn integer(&mut self, node: &Node, least: i64, most: i64) -> Option<i64> {
        let remedy = format!("Write a whole number from {least} to {most}, without quotes.");
        let number = match &node.value {
            Value::Scalar { text, plain: true } if is_number(text) => text.parse::<i64>().ok(),
            _ => return self.wrong_shape(node, "a whole number", &remedy),
        };
        if let Some(number) = number.filter(|n| (least..=most).contains(n)) {
            return Some(number);
        }
        let Value::Scalar { text, .. } = &node.value else { return None };
        let fact = format!("{} is {}.", self.path(), quote(text));
        self.problem_at(Kind::InvalidValue, node.place, fact, remedy);
        None
    }

    /// A number within limits.
    pub fn number(&mut self, node: &Node, least: f64, most: f64) -> Option<f64> {
        let remedy = format!("Write a number from {least} to {most}, without quotes.");
        let Value::Scalar { text, plain: true } = &node.value else {
            return self.wrong_shape(node, "a number", &remedy);
        };
        if !is_number(text) {
            return self.wrong_shape(node, "a number", &remedy);
        }
        let number = text.parse::<f64>().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let fact = format!("{} is {}.", self.path(), quote(text));
            self.problem_at(Kind::InvalidValue, node.place, fact, remedy);
        }
        number
    }
}

/// The arguments of one block.
pub struct Arguments<'n> {
    entries: &'n [Entry],
    place: Place,
}

impl Arguments<'_> {
    /// Reads one argument; a missing required one is a problem.
    pub fn read<T: Read>(&self, name: &str, reader: &mut Reader) -> Option<T> {
        if let Some(entry) = self.entries.iter().find(|e| e.key == name) {
            return reader.inside(name, entry.key_place, &entry.node, T::read);
        }
        if let Some(value) = T::absent() {
            return Some(value);
        }
        let path = reader.path.clone();
        let place = if path.is_empty() { self.place } else { reader.map.place(&path).unwrap_or(self.place) };
        let fact = format!("{} has no {name}.", reader.path());
        let remedy = T::remedy_where_missing(name, &reader.map.file);
        reader.problem_at(Kind::MissingArgument, place, fact, remedy);
        None
    }
}

/// Declares a block of arguments once: the struct, its reader and its JSON Schema share one list of names.
macro_rules! arguments {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $crate::spec::reader::Read for $name {
            fn read(node: &$crate::spec::tree::Node, reader: &mut $crate::spec::reader::Reader) -> Option<Self> {
                let names = [$($crate::spec::reader::plain_name(stringify!($field))),*];
                let arguments = reader.arguments(node, &names)?;
                // All are read before any failure ends the block, so that every problem is found.
                $(let $field = arguments.read($crate::spec::reader::plain_name(stringify!($field)), reader);)*
                Some(Self { $($field: $field?),* })
            }
        }
    };
}
pub(crate) use arguments;

/// A field's name without Rust's mark for keywords.
pub fn plain_name(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}
