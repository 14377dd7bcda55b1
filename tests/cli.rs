//! What the command line says, word for word: every transcript in `tests/cli/` and the ones in the README and the docs.
//! `TRYCMD=overwrite cargo test --test cli` accepts what it says now.

#[test]
fn transcripts_say_what_the_program_says() {
    trycmd::TestCases::new().case("tests/cli/*.md").case("README.md").case("docs/spec.md").case("docs/simulate.md");
}
