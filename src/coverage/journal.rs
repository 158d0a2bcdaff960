//! What the journal and the database know of a lesson, put together for its account; what an earlier run left open.

use super::account::account;
use super::lesson::{CameraView, Impaired, impaired, showing, workstation_account};
use super::people::people_seen;
use super::sights::{LONGEST_PAUSE, WHOLE_PICTURE};
use crate::class::Span;
use crate::journal::{Journal, JournalError};
use crate::recording::Lesson;
use crate::store::{RollcallRow, Sight, StoreError, View};
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
        journal.leave_finding(row, end, BTreeMap::new())?;
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
    /// Whether a camera's recording shows the whole of it.
    pub is_roll_call_recorded: bool,
    /// For each camera, how long its recording does not show the lesson.
    pub impaired: BTreeMap<String, Impaired>,
}

/// Puts together what a lesson's cameras have shown of it, as `reader` has it. `text` writes a time down.
pub(crate) fn shown(
    reader: &View,
    lesson: &Lesson,
    rollcall_minutes: i64,
    text: impl Fn(Timestamp) -> String,
) -> Result<Shown, StoreError> {
    let span = lesson.span;
    let mut shown = Shown::default();
    let (mut segments, mut marked) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
    let mut showing_lesson = Vec::new();
    let findings = reader.findings(span.from, span.until)?;
    let watched = reader.sights(WHOLE_PICTURE, span.from, span.until)?;
    for camera in &lesson.cameras {
        let rows = reader.segments(camera, span.from, span.until)?;
        let spans: Vec<Span> = rows.iter().map(|row| Span { from: row.start, until: row.end }).collect();
        let of_camera = findings.iter().filter(|row| row.camera.as_ref() == Some(camera) && row.workstation.is_none());
        let during = |end: Option<(Timestamp, u64)>| end.map_or(span.until, |(end, _)| end);
        let hiding = of_camera.filter(|row| row.what.hides().is_some());
        let hiding = hiding.map(|row| (Span { from: row.start, until: during(row.end) }, row.what));
        let judged: Vec<_> = watched.iter().filter(|row| &row.camera == camera).collect();
        let away = judged.iter().filter(|row| row.sight != Sight::Visible);
        let away = away.map(|row| (Span { from: row.start, until: row.end }, FindingKind::Moved));
        let hidden: Vec<_> = hiding.chain(away).collect();
        // Before the first sample of many, and after the last, as little is missed as between two.
        let watched: Vec<Span> =
            judged.iter().map(|row| Span { from: row.start - LONGEST_PAUSE, until: row.end + LONGEST_PAUSE }).collect();
        shown.impaired.insert(camera.clone(), impaired(span, &spans, &hidden, &watched));
        showing_lesson.push(showing(&spans, &hidden, &watched));
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
        // One that is ended late, or by nobody, need not be shown for longer than it may last.
        let end = row.end.map_or(latest, |(end, _)| end.min(latest)).min(span.until).max(row.start);
        let during = Span { from: row.start, until: end };
        showing_lesson.iter().any(|showing| account(during, showing, &[]).unexplained.is_empty())
    };
    // One that is recorded counts, also when it was taken again for that.
    let taken: Vec<_> = taken.iter().filter(|row| in_time(row.start)).collect();
    let recorded = taken.iter().find(|row| is_recorded(row));
    if let Some(row) = recorded.or(taken.first()) {
        shown.is_roll_call_recorded = recorded.is_some();
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
    use crate::store::{FindingRow, SegmentRow, SightRow};
    use evidence::record::HiddenCause;
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
        // Twice: rows name records, and there are to be enough of them.
        for digits in ["00", "11"] {
            journal.import_class(&class, &digits.repeat(32), PlanSource::File, "301").expect("imported");
        }
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
        let text = |time| journal.time_text(time);
        let shown = || shown(&journal.store().read().expect("reads"), &lesson, 15, text).expect("reads");
        let put = |put: &dyn Fn(&crate::store::Write<'_>) -> Result<(), StoreError>| {
            let write = journal.store().begin().expect("begins");
            put(&write).expect("put");
            write.commit().expect("committed");
        };
        let take = |seq: u64, from: &str, until: &str| {
            let (class, lesson, start) = (class.id.clone(), start, at(from));
            put(&|write| {
                write.put_rollcall(&RollcallRow { seq, class: class.clone(), lesson, start, end: None })?;
                write.end_rollcall(seq, at(until), seq)
            });
        };
        // The camera comes back at 8:05, is covered until 8:08, turned away from 8:10 on for a minute, and away for good at
        // 8:30.
        let segment = |seq: u64, start: &str, end: &str| SegmentRow {
            seq,
            camera: "back".into(),
            start: at(start),
            end: at(end),
            path: format!("{seq}.mp4"),
            bytes: 1,
            sha256: String::new(),
        };
        put(&|write| write.put_segment(&segment(0, "00:05:00", "00:30:00")));
        let sight = |start: &str, end: &str, sight: Sight| SightRow {
            workstation: WHOLE_PICTURE.into(),
            camera: "back".into(),
            start: at(start),
            end: at(end),
            sight,
        };
        let away = Sight::Hidden(HiddenCause::OutsidePicture);
        put(&|write| {
            write.put_sights(&[
                sight("00:05:00", "00:10:00", Sight::Visible),
                sight("00:10:00", "00:11:00", away),
                sight("00:11:00", "00:30:00", Sight::Visible),
            ])
        });
        let covered = FindingRow {
            seq: 0,
            what: FindingKind::Covered,
            camera: Some("back".into()),
            workstation: None,
            class: None,
            start: at("00:05:00"),
            end: None,
            thumbnail: None,
        };
        put(&|write| {
            write.put_finding(&covered, None)?;
            write.end_finding(0, at("00:08:00"), 0)
        });
        for (seq, (from, until)) in
            [("00:01:00", "00:03:00"), ("00:06:00", "00:07:00"), ("00:10:30", "00:12:00")].into_iter().enumerate()
        {
            take(seq as u64, from, until);
            assert!(!shown().is_roll_call_recorded, "{from}: not recorded, covered, or turned away");
        }
        // It is ended late; what it may last at most, until 8:15, is shown.
        take(3, "00:12:00", "01:55:00");
        let shown = shown();
        assert!(shown.is_roll_call_recorded);
        assert_eq!(shown.roll_call.expect("taken").start, "2026-11-23T08:12:00.000+08:00");
        let impaired = &shown.impaired["back"];
        let found: Vec<_> = impaired.found.iter().map(|(what, ms)| (*what, *ms)).collect();
        assert_eq!(found, [(FindingKind::Covered, 180_000), (FindingKind::Moved, 60_000)]);
        assert_eq!(impaired.unwatched, 0);
    }
}
