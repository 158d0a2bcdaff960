//! What was found of segments, those of one camera that follow one another told as one: a day's folder that is gone is one
//! finding with its extent, and hides nothing behind it.

use super::{Since, about, finding};
use evidence::disc::RECORDINGS;
use evidence::record::Segment;
use evidence::verdict::{Finding, Severity};
use std::collections::BTreeMap;

/// What was found of one segment's file.
pub(super) struct Remark {
    pub severity: Severity,
    pub code: &'static str,
    /// What it is, after the file's name.
    pub what: String,
    /// Whether a receipt tells since when.
    pub is_dated: bool,
}

impl Remark {
    pub(super) fn failure(code: &'static str, what: String) -> Remark {
        Remark { severity: Severity::Failure, code, what, is_dated: false }
    }

    pub(super) fn dated(self) -> Remark {
        Remark { is_dated: true, ..self }
    }
}

/// Segments of one camera, one after the other, of which the same was found.
struct Run {
    /// What was found of the first.
    remark: Remark,
    path: String,
    first: (u64, Segment),
    count: u64,
    last: (u64, String),
}

/// Takes the log's segments one by one, in order.
pub(super) struct Runs<'r> {
    since: &'r Since<'r>,
    /// By camera.
    open: BTreeMap<String, Run>,
    found: Vec<Finding>,
}

impl<'r> Runs<'r> {
    pub(super) fn new(since: &'r Since<'r>) -> Runs<'r> {
        Runs { since, open: BTreeMap::new(), found: Vec::new() }
    }

    /// Takes what was found of the next segment; `None` is nothing.
    pub(super) fn take(&mut self, seq: u64, segment: &Segment, path: &str, remark: Option<Remark>) {
        let is_same =
            |run: &Run, remark: &Remark| (run.remark.code, run.remark.severity) == (remark.code, remark.severity);
        if let (Some(run), Some(remark)) = (self.open.get_mut(&segment.camera), &remark)
            && is_same(run, remark)
        {
            run.count += 1;
            run.last = (seq, segment.end.clone());
            return;
        }
        if let Some(run) = self.open.remove(&segment.camera) {
            self.close(run);
        }
        if let Some(remark) = remark {
            let (path, first, last) = (path.to_owned(), (seq, segment.clone()), (seq, segment.end.clone()));
            self.open.insert(segment.camera.clone(), Run { remark, path, first, count: 1, last });
        }
    }

    /// What was found of all of them, in order.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        for run in std::mem::take(&mut self.open).into_values() {
            self.close(run);
        }
        self.found.sort_by_key(|finding| finding.seq);
        self.found
    }

    fn close(&mut self, run: Run) {
        let Run { remark, path, first: (seq, segment), count, last: (last, end) } = run;
        let what = &remark.what;
        let mut message = match count {
            1 => format!("{RECORDINGS}/{path} ({}) {what}", about(seq, &segment)),
            _ => {
                let (camera, start) = (&segment.camera, &segment.start);
                format!(
                    "{count} segments of camera {camera}, {start} to {end} (records {seq} to {last}): the first, record \
                     {seq}, {RECORDINGS}/{path} {what}"
                )
            }
        };
        if remark.is_dated {
            message += &format!(". {}", self.since.text(seq));
            if count > 1 {
                message += &format!("; the last: {}", self.since.text(last));
            }
        }
        self.found.push(finding(remark.severity, remark.code, Some(seq), message));
    }
}
