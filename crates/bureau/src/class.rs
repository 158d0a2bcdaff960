//! One class's records out of a log, each with its proof of inclusion: written from the bureau's store, and verified
//! offline with nothing but the folder.
//!
//! The proofs show that the records are in the log that was countersigned. That none of the class was left out is
//! shown by the whole log only, and the verdict says so; but a lesson of the plan without an account is missed. Accounts are
//! judged by their own figures: segments and gaps belong to cameras, and are not among a class's records.

use crate::export::receipts;
use crate::folder::{Bureau, FolderError, sync_folder, write_new};
use crate::text::clean;
use crate::verify::{Foundation, Lines, MAX_MESSAGE, VerifyError, failure, read, time_of};
use evidence::account::Lessons;
use evidence::checkpoint::Countersigned;
use evidence::disc::{CLAIM, RECORDINGS};
use evidence::inclusion::Inclusion;
use evidence::jws::{Verifier, read_unverified};
use evidence::key::VerifyingKey;
use evidence::record::Data;
use evidence::times::{Bounds, wrong_date};
use evidence::timetable::Timetable;
use evidence::tree::{Hash, inclusion_proof, leaf_hash};
use evidence::verdict::{Finding, Findings, Severity, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// The file that makes an export one of a class.
pub(crate) const ABOUT: &str = "class.json";
/// Records read at a time.
const BATCH: usize = 1000;

/// `class.json`.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    v: u32,
    class: String,
}

/// Writes the records that name a class, as far as they are countersigned, into a new `folder`; tells how many.
pub fn export_class(bureau: &Bureau, device: &str, class: &str, folder: &Path) -> Result<u64, FolderError> {
    let failed = |source| FolderError::File { path: folder.to_owned(), source };
    let wrong = |problem: String| FolderError::Content { path: folder.to_owned(), problem };
    bureau.database.snapshot(|transaction| {
        let row = transaction.appliance(device)?.ok_or_else(|| wrong(format!("no appliance {device:?} is known")))?;
        let receipts = receipts(transaction, &row)?;
        let tree = transaction.tree(&row);
        let (mut records, mut proofs, mut count, mut next) = (String::new(), String::new(), 0, 0);
        while next < row.size {
            let batch = transaction.records(&row, next, BATCH)?;
            if batch.is_empty() {
                return Err(wrong(format!("record {next} of {} is missing in the database", row.size)));
            }
            for (seq, jws) in (next..).zip(&batch) {
                let names_it = read_unverified(jws).is_ok_and(|record| record.data.class() == Some(class));
                if names_it {
                    let path = inclusion_proof(&tree, seq, row.size)?;
                    let _ = writeln!(records, "{jws}");
                    let _ = writeln!(proofs, "{}", Inclusion { seq, size: row.size, path }.to_line());
                    count += 1;
                }
            }
            next += batch.len() as u64;
        }
        if count == 0 {
            return Err(wrong(format!("no record of {device} names class {class:?}")));
        }
        std::fs::create_dir(folder).map_err(failed)?;
        write_new(&folder.join("records.jws"), &records, false)?;
        write_new(&folder.join("proofs.txt"), &proofs, false)?;
        write_new(&folder.join("checkpoint.txt"), &receipts, false)?;
        let json = |value: &serde_json::Value| serde_json::to_string_pretty(value).expect("strings serialise") + "\n";
        write_new(&folder.join(ABOUT), &json(&serde_json::json!({"v": 1, "class": class})), false)?;
        let appliance = serde_json::json!({
            "device": row.device, "key": row.key, "bureau": bureau.name, "bureau_key": bureau.key.verifying_key(),
        });
        write_new(&folder.join("appliance.json"), &json(&appliance), false)?;
        sync_folder(folder)?;
        Ok(count)
    })
}

