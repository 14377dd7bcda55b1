//! Which terraform runs: the flag, then `SCALEPROOF_TERRAFORM`, then PATH.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The program to run, found but not yet started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary(PathBuf);

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    #[error("cannot find `{name}`")]
    Named { name: String },
    #[error("cannot find `terraform` or `tofu` on PATH")]
    NotOnPath,
}

impl Binary {
    /// Resolves `wanted` (a path, or a name to look up), else `terraform`, else `tofu`, in the directories of `path`.
    ///
    /// # Errors
    /// [`FindError`] if there is no such program.
    pub fn find(wanted: Option<&Path>, path: Option<OsString>) -> Result<Self, FindError> {
        let dirs: Vec<PathBuf> = path.map(|p| std::env::split_paths(&p).collect()).unwrap_or_default();
        let look_up = |name: &Path| -> Option<PathBuf> {
            if name.components().count() > 1 {
                return is_program(name).then(|| std::path::absolute(name).unwrap_or_else(|_| name.to_path_buf()));
            }
            dirs.iter().map(|dir| dir.join(name)).find(|file| is_program(file))
        };
        match wanted {
            Some(name) => look_up(name).map(Self).ok_or_else(|| FindError::Named { name: name.display().to_string() }),
            None => ["terraform", "tofu"]
                .iter()
                .find_map(|name| look_up(Path::new(name)))
                .map(Self)
                .ok_or(FindError::NotOnPath),
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `terraform` or `tofu`, as messages name it.
    pub fn name(&self) -> String {
        self.0.file_name().map_or_else(|| "terraform".into(), |name| name.to_string_lossy().into_owned())
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn dir_with(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let file = dir.path().join(name);
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        dir
    }

    #[test]
    fn terraform_comes_before_tofu_and_a_flag_before_both() {
        let dir = dir_with(&["terraform", "tofu"]);
        let path = Some(dir.path().as_os_str().to_owned());
        assert_eq!(Binary::find(None, path.clone()).unwrap().name(), "terraform");
        assert_eq!(Binary::find(Some(Path::new("tofu")), path).unwrap().name(), "tofu");
        let only_tofu = dir_with(&["tofu"]);
        assert_eq!(Binary::find(None, Some(only_tofu.path().as_os_str().to_owned())).unwrap().name(), "tofu");
    }

    #[test]
    fn what_is_not_there_is_an_error_that_names_it() {
        assert_eq!(Binary::find(None, None).unwrap_err().to_string(), "cannot find `terraform` or `tofu` on PATH");
        let named = Binary::find(Some(Path::new("/nowhere/terraform")), None).unwrap_err();
        assert_eq!(named.to_string(), "cannot find `/nowhere/terraform`");
    }
}
