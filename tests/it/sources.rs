//! What is recorded, and from which cameras: lessons that differ, sound that is kept and sound that is not, cameras
//! whose pictures are encoded here, packets that are lost.

use crate::camera::{Server, free_port};
use crate::clock::noon;
use crate::recording::{frame_hashes, note_unfinished};
use evidence::jws::{SignedRecord, read_unverified};
use evidence::record::{Coverage, Data, GapCause, Segment, Sound};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rollcall::camera::{Camera, Decode};
use rollcall::class::{ClassId, Lesson, SoundPolicy, Span};
use rollcall::clock::SystemClock;
use rollcall::config::Config;
use rollcall::journal::{Journal, PlanSource, testing};
use rollcall::recording::{Service, account_of, cameras_accounted};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Room {
    config: Config,
    journal: Arc<Journal>,
    began: Timestamp,
}

fn lesson(now: Timestamp, from: i64, until: i64) -> Lesson {
    lesson_in(&noon(), now, from, until)
}

/// A lesson that begins and ends so many seconds from `now`.
pub fn lesson_in(zone: &TimeZone, now: Timestamp, from: i64, until: i64) -> Lesson {
    let at = |seconds| (now + SignedDuration::from_secs(seconds)).to_zoned_datetime(zone.clone());
    Lesson {
        date: at(from).date(),
        start: at(from).time(),
        end: at(until).time(),
        room: String::new(),
        ..testing::class("2026-001", &["1"], &["T1"]).lessons[0].clone()
    }
}

impl Room {
    fn new(folder: &Path, cameras: &str, lessons: Vec<Lesson>) -> Room {
        let file = folder.join("rollcall.toml");
        let text = format!(
            "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n\
             [recording]\nsegment_seconds = 10\nlead_minutes = 0\nencoded_fps = 30\n{cameras}"
        );
        std::fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("a config");
        let (clock, state) = (Arc::new(SystemClock::default()), &config.appliance.state_dir);
        let journal = Journal::initialise(state, "site", "301", clock, noon()).expect("initialised");
        let mut class = testing::class("2026-001", &["1"], &["T1"]);
        class.lessons = lessons;
        journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
        Room { config, journal: Arc::new(journal), began: Timestamp::now() }
    }

    fn start(&self) -> (Arc<Vec<Camera>>, Service) {
        let cameras = self.config.cameras.iter().map(|camera| Camera::start(camera, Decode::KeyFrames));
        let cameras = Arc::new(cameras.collect::<Vec<_>>());
        let service = Service::start(&self.config, self.journal.clone(), cameras.clone()).expect("records");
        let end = Instant::now() + Duration::from_secs(30);
        while !service.status()[0].recording {
            assert!(Instant::now() < end, "{:?}", service.status());
            std::thread::sleep(Duration::from_millis(20));
        }
        (cameras, service)
    }

    fn records(&self) -> Vec<Data> {
        let records = self.journal.store().read().expect("reads").records(0, 1000, usize::MAX).expect("reads");
        let data = |record: &SignedRecord| read_unverified(record.as_str()).expect("a record").data;
        records.iter().map(data).collect()
    }

    /// A camera's segments in order: their records, and their files.
    fn segments(&self, camera: &str) -> Vec<(Segment, PathBuf)> {
        let of = |data| match data {
            Data::Segment(segment) if segment.camera == camera => Some(segment),
            _ => None,
        };
        let reader = self.journal.store().read().expect("reads");
        let rows = reader.segments(camera, Timestamp::MIN, Timestamp::MAX).expect("reads");
        let files = rows.into_iter().map(|row| self.config.recordings().join(row.path));
        self.records().into_iter().filter_map(of).zip(files).collect()
    }

    fn coverages(&self) -> Vec<Coverage> {
        let of = |data| match data {
            Data::Coverage(coverage) => Some(coverage),
            _ => None,
        };
        self.records().into_iter().filter_map(of).collect()
    }
}

