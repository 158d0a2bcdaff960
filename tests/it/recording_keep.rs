//! What is kept of the recordings: room for check-ins, nothing deleted that may not be, and evidence discs on which
//! everything that was altered is named.

use crate::camera::{Server, free_port};
use crate::disk::Small;
use crate::hostile::{BUREAU, bureau_key};
use crate::pace::found_in_time;
use crate::recording::{note_unfinished, room_with};
use evidence::checkpoint::Witness;
use evidence::jws::read_unverified;
use evidence::record::{Data, Deletion, DeletionReason, FindingKind, GapCause, Segment, Sound, VideoCodec};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rollcall::check::{Files, Severity, check};
use rollcall::clock::SystemClock;
use rollcall::commands::export::{DiscRequest, export_recording};
use rollcall::config::Config;
use rollcall::journal::testing::{checkin, class};
use rollcall::journal::{Journal, PlanSource};
use rollcall::recording::archive::{ArchiveError, Archiver, Pass};
use rollcall::recording::retention::{Cleaned, Cleaner};
use rollcall::recording::{Reserve, Service, hash_file, mark};
use rollcall::store::{FindingRow, Registration, SegmentRow};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// An appliance with recordings of the last two days, three segments of a minute each.
pub struct House {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
    pub config: Config,
    pub journal: Arc<Journal>,
    pub segments: Vec<SegmentRow>,
    /// The day before yesterday, and yesterday.
    pub days: [Date; 2],
}

pub fn house(more: &str) -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let text = format!(
        "[appliance]\nsite = \"南开区实训基地\"\nroom = \"301\"\nstate_dir = \"state\"\n[[camera]]\nname = \"back\"\n\
         kind = \"rtsp\"\nurl = \"rtsp://127.0.0.1:1/camera\"\n{more}"
    );
    fs::write(path.join("rollcall.toml"), text).expect("written");
    let config = Config::load(&path.join("rollcall.toml")).expect("a config");
    let clock = Arc::new(SystemClock::default());
    mark(&config.recordings()).expect("marked");
    let state = &config.appliance.state_dir;
    let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
    let today = Timestamp::now().to_zoned_datetime(config.timezone()).date();
    let days = [today - 2.days(), today - 1.day()];
    let mut house = House { _folder: folder, path, config, journal: Arc::new(journal), segments: Vec::new(), days };
    let bureau = Registration { url: "https://bureau".into(), name: BUREAU.into(), key: bureau_key().verifying_key() };
    let write = house.journal.store().begin().expect("begins");
    write.set_registration(&bureau).expect("kept");
    write.commit().expect("kept");
    // What it recorded before is written down at a start.
    house.journal.append_start(&house.config).expect("appended");
    for (day, minute) in days.into_iter().flat_map(|day| (0..3).map(move |minute| (day, minute))) {
        house.record(day, minute);
    }
    house
}

