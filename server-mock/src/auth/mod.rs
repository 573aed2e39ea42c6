//! Authentication: a token in, a user's name and rights out.

mod authenticator;
mod authority;
mod cache;
mod digest;
mod file;
mod http;
mod jwt;
mod places;
mod rejection;
mod reload;
mod revocations;
mod rooms;
mod shared;
mod tickets;
mod tokens;
mod user;

pub use crate::authorize::Authorizer;
pub use authenticator::Authenticator;
pub use http::HttpAuth;
pub use jwt::{Jwt, JwtRules, JwtSigner};
pub use reload::Reloader;
pub use tokens::Tokens;
pub use user::User;

pub(crate) use authority::{Authority, NoTicket};
pub(crate) use digest::{hex, unhex};
pub(crate) use rejection::TokenRejection;
#[cfg(feature = "redis")]
pub(crate) use revocations::MOST as MOST_REVOCATIONS;
pub(crate) use revocations::{Jti, Revocation, Revoked};
pub(crate) use shared::{NotShared, Unavailable};
#[cfg(feature = "redis")]
pub(crate) use shared::{Shared, TicketKey};
pub(crate) use tickets::{LIFETIME as TICKET_LIFETIME, Tickets};

use crate::hub::Rights;
use axum::http::HeaderValue;
use jwt::KeyId;
use rejoin::{Name, is_invisible};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Instant, SystemTime};
use tokens::TokenId;

/// Most characters in a user's name.
const USER_CHARS: usize = 128;

/// How a token becomes a user.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Auth {
    /// The token is the user's name: 1–128 characters, none of them invisible. For development.
    Open,
    /// Only tokens of this table.
    Tokens(Tokens),
    /// Only JSON Web Tokens that keys of a file verify.
    Jwt(Jwt),
    /// Whom the application's own endpoint knows.
    Http(HttpAuth),
    /// Whom the application's own code knows.
    Custom(Authenticator),
}

/// Somebody else has to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NeedsRemote;

/// What is known of whoever shows a token, beside the token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthRequest {
    /// The client's address: of trusted proxies, whom they name.
    pub client: IpAddr,
    /// The page it comes from, if it says so (`Origin`). Not known where a connection shows a new token.
    pub origin: Option<String>,
}

/// Most bytes of an `Origin` that are looked at.
const ORIGIN_BYTES: usize = 1_024;

impl AuthRequest {
    pub(crate) fn new(client: IpAddr, origin: Option<&HeaderValue>) -> Self {
        let origin = origin.and_then(|origin| origin.to_str().ok());
        Self { client, origin: origin.filter(|origin| origin.len() <= ORIGIN_BYTES).map(String::from) }
    }
}

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: Name,
    /// When the token ends.
    pub(crate) expires: Option<Instant>,
    pub(crate) credential: Credential,
    pub(crate) rights: Rights,
}

/// Whose a token is, or the rule that it breaks.
pub(crate) type Verified = Result<Identity, TokenRejection>;

/// What is remembered of a token, so that it can be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Credential {
    pub(crate) proof: Option<Proof>,
    /// Its own name.
    pub(crate) jti: Option<Jti>,
    /// When it was issued, if it says so.
    pub(crate) issued: Option<SystemTime>,
}

/// By what somebody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A token of the table.
    Token(TokenId),
    /// A token that this key has verified.
    Key(KeyId),
}

/// What a file that was read again says differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenChanges {
    /// Tokens, or keys, that were not there before.
    pub added: usize,
    /// Tokens, or keys, that are not there any more, or are somebody else's.
    pub removed: usize,
}

impl Auth {
    /// Whose token it is, if nobody else has to be asked.
    pub(crate) fn identify_at_once(&self, token: &str, now: Instant) -> Result<Verified, NeedsRemote> {
        Ok(match self {
            Self::Open if is_user_name(token) => Ok(Identity {
                user: Name::from(token),
                expires: None,
                credential: Credential::default(),
                rights: Rights::all(),
            }),
            Self::Open => Err(TokenRejection::Name),
            Self::Tokens(tokens) => tokens.identify(token, now),
            Self::Jwt(jwt) => jwt.identify(token, now),
            Self::Http(_) | Self::Custom(_) => return Err(NeedsRemote),
        })
    }

