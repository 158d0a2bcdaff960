use super::*;
use crate::account::tests::{at, coverage};
use crate::record::{ClockQuality, FindingKind, GapCause, HiddenCause, Plan, RollCallSpan, WorkstationCoverage};

/// Takes records one after the other.
#[derive(Default)]
struct Log {
    lessons: Lessons,
    size: u64,
}

impl Log {
    fn take(&mut self, data: Data) -> Vec<(&'static str, String)> {
        let (device, time) = ("rollcall-a".into(), at(0).to_string());
        let record = Record { device, seq: self.size, time, clock: ClockQuality::Synced, data };
        self.size += 1;
        self.lessons.take(&record).into_iter().map(|finding| (finding.code, finding.message)).collect()
    }

    fn account(&mut self, coverage: Coverage) -> Vec<(&'static str, String)> {
        self.take(Data::Coverage(coverage))
    }

    fn finish(&self) -> Vec<(&'static str, String)> {
        self.lessons.finish().into_iter().map(|finding| (finding.code, finding.message)).collect()
    }
}

/// A complete lesson that begins at `start`, ms.
fn complete(start: i64) -> Coverage {
    let coverage = coverage(10_000, &[], 0);
    Coverage { start: at(start).to_string(), required_share: REQUIRED_SHARE, ..coverage }
}

/// One whose camera was gone all the time.
fn missed(start: i64) -> Coverage {
    let mut missed = Coverage { required_share: REQUIRED_SHARE, ..coverage(0, &[(GapCause::CameraAbsent, 10_000)], 0) };
    missed.start = at(start).to_string();
    (missed.roll_call, missed.roll_call_recorded) = (None, Some(false));
    missed
}

const LACK: &str =
    "is not of a complete lesson: camera back recorded 0s of 10s, camera_absent for 10s; no roll call in time";

#[test]
fn lessons_are_counted_and_those_that_are_not_complete_are_named() {
    let mut log = Log::default();
    assert_eq!(log.account(complete(0)), []);
    assert_eq!(log.account(missed(20_000)), []);
    assert_eq!(log.account(Coverage { class: "2026-002".into(), ..complete(0) }), []);
    let lack = format!("record 1, the account of the lesson of class 2026-001 at 1970-01-01T00:00:20Z {LACK}");
    let expected = [
        ("lessons", "class 2026-001: 2 lessons accounted for, 1 complete".to_owned()),
        ("incomplete_lesson", lack),
        ("lessons", "class 2026-002: 1 lesson accounted for, 1 complete".to_owned()),
    ];
    assert_eq!(log.finish(), expected);
}

#[test]
fn of_a_lesson_that_is_accounted_for_again_the_last_account_counts() {
    let mut log = Log::default();
    log.account(missed(0));
    // In another zone it is the same moment.
    log.account(Coverage { start: "1970-01-01T08:00:00.000+08:00".into(), ..complete(0) });
    assert_eq!(log.finish(), [("lessons", "class 2026-001: 1 lesson accounted for, 1 complete".to_owned())]);
    log.account(missed(0));
    assert_eq!(
        log.finish()[1].1,
        format!("record 2, the account of the lesson of class 2026-001 at 1970-01-01T00:00:00Z {LACK}")
    );
}

#[test]
fn a_class_without_an_account_is_told_of_too() {
    let none = [("lessons", "class 2026-001: 0 lessons accounted for, 0 complete".to_owned())];
    let mut log = Log::default();
    log.take(Data::Plan(Plan {
        class: "2026-001".into(),
        sha256: String::new(),
        trainees: 1,
        teachers: 1,
        lessons: 1,
        first_day: "1970-01-01".into(),
        last_day: "1970-01-01".into(),
        source: "file".into(),
    }));
    assert_eq!(log.finish(), none);
    assert_eq!(Log { lessons: Lessons::of("2026-001"), size: 0 }.finish(), none);
}

#[test]
fn the_summary_tells_the_number_however_many_there_are() {
    let mut log = Log::default();
    for start in 0..1_002 {
        log.account(missed(start));
    }
    let found = log.finish();
    assert_eq!(found.len(), 1 + 1_000);
    assert_eq!(found[0].1, "class 2026-001: 1002 lessons accounted for, 0 complete; 2 of the others are not listed");
    // There is room again for another.
    log.account(complete(0));
    log.account(missed(5_000));
    assert_eq!(log.finish().len(), 1 + 1_000);
}

