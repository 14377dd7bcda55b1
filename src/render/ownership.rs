//! Whose a file is: rendered files say so in their first lines, with a hash that shows an edit. Start at [`plan_files`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::hex::hex;

const NOTICE: &str =
    "# Rendered by scaleproof. Change the spec and render again: an edit made here is noticed, not overwritten.\n";
const MARK: &str = "# scaleproof: ";

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Rendered, and as it was rendered.
    Untouched,
    /// Rendered, then changed by somebody.
    Edited,
    NotOurs,
}

/// Puts the notice and the hash before a rendered file. `companion` is a file beside it that cannot carry a notice.
pub(super) fn sign(body: &str, companion: Option<(&str, &str)>) -> String {
    let mut text = format!("{NOTICE}{MARK}{}\n", hash(body));
    if let Some((name, content)) = companion {
        let _ = writeln!(text, "{MARK}{name} {}", hash(content));
    }
    text + "\n" + body
}

/// Says whose a terraform file is.
pub fn generated_by_us(text: &str) -> Ownership {
    // A checkout may have turned the line ends.
    let text = text.replace("\r\n", "\n");
    let Some((head, body)) = text.split_once("\n\n") else { return Ownership::NotOurs };
    match head.lines().find_map(|line| line.strip_prefix(MARK)) {
        None => Ownership::NotOurs,
        Some(mark) if mark == hash(body) && text.starts_with(NOTICE) => Ownership::Untouched,
        Some(_) => Ownership::Edited,
    }
}

/// What writing `wanted` into a folder means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePlan {
    pub write: Vec<String>,
    /// Rendered earlier, untouched since, and no longer part of the stack.
    pub delete: Vec<String>,
    /// Would be overwritten or deleted, but somebody else's work is in them.
    pub refused: Vec<(String, Ownership)>,
}

impl FilePlan {
    /// Whether the folder already holds exactly what is wanted.
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.delete.is_empty() && self.refused.is_empty()
    }
}

/// Compares a folder's files, by name, with the rendered ones.
pub fn plan_files(existing: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> FilePlan {
    let mut plan = FilePlan::default();
    let owner = |name: &str, text: &str| match companion_hash(existing, name) {
        Some(noted) if noted == hash(text) => Ownership::Untouched,
        Some(_) => Ownership::Edited,
        None => generated_by_us(text),
    };
    for (name, text) in wanted {
        match existing.get(name) {
            Some(found) if found == text => {}
            Some(found) => match owner(name, found) {
                Ownership::Untouched => plan.write.push(name.clone()),
                other => plan.refused.push((name.clone(), other)),
            },
            None => plan.write.push(name.clone()),
        }
    }
    for (name, text) in existing.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
        match owner(name, text) {
            Ownership::Untouched => plan.delete.push(name.clone()),
            Ownership::Edited => plan.refused.push((name.clone(), Ownership::Edited)),
            Ownership::NotOurs => {}
        }
    }
    plan
}

/// The hash that some rendered file notes for a file beside it.
fn companion_hash<'a>(existing: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let mut notes = existing.values().flat_map(|text| text.lines().take(4)).filter_map(|line| line.strip_prefix(MARK));
    notes.find_map(|note| note.strip_prefix(name)?.strip_prefix(' '))
}

fn hash(text: &str) -> String {
    hex(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn an_edit_is_noticed_wherever_it_is() {
        let signed = sign("a = 1\n", None);
        assert_eq!(generated_by_us(&signed), Ownership::Untouched);
        assert_eq!(generated_by_us(&signed.replace('\n', "\r\n")), Ownership::Untouched);
        assert_eq!(generated_by_us(&signed.replace("a = 1", "a = 2")), Ownership::Edited);
        assert_eq!(generated_by_us(&format!("{signed}\n")), Ownership::Edited);
        assert_eq!(generated_by_us("a = 1\n"), Ownership::NotOurs);
        assert_eq!(generated_by_us(""), Ownership::NotOurs);
    }

    #[test]
    fn only_untouched_files_are_overwritten_or_deleted() {
        let (old, new, edited) = (sign("a = 1\n", None), sign("a = 2\n", None), sign("a = 1\n", None) + "b = 1\n");
        let wanted = files(&[("a.tf", &new), ("b.tf", &new), ("c.tf", &new), ("d.tf", &new)]);
        let existing = files(&[
            ("a.tf", &old),
            ("b.tf", &edited),
            ("c.tf", "mine"),
            ("d.tf", &new),
            ("gone.tf", &old),
            ("mine.tf", "x"),
        ]);
        let plan = plan_files(&existing, &wanted);
        assert_eq!(plan.write, ["a.tf"]);
        assert_eq!(plan.delete, ["gone.tf"]);
        assert_eq!(plan.refused, [("b.tf".to_owned(), Ownership::Edited), ("c.tf".to_owned(), Ownership::NotOurs)]);
    }

    #[test]
    fn a_script_is_known_by_the_hash_beside_it() {
        let signed = sign("a = 1\n", Some(("user-data.sh", "#!/bin/sh\n")));
        assert_eq!(generated_by_us(&signed), Ownership::Untouched);
        let wanted = files(&[("launch.tf", &signed), ("user-data.sh", "#!/bin/bash\n")]);
        let check = |script: &str| plan_files(&files(&[("launch.tf", &signed), ("user-data.sh", script)]), &wanted);
        assert_eq!(check("#!/bin/sh\n").write, ["user-data.sh"]);
        assert_eq!(check("#!/bin/sh\nedited\n").refused, [("user-data.sh".to_owned(), Ownership::Edited)]);
    }
}
