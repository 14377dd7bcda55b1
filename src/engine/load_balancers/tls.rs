//! What a listener that ends TLS needs: certificates and a security policy. No connection is ever made, so both are taken
//! by their form: a certificate's ARN, a policy's name. Start at [`Tls`].

use serde::{Deserialize, Serialize};

use super::target_group::Protocol;
use super::{LoadBalancers, not_permitted};
use crate::engine::Refusal;

/// Of AWS: the policy of a listener that was made without one. Source: user guides, "Security policies".
const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";
/// Of AWS: certificates of a load balancer beside the default ones. Source: user guide, "Quotas".
const MAX_MORE_CERTIFICATES: usize = 25;
/// Source: API reference, CreateListener.
const ALPN_POLICIES: [&str; 5] = ["HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    pub policy: String,
    /// The ARN of the default certificate.
    pub certificate: String,
    /// Those that are chosen by a client's server name.
    pub more: Vec<String>,
    pub alpn: Option<String>,
}

/// What a request says of it; what it leaves out stays.
#[derive(Debug, Clone, Default)]
pub struct TlsRequest {
    pub policy: Option<String>,
    pub certificates: Option<Vec<String>>,
    pub alpn: Option<String>,
}

impl TlsRequest {
    /// What a listener with this protocol has, after it had `before`.
    ///
    /// # Errors
    /// `ValidationError` if there is not one certificate where one is needed, or one where none is;
    /// `CertificateNotFound`, `SSLPolicyNotFound`, `ALPNPolicyNotSupported`.
    pub(super) fn applied(self, protocol: Protocol, before: Option<&Tls>) -> Result<Option<Tls>, Refusal> {
        if !matches!(protocol, Protocol::Https | Protocol::Tls) {
            let nothing = self.certificates.is_none_or(|given| given.is_empty()) && self.policy.is_none();
            let text =
                format!("Certificates and security policies cannot be specified for {} listeners", protocol.name());
            return if nothing { Ok(None) } else { Err(Refusal::validation(text)) };
        }
        let given = self.certificates.filter(|given| !given.is_empty());
        let certificate = match (given.as_deref(), before) {
            (Some([one]), _) => checked(one)?,
            (None, Some(before)) => before.certificate.clone(),
            (Some(_), _) => return Err(Refusal::validation("Exactly one certificate must be specified")),
            (None, None) => {
                let text = format!("A certificate must be specified for {} listeners", protocol.name());
                return Err(Refusal::validation(text));
            }
        };
        let policy = self.policy.or_else(|| before.map(|before| before.policy.clone()));
        Ok(Some(Tls {
            policy: checked_policy(policy.unwrap_or_else(|| DEFAULT_POLICY.into()))?,
            certificate,
            more: before.map(|before| before.more.clone()).unwrap_or_default(),
            alpn: checked_alpn(protocol, self.alpn.or_else(|| before?.alpn.clone()))?,
        }))
    }
}

/// A certificate of ACM or IAM, by the form of its ARN.
fn checked(arn: &str) -> Result<String, Refusal> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let known = match parts.as_slice() {
        ["arn", _, "acm", region, account, resource] => {
            !region.is_empty() && !account.is_empty() && resource.starts_with("certificate/")
        }
        ["arn", _, "iam", "", account, resource] => !account.is_empty() && resource.starts_with("server-certificate/"),
        _ => false,
    };
    let missing = || Refusal::new("CertificateNotFound", 400, format!("Certificate '{arn}' not found"));
    if known { Ok(arn.to_string()) } else { Err(missing()) }
}

fn checked_policy(name: String) -> Result<String, Refusal> {
    if name.starts_with("ELBSecurityPolicy-") {
        return Ok(name);
    }
    Err(Refusal::new("SSLPolicyNotFound", 400, format!("SSL policy '{name}' not found")))
}

fn checked_alpn(protocol: Protocol, name: Option<String>) -> Result<Option<String>, Refusal> {
    match name {
        Some(name) if protocol != Protocol::Tls || !ALPN_POLICIES.contains(&name.as_str()) => {
            let text = format!("ALPN policy '{name}' is not supported for {} listeners", protocol.name());
            Err(Refusal::new("ALPNPolicyNotSupported", 400, text))
        }
        name => Ok(name),
    }
}

impl LoadBalancers {
    fn tls_mut(&mut self, listener: &str) -> Result<&mut Tls, Refusal> {
        let found = self.listener_mut(listener)?;
        let protocol = found.protocol.name();
        let without = || not_permitted(format!("Certificates cannot be specified for {protocol} listeners"));
        found.tls.as_mut().ok_or_else(without)
    }

    /// Adds certificates beside the default one. One that is there already changes nothing.
    ///
    /// # Errors
    /// `ListenerNotFound`, `CertificateNotFound`, `TooManyCertificates`, `OperationNotPermitted` without TLS.
    pub fn add_certificates(&mut self, listener: &str, arns: &[String]) -> Result<(), Refusal> {
        let added: Vec<String> = arns.iter().map(|arn| checked(arn)).collect::<Result<_, _>>()?;
        let tls = self.tls_mut(listener)?;
        let mut more = tls.more.clone();
        for arn in added {
            if arn != tls.certificate && !more.contains(&arn) {
                more.push(arn);
            }
        }
        if more.len() > MAX_MORE_CERTIFICATES {
            let text = "The maximum number of certificates has been reached on the load balancer";
            return Err(Refusal::new("TooManyCertificates", 400, text));
        }
        tls.more = more;
        Ok(())
    }

    /// Takes certificates away, but not the default one.
    ///
    /// # Errors
    /// `ListenerNotFound`, `OperationNotPermitted` for the default one and without TLS.
    pub fn remove_certificates(&mut self, listener: &str, arns: &[String]) -> Result<(), Refusal> {
        let tls = self.tls_mut(listener)?;
        if arns.contains(&tls.certificate) {
            return Err(not_permitted("Default certificate cannot be removed"));
        }
        tls.more.retain(|arn| !arns.contains(arn));
        Ok(())
    }
}
