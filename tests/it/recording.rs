//! Lessons on disk, from a real network camera (GStreamer's RTSP server): every frame, every moment, and after every
//! crash.

use crate::camera::{Server, free_port};
use crate::clock::noon;
use crate::coverage::wait_coverage;
use crate::kill::{STATE, child};
use crate::pace::{at_most, found_in_time};
use evidence::jws::{SignedRecord, read_unverified};
use evidence::record::{Data, GapCause};
use jiff::{SignedDuration, Timestamp};
use rollcall::camera::{Camera, Decode};
use rollcall::check::{Files, check};
use rollcall::class::Span;
use rollcall::clock::SystemClock;
use rollcall::config::Config;
use rollcall::coverage::account::{Account, account};
use rollcall::journal::{Journal, PlanSource, testing};
use rollcall::recording::{Service, hash_file};
use rollcall::store::SegmentRow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An appliance in `folder` whose lesson began an hour ago and goes on for an hour; it records one network camera.
pub struct Room {
    pub config: Config,
    pub journal: Arc<Journal>,
    /// Of the whole lesson, with the roll call.
    lesson: Span,
}

fn room(folder: &Path, port: u16) -> Room {
    room_until(folder, port, SignedDuration::from_hours(1))
}

/// `rest`: how long the lesson still lasts, when the room is new.
fn room_until(folder: &Path, port: u16, rest: SignedDuration) -> Room {
    room_with(folder, port, rest, "")
}

/// `more` settings stand at the end of the config.
pub fn room_with(folder: &Path, port: u16, rest: SignedDuration, more: &str) -> Room {
    room_at(folder, &format!("rtsp://127.0.0.1:{port}/camera"), rest, more)
}

/// Likewise, with the camera's address.
pub fn room_at(folder: &Path, url: &str, rest: SignedDuration, more: &str) -> Room {
    let file = folder.join("rollcall.toml");
    let text = format!(
        "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n[recording]\nsegment_seconds = 10\n\
         [[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"{url}\"\nstall_seconds = 1.5\n{more}"
    );
    std::fs::write(&file, text).expect("written");
    let config = Config::load(&file).expect("a config");
    let (clock, zone) = (Arc::new(SystemClock::default()), noon());
    let state = &config.appliance.state_dir;
    let journal = match state.exists() {
        true => Journal::open_state(state, clock, zone.clone()).expect("opens"),
        false => Journal::initialise(state, "site", "301", clock, zone.clone()).expect("initialised"),
    };
    let known = journal.store().read().expect("reads").classes().expect("reads");
    let class = match known.first() {
        Some(row) => row.class.clone(),
        None => {
            let now = Timestamp::now().to_zoned_datetime(zone.clone());
            let mut class = testing::class("2026-001", &["1"], &["T1"]);
            class.lessons.truncate(1);
            class.lessons[0].date = now.date();
            class.lessons[0].start = (&now - SignedDuration::from_hours(1)).time();
            class.lessons[0].end = (&now + rest).time();
            class.lessons[0].room = String::new();
            journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
            class
        }
    };
    let lesson = rollcall::class::recorded_span(&class.lessons[0], journal.zone(), 10).expect("a span");
    Room { config, journal: Arc::new(journal), lesson }
}

impl Room {
    pub fn start(&self) -> (Arc<Vec<Camera>>, Service) {
        let cameras: Vec<_> =
            self.config.cameras.iter().map(|camera| Camera::start(camera, Decode::KeyFrames)).collect();
        let cameras = Arc::new(cameras);
        let service = Service::start(&self.config, self.journal.clone(), cameras.clone()).expect("records");
        (cameras, service)
    }

    pub fn segments(&self) -> Vec<SegmentRow> {
        let reader = self.journal.store().read().expect("reads");
        reader.segments("back", Timestamp::MIN, Timestamp::MAX).expect("reads")
    }

    /// The account of the lesson up to `until`.
    pub fn account(&self, until: Timestamp) -> Account {
        let reader = self.journal.store().read().expect("reads");
        let segments = reader.segments("back", Timestamp::MIN, Timestamp::MAX).expect("reads");
        let gaps = reader.gaps("back", Timestamp::MIN, Timestamp::MAX).expect("reads");
        let segments: Vec<_> = segments.iter().map(|row| Span { from: row.start, until: row.end }).collect();
        let gaps: Vec<_> = gaps.iter().map(|row| (Span { from: row.start, until: row.end }, row.cause)).collect();
        account(Span { until, ..self.lesson }, &segments, &gaps)
    }