/// Judges the exported class in `folder`; as [`crate::verify`], which calls it.
pub(crate) fn verify(folder: &Path, bureau_key: Option<VerifyingKey>) -> Result<Verdict, VerifyError> {
    let path = folder.join(ABOUT);
    let content = |problem: String| VerifyError::Content { path: path.clone(), problem };
    let about: About = serde_json::from_str(&read(&path)?).map_err(|error| content(error.to_string()))?;
    if about.v != 1 {
        return Err(content(format!("version {} is not known; a newer verifier may know it", about.v)));
    }
    let mut foundation = Foundation::read(folder, bureau_key)?;
    let of_disc = |name: &&str| folder.join(name).symlink_metadata().is_ok();
    if let Some(name) = [CLAIM, RECORDINGS].into_iter().find(of_disc) {
        let message = format!(
            "{ABOUT} is that of a class's records, but {name} is that of an evidence disc: which of them this is cannot be \
             told, and recordings are not looked at; take the file out that does not belong here"
        );
        foundation.findings.push(failure("mixed_folder", message));
    }
    let mut records = Lines::open(folder.join("records.jws"))?;
    let mut proofs = Lines::open(folder.join("proofs.txt"))?;
    let mut judge = Judge::new(&about.class, foundation);
    let mut proof_lines = proofs.next()?.into_iter();
    loop {
        let batch = records.next()?;
        if batch.is_empty() {
            break;
        }
        for jws in batch {
            if proof_lines.as_slice().is_empty() {
                proof_lines = proofs.next()?.into_iter();
            }
            judge.record(&jws, proof_lines.next().as_deref());
        }
    }
    let left = proof_lines.len() + proofs.next()?.len();
    Ok(judge.finish(left))
}

/// What a checkpoint says that the log was.
struct Root {
    root: Hash,
    /// Whether the bureau has countersigned this very root.
    is_countersigned: bool,
}

/// The roots by size. Two roots for one size are a failure; a countersigned one stays.
fn roots(foundation: &mut Foundation) -> HashMap<u64, Root> {
    let receipts = foundation.receipts.iter().map(|receipt| (receipt.checkpoint(), true));
    let others = foundation.checkpoints.iter().map(|checkpoint| (checkpoint, false));
    let mut roots: HashMap<u64, Root> = HashMap::new();
    for (checkpoint, is_countersigned) in receipts.chain(others) {
        let root = Root { root: checkpoint.root, is_countersigned };
        if roots.entry(checkpoint.size).or_insert(root).root != checkpoint.root {
            let message = format!(
                "checkpoint.txt has two different roots over {} records, both signed by the appliance: one of them is \
                 not of its log",
                checkpoint.size
            );
            foundation.findings.push(failure("two_roots", message));
        }
    }
    roots
}

/// Takes records and their proofs, and gives the verdict.
struct Judge<'a> {
    class: &'a str,
    foundation: Foundation,
    verifier: Verifier,
    /// By size.
    roots: HashMap<u64, Root>,
    records: u64,
    /// Of those, the ones proven under a root that a receipt carries.
    countersigned: u64,
    last_seq: Option<u64>,
    from: Option<String>,
    to: Option<String>,
    timetable: Timetable,
    lessons: Lessons,
    /// Accounts of lessons.
    accounts: u64,
    bounds: Bounds,
    findings: Findings,
}