impl House {
    /// A minute of recording from 8:00 on, as the recorder would leave it: file, record, row.
    pub fn record(&mut self, day: Date, minute: i8) {
        let start = day.at(8, minute, 0, 0).to_zoned_datetime(self.journal.zone().clone()).expect("a time");
        let name = start.strftime("back/%Y-%m-%d/%Y-%m-%dT%H-%M-%S.%3f%z.mp4").to_string();
        let file = self.config.recordings().join(&name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        film(&file, self.segments.len());
        let (bytes, sha256) = hash_file(&file).expect("there");
        let (start, end) = (start.timestamp(), start.timestamp() + SignedDuration::from_mins(1));
        let mut row = SegmentRow { seq: 0, camera: "back".into(), start, end, path: name, bytes, sha256 };
        let segment = Segment {
            camera: row.camera.clone(),
            start: self.journal.time_text(start),
            end: self.journal.time_text(end),
            frames: 10,
            lost_packets: Some(0),
            bytes,
            sha256: row.sha256.clone(),
            previous: self.segments.last().map(|last| last.sha256.clone()),
            codec: VideoCodec::H264,
            width: 160,
            height: 120,
            sound: Sound::None,
            recovered: false,
        };
        let appended = self
            .journal
            .append_with(Data::Segment(segment), |write, seq| write.put_segment(&SegmentRow { seq, ..row.clone() }));
        row.seq = appended.expect("appended").seq;
        self.segments.push(row);
    }

    /// The bureau countersigns everything there is, at this time.
    pub fn countersign(&self, unix_seconds: u64) {
        let checkpoint = self.journal.checkpoint(self.journal.size()).expect("signed");
        let note = checkpoint.countersign(BUREAU, &bureau_key(), unix_seconds).expect("a good name").to_text();
        let witness = Witness { name: BUREAU.into(), key: bureau_key().verifying_key() };
        self.journal.keep_receipt(&note, &witness).expect("kept");
    }

    pub fn file(&self, at: usize) -> PathBuf {
        self.config.recordings().join(&self.segments[at].path)
    }

    /// Which of the segments' files are here.
    pub fn here(&self) -> Vec<bool> {
        (0..self.segments.len()).map(|at| self.file(at).exists()).collect()
    }

    pub fn clean(&self) -> Cleaned {
        let mut cleaner = Cleaner::start(&self.config, &self.journal).expect("starts");
        let room = Reserve::new(&self.config).look().expect("a disk");
        cleaner.run(&self.config, &self.journal, room).expect("runs")
    }

    pub fn archive(&self) -> Result<u64, ArchiveError> {
        let mut archiver = Archiver::new(&self.config, &self.journal).expect("readable").expect("there is an archive");
        let done = archiver.run(&self.config, &self.journal, Pass::ClosedDays, &AtomicBool::new(false));
        done.map(|done| done.segments)
    }

    /// What `rollcall check` finds: code, record, and since when.
    pub fn problems(&self) -> Vec<(String, Option<u64>, String)> {
        let files = Files { root: self.config.recordings(), hash: true };
        let report = check(self.journal.store(), self.journal.log().key, Some(&files)).expect("readable");
        let told = crate::check::problems(&report);
        told.map(|found| (found.code.to_owned(), found.seq, found.since.clone().unwrap_or_default())).collect()
    }

    pub fn data(&self) -> Vec<Data> {
        let records = self.journal.store().read().expect("reads").records(0, 1000, usize::MAX).expect("reads");
        records.iter().map(|record| read_unverified(record.as_str()).expect("a record").data).collect()
    }
}

/// A short film that is like no other.
fn film(path: &Path, number: usize) {
    film_of(path, 1, number);
}

/// So many seconds, a key frame each second.
fn film_of(path: &Path, seconds: usize, number: usize) {
    let source = format!("testsrc=duration={seconds}:size=160x120:rate=10");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-y", "-f", "lavfi", "-i", &source])
        .args(["-vf", &format!("hue=h={}", number * 20), "-c:v", "libx264", "-preset", "ultrafast", "-g", "10"])
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
        // Hues come round again.
        .args(["-metadata", &format!("title={number}")])
        .arg(path)
        .status();
    assert!(made.expect("ffmpeg is installed").success());
}

#[test]
fn a_full_disk_stops_the_recording_and_not_the_check_ins_and_it_comes_back() {
    let Some(disk) = Small::mount("8m") else { return };
    let port = free_port();
    let Some(_server) = Server::start(port, "h264") else { return };
    let reserve = "[retention]\nreserve_bytes = 2000000\nstate_reserve_bytes = 2000000\n";
    let room = room_with(disk.folder.path(), port, SignedDuration::from_hours(1), reserve);
    let (_cameras, service) = room.start();
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(3));
    // All but the reserve is taken by somebody else's file.
    let free = service.keeping().disk.expect("it can be asked").free_bytes;
    let other = vec![0; (free - 4_000_000) as usize];
    fs::write(disk.folder.path().join("other"), other).expect("written");
    let full = Instant::now();
    let end = full + Duration::from_secs(60);
    while service.status()[0].gap.as_ref().is_none_or(|(_, cause)| *cause != GapCause::DiskFull) {
        assert!(Instant::now() < end, "{:?} {:?}", service.status(), service.keeping());
        std::thread::sleep(Duration::from_millis(50));
    }
    found_in_time("disk full", full.elapsed());
    let found = Instant::now();
    // What is left is the check-ins'.
    for number in 0..40 {
        let person = format!("{number:02}");
        let photo = vec![number; 10_000];
        room.journal.check_in(checkin("2026-001", &person, "2026-11-24"), Some(&photo)).expect("there is room for it");
    }
    // The segment that the full disk ended is closed and journalled a moment later.
    let end = Instant::now() + Duration::from_secs(60);
    while !service.keeping().cannot_delete.is_some_and(|message| message.contains("not countersigned")) {
        assert!(Instant::now() < end, "{:?}", service.keeping());
        std::thread::sleep(Duration::from_millis(50));
    }
    disk.grow("60m");
    let was_full = found.elapsed();
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(2));
    service.stop();
    let account = room.account(room.segments().last().expect("some").end);
    assert_eq!(account.unexplained, []);
    assert_eq!(account.gaps_ms.keys().copied().collect::<Vec<_>>(), [GapCause::DiskFull, GapCause::ApplianceOff]);
    room.assert_gap(GapCause::DiskFull, was_full, 6.0);
}