    /// Of this cause there is one gap, as long as it took (`away`), or longer by `more` seconds at most.
    pub fn assert_gap(&self, cause: GapCause, away: Duration, more: f64) {
        let gaps = self.journal.store().read().expect("reads").gaps("back", Timestamp::MIN, Timestamp::MAX);
        let of_cause: Vec<_> = gaps.expect("reads").into_iter().filter(|gap| gap.cause == cause).collect();
        assert_eq!(of_cause.len(), 1, "{of_cause:?}");
        let length = of_cause[0].end.duration_since(of_cause[0].start).unsigned_abs();
        let shortest = away.saturating_sub(Duration::from_millis(300));
        assert!((shortest..away + at_most(more)).contains(&length), "{cause:?}: {length:?}, away for {away:?}");
    }

    pub fn wait_recording(&self, service: &Service, wanted: bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while service.status()[0].recording != wanted {
            assert!(Instant::now() < end, "{:?}", service.status());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Hashes of all frames of all segments, in order, as ffmpeg decodes them.
    fn frames(&self) -> Vec<String> {
        let folder = self.config.recordings();
        self.segments().iter().flat_map(|segment| frame_hashes(&folder.join(&segment.path))).collect()
    }
}

pub fn frame_hashes(path: &Path) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(path)
        .args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "framehash", "-hash", "md5", "-"])
        .output()
        .expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned()))
        .collect()
}

#[test]
fn every_frame_that_was_sent_is_in_the_files_and_time_adds_up() {
    let folder = tempfile::tempdir().expect("a folder");
    for codec in ["h264", "h265"] {
        let folder = folder.path().join(codec);
        std::fs::create_dir(&folder).expect("made");
        let (port, sent) = (free_port(), folder.join("sent.raw"));
        let Some(server) = Server::start_with(port, codec, &["--save", sent.to_str().expect("UTF-8")]) else { return };
        let room = room(&folder, port);
        let (cameras, service) = room.start();
        room.wait_recording(&service, true);
        let begun = service.status()[0].begun.clone();
        std::thread::sleep(Duration::from_secs(23));
        let lost = cameras[0].status().lost_packets;
        service.stop();
        let stopped = Timestamp::now();
        drop(cameras);
        drop(server);

        let segments = room.segments();
        assert!(segments.len() >= 3, "{segments:?}");
        let starts = segments.iter().map(|segment| Some(room.journal.time_text(segment.start)));
        assert!(starts.clone().any(|start| start == begun), "{begun:?} {:?}", starts.collect::<Vec<_>>());
        for pair in segments.windows(2) {
            assert_eq!(pair[0].end, pair[1].start, "a segment ends where the next begins");
            let late = pair[1].start.as_millisecond() % 10_000;
            assert!(
                late < at_most(1.0).as_millis() as i64,
                "cut at the first key frame after a multiple of 10 s: {late}"
            );
        }
        for segment in &segments {
            let (bytes, sha256) = hash_file(&room.config.recordings().join(&segment.path)).expect("it is there");
            assert_eq!((bytes, &sha256), (segment.bytes, &segment.sha256));
        }
        assert_eq!(lost, 0);
        let (sent, kept) = (frame_hashes(&sent), room.frames());
        let first = sent.iter().position(|hash| Some(hash) == kept.first()).expect("the first frame was sent");
        assert!(first <= 40, "the first {first} frames are missing");
        assert_eq!(sent[first..first + kept.len()], kept[..], "each frame, once, in order");
        // What was sent before the recorder had connected and after it was stopped is all that is not in them.
        assert!(first + kept.len() + 40 >= sent.len(), "{first} + {} of {}", kept.len(), sent.len());

        // The time before the recorder was first started is told of, and nothing is unexplained.
        let account = room.account(segments.last().expect("some").end);
        assert_eq!(account.unexplained, []);
        assert_eq!(account.gaps_ms.keys().collect::<Vec<_>>(), [&GapCause::ApplianceOff]);
        let last = segments.last().expect("some").end;
        assert!(stopped.duration_since(last).unsigned_abs() < at_most(2.0), "{last} {stopped}");
        tampering_is_found_and_named(&room);
    }
}

