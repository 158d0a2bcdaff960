//! What the recording shows, from a real network camera that can fail, to those who have to know: findings, accounts and
//! alarms of a whole appliance, received by a real HTTP server.

use crate::camera::{Server, free_port};
use crate::clock::{SteppedClock, noon};
use crate::pace::{at_most, found_in_time};
use evidence::account::Accounts;
use evidence::jws::{SignedRecord, read_unverified};
use evidence::record::{
    Coverage, Data, Finding, FindingKind, GapCause, HiddenCause, MarkedWorkstation, WorkstationCoverage,
};
use jiff::{SignedDuration, Timestamp};
use rollcall::appliance::Appliance;
use rollcall::class::Class;
use rollcall::config::Config;
use rollcall::coverage::close_left_open;
use rollcall::journal::{Journal, NewFinding, PlanSource, testing};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A server that keeps what is posted to it, with its path, and answers as a robot does.
pub struct Receiver {
    pub port: u16,
    got: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    pub fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let got = Arc::<Mutex<Vec<(String, Value)>>>::default();
        let keep = got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let (mut path, mut length, mut line) = (String::new(), 0, String::new());
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    if let Some(rest) = line.strip_prefix("POST ") {
                        path = rest.split(' ').next().unwrap_or_default().to_owned();
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().expect("a length");
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a whole body");
                keep.lock().expect("nobody panics").push((path, serde_json::from_slice(&body).expect("JSON")));
                let answer = "{\"errcode\":0,\"errmsg\":\"ok\"}";
                let _ = write!(
                    reader.into_inner(),
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                    answer.len()
                );
            }
        });
        Receiver { port, got }
    }

    fn all(&self) -> Vec<(String, Value)> {
        self.got.lock().expect("nobody panics").clone()
    }

    /// What has come so far counts no more.
    fn forget(&self) {
        self.got.lock().expect("nobody panics").clear();
    }

    /// Waits for a message of our own JSON about this; tells how long that took.
    pub fn wait(&self, event: &str, field: &str, value: &str) -> Duration {
        let begun = Instant::now();
        loop {
            let is_it = |(_, body): &(String, Value)| body["event"] == event && body["attention"][field] == value;
            if self.all().iter().any(is_it) {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no {event} {value}: {:#?}", self.all());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// An appliance in a room with one network camera, and a lesson that goes on.
pub struct Room {
    config: Config,
    journal: Option<Journal>,
    clock: Arc<SteppedClock>,
    class: Class,
    start: Timestamp,
}

pub fn room(folder: &Path, camera: u16, receiver: u16, since: SignedDuration, rest: SignedDuration) -> Room {
    let file = folder.join("rollcall.toml");
    let text = format!(
        "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n[recording]\nsegment_seconds = 10\n\
         [[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1:{camera}/camera\"\nstall_seconds = 1.5\n\
         [[alarm.target]]\nname = \"duty\"\nkind = \"json\"\nurl = \"http://127.0.0.1:{receiver}/json\"\n\
         [[alarm.target]]\nname = \"group\"\nkind = \"dingtalk\"\nurl = \"http://127.0.0.1:{receiver}/robot?access_token=key\"\n\
         secret_file = \"dingtalk.secret\"\n"
    );
    std::fs::write(&file, text).expect("written");
    std::fs::write(folder.join("dingtalk.secret"), "SECsecret\n").expect("written");
    let config = Config::load(&file).expect("a config");
    let (clock, zone) = (Arc::new(SteppedClock::default()), noon());
    let state = &config.appliance.state_dir;
    let journal = Journal::initialise(state, "site", "301", clock.clone(), zone.clone()).expect("initialised");
    // As the database has it: a plan's times are whole minutes.
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("in range").to_zoned_datetime(zone);
    let mut class = testing::class("2026-001", &["1"], &["T1"]);
    class.lessons.truncate(1);
    let lesson = &mut class.lessons[0];
    (lesson.date, lesson.room) = (now.date(), String::new());
    (lesson.start, lesson.end) = ((&now - since).time(), (&now + rest).time());
    lesson.workstations = vec!["1".into(), "2".into(), "9".into()];
    journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    let start = rollcall::class::recorded_span(&class.lessons[0], journal.zone(), 0).expect("a span").from;
    Room { config, journal: Some(journal), clock, class, start }
}

impl Room {
    /// Must be called inside a runtime.
    pub fn start(&mut self) -> Appliance {
        let journal = self.journal.take().expect("started once");
        Appliance::start(self.config.clone(), journal, None, None).expect("starts")
    }

    /// Likewise, with the roll call begun and the camera's reference set.
    pub fn start_with_reference(&mut self) -> Appliance {
        let appliance = self.start();
        appliance.journal.begin_rollcall(&self.class.id, self.start, "T1").expect("begins");
        set_reference(&appliance);
        appliance
    }
}

pub fn records(journal: &Journal) -> Vec<Data> {
    let records = journal.store().read().expect("reads").records(0, 10_000, usize::MAX).expect("reads");
    let data = |record: &SignedRecord| read_unverified(record.as_str()).expect("a record").data;
    records.iter().map(data).collect()
}

pub fn findings(journal: &Journal, what: FindingKind) -> Vec<Finding> {
    let mut all = all_findings(journal);
    all.retain(|finding| finding.what == what);
    all
}

pub fn all_findings(journal: &Journal) -> Vec<Finding> {
    let of = |data| match data {
        Data::Finding(finding) => Some(finding),
        _ => None,
    };
    records(journal).into_iter().filter_map(of).collect()
}

pub fn wait_for<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "no {what} within {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The account of the lesson, which ends within so many seconds.
pub fn wait_coverage(journal: &Journal, seconds: u64) -> Coverage {
    let coverage = wait_for("account", seconds, || {
        records(journal).into_iter().find_map(|data| match data {
            Data::Coverage(coverage) => Some(coverage),
            _ => None,
        })
    });
    assert_log_adds_up(journal);
    coverage
}

/// What the bureau adds up offline is what each account says.
pub fn assert_log_adds_up(journal: &Journal) {
    let records = journal.store().read().expect("reads").records(0, usize::MAX >> 1, usize::MAX).expect("reads");
    let mut accounts = Accounts::default();
    for record in &records {
        assert_eq!(accounts.take(&read_unverified(record.as_str()).expect("a record")), []);
    }
}

pub fn assert_adds_up(coverage: &Coverage) {
    for camera in &coverage.cameras {
        let sum = camera.recorded_ms + camera.gaps_ms.values().sum::<u64>() + camera.unexplained_ms;
        assert_eq!(sum, camera.required_ms, "{camera:?}");
    }
    for WorkstationCoverage { required_ms, visible_ms, hidden_ms, unknown_ms, .. } in &coverage.workstations {
        let sum = visible_ms + hidden_ms.values().sum::<u64>() + unknown_ms;
        assert_eq!(sum, *required_ms, "{:?}", coverage.workstations);
    }
}

/// Takes the camera's newest picture for its reference, with a workstation on either side.
fn set_reference(appliance: &Appliance) {
    let frame = wait_for("picture", 30, || appliance.cameras[0].frames().get());
    let jpeg = frame.picture.to_jpeg(90).expect("encodes");
    let marked = |workstation: &str, x: f64| MarkedWorkstation {
        workstation: workstation.into(),
        polygon: vec![[x, 0.2], [x + 0.3, 0.2], [x + 0.3, 0.7], [x, 0.7]],
    };
    let marks = [marked("1", 0.1), marked("2", 0.6)];
    appliance.journal.set_reference("back", &jpeg, &marks, "staff:T1").expect("set");
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

pub fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

#[test]
fn a_camera_that_dies_and_a_roll_call_that_is_missing_are_told_within_ten_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, receiver) = (free_port(), Receiver::start());
    let Some(server) = Server::start(port, "h264") else { return };
    let mut room = room(folder.path(), port, receiver.port, minutes(20), minutes(60));
    let runtime = runtime();
    let _guard = runtime.enter();
    let begun = Instant::now();
    let appliance = room.start();
    receiver.wait("begun", "what", "no_roll_call");
    assert!(begun.elapsed() < at_most(10.0));
    appliance.journal.begin_rollcall(&room.class.id, room.start, "T1").expect("begins");
    assert!(receiver.wait("ended", "what", "no_roll_call") < at_most(10.0));
    let pair = findings(&appliance.journal, FindingKind::NoRollCall);
    assert_eq!(pair.len(), 2, "a record for its beginning and one for its end");
    let due = appliance.journal.time_text(room.start + minutes(15));
    assert!(pair[0].end.is_none() && pair[0].start == due, "{pair:?}");
    assert!(pair[1].begun.is_some() && pair[1].end.is_some(), "{pair:?}");

    wait_for("recording", 30, || appliance.recording().expect("begun").status()[0].recording.then_some(()));
    // What it missed at the start was told of, unless it was recorded before anybody looked.
    std::thread::sleep(Duration::from_secs(3));
    // The plan needs three workstations, and nobody has marked any.
    receiver.wait("begun", "code", "workstations_unseen");
    let is_begun =
        |(_, body): &(String, Value)| body["event"] == "begun" && body["attention"]["code"] == "not_recorded";
    if receiver.all().iter().any(is_begun) {
        receiver.wait("ended", "code", "not_recorded");
    }
    receiver.forget();
    drop(server);
    found_in_time("camera gone, told by webhook", receiver.wait("begun", "code", "not_recorded"));
    let Some(_server) = Server::start(port, "h264") else { return };
    receiver.wait("ended", "code", "not_recorded");
    let all = receiver.all();
    let robot: Vec<_> = all.iter().filter(|(path, _)| path.starts_with("/robot?access_token=key&timestamp=")).collect();
    assert!(robot.iter().any(|(_, body)| body["text"]["content"].as_str().is_some_and(|text| text.contains("点名"))));
    assert!(robot.iter().all(|(path, _)| path.contains("&sign=")), "each is signed");
    let text = format!("{all:?}");
    assert!(!text.contains('张'), "no name leaves the appliance");
    runtime.block_on(appliance.stop()).expect("stops");
}

#[test]
fn a_covered_camera_is_found_told_and_accounted_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, receiver) = (free_port(), Receiver::start());
    let Some(mut server) = Server::start_with(port, "h264", &["--scene"]) else { return };
    let rest = SignedDuration::from_secs(60);
    let mut room = room(folder.path(), port, receiver.port, minutes(1), rest);
    let runtime = runtime();
    let _guard = runtime.enter();
    let appliance = room.start_with_reference();
    let journal = appliance.journal.clone();
    let samples = |wanted| appliance.coverage().expect("begun").status()[0].samples.checked_sub(wanted);
    wait_for("three samples", 30, || samples(3));
    assert_eq!(findings(&journal, FindingKind::Covered), [], "nothing is wrong yet");
    server.fail("covered");
    let covered = Timestamp::now();
    let took = receiver.wait("begun", "what", "covered");
    assert!(took < at_most(10.0), "{took:?}");
    std::thread::sleep(Duration::from_secs(5));
    server.fail("normal");
    let took = receiver.wait("ended", "what", "covered");
    assert!(took < at_most(15.0), "{took:?}");
    let length = Timestamp::now().duration_since(covered).as_millis() as u64;

    let pair = findings(&journal, FindingKind::Covered);
    let [begun, ended] = &pair[..] else { panic!("{pair:?}") };
    assert_eq!((begun.camera.as_deref(), begun.class.as_deref()), (Some("back"), Some("2026-001")));
    assert_eq!((&ended.start, ended.begun.is_some()), (&begun.start, true));
    let thumbnail = begun.thumbnail.clone().expect("a small picture");
    let jpeg = journal.store().read().expect("reads").thumbnail(&thumbnail).expect("reads").expect("kept here");
    assert_eq!(evidence::sha256_hex(&jpeg), thumbnail);

    let coverage = wait_coverage(&journal, 60);
    assert_adds_up(&coverage);
    assert!(!coverage.complete && coverage.roll_call.is_some() && coverage.roll_call_recorded.is_some());
    let verdicts = coverage.workstations.iter().map(|workstation| workstation.complete);
    assert!(verdicts.chain([coverage.cameras[0].complete]).all(|verdict| verdict == Some(false)), "{coverage:?}");
    let [left, right, nowhere] = &coverage.workstations[..] else { panic!("{coverage:?}") };
    for workstation in [left, right] {
        let hidden = workstation.hidden_ms[&HiddenCause::Covered];
        assert!((4000..=length).contains(&hidden), "{hidden} of {length}");
        assert!(workstation.visible_ms > 10_000, "{workstation:?}");
    }
    assert_eq!(nowhere.unknown_ms, nowhere.required_ms, "workstation 9 is marked in no picture");
    receiver.wait("begun", "code", "lesson_incomplete");
    runtime.block_on(appliance.stop()).expect("stops");
}

#[test]
fn accounts_add_up_though_the_clock_is_stepped_by_an_hour_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, receiver) = (free_port(), Receiver::start());
    let Some(server) = Server::start_with(port, "h264", &["--scene"]) else { return };
    let mut room = room(folder.path(), port, receiver.port, minutes(10), minutes(180));
    let runtime = runtime();
    let _guard = runtime.enter();
    let appliance = room.start();
    set_reference(&appliance);
    wait_for("recording", 30, || appliance.recording().expect("begun").status()[0].recording.then_some(()));
    for by in [minutes(60), minutes(-60)] {
        std::thread::sleep(Duration::from_secs(5));
        room.clock.step(by);
    }
    std::thread::sleep(Duration::from_secs(5));
    // Within the hour that the clock had jumped over, the camera stands still, and is looked for anew.
    server.signal("USR1");
    std::thread::sleep(Duration::from_secs(5));
    server.signal("USR1");
    wait_for("recording again", 30, || appliance.recording().expect("begun").status()[0].recording.then_some(()));
    std::thread::sleep(Duration::from_secs(3));
    room.clock.step(minutes(180));
    let coverage = wait_coverage(&appliance.journal, 60);
    assert_adds_up(&coverage);
    let camera = &coverage.cameras[0];
    assert_eq!((camera.required_ms, camera.unexplained_ms), (200 * 60_000, 0), "{camera:?}");
    assert!(camera.recorded_ms > 10_000, "{camera:?}");
    // What was recorded, and that the camera stood still, was known only after the jump; the rest was jumped over.
    let by_cause = |cause| camera.gaps_ms.get(&cause).copied().unwrap_or_default();
    let away = by_cause(GapCause::CameraStalled);
    assert!((3000..20_000).contains(&away), "{camera:?}");
    assert_eq!(by_cause(GapCause::CameraAbsent), 0, "it was there, and connected to anew: {camera:?}");
    let jumped = by_cause(GapCause::ClockStep);
    assert!(jumped > 179 * 60_000 && jumped <= 180 * 60_000, "{camera:?}");
    let workstation = &coverage.workstations[0];
    let shown = workstation.visible_ms + workstation.unknown_ms;
    assert!(shown <= camera.recorded_ms, "what is not recorded is not seen: {workstation:?} {camera:?}");
    assert_eq!(workstation.hidden_ms[&HiddenCause::NotRecorded], camera.required_ms - camera.recorded_ms);
    runtime.block_on(appliance.stop()).expect("stops");
}