fn rtsp(name: &str, port: u16, more: &str) -> String {
    format!(
        "[[camera]]\nname = \"{name}\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1:{port}/camera\"\n\
         stall_seconds = 2.0\n{more}\n"
    )
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

pub fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The streams of a file, by their kinds.
fn streams(path: &Path) -> Vec<String> {
    let arguments = ["-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", shown(path)];
    String::from_utf8(run("ffprobe", &arguments)).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// When a file's last piece of sound begins, seconds from the file's beginning.
fn last_sound(path: &Path) -> f64 {
    let arguments =
        ["-v", "error", "-select_streams", "a", "-show_entries", "packet=pts_time", "-of", "csv=p=0", shown(path)];
    let text = String::from_utf8(run("ffprobe", &arguments)).expect("UTF-8");
    text.lines().filter_map(|line| line.trim_end_matches(',').parse::<f64>().ok()).fold(0.0, f64::max)
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("RFC 3339")
}

#[test]
fn each_lesson_is_recorded_with_its_cameras_and_its_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(_server) = Server::start_with(port, "h264", &["--sound", "pcmu"]) else { return };
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("now");
    let cameras = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let heard = Lesson { cameras: cameras(&["front"]), ..lesson(now, -60, 8) };
    let quiet = Lesson {
        cameras: cameras(&["front", "back", "nowhere"]),
        sound: SoundPolicy::Dropped { consent: "津人社2026-12号".into() },
        ..lesson(now, 8, 14)
    };
    let (border, over) = (now + SignedDuration::from_secs(8), now + SignedDuration::from_secs(14));
    let room = Room::new(folder.path(), &(rtsp("front", port, "") + &rtsp("back", port, "")), vec![heard, quiet]);
    let (_cameras, service) = room.start();
    assert!(Timestamp::now() < border, "too slow a machine");
    assert!(!service.status()[1].wanted && !service.status()[1].recording, "the first lesson needs one camera");
    while Timestamp::now() < border + SignedDuration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let absent = service.status().into_iter().find(|camera| camera.camera == "nowhere").expect("told of");
    assert_eq!(absent.gap.map(|(_, cause)| cause), Some(GapCause::CameraAbsent), "while the lesson goes on");
    let end = Instant::now() + Duration::from_secs(40);
    while room.coverages().len() < 2 {
        assert!(Instant::now() < end, "no account");
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(service);

    let front = room.segments("front");
    for pair in front.windows(2) {
        assert_eq!(pair[0].0.end, pair[1].0.start, "nothing is lost at the border");
    }
    let (mut with, mut without) = (0, 0);
    for (segment, path) in &front {
        // The server's key frames are a second apart; a segment ends at one.
        let is_quiet = time(&segment.start) >= border;
        assert_eq!(segment.sound, if is_quiet { Sound::Dropped } else { Sound::Recorded }, "{segment:?}");
        if is_quiet {
            without += 1;
            assert_eq!(streams(path), ["video"], "no sound reached the disk");
        } else {
            with += 1;
            assert_eq!(streams(path), ["video", "audio"]);
            let late = time(&segment.end).duration_since(border);
            assert!(late < SignedDuration::from_millis(1500), "it ends at the border: {late}");
            let last = time(&segment.start) + SignedDuration::from_secs_f64(last_sound(path));
            assert!(last <= border + SignedDuration::from_millis(200), "sound ends with the lesson: {last} {border}");
        }
    }
    assert!(with >= 1 && without >= 1, "{front:?}");
    let back = room.segments("back");
    assert!(!back.is_empty());
    for (segment, path) in &back {
        assert!(time(&segment.start) > border - SignedDuration::from_millis(1500), "{segment:?}");
        assert!(time(&segment.end) <= over + SignedDuration::from_secs(1), "{segment:?}");
        assert_eq!((segment.sound, streams(path).len()), (Sound::Dropped, 1));
    }
    let coverages = room.coverages();
    let names = |coverage: &Coverage| coverage.cameras.iter().map(|camera| camera.camera.clone()).collect::<Vec<_>>();
    assert_eq!(names(&coverages[0]), ["front"]);
    assert_eq!(names(&coverages[1]), ["front", "back", "nowhere"]);
    // Whatever cameras there are later, what had to record a lesson is what its account names.
    let view = room.journal.store().read().expect("reads");
    for coverage in &coverages {
        let class = ClassId::new(&coverage.class).expect("a number");
        let accounted = cameras_accounted(&view, &class, time(&coverage.start)).expect("reads");
        assert_eq!(accounted, Some(names(coverage)));
    }
    drop(view);
    assert!(coverages.iter().flat_map(|coverage| &coverage.cameras).all(|camera| camera.unexplained_ms == 0));
    let consents = coverages.iter().map(|coverage| coverage.sound_consent.as_deref()).collect::<Vec<_>>();
    assert_eq!(consents, [None, Some("津人社2026-12号")]);
    assert!(!coverages[1].complete, "a camera is missing");
    let absent = &coverages[1].cameras[2];
    assert_eq!((absent.recorded_ms, absent.gaps_ms[&GapCause::CameraAbsent]), (0, 6000), "{absent:?}");
    assert!(coverages[1].cameras[..2].iter().all(|camera| camera.recorded_ms > 5500), "{coverages:?}");
    let longest = |sound| {
        let of = front.iter().chain(&back).filter(move |(segment, _)| segment.sound == sound);
        of.max_by_key(|(segment, _)| segment.frames).expect("one")
    };
    for (segment, path) in [Sound::Recorded, Sound::Dropped].map(longest) {
        assert_eq!(recovered(path), segment.sound, "a file knows what became of its sound");
    }
}

#[test]
fn outside_lessons_cameras_are_recorded_without_sound_where_the_config_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(_server) = Server::start_with(port, "h264", &["--sound", "pcmu"]) else { return };
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("now");
    // Segments end at each tenth second too: that is not to be where sound begins.
    let begins = 8 + (4 - (now.as_second() + 8)).rem_euclid(10);
    let mut room = Room::new(folder.path(), &rtsp("front", port, ""), vec![lesson(now, begins, 600)]);
    room.config.recording.outside_lessons = true;
    let (_cameras, service) = room.start();
    let border = now + SignedDuration::from_secs(begins);
    assert!(Timestamp::now() < border, "too slow a machine");
    while Timestamp::now() < border + SignedDuration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(100));
    }
    service.stop();
    let segments = room.segments("front");
    for pair in segments.windows(2) {
        assert_eq!(pair[0].0.end, pair[1].0.start, "nothing is lost at the border");
    }
    for (segment, path) in &segments {
        let (sound, kept) = match time(&segment.end) <= border + SignedDuration::from_millis(1500) {
            true => (Sound::Dropped, vec!["video"]),
            false => (Sound::Recorded, vec!["video", "audio"]),
        };
        assert_eq!((segment.sound, streams(path)), (sound, kept.iter().map(|kind| kind.to_string()).collect()));
    }
    assert!(segments.len() >= 2, "{segments:?}");
}

