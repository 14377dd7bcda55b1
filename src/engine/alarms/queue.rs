//! Which alarm is due next. Start at [`Queue`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::window::Cadence;
use crate::clock::Timestamp;

/// When an alarm is due, and its place.
type Entry = (Timestamp, usize);

/// Alarms by the instant they are due. Entries that no longer hold are skipped when they come up: an entry holds if
/// the alarm in that place still is due at that instant.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    /// Alarms that are evaluated each minute, in order: whoever was evaluated is last. That takes no searching.
    round: VecDeque<Entry>,
    /// All others.
    heap: BinaryHeap<Reverse<Entry>>,
}

impl Queue {
    pub fn schedule(&mut self, due: Timestamp, place: usize) {
        self.heap.push(Reverse((due, place)));
    }

    /// The earliest entry: when it is due and in which place. It holds as long as [`Queue::skip_stale`] ran after the last
    /// change.
    pub fn first(&self) -> Option<Entry> {
        match (self.round.front(), self.heap.peek()) {
            (Some(round), Some(Reverse(heap))) => Some(*round.min(heap)),
            (Some(round), None) => Some(*round),
            (None, heap) => heap.map(|Reverse(entry)| *entry),
        }
    }

    pub fn drop_first(&mut self) -> Option<Entry> {
        match (self.round.front(), self.heap.peek()) {
            (Some(round), Some(Reverse(heap))) if heap < round => self.heap.pop().map(|Reverse(entry)| entry),
            (Some(_), _) => self.round.pop_front(),
            (None, _) => self.heap.pop().map(|Reverse(entry)| entry),
        }
    }

    /// Gives the alarm of the earliest entry another due.
    pub fn postpone_first(&mut self, cadence: Cadence, due: Timestamp) {
        let Some((_, place)) = self.drop_first() else { return };
        let is_last = self.round.back().is_none_or(|last| *last < (due, place));
        match is_last && cadence == Cadence::Minute {
            true => self.round.push_back((due, place)),
            false => self.schedule(due, place),
        }
    }

    /// Drops entries from the front that do not hold.
    pub fn skip_stale(&mut self, holds: impl Fn(Timestamp, usize) -> bool) {
        while self.first().is_some_and(|(due, place)| !holds(due, place)) {
            self.drop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    /// Whoever comes round too early for its round, or with another cadence, still comes up in its turn.
    #[test]
    fn entries_come_up_by_time_and_then_by_place() {
        let mut queue = Queue::default();
        for (secs, place) in [(5, 1), (3, 2), (5, 0), (4, 3)] {
            queue.schedule(at(secs), place);
        }
        let mut seen = Vec::new();
        while let Some((due, place)) = queue.first().filter(|(due, _)| *due < at(180)) {
            seen.push((due.as_secs(), place));
            match place {
                2 => queue.postpone_first(Cadence::TenSeconds, due + std::time::Duration::from_secs(50)),
                3 => queue.postpone_first(Cadence::Minute, due + std::time::Duration::from_secs(30)),
                _ => queue.postpone_first(Cadence::Minute, due + std::time::Duration::from_secs(60)),
            }
        }
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        assert_eq!(seen, sorted);
        assert_eq!(
            seen.iter().map(|(_, place)| *place).filter(|place| *place < 2).collect::<Vec<_>>(),
            [0, 1, 0, 1, 0, 1]
        );
        assert_eq!(seen.iter().filter(|(_, place)| *place == 2).count(), 4);
    }
}
