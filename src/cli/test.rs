//! `scaleproof test`: the tests of specs, run in virtual time. Start at [`run`].
//!
//! A spec's tests stand in its block `tests:`, or in a file of their own that names it. Everything that is wrong with
//! all of them is said before the first one runs.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::spec_file::{Checked, SpecProblems, check, read_bounded};
use super::{Exit, Failure};
use crate::expect::junit::{JunitCase, junit};
use crate::expect::text::{event_text, failure_text, mismatch_line};
use crate::expect::{Case, Mismatch, Outcome, build_cases, run_case};
use crate::model::Stack;
use crate::spec::{Problem, Severity, SpecMap, parse_test_file, tree};

/// Run the tests of alarms and scaling: series or a load in, alarm states, capacity and notices out
///
/// Exits 0 when all passed, 10 when some failed, 2 when one cannot be run as it is written.
#[derive(Debug, Args)]
pub struct Test {
    /// Specs (with the tests inside and those in NAME.test.yaml beside them), files of tests, or folders of either
    #[arg(value_name = "SPEC|DIR|FILE", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Run only tests that have this in their name
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print the names of the tests and run none
    #[arg(long)]
    list: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write the result as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub fn run(args: &Test) -> Result<Exit, Failure> {
    let mut suites = load(&args.paths)?;
    if let Some(wanted) = &args.filter {
        suites.iter_mut().for_each(|suite| suite.cases.retain(|case| case.name.contains(wanted)));
    }
    suites.retain(|suite| !suite.cases.is_empty());
    if suites.is_empty() {
        return Err(nothing_to_run(args));
    }
    if args.list {
        anstream::print!("{}", list(&suites, args.json));
        return Ok(Exit::Done);
    }
    let mut results = Vec::new();
    for suite in &suites {
        for case in &suite.cases {
            let outcome = run_case(&suite.stack, case).map_err(|error| Failure::new(Exit::Usage, error))?;
            results.push(TestResult { suite, case, outcome });
        }
    }
    if let Some(path) = &args.junit {
        let document = junit(&results.iter().map(TestResult::junit).collect::<Vec<_>>());
        std::fs::write(path, document).map_err(|source| Failure::new(Exit::Usage, CannotWrite::new(path, source)))?;
    }
    match args.json {
        true => anstream::println!("{:#}", json_of(&results)),
        false => anstream::print!("{}", text_of(&results)),
    }
    let failed = results.iter().any(|result| !result.passed());
    Ok(if failed { Exit::NotMet } else { Exit::Done })
}

// ---- Which tests there are -------------------------------------------------------------------------------------------

/// The tests of one file.
struct Suite {
    map: SpecMap,
    stack: Stack,
    cases: Vec<Case>,
}

/// Everything that keeps tests from being run.
#[derive(Debug)]
struct TestProblems(Vec<SpecProblems>);

impl fmt::Display for TestProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join("\nerror: "))
    }
}

impl std::error::Error for TestProblems {}

fn load(paths: &[PathBuf]) -> Result<Vec<Suite>, Failure> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        for file in files_of(path)? {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    let (mut suites, mut problems) = (Vec::new(), Vec::<SpecProblems>::new());
    for file in files {
        let found = if is_test_file(&file) { load_test_file(&file)? } else { load_spec(&file)? };
        match found {
            Ok(suite) => suites.push(suite),
            Err(found) => {
                for found in found {
                    // Several files may name one broken spec.
                    if problems.iter().all(|known| known.map.file != found.map.file) {
                        problems.push(found);
                    }
                }
            }
        }
    }
    if problems.is_empty() { Ok(suites) } else { Err(Failure::new(Exit::Usage, TestProblems(problems))) }
}

/// The files with tests that a path on the command line stands for.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_dir() {
        return files_in(path).map_err(|source| Failure::new(Exit::Usage, CannotRead::new(path, source)));
    }
    let mut files = vec![path.to_owned()];
    if !is_test_file(path) {
        let beside = ["test.yaml", "test.yml", "test.json"].map(|ending| path.with_extension(ending));
        files.extend(beside.into_iter().filter(|file| file.is_file()));
    }
    Ok(files)
}

