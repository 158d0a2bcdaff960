//! A camera on a network of its own (a network namespace, a veth pair), and the cable that is pulled out.

use crate::camera::Server;
use crate::pace::{at_most, found_in_time};
use crate::recording::room_at;
use evidence::record::GapCause;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A host with one cable to this machine. It is gone when dropped.
struct Host {
    name: String,
    cable: String,
    address: String,
}

impl Host {
    /// `None` where this user may make none.
    fn new() -> Option<Host> {
        let number = std::process::id() % 16_000;
        let host = Host {
            name: format!("rollcall{number}"),
            cable: format!("rollcall{number}"),
            // One of the /30 networks of 10.213.0.0/16.
            address: format!("10.213.{}.{}", number / 64, number % 64 * 4 + 2),
        };
        let near = format!("10.213.{}.{}/30", number / 64, number % 64 * 4 + 1);
        let (far, name) = (format!("{}/30", host.address), host.name.as_str());
        let made = ip(&["netns", "add", name])
            && ip(&["link", "add", &host.cable, "type", "veth", "peer", "name", "eth0", "netns", name])
            && ip(&["addr", "add", &near, "dev", &host.cable])
            && ip(&["link", "set", &host.cable, "up"])
            && ip(&["-n", name, "addr", "add", &far, "dev", "eth0"])
            && ip(&["-n", name, "link", "set", "eth0", "up"])
            && ip(&["-n", name, "link", "set", "lo", "up"]);
        if !made {
            eprintln!("skipped: this user may make no network namespace, or iproute2 is missing");
            return None;
        }
        Some(host)
    }

    fn serve(&self) -> Option<Server> {
        let mut command = Command::new("ip");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/rtsp-serve");
        command.args(["netns", "exec", &self.name]).arg(script);
        Server::start_as(command, 554, "h264", &["--address", &self.address])
    }

    fn cable(&self, state: &str) {
        assert!(ip(&["-n", &self.name, "link", "set", "eth0", state]), "the cable is not {state}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.name]);
    }
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip").args(words).output().is_ok_and(|output| output.status.success())
}

/// `ROLLCALL_CUT_SECONDS=300` for the length that is measured in docs/recording.md.
#[test]
fn a_cable_that_is_pulled_out_is_a_gap_of_the_network_to_the_second() {
    let Some(host) = Host::new() else { return };
    let Some(server) = host.serve() else { return };
    let cut = std::env::var("ROLLCALL_CUT_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let folder = tempfile::tempdir().expect("a folder");
    let room = room_at(folder.path(), &format!("rtsp://{}/camera", host.address), SignedDuration::from_hours(1), "");
    let (_cameras, service) = room.start();
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(4));
    host.cable("down");
    let pulled = Timestamp::now();
    room.wait_recording(&service, false);
    let found = Timestamp::now().duration_since(pulled).unsigned_abs();
    found_in_time("cable pulled out", found);
    let wait_cause = |cause| {
        let end = Instant::now() + Duration::from_secs(60);
        while service.status()[0].gap.as_ref().map(|(_, cause)| *cause) != Some(cause) {
            assert!(Instant::now() < end, "not {cause:?}: {:?}", service.status());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_cause(GapCause::Network);
    found_in_time("cable pulled out, and named", Timestamp::now().duration_since(pulled).unsigned_abs());
    std::thread::sleep(Duration::from_secs(cut));
    let told = service.status()[0].gap.clone();
    host.cable("up");
    let plugged = Timestamp::now();
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(3));
    // Once more; and when the cable is back, the camera refuses.
    let again = Timestamp::now() - Duration::from_millis(500);
    host.cable("down");
    room.wait_recording(&service, false);
    wait_cause(GapCause::Network);
    drop(server);
    host.cable("up");
    wait_cause(GapCause::CameraAbsent);
    std::thread::sleep(Duration::from_secs(3));
    let Some(_server) = host.serve() else { return };
    room.wait_recording(&service, true);
    std::thread::sleep(Duration::from_secs(2));
    service.stop();

    assert_eq!(told.map(|(_, cause)| cause), Some(GapCause::Network));
    let account = room.account(again);
    assert_eq!(account.unexplained, []);
    let causes: Vec<_> = account.gaps_ms.keys().copied().collect();
    assert_eq!(causes, [GapCause::Network, GapCause::ApplianceOff]);
    let segments = room.segments();
    assert_eq!(room.account(segments.last().expect("some").end).unexplained, []);
    let gaps = room.journal.store().read().expect("reads").gaps("back", pulled, Timestamp::MAX).expect("reads");
    let causes: Vec<_> = gaps.iter().map(|gap| gap.cause).collect();
    assert_eq!(causes, [GapCause::Network, GapCause::Network, GapCause::CameraAbsent]);
    assert_eq!(gaps[1].end, gaps[2].start);
    // It begins with the last picture that came, and ends with the first one after; a reconnection takes its time.
    let before = segments.iter().map(|segment| segment.end).filter(|end| *end < plugged).max().expect("some");
    let after = segments.iter().map(|segment| segment.start).filter(|start| *start > pulled).min().expect("some");
    assert!(before.duration_since(pulled).unsigned_abs() < at_most(1.0), "{before} {pulled}");
    assert!(after.duration_since(plugged).unsigned_abs() < at_most(15.0), "{after} {plugged}");
    assert_eq!(account.gaps_ms[&GapCause::Network], after.as_millisecond() - before.as_millisecond());
}
