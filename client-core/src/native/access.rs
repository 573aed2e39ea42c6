//! What every builder of this library is told to reach a server with: a token, whom to trust, a proxy; and the seed.

use super::builder::BuildError;
use super::endpoint::Endpoint;
use super::proxy::Proxy;
use super::route::Route;
use super::tls;
use crate::token::{Credentials, Token, TokenError};
use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use std::sync::Arc;

/// Asks for a token.
pub(crate) type TokenSource = Arc<dyn Fn() -> BoxFuture<'static, Result<Token, TokenError>> + Send + Sync>;

/// What was said of it.
#[derive(Default)]
pub(super) struct Access {
    pub(super) token: Option<Token>,
    pub(super) source: Option<TokenSource>,
    pub(super) extra_ca: Vec<Vec<u8>>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) proxy: Option<Proxy>,
    pub(super) seed: Option<u64>,
}

/// What it comes to.
pub(super) struct Granted {
    pub(super) route: Route,
    pub(super) credentials: Credentials,
    pub(super) source: Option<TokenSource>,
    pub(super) seed: u64,
}

impl Access {
    /// For these addresses, in one of which there may have been a token.
    pub(super) fn grant(self, endpoints: &[Endpoint], in_url: Option<Token>) -> Result<Granted, BuildError> {
        let tls = match self.tls {
            None if endpoints.iter().any(Endpoint::is_secure) => Some(tls::client_config(&self.extra_ca)?),
            given => given,
        };
        // The seed given, or one of the operating system's.
        let seed = match self.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| BuildError::Randomness(error.to_string()))?,
        };
        let credentials = match (&self.source, self.token.or(in_url)) {
            (Some(_), _) => Credentials::Source,
            (None, Some(token)) => Credentials::Fixed(token),
            (None, None) => Credentials::Anonymous,
        };
        if credentials != Credentials::Anonymous {
            for endpoint in
                endpoints.iter().filter(|endpoint| !endpoint.is_secure() && !endpoint.is_loopback())
            {
                tracing::warn!(url = %endpoint, "the token travels unencrypted: use TLS (wss:// or https://)");
            }
        }
        Ok(Granted { route: Route { tls, proxy: self.proxy }, credentials, source: self.source, seed })
    }
}

/// The methods by which a builder is told, which has it in its field `access`.
macro_rules! access_methods {
    () => {
        /// One token for good. A `?token=` in the URL does the same; this one wins.
        pub fn token(mut self, token: impl Into<$crate::token::Token>) -> Self {
            self.access.token = Some(token.into());
            self
        }

        /// A function that fetches a token: called before the first dial and once for each rejection, at most 10 s.
        pub fn token_source<F, R>(mut self, fetch: F) -> Self
        where
            F: Fn() -> R + Send + Sync + 'static,
            R: Future<Output = Result<$crate::token::Token, $crate::token::TokenError>> + Send + 'static,
        {
            self.access.source = Some(std::sync::Arc::new(move || Box::pin(fetch())));
            self
        }

        /// A certificate authority (PEM) to trust beside the system's.
        pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
            self.access.extra_ca.push(pem.into());
            self
        }

        /// The whole TLS configuration, instead of the system's roots.
        pub fn tls_config(mut self, config: std::sync::Arc<rustls::ClientConfig>) -> Self {
            self.access.tls = Some(config);
            self
        }

        /// An HTTP proxy. None by default: a library does not read the environment.
        pub fn proxy(mut self, proxy: $crate::native::Proxy) -> Self {
            self.access.proxy = Some(proxy);
            self
        }

        /// The seed of all jitter, for tests. From the operating system by default.
        pub fn seed(mut self, seed: u64) -> Self {
            self.access.seed = Some(seed);
            self
        }
    };
}

pub(super) use access_methods;
