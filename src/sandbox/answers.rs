//! Answers that stay true: a read that sees nothing but a region's state is told the same again until something happens
//! there. Whoever polls costs next to nothing that way. Start at [`Answers`].

use std::collections::VecDeque;

use super::wire::answer::Answer;
use super::wire::shape::{OperationShape, Protocol};
use super::wire::value::Value;

/// How many answers of one region are kept.
const MOST: usize = 16;
/// How far from one end of an XML answer the id of its request stands at most.
const EDGE: usize = 512;
/// Longer answers are not kept, which bounds memory.
const LONGEST: usize = 256 << 10;

/// What was answered since something last happened, oldest first. A copy of a region begins without.
#[derive(Debug, Default)]
pub struct Answers(VecDeque<Kept>);

#[derive(Debug)]
struct Kept {
    operation: &'static str,
    protocol: Protocol,
    input: Value,
    answer: Answer,
    request_id: String,
    /// Where the id stands in the body; it does in XML.
    id_at: Option<usize>,
}

impl Clone for Answers {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Answers {
    /// The answer to this question under a request id of its own.
    pub fn find(
        &self,
        operation: &OperationShape,
        protocol: Protocol,
        input: &Value,
        request_id: &str,
    ) -> Option<Answer> {
        let is_it =
            |kept: &&Kept| kept.operation == operation.name && kept.protocol == protocol && kept.input == *input;
        self.0.iter().find(is_it).map(|kept| kept.under(request_id))
    }

    pub fn keep(
        &mut self,
        operation: &OperationShape,
        protocol: Protocol,
        input: Value,
        answer: &Answer,
        request_id: &str,
    ) {
        if answer.body.len() > LONGEST {
            return;
        }
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        let id_at = position(request_id, &answer.body);
        let (answer, request_id) = (answer.clone(), request_id.to_string());
        self.0.push_back(Kept { operation: operation.name, protocol, input, answer, request_id, id_at });
    }

    /// Something happened.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// Where an id stands in a body: near the start in EC2's, near the end in other XML, and nowhere in JSON and CBOR.
fn position(id: &str, body: &[u8]) -> Option<usize> {
    let within = |from: usize, to: usize| {
        let found = body[from..to].windows(id.len()).position(|bytes| bytes == id.as_bytes())?;
        Some(from + found)
    };
    within(0, body.len().min(EDGE)).or_else(|| within(body.len().saturating_sub(EDGE), body.len()))
}

impl Kept {
    /// Ids are of one length.
    fn under(&self, request_id: &str) -> Answer {
        let mut answer = self.answer.clone();
        if let Some(at) = self.id_at {
            answer.body[at..at + request_id.len()].copy_from_slice(request_id.as_bytes());
        }
        for (_, value) in answer.headers.iter_mut().filter(|(_, value)| *value == self.request_id) {
            *value = request_id.to_string();
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_at_either_end_and_nowhere_else() {
        let long = "x".repeat(3 * EDGE);
        let check = |body: String, expected: Option<usize>| assert_eq!(position("the-id", body.as_bytes()), expected);
        check(format!("<a>the-id</a>{long}"), Some(3));
        check(format!("{long}<a>the-id</a>"), Some(3 * EDGE + 3));
        check(long.clone(), None);
        check("short".into(), None);
        check(String::new(), None);
    }
}
