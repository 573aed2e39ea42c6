//! Verifies JSON Web Tokens by the keys of a file. Owns which tokens are valid; the application signs them.

mod keys;
mod pem;
mod provider;
mod signing;

pub use signing::JwtSigner;

pub(crate) use keys::KeyId;

use super::file::{Stamp, WatchedFile};
use super::{
    AuthError, Credential, Identity, Jti, Proof, TokenChanges, TokenRejection, Verified, is_user_name, rooms,
};
use crate::hub::Rights;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use keys::{Key, parse_keys, parse_set};
use rejoin::Name;
use serde_json::{Map, Value};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Most bytes of a token. Longer ones are refused before anything of them is read.
const TOKEN_BYTES: usize = 16 << 10;

/// Most bytes of a file of keys.
const FILE_BYTES: u64 = 1 << 20;

/// Longest time that a token is taken for, so that it can be counted.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// What a token has to say beside its signature and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwtRules {
    /// The issuers (`iss`) whose tokens are good; anybody's if there are none.
    pub issuers: Vec<String>,
    /// The audiences (`aud`) of which a token names at least one. Without any, a token that names some is for somebody else.
    pub audiences: Vec<String>,
    /// How far the clock of whoever signs may be off. Default 30 s.
    pub leeway: Duration,
    /// The claim that has the user. Default `sub`.
    pub user_claim: String,
}

impl Default for JwtRules {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            user_claim: String::from("sub"),
        }
    }
}

/// Keys by which JSON Web Tokens are verified, and the rules for these. A clone has the same keys.
#[derive(Clone)]
pub struct Jwt {
    keys: Arc<Keys>,
    rules: Arc<JwtRules>,
}

struct Keys {
    table: RwLock<Vec<Key>>,
    file: WatchedFile,
    parse: fn(&Path, &str) -> Result<Vec<Key>, AuthError>,
}

impl Jwt {
    /// Reads a file of keys: public keys in PEM (RSA, P-256, Ed25519), and lines with a secret of at least 32 bytes for HS256.
    /// A line `kid=NAME` names the key that follows, empty lines and those that begin with `#` say nothing. The kind of the
    /// key says by which algorithm a token has to be signed.
    ///
    /// # Errors
    /// Which line cannot be used, and why. No error repeats a part of a key.
    pub fn keys(path: &Path) -> Result<Self, AuthError> {
        let jwt = Self::read(path, parse_keys)?;
        // A secret has to be there to verify; a private key does not.
        let is_private = |key: &Key| key.signing.is_some() && key.algorithm != Algorithm::HS256;
        if jwt.table().iter().any(is_private) {
            tracing::warn!(
                file = %path.display(),
                "a private key is among the server's keys, and whoever reads the file can make tokens: give it the \
                 public key alone ('openssl pkey -pubout')"
            );
        }
        Ok(jwt)
    }

    /// Reads a JWK set (RFC 7517), as identity providers publish it.
    ///
    /// # Errors
    /// Which key cannot be used, and why.
    pub fn key_set(path: &Path) -> Result<Self, AuthError> {
        Self::read(path, parse_set)
    }

    /// The same keys under other rules.
    pub fn with_rules(self, rules: JwtRules) -> Self {
        Self { rules: Arc::new(rules), ..self }
    }

    fn read(path: &Path, parse: fn(&Path, &str) -> Result<Vec<Key>, AuthError>) -> Result<Self, AuthError> {
        provider::install();
        let file = WatchedFile::new(path, FILE_BYTES);
        let table = RwLock::new(parse(path, &file.read()?)?);
        Ok(Self { keys: Arc::new(Keys { table, file, parse }), rules: Arc::default() })
    }

    pub(super) fn changed(&self) -> Option<Stamp> {
        self.keys.file.changed()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.keys.file.is_gone()
    }

    /// Reads the file again. One that cannot be used changes nothing.
    pub(super) fn read_again(&self) -> Result<TokenChanges, AuthError> {
        let Keys { table, file, parse } = &*self.keys;
        let new = parse(file.path(), &file.read()?)?;
        let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
        let lacks = |those: &[Key], key: &&Key| !those.iter().any(|other| other.id == key.id);
        let added = new.iter().filter(|key| lacks(&table, key)).count();
        let removed = table.iter().filter(|key| lacks(&new, key)).count();
        *table = new;
        Ok(TokenChanges { added, removed })
    }

    pub(super) fn holds(&self, key: KeyId) -> bool {
        self.table().iter().any(|held| held.id == key)
    }

