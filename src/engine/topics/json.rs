//! JSON with the places that AWS quotes when it refuses a policy: those of Jackson, the reader that AWS uses.
//!
//! A place is where the reader stands once it has a token: after an opening bracket or quote, after a number or a word.
//! What is JSON and what is not is left to `serde_json`; here is only where and in which words. Start at [`read`].

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use serde::de::IgnoredAny;
use serde_json::Value;

/// As deep as `serde_json` goes.
const MAX_DEPTH: usize = 128;

/// Line and column, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    line: usize,
    column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column } = self;
        let source = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";
        write!(f, "[Source: {source}; line: {line}, column: {column}]")
    }
}

/// What AWS does not take, and where it read so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    text: String,
    at: Option<Place>,
}

impl Wrong {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), at: None }
    }

    pub fn at(text: impl Into<String>, place: Place) -> Self {
        Self { text: text.into(), at: Some(place) }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(place) => write!(f, "{}\n at {place}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// A value with its places.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub node: Node,
    /// Where the reader stands with its first token.
    pub seen: Place,
    /// After all of it.
    pub end: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Object(Vec<(String, Token)>),
    Array(Vec<Token>),
    Leaf(Value),
}

impl Token {
    pub fn wrong(&self, text: impl Into<String>) -> Wrong {
        Wrong::at(text, self.seen)
    }

    pub fn leaf(&self) -> Option<&Value> {
        if let Node::Leaf(value) = &self.node { Some(value) } else { None }
    }

    pub fn members(&self) -> Option<&[(String, Self)]> {
        if let Node::Object(members) = &self.node { Some(members) } else { None }
    }

    pub fn as_str(&self) -> Option<&str> {
        self.leaf()?.as_str()
    }

    /// Its first token as it is quoted in a refusal.
    pub fn text(&self) -> String {
        match &self.node {
            Node::Object(_) => "{".into(),
            Node::Array(_) => "[".into(),
            Node::Leaf(Value::String(text)) => text.clone(),
            Node::Leaf(value) => value.to_string(),
        }
    }
}

/// # Errors
/// What is wrong, as AWS says it.
pub fn read(text: &str) -> Result<Token, Wrong> {
    let read = Reader::new(text).value(0);
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => read,
        Err(error) => Err(read.err().unwrap_or_else(|| Wrong::new(error.to_string()))),
    }
}

struct Reader<'a> {
    letters: Peekable<Chars<'a>>,
    at: Place,
}

