//! What systemd is told: that the appliance is ready, that it is alive, that it stops.

use crate::camera::{Server, free_port};
use crate::power::{Mounted, image};
use crate::recording::room_with;
use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp};
use rollcall::clock::SystemClock;
use rollcall::journal::{Journal, PlanSource, testing};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Waits until the appliance says something.
fn hear(socket: &UnixDatagram, wanted: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    let mut datagram = [0; 4096];
    loop {
        assert!(Instant::now() < end, "{wanted} was not said");
        let length = socket.recv(&mut datagram).unwrap_or_else(|error| panic!("waiting for {wanted}: {error}"));
        let said = String::from_utf8_lossy(&datagram[..length]).into_owned();
        if said.lines().any(|line| line == wanted) {
            return;
        }
        assert!(!said.contains("STOPPING"), "it stops before {wanted}");
    }
}

/// Whether anything is said within so long.
fn is_heard(socket: &UnixDatagram, wait: Duration) -> bool {
    socket.set_read_timeout(Some(wait)).expect("set");
    socket.recv(&mut [0; 4096]).is_ok()
}

/// Is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_watchdog_is_not_fed_while_a_recorder_hangs() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let Some(_server) = Server::start(port, "h264") else { return };
    let more = format!("[retention]\nreserve_bytes = 2000000\n[web]\nlisten = \"127.0.0.1:{}\"\n", free_port());
    let room = room_with(folder.path(), port, SignedDuration::from_hours(1), &more);
    // A lesson of the whole day, in the time zone of the config.
    let mut class = testing::class("2026-002", &["1"], &["T1"]);
    class.lessons[0].date = Timestamp::now().to_zoned_datetime(room.config.timezone()).date();
    (class.lessons[0].start, class.lessons[0].end) = (Time::midnight(), Time::constant(23, 59, 59, 0));
    room.journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    let file = folder.path().join("disk.img");
    let made = image(&file, 100, &["mkfs.ext4", "-q", "-F"]);
    let Some(disk) = made.and_then(|()| Mounted::new(&file, room.config.recordings())) else {
        eprintln!("skipped: needs root and loop devices");
        return;
    };
    drop(room);
    let address = folder.path().join("notify");
    let socket = UnixDatagram::bind(&address).expect("bound");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let appliance = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["run", "--config"])
        .arg(folder.path().join("rollcall.toml"))
        .env("NOTIFY_SOCKET", &address)
        .stderr(Stdio::null())
        .spawn();
    let _appliance = Running(appliance.expect("started"));
    hear(&socket, "READY=1");
    hear(&socket, "WATCHDOG=1");
    // Until something is recorded.
    std::thread::sleep(Duration::from_secs(8));
    let frozen = disk.freeze();
    let end = Instant::now() + Duration::from_secs(60);
    while is_heard(&socket, Duration::from_secs(7)) {
        assert!(Instant::now() < end, "it is fed, whatever hangs");
    }
    drop(frozen);
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    hear(&socket, "WATCHDOG=1");
}

#[test]
fn systemd_is_told_of_readiness_life_and_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let clock = Arc::new(SystemClock::default());
    drop(Journal::initialise(&state, "site", "301", clock, jiff::tz::TimeZone::UTC).expect("initialised"));
    let config = folder.path().join("rollcall.toml");
    let port = free_port();
    let text = format!(
        "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n[web]\nlisten = \"127.0.0.1:{port}\"\n"
    );
    std::fs::write(&config, text).expect("written");
    let address = folder.path().join("notify");
    let socket = UnixDatagram::bind(&address).expect("bound");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let mut appliance = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["run", "--config"])
        .arg(&config)
        .env("NOTIFY_SOCKET", &address)
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let hear = |wanted: &str| hear(&socket, wanted);
    hear("READY=1");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "who is ready serves its pages");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    Command::new("kill").args(["-TERM", &appliance.id().to_string()]).status().expect("kill");
    hear("STOPPING=1");
    assert!(appliance.wait().expect("ended").success());
}
