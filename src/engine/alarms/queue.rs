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

    /// The earliest entry if it is not later than `now`: when it is due and in which place.
    pub fn first(&self, now: Timestamp) -> Option<(Timestamp, usize)> {
        self.heap.peek().map(|Reverse(entry)| *entry).filter(|(due, _)| *due <= now)
    }

    /// Gives the alarm of the earliest entry another due, which is cheaper than taking it out and putting it back.
    pub fn postpone_first(&mut self, due: Timestamp) {
        if let Some(mut first) = self.heap.peek_mut() {
            first.0.0 = due;
        }
    }

    /// Drops entries from the front that do not hold.
    pub fn skip_stale(&mut self, holds: impl Fn(Timestamp, usize) -> bool) {
        while self.heap.peek().is_some_and(|Reverse((due, place))| !holds(*due, *place)) {
            self.heap.pop();
        }
    }
}
