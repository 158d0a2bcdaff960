//! Checkpoints (c2sp.org/tlog-checkpoint) and their cosignatures (c2sp.org/tlog-cosignature).
//!
//! [`Signed`] exists only when the appliance's signature has been verified, [`Countersigned`] only when the
//! bureau's has been too: what a type says has been checked, has been checked.

use crate::base64;
use crate::key::{SigningKey, VerifyingKey};
use crate::note::{COSIGNATURE_V1, ED25519, Note, NoteError, SignatureLine};
use crate::tree::Hash;

/// What a log was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: the appliance's id.
    pub origin: String,
    /// Records in it.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// A checkpoint that the appliance has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    checkpoint: Checkpoint,
    note: Note,
}

/// A checkpoint that the appliance has signed and the bureau has countersigned: a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countersigned {
    signed: Signed,
    unix_seconds: u64,
}

/// Whose log a checkpoint must be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The origin: the appliance's id.
    pub origin: String,
    /// The appliance's key.
    pub key: VerifyingKey,
}

/// Who countersigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The bureau's key name.
    pub name: String,
    /// The bureau's key.
    pub key: VerifyingKey,
}

/// Why a text is not a checkpoint of this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A signed note, but no checkpoint.
    #[error("not a checkpoint: {0}")]
    Form(&'static str),
    /// Of another log.
    #[error("a checkpoint of {found:?}, not of {expected:?}")]
    Origin {
        /// The log asked for.
        expected: String,
        /// The log named.
        found: String,
    },
    /// Without a valid signature of the appliance.
    #[error("no valid signature of the appliance {0}")]
    Unsigned(String),
    /// Without a valid countersignature of the bureau.
    #[error("no valid countersignature of the bureau {0}")]
    NotCountersigned(String),
}

impl Log {
    /// The log of the appliance with this key.
    pub fn of(key: VerifyingKey) -> Log {
        Log { origin: key.device_id(), key }
    }
}

impl Checkpoint {
    fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64::standard(&self.root))
    }

    fn from_text(text: &str) -> Result<Checkpoint, CheckpointError> {
        let form = CheckpointError::Form;
        let mut lines = text.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(form("no origin"))?;
        let digits = lines.next().ok_or(form("no size"))?;
        let canonical = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
        let size = digits.parse().ok().filter(|_| canonical).ok_or(form("the size is not a plain number"))?;
        let root = lines.next().and_then(base64::from_standard).and_then(|root| root.try_into().ok());
        let root = root.ok_or(form("the root is not 32 bytes of base64"))?;
        if lines.next() != Some("") || lines.next().is_some() {
            return Err(form("extension lines are not used by this log"));
        }
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }
}

impl Signed {
    /// Signs a checkpoint; the origin is the key's name.
    pub fn sign(checkpoint: Checkpoint, key: &SigningKey) -> Result<Signed, CheckpointError> {
        let text = checkpoint.to_text();
        let signature = key.sign(text.as_bytes()).to_vec();
        let line = SignatureLine::new(&checkpoint.origin, ED25519, &key.verifying_key(), signature)?;
        Ok(Signed { checkpoint, note: Note { text, signatures: vec![line] } })
    }