#[test]
fn a_finding_that_a_crash_left_open_ends_with_the_last_sign_of_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let room = room(folder.path(), free_port(), free_port(), minutes(20), minutes(60));
    let journal = room.journal.expect("opened");
    let now = Timestamp::now();
    let finding = |what, camera: Option<&str>| NewFinding {
        what,
        camera: camera.map(str::to_owned),
        workstation: None,
        class: Some(room.class.id.clone()),
        start: now - minutes(5),
        measured: Default::default(),
    };
    journal.begin_finding(finding(FindingKind::Covered, Some("back")), None).expect("begins");
    journal.begin_finding(finding(FindingKind::NoRollCall, None), None).expect("begins");
    let alive = rollcall::store::AliveRow { camera: "back".into(), at: now - minutes(2), gap: None };
    let write = journal.store().begin().expect("begins");
    write.set_alive(&[alive]).expect("written");
    write.commit().expect("committed");
    close_left_open(&journal).expect("closed");
    let open = journal.store().read().expect("reads").open_findings().expect("reads");
    assert_eq!(open.iter().map(|row| row.what).collect::<Vec<_>>(), [FindingKind::NoRollCall]);
    let pair = findings(&journal, FindingKind::Covered);
    assert_eq!(pair[1].end, Some(journal.time_text(now - minutes(2))));
    close_left_open(&journal).expect("nothing is left");
    assert_eq!(findings(&journal, FindingKind::Covered).len(), 2);
}
