//! What a lesson's account claims is held against the segments, gaps, findings and roll calls in the log: by the bureau, with
//! nothing but what was exported, and by `rollcall check`. The bureau tells what each lesson lacks.

use crate::hostile::{BUREAU, bureau_key};
use evidence::checkpoint::Witness;
use evidence::record::{
    CameraCoverage, Coverage, Data, FindingKind, Gap, GapCause, RollCallSpan, Rollcall, RollcallEvent, Segment, Sound,
    VideoCodec,
};
use evidence::verdict::{Severity, Verdict};
use jiff::civil::time;
use jiff::{SignedDuration, Timestamp};
use rollcall::check::check;
use rollcall::class::{ClassId, Lesson};
use rollcall::clock::{Clock, TestClock};
use rollcall::commands::export::export_log;
use rollcall::commands::export_class::export_class;
use rollcall::journal::{Journal, NewFinding, PlanSource, testing};
use rollcall::store::{GapRow, Registration, RollcallRow, SegmentRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An appliance that records a lesson of ten minutes, from 8:00 on, with a roll call of the second; it is half past eight.
struct Appliance {
    folder: tempfile::TempDir,
    journal: Journal,
    clock: Arc<TestClock>,
}

impl Appliance {
    fn new() -> Appliance {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(TestClock::at(Appliance::at(1)));
        let zone = jiff::tz::TimeZone::UTC;
        let journal = Journal::initialise(&folder.path().join("state"), "site", "301", clock.clone(), zone);
        let journal = journal.expect("made");
        let bureau =
            Registration { url: "https://bureau".into(), name: BUREAU.into(), key: bureau_key().verifying_key() };
        let write = journal.store().begin().expect("begins");
        write.set_registration(&bureau).expect("kept");
        write.commit().expect("kept");
        let appliance = Appliance { folder, journal, clock };
        let begun = appliance.roll_call(RollcallEvent::Started, None);
        appliance.clock.advance(Duration::from_secs(60));
        appliance.roll_call(RollcallEvent::Ended, Some(begun));
        appliance.clock.advance(Duration::from_secs(28 * 60));
        appliance
    }

    /// The roll call begins, or the one that has begun ends, now; tells its record.
    fn roll_call(&self, event: RollcallEvent, begun: Option<u64>) -> u64 {
        let (class, lesson) = ("2026-001".to_owned(), self.journal.time_text(Appliance::at(0)));
        let rollcall = Rollcall { class: class.clone(), lesson, event, by: "T1".into(), expected: 1, present: 1 };
        let (class, now) = (ClassId::new(&class).expect("valid"), self.clock.now());
        let put = |write: &rollcall::store::Write<'_>, seq| match begun {
            Some(begun) => write.end_rollcall(begun, now, seq),
            None => {
                let (lesson, start) = (Appliance::at(0), now);
                write.put_rollcall(&RollcallRow { seq, class, lesson, start, end: None })
            }
        };
        self.journal.append_with(Data::Rollcall(rollcall), put).expect("appended").seq
    }

    /// The camera was covered for so long; that is journalled at once.
    fn covered(&self, from: i64, until: i64) -> u64 {
        let new = NewFinding {
            what: FindingKind::Covered,
            camera: Some("back".into()),
            workstation: None,
            class: None,
            start: Appliance::at(from),
            measured: BTreeMap::new(),
        };
        let row = self.journal.begin_finding(new, None).expect("journalled");
        self.journal.end_finding(&row, Appliance::at(until), BTreeMap::new()).expect("journalled");
        self.clock.advance(Duration::from_secs(120));
        row.seq
    }

    fn at(minute: i64) -> Timestamp {
        let begin: Timestamp = "2026-11-23T08:00:00Z".parse().expect("a time");
        begin + SignedDuration::from_mins(minute)
    }

    fn segment(&self, from: i64, until: i64) {
        let (start, end) = (Appliance::at(from), Appliance::at(until));
        let previous = self.journal.store().read().expect("reads").last_segment("back").expect("reads");
        let sha256 = evidence::sha256_hex(from.to_string().as_bytes());
        let segment = Segment {
            camera: "back".into(),
            start: self.journal.time_text(start),
            end: self.journal.time_text(end),
            frames: 10,
            lost_packets: Some(0),
            bytes: 1,
            sha256: sha256.clone(),
            previous: previous.map(|row| row.sha256),
            codec: VideoCodec::H264,
            width: 160,
            height: 120,
            sound: Sound::None,
            recovered: false,
        };
        let (camera, path) = ("back".to_owned(), format!("back/2026-11-23/{from}.mp4"));
        let put = |write: &rollcall::store::Write<'_>, seq| {
            write.put_segment(&SegmentRow { seq, camera, start, end, path, bytes: 1, sha256 })
        };
        self.journal.append_with(Data::Segment(segment), put).expect("appended");
    }

    fn gap(&self, from: i64, until: i64) {
        let (start, end, cause) = (Appliance::at(from), Appliance::at(until), GapCause::CameraStalled);
        let text = |time| self.journal.time_text(time);
        let gap = Data::Gap(Gap { camera: "back".into(), start: text(start), end: text(end), cause });
        let row = |seq| GapRow { seq, camera: "back".into(), start, end, cause };
        self.journal.append_with(gap, |write, seq| write.put_gap(&row(seq))).expect("appended");
    }

    /// Signs an account of so many minutes; tells its record.
    fn account(&self, recorded: u64, stalled: u64) -> u64 {
        self.account_with(recorded, stalled, |_| {})
    }

    /// Likewise, with something changed.
    fn account_with(&self, recorded: u64, stalled: u64, change: impl FnOnce(&mut Coverage)) -> u64 {
        let text = |minute| self.journal.time_text(Appliance::at(minute));
        let gaps_ms = [(GapCause::CameraStalled, stalled * 60_000)].into_iter().filter(|(_, ms)| *ms > 0).collect();
        let is_complete = recorded >= 9;
        let mut coverage = Coverage {
            class: "2026-001".into(),
            start: text(0),
            end: text(10),
            from: text(0),
            cameras: vec![CameraCoverage {
                camera: "back".into(),
                required_ms: 600_000,
                recorded_ms: recorded * 60_000,
                gaps_ms,
                unexplained_ms: 0,
                impaired_ms: Default::default(),
                unwatched_ms: None,
                complete: Some(is_complete),
            }],
            workstations: Vec::new(),
            roll_call: Some(RollCallSpan { start: text(1), end: Some(text(2)) }),
            roll_call_recorded: Some(true),
            sound_consent: None,
            required_share: 0.9,
            complete: is_complete,
        };
        change(&mut coverage);
        self.journal.append(Data::Coverage(coverage)).expect("appended").seq
    }

    /// What `bureau verify` and `rollcall check` say: code and record of each failure, and the messages.
    fn failures(&self) -> (Vec<(&'static str, Option<u64>)>, String) {
        let verdict = self.verdict();
        (failed(&verdict), verdict.to_string())
    }

    /// The bureau countersigns what there is.
    fn countersign(&self) {
        let checkpoint = self.journal.checkpoint(self.journal.size()).expect("signed");
        let note = checkpoint.countersign(BUREAU, &bureau_key(), 1_790_000_000).expect("a good name").to_text();
        let witness = Witness { name: BUREAU.into(), key: bureau_key().verifying_key() };
        self.journal.keep_receipt(&note, &witness).expect("kept");
    }

    /// The bureau's verdict over the log, which `rollcall check` agrees with.
    fn verdict(&self) -> Verdict {
        self.countersign();
        let report = check(self.journal.store(), self.journal.log().key, None).expect("readable");
        let export = self.folder.path().join("export");
        export_log(&self.journal, &export).expect("exported");
        let verdict = bureau::verify(&export, Some(bureau_key().verifying_key())).expect("readable");
        let failed = failed(&verdict);
        let problems = report.problems.iter().filter(|problem| problem.severity == Severity::Failure);
        assert_eq!(problems.map(|problem| (problem.code, problem.seq)).collect::<Vec<_>>(), failed, "{report}");
        assert_eq!((verdict.verified, report.ok), (failed.is_empty(), failed.is_empty()));
        verdict
    }

    /// The bureau's verdict over the records of the class alone.
    fn verdict_over_class(&self) -> Verdict {
        self.countersign();
        let export = self.folder.path().join("class");
        export_class(&self.journal, "2026-001", &export).expect("exported");
        bureau::verify(&export, Some(bureau_key().verifying_key())).expect("readable")
    }
}