fn files_in(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = PathBuf::from(entry?.file_name());
        let path = if dir == Path::new(".") { name } else { dir.join(name) };
        let yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        if is_test_file(&path) || (yaml && has_tests(&path)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    [".test.yaml", ".test.yml", ".test.json"].iter().any(|ending| name.ends_with(ending))
}

/// Whether a file in a folder is a spec with tests in it; other YAML is none of ours.
fn has_tests(path: &Path) -> bool {
    let Ok(text) = read_bounded(path).map(|bytes| String::from_utf8(bytes).unwrap_or_default()) else { return false };
    let (root, _) = tree::parse_tree(&text);
    let Some(tree::Value::Map(entries)) = root.map(|root| root.value) else { return false };
    ["version", "tests"].iter().all(|key| entries.iter().any(|entry| entry.key == *key))
}

/// A suite, or what is wrong in each of its files.
type Found = Result<Suite, Vec<SpecProblems>>;

fn load_spec(path: &Path) -> Result<Found, Failure> {
    let Checked { good, problems, map, .. } = check(path)?;
    let Some((spec, stack)) = good else { return Ok(Err(vec![SpecProblems::sorted(problems, map)])) };
    let cases = spec.tests.map_or(Ok(Vec::new()), |tests| build_cases(&tests, &stack, &map));
    Ok(match cases {
        Ok(cases) => Ok(Suite { map, stack, cases }),
        Err(problems) => Err(vec![SpecProblems::sorted(problems, map)]),
    })
}

fn load_test_file(path: &Path) -> Result<Found, Failure> {
    let bytes = read_bounded(path).map_err(|source| Failure::new(Exit::Usage, CannotRead::new(path, source)))?;
    let parsed = parse_test_file(&path.display().to_string(), &bytes);
    let (mut problems, map) = (parsed.problems, parsed.map);
    let Some(file) = parsed.spec else { return Ok(Err(vec![SpecProblems::sorted(problems, map)])) };
    let spec = path.parent().unwrap_or(Path::new("")).join(&file.spec.0.0);
    if !spec.is_file() {
        let fact = format!("{} is not there.", spec.display());
        problems.push(map.problem(crate::spec::Kind::MissingFile, "spec", fact, "Name it relative to this file."));
        return Ok(Err(vec![SpecProblems::sorted(problems, map)]));
    }
    let checked = check(&spec)?;
    let Some((_, stack)) = checked.good else {
        let own = (!problems.is_empty()).then(|| SpecProblems::sorted(problems, map));
        let of_spec = SpecProblems::sorted(checked.problems, checked.map);
        return Ok(Err([of_spec].into_iter().chain(own).collect()));
    };
    let built = build_cases(&file.tests, &stack, &map);
    Ok(match built {
        Ok(cases) if !is_wrong(&problems) => Ok(Suite { map, stack, cases }),
        built => {
            problems.extend(built.err().into_iter().flatten());
            Err(vec![SpecProblems::sorted(problems, map)])
        }
    })
}

fn is_wrong(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity() == Severity::Error)
}