#[test]
fn nothing_is_deleted_that_may_not_be_and_what_may_goes_oldest_first() {
    let mut house = house("[retention]\nbudget_bytes = 1\n[archive]\nfolder = \"nas\"\n");
    let cleaned = house.clean();
    assert_eq!((cleaned.deleted.segments, cleaned.held.not_countersigned.segments), (0, 6), "{cleaned:?}");
    assert!(cleaned.wanting > 0 && cleaned.held.text().contains("rollcall sync"), "{}", cleaned.held.text());

    house.countersign(1_790_000_000);
    assert_eq!(house.clean().held.not_archived.segments, 6);

    fs::create_dir(house.path.join("nas")).expect("made");
    Archiver::init(house.config.archive.as_ref().expect("configured")).expect("marked");
    assert_eq!(house.archive().expect("archived"), 6);
    // A finding that goes on since yesterday 8:01 holds what it may be about.
    let start = house.segments[4].start;
    let finding = house.journal.append_with(
        Data::Finding(evidence::record::Finding {
            what: FindingKind::Covered,
            camera: Some("back".into()),
            workstation: None,
            class: None,
            start: house.journal.time_text(start),
            end: None,
            begun: None,
            ending: None,
            thumbnail: None,
            measured: Default::default(),
        }),
        |write, seq| {
            let (camera, what) = (Some("back".into()), FindingKind::Covered);
            let row =
                FindingRow { seq, what, camera, workstation: None, class: None, start, end: None, thumbnail: None };
            write.put_finding(&row, None)
        },
    );
    finding.expect("appended");
    let cleaned = house.clean();
    assert_eq!(house.here(), [false, false, false, false, true, true], "{cleaned:?}");
    assert_eq!(cleaned.held.finding.segments, 2, "{cleaned:?}");
    let deletions: Vec<Deletion> = house
        .data()
        .into_iter()
        .filter_map(|data| if let Data::Deletion(deletion) = data { Some(deletion) } else { None })
        .collect();
    let expected: Vec<u64> = house.segments[..4].iter().map(|row| row.seq).collect();
    assert_eq!(deletions.len(), 1);
    assert_eq!((&deletions[0].segments, deletions[0].reason), (&expected, DeletionReason::Budget));
    assert!(deletions[0].archived);
    assert_eq!(house.problems(), [], "what a record says was deleted is not missing");
    assert_eq!(house.clean().deleted.segments, 0);

    // Killed after the record and before the deed: the next start does it.
    house.record(house.days[1], 9);
    let (seq, bytes) = (house.segments[6].seq, house.segments[6].bytes);
    let deletion = Deletion {
        camera: "back".into(),
        segments: vec![seq],
        bytes,
        reason: DeletionReason::Reserve,
        archived: false,
    };
    let deleted = house.journal.append_with(Data::Deletion(deletion), |write, by| write.put_deleted(by, &[seq]));
    deleted.expect("appended");
    let codes: Vec<_> = house.problems().into_iter().map(|(code, seq, _)| (code, seq)).collect();
    assert_eq!(codes, [("not_deleted".to_owned(), Some(seq))]);
    Cleaner::start(&house.config, &house.journal).expect("starts");
    assert!(!house.file(6).exists());
    assert_eq!(house.problems(), []);
}

