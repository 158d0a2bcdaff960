//! Each lesson's account: made and journalled when it is over, told to whoever asks before.

use super::journal_gap;
use super::plan::{Lesson, Plan};
use crate::class::Span;
use crate::coverage::account::{Account, account};
use crate::journal::{Journal, JournalError};
use crate::store::StoreError;
use evidence::record::{CameraCoverage, Coverage, Data, GapCause};
use jiff::{SignedDuration, Timestamp};

/// A lesson's account is made this long after its end, when the last segment is closed and journalled.
const AFTER: SignedDuration = SignedDuration::from_secs(10);

/// One camera's account of `span`, from what is journalled.
pub fn account_of(journal: &Journal, camera: &str, span: Span) -> Result<Account, StoreError> {
    let reader = journal.store().read()?;
    let segments = reader.segments(camera, span.from, span.until)?;
    let gaps = reader.gaps(camera, span.from, span.until)?;
    let segments: Vec<Span> = segments.iter().map(|row| Span { from: row.start, until: row.end }).collect();
    let gaps: Vec<_> = gaps.iter().map(|row| (Span { from: row.start, until: row.end }, row.cause)).collect();
    Ok(account(span, &segments, &gaps))
}

/// Journals the accounts of the lessons that are over. `recorded` are the cameras that are recorded; one that a lesson
/// needed and that is none of them was absent, as far as nothing else is told of it.
pub(super) fn close_lessons(
    journal: &Journal,
    plan: &mut Plan,
    recorded: &[String],
    required_share: f64,
    now: Timestamp,
) -> Result<(), JournalError> {
    for lesson in plan.over(journal, now - AFTER)? {
        let mut accounts = Vec::new();
        let mut complete = true;
        for camera in &lesson.cameras {
            let mut account = account_of(journal, camera, lesson.span)?;
            if !recorded.contains(camera) && !account.unexplained.is_empty() {
                for span in &account.unexplained {
                    journal_gap(journal, camera, span.from, span.until, GapCause::CameraAbsent)?;
                }
                account = account_of(journal, camera, lesson.span)?;
            }
            complete &= account.unexplained.is_empty() && account.share() >= required_share;
            accounts.push(coverage_of(camera, &account));
        }
        journal_coverage(journal, &lesson, accounts, required_share, complete)?;
        tracing::info!(class = %lesson.class, complete, "the lesson is over; its account is made");
    }
    Ok(())
}

fn coverage_of(camera: &str, account: &Account) -> CameraCoverage {
    let ms = |ms: i64| u64::try_from(ms).unwrap_or_default();
    CameraCoverage {
        camera: camera.into(),
        required_ms: ms(account.required_ms),
        recorded_ms: ms(account.recorded_ms),
        gaps_ms: account.gaps_ms.iter().map(|(cause, length)| (*cause, ms(*length))).collect(),
        unexplained_ms: ms(account.unexplained_ms()),
    }
}

fn journal_coverage(
    journal: &Journal,
    lesson: &Lesson,
    cameras: Vec<CameraCoverage>,
    required_share: f64,
    complete: bool,
) -> Result<(), JournalError> {
    journal.transaction(|batch| {
        let data = Data::Coverage(Coverage {
            class: lesson.class.to_string(),
            start: journal.time_text(lesson.start),
            end: journal.time_text(lesson.span.until),
            from: journal.time_text(lesson.span.from),
            cameras,
            workstations: Vec::new(),
            roll_call: None,
            required_share,
            complete,
        });
        let seq = batch.append(data)?.seq;
        batch.put_coverage(seq, &lesson.class, lesson.start)?;
        Ok(())
    })
}
