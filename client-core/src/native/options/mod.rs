//! The connection options that every builder has: credentials, header fields, trust, proxy, dial deadline and seed.
//! Validates them before the first dial.

mod dialer;
mod error;
mod methods;
mod runtime;

pub use dialer::{Dialer, RawWebSocket};
pub use error::BuildError;
pub(crate) use methods::{link_methods, option_methods, options_of_builder};
pub(crate) use runtime::runtime;

#[cfg(feature = "proxy")]
use crate::native::connect::Proxy;
use crate::native::connect::{
    Connector, CustomConnector, Endpoint, HeaderError, Headers, HeadersSource, RequestOptions, TlsOptions,
    TokenLocation,
};
use crate::token::{Credentials, Token, TokenError};
use futures_util::future::BoxFuture;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Fetches a token.
pub(crate) type TokenSource = Arc<dyn Fn() -> BoxFuture<'static, Result<Token, TokenError>> + Send + Sync>;

/// How long a dial may be allowed to take.
const CONNECT_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// How to connect: credentials, header fields, trust, proxy, the limit of a dial, and the seed. Every builder has the same methods,
/// and takes all of it by its method `options`. Checked when the builder connects.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    pub(crate) token: Option<Token>,
    pub(crate) source: Option<TokenSource>,
    pub(crate) token_location: Option<TokenLocation>,
    pub(crate) headers: Headers,
    /// The first header that cannot be sent.
    pub(crate) bad_header: Option<HeaderError>,
    pub(crate) headers_source: Option<HeadersSource>,
    pub(crate) tls: TlsOptions,
    #[cfg(feature = "proxy")]
    pub(crate) proxy: Option<Proxy>,
    pub(crate) connector: Option<CustomConnector>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) seed: Option<u64>,
}

/// The options for certain addresses, checked.
pub(crate) struct Resolved {
    pub(crate) connector: Connector,
    pub(crate) credentials: Credentials,
    pub(crate) source: Option<TokenSource>,
    pub(crate) request: RequestOptions,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) seed: u64,
}

impl ConnectOptions {
    option_methods!();

    fn connect_options(&mut self) -> &mut Self {
        self
    }

    /// Checks the options for these addresses, in one of which there may have been a token. `default_location` is where
    /// a token goes that was not in a URL.
    pub(crate) fn resolve(
        self,
        endpoints: &[Endpoint],
        in_url: Option<Token>,
        default_location: Option<TokenLocation>,
    ) -> Result<Resolved, BuildError> {
        if let Some(error) = self.bad_header {
            return Err(error.into());
        }
        if let Some(timeout) = self.connect_timeout.filter(|timeout| !CONNECT_TIMEOUT.contains(timeout)) {
            return Err(BuildError::ConnectTimeout(timeout));
        }
        let tls = self.tls.resolve(endpoints.iter().any(Endpoint::is_secure))?;
        // The seed given, or one of the operating system's.
        let seed = match self.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| BuildError::Randomness(error.to_string()))?,
        };
        let in_query = in_url.as_ref().map(|_| TokenLocation::Query);
        let token_location = self.token_location.or(in_query).or(default_location);
        let credentials = match (&self.source, self.token.or(in_url)) {
            (Some(_), _) => Credentials::Source,
            (None, Some(token)) => Credentials::Fixed(token),
            (None, None) => Credentials::Anonymous,
        };
        let has_basic = endpoints.iter().any(Endpoint::has_user);
        if credentials != Credentials::Anonymous {
            let is_taken = has_basic || self.headers.has_authorization();
            if is_taken && token_location == Some(TokenLocation::Header) {
                return Err(BuildError::Authorization);
            }
        }
        if self.connector.is_none() && (credentials != Credentials::Anonymous || has_basic) {
            for endpoint in
                endpoints.iter().filter(|endpoint| !endpoint.is_secure() && !endpoint.is_loopback())
            {
                tracing::warn!(url = %endpoint, "the credentials travel unencrypted: use TLS (wss:// or https://)");
            }
        }
        Ok(Resolved {
            connector: Connector {
                tls,
                #[cfg(feature = "proxy")]
                proxy: self.proxy,
                custom: self.connector,
                was_reached: Arc::default(),
            },
            credentials,
            source: self.source,
            request: RequestOptions {
                token_location,
                headers: self.headers,
                headers_source: self.headers_source,
            },
            connect_timeout: self.connect_timeout,
            seed,
        })
    }
}

/// Says nothing of what is in it: there are secrets among it.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions").finish_non_exhaustive()
    }
}