    /// Whose token it is, if it is good.
    pub(super) fn identify(&self, token: &str, now: Instant) -> Verified {
        if token.len() > TOKEN_BYTES {
            return Err(TokenRejection::TooLong);
        }
        // Only to find the key: nothing that it says counts before the signature is known to be good.
        let header = decode_header(token).map_err(|_| broken_header(token))?;
        if !provider::ALGORITHMS.contains(&header.alg) {
            return Err(TokenRejection::Algorithm);
        }
        let validation = self.validation(header.alg);
        let mut why = self.without_key(header.alg, header.kid.as_deref());
        for (id, key) in self.candidates(header.alg, header.kid.as_deref()) {
            match decode::<Map<String, Value>>(token, &key, &validation) {
                Ok(good) => return self.identity(id, &good.claims, now),
                // Another key may have made it.
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(error) => why = rule(error.kind()),
            }
        }
        Err(why)
    }

    /// What is wrong with a token that no key verifies.
    fn without_key(&self, algorithm: Algorithm, name: Option<&str>) -> TokenRejection {
        let table = self.table();
        let mut fit = table.iter().filter(|key| key.algorithm == algorithm).peekable();
        match name {
            _ if fit.peek().is_none() => TokenRejection::Algorithm,
            Some(name) if !fit.any(|key| key.name.as_deref() == Some(name)) => TokenRejection::Key,
            _ => TokenRejection::Signature,
        }
    }

    /// The keys of this algorithm that have the token's name; those without a name if none has, or if the token names none,
    /// all.
    fn candidates(&self, algorithm: Algorithm, name: Option<&str>) -> Vec<(KeyId, DecodingKey)> {
        let table = self.table();
        let of = |named: &dyn Fn(Option<&str>) -> bool| -> Vec<_> {
            let keys = table.iter().filter(|key| key.algorithm == algorithm && named(key.name.as_deref()));
            keys.map(|key| (key.id, key.verifying.clone())).collect()
        };
        let Some(name) = name else { return of(&|_| true) };
        let named = of(&|own| own == Some(name));
        if named.is_empty() { of(&|own| own.is_none()) } else { named }
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let rules = &self.rules;
        // One algorithm: that a public key is taken for the secret of another one cannot happen.
        let mut validation = Validation::new(algorithm);
        validation.leeway = rules.leeway.as_secs();
        validation.validate_nbf = true;
        let mut required = vec!["exp"];
        if !rules.issuers.is_empty() {
            validation.set_issuer(&rules.issuers);
            required.push("iss");
        }
        if !rules.audiences.is_empty() {
            validation.set_audience(&rules.audiences);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn identity(&self, key: KeyId, claims: &Map<String, Value>, now: Instant) -> Verified {
        let user = claims.get(&self.rules.user_claim).and_then(Value::as_str);
        let user = user.filter(|user| is_user_name(user)).ok_or(TokenRejection::User)?;
        let rights = claims.get("rooms").map(rooms::rights);
        let until = claims.get("exp").and_then(time).ok_or(TokenRejection::Missing)? + self.rules.leeway;
        let left = until.saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let expires = now.checked_add(left.min(LONGEST));
        Ok(Identity {
            user: Name::from(user),
            expires,
            credential: Credential {
                proof: Some(Proof::Key(key)),
                jti: claims.get("jti").and_then(Value::as_str).map(Jti::from),
                issued: claims.get("iat").and_then(time).map(|issued| UNIX_EPOCH + issued),
            },
            // What is there and cannot be read lets nobody in.
            rights: rights.unwrap_or_else(|| Some(Rights::all())).ok_or(TokenRejection::Rooms)?,
        })
    }

    fn table(&self) -> RwLockReadGuard<'_, Vec<Key>> {
        self.keys.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with a token whose header cannot be read: perhaps only that it names no algorithm that is known.
fn broken_header(token: &str) -> TokenRejection {
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    match header.and_then(|header| serde_json::from_slice::<Value>(&header).ok()) {
        Some(Value::Object(header)) if header.contains_key("alg") => TokenRejection::Algorithm,
        _ => TokenRejection::Form,
    }
}

/// Which rule a token breaks that a key has verified, or that is none.
fn rule(error: &ErrorKind) -> TokenRejection {
    match error {
        ErrorKind::InvalidIssuer => TokenRejection::Issuer,
        ErrorKind::InvalidAudience => TokenRejection::Audience,
        ErrorKind::ExpiredSignature => TokenRejection::Expired,
        ErrorKind::ImmatureSignature => TokenRejection::NotYet,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => TokenRejection::Missing,
        _ => TokenRejection::Form,
    }
}

/// Seconds since 1970, whole or not (RFC 7519, `NumericDate`); `None` if it is none.
fn time(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).map_or(LONGEST, |time| time.min(LONGEST)))
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("keys", &self.table().len()).field("rules", &self.rules).finish()
    }
}