#[test]
fn a_file_that_no_recorder_can_have_written_is_not_signed_but_named() {
    let house = house("");
    let now = Timestamp::now().to_zoned_datetime(house.journal.zone().clone());
    let put = |minutes: i64, end: &str| {
        let start = &now - SignedDuration::from_mins(minutes);
        let name = start.strftime("back/%Y-%m-%d/%Y-%m-%dT%H-%M-%S.%3f%z.mp4").to_string();
        let file = house.config.recordings().join(&name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        film(&file, 7);
        fs::rename(&file, house.config.recordings().join(name.clone() + end)).expect("renamed");
        name + end
    };
    let (own, longer, foreign) =
        (put(61, ".part"), put(70, ".part"), [put(50, ""), put(40, ".part"), put(30, ".part")]);
    // Four had been begun here. One of them was changed while the appliance was off; and one is gone.
    let root = house.config.recordings();
    note_unfinished(&house.journal, &root, &root.join(&own));
    // To another, a film was added: of forty seconds, eight or so are its own.
    let film = root.join(&longer).with_extension("mp4");
    film_of(&film, 40, 7);
    let whole = fs::read(&film).expect("just made");
    fs::rename(film, root.join(&longer)).expect("renamed");
    fs::write(root.join(&longer), &whole[..whole.len() / 5]).expect("written");
    note_unfinished(&house.journal, &root, &root.join(&longer));
    fs::write(root.join(&longer), &whole).expect("written");
    note_unfinished(&house.journal, &root, &root.join(&foreign[2]));
    note_unfinished(&house.journal, &root, &root.join(put(20, ".part")));
    fs::remove_file(root.join(put(20, ".part"))).expect("removed");
    let mut bytes = fs::read(root.join(&foreign[2])).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(root.join(&foreign[2]), bytes).expect("written");
    let service = Service::start(&house.config, house.journal.clone(), Arc::default()).expect("starts");
    let reader = house.journal.store().read().expect("reads");
    assert!(reader.is_segment(own.trim_end_matches(".part")).expect("reads"), "it is recovered");
    let rows = reader.segments("back", Timestamp::MIN, Timestamp::MAX).expect("reads");
    let row = rows.iter().find(|row| longer.starts_with(&row.path)).expect("what is surely its own is recovered");
    let seconds = row.end.duration_since(row.start).as_secs();
    assert!((15..=26).contains(&seconds), "{seconds} s");
    assert!(row.bytes < whole.len() as u64 * 2 / 3, "{} of {} bytes", row.bytes, whole.len());
    // Who deletes looks at all files, while cameras are recorded.
    let end = Instant::now() + Duration::from_secs(30);
    while service.keeping().foreign.is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(service.keeping().foreign, foreign);
    service.stop();
    for file in &foreign {
        assert!(house.config.recordings().join(file).exists(), "it is left as it is");
        assert!(!reader.is_segment(file.trim_end_matches(".part")).expect("reads"));
    }
    drop(reader);
    let codes: Vec<_> = house.problems().into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, ["unknown_segment"], "what was written a moment ago is left alone");
    for file in &foreign {
        let file = fs::File::options().append(true).open(root.join(file)).expect("there");
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).expect("set");
    }
    let codes: Vec<_> = house.problems().into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, ["unknown_segment"; 3]);
    assert_eq!(house.journal.store().read().expect("reads").all_unfinished().expect("reads").len(), 1);
}

