//! Each lesson's account: made and journalled when it is over, told to whoever asks before.

use super::journal_gap;
use super::plan::{Lesson, Plan};
use crate::class::{ClassId, LessonKind, Span};
use crate::coverage;
use crate::coverage::account::{Account, account};
use crate::journal::{Journal, JournalError};
use crate::store::{GapRow, SegmentRow, StoreError, View};
use evidence::jws::read_unverified;
use evidence::record::{CameraCoverage, Coverage, Data, GapCause, WorkstationCoverage};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A lesson's account is made this long after its end, when the last segment is closed and journalled.
const AFTER: SignedDuration = SignedDuration::from_secs(10);

/// The cameras of a lesson's account, if it has been made: those that had to record it as the config was then.
pub fn cameras_accounted(view: &View, class: &ClassId, start: Timestamp) -> Result<Option<Vec<String>>, StoreError> {
    let made = account_made(view, class, start)?;
    Ok(made.map(|made| made.cameras.into_iter().map(|camera| camera.camera).collect()))
}

/// A lesson's account, if it has been made.
pub(crate) fn account_made(view: &View, class: &ClassId, start: Timestamp) -> Result<Option<Coverage>, StoreError> {
    view.coverage(class, start)?.map_or(Ok(None), |seq| read(view, seq))
}

