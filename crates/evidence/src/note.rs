//! C2SP signed notes (c2sp.org/signed-note): a text and lines that sign it.
//!
//! `— <name> <base64(key hash ‖ signature)>`. The key hash only tells which key a line claims to be of; a line
//! counts when its signature verifies. Lines of unknown keys are kept and ignored, as the specification asks.

use crate::base64;
use crate::key::VerifyingKey;
use sha2::{Digest, Sha256};

/// Longest note that is looked at, bytes.
pub const MAX_LENGTH: usize = 65_536;
/// Most signature lines that are looked at.
pub const MAX_SIGNATURES: usize = 64;

/// Signature type byte of a plain Ed25519 note signature.
pub const ED25519: u8 = 0x01;
/// Signature type byte of a timestamped Ed25519 cosignature (c2sp.org/tlog-cosignature).
pub const COSIGNATURE_V1: u8 = 0x04;

/// A note taken apart; nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed, with its last newline.
    pub text: String,
    /// The signature lines.
    pub signatures: Vec<SignatureLine>,
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// The key's name.
    pub name: String,
    /// First four bytes of the key's hash.
    pub key_hash: [u8; 4],
    /// What follows the hash.
    pub signature: Vec<u8>,
}

/// Why a text is not a signed note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Something about its form.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// A name that cannot stand in a signature line.
    #[error("{0:?} cannot be a key name: it must be non-empty, without spaces and plus signs")]
    Name(String),
}

/// The key hash: first four bytes of SHA-256(name ‖ LF ‖ type ‖ public key).
pub fn key_hash(name: &str, signature_type: u8, key: &VerifyingKey) -> [u8; 4] {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', signature_type]).chain_update(key.to_bytes()).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Whether `name` may stand in a signature line.
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

impl SignatureLine {
    /// A line for a signature that has been made.
    pub fn new(
        name: &str,
        signature_type: u8,
        key: &VerifyingKey,
        signature: Vec<u8>,
    ) -> Result<SignatureLine, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::Name(name.to_owned()));
        }
        Ok(SignatureLine { name: name.to_owned(), key_hash: key_hash(name, signature_type, key), signature })
    }
}

impl Note {
    /// Takes a note apart.
    pub fn parse(note: &str) -> Result<Note, NoteError> {
        let form = |problem| Err(NoteError::Form(problem));
        if note.len() > MAX_LENGTH {
            return form("longer than 65536 bytes");
        }
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return form("control characters");
        }
        let Some(split) = note.rfind("\n\n") else { return form("no blank line before the signatures") };
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let Some(lines) = lines.strip_suffix('\n') else { return form("the last line does not end") };
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            let Some((name, blob)) = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' ')) else {
                return form("a signature line is not `— name base64`");
            };
            let Some(blob) = base64::from_standard(blob).filter(|blob| blob.len() > 4) else {
                return form("a signature is not canonical base64");
            };
            if !is_key_name(name) {
                return Err(NoteError::Name(name.to_owned()));
            }
            if signatures.len() == MAX_SIGNATURES {
                return form("more than 64 signatures");
            }
            signatures.push(SignatureLine {
                name: name.to_owned(),
                key_hash: [blob[0], blob[1], blob[2], blob[3]],
                signature: blob[4..].to_vec(),
            });
        }
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// The signatures that claim to be by this key under this name.
    pub fn signatures_of<'a>(
        &'a self,
        name: &'a str,
        signature_type: u8,
        key: &VerifyingKey,
    ) -> impl Iterator<Item = &'a [u8]> {
        let hash = key_hash(name, signature_type, key);
        self.signatures
            .iter()
            .filter(move |line| line.name == name && line.key_hash == hash)
            .map(|line| &*line.signature)
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        for line in &self.signatures {
            let blob = [&line.key_hash[..], &line.signature].concat();
            writeln!(f, "\u{2014} {} {}", line.name, base64::standard(&blob))?;
        }
        Ok(())
    }
}
