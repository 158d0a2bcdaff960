//! What a log tells of one camera so far: its segments and gaps, and the findings that hide its whole picture. Found by
//! their time, whatever their number.

use super::{Account, Span, account, length};
use crate::moments::Moments;
use crate::record::{Finding, Gap, GapCause};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// Appliances used to look at their findings first, and to journal the account when nobody else wrote: a finding that was
/// journalled this shortly before the account may have come in between.
const SETTLED: SignedDuration = SignedDuration::from_mins(1);

/// See the module.
#[derive(Default)]
pub(super) struct Told {
    segments: Spans,
    gaps: Spans,
    causes: HashMap<u64, GapCause>,
    /// Findings that have ended.
    ended: Spans,
    /// Those that go on: record → beginning.
    open: BTreeMap<u64, Timestamp>,
    /// When each of them was journalled to have begun.
    begun: HashMap<u64, Timestamp>,
}

impl Told {
    /// Takes a segment's time.
    pub fn segment(&mut self, seq: u64, span: Span) {
        self.segments.insert(seq, span);
    }

    /// Takes a gap of this time.
    pub fn gap(&mut self, seq: u64, span: Span, gap: &Gap) {
        self.gaps.insert(seq, span);
        self.causes.insert(seq, gap.cause);
    }

    /// Takes a finding of this camera that was journalled at `time`. One that hides single workstations, or none, is left
    /// aside.
    pub fn finding(&mut self, seq: u64, time: Timestamp, finding: &Finding) {
        if finding.workstation.is_some() || finding.what.hides().is_none() {
            return;
        }
        match (finding.begun, &finding.end) {
            (Some(begun), Some(end)) => {
                // Of several ends the first counts: an appliance ends a finding once.
                let Ok(end) = end.parse::<Timestamp>() else { return };
                let Some(start) = self.open.remove(&begun) else { return };
                if start < end {
                    self.ended.insert(begun, start..end);
                }
            }
            _ => {
                if let Ok(start) = finding.start.parse() {
                    self.open.insert(seq, start);
                    self.begun.insert(seq, time);
                }
            }
        }
    }

    /// The account of `span`. Of gaps that overlap the newest counts: when a clock that was put forward is put back, the
    /// time that it had jumped over comes after all.
    pub fn account(&self, span: Span) -> Account {
        let mut gaps: Vec<(u64, Span)> = self.gaps.within(&span).collect();
        gaps.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
        let gaps = gaps.into_iter().filter_map(|(seq, gap)| Some((gap, *self.causes.get(&seq)?)));
        account(span.clone(), self.segments.within(&span).map(|(_, segment)| segment), gaps)
    }

    /// When of `span` a segment shows anything.
    pub fn recorded(&self, span: &Span) -> Moments {
        Moments::of(self.segments.within(span).map(|(_, segment)| segment)).common(&Moments::of([span.clone()]))
    }

    /// When of what is recorded of `span` a finding hides the picture, for an account that was journalled at `time`; and
    /// the records of these findings. One that has not ended goes on to the end.
    pub fn hidden(&self, span: &Span, time: Timestamp) -> (Moments, Vec<u64>) {
        let open = self.open.iter().filter(|(_, start)| **start < span.end);
        let open = open.map(|(seq, start)| (*seq, *start..span.end));
        let is_settled =
            |(seq, _): &(u64, Span)| self.begun.get(seq).is_some_and(|begun| time.duration_since(*begun) > SETTLED);
        let (seqs, spans): (Vec<u64>, Vec<Span>) = self.ended.within(span).chain(open).filter(is_settled).unzip();
        (self.recorded(span).common(&Moments::of(spans)), seqs)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_found_by_their_time_however_long_others_are() {
        let span = |from, until| {
            let at = |ms| Timestamp::from_millisecond(ms).expect("in range");
            at(from)..at(until)
        };
        let mut spans = Spans::default();
        for (seq, (from, until)) in [(0, 10), (0, 1_000_000), (20, 30), (30, 40), (40, 50)].into_iter().enumerate() {
            spans.insert(seq as u64, span(from, until));
        }
        let found: Vec<u64> = spans.within(&span(25, 40)).map(|(seq, _)| seq).collect();
        assert_eq!(found, [1, 2, 3]);
        assert_eq!(spans.within(&(Timestamp::MIN..Timestamp::MAX)).count(), 5);
    }
}
