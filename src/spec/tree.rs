//! YAML text to a tree that remembers where everything stood. Start at [`parse_tree`].
//!
//! Scalars stay text: what a scalar means is decided by the typed reader that expects it, so that `no` in a place for
//! a name stays a name. Size, depth and the growth of aliases are bounded; tags and several documents are refused.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::problem::{Kind, Place, Problem, quote};

/// The largest spec, in bytes; ours: a thousand times the course example, and user data at AWS ends at 16 KB.
pub const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting; ours: four times what the deepest argument needs.
const MAX_DEPTH: usize = 32;
/// The most nodes after aliases are followed; ours: stops exponential alias bombs.
const MAX_NODES: usize = 100_000;

#[derive(Debug, Clone)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    /// `plain` when written without quotes, so that `80` may be a number.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

impl Node {
    /// True for nothing at all, `~` and `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The text of an argument inside, where there is one and it is text.
    pub fn text_of(&self, argument: &str) -> Option<&str> {
        let Value::Map(entries) = &self.value else { return None };
        match &entries.iter().find(|entry| entry.key == argument)?.node.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What it is, in words for a message.
    pub fn kind_name(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a block of arguments",
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { text, plain: true } if is_number(text) => "a number",
            Value::Scalar { text, plain: true } if is_boolean(text) => "true or false",
            Value::Scalar { .. } => "text",
        }
    }

    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Node::count).sum(),
            Value::Map(entries) => entries.iter().map(|e| e.node.count()).sum(),
        }
    }
}

/// Whether YAML's core schema reads a plain scalar as a number.
pub fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) && text.parse::<f64>().is_ok()
}

/// Whether YAML's core schema reads a plain scalar as a boolean.
pub fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// Returns the tree, or none when the text is no YAML, and every problem found on the way.
pub fn parse_tree(text: &str) -> (Option<Node>, Vec<Problem>) {
    let mut options = Options::default();
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    options.set_emit_comments(false);
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
        problems: Vec::new(),
    };
    let root = match builder.document() {
        Ok(root) => root,
        Err(Stop::Syntax(error)) => {
            builder.problems.push(syntax_problem(&error, text));
            None
        }
        Err(Stop::Said) => None,
    };
    (root, builder.problems)
}

/// A comparison that YAML takes for something of its own (`>` begins a folded text), up to the end of the value.
fn unquoted(text: &str, place: Place) -> Option<&str> {
    let line = text.lines().nth(place.line - 1)?;
    let (at, _) = line.char_indices().nth(place.column - 1)?;
    let value = line[at..].split([',', '}', ']', '#']).next()?.trim();
    let follows_a_name = line[..at].trim_end().ends_with([':', '[', ',', '-']);
    (value.starts_with('>') && follows_a_name).then_some(value)
}

fn syntax_problem(error: &ScanError, text: &str) -> Problem {
    let place = Place { line: error.marker().line().max(1), column: error.marker().col() + 1, length: 1 };
    if let Some(value) = unquoted(text, place) {
        return Problem {
            kind: Kind::Syntax,
            place: Some(Place { length: value.chars().count(), ..place }),
            path: String::new(),
            fact: format!("{} begins with >, which in YAML begins a text over several lines.", quote(value)),
            remedy: format!("Write it in quotes: \"{value}\"."),
        };
    }
    Problem {
        kind: Kind::Syntax,
        place: Some(place),
        path: String::new(),
        fact: format!("The YAML reader stopped here: {}.", error.info()),
        remedy: "Check the indentation, colons, quotes and brackets around this line.".into(),
    }
}

/// Why building ended early; `Said` when the problem is recorded already.
enum Stop {
    Syntax(ScanError),
    Said,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Self::Syntax(error)
    }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(self.say(
                        Kind::Unsupported,
                        place_of(&span),
                        "A second document starts here.",
                        "Keep one document in one file.",
                    ));
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, &span, 0)?),
            }
        }
        Ok(root)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, ScanError> {
        self.parser.next_event().transpose()
    }

    fn expect(&mut self) -> Result<(Event<'a>, Span), Stop> {
        // The parser ends a stream only after closing what is open.
        self.next()?.ok_or(Stop::Said)
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Stop> {
        let place = place_of(span);
        self.grow(1, place)?;
        if depth > MAX_DEPTH {
            return Err(self.say(
                Kind::TooLarge,
                place,
                "The nesting is deeper than 32.",
                "No argument is nested that deep.",
            ));
        }
        if event.tag().is_some() {
            self.say(
                Kind::Unsupported,
                place,
                "A tag (`!…`) stands here.",
                "Remove the tag; the argument decides the type.",
            );
        }
        let anchor = event.anchor_id();
        let value = match event {
            Event::Scalar(text, style, ..) => {
                Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            Event::Alias(id) => return self.alias(id, place),
            _ => return Err(Stop::Said),
        };
        let node = Node { place, value };
        if let Some(id) = anchor.filter(|id| *id > 0) {
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.expect()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.expect()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Map(entries));
            }
            let key = self.node(event, &span, depth + 1)?;
            let (event, span) = self.expect()?;
            let node = self.node(event, &span, depth + 1)?;
            let Value::Scalar { text, .. } = key.value else {
                self.say(
                    Kind::Unsupported,
                    key.place,
                    "A key is itself a list or a block.",
                    "Write a plain name before the colon.",
                );
                continue;
            };
            if let Some(first) = lines.get(&text) {
                let fact = format!("{} is already written on line {first}.", quote(&text));
                self.say(Kind::DuplicateArgument, key.place, &fact, "Keep one of the two.");
                continue;
            }
            lines.insert(text.clone(), key.place.line);
            entries.push(Entry { key: text, key_place: key.place, node });
        }
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<Node, Stop> {
        let Some(target) = self.anchors.get(&id).cloned() else {
            return Err(self.say(Kind::Unsupported, place, "An alias refers to itself.", "Write the value out."));
        };
        self.grow(target.count(), place)?;
        Ok(target)
    }

    fn grow(&mut self, by: usize, place: Place) -> Result<(), Stop> {
        self.nodes += by;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(self.say(
            Kind::TooLarge,
            place,
            "The spec has more than 100,000 values once aliases are followed.",
            "Split it, or write fewer aliases.",
        ))
    }

    fn say(&mut self, kind: Kind, place: Place, fact: &str, remedy: &str) -> Stop {
        self.problems.push(Problem {
            kind,
            place: Some(place),
            path: String::new(),
            fact: fact.into(),
            remedy: remedy.into(),
        });
        Stop::Said
    }
}

fn place_of(span: &Span) -> Place {
    let (start, end) = (span.start, span.end);
    let length = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
    Place { line: start.line().max(1), column: start.col() + 1, length: length.max(1) }
}