/// The first two texts are recorded from AWS; the others are Jackson's own.
impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { letters: text.chars().peekable(), at: Place { line: 1, column: 1 } }
    }

    fn peek(&mut self) -> Option<char> {
        self.letters.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.letters.next()?;
        self.at = match letter {
            '\n' => Place { line: self.at.line + 1, column: 1 },
            // Jackson counts in UTF-16.
            _ => Place { column: self.at.column + letter.len_utf16(), ..self.at },
        };
        Some(letter)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|letter| matches!(letter, ' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(letter) = self.peek().filter(|letter| wanted(*letter)) {
            taken.push(letter);
            self.next();
        }
        taken
    }

    fn value(&mut self, depth: usize) -> Result<Token, Wrong> {
        self.skip_space();
        match self.peek() {
            _ if depth > MAX_DEPTH => Err(Wrong::new("the document is too deep")),
            None => Err(Wrong::at("Unexpected end-of-input", self.at)),
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => {
                self.next();
                let seen = self.at;
                let node = Node::Leaf(Value::String(self.string()?));
                Ok(Token { node, seen, end: self.at })
            }
            Some(letter) => self.scalar(letter),
        }
    }

    fn scalar(&mut self, first: char) -> Result<Token, Wrong> {
        let expected = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'";
        let text = match first {
            '-' | '0'..='9' => self.take_while(|letter| letter.is_ascii_digit() || "+-.eE".contains(letter)),
            _ => self.take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$')),
        };
        if text.is_empty() {
            return Err(self.unexpected(first, &format!("expected a valid value ({expected})")));
        }
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Token { node: Node::Leaf(value), seen: self.at, end: self.at }),
            Err(_) => Err(Wrong::at(format!("Unrecognized token '{text}': was expecting ({expected})"), self.at)),
        }
    }

    /// What follows an opening quote.
    fn string(&mut self) -> Result<String, Wrong> {
        let mut quoted = String::from('"');
        loop {
            let Some(letter) = self.next() else {
                return Err(Wrong::at(
                    "Unexpected end-of-input: was expecting closing quote for a string value",
                    self.at,
                ));
            };
            quoted.push(letter);
            match letter {
                '"' => break,
                '\\' => quoted.extend(self.next()),
                _ => {}
            }
        }
        serde_json::from_str(&quoted).map_err(|error| Wrong::at(error.to_string(), self.at))
    }

    fn object(&mut self, depth: usize) -> Result<Token, Wrong> {
        let opened = self.at;
        self.next();
        let seen = self.at;
        let mut members = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some('"') => {}
                Some('}') if members.is_empty() => break,
                Some(letter) => return Err(self.unexpected(letter, "was expecting double-quote to start field name")),
                None => return Err(self.unclosed("Object", opened)),
            }
            self.next();
            let name = self.string()?;
            self.skip_space();
            match self.peek() {
                Some(':') => self.next(),
                Some(letter) => {
                    return Err(self.unexpected(letter, "was expecting a colon to separate field name and value"));
                }
                None => return Err(self.unclosed("Object", opened)),
            };
            members.push((name, self.value(depth + 1)?));
            if !self.goes_on('}', "Object", opened)? {
                break;
            }
        }
        self.next();
        Ok(Token { node: Node::Object(members), seen, end: self.at })
    }

    fn array(&mut self, depth: usize) -> Result<Token, Wrong> {
        let opened = self.at;
        self.next();
        let seen = self.at;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if items.is_empty() && self.peek() == Some(']') {
                break;
            }
            items.push(self.value(depth + 1)?);
            if !self.goes_on(']', "Array", opened)? {
                break;
            }
        }
        self.next();
        Ok(Token { node: Node::Array(items), seen, end: self.at })
    }

    /// Whether a comma follows, rather than the closing bracket, which is left where it is.
    fn goes_on(&mut self, closing: char, what: &str, opened: Place) -> Result<bool, Wrong> {
        self.skip_space();
        match self.peek() {
            Some(',') => {
                self.next();
                Ok(true)
            }
            Some(letter) if letter == closing => Ok(false),
            Some(letter) => Err(self.unexpected(letter, &format!("was expecting comma to separate {what} entries"))),
            None => Err(self.unclosed(what, opened)),
        }
    }

    fn unexpected(&self, letter: char, expectation: &str) -> Wrong {
        Wrong::at(format!("Unexpected character ('{letter}' (code {})): {expectation}", u32::from(letter)), self.at)
    }

    fn unclosed(&self, what: &str, opened: Place) -> Wrong {
        let text = format!("Unexpected end-of-input: expected close marker for {what} (start marker at {opened})");
        Wrong::at(text, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    /// What AWS answered to a FilterPolicy and a RedrivePolicy that are no JSON (recorded in October 2025).
    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        let source = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: ";
        assert_eq!(
            refusal("{invalidjson}"),
            format!(
                "Unexpected character ('i' (code 105)): was expecting double-quote to start field name\n at {source}2]"
            )
        );
        assert_eq!(
            refusal("invalid-json"),
            format!(
                "Unrecognized token 'invalid': was expecting (JSON String, Number, Array, Object or token 'null', \
                 'true' or 'false')\n at {source}8]"
            )
        );
    }

    #[test]
    fn no_text_is_too_odd_for_a_refusal() {
        let deep = "[".repeat(100_000);
        for text in [
            "", " ", "{", "[", "\"", "{\"a", "{\"a\"", "{\"a\":", "[1", "[1,", "[1,]", "{,}", "nul", "-", "[1 2]",
            &deep,
        ] {
            assert!(!refusal(text).is_empty(), "{text:.20}");
        }
        assert_eq!(read(" {\"a\": [1, \"\\\"}\"]} ").unwrap().members().unwrap().len(), 1);
    }
}
