use super::*;
use crate::record::{
    self, ClockQuality, FindingKind, Gap, HiddenCause, RollCallSpan, Rollcall, RollcallEvent, Segment, Sound,
    VideoCodec,
};
use proptest::prelude::*;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("in range")
}

fn span(from: i64, until: i64) -> Span {
    at(from)..at(until)
}

#[test]
fn what_is_neither_shown_nor_explained_is_named() {
    let found = account(
        span(0, 1000),
        [span(-50, 200), span(200, 500)],
        [(span(480, 700), GapCause::CameraStalled), (span(900, 1100), GapCause::ApplianceOff)],
    );
    assert_eq!((found.recorded_ms, found.unexplained_ms()), (500, 200));
    assert_eq!(found.unexplained, [span(700, 900)]);
    let causes: Vec<_> = found.gaps_ms.into_iter().collect();
    assert_eq!(causes, [(GapCause::CameraStalled, 200), (GapCause::ApplianceOff, 100)]);
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec((0i64..1000, 0i64..300).prop_map(|(from, length)| span(from, from + length)), 0..20)
}

proptest! {
    #[test]
    fn recorded_gaps_and_unexplained_add_up_to_the_span(segments in spans(), gaps in spans(), end in 1i64..1200) {
        let gaps: Vec<_> = gaps.into_iter().map(|gap| (gap, GapCause::Network)).collect();
        let found = account(span(0, end), segments.clone(), gaps);
        let by_cause: i64 = found.gaps_ms.values().sum();
        prop_assert_eq!(found.recorded_ms + by_cause + found.unexplained_ms(), end);
        // Counted moment by moment, it is the same.
        let within = |span: &Span, ms: i64| span.start.as_millisecond() <= ms && ms < span.end.as_millisecond();
        let shown = (0..end).filter(|ms| segments.iter().any(|span| within(span, *ms))).count() as i64;
        prop_assert_eq!(found.recorded_ms, shown);
    }
}

/// A log in memory: one camera, and what it does to a lesson of the first 10 seconds, with a roll call of one.
struct Log {
    accounts: Accounts,
    size: u64,
    /// Of the next record, ms.
    time: i64,
}

impl Log {
    fn new() -> Log {
        let mut log = Log::without_roll_call();
        log.roll_call(1_500, RollcallEvent::Started);
        log.roll_call(2_500, RollcallEvent::Ended);
        log
    }

    fn without_roll_call() -> Log {
        Log { accounts: Accounts::default(), size: 0, time: 0 }
    }

    fn take(&mut self, data: Data) -> Vec<Finding> {
        let (device, time) = ("rollcall-a".into(), at(self.time).to_string());
        let record = Record { device, seq: self.size, time, clock: ClockQuality::Synced, data };
        self.size += 1;
        self.accounts.take(&record)
    }

    fn roll_call(&mut self, time: i64, event: RollcallEvent) {
        self.time = time;
        self.roll_call_of("2026-001", event);
    }

    fn roll_call_of(&mut self, class: &str, event: RollcallEvent) {
        let (class, lesson, by) = (class.into(), at(1_000).to_string(), "T1".into());
        assert_eq!(self.take(Data::Rollcall(Rollcall { class, lesson, event, by, expected: 1, present: 1 })), []);
    }

    /// A finding begins; tells its record.
    fn begin(&mut self, what: FindingKind, from: i64) -> u64 {
        self.finding(what, from, None, None);
        self.size - 1
    }

    fn end(&mut self, begun: u64, until: i64) {
        self.finding(FindingKind::Covered, 0, Some(until), Some(begun));
    }

    fn finding(&mut self, what: FindingKind, from: i64, until: Option<i64>, begun: Option<u64>) {
        let found = self.take(Data::Finding(record::Finding {
            what,
            camera: Some("back".into()),
            workstation: None,
            class: None,
            start: at(from).to_string(),
            end: until.map(|until| at(until).to_string()),
            ending: None,
            begun,
            measured: BTreeMap::new(),
            thumbnail: None,
        }));
        assert_eq!(found, []);
    }

    /// Segments from 0 to 6 and 8 to 12, and the gap between.
    fn record_with_a_gap(&mut self) {
        self.segment(0, 6_000);
        self.gap(6_000, 8_000, GapCause::CameraStalled);
        self.segment(8_000, 12_000);
    }

