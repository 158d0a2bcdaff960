//! The account of time: for every moment that had to be recorded, a segment, a gap with a cause, or nothing at all; and
//! whether what a lesson's `coverage` record claims is what the segments and gaps before it add up to.
//!
//! Exact to the millisecond: recorded, each cause and unexplained add up to the span.

use crate::record::{CameraCoverage, Coverage, Data, GapCause, Record, WorkstationCoverage};
use crate::verdict::{Finding, Severity};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// From the first moment up to, not including, the last.
pub type Span = Range<Timestamp>;

/// One camera's account of one span. All figures in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The whole span.
    pub required_ms: i64,
    /// Shown by a segment.
    pub recorded_ms: i64,
    /// Not shown, by cause.
    pub gaps_ms: BTreeMap<GapCause, i64>,
    /// Neither shown nor explained.
    pub unexplained: Vec<Span>,
}

impl Account {
    /// Milliseconds that nothing explains.
    pub fn unexplained_ms(&self) -> i64 {
        self.unexplained.iter().map(length).sum()
    }
}

/// Accounts for `span`. What a segment shows counts as recorded, even where a gap says otherwise: a clock that is
/// put back makes the same hour pass twice. Where gaps overlap, the first given counts.
pub fn account(
    span: Span,
    segments: impl IntoIterator<Item = Span>,
    gaps: impl IntoIterator<Item = (Span, GapCause)>,
) -> Account {
    let mut account = Account { required_ms: length(&span), ..Account::default() };
    let mut open = vec![span];
    for segment in segments {
        account.recorded_ms += take(&mut open, &segment);
    }
    for (gap, cause) in gaps {
        let taken = take(&mut open, &gap);
        if taken > 0 {
            *account.gaps_ms.entry(cause).or_default() += taken;
        }
    }
    account.unexplained = open;
    account
}

fn length(span: &Span) -> i64 {
    span.end.as_millisecond() - span.start.as_millisecond()
}

/// Takes `taken` out of the spans that are still open; tells how much that was.
fn take(open: &mut Vec<Span>, taken: &Span) -> i64 {
    let mut ms = 0;
    *open = std::mem::take(open)
        .into_iter()
        .flat_map(|span| {
            let both = span.start.max(taken.start)..span.end.min(taken.end);
            if both.is_empty() {
                return [Some(span), None];
            }
            ms += length(&both);
            // Records tell milliseconds: what is left of one is nothing.
            let piece = |piece: Span| (piece.start.as_millisecond() < piece.end.as_millisecond()).then_some(piece);
            [piece(span.start..both.start), piece(both.end..span.end)]
        })
        .flatten()
        .collect();
    ms
}

/// Holds each lesson's account in a log against the segments and gaps before it. Takes the log's records one by one, in
/// order.
///
/// An account is made of what is journalled when it is made: what comes later of the same time, as when the clock was put
/// back, is not in it.
#[derive(Default)]
pub struct Accounts {
    cameras: HashMap<String, Told>,
    /// A record was no good: what is missing may have been in it.
    is_blind: bool,
}

/// What the log tells of one camera so far.
#[derive(Default)]
struct Told {
    segments: Spans,
    gaps: Spans,
    causes: HashMap<u64, GapCause>,
}

/// Spans that are found by their time, whatever their number.
#[derive(Default)]
struct Spans {
    /// Beginning and record → end.
    ends: BTreeMap<(Timestamp, u64), Timestamp>,
    /// The longest one, ms.
    longest: i64,
}

impl Spans {
    fn insert(&mut self, seq: u64, span: Span) {
        self.longest = self.longest.max(length(&span));
        self.ends.insert((span.start, seq), span.end);
    }

    /// Those that have anything in common with `span`, in order of time.
    fn within(&self, span: &Span) -> impl Iterator<Item = (u64, Span)> {
        let first = span.start.as_millisecond().saturating_sub(self.longest);
        let first = Timestamp::from_millisecond(first).unwrap_or(Timestamp::MIN);
        let (start, end) = (span.start, span.end.max(first));
        let near = self.ends.range((first, 0)..(end, 0));
        near.filter(move |(_, until)| start < **until).map(|((from, seq), until)| (*seq, *from..*until))
    }
}

