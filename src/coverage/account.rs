//! The account of time: for every moment that had to be recorded, a segment, a gap with a cause, or nothing at all.
//!
//! Exact to the millisecond: recorded, each cause and unexplained add up to the span.

use crate::class::Span;
use evidence::record::GapCause;
use jiff::Timestamp;
use std::collections::BTreeMap;

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
        self.unexplained.iter().map(|span| length(*span)).sum()
    }

    /// Share of the span that is shown, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.required_ms == 0 { 1.0 } else { self.recorded_ms as f64 / self.required_ms as f64 }
    }
}

/// Accounts for `span`. What a segment shows counts as recorded, even where a gap says otherwise: a clock that is
/// put back makes the same hour pass twice. Where gaps overlap, the first given counts.
pub fn account(span: Span, segments: &[Span], gaps: &[(Span, GapCause)]) -> Account {
    let mut account = Account { required_ms: length(span), ..Account::default() };
    let mut open = vec![span];
    for segment in segments {
        account.recorded_ms += take(&mut open, *segment);
    }
    for (gap, cause) in gaps {
        let taken = take(&mut open, *gap);
        if taken > 0 {
            *account.gaps_ms.entry(*cause).or_default() += taken;
        }
    }
    account.unexplained = open;
    account
}

fn length(span: Span) -> i64 {
    span.until.as_millisecond() - span.from.as_millisecond()
}

/// Takes `taken` out of the spans that are still open; tells how much that was.
fn take(open: &mut Vec<Span>, taken: Span) -> i64 {
    let mut ms = 0;
    *open = open
        .iter()
        .flat_map(|&span| {
            let Some(both) = span.overlap(taken) else { return [Some(span), None] };
            ms += length(both);
            // Records tell milliseconds: what is left of one is nothing.
            let piece = |from: Timestamp, until: Timestamp| {
                (from.as_millisecond() < until.as_millisecond()).then_some(Span { from, until })
            };
            [piece(span.from, both.from), piece(both.until, span.until)]
        })
        .flatten()
        .collect();
    ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(from: i64, until: i64) -> Span {
        let at = |ms| Timestamp::from_millisecond(ms).expect("in range");
        Span { from: at(from), until: at(until) }
    }

    #[test]
    fn what_is_neither_shown_nor_explained_is_named() {
        let found = account(
            span(0, 1000),
            &[span(-50, 200), span(200, 500)],
            &[(span(480, 700), GapCause::CameraStalled), (span(900, 1100), GapCause::ApplianceOff)],
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
            let found = account(span(0, end), &segments, &gaps);
            let by_cause: i64 = found.gaps_ms.values().sum();
            prop_assert_eq!(found.recorded_ms + by_cause + found.unexplained_ms(), end);
            // Counted moment by moment, it is the same.
            let within = |span: &Span, ms: i64| span.from.as_millisecond() <= ms && ms < span.until.as_millisecond();
            let shown = (0..end).filter(|ms| segments.iter().any(|span| within(span, *ms))).count() as i64;
            prop_assert_eq!(found.recorded_ms, shown);
        }
    }
}