    /// Whose token it is, whoever has to be asked.
    async fn identify(&self, token: &str, request: &AuthRequest) -> Result<Verified, Unavailable> {
        let known = match self {
            Self::Http(endpoint) => endpoint.identify(token, request).await?,
            Self::Custom(function) => function.identify(token, request).await?,
            local => {
                return Ok(local
                    .identify_at_once(token, Instant::now())
                    .unwrap_or(Err(TokenRejection::Unknown)));
            }
        };
        Ok(known.ok_or(TokenRejection::Unknown))
    }

    /// The proof that a token of this digest is.
    fn proof(&self, digest: &[u8; 32]) -> Option<Proof> {
        if let Self::Tokens(tokens) = self { Some(tokens.proof(digest)) } else { None }
    }

    /// Whether what a user was let in by is still good. A token whose time is over is somebody else's to end.
    pub(crate) fn holds(&self, proof: Proof, user: &Name) -> bool {
        match (self, proof) {
            (Self::Tokens(tokens), Proof::Token(token)) => tokens.holds(token, user),
            (Self::Jwt(jwt), Proof::Key(key)) => jwt.holds(key),
            _ => true,
        }
    }
}

impl FromStr for Auth {
    type Err = AuthError;

    /// `open`, one of `tokens=FILE`, `jwt=FILE` and `jwks=FILE`, which read the file at once, or `http=URL`.
    fn from_str(text: &str) -> Result<Self, AuthError> {
        match text.split_once('=') {
            None if text == "open" => Ok(Self::Open),
            Some(("tokens", path)) if !path.is_empty() => Tokens::read(Path::new(path)).map(Self::Tokens),
            Some(("jwt", path)) if !path.is_empty() => Jwt::keys(Path::new(path)).map(Self::Jwt),
            Some(("jwks", path)) if !path.is_empty() => Jwt::key_set(Path::new(path)).map(Self::Jwt),
            Some(("http", url)) if !url.is_empty() => HttpAuth::new(url).map(Self::Http),
            // A secret may have ended up here by a slip: the text is not repeated.
            _ => Err(AuthError::Unknown),
        }
    }
}

/// Why there is no [`Auth`]. Never holds a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Neither form.
    #[error("--auth is 'open', 'tokens=FILE', 'jwt=FILE', 'jwks=FILE' or 'http=URL'")]
    Unknown,
    /// What should be the URL of an endpoint is none.
    #[error("{0}; --auth http=URL takes one such as http=https://app.example/rejoin/auth")]
    Url(&'static str),
    /// The system's certificates cannot be used.
    #[error("no TLS for the endpoint of --auth http: {0}")]
    Tls(io::Error),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of the token file is wrong.
    #[error("line {line} of the token file: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A line of a file of keys cannot be used.
    #[error("{}, line {line}: {problem}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A key of a JWK set cannot be used.
    #[error("{}, key {number}: {problem}", path.display())]
    Jwk {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No key of a file can sign as it was asked for.
    #[error(
        "{} has no key that can sign so: a private key in PEM or a secret of at least 32 bytes is needed, for this --alg and \
         --kid if they are given",
        path.display()
    )]
    NoSigner {
        /// Which file.
        path: PathBuf,
    },
    /// A key could not sign.
    #[error("the key cannot sign a token")]
    Unsigned,
    /// The tokens did not come from a file.
    #[error("the tokens were not read from a file, so there is nothing to read again")]
    NoFile,
    /// The token file names nobody.
    #[error("the token file has no tokens, so nobody could connect; write one 'TOKEN USER' per line")]
    Empty,
}

pub(crate) fn is_user_name(text: &str) -> bool {
    // One more than allowed is enough to know.
    let chars = text.chars().take(USER_CHARS + 1).count();
    (1..=USER_CHARS).contains(&chars) && !text.chars().any(is_invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_server_takes_the_token_for_the_name() {
        let user = |token: &str| {
            Auth::Open.identify_at_once(token, Instant::now()).unwrap().ok().map(|identity| identity.user)
        };
        assert_eq!(user("ada"), Some(Name::from("ada")));
        assert_eq!(user(&"é".repeat(128)), Some(Name::from(&*"é".repeat(128))));
        for bad in ["", "a\u{202e}b", "a\nb", "\u{200b}", &"x".repeat(129)] {
            assert_eq!(user(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_error_shows_no_token() {
        assert!(!"canary".parse::<Auth>().unwrap_err().to_string().contains("canary"));
        assert!(
            "tokens=/nonexistent/file".parse::<Auth>().unwrap_err().to_string().contains("/nonexistent/file")
        );
    }
}