#[test]
fn a_lesson_without_its_account_keeps_its_recordings() {
    let mut house = house("[retention]\nbudget_bytes = 1\n");
    let mut plan = class("2026-001", &["1"], &["T1"]);
    let today = Timestamp::now().to_zoned_datetime(house.journal.zone().clone()).date();
    let (start, end) = (jiff::civil::time(0, 30, 0, 0), jiff::civil::time(23, 59, 59, 0));
    (plan.lessons[0].date, plan.lessons[0].start, plan.lessons[0].end) = (today, start, end);
    house.journal.import_class(&plan, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    house.record(today, 0);
    house.countersign(1_790_000_000);
    let cleaned = house.clean();
    assert_eq!((cleaned.deleted.segments, cleaned.held.lesson.segments), (6, 1), "{cleaned:?}");
    assert_eq!(house.here().iter().filter(|here| **here).count(), 1);
}

/// What `bureau verify` says of a disc: failures as `code seq`.
fn failures(disc: &Path) -> Vec<(String, Option<u64>, String)> {
    let verdict = bureau::verify(disc, Some(bureau_key().verifying_key())).expect("readable");
    let failed: Vec<_> = verdict
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Failure)
        .map(|finding| (finding.code.to_owned(), finding.seq, finding.message.clone()))
        .collect();
    assert_eq!(verdict.verified, failed.is_empty(), "{verdict}");
    failed
}