    fn segment(&mut self, from: i64, until: i64) {
        let found = self.take(Data::Segment(Segment {
            camera: "back".into(),
            start: at(from).to_string(),
            end: at(until).to_string(),
            frames: 1,
            lost_packets: None,
            bytes: 1,
            sha256: String::new(),
            previous: None,
            codec: VideoCodec::H264,
            width: 2,
            height: 2,
            sound: Sound::None,
            recovered: false,
        }));
        assert_eq!(found, []);
    }

    fn gap(&mut self, from: i64, until: i64, cause: GapCause) {
        let (start, end) = (at(from).to_string(), at(until).to_string());
        assert_eq!(self.take(Data::Gap(Gap { camera: "back".into(), start, end, cause })), []);
    }

    /// Codes and messages. That half of the time is enough for these accounts is told of the first, and not here.
    fn account(&mut self, coverage: Coverage) -> Vec<(&'static str, String)> {
        let found = self.take(Data::Coverage(coverage)).into_iter();
        found.map(|finding| (finding.code, finding.message)).filter(|(code, _)| *code != "other_limits").collect()
    }

    fn codes(&mut self, coverage: Coverage) -> Vec<&'static str> {
        self.account(coverage).into_iter().map(|(code, _)| code).collect()
    }
}

pub(super) fn coverage(recorded_ms: u64, gaps_ms: &[(GapCause, u64)], unexplained_ms: u64) -> Coverage {
    let is_complete = unexplained_ms == 0 && recorded_ms >= 5_000;
    Coverage {
        class: "2026-001".into(),
        start: at(1_000).to_string(),
        end: at(10_000).to_string(),
        from: at(0).to_string(),
        cameras: vec![CameraCoverage {
            camera: "back".into(),
            required_ms: 10_000,
            recorded_ms,
            gaps_ms: gaps_ms.iter().copied().collect(),
            unexplained_ms,
            impaired_ms: BTreeMap::new(),
            unwatched_ms: None,
            complete: Some(is_complete),
        }],
        workstations: Vec::new(),
        roll_call: Some(RollCallSpan { start: at(1_500).to_string(), end: Some(at(2_500).to_string()) }),
        roll_call_recorded: Some(true),
        sound_consent: None,
        required_share: 0.5,
        complete: is_complete,
    }
}

/// Segments from 0 to 6 and 8 to 12, and the gap between.
fn log() -> Log {
    let mut log = Log::new();
    log.record_with_a_gap();
    log
}

#[test]
fn an_account_that_adds_up_is_as_it_should_be_and_later_records_are_not_in_it() {
    let mut log = log();
    assert_eq!(log.account(coverage(8_000, &[(GapCause::CameraStalled, 2_000)], 0)), []);
    // The clock was put back: the same time comes again, after the account.
    log.segment(6_000, 7_000);
    assert_eq!(log.account(coverage(9_000, &[(GapCause::CameraStalled, 1_000)], 0)), []);
    // The newest of gaps that overlap counts.
    log.gap(7_000, 7_500, GapCause::Network);
    let gaps = [(GapCause::CameraStalled, 500), (GapCause::Network, 500)];
    assert_eq!(log.account(coverage(9_000, &gaps, 0)), []);
}

#[test]
fn figures_that_are_made_up_are_named_with_those_that_add_up() {
    let mut made_up = coverage(9_000, &[(GapCause::CameraStalled, 1_000)], 0);
    assert_eq!(
        log().account(made_up.clone()),
        [(
            "wrong_account",
            "record 5, the account of the lesson of class 2026-001 at 1970-01-01T00:00:01Z: of camera back it does \
             not say what the segments and gaps before it add up to: recorded_ms is 9000, they add up to 8000; \
             gaps_ms of camera_stalled is 1000, they add up to 2000"
                .into()
        )]
    );
    made_up = coverage(8_000, &[(GapCause::CameraStalled, 2_000)], 0);
    made_up.from = at(500).to_string();
    let found = log().account(made_up);
    assert!(found[0].1.contains("required_ms is 10000, they add up to 9500; recorded_ms is 8000, they"), "{found:?}");
}

#[test]
fn a_gap_that_was_left_out_is_found_also_when_the_account_admits_it() {
    let mut log = Log::new();
    log.segment(0, 6_000);
    log.segment(8_000, 12_000);
    let found = log.account(coverage(8_000, &[(GapCause::CameraStalled, 2_000)], 0));
    assert_eq!(found.len(), 1);
    assert!(found[0].1.ends_with("unexplained_ms is 0, they add up to 2000"), "{found:?}");
    let codes: Vec<_> = log.account(coverage(8_000, &[], 2_000)).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["unexplained_time"]);
    let mut other = coverage(10_000, &[], 0);
    other.cameras[0].camera = "front".into();
    let found = log.account(other);
    assert!(found[0].1.contains("camera front") && found[0].1.contains("recorded_ms is 10000, they add up to 0;"));
}

