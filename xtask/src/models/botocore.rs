//! Finds a service's model in an unpacked botocore or in its wheel (a zip file).

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::{DeflateDecoder, GzDecoder};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub const VERSION: &str = "1.43.106";
pub const SHA256: &str = "c1fb8818f9957cb5037f73db34ac1a12ba43562e31d6e7f9cb7e5fc64e1dba78";

/// Where models come from.
pub enum Models {
    Directory(PathBuf),
    Wheel { bytes: Vec<u8>, entries: BTreeMap<String, Entry> },
}

/// A file in a zip archive.
pub struct Entry {
    header_at: usize,
    packed: usize,
    deflated: bool,
}

impl Models {
    pub fn open(source: &Path) -> Result<Self, String> {
        if source.is_dir() {
            return Ok(Self::Directory(source.join("botocore/data")));
        }
        let bytes = fs::read(source).map_err(|e| format!("{}: {e}", source.display()))?;
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if hash != SHA256 {
            return Err(format!("{} is not the wheel of botocore {VERSION}: its SHA-256 is {hash}", source.display()));
        }
        let entries = directory(&bytes).ok_or("the wheel is not a zip file")?;
        Ok(Self::Wheel { bytes, entries })
    }

    /// The newest model of `service`.
    pub fn service(&self, service: &str) -> Result<Value, String> {
        let packed = match self {
            Self::Directory(data) => newest_file(&data.join(service))?,
            Self::Wheel { bytes, entries } => {
                let prefix = format!("botocore/data/{service}/");
                let of_service = |name: &String| name.starts_with(&prefix) && name.ends_with("/service-2.json.gz");
                let (_, entry) = entries
                    .iter()
                    .rfind(|(name, _)| of_service(name))
                    .ok_or_else(|| format!("no model of {service}"))?;
                unzip(bytes, entry).ok_or_else(|| format!("the model of {service} is damaged"))?
            }
        };
        let mut json = String::new();
        GzDecoder::new(packed.as_slice()).read_to_string(&mut json).map_err(|e| format!("{service}: {e}"))?;
        serde_json::from_str(&json).map_err(|e| format!("{service}: {e}"))
    }
}

fn newest_file(folder: &Path) -> Result<Vec<u8>, String> {
    let versions = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let newest = versions.flatten().map(|version| version.path()).max();
    let path = newest.ok_or_else(|| format!("{} is empty", folder.display()))?.join("service-2.json.gz");
    fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    Some(bytes.get(at..at + width)?.iter().rev().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
}

/// The central directory of a zip file without a comment longer than 64 KiB.
fn directory(bytes: &[u8]) -> Option<BTreeMap<String, Entry>> {
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let mut at = number(bytes, end + 16, 4)?;
    let mut entries = BTreeMap::new();
    for _ in 0..number(bytes, end + 10, 2)? {
        let lengths = [number(bytes, at + 28, 2)?, number(bytes, at + 30, 2)?, number(bytes, at + 32, 2)?];
        let name = String::from_utf8_lossy(bytes.get(at + 46..at + 46 + lengths[0])?).into_owned();
        let entry = Entry {
            header_at: number(bytes, at + 42, 4)?,
            packed: number(bytes, at + 20, 4)?,
            deflated: number(bytes, at + 10, 2)? == 8,
        };
        entries.insert(name, entry);
        at += 46 + lengths.iter().sum::<usize>();
    }
    Some(entries)
}

fn unzip(bytes: &[u8], entry: &Entry) -> Option<Vec<u8>> {
    let start =
        entry.header_at + 30 + number(bytes, entry.header_at + 26, 2)? + number(bytes, entry.header_at + 28, 2)?;
    let packed = bytes.get(start..start + entry.packed)?;
    if !entry.deflated {
        return Some(packed.to_vec());
    }
    let mut plain = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut plain).ok()?;
    Some(plain)
}
