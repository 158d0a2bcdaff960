//! `rollcall export recording`: an evidence disc (录像光盘). Recordings, the log that vouches for them, and an index
//! that opens in any browser and plays in any player.

use super::shown::{FindingLine, LessonLine, ReferenceLine, Shown};
use super::{export_log_with, hint, make_folder};
use crate::attention::names::cause_name;
use crate::class::{ClassId, Span};
use crate::config::Config;
use crate::journal::Journal;
use crate::recording::{Plan, hash_file};
use crate::store::{GapRow, SegmentRow};
use anyhow::{Context, Result, ensure};
use askama::Template;
use evidence::disc::{CLAIM, Claim, ClaimedSpan, RECORDINGS, path_of};
use evidence::jws::read_unverified;
use evidence::record::{Data, Viewing, ViewingKind};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `rollcall export recording --date DAY FOLDER`
#[derive(Debug, clap::Args)]
pub struct ExportRecordingArgs {
    /// The day, YYYY-MM-DD
    #[arg(long)]
    date: Date,
    /// Only the lessons of this class, roll call included; the whole day when not given
    #[arg(long)]
    class: Option<String>,
    /// Only this camera; all when not given
    #[arg(long)]
    camera: Option<String>,
    /// A folder that does not exist yet, or is empty
    folder: PathBuf,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct DiscRequest {
    /// The local day.
    pub date: Date,
    /// Only this class's lessons.
    pub class: Option<String>,
    /// Only this camera.
    pub camera: Option<String>,
}

/// What a disc holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disc {
    /// Segments on it.
    pub segments: u64,
    /// Their length, bytes.
    pub bytes: u64,
    /// Files that are not what was recorded, or not there though no record says that they were deleted.
    pub problems: Vec<String>,
}

