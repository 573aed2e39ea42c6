//! The server's certificate: read from PEM files, and read again while the server runs.
//!
//! What is read again counts for new connections; those that are open keep theirs. Files that cannot be used change
//! nothing.

use crate::option_file;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::rustls;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// Most bytes of a file that are read: a chain of certificates has some thousands.
const FILE_BYTES: u64 = 1 << 20;

/// The only protocol that is spoken over TLS here.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A certificate with its chain, and its key. Clones are the same one.
#[derive(Clone)]
pub struct Certificate(Arc<Files>);

struct Files {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

/// Why a certificate cannot be used. Never holds a part of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} {problem}", path.display())]
    Content {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The key is of a kind that TLS does not use, or is not the certificate's.
    #[error("the key of {} does not go with the certificate of {}: {source}", key.display(), chain.display())]
    Pair {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What does not fit.
        source: rustls::Error,
    },
    /// The versions of TLS are not available.
    #[error("cannot speak TLS: {0}")]
    Tls(rustls::Error),
}

impl Certificate {
    /// Reads a PEM file with the server's certificate first and those that sign it behind it, and one with the key, not
    /// encrypted.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let current = RwLock::new(read_pair(chain, key)?);
        Ok(Self(Arc::new(Files { chain: chain.into(), key: key.into(), current })))
    }

    /// Reads the files again, for connections to come.
    ///
    /// # Errors
    /// What is wrong with which file; the certificate stays as it was.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let pair = read_pair(&self.0.chain, &self.0.key)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = pair;
        Ok(())
    }

    /// A server's configuration that shows whatever was read last: TLS 1.2 and 1.3, HTTP/1.1, no client certificates.
    ///
    /// # Errors
    /// [`CertificateError::Tls`], which does not happen with what is compiled in.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(CertificateError::Tls)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.0.chain).field("key", &self.0.key).finish()
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates of a PEM file, at least one.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let wrong = |problem| CertificateError::Content { path: path.into(), problem };
    let bytes = read(path)?;
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|_| wrong("has a certificate that is not PEM"))?;
    if certificates.is_empty() {
        return Err(wrong("has no certificate in PEM (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(certificates)
}

/// A certificate with its chain, and its key.
pub(crate) fn read_pair(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let certificates = read_chain(chain)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| CertificateError::Content {
        path: key.into(),
        problem: "has no private key in PEM, or it is encrypted",
    })?;
    let pair = CertifiedKey::from_der(certificates, private, &provider());
    pair.map(Arc::new).map_err(|source| CertificateError::Pair {
        chain: chain.into(),
        key: key.into(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    option_file::read(path, FILE_BYTES).map_err(|source| CertificateError::File { path: path.into(), source })
}
