//! Ed25519 keys (RFC 8032) and the names derived from them.
//!
//! A key's `kid` is its RFC 7638 thumbprint; an appliance's id is derived from its key, so that no two appliances
//! share one and nobody can claim another's.

use crate::base64;
use ed25519_dalek::Signer;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A private key. Erased from memory when dropped; never shown by `Debug`.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A public key that is a valid point of no small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

/// Why 32 bytes or a text are not a usable public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 43 characters of base64url.
    #[error("not a public key: expected 32 bytes as 43 characters of base64url without padding")]
    Encoding,
    /// No point of the curve, or one of small order for which anybody can sign.
    #[error("not a public key: these 32 bytes are no usable point of edwards25519")]
    Point,
}

/// A signature that does not fit key and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

impl SigningKey {
    /// The key with this secret seed (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs, deterministically.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.verifying_key().kid())
    }
}

impl VerifyingKey {
    /// Checks that the bytes are a usable public key.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Point)?;
        if key.is_weak() { Err(KeyError::Point) } else { Ok(VerifyingKey(key)) }
    }

    /// The 32 bytes of RFC 8032 §5.1.2.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Checks a signature strictly: canonical S, canonical R, no small-order points.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
    }

    /// The RFC 7638 thumbprint (SHA-256, base64url) of the key as an RFC 8037 JWK.
    pub fn kid(&self) -> String {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#);
        base64::url(&Sha256::digest(jwk))
    }

    /// The id of the appliance that signs with this key: `rollcall-` and the first 80 bits of the key's SHA-256
    /// in lower-case base32 (RFC 4648 §6).
    pub fn device_id(&self) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let digest = Sha256::digest(self.to_bytes());
        let bits = digest[..10].iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        let letters = (0..16).rev().map(|at| char::from(ALPHABET[(bits >> (5 * at) & 31) as usize]));
        "rollcall-".chars().chain(letters).collect()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64::url(&self.to_bytes()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<VerifyingKey, KeyError> {
        let bytes = base64::from_url(text).ok_or(KeyError::Encoding)?;
        VerifyingKey::from_bytes(&bytes.try_into().map_err(|_| KeyError::Encoding)?)
    }
}

impl Serialize for VerifyingKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<VerifyingKey, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.1 to A.3: key, thumbprint.
    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        let key: VerifyingKey = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".parse().expect("the RFC's key");
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn small_order_and_malformed_keys_are_refused() {
        assert_eq!(VerifyingKey::from_bytes(&[0; 32]), Err(KeyError::Point));
        let mut one = [0; 32];
        one[0] = 1;
        assert_eq!(VerifyingKey::from_bytes(&one), Err(KeyError::Point));
        assert_eq!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=".parse::<VerifyingKey>(), Err(KeyError::Encoding));
    }

    #[test]
    fn a_device_id_is_sixteen_letters_of_base32() {
        let id = SigningKey::from_seed(&[7; 32]).verifying_key().device_id();
        assert_eq!(id.len(), "rollcall-".len() + 16);
        assert_eq!(id, SigningKey::from_seed(&[7; 32]).verifying_key().device_id());
    }
}
