//! The file in which a sandbox keeps its state, so that killing the process loses nothing that was acknowledged.
//!
//! The first line is the whole state, each further line a call or an order that changed it. A change is written before
//! it is answered. Since the world is deterministic, running the lines again at their instants gives the same world; a
//! line that was cut off belongs to a call that nobody was answered. Start at [`Store::open`].

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::universe::Universe;
use super::wire::json;
use super::wire::request::Request;
use crate::clock::Timestamp;

/// So many bytes of changes are put together into a new first line.
const LONGEST_TAIL: u64 = 64 << 20;

/// Why a state cannot be kept in a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("cannot {attempt} `{}`", path.display())]
    File { attempt: &'static str, path: PathBuf, source: io::Error },
    #[error("another sandbox keeps its state in `{}`", path.display())]
    InUse { path: PathBuf },
    #[error("line {line} of `{}` is not part of a state: {because}", path.display())]
    Unreadable { path: PathBuf, line: usize, because: String },
    #[error("`{}` was written by scaleproof {version}, and states belong to one version", path.display())]
    OtherVersion { path: PathBuf, version: String },
    #[error("`{}` keeps a sandbox with other settings: {wanted}", path.display())]
    OtherSettings { path: PathBuf, wanted: String },
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Whole<U> {
    scaleproof: String,
    at: Timestamp,
    universe: U,
}

/// A change, at its instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub at: Timestamp,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Call {
        /// Says who calls, also where the sandbox gave it out itself.
        access_key: String,
        region: String,
        service: String,
        operation: String,
        base_url: String,
        input: Json,
    },
    /// Of the control surface.
    Control { method: String, path_and_query: String, body: String },
}

impl What {
    /// A call that was answered; `None` for one that no operation was found for.
    pub fn call(request: &Request, base_url: &str) -> Option<Self> {
        let (shape, input) = request.call.as_ref().ok()?;
        Some(Self::Call {
            access_key: request.access_key.clone(),
            region: request.region.clone(),
            service: request.service.name.into(),
            operation: shape.name.into(),
            base_url: base_url.into(),
            input: json::encode(input.clone()),
        })
    }
}

/// An open file that is this process's alone.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: File,
    /// How many bytes the file has, and how many of them are changes.
    length: u64,
    tail: u64,
}

/// What a file held.
pub struct Kept {
    pub at: Timestamp,
    pub universe: Universe,
    pub changes: Vec<Change>,
}

