//! The spec as every command gets it: read, checked, with the files that it names. Start at [`load`].

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Exit, Failure};
use crate::expect::build_cases;
use crate::model::{Files, Stack, build_stack, lint_stack};
use crate::simulate::lints::lint_machines;
use crate::spec::{Problem, Severity, Spec, SpecMap, parse_spec, tree::MAX_BYTES};

/// A spec without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub spec: Spec,
    pub stack: Stack,
    pub warnings: Vec<Problem>,
    pub map: SpecMap,
    /// The spec's folder: other files are relative to it, and terraform's working folder stands beside it.
    pub dir: PathBuf,
}

/// What checking a spec found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Present when there are no errors.
    pub good: Option<(Spec, Stack)>,
    pub problems: Vec<Problem>,
    pub map: SpecMap,
    pub dir: PathBuf,
}

/// Loads a spec that must be right; `-` is standard input.
///
/// # Errors
/// Exit 2 with every problem, warnings too, when there is an error among them.
pub fn load(path: &Path) -> Result<Loaded, Failure> {
    let Checked { good, problems, map, dir } = check(path)?;
    match good {
        Some((spec, stack)) => Ok(Loaded { spec, stack, warnings: problems, map, dir }),
        None => Err(refusal(problems, map)),
    }
}

/// A spec's problems as a failure.
pub fn refusal(problems: Vec<Problem>, map: SpecMap) -> Failure {
    Failure::new(Exit::Usage, SpecProblems::sorted(problems, map))
}

/// Checks a spec; `-` is standard input.
///
/// # Errors
/// When the file cannot be read at all.
pub fn check(path: &Path) -> Result<Checked, Failure> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let bytes =
        read_bounded(path).map_err(|source| Failure::new(Exit::Usage, CannotRead { name: name.clone(), source }))?;
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    };
    let parsed = parse_spec(&name, &bytes);
    let (mut problems, map) = (parsed.problems, parsed.map);
    let mut stack = None;
    if let Some(spec) = &parsed.spec {
        match build_stack(spec, &map, &read_files(spec, &dir)) {
            Ok(built) => {
                // An alarm that could not be read is missing from the stack, and would make its policies look unused.
                if problems.is_empty() {
                    problems = lint_stack(&built, &map);
                    problems.extend(lint_machines(&built, &map));
                    problems
                        .extend(spec.tests.iter().filter_map(|tests| build_cases(tests, &built, &map).err()).flatten());
                }
                stack = Some(built);
            }
            Err(broken) => problems.extend(broken),
        }
    }
    problems.sort_by_key(|p| p.place);
    let wrong = problems.iter().any(|p| p.severity() == Severity::Error);
    let good = parsed.spec.zip(stack).filter(|_| !wrong);
    Ok(Checked { good, problems, map, dir })
}

/// Reads a little more than is allowed at most, so that a device or a wrong file cannot fill the memory.
pub fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The texts of the files that a spec names.
pub fn read_files(spec: &Spec, dir: &Path) -> Files {
    let read = |file: &str| match read_bounded(&dir.join(file)) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()),
        Err(error) => Err(format!("{} cannot be read: {error}", dir.join(file).display())),
    };
    spec.files().into_iter().map(|(path, file)| (path.to_owned(), read(file))).collect()
}

/// Shows warnings on standard error, each as `validate` does.
pub fn print_warnings(warnings: &[Problem], map: &SpecMap) {
    for warning in warnings {
        anstream::eprint!("{}", warning.to_text(&map.file, &map.text));
    }
}

/// `2 errors, 1 warning`.
pub fn count_problems(problems: &[Problem]) -> String {
    let count = |severity, word: &str| {
        let count = problems.iter().filter(|p| p.severity() == severity).count();
        (count > 0).then(|| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
    };
    let parts: Vec<String> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}

/// All problems of a spec, as one error.
#[derive(Debug)]
pub struct SpecProblems {
    pub problems: Vec<Problem>,
    pub map: SpecMap,
}

impl SpecProblems {
    /// Errors first, each severity in the order of the file.
    pub fn sorted(mut problems: Vec<Problem>, map: SpecMap) -> Self {
        problems.sort_by_key(|p| (p.severity(), p.place));
        Self { problems, map }
    }
}

impl fmt::Display for SpecProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: String = self.problems.iter().map(|p| p.to_text(&self.map.file, &self.map.text)).collect();
        // The printer of failures starts with `error: `, as the first problem does: errors are sorted first.
        f.write_str(texts.strip_prefix("error: ").unwrap_or(&texts))?;
        write!(f, "{} in {}; nothing was touched", count_problems(&self.problems), self.map.file)
    }
}

impl Error for SpecProblems {}

#[derive(Debug, thiserror::Error)]
#[error("cannot read the spec `{name}`")]
struct CannotRead {
    name: String,
    #[source]
    source: io::Error,
}