impl ExportRecordingArgs {
    /// Writes it. Exit code 1: something on it will not verify.
    pub(super) fn run(self, config: &Config, journal: &Journal) -> Result<ExitCode> {
        let ExportRecordingArgs { date, class, camera, folder } = self;
        let disc = export_recording(config, journal, &DiscRequest { date, class, camera }, &folder)?;
        println!("{} segments, {} MB in {}; open index.html", disc.segments, disc.bytes >> 20, folder.display());
        println!("{}", hint(journal, &folder)?);
        disc.problems.iter().for_each(|problem| eprintln!("rollcall: {problem}"));
        Ok(if disc.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

#[derive(Template)]
#[template(path = "disc.html")]
struct Index {
    date: Date,
    site: String,
    room: String,
    device: String,
    class: Option<String>,
    lessons: Vec<LessonLine>,
    references: Vec<ReferenceLine>,
    findings: Vec<FindingLine>,
    segments: Vec<Row>,
    gaps: Vec<GapLine>,
}

struct Row {
    camera: String,
    start: String,
    end: String,
    seconds: String,
    megabytes: u64,
    seq: u64,
    path: Option<String>,
    absent: String,
}

struct GapLine {
    camera: String,
    start: String,
    end: String,
    cause: String,
    seq: u64,
}

/// Writes an evidence disc into an empty folder, on disk when this returns.
pub fn export_recording(config: &Config, journal: &Journal, request: &DiscRequest, folder: &Path) -> Result<Disc> {
    Wanted::of(config, journal, request)?.write(config, journal, folder)
}

/// What belongs on a disc: the spans of the cameras, whatever of them is recorded by the time that the log is written out.
struct Wanted<'r> {
    request: &'r DiscRequest,
    cameras: BTreeSet<String>,
    spans: Vec<Span>,
    /// The segments that are there already, whose oldest receipts go onto the disc.
    dated: Vec<u64>,
}

impl Wanted<'_> {
    fn of<'r>(config: &Config, journal: &Journal, request: &'r DiscRequest) -> Result<Wanted<'r>> {
        let spans = spans(config, journal, request)?;
        let cameras = match &request.camera {
            Some(camera) => [camera.clone()].into(),
            // Also those that are no longer in the config.
            None => journal.store().read()?.cameras_recorded()?,
        };
        let mut wanted = Wanted { request, cameras, spans, dated: Vec::new() };
        let (segments, gaps) = wanted.recorded(journal, u64::MAX)?;
        ensure!(
            !segments.is_empty() || !gaps.is_empty(),
            "nothing was to be recorded then; `rollcall recording --date {}` tells of the day",
            request.date
        );
        wanted.dated = segments.iter().map(|row| row.seq).collect();
        Ok(wanted)
    }

    /// The segments and gaps that the first `size` records tell of, in the records' order.
    fn recorded(&self, journal: &Journal, size: u64) -> Result<(Vec<SegmentRow>, Vec<GapRow>)> {
        let (mut segments, mut gaps) = (BTreeMap::new(), BTreeMap::new());
        let reader = journal.store().read()?;
        for (camera, span) in self.parts() {
            let (its_segments, its_gaps) =
                (reader.segments(camera, span.from, span.until)?, reader.gaps(camera, span.from, span.until)?);
            segments.extend(its_segments.into_iter().filter(|row| row.seq < size).map(|row| (row.seq, row)));
            gaps.extend(its_gaps.into_iter().filter(|row| row.seq < size).map(|row| (row.seq, row)));
        }
        Ok((segments.into_values().collect(), gaps.into_values().collect()))
    }

    fn parts(&self) -> impl Iterator<Item = (&String, &Span)> {
        self.cameras.iter().flat_map(|camera| self.spans.iter().map(move |span| (camera, span)))
    }

    fn claim(&self, journal: &Journal) -> Result<String> {
        let claimed = |(camera, span): (&String, &Span)| ClaimedSpan {
            camera: camera.clone(),
            from: journal.time_text(span.from),
            until: journal.time_text(span.until),
        };
        let claim = Claim {
            v: 1,
            device: journal.log().origin.clone(),
            class: self.request.class.clone(),
            spans: self.parts().map(claimed).collect(),
        };
        Ok(serde_json::to_string_pretty(&claim)? + "\n")
    }

    fn write(&self, config: &Config, journal: &Journal, folder: &Path) -> Result<Disc> {
        let claim = self.claim(journal)?;
        make_folder(folder)?;
        write(&folder.join(CLAIM), &claim)?;
        // Before anything is taken: what fails half-way was taken all the same.
        journal_taking(config, journal, self)?;
        let mut shown = Shown::new(&self.cameras, &self.spans, self.request.class.as_deref());
        let claim = evidence::sha256_hex(claim.as_bytes());
        let size = export_log_with(journal, folder, &self.dated, Some(&claim), |record| shown.take(record))?;
        // A camera that goes on recording closes segments meanwhile. All that the disc's log tells of belongs on it.
        let (segments, gaps) = self.recorded(journal, size)?;

        let (mut disc, mut rows) = (Disc::default(), Vec::new());
        for segment in &segments {
            rows.push(copy(config, journal, segment, size, folder, &mut disc)?);
        }
        rows.sort_by(|a, b| (&a.camera, &a.start).cmp(&(&b.camera, &b.start)));
        disc.problems.extend(shown.copy_pictures(journal, folder)?);
        let gap_line = |gap: GapRow| GapLine {
            camera: gap.camera,
            start: journal.time_text(gap.start),
            end: journal.time_text(gap.end),
            cause: format!("{} {}", cause_name(gap.cause).0, cause_name(gap.cause).1),
            seq: gap.seq,
        };
        let index = Index {
            date: self.request.date,
            site: config.appliance.site.clone(),
            room: config.appliance.room.clone(),
            device: journal.log().origin.clone(),
            class: self.request.class.clone(),
            lessons: shown.lesson_lines(),
            references: shown.reference_lines(folder),
            findings: shown.finding_lines(folder),
            segments: rows,
            gaps: gaps.into_iter().map(gap_line).collect(),
        };
        write(&folder.join("index.html"), &index.render()?)?;
        File::open(folder)?.sync_all().with_context(|| format!("cannot write {}", folder.display()))?;
        Ok(disc)
    }
}

