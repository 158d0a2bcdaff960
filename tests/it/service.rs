//! What systemd is told: that the appliance is ready, that it is alive, that it stops.

use crate::camera::free_port;
use rollcall::clock::SystemClock;
use rollcall::journal::Journal;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    let hear = |wanted: &str| {
        let end = Instant::now() + Duration::from_secs(20);
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
    };
    hear("READY=1");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "who is ready serves its pages");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    Command::new("kill").args(["-TERM", &appliance.id().to_string()]).status().expect("kill");
    hear("STOPPING=1");
    assert!(appliance.wait().expect("ended").success());
}
