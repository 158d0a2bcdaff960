//! `bureau verify`: an exported log against its signatures, its tree and its receipts, the accounts of its lessons against
//! its segments, gaps, findings and roll calls, and the recordings beside it against their records, with nothing but the folder; a class's
//! records are judged by [`crate::class`].

use crate::class;
use crate::recordings::{Recordings, Since};
use crate::text::clean;
use evidence::checkpoint::{Checkpoint, Countersigned, Log, Signed, Witness};
use evidence::jws::Verifier;
use evidence::key::VerifyingKey;
use evidence::record::Record;
use evidence::tree::Frontier;
use evidence::verdict::{Finding, LogVerifier, Severity, Verdict};
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};
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

/// Longest `appliance.json` or `checkpoint.txt` that is read, bytes.
const MAX_FILE: u64 = 4 << 20;
/// Of a longer line of `records.jws` only the beginning is looked at, bytes: enough to find that it is no record.
const MAX_LINE: u64 = evidence::jws::MAX_LENGTH as u64 + 1;
/// Records that are verified side by side.
const BATCH: usize = 4096;
/// Bytes of records that are verified side by side.
const BATCH_BYTES: usize = 16 << 20;
/// Findings that are shown to people whatever they are; programs get them all.
const SHOWN: usize = 20;
/// Of more findings than that, those of one code that are shown.
const SHOWN_OF_EACH: usize = 3;
/// Longest finding, characters.
pub(crate) const MAX_MESSAGE: usize = 800;

/// Judges the exported log or class in `folder`.
///
/// `bureau_key`: the key that must have countersigned. Without it the folder's own word is taken for it, which
/// proves nothing about the bureau: the verdict then says so.
pub fn verify(folder: &Path, bureau_key: Option<VerifyingKey>) -> Result<Verdict, VerifyError> {
    if folder.join(class::ABOUT).is_file() {
        return class::verify(folder, bureau_key);
    }
    let foundation = Foundation::read(folder, bureau_key)?;
    let mut lines = Lines::open(folder.join("records.jws"))?;
    judge(foundation, || lines.next(), Some(folder), |_| {})
}

/// Judges a whole log, whose records `next` gives in batches, none at its end; and the recordings in `folder`, if it is one that
/// has been exported. `take` is shown each record that verifies and is in its place.
pub(crate) fn judge<E>(
    foundation: Foundation,
    mut next: impl FnMut() -> Result<Vec<String>, E>,
    folder: Option<&Path>,
    mut take: impl FnMut(&Record),
) -> Result<Verdict, E> {
    let Foundation { log, witness, checkpoints, receipts, findings } = foundation;
    let mut verifier = LogVerifier::new(log.key, &receipts, checkpoints);
    findings.into_iter().for_each(|finding| verifier.add(finding));
    let signatures = Verifier::new(log.key);
    let mut recordings = Recordings::default();
    let receipt = receipts.last();
    // Only the receipt's own root tells that these are the records that were countersigned.
    let is_receipts = |tree: &Frontier| {
        let checkpoint = receipt.map(Countersigned::checkpoint);
        checkpoint.is_some_and(|checkpoint| checkpoint.size == tree.size() && checkpoint.root == tree.root())
    };
    let mut is_countersigned = is_receipts(verifier.frontier());
    loop {
        let batch = next()?;
        if batch.is_empty() {
            let since = Since::new(&receipts);
            recordings.judge(folder, &log.origin, &since).into_iter().for_each(|finding| verifier.add(finding));
            return Ok(finish(verifier, receipt, is_countersigned, witness.as_ref()));
        }
        let checked: Vec<_> = batch.par_iter().map(|jws| signatures.verify(jws)).collect();
        for (jws, outcome) in batch.iter().zip(checked) {
            if let Some(record) = outcome.as_ref().ok().filter(|record| verifier.is_next(record)) {
                recordings.take(record);
                take(record);
            }
            verifier.push_checked(jws, outcome);
            is_countersigned |= is_receipts(verifier.frontier());
        }
    }
}

/// What every export rests on: whose log it is, who countersigns, and the checkpoints.
pub(crate) struct Foundation {
    pub log: Log,
    pub witness: Option<Witness>,
    pub checkpoints: Vec<Checkpoint>,
    /// By size, and of those for one size by time.
    pub receipts: Vec<Countersigned>,
    pub findings: Vec<Finding>,
}

impl Foundation {
    /// `notes`: as in `checkpoint.txt`.
    pub fn new(log: Log, witness: Option<Witness>, notes: &str) -> Foundation {
        let mut findings = Vec::new();
        let (checkpoints, receipts) = checkpoints(notes, &log, witness.as_ref(), &mut findings);
        Foundation { log, witness, checkpoints, receipts, findings }
    }

    /// Reads `appliance.json` and `checkpoint.txt`.
    pub fn read(folder: &Path, bureau_key: Option<VerifyingKey>) -> Result<Foundation, VerifyError> {
        let appliance_path = folder.join("appliance.json");
        let content = |path: &Path, problem: String| VerifyError::Content { path: path.to_owned(), problem };
        let appliance: ApplianceFile = serde_json::from_str(&read(&appliance_path)?)
            .map_err(|error| content(&appliance_path, error.to_string()))?;
        let witness =
            appliance.bureau.zip(bureau_key.or(appliance.bureau_key)).map(|(name, key)| Witness { name, key });
        let notes = read(&folder.join("checkpoint.txt"))?;
        let mut foundation = Foundation::new(Log::of(appliance.key), witness, &notes);
        let Foundation { log, findings, .. } = &mut foundation;
        if appliance.device != log.origin {
            let message = format!("appliance.json names {:?}, but its key is that of {}", appliance.device, log.origin);
            findings.insert(0, failure("wrong_key", message));
        }
        if bureau_key.is_none() {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "bureau_key_unchecked",
                seq: None,
                message: "the bureau's key is taken from the folder itself, which whoever made it could choose; give \
                          --bureau-key to hold it against the one you know"
                    .into(),
            });
        }
        Ok(foundation)
    }
}