impl<'a> Judge<'a> {
    fn new(class: &'a str, mut foundation: Foundation) -> Judge<'a> {
        let roots = roots(&mut foundation);
        let mut findings = Findings::default();
        findings.extend(std::mem::take(&mut foundation.findings));
        Judge {
            class,
            verifier: Verifier::new(foundation.log.key),
            bounds: Bounds::new(&foundation.receipts),
            foundation,
            roots,
            records: 0,
            countersigned: 0,
            last_seq: None,
            from: None,
            to: None,
            timetable: Timetable::default(),
            lessons: Lessons::of(class),
            accounts: 0,
            findings,
        }
    }

    fn record(&mut self, jws: &str, proof: Option<&str>) {
        let line = self.records + 1;
        self.records = line;
        let record = match self.verifier.verify(jws) {
            Ok(record) => record,
            Err(error) => {
                self.timetable.take_bad();
                return self.fail("bad_record", None, format!("line {line} of records.jws: {error}"));
            }
        };
        let seq = record.seq;
        if record.device != self.foundation.log.origin {
            let message = format!("record {seq}: made by {}, not by {}", record.device, self.foundation.log.origin);
            self.fail("wrong_device", Some(seq), message);
        }
        if record.data.class() != Some(self.class) {
            let message = format!("record {seq}: is not about class {}", self.class);
            self.fail("wrong_class", Some(seq), message);
        }
        if self.last_seq.is_some_and(|last| seq <= last) {
            self.fail("wrong_place", Some(seq), format!("record {seq}: is there twice, or out of order"));
        }
        self.last_seq = Some(seq);
        self.bounds.take(&record);
        self.accounts += u64::from(matches!(record.data, Data::Coverage(_)));
        let found =
            self.timetable.take(&record).into_iter().chain(wrong_date(&record)).chain(self.lessons.take(&record));
        self.findings.extend(found);
        self.from.get_or_insert_with(|| record.time.clone());
        self.to = Some(record.time);
        let Some(proof) = proof.and_then(Inclusion::parse) else {
            return self.fail("no_proof", Some(seq), format!("record {seq}: line {line} of proofs.txt is no proof"));
        };
        self.proof(seq, &proof, &leaf_hash(jws.as_bytes()));
    }

    /// Whether `proof` leads from record `seq` to a root that vouches for it. What the newest receipt covers must be
    /// proven under a receipt: with another root, which the appliance's key alone has signed, anything could be proven.
    fn proof(&mut self, seq: u64, proof: &Inclusion, leaf: &Hash) {
        let covered = self.foundation.receipts.last().map_or(0, |receipt| receipt.checkpoint().size);
        match self.roots.get(&proof.size) {
            None => {
                let message = format!("record {seq}: no checkpoint over {} records proves it", proof.size);
                self.fail("no_checkpoint", Some(seq), message);
            }
            Some(root) if proof.seq != seq || !proof.proves(leaf, &root.root) => {
                let message = format!("record {seq}: is not in the log of {} records that was signed", proof.size);
                self.fail("not_included", Some(seq), message);
            }
            Some(Root { is_countersigned: true, .. }) => self.countersigned += 1,
            Some(_) if seq < covered => {
                let message = format!(
                    "record {seq}: is among the {covered} that the bureau has countersigned, but is proven under a \
                     checkpoint over {} records that it has not: it may be another record than the one it had",
                    proof.size
                );
                self.fail("not_under_receipt", Some(seq), message);
            }
            Some(_) => {}
        }
    }

    fn fail(&mut self, code: &'static str, seq: Option<u64>, message: String) {
        self.findings.add(Finding { severity: Severity::Failure, code, seq, message });
    }

    /// `proofs_left`: lines of proofs.txt that no record belongs to.
    fn finish(mut self, proofs_left: usize) -> Verdict {
        if self.records == 0 {
            self.fail("no_records", None, "there is no record in it".into());
        }
        if proofs_left > 0 {
            let message = "proofs.txt has proofs of records that are not there: records were removed".into();
            self.fail("records_missing", None, message);
        }
        let Foundation { log, witness, receipts, .. } = self.foundation;
        let mut findings = self.findings;
        let receipt = receipts.last();
        let note = |code, message| Finding { severity: Severity::Note, code, seq: None, message };
        if let (Some(receipt), Some(witness)) = (receipt, &witness) {
            let time = time_of(receipt);
            let size = receipt.checkpoint().size;
            findings.add(note(
                "countersigned",
                format!(
                    "{} of these records are among the {size} that {} countersigned at {time}",
                    self.countersigned, witness.name
                ),
            ));
        }
        // The newest moment that is known to have come: an account may be among the records that were left out.
        let last = self.to.as_ref().and_then(|time| time.parse().ok());
        let now = last.into_iter().chain(receipt.and_then(Countersigned::time)).max();
        findings.extend(now.map(|now| self.timetable.finish(now)).into_iter().flatten());
        findings.extend(self.bounds.finish());
        findings.extend(self.lessons.finish());
        if self.accounts > 0 {
            findings.add(note(
                "not_added_up",
                "accounts of lessons are judged by their own figures: whether what was recorded adds up to them, only the \
                 whole log shows, which has the segments and gaps"
                    .into(),
            ));
        }
        findings.add(note(
            "part_of_log",
            format!(
                "these are records of class {} out of a longer log: that none is left out, only the whole log shows",
                self.class
            ),
        ));
        let (mut findings, verified) = findings.finish();
        for finding in &mut findings {
            finding.message = clean(&finding.message, MAX_MESSAGE);
        }
        let checkpoint = receipt.map(|receipt| receipt.checkpoint());
        Verdict {
            verified,
            device: log.origin,
            records: self.records,
            root: checkpoint.map_or(String::new(), |checkpoint| evidence::hex(&checkpoint.root)),
            from: self.from.map(|time| clean(&time, MAX_MESSAGE)),
            to: self.to.map(|time| clean(&time, MAX_MESSAGE)),
            covered: checkpoint.map_or(0, |checkpoint| checkpoint.size),
            findings,
        }
    }
}
