//! The account of time, as `evidence::account` makes it, in the terms of plans: the bureau adds up a log with the same.

use crate::class::Span;
use evidence::record::GapCause;
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
        self.unexplained.iter().map(|span| span.until.as_millisecond() - span.from.as_millisecond()).sum()
    }

    /// Share of the span that is shown, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.required_ms == 0 { 1.0 } else { self.recorded_ms as f64 / self.required_ms as f64 }
    }
}

/// Accounts for `span`. What a segment shows counts as recorded, even where a gap says otherwise. Where gaps overlap, the
/// first given counts.
pub fn account(span: Span, segments: &[Span], gaps: &[(Span, GapCause)]) -> Account {
    let range = |span: Span| span.from..span.until;
    let segments = segments.iter().map(|segment| range(*segment));
    let gaps = gaps.iter().map(|(gap, cause)| (range(*gap), *cause));
    let found = evidence::account::account(range(span), segments, gaps);
    Account {
        required_ms: found.required_ms,
        recorded_ms: found.recorded_ms,
        gaps_ms: found.gaps_ms,
        unexplained: found.unexplained.into_iter().map(|span| Span { from: span.start, until: span.end }).collect(),
    }
}
