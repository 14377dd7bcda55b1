//! A [`Stack`] as plain, hand-readable Terraform: file names to texts, from embedded templates, the same bytes each
//! time. Start at [`render_stack`].
//!
//! Decisions are made in `model` and in `view`; a template loops and substitutes. Every value passes the `hcl`
//! filter; one that does not is refused. In a template, a line with nothing but a `{% %}` tag leaves no line behind.

mod address;
mod hcl;
mod ownership;
#[cfg(test)]
mod tests;
mod tidy;
mod view;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tera::{Context, Tera};

pub use address::{address_at, spec_line_for, spec_path_for};
pub use hcl::quoted;
pub use ownership::{FilePlan, Ownership, generated_by_us, plan_files};

use crate::model::Stack;
use view::View;

/// The name of the file that user data is written to, beside the terraform files.
pub const USER_DATA_FILE: &str = "user-data.sh";

/// What is rendered besides the stack itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenderOptions {
    /// An endpoint that stands in for AWS (sandbox, LocalStack); credentials are never written.
    pub endpoint: Option<String>,
    /// Instead of the spec's region.
    pub region: Option<String>,
    /// Write `skip_get_ec2_platforms`, which providers before 4.0 need for a fast start and later ones refuse.
    pub skip_ec2_platforms: bool,
}

/// Why a stack could not be rendered: always a template, since the stack has been checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    #[error("cannot use the templates")]
    Templates(#[source] tera::Error),
    #[error("cannot render `{template}`")]
    Template {
        template: String,
        #[source]
        source: tera::Error,
    },
    #[error("`{file}` is not valid HCL after rendering")]
    NotHcl {
        file: String,
        #[source]
        source: Box<hcl_edit::parser::Error>,
    },
}

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        /// The embedded templates: file name and text.
        pub const TEMPLATES: &[(&str, &str)] = &[$((concat!($name, ".tf.tera"), include_str!(concat!("../../templates/", $name, ".tf.tera")))),*];
    };
}
templates!["versions", "provider", "network", "security", "launch", "group", "scaling", "schedules", "outputs"];

/// Templates, compiled once and good for any number of stacks.
pub struct Renderer {
    tera: Tera,
    /// `network.tf.tera` and so on, in order.
    names: Vec<String>,
    /// Whether templates of the user's are among them, whose output has to be checked.
    own_templates: bool,
}

impl Renderer {
    /// Compiles the embedded templates, each replaced by one of the same name in `overrides`; others are added.
    ///
    /// # Errors
    /// [`RenderError::Templates`] with the place of the mistake.
    pub fn new(overrides: &BTreeMap<String, String>) -> Result<Self, RenderError> {
        let mut sources: BTreeMap<&str, &str> = TEMPLATES.iter().copied().collect();
        sources.extend(overrides.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let mut tera = Tera::new();
        tera.autoescape_on(vec![".tf.tera"]);
        tera.set_escape_fn(hcl::refuse_bare);
        tera.register_filter("hcl", hcl::hcl_filter);
        tera.register_filter("label", hcl::label_filter);
        tera.register_filter("number", hcl::number_filter);
        let names = sources.keys().map(|name| (*name).to_owned()).collect();
        let sources: Vec<(&str, String)> =
            sources.into_iter().map(|(name, text)| (name, without_tag_lines(text))).collect();
        tera.add_raw_templates(sources).map_err(RenderError::Templates)?;
        Ok(Self { tera, names, own_templates: !overrides.is_empty() })
    }

    /// Renders every file of a stack: name to text. A template that comes out empty makes no file.
    ///
    /// # Errors
    /// A template that uses a name that is not there, or whose result is not HCL.
    pub fn render(&self, stack: &Stack, options: &RenderOptions) -> Result<BTreeMap<String, String>, RenderError> {
        let context = Context::from_serialize(&View::new(stack, options)).map_err(RenderError::Templates)?;
        let mut files = BTreeMap::new();
        for template in &self.names {
            let text = self.tera.render(template, &context);
            let text = text.map_err(|source| RenderError::Template { template: template.clone(), source })?;
            let body = tidy::tidy(&text);
            if body.trim().is_empty() {
                continue;
            }
            let file = template.trim_end_matches(".tera").to_owned();
            if self.own_templates {
                check_hcl(&file, &body)?;
            }
            let script =
                stack.launch.user_data.as_deref().filter(|_| file == "launch.tf").map(|text| (USER_DATA_FILE, text));
            files.insert(file, ownership::sign(&body, script));
        }
        if let Some(script) = &stack.launch.user_data {
            files.insert(USER_DATA_FILE.to_owned(), script.clone());
        }
        Ok(files)
    }
}

/// Renders a stack with the embedded templates.
///
/// # Errors
/// None that a user can cause: the embedded templates are tested.
pub fn render_stack(stack: &Stack, options: &RenderOptions) -> Result<BTreeMap<String, String>, RenderError> {
    static EMBEDDED: OnceLock<Renderer> = OnceLock::new();
    let renderer = match EMBEDDED.get() {
        Some(renderer) => renderer,
        None => {
            let renderer = Renderer::new(&BTreeMap::new())?;
            EMBEDDED.get_or_init(|| renderer)
        }
    };
    renderer.render(stack, options)
}

/// Checks that a text parses as HCL.
///
/// # Errors
/// [`RenderError::NotHcl`] with the place in the file.
pub fn check_hcl(file: &str, text: &str) -> Result<(), RenderError> {
    let not_hcl = |source| RenderError::NotHcl { file: file.to_owned(), source: Box::new(source) };
    hcl_edit::parser::parse_body(text).map(drop).map_err(not_hcl)
}

/// Takes the line end from lines that hold one tag and nothing else, so that templates can be indented and readable.
fn without_tag_lines(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    for line in template.split_inclusive('\n') {
        let bare = line.trim();
        let tag =
            bare.starts_with("{%") && bare.ends_with("%}") && bare.matches("{%").count() == 1 && !bare.contains("{{");
        let comment = bare.starts_with("{#") && bare.ends_with("#}");
        out.push_str(if tag || comment { bare } else { line });
    }
    out
}
