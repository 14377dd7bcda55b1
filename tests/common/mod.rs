//! What the tests of the whole share: an endpoint to call, a folder with the course example, the built program in it.
//!
//! A test that cannot run here says so with [`skip`]; a test that runs but must leave something out says so with
//! [`leave_out`]. `./test` counts both and prints the reasons, so that nothing passes silently.
//! Start at [`Endpoint`] and [`Workplace`].
#![allow(dead_code, reason = "each test program compiles its own copy and uses a part")]

pub mod container;
pub mod course;

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scaleproof::clock::{Clock, SystemClock};
use serde_json::Value;

pub const REGION: &str = "ap-northeast-2";

/// A line per thing that did not run: read by `./test`.
const SKIPS: &str = "SCALEPROOF_SKIPS";

/// Says that this test did not run, and why.
pub fn skip(test: &str, why: impl fmt::Display) {
    report("whole", test, &why.to_string());
}

/// Says that a step of this test did not run, and why.
pub fn leave_out(step: &str, why: impl fmt::Display) {
    report("part", step, &why.to_string());
}

fn report(kind: &str, name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    let Some(file) = std::env::var_os(SKIPS) else { return };
    let line = format!("{kind}\t{name}\t{}\n", why.replace(['\n', '\t'], " "));
    let written =
        std::fs::OpenOptions::new().append(true).open(&file).and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("cannot write the skip to {}: {error}", file.display()));
}

/// Somewhere to call. Dropping it ends what was started for it.
pub struct Endpoint {
    pub url: String,
    /// `sandbox`, or the image that was started.
    pub name: String,
    _guard: Box<dyn std::any::Any>,
}

impl Endpoint {
    pub fn new(name: impl Into<String>, url: impl Into<String>, guard: impl std::any::Any) -> Self {
        Self { name: name.into(), url: url.into(), _guard: Box::new(guard) }
    }

    /// A sandbox of its own, at sixty times real time, on a free port.
    pub fn sandbox() -> Self {
        let mut process = Process::start(Command::new(program()).args(["sandbox", "--port", "0", "--clock", "60x"]));
        let line = process.first_line();
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .unwrap_or_else(|| panic!("the sandbox's first line names no URL: {line}"));
        let endpoint = Self::new("sandbox", url.to_string(), process);
        endpoint.make_key_pair("my-key");
        endpoint
    }

    /// The pair that the examples take for there. Over the wire, because the sandbox is a process of its own.
    fn make_key_pair(&self, name: &str) {
        let form = format!("Action=CreateKeyPair&Version=2016-11-15&KeyName={name}&KeyType=ed25519");
        let scope = format!("Credential=test/20270101/{REGION}/ec2/aws4_request");
        let more = format!(
            "Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        );
        self.send("POST", "/", &more, &form);
    }

    /// `GET PATH` as JSON.
    pub fn get(&self, path: &str) -> Value {
        let body = self.send("GET", path, "", "");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("GET {path} is not JSON ({error}): {body}"))
    }

    /// The body of the answer; `headers` end with a line break each.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let host = self.url.strip_prefix("http://").expect("a URL of http");
        let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("cannot reach {host}: {error}"));
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n{body}")
            .expect("a request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer is read");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not an HTTP answer: {answer}"));
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        body.to_string()
    }
}

