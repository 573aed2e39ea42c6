//! The keys that verify JSON Web Tokens, read from a file of PEM and secrets, or from a JWK set. Owns the forms of these
//! files, not when they are read.

use super::pem::{EDWARDS, MODULUS, POINT, Parsed, RSA_BITS, parse as parse_pem};
use crate::auth::AuthError;
use crate::auth::digest::short;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Most keys of a file: each of them may be tried with a token that does not name its own.
const MOST: usize = 64;

/// Least bytes of a secret: as many as HS256 has (RFC 7518 3.2).
const SECRET: usize = 32;

/// Most bytes of a key's name.
const NAME: usize = 256;

/// Lines of sixteen KiB are no secret that somebody meant.
const LINE: usize = 16 << 10;

/// Which key, on every server, so that one that is read again is known to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub(in crate::auth) [u8; 16]);

#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) name: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) verifying: DecodingKey,
    pub(super) signing: Option<EncodingKey>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.algorithm)
    }
}

impl Key {
    fn new(parsed: Parsed, name: Option<String>) -> Self {
        let Parsed { algorithm, verifying, signing } = parsed;
        let id = match verifying.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => print(algorithm, bytes, &[]),
            DecodingKeyKind::RsaModulusExponent { n, e } => print(algorithm, n, e),
        };
        Self { id, name, algorithm, verifying, signing }
    }
}

fn print(algorithm: Algorithm, key: &[u8], rest: &[u8]) -> KeyId {
    let length = (key.len() as u64).to_be_bytes();
    KeyId(short(&[b"rejoin key ", &[algorithm as u8], &length, key, rest]))
}

/// Reads a file of keys: PEM, and lines with the secret of HS256. A line `kid=NAME` names the key that follows.
pub(super) fn parse_keys(path: &Path, text: &str) -> Result<Vec<Key>, AuthError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let wrong = |line, problem| AuthError::Key { path: path.into(), line, problem };
    if text.trim_start().starts_with('{') {
        return Err(wrong(1, "it is JSON: a JWK set is given by --auth jwks=FILE"));
    }
    let mut keys = Vec::new();
    let mut name = None;
    let mut lines = (1..).zip(text.lines());
    while let Some((line, text)) = lines.next() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(kid) = text.strip_prefix("kid=") {
            if kid.is_empty() || kid.len() > NAME || name.replace(String::from(kid)).is_some() {
                return Err(wrong(line, "a line kid=NAME names the key that follows it, with 1-256 bytes"));
            }
            continue;
        }
        let parsed = if text.starts_with("-----BEGIN ") {
            let mut section = format!("{text}\n");
            loop {
                let Some((_, more)) = lines.next() else {
                    return Err(wrong(line, "the key that begins here has no line -----END …"));
                };
                section.extend([more.trim(), "\n"]);
                if more.trim_start().starts_with("-----END ") {
                    break;
                }
            }
            parse_pem(&section).map_err(|problem| wrong(line, problem))?
        } else {
            secret(text).map_err(|problem| wrong(line, problem))?
        };
        if keys.len() == MOST {
            return Err(wrong(
                line,
                "it has more than 64 keys: take out those that no token is signed with any more",
            ));
        }
        keys.push(Key::new(parsed, name.take()));
    }
    if name.is_some() {
        return Err(wrong(
            text.lines().count(),
            "a line kid=NAME names the key that follows it, and none does",
        ));
    }
    if keys.is_empty() {
        return Err(wrong(
            1,
            "it has no key, so nobody could connect; write a public key in PEM, or a secret of at least 32 bytes in a line",
        ));
    }
    Ok(keys)
}

fn secret(text: &str) -> Result<Parsed, &'static str> {
    if text.len() > LINE {
        return Err("it is longer than 16 KiB");
    }
    if text.len() < SECRET {
        return Err(
            "a secret for HS256 has at least 32 bytes, or it can be guessed: make one with 'openssl rand -base64 48'; a public \
             key begins with -----BEGIN PUBLIC KEY-----",
        );
    }
    let unusable = |_| "it cannot be used as a secret";
    let verifying = DecodingKey::from_secret(text.as_bytes()).map_err(unusable)?;
    let signing = EncodingKey::from_secret(text.as_bytes()).map_err(unusable)?;
    Ok(Parsed { algorithm: Algorithm::HS256, verifying, signing: Some(signing) })
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Box<RawValue>>,
}

/// Reads a JWK set (RFC 7517). Keys for something else are passed over, as it says.
pub(super) fn parse_set(path: &Path, text: &str) -> Result<Vec<Key>, AuthError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The parser's own words may repeat what the file says.
    let Set { keys: all } = serde_json::from_str(text).map_err(|error| AuthError::Key {
        path: path.into(),
        line: error.line().max(1),
        problem: "it is no JWK set in JSON: {\"keys\": [{\"kty\": …}, …]}; keys in PEM are given by --auth jwt=FILE",
    })?;
    let mut keys = Vec::new();
    for (number, text) in (1..).zip(&all) {
        let wrong = |problem| AuthError::Jwk { path: path.into(), number, problem };
        if number > MOST {
            return Err(wrong("there are more than 64 keys"));
        }
        let jwk: Jwk = serde_json::from_str(text.get())
            .map_err(|_| wrong("it is no JWK, which is an object with a member kty"))?;
        if let Some(parsed) = from_jwk(&jwk).map_err(wrong)? {
            let name = jwk.common.key_id.filter(|name| name.len() <= NAME);
            keys.push(Key::new(parsed, name));
        }
    }
    if keys.is_empty() {
        return Err(AuthError::Key {
            path: path.into(),
            line: 1,
            problem: "it has no key for signatures by HS256, RS256, ES256 or EdDSA, so nobody could connect",
        });
    }
    Ok(keys)
}

/// Whether a key that is not understood says that it is one of those that are.
fn is_ours(fields: &BTreeMap<String, Value>) -> bool {
    let field = |name: &str| fields.get(name).and_then(Value::as_str);
    matches!(
        (field("kty"), field("crv")),
        (None | Some("RSA" | "oct"), _)
            | (Some("EC"), None | Some("P-256"))
            | (Some("OKP"), None | Some("Ed25519"))
    )
}

/// `None`: for something else than what is signed here.
fn from_jwk(jwk: &Jwk) -> Result<Option<Parsed>, &'static str> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        AlgorithmParameters::Other(key) if is_ours(&key.fields) => {
            return Err("it lacks a member that its kty needs, or one is of the wrong type");
        }
        _ => return Ok(None),
    };
    if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature)
        || jwk.common.key_algorithm.is_some_and(|named| named != algorithm.into())
    {
        return Ok(None);
    }
    let verifying = DecodingKey::from_jwk(jwk).map_err(|_| "a member is not base64url, or is empty")?;
    match (algorithm, verifying.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, .. })
            if !MODULUS.contains(&n.iter().skip_while(|byte| **byte == 0).count()) =>
        {
            return Err(RSA_BITS);
        }
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(key)) if key.len() != POINT => {
            return Err("x and y of P-256 have 32 bytes each");
        }
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) if key.len() != EDWARDS => {
            return Err("x of Ed25519 has 32 bytes");
        }
        (Algorithm::HS256, DecodingKeyKind::SecretOrDer(key)) if key.len() < SECRET => {
            return Err("a secret for HS256 has at least 32 bytes, or it can be guessed");
        }
        _ => {}
    }
    Ok(Some(Parsed { algorithm, verifying, signing: None }))
}
