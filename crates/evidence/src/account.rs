//! The account of time: for every moment that had to be recorded, a segment, a gap with a cause, or nothing at all; and
//! whether what a lesson's `coverage` record claims is what the records before it add up to, and what its own figures say.
//!
//! Exact to the millisecond: recorded, each cause and unexplained add up to the span.

mod figures;
mod lessons;
mod rollcalls;
mod told;

pub use lessons::Lessons;

use crate::moments::Moments;
use crate::record::{CameraCoverage, Coverage, Data, GapCause, Record, WorkstationCoverage};
use crate::times::words;
use crate::verdict::Finding;
use figures::{Claims, total, workstation_difference};
use jiff::{SignedDuration, Timestamp};
use rollcalls::RollCalls;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use told::Told;

/// The share of a lesson, 0 to 1, that each camera and workstation must show, unless an institution has set another.
pub const REQUIRED_SHARE: f64 = 0.99;
/// An account may call less impaired than the findings before it hide, by so much, ms.
const TOLERANCE: u64 = 5_000;
/// Findings named in one failure.
const NAMED: usize = 5;

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

/// Holds each lesson's account in a log against the segments, gaps, findings and roll calls before it, and counts the
/// lessons. Takes the log's records one by one, in order.
///
/// An account is made of what is journalled when it is made: what comes later of the same time, as when the clock was put
/// back, is not in it.
#[derive(Default)]
pub struct Accounts {
    cameras: HashMap<String, Told>,
    rollcalls: RollCalls,
    lessons: Lessons,
    /// A record was no good: what is missing may have been in it.
    is_blind: bool,
}

