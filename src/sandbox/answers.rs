//! Answers that stay true: a read that sees nothing but a region's state is told the same again until something happens
//! there. Whoever polls costs next to nothing that way. Start at [`Answers`].

use std::collections::VecDeque;

use super::wire::answer::Answer;
use super::wire::shape::{OperationShape, Protocol};
use super::wire::value::Value;

/// How many answers of one region are kept.
const MOST: usize = 16;
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
        let id_at = answer.body.windows(request_id.len()).position(|bytes| bytes == request_id.as_bytes());
        let (answer, request_id) = (answer.clone(), request_id.to_string());
        self.0.push_back(Kept { operation: operation.name, protocol, input, answer, request_id, id_at });
    }

    /// Something happened.
    pub fn forget(&mut self) {
        self.0.clear();
    }
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
