//! The bureau's own look through what it has: each appliance's whole log is judged as `bureau verify` judges an export,
//! again and again as it grows. What was found stands on the staff's page, without anybody having to ask.

use crate::database::{ApplianceRow, DatabaseError, Review, Reviewed};
use crate::export::export;
use crate::folder::{Bureau, FolderError};
use crate::register::now;
use crate::verify::{VerifyError, verify};
use evidence::verdict::{Finding, Severity};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A log that has grown is looked through again after this long, s.
const AGAIN: u64 = 3600;
/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(60);
/// Findings of an appliance that are kept.
const MOST: usize = 200;
/// In the bureau's folder, with the process's number: the log that is being looked through.
const WORK: &str = "review-";

/// Why a log could not be looked through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Looks through all logs again and again, in a thread that ends with the program. It has its own connection to the database,
/// so no push waits for it.
pub(crate) fn start(folder: &Path) -> std::io::Result<()> {
    let folder = folder.to_owned();
    let work = move || {
        remove_left(&folder);
        let bureau = match Bureau::open(&folder) {
            Ok(bureau) => bureau,
            Err(problem) => return tracing::error!(%problem, "logs are not looked through"),
        };
        loop {
            if let Err(problem) = round(&bureau, false) {
                tracing::error!(%problem, "the appliances' logs cannot be looked through");
            }
            std::thread::sleep(PAUSE);
        }
    };
    std::thread::Builder::new().name("review".into()).spawn(work).map(drop)
}

/// Looks through each log that is due, or through `all`.
pub(crate) fn round(bureau: &Bureau, all: bool) -> Result<(), DatabaseError> {
    for row in bureau.database.appliances()?.into_iter().filter(|row| row.size > 0) {
        let last = bureau.database.review(&row)?;
        let is_due = |last: &Review| last.records != row.size && now().abs_diff(last.time) >= AGAIN;
        if !all && !last.as_ref().is_none_or(is_due) {
            continue;
        }
        match review(bureau, &row) {
            Ok(Review { failures, warnings, .. }) => {
                tracing::info!(device = row.device, failures, warnings, "its log was looked through");
            }
            // The others are looked through all the same.
            Err(problem) => tracing::error!(device = row.device, %problem, "its log could not be looked through"),
        }
    }
    Ok(())
}

/// Looks through one appliance's log, and keeps what was found.
pub(crate) fn review(bureau: &Bureau, row: &ApplianceRow) -> Result<Review, ReviewError> {
    let work = Work::new(bureau.path(&format!("{WORK}{}", std::process::id())))?;
    let log = work.0.join("log");
    export(bureau, &row.device, &log)?;
    let verdict = verify(&log, Some(bureau.key.verifying_key()))?;
    let count = |severity| verdict.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let (failures, warnings) = (count(Severity::Failure), count(Severity::Warning));
    let mut worst: Vec<&Finding> =
        verdict.findings.iter().filter(|finding| finding.severity >= Severity::Warning).collect();
    worst.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let findings = worst.into_iter().take(MOST).map(|Finding { severity, code, seq, message }| Reviewed {
        is_failure: *severity == Severity::Failure,
        code: (*code).to_owned(),
        seq: *seq,
        message: message.clone(),
    });
    let review = Review { time: now(), records: verdict.records, failures, warnings, findings: findings.collect() };
    bureau.database.put_review(row, &review)?;
    Ok(review)
}

/// Removes what a crash has left.
fn remove_left(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(WORK)
            && let Err(problem) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %problem, "what an earlier run left cannot be removed");
        }
    }
}

/// A folder that is there while it is needed.
struct Work(PathBuf);

impl Work {
    fn new(path: PathBuf) -> Result<Work, FolderError> {
        let failed = |source| FolderError::File { path: path.clone(), source };
        std::fs::create_dir(&path).map_err(failed)?;
        Ok(Work(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
