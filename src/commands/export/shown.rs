//! What an evidence disc shows beside its recordings, taken from the disc's own log: the lessons' accounts, what was found
//! in the pictures, and the references by which they were judged, with the workstations marked in them.

use crate::attention::names::finding_name;
use crate::class::Span;
use crate::journal::Journal;
use anyhow::{Context, Result};
use evidence::disc::{PICTURES, picture_name};
use evidence::jws::{SignedRecord, read_unverified};
use evidence::record::{Coverage, Data, Finding, FindingEnding, Reference};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

/// What the log tells of the cameras and spans of a disc.
pub(super) struct Shown<'w> {
    cameras: &'w BTreeSet<String>,
    spans: &'w [Span],
    class: Option<&'w str>,
    lessons: Vec<(u64, Coverage)>,
    /// By the record of the beginning: it, and the record of the end.
    findings: BTreeMap<u64, (Finding, Option<Finding>)>,
    /// By camera: record and its time. The first may be of before the spans, and holds in them.
    references: BTreeMap<String, Vec<(u64, String, Reference)>>,
}

/// An account of a lesson, in the index.
pub(super) struct LessonLine {
    pub class: String,
    pub start: String,
    pub end: String,
    pub verdict: &'static str,
    pub cameras: String,
    pub workstations: String,
    pub roll_call: String,
    pub seq: u64,
}

/// A finding, in the index.
pub(super) struct FindingLine {
    pub what: String,
    pub place: String,
    pub start: String,
    pub end: String,
    pub seq: u64,
    pub picture: Option<String>,
}

/// A camera's reference, in the index.
pub(super) struct ReferenceLine {
    pub camera: String,
    pub time: String,
    pub by: String,
    pub seq: u64,
    pub picture: Option<String>,
    pub marks: Vec<Mark>,
}

/// A workstation in a reference.
pub(super) struct Mark {
    pub workstation: String,
    /// Corners as SVG has them, in hundredths of the picture's width and height.
    pub points: String,
    /// The middle of the corners, likewise.
    pub x: String,
    pub y: String,
}

