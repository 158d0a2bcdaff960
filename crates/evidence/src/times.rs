//! Times held against each other: the day that a check-in counts for against its record's time, a step of the wall clock
//! against the log before it, and a record's time against the receipts that cover it.
//!
//! `time` is the appliance's word. A clock that was set is a warning, not a failure: it may have been wrong before.

use crate::checkpoint::Countersigned;
use crate::record::{Data, Record};
use crate::verdict::Finding;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::{SignedDuration, Timestamp};

/// Clocks may differ by this much, and be set by this much, without a word. What is decided by the clock, such as whether a
/// window is open, is decided by minutes.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// A check-in is decided this long before its record at most; over midnight it counts for the day that it was decided on.
const DECIDED_BEFORE: SignedDuration = SignedDuration::from_mins(1);
/// Receipts that [`to_export`] chooses, unless one a day are more.
const MAX_RECEIPTS: usize = 3000;

/// A check-in that counts for another day than the local day of its record's time. Windows never reach past midnight.
pub fn wrong_date(record: &Record) -> Option<Finding> {
    let Data::Checkin(checkin) = &record.data else { return None };
    let time = local(&record.time)?;
    let is_day = |time: DateTime| time.date().to_string() == checkin.date;
    if is_day(time) || time.checked_sub(DECIDED_BEFORE).is_ok_and(is_day) {
        return None;
    }
    let Record { seq, time, .. } = record;
    let message = format!("record {seq}: a check-in for {:?} that was made at {time}", checkin.date);
    Some(Finding::warning("wrong_date", *seq, message))
}

/// The latest moment that a fact of recordings tells of, as it has it: it had come when its record was written.
pub(crate) fn last_moment(data: &Data) -> Option<&str> {
    match data {
        Data::Segment(segment) => Some(&segment.end),
        Data::Gap(gap) => Some(&gap.end),
        Data::Coverage(coverage) => Some(&coverage.end),
        Data::Finding(finding) => Some(finding.end.as_ref().unwrap_or(&finding.start)),
        _ => None,
    }
}

/// A time in one of the ways that the same moment may be written in, with whatever offset; what is no time, as it is.
pub(crate) fn canonical(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(|_| time.to_owned(), |moment| moment.to_string())
}

/// The wall clock's reading in an RFC 3339 time, where that was.
fn local(time: &str) -> Option<DateTime> {
    let pieces = Pieces::parse(time).ok()?;
    Some(pieces.date().to_datetime(pieces.time()?))
}

/// Tells the steps of the wall clock. Takes the log's records one by one, in order.
#[derive(Default)]
pub struct Steps {
    /// The latest time since the last step that was told: many small steps back are a large one.
    latest: Option<(Timestamp, String)>,
}

impl Steps {
    /// Takes the next record; tells of it if it is a step of more than [`TOLERANCE`].
    pub fn take(&mut self, record: &Record) -> Option<Finding> {
        let Record { seq, time: text, .. } = record;
        let time: Timestamp = text.parse().ok()?;
        let before = self.latest.take();
        if let Data::Clock(step) = &record.data {
            // What was observed may be anything: the records after this one go on from its own time.
            let expected = step.expected.parse().ok().map(|expected| (expected, step.expected.clone()));
            let latest = before.clone().filter(|(latest, _)| *latest > time);
            if let Some((from, from_text)) = latest.max(expected)
                && time.duration_since(from).abs() > TOLERANCE
            {
                self.latest = Some((time, text.clone()));
                let way = if time < from { "back" } else { "forward" };
                let by = words(time.duration_since(from));
                let message = format!("record {seq}: the wall clock was set {way} by {by}, from {from_text} to {text}");
                return Some(Finding::warning("clock_stepped", *seq, message));
            }
        }
        self.latest = before.filter(|(latest, _)| *latest > time).or_else(|| Some((time, text.clone())));
        None
    }
}