impl Accounts {
    /// Takes the next record, which verifies and is in its place; tells what is wrong with it if it is an account.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        match &record.data {
            Data::Segment(segment) => {
                if let Some(span) = span(&segment.start, &segment.end) {
                    self.told(&segment.camera).segments.insert(record.seq, span);
                }
            }
            Data::Gap(gap) => {
                if let Some(span) = span(&gap.start, &gap.end) {
                    let told = self.told(&gap.camera);
                    told.gaps.insert(record.seq, span);
                    told.causes.insert(record.seq, gap.cause);
                }
            }
            Data::Coverage(coverage) if !self.is_blind => return self.judge(record.seq, coverage),
            _ => {}
        }
        Vec::new()
    }

    /// Goes past a record that does not verify. It is told by others; accounts that may hang on it are not judged.
    pub fn take_bad(&mut self) {
        self.is_blind = true;
    }

    fn told(&mut self, camera: &str) -> &mut Told {
        self.cameras.entry(camera.to_owned()).or_default()
    }

    fn judge(&self, seq: u64, coverage: &Coverage) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |severity, code, message| found.push(Finding { severity, code, seq: Some(seq), message });
        let Coverage { class, start, from, end, .. } = coverage;
        let lesson = format!("record {seq}, the account of the lesson of class {class} at {start}");
        let Some(span) = span(from, end) else {
            add(Severity::Failure, "wrong_account", format!("{lesson}: its span, {from} to {end}, is none"));
            return found;
        };
        for claimed in &coverage.cameras {
            let camera = &claimed.camera;
            let account = self.account(camera, span.clone());
            let differences = differences(claimed, &account);
            if !differences.is_empty() {
                let message = format!(
                    "{lesson}: of camera {camera} it does not say what the segments and gaps before it add up to: {}",
                    differences.join("; ")
                );
                add(Severity::Failure, "wrong_account", message);
            } else if claimed.unexplained_ms > 0 {
                let ms = claimed.unexplained_ms;
                let message =
                    format!("{lesson}: {ms} ms of camera {camera} are neither recorded nor explained by a gap");
                add(Severity::Warning, "unexplained_time", message);
            }
            if let Some(verdict) = wrong_verdict(claimed, coverage.required_share) {
                let message = format!(
                    "{lesson}: it calls camera {camera} {}, but by its own figures that is {}",
                    word(!verdict),
                    word(verdict)
                );
                add(Severity::Failure, "wrong_verdict", message);
            }
        }
        for claimed in &coverage.workstations {
            let workstation = &claimed.workstation;
            if let Some(difference) = workstation_difference(claimed, &span) {
                let message = format!("{lesson}: of workstation {workstation} it does not add up: {difference}");
                add(Severity::Failure, "wrong_account", message);
            }
            let verdict = verdict(claimed.visible_ms, claimed.required_ms, coverage.required_share);
            if let Some(verdict) = verdict.filter(|verdict| claimed.complete == Some(!verdict)) {
                let message = format!(
                    "{lesson}: it calls workstation {workstation} {}, but by its own figures that is {}",
                    word(!verdict),
                    word(verdict)
                );
                add(Severity::Failure, "wrong_verdict", message);
            }
        }
        let is_shown = !coverage.cameras.is_empty()
            && coverage.cameras.iter().all(|camera| camera.complete != Some(false) && camera.unexplained_ms == 0)
            && coverage.workstations.iter().all(|workstation| workstation.complete != Some(false))
            && coverage.roll_call_recorded != Some(false);
        if coverage.complete && !is_shown {
            let message = format!("{lesson}: it calls the lesson complete, though by its own figures it is not");
            add(Severity::Failure, "wrong_verdict", message);
        }
        found
    }

    /// Of gaps that overlap the newest counts: when a clock that was put forward is put back, the time that it had jumped
    /// over comes after all.
    fn account(&self, camera: &str, span: Span) -> Account {
        let Some(told) = self.cameras.get(camera) else { return account(span, [], []) };
        let mut gaps: Vec<(u64, Span)> = told.gaps.within(&span).collect();
        gaps.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
        let gaps = gaps.into_iter().filter_map(|(seq, gap)| Some((gap, *told.causes.get(&seq)?)));
        account(span.clone(), told.segments.within(&span).map(|(_, segment)| segment), gaps)
    }
}