#[test]
fn whatever_was_done_to_an_evidence_disc_is_named_with_file_record_camera_time_and_since_when() {
    let house = house("[retention]\nbudget_bytes = 1\n");
    house.countersign(1_790_000_000);
    let disc = |name: &str, day: usize| {
        let (folder, date) = (house.path.join(name), house.days[day]);
        let request = DiscRequest { date, class: None, camera: None };
        let disc = export_recording(&house.config, &house.journal, &request, &folder).expect("written");
        assert_eq!(disc.problems, Vec::<String>::new());
        (folder, disc)
    };
    let (first, made) = disc("first", 0);
    assert_eq!(made.segments, 3);
    // Taken on record, and on the disc, though no lesson of a plan is shown.
    let log = fs::read_to_string(first.join("records.jws")).expect("there");
    let taken = log.lines().filter_map(|line| match read_unverified(line).expect("a record").data {
        Data::Viewing(viewing) => Some((viewing.class, viewing.by, viewing.camera)),
        _ => None,
    });
    assert_eq!(taken.collect::<Vec<_>>(), [("-".to_owned(), "cli".to_owned(), "back".to_owned())]);
    let (second, _) = disc("second", 1);
    assert_eq!(failures(&second), []);
    let index = fs::read_to_string(first.join("index.html")).expect("there");
    assert!(index.contains("<h1>录像光盘") && index.matches(".mp4\">").count() == 3, "{index}");
    let place = |disc: &Path, at: usize| disc.join("recordings").join(&house.segments[at].path);
    let whole: Vec<Vec<u8>> = (0..3).map(|at| fs::read(place(&first, at)).expect("there")).collect();
    let expect = |expected: &[(&str, Option<usize>)], what: &str| {
        let found = failures(&first);
        let codes: Vec<_> = found.iter().map(|(code, seq, _)| (code.as_str(), *seq)).collect();
        let expected: Vec<_> = expected.iter().map(|(code, at)| (*code, at.map(|at| house.segments[at].seq))).collect();
        assert_eq!(codes, expected, "{what}: {found:?}");
        for (_, _, message) in found.iter().filter(|(_, seq, _)| seq.is_some()) {
            let named = ["camera back", ".mp4", "record ", "T08:0", "countersigned at 2026-09-"];
            assert!(named.iter().all(|word| message.contains(word)), "{message}");
        }
    };
    expect(&[], "untouched");
    let mut changed = whole[0].clone();
    changed[whole[0].len() / 2] ^= 1;
    fs::write(place(&first, 0), &changed).expect("written");
    expect(&[("altered_segment", Some(0))], "one bit");
    fs::remove_file(place(&first, 0)).expect("removed");
    expect(&[("missing_segment", Some(0))], "removed");
    fs::write(place(&first, 0), &whole[1]).expect("written");
    fs::write(place(&first, 1), &whole[0]).expect("written");
    expect(&[("swapped_segment", Some(0))], "two are swapped, one after the other");
    fs::write(place(&first, 0), &whole[0]).expect("written");
    fs::copy(place(&second, 4), place(&first, 1)).expect("copied");
    expect(&[("other_day_segment", Some(1))], "another day's");
    fs::write(place(&first, 1), &whole[2]).expect("written");
    expect(&[("other_segment", Some(1))], "twice the same");
    fs::write(place(&first, 1), &whole[1]).expect("written");
    fs::write(place(&first, 1).with_file_name("more.mp4"), b"more").expect("written");
    expect(&[("unknown_segment", None)], "one more");
    fs::remove_file(place(&first, 1).with_file_name("more.mp4")).expect("removed");
    // What the disc is meant to hold is vouched for too: less cannot be claimed afterwards, nor nothing.
    let claim = first.join("disc.json");
    let told = fs::read_to_string(&claim).expect("there");
    fs::remove_file(place(&first, 0)).expect("removed");
    fs::write(&claim, told.replacen("T00:00:00.000", "T12:00:00.000", 1)).expect("written");
    expect(&[("altered_claim", None)], "a narrower claim");
    fs::remove_file(&claim).expect("removed");
    expect(&[("no_claim", None)], "no claim");
    fs::rename(first.join("recordings"), house.path.join("away")).expect("moved");
    expect(&[("no_claim", None)], "neither claim nor recordings");
    fs::rename(house.path.join("away"), first.join("recordings")).expect("moved");
    fs::write(&claim, &told).expect("written");
    fs::write(place(&first, 0), &whole[0]).expect("written");
    expect(&[], "as it was");

    // The same on the appliance.
    let since = |problems: Vec<(String, Option<u64>, String)>| {
        assert!(problems.iter().all(|(_, _, since)| since.contains("2026-09-")), "{problems:?}");
        problems.into_iter().map(|(code, seq, _)| (code, seq)).collect::<Vec<_>>()
    };
    let own = fs::read(house.file(3)).expect("there");
    fs::copy(house.file(0), house.file(3)).expect("copied");
    assert_eq!(since(house.problems()), [("other_day_segment".to_owned(), Some(house.segments[3].seq))]);
    fs::write(house.file(3), own).expect("written");

    // Deleted with a record, it is absent and not missing.
    assert_eq!(house.clean().deleted.segments, 6);
    let request = DiscRequest { date: house.days[0], class: None, camera: Some("back".into()) };
    let third = house.path.join("third");
    let made = export_recording(&house.config, &house.journal, &request, &third).expect("written");
    assert_eq!((made.segments, made.problems), (0, Vec::new()));
    let verdict = bureau::verify(&third, Some(bureau_key().verifying_key())).expect("readable");
    assert!(verdict.verified, "{verdict}");
    let deleted: Vec<_> = verdict.findings.iter().filter(|finding| finding.code == "deleted_unarchived").collect();
    assert_eq!(deleted.len(), 1, "{verdict}");
    assert_eq!(deleted[0].severity, Severity::Warning, "the film is not there");
    let expected = ["3 segments of camera back", "no archive holds it"];
    assert!(expected.iter().all(|words| deleted[0].message.contains(words)), "{verdict}");
}