/// Holds the times of records, and the moments that they tell of, against the receipts that cover them: what the bureau had by
/// then was not made later.
pub struct Bounds {
    /// Records covered, and the earliest time of the receipts over as many or more; by size.
    bounds: Vec<(u64, Timestamp)>,
    /// Records that are later than that.
    late: u64,
    first: Option<Late>,
    last: Option<Late>,
    furthest: SignedDuration,
}

#[derive(Clone)]
struct Late {
    seq: u64,
    /// What it says that lies after the receipt.
    what: String,
    receipt: Timestamp,
}

impl Bounds {
    /// For the log that these are the receipts of.
    pub fn new(receipts: &[Countersigned]) -> Bounds {
        let bound = |receipt: &Countersigned| Some((receipt.checkpoint().size, receipt.time()?));
        let mut bounds: Vec<(u64, Timestamp)> = receipts.iter().filter_map(bound).collect();
        bounds.sort_unstable();
        let mut earliest = Timestamp::MAX;
        for (_, time) in bounds.iter_mut().rev() {
            earliest = earliest.min(*time);
            *time = earliest;
        }
        Bounds { bounds, late: 0, first: None, last: None, furthest: SignedDuration::ZERO }
    }

    /// Takes a record that verifies and is in its place.
    pub fn take(&mut self, record: &Record) {
        let covering = self.bounds.partition_point(|(size, _)| *size <= record.seq);
        let Some((_, receipt)) = self.bounds.get(covering) else { return };
        let moments = std::iter::once(&*record.time).chain(last_moment(&record.data));
        let moments = moments.filter_map(|text| Some((text.parse::<Timestamp>().ok()?, text)));
        // Of the same moment twice, the last counts for the greatest: a record's own time is the plainer word.
        let Some((moment, text)) = moments.collect::<Vec<_>>().into_iter().rev().max_by_key(|(moment, _)| *moment)
        else {
            return;
        };
        let lead = moment.duration_since(*receipt);
        if lead <= TOLERANCE {
            return;
        }
        let verb = if text == record.time { "is dated" } else { "tells of" };
        let late = Late { seq: record.seq, what: format!("{verb} {text}"), receipt: *receipt };
        self.late += 1;
        self.furthest = self.furthest.max(lead);
        self.first.get_or_insert_with(|| late.clone());
        self.last = Some(late);
    }

    /// One finding for all records that are dated later than the bureau had them.
    pub fn finish(self) -> Option<Finding> {
        let (first, last) = self.first.zip(self.last)?;
        let one = |Late { seq, what, receipt }: &Late| {
            format!("record {seq} {what}, and the bureau had countersigned it at {receipt}")
        };
        let furthest = words(self.furthest);
        let message = match self.late {
            1 => format!("{}: that is {furthest} ahead of it", one(&first)),
            count => format!(
                "{count} records are dated later than the bureau countersigned them, by up to {furthest}: the first, \
                 {}; the last, {}",
                one(&first),
                one(&last)
            ),
        };
        Some(Finding::warning("time_after_receipt", first.seq, message))
    }
}

/// Which of a log's receipts are handed on with it, so that they date its records closely: the last of each minute, or if
/// those are too many of each hour, or of each day. `receipts`: size, and seconds since the Unix epoch, the smallest first.
/// Gives their sizes.
pub fn to_export(receipts: &[(u64, u64)]) -> Vec<u64> {
    let chosen = |seconds: u64| {
        let mut earliest = u64::MAX;
        let mut chosen: Vec<u64> = Vec::new();
        // From the largest on: a smaller one that is no older says nothing.
        for (size, time) in receipts.iter().rev() {
            if time / seconds < earliest {
                earliest = time / seconds;
                chosen.push(*size);
            }
        }
        chosen
    };
    let periods = [60, 3600].into_iter().map(chosen);
    periods.into_iter().find(|chosen| chosen.len() <= MAX_RECEIPTS).unwrap_or_else(|| chosen(86_400))
}

