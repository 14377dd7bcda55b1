//! Any request, in any of the protocols, is answered and never panics. `cargo +nightly fuzz run request`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| scaleproof::sandbox::answer_bytes(bytes));
