//! Whether a log holds together: every record well signed, in its place, and under the checkpoints; and whether what the
//! records tell fits together.
//!
//! Records are taken one by one, in order, so a log of any length is checked in little memory. What is found wrong
//! says what, where, and since when the log is known to have been good.

mod chinese;
mod findings;
mod judges;

pub use chinese::chinese;
pub use findings::{Finding, Findings, Severity};

use crate::checkpoint::{Checkpoint, Countersigned};
use crate::jws::{JwsError, Verifier};
use crate::key::VerifyingKey;
use crate::record::{Data, Record};
use crate::tree::{self, Frontier, Hash};
use jiff::Timestamp;
use judges::Judges;
use serde::Serialize;
use std::collections::HashSet;

/// The outcome of checking a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether the evidence stands: no finding is a failure.
    pub verified: bool,
    /// The appliance.
    pub device: String,
    /// Records seen.
    pub records: u64,
    /// The root over them, hex.
    pub root: String,
    /// The first record's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The last record's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Records under the newest checkpoint that fits.
    pub covered: u64,
    /// Everything found, in the order of the log.
    pub findings: Vec<Finding>,
}

/// Takes a log's records and gives the verdict.
pub struct LogVerifier {
    verifier: Verifier,
    device: String,
    frontier: Frontier,
    /// The largest first.
    checkpoints: Vec<Checkpoint>,
    /// Those among them that nobody but the appliance has signed.
    unwitnessed: Vec<Checkpoint>,
    covered: u64,
    from: Option<String>,
    last: Option<(String, Timestamp)>,
    judges: Judges,
    is_blind: bool,
    /// Records that were known good when a checkpoint's root was found to be wrong.
    good_before: Option<u64>,
    findings: Findings,
}

