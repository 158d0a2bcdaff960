//! A full disk: nothing is told as done that is not, what was done stays, and it goes on when there is room again.

use crate::camera::free_port;
use crate::kill::assert_good;
use crate::sources::lesson_in;
use crate::stage::noon_zone;
use evidence::record::GapCause;
use jiff::Timestamp;
use rollcall::appliance::Appliance;
use rollcall::clock::SystemClock;
use rollcall::config::Config;
use rollcall::journal::testing::{self, checkin, today};
use rollcall::journal::{Journal, JournalError, PlanSource};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A file system of few bytes; `None` where none may be mounted.
pub struct Small {
    pub folder: tempfile::TempDir,
}

impl Small {
    pub fn mount(size: &str) -> Option<Small> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "small"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: this user may not mount a file system");
            return None;
        }
        Some(Small { folder })
    }

    pub fn grow(&self, size: &str) {
        let option = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &option]).arg(self.folder.path()).status().expect("mount").success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

fn append(journal: &Journal, number: u64) -> Result<u64, JournalError> {
    let checkin = checkin("2026-NK-0117", &number.to_string(), &today(journal));
    journal.check_in(checkin, Some(&number.to_le_bytes().repeat(5000))).map(|appended| appended.seq)
}

#[test]
fn a_full_disk_loses_nothing_and_is_told() {
    let Some(disk) = Small::mount("3m") else { return };
    let state = disk.folder.path().join("state");
    let clock = Arc::new(SystemClock::default());
    let zone = jiff::tz::TimeZone::UTC;
    let journal = Journal::initialise(&state, "site", "301", clock.clone(), zone.clone()).expect("there is room yet");
    let mut done = Vec::new();
    let error = loop {
        match append(&journal, done.len() as u64) {
            Ok(seq) => done.push(seq),
            Err(error) => break error.to_string(),
        }
        assert!(done.len() < 1000, "40 kB each do not fit into 3 MB");
    };
    assert!(error.contains("full"), "{error}");
    assert!(append(&journal, 999).is_err(), "it is still full");
    let kept = |journal: &Journal| journal.store().read().and_then(|reader| reader.log_size()).expect("readable");
    assert_eq!(kept(&journal), done.len() as u64 + 1, "what was told is there, and nothing else");
    // Room again: the same journal goes on, and so does one that is opened anew.
    disk.grow("12m");
    let next = append(&journal, 1001).expect("there is room again");
    assert_eq!(next, done.len() as u64 + 1, "no number was used up");
    drop(journal);
    let journal = Journal::open_state(&state, clock, zone).expect("it opens");
    append(&journal, 1002).expect("it goes on");
    assert_good(&journal);
}

/// Fills a disk to its last byte.
fn fill(folder: &Path) {
    let mut file = std::fs::File::create(folder.join("filler")).expect("created");
    while file.write_all(&[0; 4096]).is_ok() {}
}

/// The body of a page; `None` while nothing is served.
fn page(port: u16, path: &str) -> Option<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    Some(answer)
}

/// The settings of an appliance whose state is on the small disk, and whose only camera is not there.
fn settings(folder: &Path, disk: &Small) -> (std::path::PathBuf, u16) {
    let (file, port, state) = (folder.join("rollcall.toml"), free_port(), disk.folder.path().join("state"));
    let text = format!(
        "[appliance]\nsite = \"site\"\nroom = \"301\"\ntimezone = \"{}\"\nstate_dir = \"{}\"\n\
         [web]\nlisten = \"127.0.0.1:{port}\"\n\
         [[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1:{}/back\"\n",
        noon_zone(),
        state.display(),
        free_port()
    );
    std::fs::write(&file, text).expect("written");
    let clock = Arc::new(SystemClock::default());
    let zone = Config::load(&file).expect("a config").timezone();
    drop(Journal::initialise(&state, "site", "301", clock.clone(), zone.clone()).expect("initialised"));
    drop(Journal::open_state(&state, clock, zone).expect("it opens"));
    (file, port)
}

#[test]
fn an_appliance_whose_disk_is_full_to_the_last_byte_starts_and_serves_its_pages() {
    let Some(disk) = Small::mount("3m") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (file, port) = settings(folder.path(), &disk);
    fill(disk.folder.path());
    let mut appliance = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["run", "--config"])
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let end = Instant::now() + Duration::from_secs(30);
    while page(port, "/kiosk").is_none() {
        assert!(Instant::now() < end && appliance.try_wait().expect("asked").is_none(), "it does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(page(port, "/api/status").is_some());
    appliance.kill().expect("killed");
    appliance.wait().expect("gone");
}

#[test]
fn a_start_that_cannot_be_recorded_is_told_and_recorded_when_there_is_room() {
    let Some(disk) = Small::mount("3m") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (file, port) = settings(folder.path(), &disk);
    let config = Config::load(&file).expect("a config");
    let (state, clock) = (config.appliance.state_dir.clone(), Arc::new(SystemClock::default()));
    let journal = Journal::open_state(&state, clock, config.timezone()).expect("it opens");
    let mut class = testing::class("2026-001", &["1"], &["T1"]);
    class.lessons = vec![lesson_in(&config.timezone(), Timestamp::now(), -60, 3600)];
    journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    let started = |journal: &Journal| {
        let records = journal.store().read().expect("open").records(0, 100, 1 << 20).expect("readable");
        let is_start = |record: &&evidence::jws::SignedRecord| {
            let data = evidence::jws::read_unverified(record.as_str()).expect("a record").data;
            matches!(data, evidence::record::Data::Appliance(event) if event.event == "started")
        };
        records.iter().filter(is_start).count()
    };
    fill(disk.folder.path());
    let begun = Timestamp::now();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("bound");
        let appliance = Appliance::start(config, journal, None, Some(listener)).expect("it comes up");
        let trouble = appliance.live.troubles();
        assert!(trouble.borrow().as_ref().is_some_and(|trouble| trouble.contains("full")), "{:?}", *trouble.borrow());
        let status = tokio::task::spawn_blocking(move || page(port, "/api/status")).await.expect("asked");
        assert!(status.is_some_and(|status| status.contains(r#""code":"trouble""#)), "staff are told");
        assert_eq!((started(&appliance.journal), appliance.recording().is_some()), (0, false));
        tokio::time::sleep(Duration::from_secs(2)).await;
        std::fs::remove_file(disk.folder.path().join("filler")).expect("removed");
        let end = Instant::now() + Duration::from_secs(20);
        while trouble.borrow().is_some() {
            assert!(Instant::now() < end, "it is not tried again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!((started(&appliance.journal), appliance.recording().is_some()), (1, true));
        assert_good(&appliance.journal);
        let journal = appliance.journal.clone();
        appliance.stop().await.expect("stopped");
        // It was off, then the disk was full, then there was no camera: one after another, without a hole.
        let gaps = journal.store().read().expect("open").gaps("back", Timestamp::MIN, Timestamp::MAX).expect("reads");
        let causes: Vec<_> = gaps.iter().map(|gap| gap.cause).collect();
        assert_eq!(causes, [GapCause::ApplianceOff, GapCause::DiskFull, GapCause::CameraAbsent], "{gaps:?}");
        assert!(gaps.windows(2).all(|pair| pair[0].end == pair[1].start), "{gaps:?}");
        assert!(gaps[1].start >= begun - Duration::from_millis(10), "{gaps:?}");
        assert!(gaps[1].end.duration_since(gaps[1].start).as_secs() >= 2, "{gaps:?}");
    });
}
