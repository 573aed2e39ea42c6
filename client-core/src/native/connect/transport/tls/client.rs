//! TLS over the byte stream to a server, by rustls.

use super::{TlsError, config, failure};
use crate::cause::{DialError, DialErrorKind};
use crate::native::connect::transport::stream::RawStream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;

/// What an application has said about TLS.
#[derive(Clone, Default)]
pub(crate) struct TlsOptions {
    /// PEM, each of one or more certificates.
    pub(crate) extra_ca: Vec<Vec<u8>>,
    /// Certificate chain and key, PEM.
    pub(crate) client_certificate: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) config: Option<Arc<ClientConfig>>,
}

impl TlsOptions {
    /// What secures streams, if it is needed. A certificate is read even where no TLS is spoken: a wrong one is an error
    /// all the same.
    pub(crate) fn resolve(self, is_needed: bool) -> Result<Option<Tls>, TlsError> {
        let config = match self.config {
            None if is_needed || self.client_certificate.is_some() => {
                Some(config::client_config(&self.extra_ca, self.client_certificate)?)
            }
            given => given,
        };
        Ok(config.map(Tls))
    }
}

/// Secures streams.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

/// Boxed: its state is large, and most of ten thousand bots' connections on a loopback have none.
pub(crate) type TlsStream = Box<tokio_rustls::client::TlsStream<RawStream>>;

impl Tls {
    pub(crate) async fn connect(&self, host: &str, stream: RawStream) -> Result<TlsStream, DialError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            DialError::new(DialErrorKind::Certificate, "the host is no name a certificate can have")
        })?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.0));
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(failure::tls_failure(&error, host)),
        }
    }
}

/// What a broken stream means, if it is TLS that broke it: a server may refuse a client only after the handshake is over
/// on the client's side.
pub(crate) fn broken(error: &io::Error, was_reached: bool) -> Option<DialError> {
    let is_tls = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    // rustls has no type for that.
    let is_cut = error.kind() == io::ErrorKind::UnexpectedEof && error.to_string().contains("close_notify");
    is_tls
        .then(|| failure::tls_failure(error, "this host"))
        .or_else(|| is_cut.then(|| failure::cut_off(was_reached)))
}
