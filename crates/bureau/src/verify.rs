//! `bureau verify`: an exported log against its signatures, its tree and its receipts, with nothing but the folder.

use evidence::checkpoint::{Checkpoint, Countersigned, Log, Signed, Witness};
use evidence::jws::Verifier;
use evidence::key::VerifyingKey;
use evidence::verdict::{Finding, LogVerifier, Severity, Verdict};
use rayon::prelude::*;
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Why a folder cannot be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file is missing or cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Deserialize)]
struct ApplianceFile {
    device: String,
    key: VerifyingKey,
    #[serde(default)]
    bureau: Option<String>,
    #[serde(default)]
    bureau_key: Option<VerifyingKey>,
}

/// Longest line of `records.jws`, bytes; records are far shorter.
const MAX_LINE: usize = 1 << 20;
/// Records that are verified side by side.
const BATCH: usize = 4096;

/// Judges the exported log in `folder`.
///
/// `bureau_key`: the key that must have countersigned. Without it the folder's own word is taken for it, which
/// proves nothing about the bureau: the verdict then says so.
pub fn verify(folder: &Path, bureau_key: Option<VerifyingKey>) -> Result<Verdict, VerifyError> {
    let appliance_path = folder.join("appliance.json");
    let content = |path: &Path, problem: String| VerifyError::Content { path: path.to_owned(), problem };
    let appliance: ApplianceFile =
        serde_json::from_str(&read(&appliance_path)?).map_err(|error| content(&appliance_path, error.to_string()))?;
    let log = Log::of(appliance.key);
    let mut findings = Vec::new();
    if appliance.device != log.origin {
        findings.push(failure(
            "wrong_key",
            format!("appliance.json names {}, but its key is that of {}", appliance.device, log.origin),
        ));
    }
    let witness = appliance.bureau.zip(bureau_key.or(appliance.bureau_key)).map(|(name, key)| Witness { name, key });
    let checkpoints = checkpoints(&read(&folder.join("checkpoint.txt"))?, &log, witness.as_ref(), &mut findings);
    if bureau_key.is_none() {
        findings.push(Finding {
            severity: Severity::Note,
            code: "bureau_key_unchecked",
            seq: None,
            message: "the bureau's key is taken from the folder itself; give --bureau-key to hold it against the one you know"
                .into(),
        });
    }
    let mut verifier = LogVerifier::new(appliance.key, checkpoints);
    findings.into_iter().for_each(|finding| verifier.add(finding));
    let records = folder.join("records.jws");
    let file = std::fs::File::open(&records).map_err(|source| VerifyError::File { path: records.clone(), source })?;
    let mut lines = Lines { reader: BufReader::new(file), path: records };
    let signatures = Verifier::new(appliance.key);
    loop {
        let batch = lines.next(BATCH)?;
        if batch.is_empty() {
            return Ok(verifier.finish());
        }
        let checked: Vec<_> = batch.par_iter().map(|jws| signatures.verify(jws)).collect();
        for (jws, outcome) in batch.iter().zip(checked) {
            verifier.push_checked(jws, outcome);
        }
    }
}

fn read(path: &Path) -> Result<String, VerifyError> {
    std::fs::read_to_string(path).map_err(|source| VerifyError::File { path: path.to_owned(), source })
}

fn failure(code: &'static str, message: String) -> Finding {
    Finding { severity: Severity::Failure, code, seq: None, message }
}

/// The checkpoints of `checkpoint.txt`: countersigned ones count; a newer one that is only signed is a warning.
///
/// Notes follow one another; each ends where the next begins, with the appliance's id on a line of its own.
fn checkpoints(text: &str, log: &Log, witness: Option<&Witness>, findings: &mut Vec<Finding>) -> Vec<Checkpoint> {
    let mut known = Vec::new();
    let mut countersigned = false;
    for note in notes(text) {
        let receipt = witness.map(|witness| Countersigned::parse(&note, log, witness));
        match (receipt, Signed::parse(&note, log)) {
            (Some(Ok(receipt)), _) => {
                countersigned = true;
                known.push(receipt.checkpoint().clone());
            }
            (_, Ok(signed)) => {
                findings.push(Finding {
                    severity: Severity::Warning,
                    code: "not_countersigned",
                    seq: None,
                    message: format!(
                        "the checkpoint over {} records is signed by the appliance, but not by this bureau",
                        signed.checkpoint().size
                    ),
                });
                known.push(signed.checkpoint().clone());
            }
            (_, Err(error)) => findings.push(failure("bad_checkpoint", format!("checkpoint.txt: {error}"))),
        }
    }
    if !countersigned {
        findings.push(failure("no_receipt", "the bureau has countersigned nothing of this".into()));
    }
    known
}

fn notes(text: &str) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut signed = false;
    for line in text.lines() {
        // A note's text and signatures are separated by an empty line; after signatures a new note begins.
        let is_signature = line.starts_with('\u{2014}');
        if notes.is_empty() || (signed && !is_signature && !line.is_empty()) {
            notes.push(String::new());
            signed = false;
        }
        signed |= is_signature;
        if let Some(note) = notes.last_mut()
            && !(signed && line.is_empty())
        {
            note.push_str(line);
            note.push('\n');
        }
    }
    notes.retain(|note| !note.trim().is_empty());
    notes
}

struct Lines {
    reader: BufReader<std::fs::File>,
    path: PathBuf,
}

impl Lines {
    fn next(&mut self, most: usize) -> Result<Vec<String>, VerifyError> {
        let mut batch = Vec::with_capacity(most);
        while batch.len() < most {
            let mut line = Vec::new();
            let read = std::io::Read::take(&mut self.reader, MAX_LINE as u64).read_until(b'\n', &mut line);
            let read = read.map_err(|source| VerifyError::File { path: self.path.clone(), source })?;
            if read == 0 {
                break;
            }
            if read == MAX_LINE {
                let problem = format!("a line is longer than {MAX_LINE} bytes: this is no log");
                return Err(VerifyError::Content { path: self.path.clone(), problem });
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            // What is not text is not a record either; it is judged, and found wrong, in its place.
            batch.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(batch)
    }
}
