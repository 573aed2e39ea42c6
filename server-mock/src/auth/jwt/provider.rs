//! The cryptography of JSON Web Tokens, by ring: HS256, RS256, ES256 and `EdDSA`. Makes and verifies signatures; does not
//! choose the key.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
};
use ring::{error, hmac};

/// Those that are spoken here.
pub(super) const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Of use only to those who make a JWK.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Before the first token is looked at or made. The crate has one provider for the whole process: a program that has
/// chosen another one keeps that.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

/// A private key.
enum Private {
    Hmac(hmac::Key),
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

struct OurSigner(Algorithm, Private);

/// The RSA key of PKCS#8, or of the older PKCS#1.
pub(super) fn rsa_pair(der: &[u8]) -> Result<RsaKeyPair, error::KeyRejected> {
    RsaKeyPair::from_pkcs8(der).or_else(|first| RsaKeyPair::from_der(der).map_err(|_| first))
}

pub(super) fn ec_pair(der: &[u8]) -> Result<EcdsaKeyPair, error::KeyRejected> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new())
}

/// Of the version of PKCS#8 that OpenSSL writes too, which has no public key beside the private one.
pub(super) fn ed_pair(der: &[u8]) -> Result<Ed25519KeyPair, error::KeyRejected> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the type of the crate's table of functions")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let der = key.as_bytes();
    let private = match algorithm {
        Algorithm::HS256 => Private::Hmac(hmac::Key::new(hmac::HMAC_SHA256, der)),
        Algorithm::RS256 => {
            Private::Rsa(rsa_pair(der).map_err(|no| ErrorKind::InvalidRsaKey(no.to_string()))?)
        }
        Algorithm::ES256 => Private::Ec(ec_pair(der).map_err(|_| ErrorKind::InvalidEcdsaKey)?),
        Algorithm::EdDSA => Private::Ed(ed_pair(der).map_err(|_| ErrorKind::InvalidEddsaKey)?),
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(Box::new(OurSigner(*algorithm, private)))
}

impl Signer<Vec<u8>> for OurSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let rng = SystemRandom::new();
        Ok(match &self.1 {
            Private::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Private::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Private::Ec(pair) => {
                pair.sign(&rng, message).map_err(|_| signature::Error::new())?.as_ref().to_vec()
            }
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)
                    .map_err(|_| signature::Error::new())?;
                signature
            }
        })
    }
}

impl JwtSigner for OurSigner {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

struct OurVerifier(Algorithm, DecodingKey);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the type of the crate's table of functions")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    if !ALGORITHMS.contains(algorithm) {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    Ok(Box::new(OurVerifier(*algorithm, key.clone())))
}

impl Verifier<Vec<u8>> for OurVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let good = match (self.0, self.1.kind()) {
            (Algorithm::HS256, DecodingKeyKind::SecretOrDer(secret)) => {
                // In constant time.
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature)
            }
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Algorithm::RS256, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(message, signature)
            }
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature)
            }
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
            _ => Err(error::Unspecified),
        };
        good.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for OurVerifier {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}
