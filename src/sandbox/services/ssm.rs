//! SSM: the public parameters that name images, read from the catalogue that EC2 answers by. Left out: parameters of the
//! account's own, and public ones of anything but images.

use std::collections::BTreeMap;

use super::ec2::image_catalogue::{Architecture, PublicImage, public_images};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::Place;
use crate::sandbox::models::ssm as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const UBUNTU: &str = "/aws/service/canonical/ubuntu/server";
const AMAZON_LINUX: &str = "/aws/service/ami-amazon-linux-latest";
const PUBLIC: &str = "/aws/service/";
/// Of AWS: what GetParametersByPath gives at once, at most and when not told.
const PARAMETERS_PER_PAGE: i64 = 10;

/// Where a line of images begins its names, and under which parameter its newest one is found. Source: Canonical, "Find
/// Ubuntu images with SSM", and EC2 User Guide, "Reference the latest AMIs using Systems Manager public parameters".
const UBUNTU_LINES: [(&str, [&str; 2], &str); 3] = [
    ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-", ["24.04", "noble"], "ebs-gp3"),
    ("ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-", ["22.04", "jammy"], "ebs-gp2"),
    ("ubuntu/images/hvm-ssd/ubuntu-focal-20.04-", ["20.04", "focal"], "ebs-gp2"),
];
const AMAZON_LINES: [(&str, &[&str]); 7] = [
    ("al2023-ami-2023.", &["al2023-ami-kernel-default-{arch}", "al2023-ami-kernel-6.1-{arch}"]),
    ("al2023-ami-minimal-2023.", &["al2023-ami-minimal-kernel-default-{arch}", "al2023-ami-minimal-kernel-6.1-{arch}"]),
    ("amzn2-ami-hvm-2.0.", &["amzn2-ami-hvm-{arch}-gp2"]),
    ("amzn2-ami-minimal-hvm-2.0.", &["amzn2-ami-minimal-hvm-{arch}-ebs"]),
    ("amzn2-ami-kernel-5.10-hvm-", &["amzn2-ami-kernel-5.10-hvm-{arch}-gp2"]),
    ("amzn-ami-hvm-", &["amzn-ami-hvm-{arch}-gp2"]),
    ("amzn-ami-minimal-hvm-", &["amzn-ami-minimal-hvm-{arch}-ebs"]),
];

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    operations.on(
        "GetParameter",
        "Returns a public parameter that names an image of Ubuntu or Amazon Linux.",
        &["Name", "WithDecryption"],
        get_parameter,
    );
    operations.on(
        "GetParameters",
        "Returns public parameters of images and says which names are none.",
        &["Names", "WithDecryption"],
        get_parameters,
    );
    operations.on(
        "GetParametersByPath",
        "Lists public parameters of images below a path.",
        &["Path", "Recursive", "WithDecryption", "MaxResults", "NextToken"],
        get_parameters_by_path,
    );
    operations
}

/// An image under a parameter's name, and how many there were before it.
struct Found {
    image: PublicImage,
    version: i64,
}

/// Every public parameter of a region, by name.
fn catalogue(region: &str) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    for image in public_images(region) {
        for name in names(&image) {
            let version = found.get(&name).map_or(1, |before: &Found| before.version + 1);
            let newer = |before: &Found| before.image.creation_date < image.creation_date;
            if found.get(&name).is_none_or(newer) {
                found.insert(name, Found { image: image.clone(), version });
            }
        }
    }
    found
}

fn names(image: &PublicImage) -> Vec<String> {
    if let Some((_, releases, volume)) = UBUNTU_LINES.iter().find(|(start, ..)| image.name.starts_with(start)) {
        let arch = match image.architecture {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        };
        let serial = image.name.rsplit('-').next().unwrap_or_default();
        let of = |release: &&str| {
            ["current", serial].map(|which| format!("{UBUNTU}/{release}/stable/{which}/{arch}/hvm/{volume}/ami-id"))
        };
        return releases.iter().flat_map(of).collect();
    }
    let line = AMAZON_LINES.iter().find(|(start, _)| image.name.starts_with(start));
    let of = |name: &&str| format!("{AMAZON_LINUX}/{}", name.replace("{arch}", image.architecture.ec2()));
    line.map_or_else(Vec::new, |(_, names)| names.iter().map(of).collect())
}

