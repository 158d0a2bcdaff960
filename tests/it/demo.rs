//! The main job, end to end, with the real programs: faces in front of a camera become countersigned records.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The photos that `scripts/demo-photos` fetches; without them there is nothing to show.
pub fn photos() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/demo/photos");
    if !folder.join(".complete").is_file() {
        eprintln!("skipped: no photos; scripts/demo-photos fetches them");
        return None;
    }
    Some(folder)
}

pub fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().expect("the program is there")
}

pub fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn faces_before_the_camera_become_countersigned_records_that_anybody_can_verify() {
    let Some(photos) = photos() else { return };
    let rollcall = Path::new(env!("CARGO_BIN_EXE_rollcall"));
    let bureau = rollcall.with_file_name("bureau");
    assert!(bureau.is_file(), "cargo build --workspace makes {}", bureau.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kept = folder.path().join("demo");
    let demo = run(
        rollcall,
        &["demo", "--once", "--json", "--listen", "127.0.0.1:0", "--photos", &text(&photos), "--keep", &text(&kept)],
    );
    assert!(demo.status.success(), "{}", said(&demo));
    let report: Value = serde_json::from_slice(&demo.stdout).expect("JSON");
    let outcomes: Vec<&str> =
        report["outcomes"].as_array().expect("a list").iter().filter_map(|o| o["outcome"].as_str()).collect();
    assert_eq!(report["accepted"], 1, "{report:#}");
    for outcome in ["accepted", "already_checked_in", "unknown", "not_in_class", "too_small"] {
        assert!(outcomes.contains(&outcome), "{outcome} is missing in {outcomes:?}");
    }
    let accepted = &report["outcomes"][outcomes.iter().position(|o| *o == "accepted").expect("just seen")];
    assert_eq!((accepted["class"].as_str(), accepted["person"].as_str()), (Some("DEMO-A"), Some("01")));
    assert_eq!(report["records"], report["receipt"]["size"], "everything is countersigned");

    // The appliance's own check, on the state that is left.
    let config = text(&kept.join("appliance/rollcall.toml"));
    let check = run(rollcall, &["check", "--config", &config]);
    assert!(check.status.success(), "{}", said(&check));

    // The bureau's export verifies with nothing but the folder, and no longer when one byte differs.
    let store = text(&kept.join("bureau"));
    let listed = String::from_utf8(run(&bureau, &["appliances", "--dir", &store]).stdout).expect("UTF-8");
    let device = listed.split_whitespace().next().expect("one appliance").to_owned();
    let export = folder.path().join("export");
    let exported = run(&bureau, &["export", "--dir", &store, &device, &text(&export)]);
    assert!(exported.status.success(), "{}", said(&exported));
    let verified = run(&bureau, &["verify", &text(&export)]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    // Neither does it take this project's own code.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/verify-independently");
    let independent = run(&script, &[&text(&export)]);
    assert_eq!(independent.status.code(), Some(0), "{}", said(&independent));
    let records = export.join("records.jws");
    let log = std::fs::read_to_string(&records).expect("just written");
    for line in log.lines() {
        let payload = evidence::jws::read_unverified(line).expect("a record").to_payload();
        let payload = String::from_utf8(payload).expect("JSON");
        for secret in ["欧巴马", "白登", "110101"] {
            assert!(!payload.contains(secret), "{secret} has left the appliance: {payload}");
        }
    }
    let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
    let at = lines[5].len() / 2;
    let changed = if &lines[5][at..=at] == "A" { "B" } else { "A" };
    lines[5].replace_range(at..=at, changed);
    std::fs::write(&records, lines.join("\n") + "\n").expect("a writable folder");
    let tampered = run(&bureau, &["verify", &text(&export)]);
    assert_eq!(tampered.status.code(), Some(1), "{}", said(&tampered));
    assert!(said(&tampered).contains("record 5"), "{}", said(&tampered));
    let independent = run(&script, &[&text(&export)]);
    assert_eq!(independent.status.code(), Some(1), "{}", said(&independent));

    names_nobody_in_its_log_and_metrics(rollcall, &kept.join("appliance"));
}

/// Runs the demonstration's appliance once more, as a service would, with the film before its camera.
fn names_nobody_in_its_log_and_metrics(rollcall: &Path, appliance: &Path) {
    let file = appliance.join("rollcall.toml");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let settings = std::fs::read_to_string(&file).expect("kept").replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let film = appliance.join("film.mkv");
    let camera = format!("\n[[camera]]\nname = \"front\"\nkind = \"file\"\npath = {film:?}\nrepeat = true\n");
    std::fs::write(&file, settings + &camera).expect("written");
    let log = appliance.join("stderr");
    let running = Command::new(rollcall)
        .args(["run", "--config", &text(&file)])
        .env("RUST_LOG", "rollcall=trace,info")
        .stdout(std::fs::File::create(appliance.join("stdout")).expect("made"))
        .stderr(std::fs::File::create(&log).expect("made"))
        .spawn();
    let mut running = running.expect("the program is there");
    let until = Instant::now() + Duration::from_secs(25);
    let mut before = None;
    let metrics = loop {
        std::thread::sleep(Duration::from_millis(500));
        let metrics = get(port, "/metrics").unwrap_or_default();
        let again = metrics.lines().find(|line| line.contains("\"already_checked_in\"")).map(str::to_owned);
        // The one who is in has been seen anew.
        if (before.is_some() && again != before) || Instant::now() > until {
            assert_ne!(again, before, "nobody was seen: {metrics}");
            break metrics;
        }
        before = again;
    };
    let _ = Command::new("kill").args(["-TERM", &running.id().to_string()]).status();
    assert!(running.wait().expect("it ran").success());
    for (what, told) in [
        ("stderr", std::fs::read_to_string(&log).expect("written")),
        ("stdout", std::fs::read_to_string(appliance.join("stdout")).expect("written")),
        ("/metrics", metrics),
    ] {
        for secret in ["欧巴马", "欧*", "白登", "白*", "陈老师", "陈*", "110101"] {
            assert!(!told.contains(secret), "{what} tells {secret}: {told}");
        }
    }
    assert!(std::fs::metadata(&log).expect("written").len() > 0, "it logs something");
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