fn span(start: &str, end: &str) -> Option<Span> {
    let span = start.parse().ok()?..end.parse().ok()?;
    (!span.is_empty()).then_some(span)
}

/// Where a claim is not what adds up, in words.
fn differences(claimed: &CameraCoverage, account: &Account) -> Vec<String> {
    let ms = |ms: i64| u64::try_from(ms).unwrap_or_default();
    let mut figures = vec![
        ("required_ms".to_owned(), claimed.required_ms, ms(account.required_ms)),
        ("recorded_ms".to_owned(), claimed.recorded_ms, ms(account.recorded_ms)),
    ];
    let causes: std::collections::BTreeSet<_> = claimed.gaps_ms.keys().chain(account.gaps_ms.keys()).collect();
    for cause in causes {
        let name = serde_json::to_value(cause).unwrap_or_default();
        let told = claimed.gaps_ms.get(cause).copied().unwrap_or_default();
        let found = account.gaps_ms.get(cause).copied().unwrap_or_default();
        figures.push((format!("gaps_ms of {}", name.as_str().unwrap_or_default()), told, ms(found)));
    }
    figures.push(("unexplained_ms".to_owned(), claimed.unexplained_ms, ms(account.unexplained_ms())));
    let differing = figures.into_iter().filter(|(_, told, found)| told != found);
    differing.map(|(name, told, found)| format!("{name} is {told}, they add up to {found}")).collect()
}

/// Shares that are closer to each other than this are the same: a number in JSON may be read as one right beside it.
const SAME_SHARE: f64 = 1e-9;

/// What a camera's verdict should be, where that is not what it is.
fn wrong_verdict(claimed: &CameraCoverage, required_share: f64) -> Option<bool> {
    let impaired = claimed.impaired_ms.values().fold(0, |sum: u64, ms| sum.saturating_add(*ms));
    let visible = claimed.recorded_ms.saturating_sub(impaired.saturating_add(claimed.unwatched_ms.unwrap_or_default()));
    let is_complete = match claimed.unexplained_ms {
        0 => verdict(visible, claimed.required_ms, required_share)?,
        _ => false,
    };
    claimed.complete.filter(|verdict| *verdict != is_complete).map(|_| is_complete)
}

/// Whether so much is enough; `None` where that hangs on a number's last digits.
fn verdict(visible_ms: u64, required_ms: u64, required_share: f64) -> Option<bool> {
    let share = if required_ms == 0 { 1.0 } else { visible_ms as f64 / required_ms as f64 };
    ((share - required_share).abs() >= SAME_SHARE).then_some(share >= required_share)
}

/// Where a workstation's figures are not those of the span, or of each other, in words.
fn workstation_difference(claimed: &WorkstationCoverage, span: &Span) -> Option<String> {
    let WorkstationCoverage { required_ms, visible_ms, hidden_ms, unknown_ms, .. } = claimed;
    let hidden = hidden_ms.values().fold(0, |sum: u64, ms| sum.saturating_add(*ms));
    let sum = visible_ms.saturating_add(hidden).saturating_add(*unknown_ms);
    let required = u64::try_from(length(span)).unwrap_or_default();
    if *required_ms != required {
        return Some(format!("required_ms is {required_ms}, the lesson has {required}"));
    }
    (sum != required).then(|| {
        format!("visible_ms, hidden_ms and unknown_ms are {visible_ms}, {hidden} and {unknown_ms}, in all {sum} of {required}")
    })
}

fn word(is_complete: bool) -> &'static str {
    if is_complete { "complete" } else { "incomplete" }
}

#[cfg(test)]
mod tests {
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
        assert!(
            found[0].1.contains("required_ms is 10000, they add up to 9500; recorded_ms is 8000, they"),
            "{found:?}"
        );
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
}