/// The accounts that have been made of the lessons that began within the span, in order of time.
pub(crate) fn accounts_made(view: &View, from: Timestamp, until: Timestamp) -> Result<Vec<Coverage>, StoreError> {
    let read = view.coverages(from, until)?.into_iter().map(|seq| read(view, seq));
    Ok(read.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn read(view: &View, seq: u64) -> Result<Option<Coverage>, StoreError> {
    let record = view.record(seq)?.and_then(|record| read_unverified(record.as_str()).ok());
    Ok(record.and_then(|record| match record.data {
        Data::Coverage(coverage) => Some(coverage),
        _ => None,
    }))
}

/// One camera's account of `span`, from what is journalled.
pub fn account_of(journal: &Journal, camera: &str, span: Span) -> Result<Account, StoreError> {
    account_in(&*journal.store().read()?, camera, span)
}

fn account_in(view: &View, camera: &str, span: Span) -> Result<Account, StoreError> {
    let segments = view.segments(camera, span.from, span.until)?;
    Ok(account_from(span, &segments, view.gaps(camera, span.from, span.until)?))
}

/// Likewise, from what is given. Of gaps that overlap the newest counts: when a clock that was put forward is put back,
/// the time that it had jumped over comes after all.
pub(crate) fn account_from(span: Span, segments: &[SegmentRow], mut gaps: Vec<GapRow>) -> Account {
    let segments: Vec<Span> = segments.iter().map(|row| Span { from: row.start, until: row.end }).collect();
    gaps.sort_by_key(|row| Reverse(row.seq));
    let gaps: Vec<_> = gaps.iter().map(|row| (Span { from: row.start, until: row.end }, row.cause)).collect();
    account(span, &segments, &gaps)
}

/// Journals the accounts of the lessons that are over. `recorded` are the cameras that are recorded; one that a lesson
/// needed and that is none of them was absent, as far as nothing else is told of it. A lesson that is not told of to its end
/// waits.
pub(super) fn close_lessons(
    journal: &Journal,
    plan: &mut Plan,
    recorded: &[String],
    is_told: impl Fn(&Lesson) -> bool,
    required_share: f64,
    rollcall_minutes: i64,
    now: Timestamp,
) -> Result<(), JournalError> {
    for lesson in plan.over(journal, now - AFTER)?.into_iter().filter(is_told) {
        for camera in lesson.cameras.iter().filter(|camera| !recorded.contains(camera)) {
            for span in account_of(journal, camera, lesson.span)?.unexplained {
                journal_gap(journal, camera, span.from, span.until, GapCause::CameraAbsent)?;
            }
        }
        if journal_coverage(journal, &lesson, rollcall_minutes, required_share)? {
            tracing::info!(class = %lesson.class, start = %lesson.start, "the lesson is over; its account is made");
        } else {
            tracing::warn!(class = %lesson.class, start = %lesson.start, "the lesson is over, and it is not complete");
        }
    }
    Ok(())
}

fn share(part_ms: u64, whole_ms: u64) -> f64 {
    if whole_ms == 0 { 1.0 } else { part_ms as f64 / whole_ms as f64 }
}

fn ms(length: i64) -> u64 {
    u64::try_from(length).unwrap_or_default()
}

fn coverage_of(camera: &str, account: &Account) -> CameraCoverage {
    CameraCoverage {
        camera: camera.into(),
        required_ms: ms(account.required_ms),
        recorded_ms: ms(account.recorded_ms),
        gaps_ms: account.gaps_ms.iter().map(|(cause, length)| (*cause, ms(*length))).collect(),
        unexplained_ms: ms(account.unexplained_ms()),
        impaired_ms: BTreeMap::new(),
        unwatched_ms: None,
        complete: None,
    }
}

/// Whether a lesson is shown by its cameras, and its workstations by any. Practice has to show all workstations (article
/// 6(1)): where the plan names none, nothing tells that it does.
fn is_complete(kind: LessonKind, cameras: &[CameraCoverage], workstations: &[WorkstationCoverage]) -> bool {
    let verdicts = cameras.iter().map(|account| account.complete);
    let mut all = verdicts.chain(workstations.iter().map(|account| account.complete));
    let is_named = kind == LessonKind::Theory || !workstations.is_empty();
    !cameras.is_empty() && is_named && all.all(|verdict| verdict == Some(true))
}

/// Makes a lesson's account of what is journalled, and journals it: nothing comes in between. Tells whether the lesson is
/// complete.
fn journal_coverage(
    journal: &Journal,
    lesson: &Lesson,
    rollcall_minutes: i64,
    required_share: f64,
) -> Result<bool, JournalError> {
    journal.transaction(|batch| {
        let mut shown = coverage::shown(batch, lesson, rollcall_minutes, |time| journal.time_text(time))?;
        let mut cameras = Vec::new();
        for camera in &lesson.cameras {
            let mut account = coverage_of(camera, &account_in(batch, camera, lesson.span)?);
            let impaired = shown.impaired.remove(camera).unwrap_or_default();
            let not_shown = impaired.found.values().sum::<i64>() + impaired.unwatched;
            account.impaired_ms = impaired.found.into_iter().map(|(what, length)| (what, ms(length))).collect();
            account.unwatched_ms = Some(ms(impaired.unwatched));
            let visible = account.recorded_ms.saturating_sub(ms(not_shown));
            let is_enough = share(visible, account.required_ms) >= required_share;
            account.complete = Some(account.unexplained_ms == 0 && is_enough);
            cameras.push(account);
        }
        for account in &mut shown.workstations {
            account.complete = Some(share(account.visible_ms, account.required_ms) >= required_share);
        }
        let complete = shown.is_roll_call_recorded && is_complete(lesson.kind, &cameras, &shown.workstations);
        let data = Data::Coverage(Coverage {
            class: lesson.class.to_string(),
            start: journal.time_text(lesson.start),
            end: journal.time_text(lesson.span.until),
            from: journal.time_text(lesson.span.from),
            cameras,
            workstations: shown.workstations,
            roll_call: shown.roll_call,
            roll_call_recorded: Some(shown.is_roll_call_recorded),
            sound_consent: lesson.sound.consent().map(str::to_owned),
            required_share,
            complete,
        });
        let seq = batch.append(data)?.seq;
        batch.put_coverage(seq, &lesson.class, lesson.start)?;
        Ok(complete)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn practice_is_complete_only_with_workstations_that_are_shown() {
        let account = |complete| {
            let account = Account { required_ms: 1000, recorded_ms: 1000, ..Account::default() };
            CameraCoverage { complete: Some(complete), ..coverage_of("back", &account) }
        };
        let workstation = |complete| WorkstationCoverage {
            workstation: "1".into(),
            cameras: vec!["back".into()],
            required_ms: 1000,
            visible_ms: 1000,
            hidden_ms: BTreeMap::new(),
            unknown_ms: 0,
            people: None,
            complete: Some(complete),
        };
        use LessonKind::{Practice, Theory};
        assert!(is_complete(Theory, &[account(true)], &[]));
        assert!(!is_complete(Practice, &[account(true)], &[]));
        assert!(is_complete(Practice, &[account(true)], &[workstation(true)]));
        for kind in [Theory, Practice] {
            assert!(!is_complete(kind, &[account(true)], &[workstation(true), workstation(false)]));
            assert!(!is_complete(kind, &[account(true), account(false)], &[workstation(true)]));
            assert!(!is_complete(kind, &[], &[workstation(true)]));
        }
    }
}
