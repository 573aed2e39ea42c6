//! TLS, with the crypto provider named: rustls has no default one here, and relying on a process-wide
//! default makes `wss://` panic in programs that never set it.

use super::pinned::PinnedVerifier;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The extra certificate authority is no PEM certificate.
    #[error("the extra CA is not a PEM certificate: {0}")]
    Ca(Box<str>),
    /// The client's certificate or its key cannot be used.
    #[error("the client certificate cannot be used: {0}")]
    ClientCertificate(Box<str>),
    /// rustls refused the configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The system's roots and `extra` ones (PEM), TLS 1.2 or later, certificates always verified; one of `extra` may be the
/// server's own. `own` is the client's
/// certificate chain and key (PEM), for servers that ask for one.
pub(crate) fn client_config(
    extra: &[Vec<u8>],
    own: Option<(Vec<u8>, Vec<u8>)>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut pinned = Vec::new();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a system certificate store could not be read");
    }
    roots.add_parsable_certificates(system.certs);
    for pem in extra {
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| TlsError::Ca(error.to_string().into()))?;
            roots.add(certificate.clone())?;
            pinned.push(certificate);
            found = true;
        }
        if !found {
            return Err(TlsError::Ca("no certificate in it".into()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if pinned.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let usual = usual.map_err(|error| TlsError::Ca(error.to_string().into()))?;
        // What it does not take over from the usual verification is in its own file.
        builder.dangerous().with_custom_certificate_verifier(Arc::new(PinnedVerifier::new(usual, pinned)))
    };
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let (chain, key) = client_certificate(&chain, &key)?;
            let refused = |error: rustls::Error| TlsError::ClientCertificate(error.to_string().into());
            builder.with_client_auth_cert(chain, key).map_err(refused)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Reads the client's certificate chain and key.
fn client_certificate(
    chain: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let unusable = |what: &str| TlsError::ClientCertificate(what.into());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(|error| unusable(&error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("there is no PEM certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable("there is no PEM key without a passphrase"),
        error => unusable(&error.to_string()),
    })?;
    Ok((chain, key))
}
