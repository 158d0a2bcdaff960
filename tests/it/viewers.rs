//! Who may look at recordings, asked as the pages ask.

use evidence::record::{Data, Gap, GapCause};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use rollcall::appliance::Appliance;
use rollcall::class::Class;
use rollcall::clock::SystemClock;
use rollcall::config::Config;
use rollcall::journal::{Journal, JournalError, PlanSource, testing};
use rollcall::store::{AliveRow, SegmentRow};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// The status and the body of an answer.
fn ask(address: SocketAddr, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn class(journal: &Journal, id: &str, day: jiff::civil::Date, teachers: &[&str]) -> Class {
    let mut class = testing::class(id, &["1"], teachers);
    class.lessons[0].date = day;
    journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    for teacher in teachers {
        journal.store().set_pin(&class.id, teacher, "2580").expect("set");
    }
    class
}

/// A segment of the last minute of a lesson on that day. Any record may stand for its own.
fn record(journal: &Journal, day: &str) -> u64 {
    let end: Timestamp = format!("{day}T11:30:00Z").parse().expect("a time");
    let (start, camera, path) = (end - SignedDuration::from_mins(1), "back".to_owned(), format!("back/{day}.mp4"));
    let put: Result<u64, JournalError> = journal.transaction(|batch| {
        let (from, until, cause) = (journal.time_text(start), journal.time_text(end), GapCause::Network);
        let seq = batch.append(Data::Gap(Gap { camera: camera.clone(), start: from, end: until, cause }))?.seq;
        let (camera, sha256) = (camera.clone(), "00".repeat(32));
        batch.put_segment(&SegmentRow {
            seq,
            camera: camera.clone(),
            start,
            end,
            path: path.clone(),
            bytes: 1,
            sha256,
        })?;
        batch.set_alive(&[AliveRow { camera, at: end, gap: None }])?;
        Ok(seq)
    });
    put.expect("journalled")
}

#[test]
fn a_closed_class_s_recordings_are_shown_to_its_teachers_as_long_as_they_are_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    let text =
        "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n[checkin]\nclose_after_days = 65535\n";
    std::fs::write(&file, text).expect("written");
    let config = Config::load(&file).expect("a config");
    let (state, clock) = (config.appliance.state_dir.clone(), Arc::new(SystemClock::default()));
    let journal = Journal::initialise(&state, "site", "301", clock, jiff::tz::TimeZone::UTC).expect("initialised");
    let recorded = class(&journal, "2026-001", date(2026, 3, 2), &["T1", "T2", "T3"]);
    let later = class(&journal, "2026-002", date(2026, 3, 3), &["T1"]);
    let unrecorded = class(&journal, "2026-003", date(2026, 3, 4), &["T1"]);
    let open = class(&journal, "2026-004", date(2026, 3, 5), &["T1"]);
    let seqs = ["2026-03-02", "2026-03-03"].map(|day| record(&journal, day));
    // One has left the roster, and is none of its teachers any more.
    let without = testing::class("2026-001", &["1"], &["T1", "T2"]).teachers;
    let roster = Class { teachers: without, ..recorded.clone() };
    journal.import_class(&roster, &"01".repeat(32), PlanSource::File, "301").expect("imported again");
    for class in [&recorded, &later, &unrecorded] {
        journal.close_class(&class.id).expect("closed");
    }
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let appliance = Appliance::start(config, journal, None, Some(listener)).expect("it comes up");
        let journal = appliance.journal.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let offered = |path: &str| {
                let (status, classes) = ask(address, "GET", path, &Value::Null);
                assert_eq!(status, 200);
                let classes = classes.as_array().expect("a list").clone();
                let of = |one: &Value| {
                    let numbers = one["teachers"].as_array().expect("a list").iter().map(|teacher| teacher[0].clone());
                    (one["class"].as_str().unwrap_or_default().to_owned(), one["closed"] == true, numbers.collect())
                };
                classes.iter().map(of).collect::<Vec<(String, bool, Vec<Value>)>>()
            };
            let entry = |class: &Class, is_closed: bool, numbers: &[&str]| {
                (class.id.to_string(), is_closed, numbers.iter().map(|number| json!(number)).collect::<Vec<_>>())
            };
            let identify = |class: &Class, number: &str, pin: &str| {
                let staff = json!({ "class": class.id.as_str(), "number": number, "pin": pin });
                ask(address, "POST", "/staff/session", &staff).0
            };
            // The newest of those that are closed comes first, after those that are open.
            let all =
                [entry(&open, false, &["T1"]), entry(&later, true, &["T1"]), entry(&recorded, true, &["T1", "T2"])];
            assert_eq!(offered("/staff/viewers"), all);
            assert_eq!(offered("/staff/teachers"), all[..1], "who changes something");
            assert_eq!(identify(&open, "T1", "2580"), 200);
            assert_eq!(identify(&recorded, "T2", "2580"), 200);
            assert_eq!(identify(&recorded, "T2", "0000"), 403);
            assert_eq!(identify(&recorded, "T3", "2580"), 409, "not on the roster any more");
            assert_eq!(identify(&unrecorded, "T1", "2580"), 409, "nothing of it is here");

            journal.erase_at_request(&recorded.id, "T2", "cli").expect("erased");
            assert_eq!(identify(&recorded, "T2", "2580"), 409, "erased");
            assert_eq!(offered("/staff/viewers")[2], entry(&recorded, true, &["T1"]));

            let write = journal.store().begin().expect("begins");
            write.put_deleted(seqs[0], &seqs[..1]).expect("put");
            write.commit().expect("committed");
            assert_eq!(identify(&recorded, "T1", "2580"), 409, "its recording is deleted");
            assert_eq!(offered("/staff/viewers"), all[..2]);
            journal.close_class(&open.id).expect("closed");
            assert_eq!(offered("/staff/teachers"), []);
            assert_eq!(offered("/staff/viewers"), all[1..2]);
        });
        asked.await.expect("as it should be");
        appliance.stop().await.expect("stopped");
    });
}