/// The verdict, with what the bureau has vouched for, and what not.
/// `is_countersigned`: the receipt's root is that of the records which it covers.
fn finish(
    verifier: LogVerifier,
    receipt: Option<&Countersigned>,
    is_countersigned: bool,
    witness: Option<&Witness>,
) -> Verdict {
    let mut verdict = verifier.finish();
    if let (Some(receipt), Some(witness)) = (receipt, witness) {
        let size = receipt.checkpoint().size;
        let time = time_of(receipt);
        if is_countersigned {
            verdict.findings.push(Finding {
                severity: Severity::Note,
                code: "countersigned",
                seq: None,
                message: format!("{} countersigned the first {size} records at {time}", witness.name),
            });
        }
        if verdict.records > size {
            verdict.findings.push(Finding {
                severity: Severity::Warning,
                code: "not_countersigned",
                seq: Some(size),
                message: format!(
                    "records {size} to {} are not countersigned: they rest on the appliance's key alone",
                    verdict.records - 1
                ),
            });
        }
    }
    for finding in &mut verdict.findings {
        finding.message = clean(&finding.message, MAX_MESSAGE);
    }
    for time in [&mut verdict.from, &mut verdict.to].into_iter().flatten() {
        *time = clean(time, MAX_MESSAGE);
    }
    verdict
}

/// When a receipt was given.
pub(crate) fn time_of(receipt: &Countersigned) -> String {
    receipt.time().map_or("an impossible time".into(), |time| time.to_string())
}

/// A verdict that fits a screen: what it is of first, then the worst. Of many findings the first of each code, which are
/// nearest the cause.
pub(crate) fn shortened(mut verdict: Verdict) -> Verdict {
    let (mut shown, mut others): (Vec<Finding>, Vec<Finding>) =
        verdict.findings.into_iter().partition(Finding::is_head);
    others.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    if others.len() > SHOWN {
        let mut codes: HashMap<&str, usize> = HashMap::new();
        others.retain(|finding| {
            let count = codes.entry(finding.code).or_default();
            *count += 1;
            if *count > SHOWN_OF_EACH {
                *left_out.entry(finding.code).or_default() += 1;
            }
            *count <= SHOWN_OF_EACH
        });
    }
    shown.extend(others);
    if !left_out.is_empty() {
        let codes: Vec<String> = left_out.iter().map(|(code, count)| format!("{count} {code}")).collect();
        let message = format!("more findings: {}; --json lists them", codes.join(", "));
        shown.push(Finding { severity: Severity::Note, code: "more", seq: None, message });
    }
    verdict.findings = shown;
    verdict
}

fn open(path: &Path) -> Result<std::fs::File, VerifyError> {
    let failed = |source| VerifyError::File { path: path.to_owned(), source };
    // A pipe or a device would be waited for, or never end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(VerifyError::Content { path: path.to_owned(), problem: "is not a file".into() });
    }
    std::fs::File::open(path).map_err(failed)
}

/// A small file. What is not text becomes a mark that verifies nowhere.
pub(crate) fn read(path: &Path) -> Result<String, VerifyError> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|source| VerifyError::File { path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_FILE {
        let problem = format!("is longer than {MAX_FILE} bytes");
        return Err(VerifyError::Content { path: path.to_owned(), problem });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn failure(code: &'static str, message: String) -> Finding {
    Finding { severity: Severity::Failure, code, seq: None, message }
}

/// The checkpoints of `checkpoint.txt`, and the receipts among them, the newest last. One that is only signed is a
/// warning.
///
/// Notes follow one another; each ends where the next begins, with the appliance's id on a line of its own.
fn checkpoints(
    text: &str,
    log: &Log,
    witness: Option<&Witness>,
    findings: &mut Vec<Finding>,
) -> (Vec<Checkpoint>, Vec<Countersigned>) {
    let mut known = Vec::new();
    let mut receipts: Vec<Countersigned> = Vec::new();
    for note in notes(text) {
        let receipt = witness.map(|witness| Countersigned::parse(&note, log, witness));
        match (receipt, Signed::parse(&note, log)) {
            (Some(Ok(receipt)), _) => {
                known.push(receipt.checkpoint().clone());
                receipts.push(receipt);
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
    if receipts.is_empty() {
        findings.push(failure("no_receipt", "the bureau has countersigned nothing of this".into()));
    }
    receipts.sort_by_key(|receipt| (receipt.checkpoint().size, receipt.unix_seconds()));
    (known, receipts)
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

pub(crate) struct Lines {
    reader: BufReader<std::fs::File>,
    path: PathBuf,
}

impl Lines {
    pub(crate) fn open(path: PathBuf) -> Result<Lines, VerifyError> {
        Ok(Lines { reader: BufReader::new(open(&path)?), path })
    }

    /// The next lines, none at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<String>, VerifyError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Some(line) = self.line().map_err(|source| VerifyError::File { path: self.path.clone(), source })?
            else {
                break;
            };
            bytes += line.len();
            // What is not text is not a record either; it is judged, and found wrong, in its place.
            batch.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(batch)
    }

    fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        if self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() as u64 == MAX_LINE {
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(line))
    }
}