#[test]
fn what_a_lesson_lacks_is_told() {
    let lack = |change: &dyn Fn(&mut Coverage)| {
        let mut coverage = complete(0);
        coverage.complete = false;
        change(&mut coverage);
        lack(0, &coverage).split_once("complete lesson: ").expect("told").1.to_owned()
    };
    assert_eq!(lack(&|_| {}), "what it lacks is not told");
    assert_eq!(lack(&|coverage| coverage.cameras.clear()), "no camera had to record it");
    let covered = lack(&|coverage| {
        let camera = &mut coverage.cameras[0];
        camera.impaired_ms = [(FindingKind::Dark, 1_000), (FindingKind::Covered, 8_000)].into();
        camera.complete = Some(false);
    });
    assert_eq!(covered, "camera back recorded 10s of 10s (1s shown), covered for 8s");
    let unwatched = lack(&|coverage| {
        coverage.cameras[0].unwatched_ms = Some(2_000);
        // As in records of before verdicts were told.
        coverage.cameras[0].complete = None;
    });
    assert_eq!(unwatched, "camera back recorded 10s of 10s (8s shown), unwatched for 2s");
    let hidden = lack(&|coverage| {
        let hidden = |number: u32| WorkstationCoverage {
            workstation: format!("A{number}"),
            cameras: Vec::new(),
            required_ms: 10_000,
            visible_ms: if number == 2 { 10_000 } else { 0 },
            hidden_ms: [(HiddenCause::Obstructed, 10_000)].into(),
            unknown_ms: 0,
            people: None,
            complete: Some(number == 2),
        };
        coverage.workstations = (1..=8).map(hidden).collect();
    });
    assert_eq!(hidden, "not visible for long enough: workstation A1, A3, A4, A5, A6 and 2 more workstations");
    assert_eq!(
        lack(&|coverage| coverage.roll_call_recorded = Some(false)),
        "its roll call is not recorded, or not to its end"
    );
    assert_eq!(lack(&|coverage| coverage.roll_call_recorded = None), "whether its roll call is recorded is not told");
}

#[test]
fn an_account_is_judged_by_its_own_figures() {
    let found = |change: &dyn Fn(&mut Coverage)| {
        let mut coverage = complete(0);
        change(&mut coverage);
        Log::default().account(coverage)
    };
    let about = "record 0, the account of the lesson of class 2026-001 at 1970-01-01T00:00:00Z: ";
    assert_eq!(
        found(&|coverage| coverage.cameras[0].recorded_ms = 9_950),
        [(
            "wrong_account",
            format!(
                "{about}of camera back it does not say what adds up: recorded_ms, gaps_ms and unexplained_ms are 9950, 0 \
                 and 0, in all 9950 of 10000"
            )
        )]
    );
    let shorter = found(&|coverage| coverage.from = at(500).to_string());
    assert!(shorter[0].1.ends_with("required_ms is 10000, the lesson has 9500"), "{shorter:?}");
    let none = found(&|coverage| coverage.end = at(0).to_string());
    assert!(none[0].1.ends_with("its span, 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z, is none"), "{none:?}");
    let codes = |change: &dyn Fn(&mut Coverage)| found(change).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    let shown = |coverage: &mut Coverage, ms| {
        coverage.cameras[0].recorded_ms = ms;
        coverage.cameras[0].gaps_ms = [(GapCause::Network, 10_000 - ms)].into();
    };
    assert_eq!(codes(&|coverage| shown(coverage, 9_900)), [""; 0]);
    assert_eq!(codes(&|coverage| shown(coverage, 9_899)), ["wrong_verdict"]);
    let late = RollCallSpan { start: at(10_001).to_string(), end: None };
    assert_eq!(codes(&|coverage| coverage.roll_call = Some(late.clone())), ["wrong_verdict"]);
    // A wrong verdict makes no lesson complete.
    let mut log = Log::default();
    log.account(Coverage { roll_call: Some(late.clone()), ..complete(0) });
    assert!(log.finish()[0].1.ends_with("1 lesson accounted for, 0 complete"), "{:?}", log.finish());
}

#[test]
fn an_account_for_which_too_little_is_enough_is_told_where_that_begins() {
    let mut log = Log::default();
    let mut account = |share| log.account(Coverage { required_share: share, ..complete(0) });
    assert_eq!(account(0.99), []);
    assert_eq!(
        account(0.01),
        [(
            "other_limits",
            "record 1, the account of the lesson of class 2026-001 at 1970-01-01T00:00:00Z: for it, a share of 0.01 of the \
             time is enough, not 0.99: what it calls complete may not be"
                .into()
        )]
    );
    assert_eq!(account(0.01), [], "as before");
    assert_eq!(account(0.5).len(), 1);
    assert_eq!(account(1.0), []);
    assert_eq!(account(0.5).len(), 1, "again");
}