impl Store {
    /// Opens or makes the file and reads what it holds; nothing for a new one.
    ///
    /// # Errors
    /// Also where another process has it open, and where it holds something else than a state of this version.
    pub fn open(path: &Path) -> Result<(Self, Option<Kept>), StoreError> {
        let fails = |attempt| move |source| StoreError::File { attempt, path: path.into(), source };
        // The file is replaced now and then, and a device must not be.
        if path.exists() && !path.is_file() {
            return Err(fails("keep a state in")(io::Error::other("it is no regular file")));
        }
        let file = private().read(true).append(true).create(true).open(path).map_err(fails("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(fails("lock")(source)),
        }
        let lines: Vec<String> = read_lines(&file).map_err(fails("read"))?;
        let kept = match lines.split_first() {
            None => None,
            Some((first, changes)) => Some(parse(path, first, changes)?),
        };
        let length = file.metadata().map_err(fails("read"))?.len();
        Ok((Self { path: path.into(), file, length, tail: 0 }, kept))
    }

    /// Adds a change. When this returns, the operating system has it.
    ///
    /// # Errors
    /// The disk's. The change must then not be acknowledged.
    pub fn add(&mut self, change: &Change) -> Result<(), StoreError> {
        let written = line(change).and_then(|line| {
            self.file.write_all(&line).inspect_err(|_| {
                // Half a line would spoil the next one. A file that cannot be cut either takes no next one.
                let _ = self.file.set_len(self.length);
            })?;
            Ok(line.len() as u64)
        });
        let bytes =
            written.map_err(|source| StoreError::File { attempt: "add to", path: self.path.clone(), source })?;
        self.length += bytes;
        self.tail += bytes;
        Ok(())
    }

    /// Whether so much has changed that [`Store::begin`] is worth it.
    pub fn is_long(&self) -> bool {
        self.tail > LONGEST_TAIL
    }

    /// Begins the file anew with the whole state. The old one stays until the new one is complete.
    ///
    /// # Errors
    /// [`StoreError::File`]; the file is as before.
    pub fn begin(&mut self, at: Timestamp, universe: &Universe) -> Result<(), StoreError> {
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let written = self.write_whole(Path::new(&new), at, universe);
        written.map_err(|source| StoreError::File { attempt: "write", path: self.path.clone(), source })
    }

    fn write_whole(&mut self, new: &Path, at: Timestamp, universe: &Universe) -> io::Result<()> {
        let mut file = private().write(true).create(true).truncate(true).open(new)?;
        file.try_lock().map_err(io::Error::from)?;
        let whole = Whole { scaleproof: env!("CARGO_PKG_VERSION").into(), at, universe };
        let line = line(&whole)?;
        file.write_all(&line)?;
        file.sync_data()?;
        std::fs::rename(new, &self.path)?;
        (self.file, self.length, self.tail) = (file, line.len() as u64, 0);
        Ok(())
    }
}

fn line(json: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(json)?;
    line.push(b'\n');
    Ok(line)
}

/// A state has secrets of its users' tests in it, such as message bodies: nobody else's to read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The complete lines. What follows the last line end was never acknowledged.
fn read_lines(file: &File) -> io::Result<Vec<String>> {
    let mut reader = BufReader::new(file);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(lines);
        }
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
}

fn parse(path: &Path, first: &str, changes: &[String]) -> Result<Kept, StoreError> {
    let unreadable = |line, error: &serde_json::Error| StoreError::Unreadable {
        path: path.into(),
        line,
        because: error.to_string(),
    };
    let head: Whole<serde::de::IgnoredAny> = serde_json::from_str(first).map_err(|error| unreadable(1, &error))?;
    if head.scaleproof != env!("CARGO_PKG_VERSION") {
        return Err(StoreError::OtherVersion { path: path.into(), version: head.scaleproof });
    }
    let Whole { at, universe, .. } = serde_json::from_str(first).map_err(|error| unreadable(1, &error))?;
    let read = |(nth, line): (usize, &String)| serde_json::from_str(line).map_err(|error| unreadable(nth + 2, &error));
    let changes = changes.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(Kept { at, universe, changes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::groups::Timing;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn change() -> Change {
        let (method, path_and_query, body) = ("POST".into(), "/_scaleproof/reset".into(), String::new());
        Change { at: NOW, what: What::Control { method, path_and_query, body } }
    }

    fn begun(path: &Path) -> Store {
        let (mut store, kept) = Store::open(path).unwrap();
        assert!(kept.is_none());
        store.begin(NOW, &Universe::new("123456789012", 1, Timing::Instant)).unwrap();
        store
    }

    #[test]
    fn a_line_that_was_cut_off_was_never_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut store = begun(&path);
        store.add(&change()).unwrap();
        drop(store);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"at\": \"2027-01").unwrap();
        let (_, kept) = Store::open(&path).unwrap();
        assert_eq!(kept.unwrap().changes, [change()]);
    }

    #[test]
    fn a_file_is_one_processs_alone_and_nobody_elses_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let store = begun(&path);
        assert!(matches!(Store::open(&path), Err(StoreError::InUse { .. })));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(store);
        assert!(Store::open(&path).is_ok());
    }

    #[test]
    fn what_is_no_state_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        let check = |text: &str, expected: &str| {
            std::fs::write(&path, text).unwrap();
            let error = Store::open(&path).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        };
        check("hello\n", "line 1 of");
        check("{\"scaleproof\": \"0.0.0\", \"at\": \"2027-01-15T08:00:00Z\", \"universe\": {}}\n", "scaleproof 0.0.0");
    }
}