fn failed(verdict: &Verdict) -> Vec<(&'static str, Option<u64>)> {
    let failed = verdict.findings.iter().filter(|finding| finding.severity == Severity::Failure);
    failed.map(|finding| (finding.code, finding.seq)).collect()
}

/// What is said under this code.
fn told<'v>(verdict: &'v Verdict, code: &str) -> Vec<&'v str> {
    let findings = verdict.findings.iter().filter(|finding| finding.code == code);
    findings.map(|finding| &*finding.message).collect()
}

#[test]
fn an_honest_account_verifies() {
    let appliance = Appliance::new();
    appliance.segment(0, 4);
    appliance.gap(4, 5);
    appliance.segment(5, 11);
    appliance.account(9, 1);
    let (failed, told) = appliance.failures();
    assert_eq!(failed, [], "{told}");
}

#[test]
fn a_log_that_lacks_a_gap_does_not_verify() {
    let appliance = Appliance::new();
    appliance.segment(0, 4);
    appliance.segment(5, 11);
    let seq = appliance.account(9, 1);
    let (failed, told) = appliance.failures();
    assert_eq!(failed, [("wrong_account", Some(seq))], "{told}");
    let named = [
        &*format!("record {seq}"),
        "class 2026-001 at 2026-11-23T08:00:00.000+00:00",
        "camera back",
        "gaps_ms of camera_stalled is 60000, they add up to 0",
        "unexplained_ms is 0, they add up to 60000",
    ];
    assert!(named.iter().all(|words| told.contains(words)), "{told}");
}