/// Stands for the class where no lesson of the plan is shown.
const NO_CLASS: &str = "-";

/// Who takes recordings is a record, as on the pages; here it is whoever may run this program.
fn journal_taking(config: &Config, journal: &Journal, wanted: &Wanted<'_>) -> Result<()> {
    let mut classes: BTreeSet<String> = match &wanted.request.class {
        Some(class) => [class.clone()].into(),
        None => {
            let lessons = Plan::of_all_classes(config, journal)?.lessons_on(journal, wanted.request.date)?;
            lessons.into_iter().map(|lesson| lesson.class.to_string()).collect()
        }
    };
    if classes.is_empty() {
        classes.insert(NO_CLASS.into());
    }
    for class in classes {
        for (camera, span) in wanted.parts() {
            journal.append_viewing(Viewing {
                class: class.clone(),
                by: "cli".into(),
                camera: camera.clone(),
                start: journal.time_text(span.from),
                end: journal.time_text(span.until),
                what: ViewingKind::Downloaded,
            })?;
        }
    }
    Ok(())
}

fn spans(config: &Config, journal: &Journal, request: &DiscRequest) -> Result<Vec<Span>> {
    let Some(class) = &request.class else {
        let midnight = |date: Date| Ok::<_, jiff::Error>(date.to_zoned_datetime(journal.zone().clone())?.timestamp());
        let until = midnight(request.date.checked_add(1.day())?)?;
        return Ok(vec![Span { from: midnight(request.date)?, until }]);
    };
    let class = ClassId::new(class).map_err(anyhow::Error::msg)?;
    // Closed classes too: evidence is often asked for when a class is over.
    let lessons = Plan::of_all_classes(config, journal)?.lessons_on(journal, request.date)?;
    let spans: Vec<Span> = lessons.iter().filter(|lesson| lesson.class == class).map(|lesson| lesson.span).collect();
    ensure!(!spans.is_empty(), "class {class} has no lesson in this room on {}", request.date);
    let now = journal.clock().now();
    Ok(spans.into_iter().map(|span| Span { until: span.until.min(now.max(span.from + SECOND)), ..span }).collect())
}

const SECOND: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Copies one segment to where its record says that it belongs.
///
/// `size`: records in the exported log.
fn copy(
    config: &Config,
    journal: &Journal,
    segment: &SegmentRow,
    size: u64,
    folder: &Path,
    disc: &mut Disc,
) -> Result<Row> {
    let meanwhile =
        || format!("{} was deleted while the disc was written: write it again, into a new folder", segment.path);
    let reader = journal.store().read()?;
    let record = reader.record(segment.seq)?.context("a segment without its record: run `rollcall check`")?;
    let deletion = reader.deletion_of(&segment.path)?;
    drop(reader);
    let place = match read_unverified(record.as_str()).map(|record| record.data) {
        Ok(Data::Segment(record)) => path_of(&record),
        _ => None,
    };
    let place = place.with_context(|| format!("record {} is no segment: run `rollcall check`", segment.seq))?;
    let text = |time: Timestamp| journal.time_text(time);
    let mut row = Row {
        camera: segment.camera.clone(),
        start: text(segment.start),
        end: text(segment.end),
        seconds: format!("{:.1}", segment.end.duration_since(segment.start).as_secs_f64()),
        megabytes: segment.bytes >> 20,
        seq: segment.seq,
        path: None,
        absent: String::new(),
    };
    if let Some(deletion) = deletion {
        ensure!(deletion < size, meanwhile());
        row.absent = format!("已删除（记录 {deletion}）deleted");
        return Ok(row);
    }
    let (from, to) = (config.recordings().join(&segment.path), folder.join(RECORDINGS).join(&place));
    let day = to.parent().unwrap_or(folder);
    fs::create_dir_all(day).with_context(|| format!("cannot make {}", day.display()))?;
    match fs::copy(&from, &to) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ensure!(journal.store().read()?.deletion_of(&segment.path)?.is_none(), meanwhile());
            disc.problems.push(format!("{} is missing; the disc will not verify", from.display()));
            row.absent = "缺失 missing".into();
            return Ok(row);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot copy {} to {}", from.display(), to.display())),
    }
    File::open(&to)?.sync_all().with_context(|| format!("cannot write {}", to.display()))?;
    let (bytes, sha256) = hash_file(&to).with_context(|| format!("cannot read back {}", to.display()))?;
    if sha256 != segment.sha256 {
        disc.problems.push(format!("{} is not what was recorded; the disc will not verify", from.display()));
    }
    disc.segments += 1;
    disc.bytes += bytes;
    row.path = Some(format!("{RECORDINGS}/{place}"));
    Ok(row)
}

fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let written =
        File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::journal::NewFinding;
    use crate::picture::Picture;
    use crate::store::FindingRow;
    use evidence::checkpoint::Witness;
    use evidence::key::SigningKey;
    use evidence::record::{FindingKind, MarkedWorkstation, Segment, Sound, VideoCodec};
    use std::sync::Arc;

    /// A minute of recording, as the recorder would leave it.
    fn record(config: &Config, journal: &Journal, start: &str) {
        let start: Timestamp = start.parse().expect("a time");
        let end = start + jiff::SignedDuration::from_mins(1);
        let text = |time| journal.time_text(time);
        let (reader, bytes) = (journal.store().read().expect("reads"), text(start).into_bytes());
        let previous = reader.segments("back", Timestamp::MIN, Timestamp::MAX).expect("reads").pop();
        drop(reader);
        let segment = Segment {
            camera: "back".into(),
            start: text(start),
            end: text(end),
            frames: 600,
            lost_packets: Some(0),
            bytes: bytes.len() as u64,
            sha256: evidence::sha256_hex(&bytes),
            previous: previous.map(|row| row.sha256),
            codec: VideoCodec::H264,
            width: 160,
            height: 120,
            sound: Sound::None,
            recovered: false,
        };
        let path = path_of(&segment).expect("a place");
        let file = config.recordings().join(&path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, &bytes).expect("written");
        let (camera, bytes, sha256) = ("back".to_owned(), segment.bytes, segment.sha256.clone());
        let row = SegmentRow { seq: 0, camera, start, end, path, bytes, sha256 };
        let put = journal
            .append_with(Data::Segment(segment), |write, seq| write.put_segment(&SegmentRow { seq, ..row.clone() }));
        put.expect("appended");
    }

    /// An appliance at 8:02:30 in its room on 24 November, and the bureau that it is registered with.
    fn appliance(folder: &Path) -> (Config, Journal, SigningKey, Witness) {
        let text = "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n";
        fs::write(folder.join("rollcall.toml"), text).expect("written");
        let config = Config::load(&folder.join("rollcall.toml")).expect("a config");
        let clock = Arc::new(TestClock::at("2026-11-24T00:02:30Z".parse().expect("a time")));
        let state = &config.appliance.state_dir;
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("made");
        let bureau = SigningKey::from_seed(&[5; 32]);
        let witness = Witness { name: "bureau.example".into(), key: bureau.verifying_key() };
        let (url, name, key) = (String::new(), witness.name.clone(), bureau.verifying_key());
        let write = journal.store().begin().expect("begun");
        write.set_registration(&crate::store::Registration { url, name, key }).expect("set");
        write.commit().expect("on disk");
        (config, journal, bureau, witness)
    }

    /// The bureau countersigns all that there is.
    fn countersign(journal: &Journal, bureau: &SigningKey, witness: &Witness) {
        let signed = journal.checkpoint(journal.size()).expect("signed");
        let receipt = signed.countersign(&witness.name, bureau, 1_795_478_000).expect("countersigned");
        journal.keep_receipt(&receipt.to_text(), witness).expect("kept");
    }

    fn whole_day() -> DiscRequest {
        DiscRequest { date: "2026-11-24".parse().expect("a date"), class: None, camera: None }
    }

    #[test]
    fn a_segment_that_is_closed_while_a_disc_of_today_is_written_is_on_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, journal, bureau, witness) = appliance(folder.path());
        record(&config, &journal, "2026-11-24T00:00:00Z");
        countersign(&journal, &bureau, &witness);

        let request = whole_day();
        let wanted = Wanted::of(&config, &journal, &request).expect("there is a recording");
        record(&config, &journal, "2026-11-24T00:01:00Z");
        let out = folder.path().join("disc");
        let disc = wanted.write(&config, &journal, &out).expect("written");
        assert_eq!((disc.segments, disc.problems), (2, Vec::new()));
        let verdict = bureau::verify(&out, Some(bureau.verifying_key())).expect("readable");
        assert!(verdict.verified, "{verdict}");
    }

    #[test]
    fn a_disc_shows_where_workstations_are_marked_and_what_was_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, journal, bureau, witness) = appliance(folder.path());
        let picture = |width| Picture::black(width, 48).to_jpeg(80).expect("encodes");
        let mark = |workstation: &str| MarkedWorkstation {
            workstation: workstation.into(),
            polygon: vec![[0.1, 0.2], [0.3, 0.2], [0.2, 0.5]],
        };
        // Both have held on that day.
        journal.set_reference("back", &picture(64), &[mark("A9")], "appliance").expect("set");
        journal.set_reference("back", &picture(80), &[mark("A1"), mark("<A2>")], "staff:T1").expect("set");
        record(&config, &journal, "2026-11-24T00:00:00Z");
        let begin = |camera: &str, start: &str| {
            let new = NewFinding {
                what: FindingKind::Covered,
                camera: Some(camera.into()),
                workstation: None,
                class: None,
                start: start.parse().expect("a time"),
                measured: BTreeMap::new(),
            };
            journal.begin_finding(new, Some(format!("{camera} {start}").as_bytes())).expect("begun")
        };
        let end = |row: &FindingRow, end: &str| {
            journal.leave_finding(row, end.parse().expect("a time"), BTreeMap::new()).expect("ended");
        };
        let yesterday = begin("back", "2026-11-23T00:00:00Z");
        end(&yesterday, "2026-11-23T00:01:00Z");
        end(&begin("back", "2026-11-24T00:00:10Z"), "2026-11-24T00:00:50Z");
        begin("another", "2026-11-24T00:00:10Z");
        countersign(&journal, &bureau, &witness);

        let out = folder.path().join("disc");
        let disc = export_recording(&config, &journal, &whole_day(), &out).expect("written");
        assert_eq!(disc.problems, Vec::<String>::new());
        let index = fs::read_to_string(out.join("index.html")).expect("there");
        let expected = [
            r#"<polygon points="10.00,20.00 30.00,20.00 20.00,50.00"/>"#,
            r#"<span style="left:20.00%;top:30.00%">A1</span>"#,
            "教师 teacher T1",
            "<td>镜头被遮挡 covered</td><td>back</td><td>2026-11-24T08:00:10.000+08:00</td>\
             <td>2026-11-24T08:00:50.000+08:00（检查已停止，未确认恢复 not seen to be over）</td>",
        ];
        assert!(expected.iter().all(|part| index.contains(part)) && !index.contains("<A2>"), "{index}");
        assert!(!index.contains("another") && index.matches("<td>镜头").count() == 1, "{index}");
        assert!(index.matches("<figure>").count() == 2 && index.contains(">A9<"), "{index}");
        let verdict = bureau::verify(&out, Some(bureau.verifying_key())).expect("readable");
        assert!(verdict.verified, "{verdict}");
        let told = |code: &str| verdict.findings.iter().filter(|finding| finding.code == code).count();
        assert_eq!((told("pictures"), told("missing_picture")), (1, 0), "{verdict}");
        assert!(verdict.to_string().contains("3 of 3 pictures are exactly those of their records"), "{verdict}");
    }
}
