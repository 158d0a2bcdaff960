use super::*;
use crate::clock::TestClock;
use crate::journal::{Journal, JournalError};
use evidence::record::{Data, Gap};
use jiff::tz::TimeZone;
use tempfile::TempDir;

fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().expect("a time")
}

fn span(from: &str, until: &str) -> Span {
    Span { from: at(from), until: at(until) }
}

fn journal() -> (TempDir, Journal) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(TestClock::at(at("00:00:00")));
    let journal = Journal::initialise(folder.path(), "site", "301", clock, TimeZone::UTC).expect("initialised");
    (folder, journal)
}

/// A segment of the camera `back`, and the gap right before it, if that lasts at all. Any record may stand for theirs.
fn put(journal: &Journal, gap_from: &str, start: &str, end: &str) {
    let put: Result<(), JournalError> = journal.transaction(|batch| {
        let (camera, cause) = ("back".to_owned(), GapCause::CameraStalled);
        let (from, until) = (journal.time_text(at(gap_from)), journal.time_text(at(start)));
        let gap = Gap { camera: camera.clone(), start: from, end: until, cause };
        let seq = batch.append(Data::Gap(gap))?.seq;
        if gap_from != start {
            batch.put_gap(&GapRow { seq, camera: camera.clone(), start: at(gap_from), end: at(start), cause })?;
        }
        let (start, end, path) = (at(start), at(end), format!("back/{start}.mp4"));
        batch.put_segment(&SegmentRow { seq, camera, start, end, path, bytes: 0, sha256: String::new() })?;
        Ok(())
    });
    put.expect("journalled");
}

/// How the recording stands while a segment that began then is being written.
fn writing(begun: &str) -> CameraRecording {
    CameraRecording {
        camera: "back".into(),
        wanted: true,
        recording: true,
        begun: Some(at(begun).to_string()),
        gap: None,
        waiting: 0,
        idle_seconds: 0.0,
    }
}

fn read(journal: &Journal, running: &CameraRecording, now: &str) -> Camera {
    let reader = journal.store().read().expect("reads");
    let day = Span { from: at("00:00:00"), until: at("23:59:59") };
    Camera::read(&reader, "back".into(), day, Some(running), at(now)).expect("reads")
}

#[test]
fn what_a_days_first_segment_shows_is_neither_unexplained_nor_yet_counted() {
    let (_folder, journal) = journal();
    let camera = read(&journal, &writing("00:20:00"), "00:20:40");
    let account = camera.account(span("00:20:00", "04:00:00"), at("00:20:40"));
    assert_eq!((account.required_ms, account.recorded_ms, account.unexplained_ms), (0, 0, 0));
    assert_eq!(camera.view().writing_since, Some(at("00:20:00").as_millisecond()));

    // Nothing at all is known of a camera that neither records nor says why.
    let idle = CameraRecording { recording: false, begun: None, ..writing("00:20:00") };
    let account = read(&journal, &idle, "00:20:40").account(span("00:20:00", "04:00:00"), at("00:20:40"));
    assert_eq!(account.unexplained_ms, 40_000);
}

#[test]
fn what_is_being_written_after_a_break_does_not_reach_back_over_it() {
    let (_folder, journal) = journal();
    put(&journal, "00:20:00", "00:20:00", "02:00:00");
    let camera = read(&journal, &writing("04:50:00"), "04:50:30");
    let account = camera.account(span("04:50:00", "08:00:00"), at("04:50:30"));
    assert_eq!((account.required_ms, account.unexplained_ms), (0, 0));
    assert_eq!(camera.view().writing_since, Some(at("04:50:00").as_millisecond()));
}

#[test]
fn a_segment_that_is_closed_while_the_page_asks_is_recorded_and_the_next_is_being_written() {
    let (_folder, journal) = journal();
    put(&journal, "00:20:00", "00:20:05", "00:21:00");
    put(&journal, "00:21:00", "00:21:00", "00:22:00");
    let lesson = span("00:20:00", "04:00:00");
    // What the recording said a moment ago is of the first of them.
    let camera = read(&journal, &writing("00:20:05"), "00:22:01");
    let account = camera.account(lesson, at("00:22:01"));
    assert_eq!((account.recorded_ms, account.unexplained_ms), (115_000, 0));
    assert_eq!(account.gaps_ms, BTreeMap::from([(GapCause::CameraStalled, 5000)]));
    assert_eq!(camera.view().writing_since, Some(at("00:22:00").as_millisecond()));

    // A segment that could not be journalled yet is no part of the account.
    let behind = CameraRecording { waiting: 1, ..writing("00:23:00") };
    let account = read(&journal, &behind, "00:23:30").account(lesson, at("00:23:30"));
    assert_eq!((account.recorded_ms, account.unexplained_ms), (115_000, 0));
}