/// What the record of a segment says of its sound that was cut off in the middle and is recovered.
fn recovered(path: &Path) -> Sound {
    let folder = tempfile::tempdir().expect("a folder");
    let room = Room::new(folder.path(), &rtsp("front", 1, ""), vec![lesson(Timestamp::now(), -60, 600)]);
    let part =
        room.config.recordings().join("front/day").join(path.with_extension("mp4.part").file_name().expect("one"));
    std::fs::create_dir_all(part.parent().expect("a folder")).expect("made");
    let whole = std::fs::read(path).expect("there");
    std::fs::write(&part, &whole[..whole.len() - 50]).expect("written");
    note_unfinished(&room.journal, &room.config.recordings(), &part);
    Service::start(&room.config, room.journal.clone(), Arc::default()).expect("starts").stop();
    let (segment, path) = room.segments("front").pop().expect("recovered");
    assert!(segment.recovered && !frame_hashes(&path).is_empty());
    segment.sound
}

/// What a camera sends of its sound for eleven seconds, and what is kept of it, as ffmpeg tells them with these
/// arguments. The latter must be a part of the former: each sample, once, in order.
fn sound_is_kept(sound: &str, sent_as: &[&str], kept_as: &[&str], least: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, sent) = (free_port(), folder.path().join("sent.raw"));
    let options = ["--sound", sound, "--save-sound", shown(&sent)];
    let Some(server) = Server::start_with(port, "h264", &options) else { return };
    let now = Timestamp::now();
    let room = Room::new(folder.path(), &rtsp("front", port, ""), vec![lesson(now, -5, 600)]);
    let (_cameras, service) = room.start();
    std::thread::sleep(Duration::from_secs(11));
    service.stop();
    drop(server);
    let told = |arguments: &[&str]| run("ffmpeg", &[&["-v", "error"], arguments, &["-"]].concat());
    let sent = match sent_as {
        [] => std::fs::read(&sent).expect("saved"),
        format => told(&[format, &["-i", shown(&sent), "-f", "s16le"]].concat()),
    };
    let mut kept = Vec::new();
    for (segment, path) in room.segments("front") {
        assert_eq!((segment.sound, streams(&path).len()), (Sound::Recorded, 2));
        assert!(!frame_hashes(&path).is_empty(), "its picture plays");
        kept.extend(told(&[&["-i", shown(&path), "-map", "0:a"], kept_as].concat()));
    }
    assert!(room.segments("front").len() >= 2, "across a border between segments");
    assert!(kept.len() > least, "{} bytes of sound", kept.len());
    let begin = &kept[..400];
    let at = sent.windows(begin.len()).position(|window| window == begin).expect("what is kept was sent");
    assert!(sent[at..].starts_with(&kept), "{sound}: each sample, once, in order");
}

