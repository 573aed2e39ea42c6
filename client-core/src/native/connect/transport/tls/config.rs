//! The rustls configuration: roots, client certificate, crypto provider. Reads the system's roots, and does no other
//! I/O.

use super::TlsError;
use super::pinned::PinnedVerifier;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};

/// The provider that the application has installed for its process, or the one that is built in. None is installed
/// here: that is the application's to do.
fn provider() -> Result<Arc<CryptoProvider>, TlsError> {
    #[cfg(feature = "aws-lc-rs")]
    let built_in: Option<fn() -> CryptoProvider> = Some(rustls::crypto::aws_lc_rs::default_provider);
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    let built_in: Option<fn() -> CryptoProvider> = Some(rustls::crypto::ring::default_provider);
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    let built_in: Option<fn() -> CryptoProvider> = None;
    first_provider(CryptoProvider::get_default(), built_in)
}

fn first_provider(
    installed: Option<&Arc<CryptoProvider>>,
    built_in: Option<fn() -> CryptoProvider>,
) -> Result<Arc<CryptoProvider>, TlsError> {
    match (installed, built_in) {
        (Some(installed), _) => Ok(Arc::clone(installed)),
        (None, Some(make)) => Ok(Arc::new(make())),
        (None, None) => Err(TlsError::NoProvider),
    }
}

/// The system's roots, read when they are first needed and then shared by all clients of the process: reading takes
/// milliseconds, and a copy 100 KiB. A store that changes later is seen by the next process.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "a system certificate store could not be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system.certs);
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(read))
}

/// The system's roots and `extra` ones (PEM), TLS 1.2 or later, certificates always verified; one of `extra` may be the
/// server's own. `own` is the client's
/// certificate chain and key (PEM), for servers that request one.
pub(super) fn client_config(
    extra: &[Vec<u8>],
    own: Option<(Vec<u8>, Vec<u8>)>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = system_roots();
    let mut pinned = Vec::new();
    for pem in extra {
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| TlsError::Ca(error.to_string().into()))?;
            Arc::make_mut(&mut roots).add(certificate.clone())?;
            pinned.push(certificate);
            found = true;
        }
        if !found {
            return Err(TlsError::Ca("no certificate in it".into()));
        }
    }
    let provider = provider()?;
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if pinned.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        let usual = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "ring")]
    #[test]
    fn clients_share_one_copy_of_the_systems_roots() {
        let roots = system_roots();
        let _config = client_config(&[], None).unwrap();
        // The store itself, this test, and the configuration.
        assert!(Arc::strong_count(&roots) > 2);
    }

    #[cfg(feature = "ring")]
    #[test]
    fn the_applications_own_provider_comes_before_the_one_that_is_built_in() {
        let installed = Arc::new(rustls::crypto::ring::default_provider());
        let chosen = first_provider(Some(&installed), Some(rustls::crypto::ring::default_provider)).unwrap();
        assert!(Arc::ptr_eq(&installed, &chosen));
    }

    #[test]
    fn without_a_provider_the_error_says_how_to_install_one() {
        let error = first_provider(None, None).unwrap_err();
        assert!(matches!(error, TlsError::NoProvider));
        assert!(error.to_string().contains("install_default"));
    }
}
