//! The stored data of one metric in one unit, coarser the older it is. Start at [`Lane`].

use std::collections::VecDeque;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use crate::clock::Timestamp;

/// How finely a publisher wants its data kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Resolution {
    /// One minute.
    #[default]
    Standard,
    /// One second.
    High,
}

/// Width of a bucket and how long it is kept before it becomes part of the next coarser one, in seconds.
///
/// Source: CloudWatch User Guide, "Metrics retention".
const TIERS: [(i64, i64); 4] = [(1, 3 * HOUR), (60, 15 * DAY), (300, 63 * DAY), (3600, 455 * DAY)];
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Data of one unit. A tier holds pairs of the second at which a bucket starts and the bucket, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    tiers: [VecDeque<(i64, Bucket)>; 4],
}

impl Lane {
    pub fn record(&mut self, at: Timestamp, resolution: Resolution, bucket: &Bucket) {
        let tier = match resolution {
            Resolution::High => 0,
            Resolution::Standard => 1,
        };
        self.merge(tier, at.as_secs(), bucket);
        self.age(at.as_secs());
    }

    fn merge(&mut self, tier: usize, second: i64, bucket: &Bucket) {
        let (width, _) = TIERS[tier];
        let start = second.div_euclid(width) * width;
        let buckets = &mut self.tiers[tier];
        match buckets.back_mut() {
            Some((newest, last)) if *newest == start => last.merge(bucket),
            Some((newest, _)) if *newest > start => {
                let at = buckets.partition_point(|(other, _)| *other < start);
                match buckets.get_mut(at) {
                    Some((other, there)) if *other == start => there.merge(bucket),
                    _ => buckets.insert(at, (start, bucket.clone())),
                }
            }
            _ => buckets.push_back((start, bucket.clone())),
        }
    }

    /// Moves what is too old for its tier into the next one; what is too old for the last one is gone.
    fn age(&mut self, now: i64) {
        for (tier, (_, kept)) in TIERS.iter().enumerate() {
            while self.tiers[tier].front().is_some_and(|(start, _)| start + kept < now) {
                let Some((start, bucket)) = self.tiers[tier].pop_front() else { break };
                if tier + 1 < TIERS.len() {
                    self.merge(tier + 1, start, &bucket);
                }
            }
        }
    }

    /// Shows `take` every bucket that starts within `seconds`, with the second of its start.
    pub fn visit(&self, seconds: &Range<i64>, mut take: impl FnMut(i64, &Bucket)) {
        for buckets in &self.tiers {
            let Some((newest, _)) = buckets.back() else { continue };
            // Alarms read the newest data: from the back they are found at once.
            let end = match *newest < seconds.end {
                true => buckets.len(),
                false => buckets.partition_point(|(start, _)| *start < seconds.end),
            };
            for at in (0..end).rev() {
                let (start, bucket) = &buckets[at];
                if *start < seconds.start {
                    break;
                }
                take(*start, bucket);
            }
        }
    }

    /// Drops what began before `second`, for a driver that knows that nobody asks for it any more.
    pub fn forget_before(&mut self, second: i64) {
        for buckets in &mut self.tiers {
            while buckets.front().is_some_and(|(start, _)| *start < second) {
                buckets.pop_front();
            }
        }
    }

    /// The second of the newest datum.
    pub fn newest(&self) -> Option<i64> {
        self.tiers.iter().filter_map(|buckets| buckets.back().map(|(start, _)| *start)).max()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.tiers.iter().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(lane: &Lane, seconds: Range<i64>) -> f64 {
        let mut sum = 0.0;
        lane.visit(&seconds, |_, bucket| sum += bucket.totals.sum);
        sum
    }

    #[test]
    fn late_data_fall_into_their_own_minute() {
        let mut lane = Lane::default();
        for second in [600, 660, 605, 720, 599] {
            lane.record(Timestamp::from_secs(second), Resolution::Standard, &Bucket::one(1.0));
        }
        assert_eq!(sum(&lane, 600..660), 2.0);
        assert_eq!(sum(&lane, 540..600), 1.0);
        assert_eq!(sum(&lane, 540..780), 5.0);
        assert_eq!(lane.newest(), Some(720));
    }

    #[test]
    fn old_data_grow_coarse_and_nothing_is_counted_twice() {
        let mut lane = Lane::default();
        for second in 0..(4 * HOUR) {
            lane.record(Timestamp::from_secs(second), Resolution::High, &Bucket::one(1.0));
        }
        assert_eq!(sum(&lane, 0..4 * HOUR), (4 * HOUR) as f64);
        assert!(lane.len() <= 3 * 3600 + 60 + 2, "{}", lane.len());
    }

    #[test]
    fn a_metric_needs_bounded_memory_however_long_it_runs() {
        let mut lane = Lane::default();
        for minute in 0..(500 * 24 * 60) {
            lane.record(Timestamp::from_secs(minute * 60), Resolution::Standard, &Bucket::one(1.0));
        }
        let bound = 15 * 24 * 60 + 48 * 24 * 12 + 392 * 24 + 10;
        assert!(lane.len() <= bound, "{} > {bound}", lane.len());
        assert!(sum(&lane, 0..40 * DAY) < 1.0, "gone after 455 days");
    }
}