impl<'w> Shown<'w> {
    pub(super) fn new(cameras: &'w BTreeSet<String>, spans: &'w [Span], class: Option<&'w str>) -> Shown<'w> {
        let (lessons, findings, references) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Shown { cameras, spans, class, lessons, findings, references }
    }

    /// Takes the log's next record.
    pub(super) fn take(&mut self, record: &SignedRecord) {
        let Ok(record) = read_unverified(record.as_str()) else { return };
        match record.data {
            Data::Coverage(coverage)
                if self.is_of(&coverage.class) && self.is_within(&coverage.from, Some(&coverage.end)) =>
            {
                self.lessons.push((record.seq, coverage));
            }
            Data::Finding(finding) => self.finding(record.seq, finding),
            Data::Reference(reference) if self.cameras.contains(&reference.camera) => {
                self.reference(record.seq, record.time, reference);
            }
            _ => {}
        }
    }

    fn finding(&mut self, seq: u64, finding: Finding) {
        if let Some(begun) = finding.begun {
            match self.findings.get_mut(&begun) {
                Some((start, ended))
                    if self.spans.iter().any(|span| is_within(&start.start, finding.end.as_deref(), span)) =>
                {
                    *ended = Some(finding);
                }
                _ => drop(self.findings.remove(&begun)),
            }
            return;
        }
        let is_its = match (&finding.camera, &finding.class) {
            (Some(camera), _) => self.cameras.contains(camera),
            (None, class) => class.as_deref().is_none_or(|class| self.is_of(class)),
        };
        if is_its && self.is_within(&finding.start, finding.end.as_deref()) {
            self.findings.insert(seq, (finding, None));
        }
    }

    fn reference(&mut self, seq: u64, time: String, reference: Reference) {
        let Ok(at) = time.parse::<Timestamp>() else { return };
        if self.spans.iter().all(|span| at >= span.until) {
            return;
        }
        let of_camera = self.references.entry(reference.camera.clone()).or_default();
        // What holds when the first span begins is the last before it.
        if self.spans.iter().all(|span| at <= span.from) {
            of_camera.clear();
        }
        of_camera.push((seq, time, reference));
    }

    fn is_of(&self, class: &str) -> bool {
        self.class.is_none_or(|wanted| wanted == class)
    }

    fn is_within(&self, start: &str, end: Option<&str>) -> bool {
        self.spans.iter().any(|span| is_within(start, end, span))
    }

    /// Copies the pictures onto the disc. Tells of references that are not there, or not what was set.
    pub(super) fn copy_pictures(&self, journal: &Journal, folder: &Path) -> Result<Vec<String>> {
        let reader = journal.store().read()?;
        let mut wanted: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        let mut problems = Vec::new();
        for (camera, (seq, _, reference)) in self.all_references() {
            let sha256 = reference.picture.as_str();
            let newest = reader.reference(camera)?.map(|row| row.picture);
            let is_its = |jpeg: &Vec<u8>| evidence::sha256_hex(jpeg) == sha256;
            match newest.filter(is_its).or(reader.former_picture(sha256)?.filter(is_its)) {
                Some(jpeg) => drop(wanted.insert(sha256, jpeg)),
                None => problems.push(format!(
                    "the reference picture of camera {camera}, record {seq}, is not kept, or not what was set: it is not on the disc"
                )),
            }
        }
        // Those of findings go when recordings are deleted.
        for sha256 in self.findings.values().filter_map(|(finding, _)| finding.thumbnail.as_deref()) {
            let jpeg = reader.thumbnail(sha256)?.filter(|jpeg| evidence::sha256_hex(jpeg) == sha256);
            wanted.extend(jpeg.map(|jpeg| (sha256, jpeg)));
        }
        drop(reader);
        let pictures = folder.join(PICTURES);
        if !wanted.is_empty() {
            fs::create_dir(&pictures).with_context(|| format!("cannot make {}", pictures.display()))?;
        }
        for (sha256, jpeg) in &wanted {
            let path = pictures.join(picture_name(sha256).context("a picture without a SHA-256")?);
            let written = fs::write(&path, jpeg).and_then(|()| File::open(&path)?.sync_all());
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(problems)
    }

    fn all_references(&self) -> impl Iterator<Item = (&String, &(u64, String, Reference))> {
        self.references.iter().flat_map(|(camera, its)| its.iter().map(move |one| (camera, one)))
    }

    pub(super) fn lesson_lines(&self) -> Vec<LessonLine> {
        self.lessons.iter().map(|(seq, coverage)| lesson_line(*seq, coverage)).collect()
    }

    /// `folder`: the disc, with its pictures.
    pub(super) fn finding_lines(&self, folder: &Path) -> Vec<FindingLine> {
        let line = |(seq, (finding, ended)): (&u64, &(Finding, Option<Finding>))| {
            let (chinese, english) = finding_name(finding.what);
            let place = [&finding.camera, &finding.workstation, &finding.class];
            FindingLine {
                what: format!("{chinese} {english}"),
                place: place.into_iter().flatten().cloned().collect::<Vec<_>>().join(" · "),
                start: finding.start.clone(),
                end: end_text(ended.as_ref().unwrap_or(finding)),
                seq: *seq,
                picture: finding.thumbnail.as_deref().and_then(|sha256| picture(folder, sha256)),
            }
        };
        self.findings.iter().map(line).collect()
    }

    /// Likewise.
    pub(super) fn reference_lines(&self, folder: &Path) -> Vec<ReferenceLine> {
        let line = |(camera, (seq, time, reference)): (&String, &(u64, String, Reference))| ReferenceLine {
            camera: camera.clone(),
            time: time.clone(),
            by: match reference.by.strip_prefix("staff:") {
                Some(number) => format!("教师 teacher {number}"),
                None => "设备自动 the appliance".into(),
            },
            seq: *seq,
            picture: picture(folder, &reference.picture),
            marks: reference.workstations.iter().map(|marked| mark(&marked.workstation, &marked.polygon)).collect(),
        };
        self.all_references().map(line).collect()
    }
}

fn is_within(start: &str, end: Option<&str>, span: &Span) -> bool {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let has_begun = time(start).is_some_and(|start| start < span.until);
    has_begun && end.is_none_or(|end| time(end).is_some_and(|end| end > span.from))
}

/// When a finding ended, and how.
fn end_text(Finding { end, ending, .. }: &Finding) -> String {
    match (end, ending) {
        (None, _) => "尚未结束 goes on".into(),
        (Some(end), Some(FindingEnding::Unwatched)) => format!("{end}（检查已停止，未确认恢复 not seen to be over）"),
        (Some(end), _) => end.clone(),
    }
}

/// Where a picture is on the disc, if it is there.
fn picture(folder: &Path, sha256: &str) -> Option<String> {
    let path = format!("{PICTURES}/{}", picture_name(sha256)?);
    folder.join(&path).is_file().then_some(path)
}

fn mark(workstation: &str, polygon: &[[f64; 2]]) -> Mark {
    let points: Vec<String> = polygon.iter().map(|[x, y]| format!("{:.2},{:.2}", x * 100.0, y * 100.0)).collect();
    let middle = |axis: usize| {
        let sum: f64 = polygon.iter().map(|corner| corner[axis]).sum();
        format!("{:.2}", sum / polygon.len().max(1) as f64 * 100.0)
    };
    Mark { workstation: workstation.to_owned(), points: points.join(" "), x: middle(0), y: middle(1) }
}

fn lesson_line(seq: u64, coverage: &Coverage) -> LessonLine {
    let percent = |shown: u64, required: u64| format!("{:.2} %", 100.0 * shown as f64 / required.max(1) as f64);
    let cameras = coverage.cameras.iter().map(|camera| {
        let hidden: u64 = camera.impaired_ms.values().sum();
        let shown = camera.recorded_ms.saturating_sub(hidden).saturating_sub(camera.unwatched_ms.unwrap_or_default());
        format!("{} {}", camera.camera, percent(shown, camera.required_ms))
    });
    let is_enough = |visible: u64, required: u64| visible as f64 >= required as f64 * coverage.required_share;
    let short: Vec<String> = coverage
        .workstations
        .iter()
        .filter(|one| !one.complete.unwrap_or_else(|| is_enough(one.visible_ms, one.required_ms)))
        .map(|one| format!("{} {}", one.workstation, percent(one.visible_ms, one.required_ms)))
        .collect();
    let workstations = match (coverage.workstations.len(), short.is_empty()) {
        (0, _) => "—".into(),
        (count, true) => format!("{count} 个，全部可见 all visible"),
        (count, false) => format!("{count} 个，不足 too little: {}", short.join("，")),
    };
    let roll_call = match (&coverage.roll_call, coverage.roll_call_recorded) {
        (None, _) => "无 none".into(),
        (Some(roll_call), Some(false)) => format!("{}，未完整录到 not recorded", clock(&roll_call.start)),
        (Some(roll_call), _) => clock(&roll_call.start).to_owned(),
    };
    LessonLine {
        class: coverage.class.clone(),
        start: coverage.start.clone(),
        end: coverage.end.clone(),
        verdict: if coverage.complete { "完整 complete" } else { "不完整 not complete" },
        cameras: cameras.collect::<Vec<_>>().join("，"),
        workstations,
        roll_call,
        seq,
    }
}

/// Hour, minute and second of a time in RFC 3339.
fn clock(time: &str) -> &str {
    time.get(11..19).unwrap_or(time)
}