/// A length of time, whichever way, to the second.
pub(crate) fn words(duration: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(duration.abs().as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, Signed};
    use crate::key::SigningKey;
    use crate::record::{Checkin, CheckinOutcome, ClockStep, Liveness, Method};
    use crate::testing::record;

    fn checkin(date: &str) -> Data {
        Data::Checkin(Checkin {
            outcome: CheckinOutcome::Accepted,
            class: None,
            person: None,
            role: None,
            date: date.into(),
            window: None,
            opens: None,
            closes: None,
            method: Method::Qr,
            confirmed_by: None,
            confirmed_class: None,
            site: String::new(),
            room: String::new(),
            camera: String::new(),
            likeness: None,
            quality: None,
            liveness: Liveness::NotChecked,
            photo: None,
        })
    }

    fn step(expected: &str, observed: &str) -> Data {
        Data::Clock(ClockStep { expected: expected.into(), observed: observed.into() })
    }

    #[test]
    fn a_check_in_counts_for_the_local_day_on_which_it_was_made() {
        let found = |time, date| wrong_date(&record(3, time, checkin(date))).map(|finding| finding.message);
        // In UTC it is the day before.
        assert_eq!(found("2026-11-23T07:45:00.000+08:00", "2026-11-23"), None);
        assert_eq!(found("2026-11-23T07:45:00Z", "2026-11-23"), None);
        assert_eq!(
            found("2026-11-27T16:00:00.000+08:00", "2026-11-23").as_deref(),
            Some("record 3: a check-in for \"2026-11-23\" that was made at 2026-11-27T16:00:00.000+08:00")
        );
        assert!(found("2026-11-23T07:45:00.000+08:00", "2026-11-22").is_some(), "the day in UTC");
        assert!(found("2026-11-23T23:59:59.999+08:00", "2026-11-24").is_some());
        assert!(found("2026-11-23T07:45:00.000+08:00", "today").is_some());
        // Decided just before midnight, written down just after it.
        assert_eq!(found("2026-11-24T00:00:00.020+08:00", "2026-11-23"), None);
        assert!(found("2026-11-24T00:01:00.020+08:00", "2026-11-23").is_some());
    }

    #[test]
    fn a_step_of_more_than_minutes_is_told_and_so_are_many_small_ones_back() {
        let mut steps = Steps::default();
        let mut take = |seq, time: &str, data| steps.take(&record(seq, time, data)).map(|finding| finding.message);
        let other = || checkin("2026-11-23");
        assert_eq!(take(0, "2026-11-23T20:00:00+08:00", other()), None);
        let forward = step("2026-11-23T20:00:10+08:00", "2026-11-24T07:45:00+08:00");
        assert_eq!(
            take(1, "2026-11-24T07:45:00+08:00", forward).as_deref(),
            Some(
                "record 1: the wall clock was set forward by 11h 44m 50s, from 2026-11-23T20:00:10+08:00 to \
                 2026-11-24T07:45:00+08:00"
            )
        );
        assert_eq!(take(2, "2026-11-24T07:50:00+08:00", other()), None);
        let back = step("2026-11-24T07:51:00+08:00", "2026-11-23T20:06:10+08:00");
        assert!(take(3, "2026-11-23T20:06:10+08:00", back).expect("told").contains("set back by 11h 44m 50s"));
        // NTP sets it by a second now and then.
        let small = step("2026-11-23T20:10:00+08:00", "2026-11-23T20:09:59+08:00");
        assert_eq!(take(4, "2026-11-23T20:09:59+08:00", small), None);
        // Four minutes at a time.
        let back = |from: &str, to: &str| step(from, to);
        assert_eq!(
            take(5, "2026-11-23T20:06:00+08:00", back("2026-11-23T20:10:00+08:00", "2026-11-23T20:06:00+08:00")),
            None
        );
        let again = back("2026-11-23T20:06:01+08:00", "2026-11-23T20:02:01+08:00");
        assert!(
            take(6, "2026-11-23T20:02:01+08:00", again).expect("told").contains("from 2026-11-23T20:09:59+08:00 to")
        );
        // Whatever it says of itself, what comes after it goes on from its time.
        let made_up = step("2026-11-23T20:02:02+08:00", "2026-11-23T20:02:02+08:00");
        assert!(take(7, "2026-11-20T08:00:00+08:00", made_up).expect("told").contains("set back by 84h 2m 2s"));
        assert_eq!(take(8, "2026-11-20T08:00:01+08:00", other()), None);
    }

    fn receipts(of: &[(u64, &str)]) -> Vec<Countersigned> {
        let (device, bureau) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let receipt = |&(size, time): &(u64, &str)| {
            let origin = device.verifying_key().device_id();
            let signed = Signed::sign(Checkpoint { origin, size, root: [0; 32] }, &device).expect("a good name");
            let seconds = time.parse::<Timestamp>().expect("a time").as_second() as u64;
            signed.countersign("bureau/test", &bureau, seconds).expect("a good name")
        };
        of.iter().map(receipt).collect()
    }

    #[test]
    fn a_record_is_no_later_than_the_oldest_receipt_that_covers_it() {
        let receipts = receipts(&[
            (4, "2026-11-24T09:00:00+08:00"),
            (2, "2026-11-23T20:00:00+08:00"),
            // Asked for again: that it was there later says nothing.
            (2, "2026-11-25T08:00:00+08:00"),
        ]);
        let found = |times: &[&str]| {
            let mut bounds = Bounds::new(&receipts);
            (0..).zip(times).for_each(|(seq, time)| bounds.take(&record(seq, time, checkin(""))));
            bounds.finish().map(|finding| (finding.seq, finding.message))
        };
        let (honest, ahead) = ("2026-11-23T20:04:59+08:00", "2026-11-24T07:45:00+08:00");
        // Nothing tells of the last, which no receipt covers.
        assert_eq!(found(&[honest, honest, ahead, ahead, "2027-01-01T00:00:00+08:00"]), None);
        assert_eq!(
            found(&[honest, ahead]),
            Some((
                Some(1),
                "record 1 is dated 2026-11-24T07:45:00+08:00, and the bureau had countersigned it at \
                 2026-11-23T12:00:00Z: that is 11h 45m ahead of it"
                    .into()
            ))
        );
        // What a record tells of had come by then, too.
        let gap = serde_json::json!({"camera": "back", "start": honest, "end": ahead, "cause": "network"});
        let mut bounds = Bounds::new(&receipts);
        bounds.take(&record(0, honest, Data::Gap(serde_json::from_value(gap).expect("a gap"))));
        let told = bounds.finish().expect("found").message;
        assert!(
            told.starts_with("record 0 tells of 2026-11-24T07:45:00+08:00, and the bureau had countersigned it at"),
            "{told}"
        );
        let (seq, message) = found(&[ahead, ahead, honest, "2026-11-24T10:00:00+08:00"]).expect("found");
        assert_eq!(seq, Some(0));
        assert!(
            message.starts_with(
                "3 records are dated later than the bureau countersigned them, by up to 11h 45m: the first, record 0 "
            ) && message.contains("; the last, record 3 is dated 2026-11-24T10:00:00+08:00, "),
            "{message}"
        );
    }

    #[test]
    fn receipts_that_are_handed_on_are_as_close_as_there_is_room_for() {
        // Two in a minute, one an hour later, one over less that was asked for after that.
        assert_eq!(to_export(&[(1, 0), (2, 59), (3, 9000), (5, 3700)]), [5, 2]);
        assert_eq!(to_export(&[]), Vec::<u64>::new());
        let every = |seconds: u64| (0..20_000).map(|at| (at, at * seconds)).collect::<Vec<_>>();
        let chosen = to_export(&every(60));
        assert_eq!((chosen.len(), chosen[0], chosen[1]), (334, 19_999, 19_979), "each hour's last");
        assert_eq!(to_export(&every(3600)).len(), 834, "each day's last");
    }
}