    /// Reads and verifies a checkpoint of `log`. Of the lines in the appliance's name, the one that verifies is kept: anybody
    /// can add others.
    pub fn parse(text: &str, log: &Log) -> Result<Signed, CheckpointError> {
        let mut note = Note::parse(text)?;
        let checkpoint = Checkpoint::from_text(&note.text)?;
        if checkpoint.origin != log.origin {
            return Err(CheckpointError::Origin { expected: log.origin.clone(), found: checkpoint.origin });
        }
        let verified = note.signatures_of(&log.origin, ED25519, &log.key).find(|signature| {
            (*signature).try_into().is_ok_and(|signature| log.key.verify(note.text.as_bytes(), signature).is_ok())
        });
        let Some(signature) = verified else {
            return Err(CheckpointError::Unsigned(log.origin.clone()));
        };
        let line = SignatureLine::new(&log.origin, ED25519, &log.key, signature.to_vec())?;
        note.signatures.retain(|line| line.name != log.origin);
        note.signatures.insert(0, line);
        Ok(Signed { checkpoint, note })
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    pub fn to_text(&self) -> String {
        self.note.to_string()
    }

    /// Adds the bureau's timestamped countersignature. Other signatures but the appliance's are left out.
    pub fn countersign(
        &self,
        name: &str,
        key: &SigningKey,
        unix_seconds: u64,
    ) -> Result<Countersigned, CheckpointError> {
        let mut signature = unix_seconds.to_be_bytes().to_vec();
        signature.extend(key.sign(&cosigned_message(unix_seconds, &self.note.text)));
        let line = SignatureLine::new(name, COSIGNATURE_V1, &key.verifying_key(), signature)?;
        let mut signed = self.clone();
        signed.note.signatures.retain(|line| line.name == self.checkpoint.origin);
        signed.note.signatures.push(line);
        Ok(Countersigned { signed, unix_seconds })
    }
}

impl Countersigned {
    /// Reads a receipt and verifies both signatures.
    pub fn parse(text: &str, log: &Log, witness: &Witness) -> Result<Countersigned, CheckpointError> {
        let signed = Signed::parse(text, log)?;
        let time = signed.note.signatures_of(&witness.name, COSIGNATURE_V1, &witness.key).find_map(|blob| {
            let (time, signature) = blob.split_first_chunk::<8>()?;
            let time = u64::from_be_bytes(*time);
            let message = cosigned_message(time, &signed.note.text);
            witness.key.verify(&message, signature.try_into().ok()?).is_ok().then_some(time)
        });
        match time {
            Some(unix_seconds) => Ok(Countersigned { signed, unix_seconds }),
            None => Err(CheckpointError::NotCountersigned(witness.name.clone())),
        }
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// When the bureau countersigned: seconds since the Unix epoch, by the bureau's clock.
    pub fn unix_seconds(&self) -> u64 {
        self.unix_seconds
    }

    /// Likewise; `None` for a time that cannot be.
    pub fn time(&self) -> Option<jiff::Timestamp> {
        i64::try_from(self.unix_seconds).ok().and_then(|time| jiff::Timestamp::from_second(time).ok())
    }

    /// The note with both signatures.
    pub fn to_text(&self) -> String {
        self.signed.to_text()
    }
}

/// What a cosignature signs (c2sp.org/tlog-cosignature, Ed25519).
fn cosigned_message(unix_seconds: u64, note_text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {unix_seconds}\n{note_text}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (SigningKey, Log, SigningKey, Witness) {
        let (device, bureau) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let log = Log::of(device.verifying_key());
        let witness = Witness { name: "bureau.example/nankai".into(), key: bureau.verifying_key() };
        (device, log, bureau, witness)
    }

    /// Whoever has seen a checkpoint can send it with as many lines as a note may have.
    #[test]
    fn lines_that_do_not_verify_are_not_countersigned() {
        let (device, log, bureau, witness) = keys();
        let checkpoint = Checkpoint { origin: log.origin.clone(), size: 7, root: [9; 32] };
        let signed = Signed::sign(checkpoint, &device).expect("a good name");
        let (text, good) = (&signed.note.text, &signed.note.signatures[0]);
        let line = |name: &str, key_hash, signature: Vec<u8>| SignatureLine { name: name.into(), key_hash, signature };
        let junk = |at: u8| match at % 3 {
            0 => line(&log.origin, [at; 4], vec![at; 64]),
            1 => line(&log.origin, good.key_hash, vec![at; 64]),
            _ => line(&witness.name, [at; 4], vec![at; 72]),
        };
        let mut signatures: Vec<SignatureLine> = (0..63).map(junk).collect();
        signatures.insert(40, good.clone());
        let long = Note { text: text.clone(), signatures }.to_string();
        let parsed = Signed::parse(&long, &log).expect("the appliance has signed it");
        let receipt = parsed.countersign(&witness.name, &bureau, 1_790_000_000).expect("a good name").to_text();
        assert_eq!(receipt, signed.countersign(&witness.name, &bureau, 1_790_000_000).expect("a good name").to_text());
        assert!(Countersigned::parse(&receipt, &log, &witness).is_ok());
    }

    #[test]
    fn a_receipt_verifies_only_with_both_keys_and_the_same_bytes() {
        let (device, log, bureau, witness) = keys();
        let checkpoint = Checkpoint { origin: log.origin.clone(), size: 7, root: [9; 32] };
        let signed = Signed::sign(checkpoint, &device).expect("a good name");
        let receipt = signed.countersign(&witness.name, &bureau, 1_790_000_000).expect("a good name");
        let text = receipt.to_text();
        assert_eq!(Countersigned::parse(&text, &log, &witness), Ok(receipt));
        let stranger = Witness { key: device.verifying_key(), ..witness.clone() };
        assert!(matches!(Countersigned::parse(&text, &log, &stranger), Err(CheckpointError::NotCountersigned(_))));
        assert!(matches!(
            Countersigned::parse(&signed.to_text(), &log, &witness),
            Err(CheckpointError::NotCountersigned(_))
        ));
        let other = Log::of(bureau.verifying_key());
        assert!(matches!(Signed::parse(&text, &other), Err(CheckpointError::Origin { .. })));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(altered) = String::from_utf8(bytes) {
                assert!(Countersigned::parse(&altered, &log, &witness).is_err(), "byte {at} altered in {altered}");
            }
        }
    }
}
