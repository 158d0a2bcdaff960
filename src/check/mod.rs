//! The fsck of an appliance: database, records, tree, receipts, photos, recordings and derived rows against each other.
//!
//! Says what is wrong, where, and since when it can have gone wrong. Goes on past what it finds, so that one damaged
//! place hides no other. Never changes anything; may run while the daemon writes.

mod coverage;
mod log;
mod people;
mod receipts;
mod recordings;
mod rows;

pub use evidence::verdict::Severity;
pub use recordings::Files;

use crate::store::{Store, StoreError};
use evidence::checkpoint::Log;
use evidence::jws;
use evidence::key::VerifyingKey;
use evidence::verdict::{LogVerifier, Verdict};
use serde::Serialize;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// A word for programs, such as `altered`.
    pub code: &'static str,
    /// The table, or `file` for the database's pages.
    pub table: String,
    /// The record that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// A sentence for people.
    pub message: String,
    /// Between which receipts it must have happened, as far as they tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing is wrong: no problem is a failure.
    pub ok: bool,
    /// The appliance.
    pub device: String,
    /// Records in the log.
    pub records: u64,
    /// The tree's root over them, hex.
    pub root: String,
    /// Records under the newest receipt that fits.
    pub countersigned: u64,
    /// Receipts.
    pub receipts: u64,
    /// Check-ins.
    pub checkins: u64,
    /// Capture photos.
    pub photos: u64,
    /// Face templates.
    pub templates: u64,
    /// Segments of recordings.
    pub segments: u64,
    /// Everything found.
    pub problems: Vec<Problem>,
}

/// Most problems that are listed one by one.
const MAX_PROBLEMS: usize = 1000;

/// Checks the store of the appliance with this key, and the files of its recordings where it is told where they are.
/// An error means that it cannot even be begun.
pub fn check(store: &Store, key: VerifyingKey, files: Option<&Files>) -> Result<Report, StoreError> {
    let log = Log::of(key);
    let mut found = Found::default();
    let tables = store.read()?.tables()?;
    match store.damaged_pages() {
        Ok(pages) => pages.into_iter().for_each(|page| found.fail("damaged_page", "file", None, page)),
        Err(error) => found.fail("damaged_page", "file", None, error.to_string()),
    }
    for table in &tables {
        match store.read()?.damage_of(table) {
            Ok(damage) => damage.into_iter().for_each(|damage| found.fail("damaged_table", table, None, damage)),
            Err(error) => found.fail("damaged_table", table, None, error.to_string()),
        }
    }
    if let Some(other) = other_device(store, &log)? {
        let message = format!("this log was written by {other}, but the device.key is that of {}", log.origin);
        found.fail("wrong_key", "keys", None, message);
        // Nothing signed by one can be checked with the other's key.
        let nothing = LogVerifier::new(key, &[], Vec::new()).finish();
        return Ok(report(nothing, found, log::Facts::default(), &receipts::Receipts::default()));
    }
    let receipts = receipts::check(store, &log, &mut found)?;
    let (verdict, facts) = log::check(store, &log, &receipts, files, &mut found)?;
    Ok(report(verdict, found, facts, &receipts))
}

/// The appliance that the log's first record names, if it is another.
fn other_device(store: &Store, log: &Log) -> Result<Option<String>, StoreError> {
    let first = match store.read()?.record(0) {
        Ok(Some(first)) => first,
        // The log's own check tells.
        Ok(None) | Err(_) => return Ok(None),
    };
    let device = jws::read_unverified(first.as_str()).ok().map(|record| record.device);
    Ok(device.filter(|device| *device != log.origin))
}

fn report(verdict: Verdict, found: Found, facts: log::Facts, receipts: &receipts::Receipts) -> Report {
    let mut problems = found.problems;
    let (has_failed, verified) = (found.has_failed, verdict.verified);
    problems.extend(verdict.findings.into_iter().map(|finding| Problem {
        severity: finding.severity,
        code: finding.code,
        table: "log".into(),
        seq: finding.seq,
        message: finding.message,
        since: None,
    }));
    for problem in &mut problems {
        problem.since = problem.seq.and_then(|seq| receipts.since(seq));
    }
    if found.left_out > 0 {
        let message = format!("{} more problems are not listed", found.left_out);
        let (severity, code, table) = (Severity::Note, "more", "file".to_owned());
        problems.push(Problem { severity, code, table, seq: None, message, since: None });
    }
    Report {
        ok: verified && !has_failed,
        device: verdict.device,
        records: verdict.records,
        root: verdict.root,
        countersigned: verdict.covered,
        receipts: receipts.count(),
        checkins: facts.checkins,
        photos: facts.photos,
        templates: facts.templates,
        segments: facts.segments,
        problems,
    }
}

/// Collects problems.
#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    left_out: u64,
    /// Whether any problem is a failure, listed or not.
    has_failed: bool,
}

impl Found {
    fn fail(&mut self, code: &'static str, table: &str, seq: Option<u64>, message: impl Into<String>) {
        self.add(Severity::Failure, code, table, seq, message);
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        table: &str,
        seq: Option<u64>,
        message: impl Into<String>,
    ) {
        self.has_failed |= severity == Severity::Failure;
        if self.problems.len() == MAX_PROBLEMS {
            self.left_out += 1;
            return;
        }
        let (table, message) = (table.to_owned(), message.into());
        self.problems.push(Problem { severity, code, table, seq, message, since: None });
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", if self.ok { "GOOD" } else { "NOT GOOD" })?;
        writeln!(f, "  appliance   {}", self.device)?;
        writeln!(f, "  records     {}, of which the bureau has countersigned {}", self.records, self.countersigned)?;
        writeln!(f, "  root        {}", self.root)?;
        writeln!(
            f,
            "  beside it   {} receipts, {} check-ins, {} photos, {} templates, {} segments",
            self.receipts, self.checkins, self.photos, self.templates, self.segments
        )?;
        for Problem { severity, table, message, since, .. } in &self.problems {
            let word = match severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Failure => "FAILURE",
            };
            write!(f, "  {word:<8} {table}: {message}")?;
            writeln!(f, "{}", since.as_ref().map_or_else(String::new, |since| format!(" ({since})")))?;
        }
        Ok(())
    }
}
