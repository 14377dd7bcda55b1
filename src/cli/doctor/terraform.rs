//! Terraform or OpenTofu, its version, and the versions of the AWS provider that lie in local mirrors.
//! Not looked at: whether the public registry answers. Terraform asks it on `init` when no mirror has the provider.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use semver::Version;
use tokio::sync::watch;

use super::{Finding, Verdict};
use crate::terraform::{Binary, Terraform};

/// The oldest terraform that writes everything into its machine-readable interface that `provision` shows.
const OLDEST: Version = Version::new(1, 5, 0);
const INSTALL: &str = "install terraform 1.5 or newer: https://developer.hashicorp.com/terraform/install";
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";

pub(super) async fn look(wanted: Option<&Path>) -> Vec<Finding> {
    vec![command(wanted).await, provider()]
}

async fn command(wanted: Option<&Path>) -> Finding {
    let binary = match Binary::find(wanted, std::env::var_os("PATH")) {
        Ok(binary) => binary,
        Err(error) => return Finding::new("terraform", Verdict::NotMet, error.to_string()).remedy(INSTALL),
    };
    let program = binary.path().display().to_string();
    // `version` looks at the folder it runs in, which should be nobody's.
    let Ok(nowhere) = tempfile::tempdir() else {
        return Finding::new("terraform", Verdict::CouldNotTell, "cannot make a temporary folder");
    };
    let (_alive, interrupt) = watch::channel(0);
    match Terraform::new(binary, nowhere.path(), BTreeMap::new(), interrupt).version().await {
        Ok((version, _)) => judge_version(&program, &version),
        Err(error) => Finding::new("terraform", Verdict::CouldNotTell, format!("{program}: {error}")).remedy(INSTALL),
    }
}

fn judge_version(program: &str, version: &str) -> Finding {
    let found = format!("{program}, version {version}");
    match Version::parse(version) {
        Ok(version) if version >= OLDEST => Finding::new("terraform", Verdict::Met, found),
        Ok(_) => Finding::new("terraform", Verdict::NotMet, found).remedy(INSTALL),
        Err(_) => Finding::new("terraform", Verdict::CouldNotTell, found).remedy(INSTALL),
    }
}

fn provider() -> Finding {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let config = std::env::var_os("TF_CLI_CONFIG_FILE")
        .map(PathBuf::from)
        .or_else(|| home.as_ref().map(|home| home.join(".terraformrc")))
        .and_then(|file| std::fs::read_to_string(file).ok());
    let mirrors = match config.as_deref().map(configured_mirrors) {
        Some(mirrors) if !mirrors.is_empty() => mirrors,
        _ => implied_mirrors(home.as_deref()),
    };
    let versions: BTreeSet<Version> = mirrors.iter().flat_map(|mirror| versions_in(mirror)).collect();
    if versions.is_empty() {
        return Finding::new("aws-provider", Verdict::CouldNotTell, "in no local mirror: terraform fetches it on init")
            .optional();
    }
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    Finding::new("aws-provider", Verdict::Met, format!("{} in a local mirror", versions.join(", "))).optional()
}

/// The folders that a terraform configuration names (Terraform CLI configuration, "provider_installation").
fn configured_mirrors(config: &str) -> Vec<PathBuf> {
    let Ok(body) = hcl::parse(config) else { return Vec::new() };
    let installation = body.blocks().filter(|block| block.identifier() == "provider_installation");
    installation
        .flat_map(|block| block.body().blocks())
        .filter(|block| block.identifier() == "filesystem_mirror")
        .flat_map(|block| block.body().attributes())
        .filter(|attribute| attribute.key() == "path")
        .filter_map(|attribute| match attribute.expr() {
            hcl::Expression::String(path) => Some(PathBuf::from(path)),
            _ => None,
        })
        .collect()
}

/// Where terraform looks without being told ("Implied local mirror directories").
fn implied_mirrors(home: Option<&Path>) -> Vec<PathBuf> {
    let of_user = home.map(|home| home.join(".terraform.d/plugins"));
    let of_system = ["/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins"];
    of_user.into_iter().chain(of_system.iter().map(PathBuf::from)).collect()
}

/// The versions in a mirror, which holds zips, or one folder per version.
fn versions_in(mirror: &Path) -> Vec<Version> {
    let entries = std::fs::read_dir(mirror.join(PROVIDER)).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let packed = name.strip_prefix("terraform-provider-aws_").and_then(|rest| rest.split('_').next());
            Version::parse(packed.unwrap_or(&name)).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_read_out_of_the_configuration() {
        let config = r#"
            provider_installation {
              filesystem_mirror {
                path    = "/opt/one"
                include = ["registry.terraform.io/hashicorp/aws"]
              }
              filesystem_mirror { path = "/opt/two" }
              direct { exclude = ["registry.terraform.io/hashicorp/aws"] }
            }
        "#;
        assert_eq!(configured_mirrors(config), [PathBuf::from("/opt/one"), PathBuf::from("/opt/two")]);
        assert!(configured_mirrors("plugin_cache_dir = \"/tmp\"").is_empty());
    }

    #[test]
    fn a_mirror_holds_zips_or_folders() {
        let mirror = tempfile::tempdir().unwrap();
        let aws = mirror.path().join(PROVIDER);
        std::fs::create_dir_all(aws.join("5.100.0/linux_amd64")).unwrap();
        std::fs::write(aws.join("terraform-provider-aws_3.39.0_linux_amd64.zip"), "").unwrap();
        std::fs::write(aws.join("index.json"), "").unwrap();
        let mut versions = versions_in(mirror.path());
        versions.sort();
        assert_eq!(versions, [Version::new(3, 39, 0), Version::new(5, 100, 0)]);
    }

    #[test]
    fn an_old_terraform_is_not_enough() {
        for (version, verdict) in
            [("1.11.4", Verdict::Met), ("1.4.7", Verdict::NotMet), ("who knows", Verdict::CouldNotTell)]
        {
            assert_eq!(judge_version("terraform", version).verdict, verdict, "{version}");
        }
    }
}