fn shown(place: &Place, name: &str, found: &Found) -> model::Parameter {
    model::Parameter {
        name: Some(name.to_string()),
        r#type: Some("String".into()),
        value: Some(found.image.id.clone()),
        version: Some(found.version),
        last_modified_date: Timestamp::parse(&found.image.creation_date),
        // A public parameter belongs to no account.
        arn: Some(format!("arn:{}:ssm:{}::parameter{name}", place.partition, place.region)),
        data_type: Some("aws:ec2:image".into()),
        ..Default::default()
    }
}

fn get_parameter(
    region: &mut Region,
    _: &Call,
    input: model::GetParameterInput,
) -> Result<model::GetParameterOutput, Refusal> {
    let (place, name) = (&region.world.place, input.name.unwrap_or_default());
    match catalogue(&place.region).get(&name) {
        Some(found) => Ok(model::GetParameterOutput { parameter: Some(shown(place, &name, found)) }),
        None => Err(Refusal::new("ParameterNotFound", 400, "")),
    }
}

fn get_parameters(
    region: &mut Region,
    _: &Call,
    input: model::GetParametersInput,
) -> Result<model::GetParametersOutput, Refusal> {
    let place = &region.world.place;
    let catalogue = catalogue(&place.region);
    let (known, unknown): (Vec<String>, Vec<String>) =
        input.names.unwrap_or_default().into_iter().partition(|name| catalogue.contains_key(name));
    let parameters = known.iter().filter_map(|name| Some(shown(place, name, catalogue.get(name)?))).collect();
    Ok(model::GetParametersOutput { parameters: Some(parameters), invalid_parameters: Some(unknown) })
}

fn get_parameters_by_path(
    region: &mut Region,
    _: &Call,
    input: model::GetParametersByPathInput,
) -> Result<model::GetParametersByPathOutput, Refusal> {
    let path = format!("{}/", input.path.unwrap_or_default().trim_end_matches('/'));
    let ours =
        [UBUNTU, AMAZON_LINUX].iter().any(|root| format!("{root}/").starts_with(&path) || path.starts_with(root));
    if path.starts_with(PUBLIC) && !ours {
        let text = format!("The public parameters under {path} are not reproduced by scaleproof's sandbox");
        return Err(Refusal::new("ValidationException", 400, text));
    }
    let recursive = input.recursive.unwrap_or(false);
    let below = |name: &str| name.strip_prefix(&path).is_some_and(|rest| recursive || !rest.contains('/'));
    let after = input.next_token;
    let catalogue = catalogue(&region.world.place.region);
    let rest = catalogue.iter().filter(|(name, _)| below(name) && after.as_ref().is_none_or(|after| *name > after));
    let size = input.max_results.unwrap_or(PARAMETERS_PER_PAGE).max(1) as usize;
    let mut page: Vec<_> = rest.take(size + 1).collect();
    let more = page.len() > size;
    page.truncate(size);
    let next_token = page.last().filter(|_| more).map(|(name, _)| (*name).clone());
    let parameters = page.into_iter().map(|(name, found)| shown(&region.world.place, name, found)).collect();
    Ok(model::GetParametersByPathOutput { parameters: Some(parameters), next_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names from the documentation of Canonical and of Amazon Linux.
    #[test]
    fn a_public_parameter_names_the_newest_image_of_its_line() {
        let catalogue = catalogue("eu-west-1");
        for (name, start, release) in [
            (
                "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
                "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-",
                "20250821",
            ),
            (
                "/aws/service/canonical/ubuntu/server/jammy/stable/20250516/arm64/hvm/ebs-gp2/ami-id",
                "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-",
                "20250516",
            ),
            ("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64", "al2023-ami-2023.8.", "x86_64"),
            ("/aws/service/ami-amazon-linux-latest/amzn2-ami-minimal-hvm-arm64-ebs", "amzn2-ami-minimal-", "arm64-ebs"),
            ("/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2", "amzn2-ami-hvm-2.0.20250818.", "gp2"),
        ] {
            let image = &catalogue[name].image;
            assert!(image.name.starts_with(start) && image.name.ends_with(release), "{name}: {}", image.name);
        }
        assert_eq!(catalogue[&format!("{UBUNTU}/noble/stable/current/amd64/hvm/ebs-gp3/ami-id")].version, 3);
    }
}
