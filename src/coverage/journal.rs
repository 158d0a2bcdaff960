//! What the journal and the database know of a lesson, put together for its account; what an earlier run left open.

use super::account::account;
use super::lesson::{CameraView, Impaired, impaired, workstation_account};
use super::people::people_seen;
use super::sights::{LONGEST_PAUSE, WHOLE_PICTURE};
use crate::class::Span;
use crate::journal::{Journal, JournalError};
use crate::recording::Lesson;
use crate::store::{RollcallRow, Sight, StoreError};
use evidence::record::{FindingKind, RollCallSpan, WorkstationCoverage};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Closes the findings that an earlier run has left open: they end with its last sign of life. To be called before
/// anything is recorded. A roll call that is missing goes on to be missing.
pub fn close_left_open(journal: &Journal) -> Result<(), JournalError> {
    let (open, alive) = {
        let reader = journal.store().read()?;
        (reader.open_findings()?, reader.alive()?)
    };
    for row in open.iter().filter(|row| row.what != FindingKind::NoRollCall) {
        let of_camera = alive.iter().find(|alive| Some(&alive.camera) == row.camera.as_ref()).map(|alive| alive.at);
        let end = of_camera.or_else(|| alive.iter().map(|alive| alive.at).max()).unwrap_or(row.start);
        journal.end_finding(row, end, BTreeMap::new())?;
    }
    Ok(())
}

/// What a lesson's recording shows beside the time that was recorded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    /// Each workstation that the plan needs.
    pub workstations: Vec<WorkstationCoverage>,
    /// The roll call, if one was taken in time: the first that is recorded, or else the first.
    pub roll_call: Option<RollCallSpan>,
    /// Whether a camera has recorded the whole of it.
    pub is_roll_call_recorded: bool,
    /// For each camera, how long its recording does not show the lesson.
    pub impaired: BTreeMap<String, Impaired>,
}