/// A program that runs until it is dropped.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// Waits for the first line and leaves somebody to read the rest, so that the program never blocks on its output.
    fn first_line(&mut self) -> String {
        let mut output = BufReader::new(self.0.stdout.take().expect("standard output is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the program writes text");
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        line
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One version of HashiCorp's AWS provider on this machine, and a terraform to run it.
#[derive(Debug, Clone)]
pub struct Provider {
    pub version: String,
    config: PathBuf,
    terraform: PathBuf,
}

impl Provider {
    /// The version that the set-up pins.
    pub const PINNED: &str = "3.39.0";

    /// All that the set-up found, oldest first, run by the first terraform.
    pub fn all() -> Result<Vec<Self>, String> {
        let folder = tools().join("providers");
        let terraform = terraform().ok_or("no terraform; run scripts/setup")?;
        let mut found: Vec<Self> = std::fs::read_dir(&folder)
            .map_err(|_| "no AWS provider; run scripts/setup")?
            .flatten()
            .map(|entry| Self {
                version: entry.file_name().to_string_lossy().into_owned(),
                config: entry.path().join("terraformrc"),
                terraform: terraform.clone(),
            })
            .filter(|provider| provider.config.exists())
            .collect();
        found.sort_by_key(|provider| semver::Version::parse(&provider.version).ok());
        if found.is_empty() { Err("no AWS provider; run scripts/setup".into()) } else { Ok(found) }
    }

    pub fn pinned() -> Result<Self, String> {
        let all = Self::all()?;
        let pinned = all.into_iter().find(|provider| provider.version == Self::PINNED);
        pinned.ok_or_else(|| format!("AWS provider {} is not on this machine; run scripts/setup", Self::PINNED))
    }

    /// All but the pinned one.
    pub fn others() -> Result<Vec<Self>, String> {
        Ok(Self::all()?.into_iter().filter(|provider| provider.version != Self::PINNED).collect())
    }

    /// The same provider under the terraform that the set-up fetched, if that is another one.
    pub fn under_second_terraform(&self) -> Result<Self, String> {
        let second = tools().join("bin/terraform");
        match second.exists() {
            true if second != self.terraform => Ok(Self { terraform: second, ..self.clone() }),
            true => Err("the fetched terraform is the only one here".into()),
            false => Err("no second terraform; run scripts/setup --second-terraform".into()),
        }
    }
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools")
}

fn terraform() -> Option<PathBuf> {
    let wanted = std::env::var_os("SCALEPROOF_TERRAFORM").map(PathBuf::from);
    let binary = scaleproof::terraform::Binary::find(wanted.as_deref(), std::env::var_os("PATH")).ok();
    let fetched = tools().join("bin/terraform");
    binary.map(|binary| binary.path().to_path_buf()).or_else(|| fetched.exists().then_some(fetched))
}

/// The program under test.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_scaleproof")
}

/// A folder of its own with the course example in it. Its name has a space and Korean letters on purpose.
pub struct Workplace {
    _keep: tempfile::TempDir,
    pub dir: PathBuf,
    provider: Provider,
    endpoint: String,
}

impl Workplace {
    pub fn new(endpoint: &Endpoint, provider: &Provider) -> Self {
        let keep = tempfile::Builder::new().prefix("scaleproof-").tempdir().expect("a temporary folder");
        let dir = keep.path().join("my 서비스");
        std::fs::create_dir(&dir).expect("a folder");
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        for file in ["course.yaml", "user-data.sh"] {
            std::fs::copy(examples.join(file), dir.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        Self { _keep: keep, dir, provider: provider.clone(), endpoint: endpoint.url.clone() }
    }

    /// Puts another example beside the course.
    pub fn take(&self, example: &str) {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        std::fs::copy(examples.join(example), self.dir.join(example))
            .unwrap_or_else(|error| panic!("{example}: {error}"));
    }

    /// Changes the spec: `from` must be in it.
    pub fn edit(&self, from: &str, to: &str) {
        self.edit_file("course.yaml", from, to);
    }

    /// The same for another example that was taken.
    pub fn edit_file(&self, name: &str, from: &str, to: &str) {
        let file = self.dir.join(name);
        let text = std::fs::read_to_string(&file).expect("the spec is there");
        assert!(text.contains(from), "{name} has no `{from}`");
        std::fs::write(&file, text.replace(from, to)).expect("the spec is written");
    }

    /// Runs `scaleproof` here, as a user who has evaluated `scaleproof sandbox env` would.
    pub fn scaleproof(&self, args: &[&str]) -> Run {
        self.run(program(), args)
    }

    /// Runs terraform in `dir`, which is relative to this folder.
    pub fn terraform(&self, dir: &str, args: &[&str]) -> Run {
        let chdir = format!("-chdir={dir}");
        let args: Vec<&str> = std::iter::once(chdir.as_str()).chain(args.iter().copied()).collect();
        self.run(&self.provider.terraform, &args)
    }

    /// The folder under `.scaleproof` in which scaleproof runs terraform, relative to this one.
    pub fn terraform_dir(&self) -> String {
        let mut folders = vec![self.dir.join(".scaleproof")];
        while let Some(folder) = folders.pop() {
            if folder.join(".terraform.lock.hcl").exists() {
                return folder.strip_prefix(&self.dir).expect("it is inside").display().to_string();
            }
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            folders.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        panic!("terraform was not initialised anywhere under {}", self.dir.join(".scaleproof").display());
    }

    pub fn run(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Run {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.dir).stdin(Stdio::null());
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN");
        let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        Run {
            what: format!("{} {}", Path::new(command.get_program()).display(), args.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn environment(&self) -> [(&'static str, String); 8] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", REGION.into()),
            ("AWS_DEFAULT_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ("SCALEPROOF_TERRAFORM", self.provider.terraform.display().to_string()),
            ("TF_CLI_CONFIG_FILE", self.provider.config.display().to_string()),
            ("CHECKPOINT_DISABLE", "1".into()),
        ]
    }
}

/// What a program did.
pub struct Run {
    what: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Insists on an exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let Self { what, code: found, stdout, stderr } = &self;
        assert!(*found == Some(code), "{what}: exit {found:?}, expected {code}\n{stdout}\n{stderr}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{} did not print JSON ({error}): {}", self.what, self.stdout))
    }
}

/// Asks `probe` until it answers, for at most `patience`. The one way to wait: on timeout it shows what was last seen.
pub async fn eventually<T, S: fmt::Debug>(
    what: &str,
    patience: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, S>,
) -> T {
    const PAUSE: Duration = Duration::from_millis(100);
    let deadline = SystemClock.now() + patience;
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(seen) if SystemClock.now() >= deadline => {
                panic!("{what}: not within {patience:?}; last seen: {seen:?}")
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