#[test]
fn g711_sound_is_kept_sample_by_sample() {
    for (sound, decoder) in [("pcmu", "mulaw"), ("pcma", "alaw")] {
        let sent_as = ["-f", decoder, "-ar", "8000"];
        sound_is_kept(sound, &sent_as, &["-c:a", "pcm_s16le", "-f", "s16le"], 8000 * 2 * 9);
    }
}

#[test]
fn aac_sound_is_kept_byte_by_byte() {
    sound_is_kept("aac", &[], &["-c", "copy", "-f", "data"], 20_000);
}

/// Hands on what the camera at `port` says, but not where its streams begin: tells the port to ask instead.
fn without_rtp_info(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(camera) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            let hand_on = |mut from: TcpStream, mut to: TcpStream| {
                std::thread::spawn(move || {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(read @ 1..) = from.read(&mut buffer) {
                        let header = b"RTP-Info:";
                        let at = buffer[..read].windows(header.len()).position(|window| window == header);
                        at.into_iter().for_each(|at| buffer[at] = b'X');
                        if to.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                });
            };
            hand_on(client.try_clone().expect("a socket"), camera.try_clone().expect("a socket"));
            hand_on(camera, client);
        }
    });
    own
}

#[test]
fn a_camera_that_does_not_say_where_its_streams_begin_is_recorded_with_its_sound_in_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(_server) = Server::start_with(port, "h264", &["--sound", "aac"]) else { return };
    let camera = rtsp("front", without_rtp_info(port), "");
    let room = Room::new(folder.path(), &camera, vec![lesson(Timestamp::now(), -5, 600)]);
    let (_cameras, service) = room.start();
    std::thread::sleep(Duration::from_secs(11));
    service.stop();
    let segments = room.segments("front");
    assert!(segments.len() >= 2, "{segments:?}");
    for (segment, path) in &segments {
        assert_eq!((segment.sound, streams(path).len()), (Sound::Recorded, 2));
        let seconds = time(&segment.end).duration_since(time(&segment.start)).as_secs_f64();
        // What belongs together is cut together.
        assert!((last_sound(path) - seconds).abs() < 1.5, "{} of {seconds} s", last_sound(path));
    }
}

