//! One line that says what is going on, on stderr: a spinner on a terminal, plain lines elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::terraform::{Progress, Severity, Step};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// The line. Dropping it clears it.
pub struct ProgressLine {
    bar: ProgressBar,
    plain: bool,
    stage: String,
    last: String,
}

impl ProgressLine {
    pub fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4}  {wide_msg}") {
            bar.set_style(style);
        }
        let plain = bar.is_hidden();
        if !plain {
            bar.enable_steady_tick(TICK);
        }
        Self { bar, plain, stage: String::new(), last: String::new() }
    }

    /// Begins a stage of the way, such as `terraform apply`.
    pub fn stage(&mut self, stage: &str) {
        self.stage = stage.to_string();
        self.show(stage.to_string());
    }

    /// Says what is going on inside the stage.
    pub fn say(&mut self, what: &str) {
        let line = if self.stage.is_empty() { what.to_string() } else { format!("{}: {what}", self.stage) };
        self.show(line);
    }

    /// Prints a line that stays.
    pub fn keep(&mut self, line: &str) {
        if self.plain {
            anstream::eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    pub fn terraform(&mut self, progress: &Progress) {
        match progress {
            Progress::Resource { address, verb, step: Step::Started } => self.say(&format!("{verb} {address}")),
            Progress::Resource { address, verb, step: Step::Waiting { elapsed_secs } } => {
                self.say(&format!("{verb} {address}, {elapsed_secs:.0} s so far"));
            }
            Progress::Resource { address, verb, step: Step::Done { elapsed_secs } } => {
                self.say(&format!("{verb} {address}, done in {elapsed_secs:.0} s"));
            }
            Progress::Resource { address, verb, step: Step::Failed } => self.keep(&format!("{verb} {address} failed")),
            Progress::Message(text) => {
                if let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty()) {
                    self.say(line);
                }
            }
            Progress::Diagnostic(found) if found.severity == Severity::Warning => {
                self.keep(&format!("warning: {}", found.summary));
            }
            Progress::Stopping => {
                self.keep("stopping: terraform finishes the calls that are under way; Ctrl-C once more kills it");
            }
            // Errors come back with the run's result and are printed once, with their place.
            Progress::Diagnostic(_) => {}
        }
    }

    /// Clears the line before something else is printed; the next stage draws it again.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Draws again after [`Self::finish`].
    fn wake(&self) {
        if self.bar.is_finished() {
            self.bar.reset();
            self.bar.enable_steady_tick(TICK);
        }
    }

    fn show(&mut self, line: String) {
        if line == self.last {
            return;
        }
        if self.plain {
            anstream::eprintln!("{line}");
        } else {
            self.wake();
            self.bar.set_message(line.clone());
        }
        self.last = line;
    }
}

impl Default for ProgressLine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.finish();
    }
}
