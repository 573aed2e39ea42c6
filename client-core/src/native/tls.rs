//! TLS, with the crypto provider named: rustls has no default one here, and relying on a process-wide
//! default makes `wss://` panic in programs that never set it.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The extra certificate authority is no PEM certificate.
    #[error("the extra CA is not a PEM certificate: {0}")]
    Ca(Box<str>),
    /// rustls refused the configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The system's roots and `extra` ones (PEM), TLS 1.2 or later, certificates always verified.
pub(crate) fn client_config(extra: &[Vec<u8>]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a system certificate store could not be read");
    }
    roots.add_parsable_certificates(system.certs);
    for pem in extra {
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| TlsError::Ca(error.to_string().into()))?;
            roots.add(certificate)?;
            found = true;
        }
        if !found {
            return Err(TlsError::Ca("no certificate in it".into()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
