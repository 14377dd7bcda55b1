//! Rendered files and the folder they belong into: comparing, writing by temporary file and rename, refusing to lose
//! somebody's edit. Start at [`write_files`].

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::{Exit, Failure};
use crate::render::{FilePlan, Ownership, USER_DATA_FILE, plan_files};

/// Files by name.
pub type Files = BTreeMap<String, String>;

/// What writing changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    pub written: Vec<String>,
    pub deleted: Vec<String>,
    pub unchanged: Vec<String>,
}

/// Reads the files of a folder that rendering could touch; a folder that is not there has none.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn read_files(dir: &Path) -> Result<Files, Failure> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Files::new()),
        Err(source) => return Err(failure("read", dir, source)),
    };
    let mut files = Files::new();
    for entry in entries {
        let entry = entry.map_err(|source| failure("read", dir, source))?;
        // A name that is not UTF-8 is none of ours.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if (name.ends_with(".tf") || name == USER_DATA_FILE) && entry.path().is_file() {
            let bytes = fs::read(entry.path()).map_err(|source| failure("read", &entry.path(), source))?;
            files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(files)
}

/// Brings a folder to the rendered state: writes what differs, deletes what was rendered earlier and is gone now.
///
/// # Errors
/// Exit 2 when somebody's work would be lost, unless `force`; or when the folder cannot be written.
pub fn write_files(dir: &Path, wanted: &Files, force: bool) -> Result<Written, Failure> {
    let existing = read_files(dir)?;
    let mut plan = plan_files(&existing, wanted);
    if force {
        for (name, _) in plan.refused.drain(..) {
            if wanted.contains_key(&name) { plan.write.push(name) } else { plan.delete.push(name) }
        }
    }
    if !plan.refused.is_empty() {
        return Err(refusal(dir, &plan));
    }
    fs::create_dir_all(dir).map_err(|source| failure("make", dir, source))?;
    for name in &plan.write {
        write_one(dir, name, &wanted[name])?;
    }
    for name in &plan.delete {
        fs::remove_file(dir.join(name)).map_err(|source| failure("delete", &dir.join(name), source))?;
    }
    let unchanged = wanted.keys().filter(|name| !plan.write.contains(name)).cloned().collect();
    Ok(Written { written: plan.write, deleted: plan.delete, unchanged })
}

fn write_one(dir: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = dir.join(name);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".scaleproof-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A temporary file is private by default; these are for the team.
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(dir).map_err(|source| failure("write into", dir, source))?;
    file.write_all(text.as_bytes()).map_err(|source| failure("write", &path, source))?;
    file.persist(&path).map_err(|error| failure("write", &path, error.error))?;
    Ok(())
}

/// Returns a unified diff from a folder's files to the rendered ones; empty when they are the same.
///
/// # Errors
/// When the folder cannot be read.
pub fn diff_files(dir: &Path, wanted: &Files) -> Result<String, Failure> {
    let existing = read_files(dir)?;
    let plan = plan_files(&existing, wanted);
    let names = plan.write.iter().chain(&plan.delete).chain(plan.refused.iter().map(|(name, _)| name));
    let mut names: Vec<&String> = names.collect();
    names.sort();
    let mut diff = String::new();
    for name in names {
        let (old, new) = (existing.get(name), wanted.get(name));
        let path = dir.join(name).display().to_string();
        let side = |text: Option<&String>| if text.is_some() { path.clone() } else { "/dev/null".to_owned() };
        let texts = TextDiff::from_lines(old.map_or("", String::as_str), new.map_or("", String::as_str));
        diff.push_str(&texts.unified_diff().header(&side(old), &format!("{} (rendered)", side(new))).to_string());
    }
    Ok(diff)
}

fn refusal(dir: &Path, plan: &FilePlan) -> Failure {
    let list = plan.refused.iter().map(|(name, owner)| match owner {
        Ownership::Edited => format!("{name} (edited since it was rendered)"),
        Ownership::Untouched | Ownership::NotOurs => format!("{name} (not rendered by scaleproof)"),
    });
    let error = WouldLose { dir: dir.to_owned(), files: list.collect::<Vec<_>>().join(", ") };
    Failure::new(Exit::Usage, error).hint("move the edit into the spec or a template; --force overwrites these files")
}

fn failure(verb: &'static str, path: &Path, source: io::Error) -> Failure {
    Failure::new(Exit::Usage, FileError { verb, path: path.to_owned(), source })
}

#[derive(Debug, thiserror::Error)]
#[error("writing to `{}` would lose somebody's work: {files}", dir.display())]
struct WouldLose {
    dir: PathBuf,
    files: String,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{}`", path.display())]
struct FileError {
    verb: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_write_changes_nothing_and_an_edit_is_kept() {
        let root = tempfile::tempdir().expect("a folder");
        // Blanks and Korean letters are ordinary in paths.
        let dir = root.path().join("내 폴더/out put");
        let spec = crate::cli::spec_file::load(Path::new("examples/course.yaml")).expect("the example");
        let wanted = crate::render::render_stack(&spec.stack, &crate::render::RenderOptions::default())
            .expect("embedded templates");
        let first = write_files(&dir, &wanted, false).expect("an empty folder");
        assert_eq!(first.written.len(), wanted.len());
        assert_eq!(read_files(&dir).expect("files"), wanted);
        assert_eq!(diff_files(&dir, &wanted).expect("files"), "");
        let again = write_files(&dir, &wanted, false).expect("the same folder");
        assert_eq!((again.written.len(), again.unchanged.len()), (0, wanted.len()));

        fs::write(dir.join("group.tf"), wanted["group.tf"].replace("max_size", "max_size ")).expect("an edit");
        fs::write(dir.join("mine.tf"), "locals {}\n").expect("a file of the user's");
        let refused = write_files(&dir, &wanted, false).expect_err("the edit").to_string();
        assert!(refused.contains("group.tf (edited since it was rendered)"), "{refused}");
        assert!(diff_files(&dir, &wanted).expect("files").contains("-  max_size "));
        write_files(&dir, &wanted, true).expect("forced");
        assert!(dir.join("mine.tf").exists());
        assert_eq!(diff_files(&dir, &wanted).expect("files"), "");
    }
}