#[test]
fn a_camera_without_coded_pictures_is_encoded_and_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = folder.path().join("film.mkv");
    let source = "testsrc2=size=640x360:rate=20:duration=5";
    run("ffmpeg", &["-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libx264", shown(&film)]);
    let camera = format!(
        "[[camera]]\nname = \"front\"\nkind = \"file\"\npath = \"{}\"\nrepeat = true\nrecord = true\n",
        shown(&film)
    );
    let room = Room::new(folder.path(), &camera, vec![lesson(Timestamp::now(), -5, 600)]);
    let (cameras, service) = room.start();
    std::thread::sleep(Duration::from_secs(15));
    service.stop();
    let delivered = cameras[0].status().frames;
    let segments = room.segments("front");
    assert!(segments.len() >= 2, "{segments:?}");
    let mut frames = 0;
    for (segment, path) in &segments {
        assert_eq!((segment.width, segment.height, segment.sound), (640, 360, Sound::None));
        assert_eq!(frame_hashes(path).len() as u64, segment.frames, "all of it plays, without a word of ffmpeg's");
        let range = ["-v", "error", "-show_entries", "stream=color_range,color_space,pix_fmt", "-of", "csv=p=0"];
        let range = String::from_utf8(run("ffprobe", &[&range[..], &[shown(path)]].concat())).expect("UTF-8");
        assert!(range.contains("yuv420p") && range.contains("tv") && range.contains("smpte170m"), "{range}");
        let keys = ["-v", "error", "-skip_frame", "nokey", "-show_entries", "frame=pts_time", "-of", "csv=p=0"];
        let keys = String::from_utf8(run("ffprobe", &[&keys[..], &[shown(path)]].concat())).expect("UTF-8");
        let keys: Vec<f64> = keys.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
        assert!(keys.windows(2).all(|pair| pair[1] - pair[0] < 2.5), "{keys:?}");
        frames += segment.frames;
    }
    // Of 20 a second; a machine that is busy skips some, and none comes twice.
    assert!(frames <= delivered && frames * 2 > delivered, "{frames} of {delivered}");
    let until = time(&segments.last().expect("some").0.end);
    let span = Span { from: room.began, until };
    let account = account_of(&room.journal, "front", span).expect("reads");
    assert_eq!(account.unexplained, []);
    assert!(account.recorded_ms > 14_000, "{account:?}");
}

/// Hashes of the coded pictures of a file, without parameter sets, whatever container they are in.
fn coded_hashes(path: &Path) -> Vec<String> {
    let filter = if path.extension().is_some_and(|extension| extension == "mp4") {
        "h264_mp4toannexb,filter_units=pass_types=1-5"
    } else {
        "filter_units=pass_types=1-5"
    };
    let arguments =
        ["-v", "fatal", "-i", shown(path), "-map", "0:v", "-c", "copy", "-bsf:v", filter, "-f", "framehash", "-"];
    let text = String::from_utf8(run("ffmpeg", &arguments)).expect("UTF-8");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
}

#[test]
fn packets_lost_on_the_way_are_counted_and_what_came_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, sent) = (free_port(), folder.path().join("sent.h264"));
    let Some(server) = Server::start_with(port, "h264", &["--loss", "0.02", "--save", shown(&sent)]) else { return };
    let camera = rtsp("front", port, "transport = \"udp\"");
    let room = Room::new(folder.path(), &camera, vec![lesson(Timestamp::now(), -5, 600)]);
    let (cameras, service) = room.start();
    std::thread::sleep(Duration::from_secs(15));
    service.stop();
    let lost = cameras[0].status().lost_packets;
    drop(server);
    let segments = room.segments("front");
    let counted: u64 = segments.iter().filter_map(|(segment, _)| segment.lost_packets).sum();
    // What was lost before the first segment began is none of its.
    assert!(counted > 0 && counted <= lost, "{counted} of {lost}");
    let (sent, mut kept) = (coded_hashes(&sent), Vec::new());
    for (segment, path) in &segments {
        let hashes = coded_hashes(path);
        assert_eq!(hashes.len() as u64, segment.frames);
        kept.extend(hashes);
    }
    // Each as it was sent, in order; but those that a lost packet tore.
    let (mut next, mut torn) = (0, 0);
    for picture in &kept {
        match sent[next..].iter().position(|sent| sent == picture) {
            Some(at) => next += at + 1,
            None => torn += 1,
        }
    }
    assert!(torn <= counted, "{torn} pictures are torn for {counted} packets");
    let first = kept.iter().find_map(|picture| sent.iter().position(|sent| sent == picture)).expect("some are whole");
    let missing = (next - first).saturating_sub(kept.len());
    assert!(missing as u64 <= counted, "{missing} pictures are missing for {counted} packets");
    assert!(kept.len() > 200, "{}", kept.len());
}