fn nothing_to_run(args: &Test) -> Failure {
    let paths: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
    let paths = paths.join(" ");
    match &args.filter {
        Some(filter) => Failure::new(Exit::Usage, format!("no test in {paths} has `{filter}` in its name"))
            .hint("see which there are")
            .run(format!("scaleproof test {paths} --list")),
        None => Failure::new(Exit::Usage, format!("there are no tests in {paths}"))
            .hint("tests stand under tests: in a spec, or in NAME.test.yaml beside it; docs/test.md shows one"),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`")]
struct CannotRead {
    path: String,
    #[source]
    source: std::io::Error,
}

impl CannotRead {
    fn new(path: &Path, source: std::io::Error) -> Self {
        Self { path: path.display().to_string(), source }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write `{path}`")]
struct CannotWrite {
    path: String,
    #[source]
    source: std::io::Error,
}

impl CannotWrite {
    fn new(path: &Path, source: std::io::Error) -> Self {
        Self { path: path.display().to_string(), source }
    }
}

fn list(suites: &[Suite], as_json: bool) -> String {
    let cases = suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
    if as_json {
        let names: Vec<Value> = cases
            .map(|(suite, case)| {
                json!({ "file": suite.map.file, "line": case.line, "name": case.name, "description": case.description })
            })
            .collect();
        return format!("{:#}\n", json!(names));
    }
    cases.map(|(suite, case)| format!("{}:{}: {}\n", suite.map.file, case.line, case.name)).collect()
}

// ---- What came of them -----------------------------------------------------------------------------------------------

struct TestResult<'a> {
    suite: &'a Suite,
    case: &'a Case,
    outcome: Outcome,
}

impl TestResult<'_> {
    fn passed(&self) -> bool {
        self.outcome.mismatches.is_empty()
    }

    fn details(&self) -> String {
        let map = &self.suite.map;
        failure_text(self.case, &self.outcome.mismatches, &self.outcome.record, &map.file, &map.text)
    }

    fn junit(&self) -> JunitCase {
        let failure = self.outcome.mismatches.first().map(|first| (mismatch_line(first), self.details()));
        JunitCase { suite: self.suite.map.file.clone(), name: self.case.name.clone(), failure }
    }

    fn json(&self) -> Value {
        json!({
            "file": self.suite.map.file,
            "line": self.case.line,
            "name": self.case.name,
            "description": self.case.description,
            "seed": self.case.seed,
            "passed": self.passed(),
            "failures": self.outcome.mismatches.iter().map(mismatch_json).collect::<Vec<_>>(),
            "events": if self.passed() { Vec::new() } else { self.events() },
        })
    }

    /// All that happened, for whoever looks into a failure with a program.
    fn events(&self) -> Vec<Value> {
        let told = self.outcome.record.events.iter().filter_map(|event| {
            let secs = event.at.since(self.case.start).as_secs();
            Some(json!({ "at_secs": secs, "what": event_text(&event.what)? }))
        });
        told.collect()
    }
}

fn mismatch_json(mismatch: &Mismatch) -> Value {
    let evidence = mismatch.evidence.iter().map(|evidence| {
        let points = evidence.datapoints.iter().map(|(at, value)| json!({ "at_secs": at.as_secs(), "value": value }));
        json!({
            "alarm": evidence.alarm,
            "rule": evidence.rule,
            "state": evidence.state,
            "since_secs": evidence.since.as_secs(),
            "reason": evidence.reason,
            "datapoints": points.collect::<Vec<_>>(),
        })
    });
    let counted =
        mismatch.counted.iter().map(|(at, what)| json!({ "at_secs": at.as_secs(), "what": event_text(what) }));
    json!({
        "at_secs": mismatch.at.as_secs(),
        "counted": counted.collect::<Vec<_>>(),
        "what": mismatch.subject.to_string(),
        "expected": mismatch.wanted.to_string(),
        "found": mismatch.found.to_string(),
        "line": mismatch.place.map(|place| place.line),
        "column": mismatch.place.map(|place| place.column),
        "alarms": evidence.collect::<Vec<_>>(),
    })
}

fn json_of(results: &[TestResult<'_>]) -> Value {
    let passed = results.iter().filter(|result| result.passed()).count();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "passed": passed,
        "failed": results.len() - passed,
        "tests": results.iter().map(TestResult::json).collect::<Vec<_>>(),
    })
}

fn text_of(results: &[TestResult<'_>]) -> String {
    let mut text = String::new();
    let mut file = "";
    for result in results {
        if result.suite.map.file != file {
            file = &result.suite.map.file;
            text.push_str(&format!("{file}\n"));
        }
        let word = if result.passed() { "ok  " } else { "FAIL" };
        text.push_str(&format!("{word} {}\n", result.case.name));
        if !result.passed() {
            if let Some(description) = &result.case.description {
                text.push_str(&format!("  {description}\n"));
            }
            text.push_str(&result.details());
        }
    }
    let passed = results.iter().filter(|result| result.passed()).count();
    let tests = if results.len() == 1 { "test" } else { "tests" };
    text.push_str(&match results.len() - passed {
        0 => format!("\n{passed} {tests} passed\n"),
        failed => format!("\n{failed} of {} {tests} failed\n", results.len()),
    });
    text
}
