//! Messages for failed TLS handshakes: cause, details and remedy. Does no I/O.

use crate::cause::{DialError, DialErrorKind};
use crate::native::connect::transport::stream::hung_up;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use std::io;
use std::time::{Duration, SystemTime};

/// Names of a certificate that are listed.
const MAX_NAMES: usize = 3;
/// Characters of such a name: the longest that DNS has.
const MAX_NAME: usize = 253;

/// What the failure of a handshake with `host` means.
pub(super) fn tls_failure(error: &io::Error, host: &str) -> DialError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let (kind, text) = match tls {
        Some(Error::InvalidCertificate(error)) => (DialErrorKind::Certificate, certificate(error, host)),
        Some(Error::InvalidMessage(_)) => (DialErrorKind::Tls, NO_TLS.to_owned()),
        Some(Error::AlertReceived(alert)) => (DialErrorKind::Tls, refusal(*alert, host)),
        Some(Error::PeerIncompatible(_)) => (DialErrorKind::Tls, NO_COMMON_PARAMETERS.to_owned()),
        Some(error) => (DialErrorKind::Tls, error.to_string()),
        // A server beyond its limits cuts what it would have to encrypt an answer for, as ours does.
        None if hung_up(error.kind()) => (DialErrorKind::Tls, CLOSED_IN_HANDSHAKE.to_owned()),
        None => (DialErrorKind::Tls, error.to_string()),
    };
    DialError::new(kind, text)
}

/// The server has ended the connection right after the handshake, which is over for a client before the server has looked at
/// the client's certificate. `was_reached`: it has answered this client before, and so the certificate is not to blame.
pub(super) fn cut_off(was_reached: bool) -> DialError {
    let hint = if was_reached { "" } else { CERTIFICATE_HINT };
    DialError::new(DialErrorKind::Tls, format!("{CUT_OFF}{hint}"))
}

const CUT_OFF: &str = "the server ended the connection right after the TLS handshake, and before an answer";
const CERTIFICATE_HINT: &str = ": if it asks for client certificates, it has refused this one or misses one (--cert FILE, \
                                client_certificate in Rust)";
const NO_TLS: &str =
    "the server does not speak TLS on this port: use ws:// or http://, or the port that has TLS";
const CLOSED_IN_HANDSHAKE: &str = "the server closed the connection in the TLS handshake: it may have no room for one more now; if it \
                       does not speak TLS on this port, use ws:// or http://";
const NO_COMMON_PARAMETERS: &str =
    "the server has no TLS version or cipher in common with this client, which wants TLS 1.2 or later";

fn certificate(error: &CertificateError, host: &str) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "it expired on {}: the server's operator must renew it; if that is not past yet, set this machine's clock",
            date(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("it is valid only from {}: check this machine's clock", date(*not_before))
        }
        CertificateError::NotValidForNameContext { presented, .. } => wrong_name(presented, host),
        CertificateError::UnknownIssuer => {
            "its issuer is unknown here: if it is a private authority, trust it (--ca FILE, ca_pem in Rust)".to_owned()
        }
        CertificateError::Revoked => "it was revoked: the server's operator must replace it".to_owned(),
        // rustls has no name for it.
        CertificateError::Other(error) if error.to_string() == "CaUsedAsEndEntity" => {
            "it is that of an authority (CA:TRUE), which only a server has that signed its own: if it is yours, trust it \
             (--ca FILE, ca_pem in Rust)"
                .to_owned()
        }
        error => format!("{error}: the server's operator must replace it"),
    }
}

fn wrong_name(presented: &[String], host: &str) -> String {
    if presented.is_empty() {
        return format!("it names no host, so it is not for {host}: the server's operator must replace it");
    }
    let mut names: Vec<&str> = presented.iter().take(MAX_NAMES).map(|name| bare(name)).collect();
    if presented.len() > MAX_NAMES {
        names.push("others");
    }
    format!(
        "it is for {}, not for {host}: use the name that it is for, or check that it is the right server",
        names.join(", ")
    )
}

