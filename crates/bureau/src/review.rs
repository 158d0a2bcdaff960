//! The bureau's own look through what it has: each appliance's whole log is judged as `bureau verify` judges an export,
//! again and again as it grows. What was found stands on the staff's page, without anybody having to ask.

use crate::database::{ApplianceRow, DatabaseError, Review, Reviewed};
use crate::export::receipts;
use crate::folder::Bureau;
use crate::register::now;
use crate::rooms::{Elsewhere, Rooms};
use crate::text::clean;
use crate::verify::{Foundation, MAX_MESSAGE, judge};
use evidence::checkpoint::{Log, Witness};
use evidence::verdict::{Finding, Severity};
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// A log that has grown is looked through again after this long, s.
const AGAIN: u64 = 3600;
/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(60);
/// Failures and warnings of an appliance that are kept; and notes.
const MOST: usize = 200;
/// Of each code these are kept before more of another.
const FIRST_OF_EACH: usize = 20;
/// Notes that are kept: how many of a class's lessons are complete, and how many are given in other rooms.
const NOTES: [&str; 2] = ["lessons", "lessons_elsewhere"];
/// The log of the appliance in another room may come this long after a lesson, s: as long as one may be silent.
const PATIENCE: u64 = 24 * 3600;
/// Lessons named in one finding.
const NAMED: usize = 5;
/// Records read at a time; pushes go on between.
const BATCH: usize = 2000;

/// Why a log could not be looked through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("record {0} of {1} is missing in the database")]
    Missing(u64, u64),
}

/// Looks through all logs again and again, in a thread that ends with the program. It has its own connection to the database,
/// so no push waits for it.
pub(crate) fn start(folder: &Path) -> std::io::Result<()> {
    let folder = folder.to_owned();
    let work = move || {
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
    // Of one moment, whatever is received meanwhile: no receipt covers more than the records that are looked through.
    let (row, notes) = bureau.database.snapshot(|transaction| {
        let row = transaction.appliance(&row.device)?.unwrap_or_else(|| row.clone());
        let notes = receipts(transaction, &row)?;
        Ok::<_, DatabaseError>((row, notes))
    })?;
    let witness = Witness { name: bureau.name.clone(), key: bureau.key.verifying_key() };
    let foundation = Foundation::new(Log::of(row.key), Some(witness), &notes);
    let mut next = 0;
    // They are never changed: it takes no snapshot of them all.
    let records = || {
        let limit = usize::try_from(row.size - next).unwrap_or(BATCH).min(BATCH);
        let batch = bureau.database.snapshot(|transaction| transaction.records(&row, next, limit))?;
        if batch.is_empty() && next < row.size {
            return Err(ReviewError::Missing(next, row.size));
        }
        next += batch.len() as u64;
        Ok(batch)
    };
    let mut rooms = Rooms::default();
    let verdict = judge(foundation, records, None, |record| rooms.take(record))?;
    let count = |severity| verdict.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let (failures, warnings) = (count(Severity::Failure), count(Severity::Warning));
    let (mut notes, problems): (Vec<Finding>, Vec<Finding>) =
        verdict.findings.into_iter().partition(|finding| finding.severity == Severity::Note);
    // Many of one code hide no other.
    let mut codes: HashMap<&str, usize> = HashMap::new();
    let (first, more): (Vec<Finding>, Vec<Finding>) = problems.into_iter().partition(|finding| {
        let count = codes.entry(finding.code).or_default();
        *count += 1;
        *count <= FIRST_OF_EACH
    });
    let mut problems = [first, more].concat();
    problems.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    problems.truncate(MOST);
    notes.retain(|finding| NOTES.contains(&finding.code));
    // Those of one class together; of many classes the newest, which are numbered by year.
    notes.sort_by(|one, other| one.message.cmp(&other.message));
    notes.drain(..notes.len().saturating_sub(MOST));
    let kept = |Finding { severity, code, seq, message }| Reviewed { severity, code: code.to_owned(), seq, message };
    let findings = problems.into_iter().chain(notes).map(kept).collect();
    let review = Review { time: now(), records: verdict.records, failures, warnings, findings };
    bureau.database.put_review(&row, &review, &rooms)?;
    Ok(review)
}

/// The newest look through an appliance's log, with what only the other appliances' logs tell.
pub(crate) fn newest(bureau: &Bureau, row: &ApplianceRow) -> Result<Option<Review>, DatabaseError> {
    let Some(mut review) = bureau.database.review(row)? else { return Ok(None) };
    let over_since = i64::try_from(now().saturating_sub(PATIENCE) * 1000).unwrap_or(i64::MAX);
    if let Some(nowhere) = nowhere(bureau, &bureau.database.nowhere(row, over_since)?) {
        review.warnings += 1;
        let failures = review.findings.partition_point(|finding| finding.severity == Severity::Failure);
        review.findings.insert(failures, nowhere);
    }
    Ok(Some(review))
}

/// Lessons that each appliance leaves to another.
fn nowhere(bureau: &Bureau, lessons: &[Elsewhere]) -> Option<Reviewed> {
    let first = lessons.first()?;
    let told = |lesson: &Elsewhere| {
        let start = Timestamp::from_millisecond(lesson.start).ok()?.to_zoned_datetime(bureau.zone.clone());
        Some(format!("class {} at {} (record {})", lesson.class, start.strftime("%Y-%m-%dT%H:%M:%S%:z"), lesson.seq))
    };
    let named = lessons.iter().take(NAMED).filter_map(told).collect::<Vec<_>>().join(", ");
    let more = match lessons.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{} lessons that plans give to other rooms were over more than a day ago, and no appliance's log that this bureau has \
         accounts for them: {named}{more}",
        lessons.len()
    );
    Some(Reviewed {
        severity: Severity::Warning,
        code: "lessons_nowhere".into(),
        seq: Some(first.seq),
        message: clean(&message, MAX_MESSAGE),
    })
}
