//! What came of a run: a table per topic, each failure, a closing line. Text and JSON are views of one [`Report`].

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::failure::Failure;

pub struct Outcome {
    pub id: String,
    pub topic: String,
    /// None for a case that passed.
    pub failure: Option<Failure>,
}

pub struct Report {
    pub outcomes: Vec<Outcome>,
}

#[derive(Default, Clone, Copy)]
struct Count {
    passed: usize,
    failed: usize,
}

impl Report {
    pub fn all_passed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.failure.is_none())
    }

    fn count<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Count {
        outcomes.fold(Count::default(), |count, outcome| match outcome.failure {
            None => Count { passed: count.passed + 1, ..count },
            Some(_) => Count { failed: count.failed + 1, ..count },
        })
    }

    fn by_topic(&self) -> BTreeMap<&str, Count> {
        let mut topics = BTreeMap::new();
        for outcome in &self.outcomes {
            topics
                .entry(outcome.topic.as_str())
                .or_insert_with(|| Self::count(self.outcomes.iter().filter(|other| other.topic == outcome.topic)));
        }
        topics
    }

    /// The failures, the table, and `N passed, N failed` as the last line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for outcome in &self.outcomes {
            if let Some(failure) = &outcome.failure {
                let _ = writeln!(text, "failed: {} ({})\n{}", outcome.id, outcome.topic, indent(failure));
            }
        }
        let topics = self.by_topic();
        let width = topics.keys().map(|topic| topic.len()).max().unwrap_or_default().max("topic".len());
        let _ = writeln!(text, "{:width$}  passed  failed", "topic");
        for (topic, count) in topics {
            let _ = writeln!(text, "{topic:width$}  {:6}  {:6}", count.passed, count.failed);
        }
        let Count { passed, failed } = Self::count(self.outcomes.iter());
        let _ = writeln!(text, "{passed} passed, {failed} failed");
        text
    }

    pub fn json(&self) -> Value {
        let topics = self.by_topic().into_iter();
        let topics: serde_json::Map<String, Value> = topics
            .map(|(topic, count)| (topic.to_string(), json!({"passed": count.passed, "failed": count.failed})))
            .collect();
        let failures: Vec<Value> = self.outcomes.iter().filter_map(failure).collect();
        let Count { passed, failed } = Self::count(self.outcomes.iter());
        json!({"passed": passed, "failed": failed, "topics": topics, "failures": failures})
    }
}

fn indent(failure: &Failure) -> String {
    match failure {
        Failure::Differs { at, expected, got } => {
            format!("  at        {at}\n  expected  {expected}\n  got       {got}")
        }
        Failure::NotAsked(why) => format!("  {why}"),
    }
}

fn failure(outcome: &Outcome) -> Option<Value> {
    let (id, topic) = (&outcome.id, &outcome.topic);
    Some(match outcome.failure.as_ref()? {
        Failure::Differs { at, expected, got } => {
            json!({"id": id, "topic": topic, "at": at, "expected": expected, "got": got})
        }
        Failure::NotAsked(why) => json!({"id": id, "topic": topic, "because": why}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_by_topic_and_the_last_line_counts_all() {
        let outcome = |id: &str, topic: &str, failure| Outcome { id: id.into(), topic: topic.into(), failure };
        let differs = Failure::differs("state", &json!("OK"), &json!("ALARM"));
        let report = Report {
            outcomes: vec![outcome("a", "two", None), outcome("b", "one", Some(differs)), outcome("c", "two", None)],
        };
        let text = "failed: b (one)\n  at        state\n  expected  \"OK\"\n  got       \"ALARM\"\n\
                    topic  passed  failed\none         0       1\ntwo         2       0\n2 passed, 1 failed\n";
        assert_eq!(report.text(), text);
        assert_eq!(report.json()["topics"]["two"], json!({"passed": 2, "failed": 0}));
        assert!(!report.all_passed());
    }
}
