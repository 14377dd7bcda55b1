//! The stages that `plan`, `provision` and `destroy` string together: render, terraform, wire. Start at [`Stages`].

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use clap::Args;

use super::connection::{aws_failure, connect, state_dir};
use super::interrupt::until_interrupted;
use super::progress::ProgressLine;
use super::rendered_files::write_files;
use super::spec_file::{self, Loaded, print_warnings};
use super::{Exit, Failure};
use crate::aws::{Clients, StaticCredentials};
use crate::render::{RenderOptions, address_at, render_stack, spec_line_for};
use crate::terraform::{Binary, Diagnostic, Interrupt, Plan, RunError, Terraform};
use crate::wire;

const AWS_PROVIDER: &str = "registry.terraform.io/hashicorp/aws";
/// From this major version on, the provider refuses `skip_get_ec2_platforms`; before it, a start without it takes 20 s.
const NO_PLATFORMS_SINCE: u64 = 4;

/// What every command that runs terraform is told.
#[derive(Debug, Args)]
pub struct StackArgs {
    /// Spec file
    pub spec: PathBuf,
    /// Endpoint to call instead of AWS, such as a sandbox
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    pub endpoint: Option<String>,
    /// The terraform or tofu program to use
    #[arg(long, env = "SCALEPROOF_TERRAFORM", value_name = "PROGRAM")]
    pub terraform_bin: Option<PathBuf>,
    /// Overwrite rendered files that were edited by hand
    #[arg(long)]
    pub force: bool,
}

/// One stack on its way, with a progress line.
pub struct Stages {
    pub loaded: Loaded,
    pub progress: ProgressLine,
    pub interrupt: Interrupt,
    terraform: Terraform,
    endpoint: Option<String>,
    credentials: Option<StaticCredentials>,
    force: bool,
}

impl Stages {
    /// Loads the spec and finds terraform. `credentials` are for an endpoint that we started ourselves.
    ///
    /// # Errors
    /// Exit 2 for a wrong spec or flag; exit 3 where there is no terraform.
    pub fn open(
        args: &StackArgs,
        credentials: Option<StaticCredentials>,
        interrupt: Interrupt,
    ) -> Result<Self, Failure> {
        let loaded = spec_file::load(&args.spec)?;
        print_warnings(&loaded.warnings, &loaded.map);
        let binary = Binary::find(args.terraform_bin.as_deref(), std::env::var_os("PATH")).map_err(|error| {
            Failure::new(Exit::Terraform, error)
                .hint("install Terraform 1.5 or later or OpenTofu, or name the program with --terraform-bin")
        })?;
        let mut env = BTreeMap::new();
        if let Some(keys) = &credentials {
            env.insert("AWS_ACCESS_KEY_ID".to_string(), keys.access_key_id.clone());
            env.insert("AWS_SECRET_ACCESS_KEY".to_string(), keys.secret_access_key.clone());
        }
        let dir = state_dir(&loaded, args.endpoint.as_deref()).join("terraform");
        let terraform = Terraform::new(binary, dir, env, interrupt.clone());
        let (progress, endpoint) = (ProgressLine::new(), args.endpoint.clone());
        Ok(Self { loaded, progress, interrupt, terraform, endpoint, credentials, force: args.force })
    }

    /// Where state and journal of this stack on this endpoint live.
    pub fn state_dir(&self) -> PathBuf {
        state_dir(&self.loaded, self.endpoint.as_deref())
    }

    /// Render, init, plan to a file.
    ///
    /// # Errors
    /// What rendering or terraform says.
    pub async fn plan(&mut self, destroy: bool) -> Result<Plan, Failure> {
        self.progress.stage("render");
        let locked = self.terraform.dir().join(".terraform.lock.hcl").exists();
        let mut provider = if locked { self.provider_version().await? } else { None };
        self.render(provider)?;
        self.progress.stage("terraform init");
        let Self { terraform, progress, .. } = self;
        let initialised = terraform.init(&mut |seen| progress.terraform(&seen)).await;
        initialised.map_err(|error| self.failure("initialise", error))?;
        let selected = self.provider_version().await?;
        if selected != provider {
            provider = selected;
            self.render(provider)?;
        }
        self.progress.stage("terraform plan");
        let Self { terraform, progress, .. } = self;
        let planned = terraform.plan(destroy, &mut |seen| progress.terraform(&seen)).await;
        planned.map_err(|error| self.failure("plan", error))
    }

    /// Applies the saved plan.
    ///
    /// # Errors
    /// What terraform says; state is kept, and a second run goes on from there.
    pub async fn apply(&mut self) -> Result<(), Failure> {
        self.progress.stage("terraform apply");
        let Self { terraform, progress, .. } = self;
        let applied = terraform.apply(&mut |seen| progress.terraform(&seen)).await;
        applied.map_err(|error| {
            self.failure("apply", error).hint("what was made is in the state; a second run goes on from there")
        })
    }

    /// Removes the saved plan of a run that stops at planning.
    pub fn forget_plan(&self) {
        self.terraform.forget_plan();
    }

    /// Clients for the endpoint that terraform was pointed at.
    ///
    /// # Errors
    /// As [`connect`].
    pub async fn clients(&self) -> Result<Clients, Failure> {
        connect(&self.loaded.stack, self.endpoint.clone(), self.credentials.clone()).await
    }

