//! Reads one key in PEM, public or private, and derives its algorithm. Owns no file and no list.

use super::provider::{ec_pair, ed_pair, rsa_pair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::signature::KeyPair as _;
use tokio_rustls::rustls::pki_types::pem::{PemObject, SectionKind};

/// DER of the object identifiers in a `SubjectPublicKeyInfo`: rsaEncryption, ecPublicKey with prime256v1, Ed25519.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// Bytes of the point of a P-256 key, not compressed, and of an Ed25519 key.
pub(super) const POINT: usize = 65;
pub(super) const EDWARDS: usize = 32;

/// Bytes of an RSA modulus that ring takes: 2048 to 8192 bits.
pub(super) const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// What is said of an RSA key that is too short or too long.
pub(super) const RSA_BITS: &str = "an RSA key has 2048 to 8192 bits";

const UNKNOWN: &str = "it is no key for RS256, ES256 (P-256) or EdDSA (Ed25519); OpenSSL writes one with 'openssl pkey -pubout'";

/// What a key can do.
pub(super) struct Parsed {
    pub(super) algorithm: Algorithm,
    pub(super) verifying: DecodingKey,
    /// A private key signs too.
    pub(super) signing: Option<EncodingKey>,
}

struct Section(SectionKind, Vec<u8>);

impl PemObject for Section {
    fn from_pem(kind: SectionKind, der: Vec<u8>) -> Option<Self> {
        Some(Self(kind, der))
    }
}

/// Reads one section of PEM, or says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Parsed, &'static str> {
    let Section(kind, der) = Section::from_pem_slice(text.as_bytes()).map_err(|_| {
        "it is not PEM, or of a kind that is not known here: a key begins with -----BEGIN PUBLIC KEY-----"
    })?;
    match kind {
        SectionKind::PublicKey => {
            let (algorithm, verifying) = public(&der)?;
            Ok(Parsed { algorithm, verifying, signing: None })
        }
        SectionKind::PrivateKey | SectionKind::RsaPrivateKey => private(&der),
        SectionKind::EcPrivateKey => {
            Err("an EC PRIVATE KEY is of the older kind: write it anew with 'openssl pkcs8 -topk8 -nocrypt'")
        }
        SectionKind::Certificate => {
            Err("it is a certificate, not a key: take its key out with 'openssl x509 -noout -pubkey'")
        }
        _ => Err(UNKNOWN),
    }
}

fn public(der: &[u8]) -> Result<(Algorithm, DecodingKey), &'static str> {
    let (kind, key) = public_parts(der).ok_or(UNKNOWN)?;
    if kind.starts_with(RSA) {
        if !modulus(key).is_some_and(|bytes| MODULUS.contains(&bytes)) {
            return Err(RSA_BITS);
        }
        Ok((Algorithm::RS256, DecodingKey::from_rsa_der(key)))
    } else if kind == P256 && key.len() == POINT {
        Ok((Algorithm::ES256, DecodingKey::from_ec_der(key)))
    } else if kind == ED25519 && key.len() == EDWARDS {
        Ok((Algorithm::EdDSA, DecodingKey::from_ed_der(key)))
    } else {
        Err(UNKNOWN)
    }
}

fn private(der: &[u8]) -> Result<Parsed, &'static str> {
    if let Ok(pair) = ec_pair(der) {
        let verifying = DecodingKey::from_ec_der(pair.public_key().as_ref());
        let signing = Some(EncodingKey::from_ec_der(der));
        return Ok(Parsed { algorithm: Algorithm::ES256, verifying, signing });
    }
    if let Ok(pair) = ed_pair(der) {
        let verifying = DecodingKey::from_ed_der(pair.public_key().as_ref());
        let signing = Some(EncodingKey::from_ed_der(der));
        return Ok(Parsed { algorithm: Algorithm::EdDSA, verifying, signing });
    }
    if let Ok(pair) = rsa_pair(der) {
        let verifying = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        let signing = Some(EncodingKey::from_rsa_der(der));
        return Ok(Parsed { algorithm: Algorithm::RS256, verifying, signing });
    }
    Err("it is no private key for RS256 (2048 to 4096 bits), ES256 (P-256) or EdDSA (Ed25519)")
}

/// The algorithm and the key of a `SubjectPublicKeyInfo` (RFC 5280).
fn public_parts(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (outer, _) = element(der, SEQUENCE)?;
    let (algorithm, rest) = element(outer, SEQUENCE)?;
    let (bits, _) = element(rest, BIT_STRING)?;
    // The first byte says how many bits of the last one do not count.
    let (unused, key) = bits.split_first()?;
    (*unused == 0).then_some((algorithm, key))
}

/// Bytes of the modulus of an `RSAPublicKey` (RFC 8017).
fn modulus(der: &[u8]) -> Option<usize> {
    let (key, _) = element(der, SEQUENCE)?;
    let (modulus, _) = element(key, INTEGER)?;
    Some(modulus.iter().skip_while(|byte| **byte == 0).count())
}

/// The content of the first element, which has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (_, rest) = der.split_first().filter(|(found, _)| **found == tag)?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=0x7f => (short, rest),
        // No key has more than 64 KiB.
        long @ 0x81..=0x82 => {
            let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