/// Puts together what a lesson's cameras have shown of it.
pub(crate) fn shown(journal: &Journal, lesson: &Lesson, rollcall_minutes: i64) -> Result<Shown, StoreError> {
    let span = lesson.span;
    let reader = journal.store().read()?;
    let mut shown = Shown::default();
    let (mut segments, mut marked) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
    let findings = reader.findings(span.from, span.until)?;
    let watched = reader.sights(WHOLE_PICTURE, span.from, span.until)?;
    for camera in &lesson.cameras {
        let rows = reader.segments(camera, span.from, span.until)?;
        let spans: Vec<Span> = rows.iter().map(|row| Span { from: row.start, until: row.end }).collect();
        let of_camera = findings.iter().filter(|row| row.camera.as_ref() == Some(camera) && row.workstation.is_none());
        let during = |end: Option<(Timestamp, u64)>| end.map_or(span.until, |(end, _)| end);
        let of_camera: Vec<_> =
            of_camera.map(|row| (Span { from: row.start, until: during(row.end) }, row.what)).collect();
        let watched = watched.iter().filter(|row| &row.camera == camera);
        // Before the first sample of many, and after the last, as little is missed as between two.
        let watched: Vec<Span> =
            watched.map(|row| Span { from: row.start - LONGEST_PAUSE, until: row.end + LONGEST_PAUSE }).collect();
        shown.impaired.insert(camera.clone(), impaired(span, &spans, &of_camera, &watched));
        segments.insert(camera.clone(), spans);
        for workstation in reader.reference(camera)?.map(|row| row.workstations).unwrap_or_default() {
            marked.entry(workstation.workstation).or_default().insert(camera.clone());
        }
    }
    let looks = reader.looks(span.from, span.until)?;
    for workstation in &lesson.workstations {
        let rows = reader.sights(workstation, span.from, span.until)?;
        let mut views: BTreeMap<String, CameraView> = BTreeMap::new();
        // Marked now, or when it was looked at.
        let known = marked.get(workstation).into_iter().flatten().chain(rows.iter().map(|row| &row.camera));
        for camera in known.filter(|camera| segments.contains_key(*camera)) {
            let of_camera = rows.iter().filter(|row| &row.camera == camera);
            let sights: Vec<(Span, Sight)> =
                of_camera.map(|row| (Span { from: row.start, until: row.end }, row.sight)).collect();
            let segments = segments.get(camera).cloned().unwrap_or_default();
            views.insert(camera.clone(), CameraView { segments, sights });
        }
        let (names, views): (Vec<String>, Vec<CameraView>) = views.into_iter().unzip();
        let account = workstation_account(span, &views);
        let is_looked_at = looks.iter().any(|look| look.workstation.as_ref() == Some(workstation));
        let people = is_looked_at.then(|| people_seen(&looks, workstation, span));
        shown.workstations.push(WorkstationCoverage {
            workstation: workstation.clone(),
            cameras: names,
            required_ms: unsigned(account.required_ms),
            visible_ms: unsigned(account.visible_ms),
            hidden_ms: account.hidden_ms.into_iter().map(|(cause, ms)| (cause, unsigned(ms))).collect(),
            unknown_ms: unsigned(account.unknown_ms),
            people,
            complete: None,
        });
    }
    let latest = lesson.start + SignedDuration::from_mins(rollcall_minutes);
    let taken = reader.rollcalls(&lesson.class, lesson.start)?;
    let in_time = |from: Timestamp| span.from <= from && from <= latest.min(span.until);
    let is_recorded = |row: &RollcallRow| {
        // One that nobody has ended lasted no longer than it may.
        let end = row.end.map_or(latest, |(end, _)| end).min(span.until).max(row.start);
        let during = Span { from: row.start, until: end };
        segments.values().any(|segments| account(during, segments, &[]).unexplained.is_empty())
    };
    // One that is recorded counts, also when it was taken again for that.
    let taken: Vec<_> = taken.iter().filter(|row| in_time(row.start)).collect();
    let recorded = taken.iter().find(|row| is_recorded(row));
    if let Some(row) = recorded.or(taken.first()) {
        shown.is_roll_call_recorded = recorded.is_some();
        let text = |time| journal.time_text(time);
        shown.roll_call = Some(RollCallSpan { start: text(row.start), end: row.end.map(|(end, _)| text(end)) });
    }
    Ok(shown)
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::journal::{PlanSource, testing};
    use crate::store::SegmentRow;
    use jiff::tz::TimeZone;
    use std::sync::Arc;

    #[test]
    fn a_roll_call_that_is_taken_again_in_time_counts_when_it_is_recorded() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |text: &str| -> Timestamp { format!("2026-11-23T{text}Z").parse().expect("a time") };
        let clock = Arc::new(TestClock::at(at("00:00:00")));
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let journal = Journal::initialise(folder.path(), "site", "301", clock, zone).expect("initialised");
        let class = testing::class("2026-001", &["1"], &["T1"]);
        journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
        let start = at("00:00:00");
        let lesson = Lesson {
            class: class.id.clone(),
            start,
            span: Span { from: start, until: at("03:30:00") },
            topic: String::new(),
            kind: class.lessons[0].kind,
            cameras: vec!["back".into()],
            workstations: Vec::new(),
            sound: class.lessons[0].sound.clone(),
        };
        let shown = || shown(&journal, &lesson, 15).expect("reads");
        let take = |seq: u64, from: &str, until: &str| {
            let (class, lesson, start) = (class.id.clone(), start, at(from));
            let write = journal.store().begin().expect("begins");
            write.put_rollcall(&RollcallRow { seq, class, lesson, start, end: None }).expect("put");
            write.end_rollcall(seq, at(until), seq).expect("put");
            write.commit().expect("committed");
        };
        // The camera comes back at 8:05.
        let write = journal.store().begin().expect("begins");
        let (camera, path, sha256) = ("back".into(), "a.mp4".into(), String::new());
        let (start, end) = (at("00:05:00"), at("03:30:00"));
        write.put_segment(&SegmentRow { seq: 0, camera, start, end, path, bytes: 1, sha256 }).expect("put");
        write.commit().expect("committed");
        take(0, "00:01:00", "00:03:00");
        assert!(!shown().is_roll_call_recorded);
        take(1, "00:06:00", "00:08:00");
        let shown = shown();
        assert!(shown.is_roll_call_recorded);
        assert_eq!(shown.roll_call.expect("taken").start, "2026-11-23T08:06:00.000+08:00");
    }
}
