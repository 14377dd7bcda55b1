//! Which alarm is due next. Start at [`Queue`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::Timestamp;

/// Alarms by the instant they are due. Entries that no longer hold are skipped when they come up: an entry holds if
/// the alarm in that place still is due at that instant.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

impl Queue {
    pub fn schedule(&mut self, due: Timestamp, place: usize) {
        self.heap.push(Reverse((due, place)));
    }

    /// The earliest entry; it holds as long as [`Queue::skip_stale`] ran after the last change.
    pub fn peek(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the earliest entry if it is not later than `now`.
    pub fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, usize)> {
        self.peek().filter(|due| *due <= now)?;
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Drops entries from the front that do not hold.
    pub fn skip_stale(&mut self, holds: impl Fn(Timestamp, usize) -> bool) {
        while self.heap.peek().is_some_and(|Reverse((due, place))| !holds(*due, *place)) {
            self.heap.pop();
        }
    }
}
