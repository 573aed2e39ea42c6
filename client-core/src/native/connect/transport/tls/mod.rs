//! TLS over the byte stream to a server, where it is built in, and the errors in its options.

#[cfg(feature = "rustls-no-provider")]
mod client;
#[cfg(feature = "rustls-no-provider")]
mod config;
#[cfg(feature = "rustls-no-provider")]
mod failure;
#[cfg(any(not(feature = "rustls-no-provider"), test))]
#[cfg_attr(feature = "rustls-no-provider", allow(dead_code, reason = "built for its own test only"))]
mod not_built_in;
#[cfg(feature = "rustls-no-provider")]
mod pinned;

#[cfg(feature = "rustls-no-provider")]
pub(crate) use client::{Tls, TlsOptions, TlsStream, broken};
#[cfg(not(feature = "rustls-no-provider"))]
pub(crate) use not_built_in::{Tls, TlsOptions, TlsStream, broken};

/// Why there is no TLS configuration. Nothing has been dialled.
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
    #[cfg(feature = "rustls-no-provider")]
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
    /// Built with `rustls-no-provider`, and the application has not installed a crypto provider for its process.
    #[error(
        "TLS has no crypto provider: install one with rustls::crypto::CryptoProvider::install_default, or build the crate \
         rejoin with its feature ring or aws-lc-rs"
    )]
    NoProvider,
    /// Built without TLS, and an address needs it.
    #[error("wss:// and https:// need the feature tls of the crate rejoin, which is off in this build")]
    NotBuiltIn,
}
