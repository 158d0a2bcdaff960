//! `kill -9` of the whole appliance (`rollcall run`: camera, recognition, pages) at random moments, while real faces
//! stream past its camera: what the kiosk's live channel called done is in the log, and `rollcall check` finds nothing.
//!
//! `ROLLCALL_KILLS` says how often to kill (5 when not given); a figure is in docs/performance.md.

use crate::camera::free_port;
use crate::demo::photos;
use crate::kill::{open_in, random_pause};
use crate::stage::{Actor, Shot, Stage, shoot};
use evidence::jws::read_unverified;
use evidence::record::{CheckinOutcome, Data};
use rollcall::checkin::live::Outcome;
use serde_json::Value;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Where two heads can be; far enough apart that a head at the next place is another track.
const PLACES: [f32; 4] = [160.0, 480.0, 800.0, 1120.0];

/// Listens to the kiosk's live channel, as its page does, until it is cut off.
fn listen(port: u16, told: &Mutex<Vec<Outcome>>, is_over: &AtomicBool) -> Option<()> {
    let socket = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(socket) => break socket,
            Err(_) if is_over.load(Ordering::Relaxed) => return None,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    write!(
        &socket,
        "GET /kiosk/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .ok()?;
    let mut socket = BufReader::new(socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    loop {
        let mut start = [0; 2];
        socket.read_exact(&mut start).ok()?;
        let mut length = [0; 8];
        let length = match start[1] {
            126 => socket.read_exact(&mut length[6..]).map(|()| u64::from_be_bytes(length)).ok()?,
            127 => socket.read_exact(&mut length).map(|()| u64::from_be_bytes(length)).ok()?,
            short => u64::from(short),
        };
        let mut message = vec![0; length as usize];
        socket.read_exact(&mut message).ok()?;
        if start[0] != 0x81 {
            continue;
        }
        let mut message: Value = serde_json::from_slice(&message).expect("JSON");
        let outcomes = match message["type"].as_str() {
            Some("outcome") => vec![message["outcome"].take()],
            Some("recent") => message["outcomes"].as_array().cloned().unwrap_or_default(),
            _ => continue,
        };
        let outcomes = outcomes.into_iter().map(|outcome| serde_json::from_value(outcome).expect("an outcome"));
        told.lock().expect("nobody panics").extend(outcomes);
    }
}

/// Whether `rollcall check` finds everything in order; what it says.
fn check(config: &Path) -> (bool, String) {
    let checked = Command::new(env!("CARGO_BIN_EXE_rollcall")).arg("check").arg("--config").arg(config).output();
    let checked = checked.expect("the program is there");
    let said = [checked.stdout, checked.stderr].concat();
    (checked.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn what_the_kiosk_called_done_survives_kill_9_of_the_appliance() {
    let Some(photos) = photos() else { return };
    let kills: u32 = std::env::var("ROLLCALL_KILLS").map_or(5, |kills| kills.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let mut stage = Stage::new(
        folder.path(),
        &format!(
            "[web]\nlisten = \"127.0.0.1:{port}\"\n[checkin.windows]\narrival_before_minutes = 60\n\
             arrival_after_minutes = 600\n"
        ),
    );
    // Whoever is in many classes of the same hour is accepted once in each: a stream of check-ins from two faces.
    let classes: Vec<_> = (0..20 + kills * 5).map(|number| stage.class(&format!("A{number}"), 0)).collect();
    stage.enrol(&classes[0], "01", &photos.join("obama.jpg"));
    stage.enrol(&classes[0], "02", &photos.join("biden.jpg"));
    let first = Actor::open(&photos.join("obama2.jpg"), &mut stage.vision);
    let second = Actor::open(&photos.join("biden.jpg"), &mut stage.vision);
    let shot = |place: usize| Shot {
        faces: vec![first.at(PLACES[place], 300.0, 60.0, 1.0), second.at(PLACES[(place + 2) % 4], 300.0, 60.0, 1.0)],
        seconds: 1.0,
    };
    shoot(&[0, 1, 2, 3].map(shot), &stage.film());
    let Stage { config_file, config, journal, vision, turn: _turn } = stage;
    drop((journal, vision));
    // No frame is skipped, so that a slow machine sees each head often enough too.
    let text = std::fs::read_to_string(&config_file).expect("written");
    std::fs::write(&config_file, text + "repeat = true\npace = \"fast\"\n").expect("written");

    let (mut done, mut accepted, mut lives) = (0, 0, 0);
    for turn in 0..kills {
        let mut appliance = Command::new(env!("CARGO_BIN_EXE_rollcall"))
            .args(["run", "--config"])
            .arg(&config_file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let (told, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (hears, ends) = (told.clone(), is_over.clone());
        let listener = std::thread::spawn(move || listen(port, &hears, &ends));
        // Mostly while check-ins stream; every fifth time at any moment of the start.
        if turn % 5 == 4 {
            std::thread::sleep(random_pause(1, 2000));
        } else {
            let patience = Instant::now() + Duration::from_secs(60);
            while told.lock().expect("nobody panics").is_empty() {
                assert!(Instant::now() < patience, "the kiosk is told of nobody");
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(random_pause(1, 1000));
        }
        appliance.kill().expect("killed");
        appliance.wait().expect("gone");
        is_over.store(true, Ordering::Relaxed);
        listener.join().expect("listened");

        let (is_good, said) = check(&config_file);
        assert!(is_good, "after kill {turn}: {said}");
        let journal = open_in(&config.appliance.state_dir, config.timezone());
        let reader = journal.store().read().expect("open");
        let told = told.lock().expect("nobody panics");
        for outcome in told.iter() {
            let record = reader.record(outcome.seq).expect("readable").expect("called done, so it is there");
            let Data::Checkin(made) = read_unverified(record.as_str()).expect("a record").data else {
                panic!("a check-in at {}", outcome.seq);
            };
            assert_eq!((made.outcome, &made.person, &made.class), (outcome.outcome, &outcome.person, &outcome.class));
            assert_eq!(reader.capture_of(outcome.seq).expect("readable").is_some(), made.photo.is_some());
        }
        done += told.len();
        accepted += told.iter().filter(|outcome| outcome.outcome == CheckinOutcome::Accepted).count();
        lives += usize::from(!told.is_empty());
    }
    println!("{kills} kills, {lives} of them while check-ins streamed; {done} outcomes told, {accepted} accepted");
    assert!(accepted > 0, "no appliance lived long enough to accept anybody");
}