impl Accounts {
    /// Takes the next record, which verifies and is in its place; tells what is wrong with it if it is an account.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        if self.is_blind {
            return self.lessons.take(record);
        }
        let time = record.time.parse::<Timestamp>().ok();
        match &record.data {
            Data::Segment(segment) => {
                if let Some(span) = span(&segment.start, &segment.end) {
                    self.told(&segment.camera).segment(record.seq, span);
                }
            }
            Data::Gap(gap) => {
                if let Some(span) = span(&gap.start, &gap.end) {
                    self.told(&gap.camera).gap(record.seq, span, gap);
                }
            }
            Data::Finding(finding) => {
                if let (Some(camera), Some(time)) = (&finding.camera, time) {
                    self.told(camera).finding(record.seq, time, finding);
                }
            }
            Data::Rollcall(rollcall) => {
                if let Some(time) = time {
                    self.rollcalls.take(time, rollcall);
                }
            }
            _ => {}
        }
        let mut found: Vec<Finding> = self.lessons.count(record).into_iter().collect();
        if let Data::Coverage(coverage) = &record.data {
            match Claims::read(record.seq, coverage) {
                Ok(claims) => found.extend(self.judge(claims, time.unwrap_or(Timestamp::MIN))),
                Err(finding) => found.push(finding),
            }
        }
        found
    }

    /// Goes past a record that does not verify. It is told by others; accounts that may hang on it are judged by their own
    /// figures only.
    pub fn take_bad(&mut self) {
        self.is_blind = true;
    }

    /// Of each class how many lessons are accounted for, and how many are complete; and those that are not.
    pub fn finish(&self) -> Vec<Finding> {
        self.lessons.finish()
    }

    fn told(&mut self, camera: &str) -> &mut Told {
        self.cameras.entry(camera.to_owned()).or_default()
    }

    /// `time`: when the account was journalled.
    fn judge(&self, mut claims: Claims, time: Timestamp) -> Vec<Finding> {
        claims.cameras(|claimed, span| self.camera_difference(claimed, span));
        for claimed in &claims.coverage.cameras {
            if let Some(hidden) = self.more_hidden(claimed, &claims.span, time) {
                claims.fail("wrong_account", hidden);
            }
        }
        claims.workstations(|claimed, span| {
            workstation_difference(claimed, span).or_else(|| self.more_visible(claimed, span))
        });
        if let Some(problem) = self.roll_call_problem(claims.coverage, &claims.span) {
            claims.fail("wrong_account", problem);
        }
        claims.verdicts();
        claims.into_findings()
    }

    /// Where a camera's figures are not what its segments and gaps add up to, in words.
    fn camera_difference(&self, claimed: &CameraCoverage, span: &Span) -> Option<String> {
        let told = self.cameras.get(&claimed.camera);
        let account = told.map_or_else(|| account(span.clone(), [], []), |told| told.account(span.clone()));
        let differences = differences(claimed, &account);
        (!differences.is_empty())
            .then(|| format!("what the segments and gaps before it add up to: {}", differences.join("; ")))
    }

    /// Where findings hide more of a camera's recording than its account calls impaired, in words.
    fn more_hidden(&self, claimed: &CameraCoverage, span: &Span, time: Timestamp) -> Option<String> {
        let (hidden, findings) = self.cameras.get(&claimed.camera)?.hidden(span, time);
        let (hidden, told) = (unsigned(hidden.length()), total(claimed.impaired_ms.values()));
        (hidden.saturating_sub(told) > TOLERANCE).then(|| {
            let named: Vec<String> = findings.iter().take(NAMED).map(u64::to_string).collect();
            let more = if findings.len() > NAMED { " and others" } else { "" };
            format!(
                "of camera {} it calls {} impaired, but the findings before it hide {} of what is recorded (records {}{more})",
                claimed.camera,
                length_of(told),
                length_of(hidden),
                named.join(", ")
            )
        })
    }

    /// Where a workstation is visible for longer than the cameras that show it have recorded, in words.
    fn more_visible(&self, claimed: &WorkstationCoverage, span: &Span) -> Option<String> {
        let told = claimed.cameras.iter().filter_map(|camera| self.cameras.get(camera));
        let recorded = told.fold(Moments::default(), |all, told| all.with(&told.recorded(span)));
        let (visible, recorded) = (claimed.visible_ms, unsigned(recorded.length()));
        (visible > recorded)
            .then(|| format!("visible_ms is {visible}, the segments of its cameras show {recorded} of the lesson"))
    }

    /// What the log before it says otherwise of its roll call, in words.
    fn roll_call_problem(&self, coverage: &Coverage, lesson: &Span) -> Option<String> {
        let roll_call = coverage.roll_call.as_ref()?;
        if !self.rollcalls.has(&coverage.class, &coverage.start, roll_call) {
            let end = roll_call.end.as_deref().unwrap_or("an end that nobody told");
            return Some(format!("no records before it tell of a roll call from {} to {end}", roll_call.start));
        }
        let start = roll_call.start.parse::<Timestamp>().ok().filter(|_| coverage.roll_call_recorded == Some(true))?;
        // For how long one counts after the lesson has begun is the appliance's setting: its first moment, and what lies
        // before that, are recorded.
        let first = start.checked_add(SignedDuration::from_millis(1)).ok()?;
        let end = match &roll_call.end {
            Some(end) => end.parse::<Timestamp>().ok()?.min(coverage.start.parse().ok()?).max(first).min(lesson.end),
            None => first,
        };
        let during = start..end;
        let is_whole = |told: &Told| !during.is_empty() && told.recorded(&during).length() == length(&during);
        let mut cameras = coverage.cameras.iter().filter_map(|claimed| self.cameras.get(&claimed.camera));
        (!cameras.any(is_whole)).then(|| {
            format!(
                "it calls the roll call at {} recorded, but no camera's segments show it without a hole before the lesson begins",
                roll_call.start
            )
        })
    }
}

fn span(start: &str, end: &str) -> Option<Span> {
    let span = start.parse().ok()?..end.parse().ok()?;
    (!span.is_empty()).then_some(span)
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default()
}

/// A length of time in words, to the second.
fn length_of(ms: u64) -> String {
    words(SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)))
}

/// The word for a cause or a kind of finding, as records have it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap_or_default().as_str().unwrap_or_default().to_owned()
}

/// Where a claim is not what adds up, in words.
fn differences(claimed: &CameraCoverage, account: &Account) -> Vec<String> {
    let mut figures = vec![
        ("required_ms".to_owned(), claimed.required_ms, unsigned(account.required_ms)),
        ("recorded_ms".to_owned(), claimed.recorded_ms, unsigned(account.recorded_ms)),
    ];
    let causes: BTreeSet<_> = claimed.gaps_ms.keys().chain(account.gaps_ms.keys()).collect();
    for cause in causes {
        let told = claimed.gaps_ms.get(cause).copied().unwrap_or_default();
        let found = account.gaps_ms.get(cause).copied().unwrap_or_default();
        figures.push((format!("gaps_ms of {}", word(cause)), told, unsigned(found)));
    }
    figures.push(("unexplained_ms".to_owned(), claimed.unexplained_ms, unsigned(account.unexplained_ms())));
    let differing = figures.into_iter().filter(|(_, told, found)| told != found);
    differing.map(|(name, told, found)| format!("{name} is {told}, they add up to {found}")).collect()
}

#[cfg(test)]
mod tests;
