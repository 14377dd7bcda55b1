//! A text that is written when somebody reads it. Start at [`Text`].
//!
//! Why an alarm changed, the message about it for each protocol, the envelope around it: in a simulation of a year hardly
//! any of it is read. What it is made of is cheap to keep; writing it is not.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Writer = Box<dyn FnOnce() -> String + Send>;

/// A text, shared by its copies and written at most once. To everybody who looks it is the text.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Written(Arc<str>),
    Later(Arc<LazyLock<String, Writer>>),
}

impl Text {
    /// The text that `write` gives, which must depend on nothing but what it owns.
    pub fn later(write: impl FnOnce() -> String + Send + 'static) -> Self {
        Self(Repr::Later(Arc::new(LazyLock::new(Box::new(write)))))
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Written(text) => text,
            Repr::Later(text) => text,
        }
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from("")
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Repr::Written(text.into()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Repr::Written(text.into()))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_text_is_written_once_and_only_if_somebody_reads_it() {
        let written = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&written);
        let text = Text::later(move || format!("written {}", count.fetch_add(1, Ordering::Relaxed) + 1));
        let copy = text.clone();
        assert_eq!(written.load(Ordering::Relaxed), 0);
        assert_eq!((copy, text.to_string(), written.load(Ordering::Relaxed)), (text, "written 1".into(), 1));
    }

    #[test]
    fn it_is_dumped_as_the_text_that_it_is() {
        let text = Text::later(|| "so".into());
        assert_eq!(serde_json::to_string(&text).unwrap(), "\"so\"");
        assert_eq!(serde_json::from_str::<Text>("\"so\"").unwrap(), text);
    }
}
