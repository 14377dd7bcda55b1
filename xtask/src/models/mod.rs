//! Writes `src/sandbox/models/` from the JSON service models inside a pinned botocore wheel, for the operations that
//! `xtask/operations.txt` lists and without the documentation text. Start at [`write`].

mod botocore;
mod emit;
mod names;
mod reach;
mod supplement;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The operations wanted of each service, sorted.
type Wanted = BTreeMap<String, Vec<String>>;

/// Reads the models from `source`, an unpacked botocore or the pinned wheel, and writes one file per service.
pub fn write(source: &Path) -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let list = root.join("operations.txt");
    let wanted = parse_wanted(&fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?)?;
    let models = botocore::Models::open(source)?;
    for (service, operations) in &wanted {
        let model = models.service(service)?;
        let text = format_rust(&emit::service(service, &model, operations)?)?;
        let path = root.join(format!("../src/sandbox/models/{service}.rs"));
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("{service}: {} operations", operations.len());
    }
    Ok(())
}

fn parse_wanted(text: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (service, operations) = line.split_once(':').ok_or_else(|| format!("no colon in `{line}`"))?;
        let all = wanted.entry(service.trim().to_string()).or_default();
        all.extend(operations.split_whitespace().map(str::to_string));
        all.sort();
        all.dedup();
    }
    Ok(wanted)
}

fn format_rust(text: &str) -> Result<String, String> {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path", config])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start rustfmt: {e}"))?;
    let mut stdin = rustfmt.stdin.take().expect("piped above");
    let owned = text.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(owned.as_bytes()));
    let output = rustfmt.wait_with_output().map_err(|e| format!("rustfmt: {e}"))?;
    writer.join().expect("the writer does not panic").map_err(|e| format!("rustfmt: {e}"))?;
    if !output.status.success() {
        return Err("rustfmt does not take the generated code".to_string());
    }
    String::from_utf8(output.stdout).map_err(|e| format!("rustfmt: {e}"))
}
