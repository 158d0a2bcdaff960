//! What the demonstration prints: each outcome as it happens, and the sum at the end.

use crate::checkin::live::Outcome;
use crate::journal::Journal;
use anyhow::Result;
use evidence::record::{CheckinOutcome, Method, WindowKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;

/// What happened. Times in milliseconds.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Accepted check-ins.
    pub accepted: usize,
    /// Other outcomes, by name.
    pub refused: BTreeMap<String, usize>,
    /// Records in the log.
    pub records: u64,
    /// Leaves of the tree that the newest checkpoint covers.
    pub tree_size: u64,
    /// The bureau's receipt; absent without a bureau.
    pub receipt: Option<ReceiptReport>,
    /// From the frame that settled a check-in to its record on disk.
    pub latency_ms: Latency,
    /// Frames that were looked at.
    pub frames: u64,
    /// Each outcome, in the order of the log.
    pub outcomes: Vec<OutcomeReport>,
}

/// The newest receipt.
#[derive(Debug, Serialize)]
pub struct ReceiptReport {
    pub bureau: String,
    pub size: u64,
    pub countersigned_at: String,
}

/// Of all outcomes.
#[derive(Debug, Default, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p95: f64,
    pub max: f64,
}

/// One outcome.
#[derive(Debug, Serialize)]
pub struct OutcomeReport {
    pub seq: u64,
    pub outcome: String,
    pub person: Option<String>,
    pub class: Option<String>,
    pub latency_ms: f64,
}

/// The word for an outcome, as in the record.
fn word(outcome: CheckinOutcome) -> String {
    serde_json::to_value(outcome).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Report {
    /// Sums up.
    pub fn of(journal: &Journal, outcomes: &[std::sync::Arc<Outcome>], frames: u64) -> Result<Report> {
        let reader = journal.store().read()?;
        let records = reader.log_size()?;
        let receipt = reader.newest_receipt()?;
        let bureau = reader.registration()?.map(|registration| registration.name).unwrap_or_default();
        let mut refused = BTreeMap::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.outcome != CheckinOutcome::Accepted) {
            *refused.entry(word(outcome.outcome)).or_default() += 1;
        }
        let mut times: Vec<f64> = outcomes.iter().map(|outcome| outcome.latency_ms).collect();
        times.sort_by(f64::total_cmp);
        // Nearest rank: the least time that at least this share of all does not exceed.
        let rank = |share: f64| {
            let at = (times.len() as f64 * share).ceil().max(1.0) as usize - 1;
            times.get(at).copied().unwrap_or_default()
        };
        Ok(Report {
            accepted: outcomes.iter().filter(|outcome| outcome.outcome == CheckinOutcome::Accepted).count(),
            refused,
            records,
            tree_size: receipt.as_ref().map_or(records, |receipt| receipt.size),
            receipt: receipt.map(|receipt| ReceiptReport {
                bureau,
                size: receipt.size,
                countersigned_at: jiff::Timestamp::from_second(receipt.countersigned_at as i64)
                    .map(|time| time.to_string())
                    .unwrap_or_default(),
            }),
            latency_ms: Latency { p50: rank(0.5), p95: rank(0.95), max: times.last().copied().unwrap_or_default() },
            frames,
            outcomes: outcomes
                .iter()
                .map(|outcome| OutcomeReport {
                    seq: outcome.seq,
                    outcome: word(outcome.outcome),
                    person: outcome.person.clone(),
                    class: outcome.class.clone(),
                    latency_ms: outcome.latency_ms,
                })
                .collect(),
        })
    }

    /// For people.
    pub fn print(&self) {
        let refused: Vec<String> = self.refused.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        println!("\naccepted      {}", self.accepted);
        println!("not accepted  {}", if refused.is_empty() { "none".into() } else { refused.join(", ") });
        println!("records       {}", self.records);
        match &self.receipt {
            Some(receipt) => println!(
                "receipt       {} has countersigned {} of {} records, at {}",
                receipt.bureau, receipt.size, self.records, receipt.countersigned_at
            ),
            None => println!("receipt       none"),
        }
        let Latency { p50, p95, max } = self.latency_ms;
        println!("latency       frame to record p50 {p50:.1} ms, p95 {p95:.1} ms, max {max:.1} ms");
    }
}

/// One line for an outcome.
pub fn print_outcome(outcome: &Outcome) {
    use CheckinOutcome::*;
    let colour = |code: &str, text: String| {
        if std::io::stdout().is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    };
    let (code, sign, text) = match outcome.outcome {
        Accepted => ("1;32", '✓', "签到成功  accepted"),
        AlreadyCheckedIn => ("36", '·', "已签到  already checked in"),
        NotInClass => ("33", '✗', "不在本班  not in this class"),
        Unknown if outcome.method == Method::Qr => ("31", '✗', "二维码已失效  no longer valid"),
        Unknown => ("31", '✗', "未登记  not in any class"),
        OutsideWindow => ("33", '✗', "未到签到时间  outside the window"),
        TooSmall => ("33", '✗', "请靠近一点  face too small"),
        TooDark => ("33", '✗', "光线太暗  face too dark"),
        TooBright => ("33", '✗', "光线太亮  face too bright"),
        Turned => ("33", '✗', "请正对镜头  face turned away"),
        Blurred => ("33", '✗', "请站稳  face blurred"),
        CutOff => ("33", '✗', "请站到画面中间  face cut off"),
        Unconfirmed => ("31", '✗', "未确认  QR code not confirmed"),
    };
    let who = match (&outcome.name, &outcome.person, &outcome.class) {
        (Some(name), Some(number), Some(class)) => format!("{name} {number}, class {class}"),
        _ => "—".into(),
    };
    let window = match outcome.window {
        Some(WindowKind::Arrival) => " arrival",
        Some(WindowKind::Departure) => " departure",
        None => "",
    };
    let method = if outcome.method == Method::Qr { " by QR code" } else { "" };
    let time = outcome.time.get(11..19).unwrap_or_default();
    let line = format!("{sign} {text}{window}{method}");
    println!(
        "{time}  {}  {who}  record {}, on disk {:.0} ms after the frame",
        colour(code, line),
        outcome.seq,
        outcome.latency_ms
    );
}
