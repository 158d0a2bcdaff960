//! Records as JWS in compact form (RFC 7515 §7.1) with Ed25519 (RFC 8037): `header.payload.signature`.
//!
//! One fact has one text: the header's bytes are fixed for a key, base64url is canonical, and signatures are
//! checked strictly. Anything else is refused, `alg: none` first of all.

use crate::base64;
use crate::key::{SigningKey, VerifyingKey};
use crate::record::{Record, RecordError};
use crate::tree::{self, Hash};

/// Longest text that is looked at, bytes. A record measures under 2 kB.
pub const MAX_LENGTH: usize = 65_536;

/// A record's JWS, as written. Says nothing of whether it verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRecord(String);

impl SignedRecord {
    /// Takes a text as found.
    pub fn from_text(text: String) -> SignedRecord {
        SignedRecord(text)
    }

    /// The compact JWS.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its leaf in the log's tree.
    pub fn leaf_hash(&self) -> Hash {
        tree::leaf_hash(self.0.as_bytes())
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Why a JWS is not a record of this appliance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of canonical base64url, or too long.
    #[error("not a JWS in compact form: {0}")]
    Form(&'static str),
    /// The header is not the one that this key's records have.
    #[error("the header is not that of this key: expected alg EdDSA and kid {0}")]
    Header(String),
    /// The signature does not fit.
    #[error("the signature does not verify: the record was altered, or another key signed it")]
    Signature,
    /// Well signed, but no record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The header of every record that a key signs.
fn header(key: &VerifyingKey) -> String {
    base64::url(format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, key.kid()).as_bytes())
}

pub(crate) fn sign(payload: &[u8], key: &SigningKey) -> SignedRecord {
    let mut text = header(&key.verifying_key());
    text.push('.');
    text.push_str(&base64::url(payload));
    let signature = key.sign(text.as_bytes());
    text.push('.');
    text.push_str(&base64::url(&signature));
    SignedRecord(text)
}

/// Checks records of one key; computes what is the same for all of them once.
#[derive(Debug, Clone)]
pub struct Verifier {
    key: VerifyingKey,
    header: String,
}

impl Verifier {
    /// For records signed by `key`.
    pub fn new(key: VerifyingKey) -> Verifier {
        Verifier { header: header(&key), key }
    }

    /// The key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Checks one record's form, header, signature and payload, and reads it.
    pub fn verify(&self, jws: &str) -> Result<Record, JwsError> {
        if jws.len() > MAX_LENGTH {
            return Err(JwsError::Form("longer than 65536 bytes"));
        }
        let (signed, signature) = jws.rsplit_once('.').ok_or(JwsError::Form("fewer than three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Form("fewer than three parts"))?;
        if header != self.header {
            return Err(JwsError::Header(self.key.kid()));
        }
        let payload = base64::from_url(payload).ok_or(JwsError::Form("the payload is not canonical base64url"))?;
        let signature = base64::from_url(signature)
            .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
            .ok_or(JwsError::Form("the signature is not 64 bytes of canonical base64url"))?;
        self.key.verify(signed.as_bytes(), &signature).map_err(|_| JwsError::Signature)?;
        Ok(Record::from_payload(&payload)?)
    }
}

/// Reads a record's payload without checking its signature; only for records that were checked when they came.
pub fn read_unverified(jws: &str) -> Result<Record, JwsError> {
    let payload = jws.split('.').nth(1).ok_or(JwsError::Form("fewer than three parts"))?;
    let payload = base64::from_url(payload).ok_or(JwsError::Form("the payload is not canonical base64url"))?;
    Ok(Record::from_payload(&payload)?)
}
