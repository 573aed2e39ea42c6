//! Signs JSON Web Tokens for trials. Owns which key of a file signs, not the claims.

use super::keys::{Key, parse_keys};
use super::{FILE_BYTES, provider};
use crate::auth::AuthError;
use crate::auth::file::WatchedFile;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Map, Value};
use std::fmt;
use std::path::Path;

/// A key that signs tokens.
pub struct JwtSigner {
    header: Header,
    key: EncodingKey,
}

impl JwtSigner {
    /// Takes the first key of such a file as [`Jwt::keys`](super::Jwt::keys) reads that can sign: a private key, or a secret.
    /// With a `name`, the one of that name, or else one without a name, which the token then names so; with an `algorithm`,
    /// one for that.
    ///
    /// # Errors
    /// Which line cannot be used, or that no key of the file can sign so.
    pub fn read(path: &Path, algorithm: Option<&str>, name: Option<&str>) -> Result<Self, AuthError> {
        provider::install();
        let text = WatchedFile::new(path, FILE_BYTES).read()?;
        let keys = parse_keys(path, &text)?;
        let wanted = |key: &&Key| algorithm.is_none_or(|wanted| wanted == format!("{:?}", key.algorithm));
        let of = |own: Option<&str>| {
            keys.iter().filter(wanted).find(|key| key.signing.is_some() && key.name.as_deref() == own)
        };
        let found = match name {
            Some(name) => of(Some(name)).or_else(|| of(None)),
            None => keys.iter().filter(wanted).find(|key| key.signing.is_some()),
        };
        let (key, signing) = found
            .and_then(|key| Some((key, key.signing.clone()?)))
            .ok_or_else(|| AuthError::NoSigner { path: path.into() })?;
        let mut header = Header::new(key.algorithm);
        header.kid = name.map(String::from).or_else(|| key.name.clone());
        Ok(Self { header, key: signing })
    }

    /// A token that says this.
    ///
    /// # Errors
    /// [`AuthError::Unsigned`], if the key turns out to be unusable.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, AuthError> {
        encode(&self.header, claims, &self.key).map_err(|_| AuthError::Unsigned)
    }
}

impl fmt::Debug for JwtSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtSigner({:?})", self.header.alg)
    }
}
