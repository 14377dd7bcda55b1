//! The corpus of `fuzz/` on the stable compiler: every entry as it is, and with bytes changed, cut off and repeated.

use super::answer_bytes;
use crate::engine::ids::Ids;

const CHANGES_PER_ENTRY: usize = 300;

#[test]
fn no_bytes_make_the_sandbox_panic() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/request");
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    assert!(entries.len() >= 9, "the corpus is there");
    for path in entries {
        let entry = std::fs::read(&path).unwrap();
        assert!(answer_bytes(&entry), "{}: an entry is a request", path.display());
        let mut draws = Ids::new(1, &path.file_name().unwrap().to_string_lossy());
        for _ in 0..CHANGES_PER_ENTRY {
            answer_bytes(&changed(&entry, &mut draws));
        }
    }
}

fn changed(entry: &[u8], draws: &mut Ids) -> Vec<u8> {
    let mut bytes = entry.to_vec();
    for _ in 0..=draws.next_u64() % 4 {
        let at = draws.next_u64() as usize % bytes.len().max(1);
        match draws.next_u64() % 5 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, draws.next_u64() as u8),
            2 if !bytes.is_empty() => bytes[at] = draws.next_u64() as u8,
            3 if !bytes.is_empty() => bytes[at] ^= 1 << (draws.next_u64() % 8),
            _ => {
                let again = bytes[at..].to_vec();
                bytes.extend(again.into_iter().take(64));
            }
        }
    }
    bytes
}
