//! The options of a link, with the defaults of reconnecting.md.

use crate::backoff::Policy;
use crate::close_code::CloseCodePolicy;
use crate::liveness::LivenessConfig;
use crate::token::Credentials;
use core::time::Duration;

/// The choices of a connection, apart from any rooms.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkConfig {
    /// The delay rule.
    pub policy: Policy,
    /// The server's reconnect window, if it is known from elsewhere. Zero (the default): not known.
    pub window: Duration,
    /// How long a whole dial (DNS, TCP, TLS, upgrade) may take. 10 s.
    pub dial_timeout: Duration,
    /// How long a token source may take. 10 s.
    pub token_timeout: Duration,
    /// How long the server has to answer our close frame. 3 s.
    pub close_timeout: Duration,
    /// When to ask whether the server is alive.
    pub liveness: LivenessConfig,
    /// What close codes mean.
    pub close_codes: CloseCodePolicy,
    /// Reconnection attempts before the state is `failed`; `None` (the default) is no limit. The legacy rule
    /// brings its own limit of 10.
    pub max_attempts: Option<u32>,
    /// How long a loss may last before the state is `failed`; `None` (the default) is no limit.
    pub max_elapsed: Option<Duration>,
    /// How long a loss may last before the state is `suspended`: 2 min on a plain server.
    pub suspend_after: Duration,
    /// Offer the extended protocol in dials.
    pub(crate) extended: bool,
    /// How many URLs the driver has; a failed dial moves on to the next. At least 1.
    pub endpoints: usize,
    /// Where tokens come from.
    #[cfg_attr(feature = "recording", serde(skip))]
    pub credentials: Credentials,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            window: Duration::ZERO,
            dial_timeout: Duration::from_secs(10),
            token_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(3),
            liveness: LivenessConfig::default(),
            close_codes: CloseCodePolicy::default(),
            max_attempts: None,
            max_elapsed: None,
            suspend_after: Duration::from_secs(120),
            extended: false,
            endpoints: 1,
            credentials: Credentials::Anonymous,
        }
    }
}