#[test]
fn a_camera_that_stalls_and_one_that_dies_leave_gaps_that_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(server) = Server::start(port, "h264") else { return };
    let room = room(folder.path(), port);
    let (_cameras, service) = room.start();
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(3));
    server.signal("USR1");
    let (stopped, mut away) = (Instant::now(), Vec::new());
    room.wait_recording(&service, false);
    found_in_time("no pictures, though connected", stopped.elapsed());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(service.status()[0].gap.as_ref().map(|(_, cause)| *cause), Some(GapCause::CameraStalled));
    // Given up meanwhile, and connected to anew: it is still the camera that stands still.
    std::thread::sleep(Duration::from_secs(5));
    server.signal("USR1");
    away.push(stopped.elapsed());
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(2));
    drop(server);
    let gone = Instant::now();
    room.wait_recording(&service, false);
    found_in_time("camera gone", gone.elapsed());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(service.status()[0].gap.as_ref().map(|(_, cause)| *cause), Some(GapCause::CameraAbsent));
    let Some(_server) = Server::start(port, "h264") else { return };
    away.push(gone.elapsed());
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(2));
    service.stop();
    let account = room.account(room.segments().last().expect("some").end);
    assert_eq!(account.unexplained, []);
    let causes: Vec<_> = account.gaps_ms.keys().copied().collect();
    assert_eq!(causes, [GapCause::CameraAbsent, GapCause::CameraStalled, GapCause::ApplianceOff]);
    // One gap each, as long as it was away, and until it was connected to anew.
    for (cause, away) in [GapCause::CameraStalled, GapCause::CameraAbsent].into_iter().zip(away) {
        room.assert_gap(cause, away, 6.0);
    }
}

/// What `rollcall check` finds, as `code seq`.
fn problems(room: &Room) -> Vec<String> {
    let files = Files { root: room.config.recordings(), hash: true };
    let report = check(room.journal.store(), room.journal.log().key, Some(&files)).expect("readable");
    let place = |seq: Option<u64>| seq.map_or_else(String::new, |seq| format!(" {seq}"));
    crate::check::problems(&report).map(|problem| format!("{}{}", problem.code, place(problem.seq))).collect()
}

fn tampering_is_found_and_named(room: &Room) {
    let (segments, root) = (room.segments(), room.config.recordings());
    let path = |at: usize| root.join(&segments[at].path);
    let seq = |at: usize| segments[at].seq;
    assert_eq!(problems(room), Vec::<String>::new());
    let whole = std::fs::read(path(0)).expect("there");
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    std::fs::write(path(0), &changed).expect("written");
    assert_eq!(problems(room), [format!("altered_segment {}", seq(0))], "one bit");
    std::fs::remove_file(path(0)).expect("removed");
    assert_eq!(problems(room), [format!("missing_segment {}", seq(0))]);
    std::fs::copy(path(1), path(0)).expect("copied");
    assert_eq!(problems(room), [format!("swapped_segment {}", seq(0))], "another time's recording");
    std::fs::write(path(1), &whole).expect("written");
    assert_eq!(problems(room), [format!("swapped_segment {}", seq(0)), format!("swapped_segment {}", seq(1))]);
    std::fs::rename(path(1), root.join("more.mp4")).expect("moved");
    assert_eq!(problems(room).len(), 3, "two segments and a file that no record vouches for");
}

/// Records until it is killed.
#[test]
#[ignore = "a process to be killed by kill_9_costs_one_group_of_pictures_at_most"]
fn child_records() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let folder = Path::new(&state);
    let port = std::fs::read_to_string(folder.join("port")).expect("given").parse().expect("a number");
    let room = room(folder, port);
    let (_cameras, _service) = room.start();
    std::thread::sleep(Duration::from_secs(3600));
}

#[test]
fn kill_9_costs_one_group_of_pictures_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(_server) = Server::start(port, "h264") else { return };
    std::fs::write(folder.path().join("port"), port.to_string()).expect("written");
    drop(room(folder.path(), port));
    let mut killed = Vec::new();
    for seconds in [4.0, 7.3, 12.6] {
        let mut process = child("recording::child_records", folder.path());
        std::thread::sleep(Duration::from_secs_f64(seconds));
        process.kill().expect("killed");
        process.wait().expect("gone");
        killed.push(Timestamp::now());
    }
    let room = room(folder.path(), port);
    let (_cameras, service) = room.start();
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(2));
    service.stop();
    let segments = room.segments();
    for killed in killed {
        let before = segments.iter().filter(|segment| segment.start < killed).max_by_key(|segment| segment.end);
        let lost = killed.duration_since(before.expect("recorded before it was killed").end);
        // The server's key frames are a second apart.
        eprintln!("kill -9: {:.1} s lost", lost.as_secs_f32());
        assert!(lost.unsigned_abs() < at_most(1.5), "{lost:?} were lost");
    }
    let account = room.account(segments.last().expect("some").end);
    assert_eq!(account.unexplained, []);
    assert_eq!(account.gaps_ms.keys().copied().collect::<Vec<_>>(), [GapCause::ApplianceOff]);
    assert!(!room.frames().is_empty(), "all of it plays");
}

