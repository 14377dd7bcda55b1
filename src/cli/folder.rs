//! Rendered files into a folder: by temporary file and rename, and never over somebody's work. Start at [`write_files`].

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use super::{Exit, Failure};
use crate::render::{Ownership, USER_DATA_FILE, plan_files};

/// Makes `dir` hold exactly the `wanted` rendered files. With `force`, edited and foreign files are overwritten.
///
/// # Errors
/// Exit 2 when a file is somebody else's or cannot be written; nothing is written in the first case.
pub fn write_files(dir: &Path, wanted: &BTreeMap<String, String>, force: bool) -> Result<(), Failure> {
    let cannot = |source| Failure::new(Exit::Usage, CannotWrite { dir: dir.display().to_string(), source });
    std::fs::create_dir_all(dir).map_err(cannot)?;
    let mut plan = plan_files(&read_files(dir).map_err(cannot)?, wanted);
    if !plan.refused.is_empty() {
        if !force {
            return Err(Failure::new(Exit::Usage, NotOurs { dir: dir.display().to_string(), files: plan.refused })
                .hint("move your changes into the spec, or overwrite the files with --force"));
        }
        let (write, delete): (Vec<_>, Vec<_>) =
            plan.refused.drain(..).map(|(name, _)| name).partition(|name| wanted.contains_key(name));
        plan.write.extend(write);
        plan.delete.extend(delete);
    }
    for name in &plan.write {
        write_one(dir, name, &wanted[name]).map_err(cannot)?;
    }
    for name in &plan.delete {
        std::fs::remove_file(dir.join(name)).map_err(cannot)?;
    }
    Ok(())
}

/// The terraform files of a folder and what stands beside them, by name.
fn read_files(dir: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_file() && (name.ends_with(".tf") || name == USER_DATA_FILE) {
            files.insert(name.to_string(), String::from_utf8_lossy(&std::fs::read(&path)?).into_owned());
        }
    }
    Ok(files)
}

fn write_one(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.persist(dir.join(name))?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write the rendered files to `{dir}`")]
struct CannotWrite {
    dir: String,
    source: io::Error,
}

#[derive(Debug)]
struct NotOurs {
    dir: String,
    files: Vec<(String, Ownership)>,
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |ownership: &Ownership| match ownership {
            Ownership::Edited => "was edited by hand",
            _ => "was not written by scaleproof",
        };
        let list: Vec<String> = self.files.iter().map(|(name, whose)| format!("`{name}` {}", word(whose))).collect();
        write!(f, "files in `{}` would be overwritten: {}", self.dir, list.join(", "))
    }
}

impl std::error::Error for NotOurs {}