/// rustls gives names as `DnsName("example.org")` and `IpAddress(192.0.2.1)`, escaped as Rust's literals.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    let inner = inner.trim_matches('"');
    inner.char_indices().nth(MAX_NAME).and_then(|(end, _)| inner.get(..end)).unwrap_or(inner)
}

fn refusal(alert: AlertDescription, host: &str) -> String {
    match alert {
        AlertDescription::UnrecognisedName => {
            format!("the server has no certificate for {host}: check the host's name")
        }
        AlertDescription::ProtocolVersion
        | AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity => NO_COMMON_PARAMETERS.to_owned(),
        AlertDescription::CertificateRequired => {
            "the server wants a client certificate, and none was given".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => format!("the server refused the client certificate ({alert:?})"),
        alert => format!("the server broke the TLS handshake off ({alert:?})"),
    }
}

/// As HTTP writes dates, in UTC.
fn date(time: UnixTime) -> String {
    /// The end of the year 9999, behind which that form has no dates.
    const END: u64 = 253_402_300_799;
    let since = Duration::from_secs(time.as_secs().min(END));
    SystemTime::UNIX_EPOCH.checked_add(since).map_or_else(String::new, httpdate::fmt_http_date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::InvalidMessage;
    use rustls::pki_types::ServerName;

    fn text(error: Error) -> String {
        tls_failure(&io::Error::other(error), "chat.example").text.into()
    }

    fn time(secs: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(secs))
    }

    #[test]
    fn a_date_is_that_of_the_certificate() {
        let expired =
            CertificateError::ExpiredContext { time: time(2_000_000_000), not_after: time(1_700_000_000) };
        let expired = text(Error::InvalidCertificate(expired));
        assert!(expired.starts_with("it expired on Tue, 14 Nov 2023 22:13:20 GMT: "), "{expired}");
        let early = CertificateError::NotValidYetContext { time: time(0), not_before: time(u64::MAX) };
        let early = text(Error::InvalidCertificate(early));
        assert!(early.starts_with("it is valid only from Fri, 31 Dec 9999 23:59:59 GMT: "), "{early}");
    }

    #[test]
    fn a_wrong_name_is_told_with_those_that_would_be_right() {
        let of = |presented: &[&str]| {
            text(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("chat.example").unwrap(),
                presented: presented.iter().map(|&name| name.to_owned()).collect(),
            }))
        };
        let two = of(&["DnsName(\"a.example\")", "IpAddress(192.0.2.1)"]);
        assert!(two.starts_with("it is for a.example, 192.0.2.1, not for chat.example: "), "{two}");
        assert!(of(&["DnsName(\"x\")"; 9]).starts_with("it is for x, x, x, others, not for"));
        assert!(of(&[]).starts_with("it names no host, so it is not for chat.example: "));
        assert!(of(&[&format!("DnsName(\"{}\")", "ü".repeat(9000))]).chars().count() < 400);
    }

    #[test]
    fn a_port_without_tls_and_one_that_hangs_up_lead_to_the_other_scheme() {
        assert!(text(Error::InvalidMessage(InvalidMessage::InvalidContentType)).contains("use ws://"));
        let hung_up = tls_failure(&io::ErrorKind::UnexpectedEof.into(), "chat.example");
        assert!(hung_up.text.contains("use ws://"), "{}", hung_up.text);
    }

    #[test]
    fn a_server_that_has_answered_before_does_not_refuse_the_clients_certificate() {
        assert!(cut_off(false).text.contains("--cert FILE"));
        assert!(!cut_off(true).text.contains("cert"), "{}", cut_off(true).text);
    }

    #[test]
    fn a_refusal_of_the_server_names_what_it_wants() {
        assert!(
            text(Error::AlertReceived(AlertDescription::CertificateRequired)).contains("client certificate")
        );
        assert!(text(Error::AlertReceived(AlertDescription::UnrecognisedName)).contains("chat.example"));
    }
}