#[test]
fn verdicts_follow_from_the_figures() {
    let gaps = [(GapCause::CameraStalled, 2_000)];
    let mut strict = coverage(8_000, &gaps, 0);
    strict.required_share = 0.9;
    let codes = |found: Vec<(&'static str, String)>| found.into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(codes(log().account(strict.clone())), ["wrong_verdict"]);
    strict.cameras[0].complete = Some(false);
    assert_eq!(codes(log().account(strict.clone())), ["wrong_verdict"], "the lesson's is wrong now");
    strict.complete = false;
    assert_eq!(codes(log().account(strict)), [""; 0]);
    let mut unwatched = coverage(8_000, &gaps, 0);
    unwatched.cameras[0].unwatched_ms = Some(4_000);
    assert_eq!(codes(log().account(unwatched)), ["wrong_verdict"], "4 s of 10 are shown");
    let mut without_roll_call = coverage(8_000, &gaps, 0);
    without_roll_call.roll_call_recorded = Some(false);
    assert_eq!(codes(log().account(without_roll_call)), ["wrong_verdict"]);
}

#[test]
fn a_workstation_is_held_against_its_own_figures() {
    let account = |visible_ms, hidden, unknown_ms, complete| {
        let mut coverage = coverage(8_000, &[(GapCause::CameraStalled, 2_000)], 0);
        coverage.complete = complete;
        coverage.workstations = vec![WorkstationCoverage {
            workstation: "A1".into(),
            cameras: vec!["back".into()],
            required_ms: 10_000,
            visible_ms,
            hidden_ms: [(HiddenCause::NotRecorded, hidden)].into(),
            unknown_ms,
            people: None,
            complete: Some(complete),
        }];
        coverage
    };
    let found = |coverage: Coverage| log().account(coverage);
    assert_eq!(found(account(6_000, 2_000, 2_000, true)), []);
    assert_eq!(found(account(4_000, 2_000, 4_000, false)), []);
    assert_eq!(found(account(5_000, 2_000, 3_000, true)), [], "as much as is required, to the last digit");
    let about = "record 5, the account of the lesson of class 2026-001 at 1970-01-01T00:00:01Z: ";
    assert_eq!(
        found(account(0, 2_000, 8_000, true)),
        [(
            "wrong_verdict",
            format!("{about}it calls workstation A1 complete, but by its own figures that is incomplete")
        )]
    );
    assert_eq!(found(account(6_000, 2_000, 2_000, false))[0].0, "wrong_verdict");
    assert_eq!(
        found(account(9_000, 2_000, 2_000, true)),
        [(
            "wrong_account",
            format!(
                "{about}of workstation A1 it does not add up: visible_ms, hidden_ms and unknown_ms are 9000, 2000 and \
                 2000, in all 13000 of 10000"
            )
        )]
    );
    let mut shorter = account(900, 50, 50, true);
    shorter.workstations[0].required_ms = 1_000;
    assert!(found(shorter)[0].1.ends_with("required_ms is 1000, the lesson has 10000"));
    // More than its camera has recorded.
    assert_eq!(
        found(account(9_000, 1_000, 0, true)),
        [(
            "wrong_account",
            format!(
                "{about}of workstation A1 it does not add up: visible_ms is 9000, the segments of its cameras show 8000 of \
                 the lesson"
            )
        )]
    );
    let mut of_no_camera = account(6_000, 2_000, 2_000, true);
    of_no_camera.workstations[0].cameras.clear();
    assert!(found(of_no_camera)[0].1.ends_with("visible_ms is 6000, the segments of its cameras show 0 of the lesson"));
    // As in records of before workstations had a verdict: the figures give it.
    let mut old = account(0, 2_000, 8_000, false);
    old.workstations[0].complete = None;
    assert_eq!(found(old.clone()), []);
    old.complete = true;
    assert_eq!(found(old)[0].0, "wrong_verdict");
}

#[test]
fn where_verdicts_are_absent_the_figures_give_them() {
    let gaps = [(GapCause::CameraStalled, 2_000)];
    let mut old = coverage(8_000, &gaps, 0);
    old.cameras[0].complete = None;
    (old.roll_call, old.roll_call_recorded) = (None, None);
    assert_eq!(log().codes(old.clone()), [""; 0], "as it was written before verdicts were told");
    old.required_share = 0.9;
    assert_eq!(log().codes(old.clone()), ["wrong_verdict"]);
    old.complete = false;
    assert_eq!(log().codes(old), [""; 0]);
    let mut left_out = coverage(8_000, &gaps, 0);
    left_out.roll_call_recorded = None;
    assert_eq!(log().codes(left_out), ["wrong_verdict"], "whether it is recorded is told since cameras have verdicts");
}

/// As [`coverage`] of [`log`], with so much of it impaired.
fn impaired(what: FindingKind, ms: u64) -> Coverage {
    let mut coverage = coverage(8_000, &[(GapCause::CameraStalled, 2_000)], 0);
    coverage.cameras[0].impaired_ms = [(what, ms)].into_iter().filter(|(_, ms)| *ms > 0).collect();
    coverage.complete = ms <= 3_000;
    coverage.cameras[0].complete = Some(coverage.complete);
    coverage
}

#[test]
fn what_findings_hide_is_impaired() {
    let covered = |until: Option<i64>| {
        let mut log = log();
        let begun = log.begin(FindingKind::Covered, 1_000);
        until.into_iter().for_each(|until| log.end(begun, until));
        log.time += 120_000;
        log
    };
    // 1 to 6 and 8 to 9; a few seconds may differ.
    let figure = |ms| impaired(FindingKind::Covered, ms);
    assert_eq!(
        covered(Some(9_000)).account(figure(0)),
        [(
            "wrong_account",
            "record 7, the account of the lesson of class 2026-001 at 1970-01-01T00:00:01Z: of camera back it calls 0s \
             impaired, but the findings before it hide 6s of what is recorded (records 5)"
                .into()
        )]
    );
    assert_eq!(covered(Some(9_000)).codes(figure(999)), ["wrong_account"]);
    assert_eq!(covered(Some(9_000)).codes(figure(1_000)), [""; 0]);
    assert_eq!(covered(Some(9_000)).codes(figure(6_000)), [""; 0]);
    // One that has not ended lasts to the lesson's end; that it ends later is not in the account.
    assert_eq!(covered(None).codes(figure(1_999)), ["wrong_account"]);
    let mut later = covered(None);
    assert_eq!(later.codes(figure(7_000)), [""; 0]);
    later.end(5, 5_000);
    assert_eq!(later.codes(figure(0)), [""; 0], "told again, when it has ended");
    // An appliance ends it once.
    let mut twice = covered(Some(9_000));
    twice.end(5, 1_000);
    assert_eq!(twice.codes(figure(0)), ["wrong_account"]);
    // By a clock that was put back.
    assert_eq!(covered(Some(500)).codes(figure(0)), [""; 0]);
}

#[test]
fn findings_that_overlap_hide_once_and_those_of_single_workstations_nothing() {
    let mut both = log();
    let (dark, covered) = (both.begin(FindingKind::Dark, 1_000), both.begin(FindingKind::Covered, 2_000));
    both.end(covered, 8_500);
    both.end(dark, 9_000);
    both.time += 120_000;
    assert_eq!(both.codes(impaired(FindingKind::Dark, 6_000)), [""; 0]);
    assert_eq!(both.codes(impaired(FindingKind::Dark, 0)), ["wrong_account"]);
    let mut moved = log();
    moved.begin(FindingKind::Moved, 0);
    moved.finding(FindingKind::NoRollCall, 0, None, None);
    moved.time += 120_000;
    assert_eq!(moved.codes(impaired(FindingKind::Dark, 0)), [""; 0]);
}

#[test]
fn a_finding_that_was_journalled_just_before_the_account_may_not_be_in_it() {
    let mut log = log();
    log.begin(FindingKind::Covered, 0);
    log.time += 60_000;
    assert_eq!(log.codes(impaired(FindingKind::Covered, 0)), [""; 0]);
    log.time += 1;
    assert_eq!(log.codes(impaired(FindingKind::Covered, 0)), ["wrong_account"]);
}

/// As [`coverage`] of a camera that recorded but for 6 to 8, with a roll call of this time.
fn called(from: i64, until: Option<i64>, is_recorded: bool) -> Coverage {
    let mut coverage = coverage(8_000, &[(GapCause::CameraStalled, 2_000)], 0);
    let text = |ms| at(ms).to_string();
    coverage.roll_call = Some(RollCallSpan { start: text(from), end: until.map(text) });
    (coverage.roll_call_recorded, coverage.complete) = (Some(is_recorded), is_recorded);
    coverage
}

/// A log of a camera that recorded but for 6 to 8, and of a roll call of this time.
fn log_called(class: &str, from: i64, until: Option<i64>) -> Log {
    let mut log = Log::without_roll_call();
    log.time = from;
    log.roll_call_of(class, RollcallEvent::Started);
    if let Some(until) = until {
        log.time = until;
        log.roll_call_of(class, RollcallEvent::Ended);
    }
    log.record_with_a_gap();
    log
}

#[test]
fn a_roll_call_is_one_that_the_log_tells_of() {
    let codes = |mut log: Log, coverage| log.codes(coverage);
    let told = |from, until| log_called("2026-001", from, until);
    assert_eq!(codes(told(2_000, Some(3_000)), called(2_000, Some(3_000), true)), [""; 0]);
    assert_eq!(codes(told(2_000, None), called(2_000, None, true)), [""; 0]);
    assert_eq!(codes(told(2_000, Some(3_000)), called(2_000, None, true)), [""; 0], "its end came just before");
    assert_eq!(codes(told(2_000, None), called(2_000, Some(3_000), true)), ["wrong_account"]);
    assert_eq!(codes(told(2_000, Some(3_000)), called(2_000, Some(2_001), true)), ["wrong_account"]);
    assert_eq!(codes(told(2_001, Some(3_000)), called(2_000, Some(3_000), true)), ["wrong_account"]);
    let other = log_called("2026-002", 2_000, Some(3_000));
    assert_eq!(codes(other, called(2_000, Some(3_000), true)), ["wrong_account"]);
    let found = Log::without_roll_call().account(called(2_000, Some(3_000), false));
    assert!(
        found.iter().any(|(_, message)| message
            .ends_with("no records before it tell of a roll call from 1970-01-01T00:00:02Z to 1970-01-01T00:00:03Z")),
        "{found:?}"
    );
    let mut of_none = called(2_000, None, true);
    of_none.roll_call = None;
    assert_eq!(codes(told(2_000, None), of_none), ["wrong_verdict"]);
    let mut late = called(10_500, Some(11_000), true);
    assert_eq!(codes(told(10_500, Some(11_000)), late.clone()), ["wrong_account", "wrong_verdict"], "after the lesson");
    (late.roll_call_recorded, late.complete) = (Some(false), false);
    assert_eq!(codes(told(10_500, Some(11_000)), late), [""; 0]);
}

#[test]
fn a_roll_call_that_is_recorded_has_no_hole() {
    let codes = |from, until, is_recorded| log_called("2026-001", from, until).codes(called(from, until, is_recorded));
    assert_eq!(codes(5_000, Some(6_000), true), [""; 0]);
    assert_eq!(codes(5_000, Some(6_001), true), [""; 0], "for how long it counts in the lesson is a setting");
    assert_eq!(codes(6_000, Some(7_000), true), ["wrong_account"], "its first moment does");
    assert_eq!(codes(6_000, Some(7_000), false), [""; 0]);
    assert_eq!(codes(6_000, None, true), ["wrong_account"]);
    assert_eq!(codes(9_000, Some(11_000), true), [""; 0], "what is after the lesson does not count");
    // Before the lesson begins, at 1, all of it does.
    let early = |until| {
        let mut log = Log::without_roll_call();
        log.time = 100;
        log.roll_call_of("2026-001", RollcallEvent::Started);
        log.time = until;
        log.roll_call_of("2026-001", RollcallEvent::Ended);
        log.segment(0, 500);
        log.gap(500, 600, GapCause::CameraStalled);
        log.segment(600, 12_000);
        let mut coverage = coverage(9_900, &[(GapCause::CameraStalled, 100)], 0);
        let text = |ms| at(ms).to_string();
        coverage.roll_call = Some(RollCallSpan { start: text(100), end: Some(text(until)) });
        log.codes(coverage)
    };
    assert_eq!((early(500), early(900)), (vec![], vec!["wrong_account"]));
}

#[test]
fn behind_a_record_that_is_no_good_nothing_is_said() {
    let mut log = log();
    log.accounts.take_bad();
    assert_eq!(log.account(coverage(10_000, &[], 0)), []);
}
