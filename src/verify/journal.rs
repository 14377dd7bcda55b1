//! What a drill has changed and must undo, written down before it is done. Start at [`Journal`].
//!
//! An entry says what is about to happen, so that a crash at any point leaves enough to find the leftovers: a queue by its
//! name, a subscription by topic and endpoint, a capacity by its former value. Undoing something that never came to be,
//! or is gone already, is no trouble.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::aws::names::{GroupName, TopicArn};
use crate::aws::{AwsError, Clients};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    Queue { name: String },
    Subscription { topic: TopicArn, queue_arn: String },
    DesiredCapacity { group: GroupName, was: u32 },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue { name } => write!(f, "queue {name}"),
            Self::Subscription { topic, .. } => write!(f, "subscription of a queue to {topic}"),
            Self::DesiredCapacity { group, was } => write!(f, "desired capacity of {group}, which was {was}"),
        }
    }
}

/// The entries that are still to be undone, as they stand in the file. One run at a time holds it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    entries: Vec<Entry>,
    _lock: File,
}

impl Journal {
    /// Opens the journal of one account and endpoint in `dir`, with what an earlier run has left in it.
    ///
    /// # Errors
    /// Of kind [`io::ErrorKind::WouldBlock`] while another run holds it; of kind [`io::ErrorKind::InvalidData`] if
    /// somebody has edited it.
    pub fn open(dir: &Path, world: &str) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let safe: String = world.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let lock = File::create(dir.join(format!("verify-{safe}.lock")))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::from(io::ErrorKind::WouldBlock),
            fs::TryLockError::Error(error) => error,
        })?;
        let path = dir.join(format!("verify-{safe}.json"));
        let entries = match fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, entries, _lock: lock })
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Writes down what is about to be done. Call it before doing it.
    ///
    /// # Errors
    /// If the file cannot be written; then the thing must not be done.
    pub fn record(&mut self, entry: Entry) -> io::Result<()> {
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
            self.save()?;
        }
        Ok(())
    }

    /// Takes out what is undone.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn strike(&mut self, entry: &Entry) -> io::Result<()> {
        self.entries.retain(|other| other != entry);
        self.save()
    }

    fn save(&self) -> io::Result<()> {
        if self.entries.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        serde_json::to_writer_pretty(&mut file, &self.entries)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// Why something could not be undone. It stays in the journal, for the next run.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    #[error("cannot undo: {entry}")]
    Aws {
        entry: Entry,
        #[source]
        source: AwsError,
    },
    #[error("cannot write the journal")]
    Journal(#[source] io::Error),
}

/// Undoes every entry, the newest first, and returns what was undone.
///
/// # Errors
/// The first entry that could not be undone; those before it are struck out.
pub async fn undo(clients: &Clients, journal: &mut Journal) -> Result<Vec<Entry>, UndoError> {
    let mut undone = Vec::new();
    while let Some(entry) = journal.entries.last().cloned() {
        let result = undo_one(clients, &entry).await;
        match result {
            Err(source) if !source.is_not_found() => return Err(UndoError::Aws { entry, source }),
            _ => {}
        }
        journal.strike(&entry).map_err(UndoError::Journal)?;
        undone.push(entry);
    }
    Ok(undone)
}

async fn undo_one(clients: &Clients, entry: &Entry) -> Result<(), AwsError> {
    match entry {
        Entry::Queue { name } => {
            if let Some(url) = clients.sqs.get_queue_url(name).await? {
                clients.sqs.delete_queue(&url).await?;
            }
        }
        Entry::Subscription { topic, queue_arn } => {
            for subscription in clients.sns.list_subscriptions_by_topic(topic).await? {
                if let Some(arn) = subscription.arn.filter(|_| subscription.endpoint == *queue_arn) {
                    clients.sns.unsubscribe(&arn).await?;
                }
            }
        }
        Entry::DesiredCapacity { group, was } => {
            let there = clients.autoscaling.describe_auto_scaling_groups(group).await?;
            // The group's limits may have changed since; a value outside them would be refused for ever.
            if let Some(there) = there.filter(|group| group.desired_capacity != *was) {
                let capacity = (*was).clamp(there.min_size, there.max_size);
                clients.autoscaling.set_desired_capacity(group, capacity).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_there_for_the_next_run_until_it_is_struck() {
        let dir = tempfile::tempdir().unwrap();
        let queue = Entry::Queue { name: "scaleproof-verify-course".into() };
        let capacity = Entry::DesiredCapacity { group: "course".into(), was: 1 };
        let mut first = Journal::open(dir.path(), "123456789012 http://127.0.0.1:4599").unwrap();
        first.record(queue.clone()).unwrap();
        first.record(capacity.clone()).unwrap();
        drop(first);
        let mut second = Journal::open(dir.path(), "123456789012 http://127.0.0.1:4599").unwrap();
        assert_eq!(second.entries(), [queue.clone(), capacity.clone()]);
        second.strike(&queue).unwrap();
        second.strike(&capacity).unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["verify-123456789012_http___127_0_0_1_4599.lock"]);
    }

    #[test]
    fn two_runs_do_not_share_a_journal_and_two_endpoints_do_not_either() {
        let dir = tempfile::tempdir().unwrap();
        let held = Journal::open(dir.path(), "one").unwrap();
        assert_eq!(Journal::open(dir.path(), "one").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(Journal::open(dir.path(), "two").is_ok());
        drop(held);
        assert!(Journal::open(dir.path(), "one").is_ok());
    }
}
