use super::*;
use crate::record::{ClockQuality, Gap, HiddenCause, Segment, Sound, VideoCodec};
use proptest::prelude::*;

fn at(ms: i64) -> Timestamp {
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

/// A log in memory: one camera, and what it does to a lesson of the first 10 seconds.
#[derive(Default)]
struct Log {
    accounts: Accounts,
    size: u64,
}

impl Log {
    fn take(&mut self, data: Data) -> Vec<Finding> {
        let (device, time) = ("rollcall-a".into(), at(0).to_string());
        let record = Record { device, seq: self.size, time, clock: ClockQuality::Synced, data };
        self.size += 1;
        self.accounts.take(&record)
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

    /// Codes and messages.
    fn account(&mut self, coverage: Coverage) -> Vec<(&'static str, String)> {
        self.take(Data::Coverage(coverage)).into_iter().map(|finding| (finding.code, finding.message)).collect()
    }
}

fn coverage(recorded_ms: u64, gaps_ms: &[(GapCause, u64)], unexplained_ms: u64) -> Coverage {
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
        roll_call: None,
        roll_call_recorded: Some(true),
        sound_consent: None,
        required_share: 0.5,
        complete: is_complete,
    }
}

/// Segments from 0 to 6 and 8 to 12, and the gap between.
fn log() -> Log {
    let mut log = Log::default();
    log.segment(0, 6_000);
    log.gap(6_000, 8_000, GapCause::CameraStalled);
    log.segment(8_000, 12_000);
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
            "record 3, the account of the lesson of class 2026-001 at 1970-01-01T00:00:01Z: of camera back it does \
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
    let mut log = Log::default();
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
    let about = "record 3, the account of the lesson of class 2026-001 at 1970-01-01T00:00:01Z: ";
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
    // As in records of before workstations had a verdict.
    let mut old = account(0, 2_000, 8_000, true);
    old.workstations[0].complete = None;
    assert_eq!(found(old), []);
}

#[test]
fn behind_a_record_that_is_no_good_nothing_is_said() {
    let mut log = log();
    log.accounts.take_bad();
    assert_eq!(log.account(coverage(10_000, &[], 0)), []);
}

#[test]
fn spans_are_found_by_their_time_however_long_others_are() {
    let mut spans = Spans::default();
    for (seq, (from, until)) in [(0, 10), (0, 1_000_000), (20, 30), (30, 40), (40, 50)].into_iter().enumerate() {
        spans.insert(seq as u64, span(from, until));
    }
    let found: Vec<u64> = spans.within(&span(25, 40)).map(|(seq, _)| seq).collect();
    assert_eq!(found, [1, 2, 3]);
    assert_eq!(spans.within(&(Timestamp::MIN..Timestamp::MAX)).count(), 5);
}
