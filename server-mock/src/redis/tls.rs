//! TLS to Redis: trusted certificates, the client's certificate, and the words for a failed handshake. Opens no connection.

use crate::http_client::system_roots;
use crate::tls::{CertificateError, provider, read_chain, read_pair};
use std::io;
use std::iter::once;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError as Refused, ClientConfig, Error, RootCertStore,
};

/// Names of a certificate that are listed.
const MAX_NAMES: usize = 3;

/// What is said of a certificate that is not taken. One that another authority of the same name has signed cannot be decrypted.
const OF_A_CERTIFICATE: [AlertDescription; 8] = [
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
    AlertDescription::DecryptError,
];

/// TLS that trusts the authorities of a PEM file, or the system's, and shows a certificate with its key if there is one.
pub(super) fn client_config(
    ca: Option<&Path>,
    own: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, CertificateError> {
    let roots = match ca {
        Some(ca) => authorities(ca)?,
        None => system_roots(),
    };
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().map_err(CertificateError::Tls)?;
    let builder = builder.with_root_certificates(roots);
    Ok(Arc::new(match own {
        Some((chain, key)) => {
            let own = SingleCertAndKey::from(read_pair(chain, key)?);
            builder.with_client_cert_resolver(Arc::new(own))
        }
        None => builder.with_no_client_auth(),
    }))
}

fn authorities(ca: &Path) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(ca)? {
        let problem = "has a certificate that cannot be one of an authority";
        roots.add(certificate).map_err(|_| CertificateError::Content { path: ca.into(), problem })?;
    }
    Ok(roots)
}

/// What the failure of a handshake with a host means, and what to do.
pub(super) fn failure(error: &io::Error, host: &str) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(refused)) => certificate(refused, host),
        Some(Error::InvalidMessage(_)) => {
            String::from("there is no TLS on this port: use redis://, or the port that has TLS (tls-port)")
        }
        Some(Error::AlertReceived(alert)) => refusal(*alert),
        Some(Error::PeerIncompatible(_)) => {
            String::from("it has no version of TLS in common with this server, which wants 1.2 or later")
        }
        _ => format!("{error}; if it has no TLS on this port, use redis://"),
    }
}

/// What it means that a handshake is not answered.
pub(super) const SILENT: &str = "the handshake is not answered within 3 s: if it has no TLS on this port, use redis://; look also \
                                 whether it is busy or frozen";

/// What a refusal after the handshake means; `None` if the text of an error is none. TLS 1.3 judges the client's certificate
/// only then.
pub(super) fn late_refusal(text: &str) -> Option<String> {
    let alert = text.split_once("received fatal alert: ")?.1;
    let mut known = once(AlertDescription::CertificateRequired).chain(OF_A_CERTIFICATE);
    let known = known.find(|known| alert == format!("{known:?}"));
    Some(known.map_or_else(|| format!("it refuses ({alert})"), refusal))
}

fn certificate(refused: &Refused, host: &str) -> String {
    match refused {
        // An authority of the same name with another key.
        Refused::UnknownIssuer | Refused::BadSignature => String::from(
            "nobody who is trusted here has signed its certificate: give its authority's with --redis-ca FILE",
        ),
        Refused::Expired | Refused::ExpiredContext { .. } => {
            String::from("its certificate has expired: renew it there, or look at this machine's clock")
        }
        Refused::NotValidYet | Refused::NotValidYetContext { .. } => {
            String::from("its certificate is not valid yet: look at this machine's clock")
        }
        Refused::NotValidForNameContext { presented, .. } => wrong_name(presented, host),
        Refused::NotValidForName => format!("its certificate is not for {host}: use the name that it is for"),
        // rustls has no name for it.
        Refused::Other(error) if error.to_string() == "CaUsedAsEndEntity" => String::from(
            "its certificate is that of an authority (CA:TRUE), which TLS does not take from a server: sign another one with it",
        ),
        refused => format!("its certificate cannot be used ({refused})"),
    }
}

fn wrong_name(presented: &[String], host: &str) -> String {
    // rustls gives them as `DnsName("example.org")` and `IpAddress(192.0.2.1)`.
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').chars().filter(|c| !c.is_control()).take(100).collect::<String>()
    };
    let mut names: Vec<String> = presented.iter().take(MAX_NAMES).map(bare).collect();
    if presented.len() > MAX_NAMES {
        names.push(String::from("others"));
    }
    let names = if names.is_empty() { String::from("no name at all") } else { names.join(", ") };
    format!(
        "its certificate is for {names}, not for {host}: use a name that it is for, which sentinels have to announce too"
    )
}

fn refusal(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => String::from(
            "it wants a client certificate: give --redis-cert FILE and --redis-key FILE, or set tls-auth-clients no there",
        ),
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => String::from(
            "it has no version or cipher of TLS in common with this server, which wants 1.2 or later",
        ),
        alert if OF_A_CERTIFICATE.contains(&alert) => {
            format!(
                "it does not take the certificate of --redis-cert ({alert:?}): its tls-ca-cert-file has to trust it"
            )
        }
        alert => format!("it broke the handshake off ({alert:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_after_the_handshake_is_known_by_its_text_and_nothing_else_is_one() {
        let words = |text: &str| late_refusal(text);
        assert!(words("received fatal alert: CertificateRequired").unwrap().contains("--redis-cert"));
        assert!(words("received fatal alert: UnknownCA").unwrap().contains("tls-ca-cert-file"));
        assert_eq!(words("received fatal alert: Other").unwrap(), "it refuses (Other)");
        assert_eq!(words("broken pipe"), None);
    }

    #[test]
    fn a_wrong_name_is_told_with_those_that_would_be_right() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            wrong_name(&names, "h")
        };
        assert!(of(&[]).contains("for no name at all, not for h"));
        assert!(
            of(&["DnsName(\"a.example\")", "IpAddress(192.0.2.1)"]).contains("for a.example, 192.0.2.1, not")
        );
        assert!(of(&["a", "b", "c", "d"]).contains("a, b, c, others"));
    }
}
