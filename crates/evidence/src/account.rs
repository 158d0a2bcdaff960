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
            if let Some(wrong) = contradicted(claimed.complete, camera_verdict(claimed, coverage.required_share)) {
                add(Severity::Failure, "wrong_verdict", format!("{lesson}: it calls camera {camera} {wrong}"));
            }
        }
        for claimed in &coverage.workstations {
            let workstation = &claimed.workstation;
            if let Some(difference) = workstation_difference(claimed, &span) {
                let message = format!("{lesson}: of workstation {workstation} it does not add up: {difference}");
                add(Severity::Failure, "wrong_account", message);
            }
            let verdict = verdict(claimed.visible_ms, claimed.required_ms, coverage.required_share);
            if let Some(wrong) = contradicted(claimed.complete, verdict) {
                add(
                    Severity::Failure,
                    "wrong_verdict",
                    format!("{lesson}: it calls workstation {workstation} {wrong}"),
                );
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

/// Whether a camera has shown enough, as [`verdict`].
fn camera_verdict(claimed: &CameraCoverage, required_share: f64) -> Option<bool> {
    let impaired = claimed.impaired_ms.values().fold(0, |sum: u64, ms| sum.saturating_add(*ms));
    let visible = claimed.recorded_ms.saturating_sub(impaired.saturating_add(claimed.unwatched_ms.unwrap_or_default()));
    match claimed.unexplained_ms {
        0 => verdict(visible, claimed.required_ms, required_share),
        _ => Some(false),
    }
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

/// What is claimed, and that it is not what the figures say, in words; `None` where it is, or where either is not told.
fn contradicted(claimed: Option<bool>, verdict: Option<bool>) -> Option<String> {
    let word = |is_complete| if is_complete { "complete" } else { "incomplete" };
    let (claimed, verdict) = claimed.zip(verdict).filter(|(claimed, verdict)| claimed != verdict)?;
    Some(format!("{}, but by its own figures that is {}", word(claimed), word(verdict)))
}

#[cfg(test)]
mod tests;
