//! `doctor`: what this machine and this endpoint can do, and how to get what is missing.
//!
//! It changes nothing and asks only questions that AWS answers for free. Each part looks at one thing and returns
//! [`Finding`]s; the only decision made here is the exit code.

mod container;
mod endpoint;
mod terraform;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Exit, Failure};

/// Check what this machine and this endpoint can do
#[derive(Debug, Args)]
pub struct Doctor {
    /// Region to ask in
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// Endpoint to ask instead of AWS, such as a sandbox
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    endpoint: Option<String>,
    /// The terraform or tofu program to use
    #[arg(long, env = "SCALEPROOF_TERRAFORM", value_name = "PROGRAM")]
    terraform_bin: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// The three answers to every question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Met,
    NotMet,
    CouldNotTell,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::CouldNotTell => "could not tell",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub check: String,
    pub verdict: Verdict,
    /// What was seen.
    pub found: String,
    /// How to get further, where something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Whether provisioning and proving need it; the rest is said for information.
    pub needed: bool,
}

impl Finding {
    pub fn new(check: impl Into<String>, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { check: check.into(), verdict, found: found.into(), remedy: None, needed: true }
    }

    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    #[must_use]
    pub fn optional(mut self) -> Self {
        self.needed = false;
        self
    }
}

pub async fn run(args: &Doctor) -> Result<Exit, Failure> {
    let mut findings = terraform::look(args.terraform_bin.as_deref()).await;
    findings.extend(endpoint::look(&args.region, args.endpoint.as_deref()).await);
    findings.push(container::look().await);
    if args.json {
        let text = serde_json::to_string_pretty(&findings).map_err(|error| Failure::new(Exit::Bug, error))?;
        anstream::println!("{text}");
    } else {
        anstream::print!("{}", as_text(&findings));
    }
    Ok(judge(&findings))
}

/// Done when all that is needed is there; a miss weighs more than a doubt.
fn judge(findings: &[Finding]) -> Exit {
    let needed = |verdict| findings.iter().any(|finding| finding.needed && finding.verdict == verdict);
    if needed(Verdict::NotMet) {
        Exit::NotMet
    } else if needed(Verdict::CouldNotTell) {
        Exit::Inconclusive
    } else {
        Exit::Done
    }
}

fn as_text(findings: &[Finding]) -> String {
    let widest = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let mut text = String::new();
    for finding in findings {
        let (check, verdict) = (&finding.check, finding.verdict.word());
        text.push_str(&format!("{check:widest$}  {verdict:14}  {}\n", finding.found));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("{:widest$}  {:14}  -> {remedy}\n", "", ""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_decides_the_exit_code() {
        let met = Finding::new("terraform", Verdict::Met, "1.11.4");
        let doubt = Finding::new("provider", Verdict::CouldNotTell, "no mirror");
        let miss = Finding::new("container-engine", Verdict::NotMet, "no socket");
        assert_eq!(judge(&[met.clone(), miss.clone().optional()]), Exit::Done);
        assert_eq!(judge(&[met.clone(), doubt.clone()]), Exit::Inconclusive);
        assert_eq!(judge(&[met, doubt, miss]), Exit::NotMet);
    }

    #[test]
    fn a_remedy_stands_under_what_it_remedies() {
        let findings = [
            Finding::new("terraform", Verdict::NotMet, "not on PATH").remedy("install it"),
            Finding::new("sns", Verdict::Met, "served"),
        ];
        assert_eq!(
            as_text(&findings),
            "terraform  not met         not on PATH\n                           -> install it\nsns        met             served\n"
        );
    }
}
