//! Server certificates: what a listener presents. Their text is kept and given back; no connection is ever secured with it.

use serde::{Deserialize, Serialize};

use super::{Tags, check_name, check_path, exists, model, page, shown_tags, tags_of};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Certificate {
    id: String,
    path: String,
    uploaded: Timestamp,
    body: String,
    chain: Option<String>,
    tags: Tags,
}

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "UploadServerCertificate",
        "Keeps a certificate; its key is neither checked nor kept.",
        &["Path", "ServerCertificateName", "CertificateBody", "PrivateKey", "CertificateChain", "Tags"],
        upload,
    );
    operations.on("GetServerCertificate", "Returns a certificate.", &["ServerCertificateName"], get);
    operations.on("ListServerCertificates", "Lists certificates by path.", &["Marker", "MaxItems", "PathPrefix"], list);
    operations.on(
        "UpdateServerCertificate",
        "Moves a certificate to another name or path.",
        &["ServerCertificateName", "NewPath", "NewServerCertificateName"],
        update,
    );
    operations.on("DeleteServerCertificate", "Deletes a certificate.", &["ServerCertificateName"], delete);
    operations.on("TagServerCertificate", "Sets tags of a certificate.", &["ServerCertificateName", "Tags"], tag);
    operations.on(
        "UntagServerCertificate",
        "Removes tags of a certificate.",
        &["ServerCertificateName", "TagKeys"],
        untag,
    );
}

fn metadata(region: &Region, name: &str, one: &Certificate) -> model::ServerCertificateMetadata {
    model::ServerCertificateMetadata {
        path: Some(one.path.clone()),
        server_certificate_name: Some(name.to_string()),
        server_certificate_id: Some(one.id.clone()),
        arn: Some(region.iam.arn(&format!("server-certificate{}{name}", one.path))),
        upload_date: Some(one.uploaded),
        expiration: None,
    }
}

fn certificate<'a>(region: &'a mut Region, name: &str) -> Result<&'a mut Certificate, Refusal> {
    region.iam.certificates.get_mut(name).ok_or_else(|| {
        let text = format!("The Server Certificate with name {name} cannot be found.");
        Refusal::new("NoSuchEntity", 404, text)
    })
}

/// # Errors
/// `MalformedCertificate`: no text that could be one. What stands in it is not read.
fn check_pem(body: &str) -> Result<(), Refusal> {
    if body.contains("-----BEGIN CERTIFICATE-----") && body.contains("-----END CERTIFICATE-----") {
        return Ok(());
    }
    Err(Refusal::new(
        "MalformedCertificate",
        400,
        "Unable to parse certificate. Please ensure the certificate is in PEM format.",
    ))
}

fn upload(
    region: &mut Region,
    call: &Call,
    input: model::UploadServerCertificateInput,
) -> Result<model::UploadServerCertificateOutput, Refusal> {
    let (name, body) = (input.server_certificate_name.unwrap_or_default(), input.certificate_body.unwrap_or_default());
    check_name("serverCertificateName", &name)?;
    check_pem(&body)?;
    if region.iam.certificates.contains_key(&name) {
        return Err(exists("The Server Certificate", &name));
    }
    let certificate = Certificate {
        id: region.iam.unique_id("ASCA"),
        path: check_path(input.path)?,
        uploaded: call.now,
        body,
        chain: input.certificate_chain,
        tags: tags_of(input.tags)?,
    };
    let output = model::UploadServerCertificateOutput {
        server_certificate_metadata: Some(metadata(region, &name, &certificate)),
        tags: (!certificate.tags.is_empty()).then(|| shown_tags(&certificate.tags)),
    };
    region.iam.certificates.insert(name, certificate);
    Ok(output)
}

fn get(
    region: &mut Region,
    _: &Call,
    input: model::GetServerCertificateInput,
) -> Result<model::GetServerCertificateOutput, Refusal> {
    let name = input.server_certificate_name.unwrap_or_default();
    let found = certificate(region, &name)?.clone();
    let shown = model::ServerCertificate {
        server_certificate_metadata: Some(metadata(region, &name, &found)),
        certificate_body: Some(found.body),
        certificate_chain: found.chain,
        tags: (!found.tags.is_empty()).then(|| shown_tags(&found.tags)),
    };
    Ok(model::GetServerCertificateOutput { server_certificate: Some(shown) })
}

fn list(
    region: &mut Region,
    _: &Call,
    input: model::ListServerCertificatesInput,
) -> Result<model::ListServerCertificatesOutput, Refusal> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let found = region.iam.certificates.iter().filter(|(_, one)| one.path.starts_with(&prefix));
    let page =
        page(found.map(|(name, one)| (name.clone(), metadata(region, name, one))), input.max_items, input.marker)?;
    Ok(model::ListServerCertificatesOutput {
        server_certificate_metadata_list: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn update(
    region: &mut Region,
    _: &Call,
    input: model::UpdateServerCertificateInput,
) -> Result<model::UpdateServerCertificateOutput, Refusal> {
    let name = input.server_certificate_name.unwrap_or_default();
    let mut moved = certificate(region, &name)?.clone();
    let new_name = input.new_server_certificate_name.unwrap_or_else(|| name.clone());
    check_name("newServerCertificateName", &new_name)?;
    if new_name != name && region.iam.certificates.contains_key(&new_name) {
        return Err(exists("The Server Certificate", &new_name));
    }
    if let Some(path) = input.new_path {
        moved.path = check_path(Some(path))?;
    }
    region.iam.certificates.remove(&name);
    region.iam.certificates.insert(new_name, moved);
    Ok(model::UpdateServerCertificateOutput {})
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: model::DeleteServerCertificateInput,
) -> Result<model::DeleteServerCertificateOutput, Refusal> {
    let name = input.server_certificate_name.unwrap_or_default();
    certificate(region, &name)?;
    region.iam.certificates.remove(&name);
    Ok(model::DeleteServerCertificateOutput {})
}

fn tag(
    region: &mut Region,
    _: &Call,
    input: model::TagServerCertificateInput,
) -> Result<model::TagServerCertificateOutput, Refusal> {
    let tags = tags_of(input.tags)?;
    certificate(region, &input.server_certificate_name.unwrap_or_default())?.tags.extend(tags);
    Ok(model::TagServerCertificateOutput {})
}

fn untag(
    region: &mut Region,
    _: &Call,
    input: model::UntagServerCertificateInput,
) -> Result<model::UntagServerCertificateOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    let found = certificate(region, &input.server_certificate_name.unwrap_or_default())?;
    found.tags.retain(|key, _| !keys.contains(key));
    Ok(model::UntagServerCertificateOutput {})
}