impl LogVerifier {
    /// For the log of the appliance with this key, of which these are receipts. `signed`: checkpoints that the appliance has
    /// signed. Both have been verified. While a receipt is yet to come, those that are only signed vouch for nothing: whoever
    /// has the appliance's key can make one over anything.
    pub fn new(key: VerifyingKey, receipts: &[Countersigned], signed: Vec<Checkpoint>) -> LogVerifier {
        let roots: HashSet<(u64, Hash)> =
            receipts.iter().map(Countersigned::checkpoint).map(|known| (known.size, known.root)).collect();
        let unwitnessed: Vec<Checkpoint> =
            signed.into_iter().filter(|known| !roots.contains(&(known.size, known.root))).collect();
        let witnessed = receipts.iter().map(|receipt| receipt.checkpoint().clone());
        let mut checkpoints: Vec<Checkpoint> = witnessed.chain(unwitnessed.iter().cloned()).collect();
        checkpoints.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.size));
        let mut verifier = LogVerifier {
            device: key.device_id(),
            verifier: Verifier::new(key),
            frontier: Frontier::new(),
            checkpoints,
            unwitnessed,
            covered: 0,
            from: None,
            last: None,
            judges: Judges::new(receipts),
            is_blind: false,
            good_before: None,
            findings: Findings::default(),
        };
        verifier.compare_checkpoints();
        verifier
    }

    /// Checks the next record and takes it into the tree.
    pub fn push(&mut self, jws: &str) {
        let outcome = self.verifier.verify(jws);
        self.push_checked(jws, outcome);
    }

    /// As [`LogVerifier::push`], for a caller that has verified the signature itself, say on several cores.
    pub fn push_checked(&mut self, jws: &str, outcome: Result<Record, JwsError>) {
        self.push_leaf(tree::leaf_hash(jws.as_bytes()), outcome);
    }

    /// As [`LogVerifier::push_checked`], for a caller that keeps the leaves too: under an altered record, the leaf
    /// that was kept tells whether anything else was altered. Returns what [`Frontier::push`] does.
    pub fn push_leaf(&mut self, leaf: Hash, outcome: Result<Record, JwsError>) -> Vec<Hash> {
        let seq = self.frontier.size();
        match outcome {
            Err(error) => {
                self.fail("bad_record", seq, format!("record {seq}: {error}"));
                self.judges.take_bad(seq);
            }
            Ok(record) => self.look_at(seq, record),
        }
        let completed = self.frontier.push(leaf);
        self.compare_checkpoints();
        completed
    }

    /// Goes past a record of which nothing is known. Checkpoints are not compared from here on, until
    /// [`LogVerifier::resume`].
    pub fn push_lost(&mut self, problem: &str) {
        let seq = self.frontier.size();
        self.fail("lost_record", seq, format!("record {seq} {problem}"));
        self.judges.take_bad(seq);
        self.is_blind = true;
        self.frontier.push([0; 32]);
        self.compare_checkpoints();
    }

    /// Whether the tree is unknown, after [`LogVerifier::push_lost`].
    pub fn is_blind(&self) -> bool {
        self.is_blind
    }

    /// Goes on with a tree that was kept elsewhere; one of another size is left aside.
    pub fn resume(&mut self, frontier: Frontier) {
        if frontier.size() == self.frontier.size() {
            self.frontier = frontier;
            self.is_blind = false;
            self.compare_checkpoints();
        }
    }

    /// Whether a record that verifies is the next one of this log.
    pub fn is_next(&self, record: &Record) -> bool {
        record.seq == self.frontier.size() && record.device == self.device
    }

    /// Adds what a caller has found out.
    pub fn add(&mut self, finding: Finding) {
        self.findings.add(finding);
    }

    /// The tree over the records so far.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The verdict over the whole log.
    pub fn finish(mut self) -> Verdict {
        let size = self.frontier.size();
        // The largest tells how many are missing.
        let mut is_told = false;
        for checkpoint in std::mem::take(&mut self.checkpoints) {
            if checkpoint.size == size {
                let message = format!("the checkpoint at {size} cannot be compared: a record before it is lost");
                self.add(Finding { severity: Severity::Warning, code: "not_compared", seq: None, message });
                continue;
            }
            if std::mem::replace(&mut is_told, true) {
                self.findings.leave_out();
                continue;
            }
            self.fail_log(
                "truncated",
                format!(
                    "the log ends at {size} records, but a checkpoint covers {}: {} records are missing at the end",
                    checkpoint.size,
                    checkpoint.size - size
                ),
            );
        }
        // What every lesson lacks comes last: of many warnings the first are listed.
        self.findings.extend(self.judges.finish());
        let (findings, verified) = self.findings.finish();
        Verdict {
            verified,
            device: self.device,
            records: size,
            root: crate::hex(&self.frontier.root()),
            from: self.from,
            to: self.last.map(|(text, _)| text),
            covered: self.covered,
            findings,
        }
    }

    fn look_at(&mut self, seq: u64, record: Record) {
        let is_next = self.is_next(&record);
        if record.device != self.device {
            let message = format!("record {seq}: made by {}, not by {}", record.device, self.device);
            self.fail("wrong_device", seq, message);
        }
        if record.seq != seq {
            let message = format!(
                "record {seq}: says that it is record {}: records were removed, inserted or moved here",
                record.seq
            );
            self.fail("wrong_place", seq, message);
        }
        if let Ok(time) = record.time.parse::<Timestamp>() {
            if let Some((before, last)) = &self.last
                && time < *last
                && !matches!(record.data, Data::Clock(_))
            {
                let message = format!(
                    "record {seq}: its time {} is before that of the record before it, {before}, and no clock record says why",
                    record.time
                );
                self.add(Finding::warning("time_went_back", seq, message));
            }
            self.from.get_or_insert_with(|| record.time.clone());
            self.last = Some((record.time.clone(), time));
        }
        match is_next {
            true => self.findings.extend(self.judges.take(&record)),
            false => self.judges.take_bad(seq),
        }
    }

    fn compare_checkpoints(&mut self) {
        let size = self.frontier.size();
        while let Some(checkpoint) = self.checkpoints.pop_if(|checkpoint| checkpoint.size < size) {
            let message =
                format!("the checkpoint at {} cannot be compared: a record before it is lost", checkpoint.size);
            self.add(Finding { severity: Severity::Warning, code: "not_compared", seq: None, message });
        }
        if self.is_blind {
            return;
        }
        while let Some(checkpoint) = self.checkpoints.pop_if(|checkpoint| checkpoint.size == size) {
            if checkpoint.root == self.frontier.root() {
                let is_witnessed = |checkpoint: &Checkpoint| !self.unwitnessed.contains(checkpoint);
                if is_witnessed(&checkpoint) || !self.checkpoints.iter().any(is_witnessed) {
                    self.covered = size;
                }
            } else if self.good_before.replace(self.covered) == Some(self.covered) {
                // What changed before the last checkpoint is in this one too.
                self.findings.leave_out();
            } else {
                let covered = self.covered;
                self.fail_log(
                    "wrong_root",
                    format!(
                        "the first {size} records are not those of the checkpoint at {size}: something changed in records {covered} to {}; the first {covered} are as they were",
                        size.saturating_sub(1)
                    ),
                );
            }
        }
    }

    fn fail(&mut self, code: &'static str, seq: u64, message: String) {
        self.add(Finding { severity: Severity::Failure, code, seq: Some(seq), message });
    }

    fn fail_log(&mut self, code: &'static str, message: String) {
        self.add(Finding { severity: Severity::Failure, code, seq: None, message });
    }
}

