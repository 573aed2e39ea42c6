//! Accepts pinned server certificates as they are, even one that claims to be an authority (what `openssl req -x509`
//! makes), is signed by one that is not known, or names no host.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::Arc;

/// The usual verification, and after it, for exactly these certificates, without the rule that an authority cannot be a
/// server, and whoever has signed them.
#[derive(Debug)]
pub(super) struct PinnedVerifier {
    usual: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl PinnedVerifier {
    pub(super) fn new(usual: Arc<WebPkiServerVerifier>, pinned: Vec<CertificateDer<'static>>) -> Self {
        Self { usual, pinned }
    }
}

/// Whether a certificate failed because it is one of an authority, which is found after its dates were found right.
fn is_authority(error: &Error) -> bool {
    // The type behind it belongs to a crate of rustls's own.
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other)) if other.0.to_string() == "CaUsedAsEndEntity")
}

/// Whether a certificate failed because nobody known has signed it.
fn has_unknown_issuer(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// Whether a certificate failed because it names no host. One that names another host is not meant for this one.
fn names_nobody(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) if presented.is_empty()
    )
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let error = match verified {
            Err(error) if self.pinned.iter().any(|pinned| pinned == end_entity) => error,
            usual => return usual,
        };
        // Both are found after its dates were found right.
        let name = if is_authority(&error) || has_unknown_issuer(&error) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)
        } else {
            Err(error)
        };
        match name {
            Err(error) if !names_nobody(&error) => Err(error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
