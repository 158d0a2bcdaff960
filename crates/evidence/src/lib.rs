//! What Rollcall signs and how it is checked: records, JWS, the RFC 6962 tree, C2SP checkpoints, verdicts.
//!
//! Bytes in, facts or errors out: no I/O, no clock, no database. Appliance, bureau and offline verifier all trust
//! this crate and nothing else of ours; docs/evidence.md describes every byte of it.

pub mod account;
mod base64;
pub mod checkpoint;
pub mod disc;
pub mod entered;
pub mod inclusion;
pub mod jws;
pub mod key;
pub mod links;
pub mod moments;
pub mod note;
pub mod people;
pub mod record;
pub mod reference;
pub mod setup;
pub mod sound;
#[cfg(test)]
mod testing;
pub mod times;
pub mod timetable;
pub mod tree;
pub mod verdict;
pub mod zone;

/// Lower-case hexadecimal, as all hashes are written in JSON.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(bytes))
}
