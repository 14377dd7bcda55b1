//! RPC v2 CBOR, by shape. Source: smithy.io, "Smithy RPC v2 CBOR protocol".

use indexmap::IndexMap;
use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};

use super::form::Unreadable;
use super::json::kind_word;
use super::shape::{Kind, Shape};
use super::value::Value;
use crate::clock::Timestamp;

/// The tag of a time in seconds since the epoch.
const EPOCH_TAG: Tag = Tag::new(1);
/// Deeper nesting than any model has is not skipped over, so that it cannot exhaust the stack.
const DEEPEST: usize = 32;

pub fn decode(bytes: &[u8], shape: &'static Shape) -> Result<Value, Unreadable> {
    if bytes.is_empty() {
        return Ok(Value::Structure(Vec::new()));
    }
    Reader { decoder: Decoder::new(bytes), depth: 0 }.value(shape, "")
}

struct Reader<'b> {
    decoder: Decoder<'b>,
    depth: usize,
}

fn malformed(at: &str, what: &str) -> Unreadable {
    Unreadable { at: at.into(), because: format!("the value is not {what}") }
}

impl Reader<'_> {
    fn value(&mut self, shape: &'static Shape, at: &str) -> Result<Value, Unreadable> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(malformed(at, "CBOR of a reasonable depth"));
        }
        let wrong = |_| malformed(at, kind_word(shape.kind));
        let read = match (shape.kind, self.decoder.datatype().map_err(wrong)?) {
            (_, Type::Null | Type::Undefined) => self.decoder.skip().map(|()| Value::Null).map_err(wrong),
            (Kind::Structure(members), _) => {
                let mut found = Vec::new();
                self.entries(at, |reader, key| {
                    let Some(member) = members.iter().find(|member| member.name == key) else {
                        return reader.decoder.skip().map_err(|_| malformed(key, "CBOR"));
                    };
                    match reader.value(member.shape, member.name)? {
                        Value::Null => {}
                        value => found.push((member.name, value)),
                    }
                    Ok(())
                })?;
                Ok(Value::Structure(found))
            }
            (Kind::Map { value, .. }, _) => {
                let mut found = IndexMap::new();
                self.entries(at, |reader, key| {
                    found.insert(key.to_string(), reader.value(value, key)?);
                    Ok(())
                })?;
                Ok(Value::Map(found))
            }
            (Kind::List { of, .. }, _) => self.list(of, at),
            (Kind::String, _) => self.text().map(Value::String).ok_or_else(|| malformed(at, "a string")),
            (Kind::Boolean, _) => self.decoder.bool().map(Value::Bool).map_err(wrong),
            (Kind::Blob, _) => self.decoder.bytes().map(|bytes| Value::Blob(bytes.to_vec())).map_err(wrong),
            (Kind::Integer, _) => {
                self.number().map(|n| Value::Integer(n as i64)).ok_or_else(|| malformed(at, "an integer"))
            }
            (Kind::Double, _) => self.number().map(Value::Double).ok_or_else(|| malformed(at, "a number")),
            (Kind::Timestamp, Type::Tag) => {
                self.decoder.tag().map_err(wrong)?;
                let secs = self.number().ok_or_else(|| malformed(at, "a timestamp"))?;
                Ok(Value::Timestamp(Timestamp::from_millis((secs * 1000.0).round() as i64)))
            }
            (Kind::Timestamp, _) => Err(malformed(at, "a timestamp")),
        };
        self.depth -= 1;
        read
    }

    /// Hands each key of a map, definite or not, to `take`, which reads the value.
    fn entries(
        &mut self,
        at: &str,
        mut take: impl FnMut(&mut Self, &str) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        let mut left = self.decoder.map().map_err(|_| malformed(at, "a map"))?;
        while left != Some(0) {
            if left.is_none() && self.at_break() {
                return Ok(());
            }
            let key = self.text().ok_or_else(|| malformed(at, "a map with names for keys"))?;
            take(self, &key)?;
            left = left.map(|n| n - 1);
        }
        Ok(())
    }

    fn list(&mut self, of: &'static Shape, at: &str) -> Result<Value, Unreadable> {
        let mut left = self.decoder.array().map_err(|_| malformed(at, "a list"))?;
        let mut items = Vec::new();
        while left != Some(0) {
            if left.is_none() && self.at_break() {
                break;
            }
            items.push(self.value(of, at)?);
            left = left.map(|n| n - 1);
        }
        Ok(Value::List(items))
    }

    /// Steps over the end of an indefinite map, list or string.
    fn at_break(&mut self) -> bool {
        let ends = matches!(self.decoder.datatype(), Ok(Type::Break));
        if ends {
            self.decoder.set_position(self.decoder.position() + 1);
        }
        ends
    }

    fn text(&mut self) -> Option<String> {
        match self.decoder.datatype().ok()? {
            Type::String => self.decoder.str().ok().map(str::to_string),
            Type::StringIndef => self.decoder.str_iter().ok()?.collect::<Result<String, _>>().ok(),
            _ => None,
        }
    }

    /// A half-precision number: botocore writes infinity and NaN so. Source: RFC 8949, appendix D.
    fn half(&mut self) -> Option<f64> {
        let at = self.decoder.position();
        let bytes = self.decoder.input().get(at + 1..at + 3)?;
        self.decoder.set_position(at + 3);
        let half = u16::from_be_bytes([bytes[0], bytes[1]]);
        let (exponent, mantissa) = (i32::from((half >> 10) & 0x1f), f64::from(half & 0x3ff));
        let size = match exponent {
            0 => mantissa * 2_f64.powi(-24),
            31 if mantissa == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
        };
        Some(if half & 0x8000 == 0 { size } else { -size })
    }

    fn number(&mut self) -> Option<f64> {
        match self.decoder.datatype().ok()? {
            Type::F16 => self.half(),
            Type::F32 => self.decoder.f32().ok().map(f64::from),
            Type::F64 => self.decoder.f64().ok(),
            _ => self.decoder.int().ok().map(|int| i128::from(int) as f64),
        }
    }
}

pub fn encode(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(1024));
    // A vector takes everything that is written to it.
    let _ = put(&mut encoder, value);
    encoder.into_writer()
}

type Put = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn put(out: &mut Encoder<Vec<u8>>, value: &Value) -> Put {
    match value {
        Value::Null => out.null()?,
        Value::Bool(yes) => out.bool(*yes)?,
        Value::Integer(number) => out.i64(*number)?,
        Value::Double(number) => out.f64(*number)?,
        Value::String(text) => out.str(text)?,
        Value::Blob(bytes) => out.bytes(bytes)?,
        Value::Timestamp(at) => out.tag(EPOCH_TAG)?.f64(at.as_millis() as f64 / 1000.0)?,
        Value::List(items) => {
            out.array(items.len() as u64)?;
            return items.iter().try_for_each(|item| put(out, item));
        }
        Value::Map(entries) => {
            out.map(entries.len() as u64)?;
            return entries.iter().try_for_each(|(key, value)| {
                out.str(key)?;
                put(out, value)
            });
        }
        Value::Structure(members) => {
            out.map(members.len() as u64)?;
            return members.iter().try_for_each(|(name, value)| {
                out.str(name)?;
                put(out, value)
            });
        }
    };
    Ok(())
}