    /// Compares the alerting with what is there.
    ///
    /// # Errors
    /// Exit 4 with the call that failed.
    pub async fn plan_wire(&mut self, clients: &Clients) -> Result<wire::Plan, Failure> {
        self.progress.stage("alerting");
        self.progress.say("comparing");
        let stack = &self.loaded.stack;
        let found = wire::find(clients, stack);
        let found = async { found.await.map_err(|error| aws_failure("read the alerting of", stack, error)) };
        Ok(wire::plan(stack, &until_interrupted(&mut self.interrupt, found).await?))
    }

    /// Applies an alerting plan.
    ///
    /// # Errors
    /// Exit 4 with the change that failed.
    pub async fn wire(&mut self, clients: &Clients, plan: &wire::Plan) -> Result<wire::Applied, Failure> {
        self.progress.stage("alerting");
        let Self { progress, interrupt, .. } = self;
        let mut heard = |seen: wire::Progress| progress.say(&seen.to_string());
        let applied = wire::apply(clients, plan, &mut heard);
        until_interrupted(interrupt, async { applied.await.map_err(wire_failure) }).await
    }

    /// Removes the alerting.
    ///
    /// # Errors
    /// Exit 4 with the change that failed.
    pub async fn unwire(&mut self, clients: &Clients) -> Result<wire::Applied, Failure> {
        self.progress.stage("alerting");
        let Self { loaded, progress, interrupt, .. } = self;
        let mut heard = |seen: wire::Progress| progress.say(&seen.to_string());
        let removed = wire::unwire(clients, &loaded.stack, &mut heard);
        until_interrupted(interrupt, async { removed.await.map_err(wire_failure) }).await
    }

    /// The major version of the AWS provider that terraform selected.
    async fn provider_version(&mut self) -> Result<Option<u64>, Failure> {
        let (_, providers) = self.terraform.version().await.map_err(|error| self.failure("initialise", error))?;
        let version = providers.get(AWS_PROVIDER).and_then(|version| semver::Version::parse(version).ok());
        Ok(version.map(|version| version.major))
    }

    fn render(&mut self, provider: Option<u64>) -> Result<(), Failure> {
        let skip_ec2_platforms = self.endpoint.is_some() && provider.is_some_and(|major| major < NO_PLATFORMS_SINCE);
        let options = RenderOptions { endpoint: self.endpoint.clone(), region: None, skip_ec2_platforms };
        let files = render_stack(&self.loaded.stack, &options).map_err(|error| Failure::new(Exit::Bug, error))?;
        write_files(self.terraform.dir(), &files, self.force).map(drop)
    }

    /// Terraform's error as a chain, its diagnostics with the spec line that they come from.
    fn failure(&self, verb: &str, error: RunError) -> Failure {
        let exit = if matches!(error, RunError::Interrupted { .. }) { Exit::Interrupted } else { Exit::Terraform };
        let diagnostics = match &error {
            RunError::Exit { diagnostics, .. } => diagnostics.as_slice(),
            _ => &[],
        };
        let said: Vec<String> = diagnostics.iter().map(|found| self.diagnostic_line(found)).collect();
        let mut layers = vec![format!("cannot {verb} the stack `{}`", self.loaded.stack.name), error.to_string()];
        let mut cause = error.source();
        while let Some(layer) = cause {
            layers.push(layer.to_string());
            cause = layer.source();
        }
        if !said.is_empty() {
            layers.push(said.join("\n  "));
        }
        Failure::new(exit, Chain::new(layers))
    }

    fn diagnostic_line(&self, found: &Diagnostic) -> String {
        let place = found.range.as_ref().map(|range| (range.filename.as_str(), range.start.line as usize));
        let address = found.address.clone().or_else(|| {
            let (file, line) = place?;
            address_at(&std::fs::read_to_string(self.terraform.dir().join(file)).ok()?, line)
        });
        let spec_line = address.as_deref().and_then(|address| spec_line_for(&self.loaded.map, address));
        let spec = spec_line.map_or_else(String::new, |line| format!(" (line {line} of the spec)"));
        let at = place.map_or_else(String::new, |(file, line)| format!("{file}:{line}: "));
        let detail = if found.detail.is_empty() { String::new() } else { format!(": {}", found.detail) };
        format!("{at}{}{detail}{spec}", found.summary)
    }
}

pub fn wire_failure(error: wire::WireError) -> Failure {
    let hint = error.hint();
    let exit = if matches!(error, wire::WireError::NotOurs { .. }) { Exit::Usage } else { Exit::Aws };
    Failure::new(exit, error).hint_if_any(hint)
}

/// Layers of causes that were already put into words.
#[derive(Debug)]
struct Chain {
    text: String,
    next: Option<Box<Chain>>,
}

impl Chain {
    fn new(layers: Vec<String>) -> Self {
        let mut layers = layers.into_iter().rev();
        let last = Self { text: layers.next().unwrap_or_default(), next: None };
        layers.fold(last, |next, text| Self { text, next: Some(Box::new(next)) })
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Chain {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.next.as_deref().map(|next| next as &dyn Error)
    }
}