/// Before a line, in Chinese and English: in columns, where a Chinese character takes two.
struct Label(&'static str, &'static str);

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Label(chinese, english) = self;
        let width = 16usize.saturating_sub(2 * chinese.chars().count() + usize::from(!chinese.is_empty()));
        let space = if chinese.is_empty() { "" } else { " " };
        write!(f, "  {chinese}{space}{english:<width$} ")
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", if self.verified { "核验通过 VERIFIED" } else { "核验不通过 DOES NOT VERIFY" })?;
        writeln!(f, "{}{}", Label("设备", "appliance"), self.device)?;
        writeln!(f, "{}{}", Label("记录数", "records"), self.records)?;
        if let (Some(from), Some(to)) = (&self.from, &self.to) {
            writeln!(f, "{}{from} … {to}", Label("时间", "from … to"))?;
        }
        writeln!(f, "{}covers the first {} records", Label("签认", "checkpoint"), self.covered)?;
        for finding in &self.findings {
            let label = match finding.severity {
                Severity::Note => Label("说明", "note"),
                Severity::Warning => Label("警告", "warning"),
                Severity::Failure => Label("不通过", "FAILURE"),
            };
            match chinese(finding.code) {
                Some(sentence) => writeln!(f, "{label}{sentence}\n{}{}", Label("", ""), finding.message)?,
                None => writeln!(f, "{label}{}", finding.message)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_told_in_chinese_first_and_a_code_that_is_not_known_in_english_only() {
        let finding = |severity, code, message: &str| Finding { severity, code, seq: None, message: message.into() };
        let verdict = Verdict {
            verified: false,
            device: "rollcall-a".into(),
            records: 2,
            root: String::new(),
            from: Some("2026-11-24T08:00:00.000+08:00".into()),
            to: Some("2026-11-24T09:00:00.000+08:00".into()),
            covered: 1,
            findings: vec![
                finding(Severity::Failure, "altered_segment", "the file"),
                finding(Severity::Note, "some_newer_code", "something"),
            ],
        };
        let told = "核验不通过 DOES NOT VERIFY
  设备 appliance   rollcall-a
  记录数 records   2
  时间 from … to   2026-11-24T08:00:00.000+08:00 … 2026-11-24T09:00:00.000+08:00
  签认 checkpoint  covers the first 1 records
  不通过 FAILURE   录像文件被改动：按修改视频资料处理，请培训机构说明并提交原始录像。
                   the file
  说明 note        something
";
        assert_eq!(verdict.to_string(), told);
        let good = Verdict { verified: true, ..verdict };
        assert!(good.to_string().starts_with("核验通过 VERIFIED\n"));
    }
}