#[test]
fn an_account_that_claims_more_than_was_recorded_does_not_verify() {
    let appliance = Appliance::new();
    appliance.segment(0, 4);
    appliance.gap(4, 5);
    appliance.segment(5, 11);
    let seq = appliance.account(10, 0);
    let (failed, told) = appliance.failures();
    assert_eq!(failed, [("wrong_account", Some(seq))], "{told}");
    assert!(told.contains("recorded_ms is 600000, they add up to 540000"), "{told}");
}

#[test]
fn a_lesson_whose_camera_was_gone_is_told_of_by_the_log_and_by_the_class_alone() {
    let appliance = Appliance::new();
    appliance.gap(0, 10);
    let seq = appliance.account_with(0, 10, |coverage| coverage.roll_call_recorded = Some(false));
    let lack = format!(
        "record {seq}, the account of the lesson of class 2026-001 at 2026-11-23T08:00:00.000+00:00 is not of a complete \
         lesson: camera back recorded 0s of 10m, camera_stalled for 10m; its roll call is not recorded, or not to its end"
    );
    for verdict in [appliance.verdict(), appliance.verdict_over_class()] {
        assert!(verdict.verified, "{verdict}");
        assert_eq!(told(&verdict, "incomplete_lesson"), [&*lack], "{verdict}");
        assert_eq!(told(&verdict, "lessons"), ["class 2026-001: 1 lesson accounted for, 0 complete"], "{verdict}");
        assert_eq!(told(&verdict, "other_limits").len(), 1, "nine tenths are enough here: {verdict}");
    }
}

#[test]
fn what_a_finding_hides_is_not_called_shown() {
    let appliance = Appliance::new();
    appliance.segment(0, 11);
    let finding = appliance.covered(1, 9);
    let seq = appliance.account(10, 0);
    let (failed, told) = appliance.failures();
    assert_eq!(failed, [("wrong_account", Some(seq))], "{told}");
    let hidden =
        format!("it calls 0s impaired, but the findings before it hide 8m of what is recorded (records {finding})");
    assert!(told.contains(&hidden), "{told}");
    let honest = Appliance::new();
    honest.segment(0, 11);
    honest.covered(1, 9);
    honest.account_with(10, 0, |coverage| {
        coverage.cameras[0].impaired_ms = [(FindingKind::Covered, 480_000)].into();
        coverage.cameras[0].complete = Some(false);
        coverage.complete = false;
    });
    let (failed, told) = honest.failures();
    assert_eq!(failed, [], "{told}");
    assert!(told.contains("camera back recorded 10m of 10m (2m shown), covered for 8m"), "{told}");
}

#[test]
fn a_class_alone_tells_figures_that_contradict_each_other_and_that_it_cannot_add_up() {
    let appliance = Appliance::new();
    let seq = appliance.account_with(9, 0, |_| {});
    let verdict = appliance.verdict_over_class();
    assert_eq!(failed(&verdict), [("wrong_account", Some(seq))], "{verdict}");
    assert_eq!(told(&verdict, "not_added_up").len(), 1, "{verdict}");
    // Figures that are made up and agree with each other, only the log shows to be wrong.
    let appliance = Appliance::new();
    let seq = appliance.account(10, 0);
    let verdict = appliance.verdict_over_class();
    assert!(verdict.verified && told(&verdict, "not_added_up").len() == 1, "{verdict}");
    let (failed, told) = appliance.failures();
    assert_eq!(failed, [("wrong_account", Some(seq)), ("wrong_account", Some(seq))], "camera and roll call: {told}");
}

#[test]
fn a_lesson_of_the_plan_that_has_no_account_is_missed() {
    let appliance = Appliance::new();
    let mut class = testing::class("2026-002", &["1"], &["T1"]);
    let lesson = Lesson { start: time(9, 0, 0, 0), end: time(10, 0, 0, 0), ..class.lessons[0].clone() };
    let elsewhere = Lesson { room: "205".into(), start: time(10, 0, 0, 0), end: time(10, 30, 0, 0), ..lesson.clone() };
    class.lessons = vec![lesson, elsewhere];
    let plan = appliance.journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    appliance.clock.advance(Duration::from_secs(3 * 3600));
    appliance.journal.append_event("stopped", "site", "301").expect("appended");
    let (failed, told) = appliance.failures();
    assert_eq!(failed, [], "{told}");
    let missed = format!("nothing tells whether they were: 2026-11-23T09:00:00.000+00:00 (record {})", plan.seq + 1);
    assert!(told.contains(&missed), "{told}");
    let report = check(appliance.journal.store(), appliance.journal.log().key, None).expect("readable");
    assert!(report.ok && report.to_string().contains(&missed), "{report}");
}