#[test]
fn a_stop_that_is_meant_and_one_that_is_not_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(_server) = Server::start(port, "h264") else { return };
    let room = room(folder.path(), port);
    let pause = || std::thread::sleep(Duration::from_secs(2));
    let begun = Timestamp::now();
    for is_meant in [true, false] {
        let (_cameras, service) = room.start();
        pause();
        if is_meant {
            service.stop_as_meant()
        } else {
            service.stop()
        }
        drop(service);
        pause();
    }
    let (_cameras, service) = room.start();
    pause();
    service.stop();
    let account = room.account(Timestamp::now() - Duration::from_millis(200));
    assert_eq!(account.unexplained_ms(), 0, "{account:?}");
    let before = room.account(begun);
    for cause in [GapCause::OperatorStop, GapCause::ApplianceOff] {
        let of = |account: &Account| account.gaps_ms.get(&cause).copied().unwrap_or_default();
        // The pause, and until the first picture.
        assert!(
            (1900..at_most(4.0).as_millis() as i64).contains(&(of(&account) - of(&before))),
            "{cause:?}: {account:?}"
        );
    }
}

#[test]
fn a_lesson_that_the_service_slept_through_is_accounted_for_though_its_class_was_closed_and_its_camera_is_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let room = room_until(folder.path(), free_port(), SignedDuration::from_secs(3));
    let class = room.journal.store().read().expect("reads").classes().expect("reads").remove(0).class;
    room.journal.close_class(&class.id).expect("closed");
    std::thread::sleep(Duration::from_secs(4));
    let (_cameras, service) = room.start();
    let coverage = wait_coverage(&room.journal, 60);
    service.stop();
    let camera = &coverage.cameras[0];
    assert_eq!(camera.gaps_ms.keys().copied().collect::<Vec<_>>(), [GapCause::ApplianceOff], "{camera:?}");
    assert_eq!((camera.gaps_ms[&GapCause::ApplianceOff], camera.unexplained_ms), (camera.required_ms, 0));
    assert_eq!(room.account(room.lesson.until).unexplained, []);
}

#[test]
fn a_lesson_that_is_over_has_an_account_that_adds_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(_server) = Server::start(port, "h264") else { return };
    let room = room_until(folder.path(), port, SignedDuration::from_secs(8));
    let (_cameras, service) = room.start();
    room.wait_recording(&service, true);
    let end = Instant::now() + Duration::from_secs(60);
    let coverage = loop {
        let reader = room.journal.store().read().expect("reads");
        let records = reader.records(0, 1000, usize::MAX).expect("reads");
        let data = |record: &SignedRecord| read_unverified(record.as_str()).expect("a record").data;
        if let Some(Data::Coverage(coverage)) = records.iter().map(data).find(|data| data.kind() == "coverage") {
            break coverage;
        }
        drop(reader);
        assert!(Instant::now() < end, "no account");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(!coverage.complete, "it was not recorded from its beginning");
    let camera = &coverage.cameras[0];
    assert_eq!(camera.required_ms, (70 * 60 + 8) * 1000, "roll call, an hour and eight seconds");
    assert_eq!(camera.unexplained_ms, 0);
    assert_eq!(camera.recorded_ms + camera.gaps_ms.values().sum::<u64>(), camera.required_ms);
    assert!((4000..9000).contains(&camera.recorded_ms), "{camera:?}");
    assert!(!service.status()[0].wanted && !service.status()[0].recording, "nothing is kept outside lessons");
    let frames = room.frames().len();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(room.frames().len(), frames);
}

/// As if a recorder had written a file so far and was killed.
pub fn note_unfinished(journal: &Journal, root: &Path, part: &Path) {
    let (bytes, sha256) = rollcall::recording::hash_file(part).expect("there");
    let path = part.with_extension("").strip_prefix(root).expect("below it").to_string_lossy().into_owned();
    let write = journal.store().begin().expect("begins");
    write
        .put_unfinished(&rollcall::store::UnfinishedRow { path, bytes, sha256, at: Timestamp::now() })
        .expect("written");
    write.commit().expect("committed");
}
