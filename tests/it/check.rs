//! One byte changed anywhere is found, and it is told where.

use evidence::checkpoint::Witness;
use evidence::jws;
use evidence::key::SigningKey;
use evidence::record::{Checkin, Data, WindowKind};
use evidence::tree::Frontier;
use evidence::verdict::LogVerifier;
use rollcall::check::{Problem, Report, check};
use rollcall::clock::TestClock;
use rollcall::commands::export::export_log;
use rollcall::journal::testing::{checkin, class};
use rollcall::journal::{EnrolledFace, Journal, PlanSource};
use rollcall::store::keys::Keys;
use rollcall::store::{FILE_NAME, Registration, Store, StoreError};
use rusqlite::{Connection, params};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn bureau() -> (SigningKey, Witness) {
    let key = SigningKey::from_seed(&[5; 32]);
    let witness = Witness { name: "bureau.example/test".into(), key: key.verifying_key() };
    (key, witness)
}

/// 0 initialised, 1 the plan, 2 its lesson, 3 and 4 consents, 5 and 6 enrolments, 7 to 26 check-ins with photos, 27 an event;
/// receipts for 10 and 20 records.
fn appliance() -> (TempDir, Journal) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(TestClock::at("2026-11-23T00:00:00Z".parse().expect("a time")));
    let zone = jiff::tz::TimeZone::UTC;
    let journal = Journal::initialise(folder.path(), "site", "301", clock.clone(), zone).expect("made");
    let roster = class("2026-001", &["1", "2"], &["T1"]);
    journal.import_class(&roster, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    for number in ["1", "2"] {
        journal.give_consent(&roster.id, number, &"11".repeat(32), "cli").expect("consented");
    }
    for number in ["1", "2"] {
        let face = EnrolledFace { photo: format!("{number}a").repeat(32), embedding: vec![7; 768] };
        let admit = |_: &rollcall::store::View| Ok::<_, rollcall::journal::JournalError>(());
        journal.enrol(&roster.id, number, &[face], &"22".repeat(32), "cli", admit).expect("enrolled");
    }
    for number in 1..=20u8 {
        clock.advance(Duration::from_secs(1));
        // One of the roster, and others who were on it before.
        let person = if number == 1 { "1".into() } else { format!("1{number:02}") };
        let made = checkin("2026-001", &person, "2026-11-23");
        journal.check_in(made, Some(&[number; 9000])).expect("appended");
    }
    journal.append_event("stopped", "site", "301").expect("appended");
    let (key, witness) = bureau();
    let registration = Registration { url: String::new(), name: witness.name.clone(), key: witness.key };
    let write = journal.store().begin().expect("begun");
    write.set_registration(&registration).expect("set");
    write.commit().expect("on disk");
    for size in [10, 20] {
        let signed = journal.checkpoint(size).expect("signed");
        let note = signed.countersign(&witness.name, &key, 1_795_392_060 + size).expect("countersigned").to_text();
        journal.keep_receipt(&note, &witness).expect("kept");
    }
    (folder, journal)
}

pub fn look(folder: &Path) -> Result<Report, StoreError> {
    let keys = Keys::load(folder).expect("keys");
    check(&*Store::open(&folder.join(FILE_NAME), &keys.store).map(Arc::new)?, keys.device.verifying_key(), None)
}

/// The database as somebody has it who holds the key, and none of our rules.
pub fn with_key(folder: &Path) -> Connection {
    let key = std::fs::read_to_string(folder.join("keys/store.key")).expect("the key");
    let connection = Connection::open(folder.join(FILE_NAME)).expect("opened");
    connection.pragma_update(None, "key", format!("x'{}'", key.trim())).expect("keyed");
    connection.pragma_update(None, "foreign_keys", "OFF").expect("set");
    connection
        .execute_batch("DROP TRIGGER IF EXISTS log_is_never_changed; DROP TRIGGER IF EXISTS log_is_never_cut;")
        .expect("dropped");
    connection
}

/// What the log of an appliance in a test may tell: how many lessons are accounted for; that its limits, time zone and
/// receipts are a test's.
const OF_TESTS: [&str; 4] = ["lessons", "other_limits", "zone_changed", "time_after_receipt"];

/// All else that was found.
pub fn problems(report: &Report) -> impl Iterator<Item = &Problem> {
    report.problems.iter().filter(|problem| !OF_TESTS.contains(&problem.code))
}

/// Likewise, each as `code table seq`.
pub fn words(report: &Report) -> Vec<String> {
    let seq = |seq: Option<u64>| seq.map_or_else(String::new, |seq| format!(" {seq}"));
    problems(report).map(|problem| format!("{} {}{}", problem.code, problem.table, seq(problem.seq))).collect()
}

#[test]
fn a_whole_appliance_is_good() {
    let (folder, journal) = appliance();
    let report = look(folder.path()).expect("readable beside the one who writes");
    assert!(report.ok && words(&report).is_empty(), "{report}");
    assert_eq!((report.records, report.countersigned, report.receipts), (28, 20, 2));
    assert_eq!((report.checkins, report.photos, report.templates), (20, 20, 2));
    // People who leave, change or withdraw leave nothing behind that contradicts the log.
    let mut changed = class("2026-001", &["2", "3"], &["T1"]);
    changed.trainees[0].name = "李一".into();
    journal.import_class(&changed, &"33".repeat(32), PlanSource::File, "301").expect("imported");
    journal.give_consent(&changed.id, "3", &"11".repeat(32), "cli").expect("consented");
    journal.withdraw_consent(&changed.id, "3", "cli").expect("withdrawn");
    let report = look(folder.path()).expect("readable");
    assert!(report.ok && words(&report).is_empty(), "{report}");
}

#[test]
fn a_photo_that_was_erased_at_request_is_not_missing_and_any_other_is() {
    let (folder, journal) = appliance();
    let id = class("2026-001", &["1"], &["T1"]).id;
    let keep = |number: &str, photo: &[u8]| {
        let departure = Checkin { window: Some(WindowKind::Departure), ..checkin("2026-001", number, "2026-11-23") };
        journal.check_in(departure, Some(photo)).expect("appended").seq
    };
    let another = keep("2", b"of another");
    journal.erase_at_request(&id, "1", "cli").expect("erased");
    let later = keep("1", b"of later");
    let erasure = later - 1;
    let report = look(folder.path()).expect("readable");
    assert!(report.ok && words(&report).is_empty(), "{report}");
    assert_eq!((report.checkins, report.photos, report.templates), (22, 21, 1), "all but that of the arrival");
    with_key(folder.path())
        .execute("DELETE FROM captures WHERE seq IN (?1, ?2)", params![another as i64, later as i64])
        .expect("taken away");
    let report = look(folder.path()).expect("readable");
    let missing = [another, later].map(|seq| format!("wrong_photo captures {seq}"));
    assert_eq!(words(&report), missing, "{report}");
    // A record that says what was not done is no better.
    let photo = [1u8; 9000];
    with_key(folder.path())
        .execute(
            "INSERT INTO captures SELECT min(seq), ?1, ?2 FROM checkins WHERE person = '1'",
            params![evidence::sha256_hex(&photo), photo],
        )
        .expect("put back");
    let report = look(folder.path()).expect("readable");
    let told = format!("wrong_photo captures {erasure}");
    let why = format!("though record {erasure} erased them");
    assert!(words(&report).contains(&told) && report.to_string().contains(&why), "{report}");
}

#[test]
fn it_may_run_while_the_daemon_writes() {
    let (folder, journal) = appliance();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 200.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let made = checkin("2026-001", &number.to_string(), "2026-11-23");
                journal.check_in(made, Some(format!("{number}").repeat(3000).as_bytes())).expect("appended");
                // The file grows while it is read from end to end; not without bounds.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let before = journal.size();
        let end = Instant::now() + Duration::from_secs(60);
        let mut reports = Vec::new();
        while reports.len() < 20 || (journal.size() < before + 50 && Instant::now() < end) {
            reports.push(look(folder.path()));
        }
        stop.store(true, Ordering::Relaxed);
        for report in reports {
            let report = report.expect("readable");
            assert!(report.ok && words(&report).is_empty() && report.records >= before, "{report}");
        }
        assert!(journal.size() >= before + 50, "{} records", journal.size());
    });
}

#[test]
fn whatever_is_changed_in_a_table_is_found_and_located() {
    let alterations: &[(&str, &[&str])] = &[
        // A record's text: the rest of the log is not drawn into doubt.
        (
            "UPDATE log SET jws = substr(jws, 1, 200) || iif(substr(jws, 201, 1) = 'A', 'B', 'A') || substr(jws, 202)
             WHERE seq = 7",
            &["altered log 7", "bad_record log 7"],
        ),
        (
            "UPDATE log SET jws = (SELECT jws FROM log WHERE seq = 8) WHERE seq = 7",
            &["altered log 7", "wrong_place log 7"],
        ),
        ("UPDATE log SET nodes = CAST(zeroblob(32) || substr(nodes, 33) AS BLOB) WHERE seq = 7", &["altered log 7"]),
        (
            "UPDATE log SET nodes = CAST(
             substr(nodes, 1, 40) || iif(substr(nodes, 41, 1) = x'00', x'01', x'00') || substr(nodes, 42) AS BLOB)
             WHERE seq = 7",
            &["wrong_node log 7"],
        ),
        ("UPDATE log SET nodes = CAST(nodes || zeroblob(32) AS BLOB) WHERE seq = 7", &["wrong_node log 7"]),
        ("UPDATE log SET nodes = CAST(nodes || x'00' AS BLOB) WHERE seq = 8", &["lost_record log 8"]),
        ("DELETE FROM log WHERE seq = 8", &["lost_record log 8"]),
        ("DELETE FROM log WHERE seq >= 18", &["truncated log"]),
        ("UPDATE checkins SET outcome = 'not_in_class' WHERE seq = 9", &["wrong_row checkins 9"]),
        ("UPDATE checkins SET time = '2026-11-23T00:00:00.000+00:00' WHERE seq = 9", &["wrong_row checkins 9"]),
        ("UPDATE checkins SET outcome = 'nonsense' WHERE seq = 9", &["unreadable checkins 9"]),
        ("DELETE FROM checkins WHERE seq = 9", &["wrong_row checkins 9"]),
        (
            "INSERT INTO checkins SELECT 27, '2026-12-01', outcome, class, person, window, method, time
             FROM checkins WHERE seq = 9",
            &["wrong_row checkins 27"],
        ),
        (
            "UPDATE captures SET jpeg = CAST(x'00' || substr(jpeg, 2) AS BLOB) WHERE seq = 9",
            &["wrong_photo captures 9"],
        ),
        ("DELETE FROM captures WHERE seq = 9", &["wrong_photo captures 9"]),
        ("INSERT INTO captures SELECT 27, sha256, jpeg FROM captures WHERE seq = 9", &["wrong_photo captures 27"]),
        ("UPDATE consents SET given = 0 WHERE seq = 4", &["wrong_row consents 4"]),
        ("DELETE FROM consents WHERE seq = 4", &["wrong_row consents 4"]),
        ("DELETE FROM templates WHERE seq = 6", &["wrong_row templates 6"]),
        ("UPDATE templates SET number = '1' WHERE seq = 6", &["wrong_row templates 5", "wrong_row templates 6"]),
        ("UPDATE classes SET sha256 = 'other'", &["wrong_row classes 1"]),
        ("UPDATE receipts SET note = replace(note, '10', '11') WHERE size = 10", &["bad_receipt receipts"]),
        ("UPDATE receipts SET countersigned_at = 1 WHERE size = 10", &["bad_receipt receipts"]),
        ("UPDATE receipts SET size = 11 WHERE size = 10", &["bad_receipt receipts"]),
        ("DELETE FROM settings WHERE name = 'bureau'", &["no_registration receipts"]),
        (
            "UPDATE settings SET value = '{}' WHERE name = 'bureau'",
            &["unreadable settings", "no_registration receipts"],
        ),
    ];
    let (folder, journal) = appliance();
    drop(journal);
    let whole = std::fs::read(folder.path().join(FILE_NAME)).expect("the database");
    let mut wrong = Vec::new();
    for (sql, expected) in alterations {
        std::fs::write(folder.path().join(FILE_NAME), &whole).expect("restored");
        with_key(folder.path()).execute(sql, []).expect(sql);
        let report = look(folder.path()).expect("readable");
        let mut found = words(&report);
        // SQLite itself finds what refers to rows that are gone.
        found.retain(|word| !word.starts_with("damaged_table") || expected.is_empty());
        if sql.starts_with("DELETE FROM log") {
            found.retain(|word| !word.contains("wrong_row") && !word.contains("wrong_photo"));
        }
        if found != *expected || report.ok {
            wrong.push(format!("{sql}\nexpected {expected:?}\n   found {found:?}\n{report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_hole_of_thousands_of_records_is_told_and_the_check_ends() {
    let (folder, journal) = appliance();
    drop(journal);
    let moved = with_key(folder.path()).execute("UPDATE log SET seq = seq + 5000 WHERE seq >= 20", []);
    assert_eq!(moved.expect("moved"), 8);
    let report = look(folder.path()).expect("readable");
    assert!(!report.ok && words(&report).contains(&"lost_record log 20".to_owned()), "{report}");
}

#[test]
fn since_when_is_told_by_the_receipts() {
    let (folder, journal) = appliance();
    drop(journal);
    let alter = |seq: u64| {
        let sql =
            "UPDATE log SET jws = substr(jws, 1, 200) || iif(substr(jws, 201, 1) = 'A', 'B', 'A') || substr(jws, 202)
             WHERE seq = ?1";
        with_key(folder.path()).execute(sql, [seq as i64]).expect("altered");
    };
    alter(12);
    alter(22);
    let report = look(folder.path()).expect("readable");
    let since = |seq: u64| {
        let problem = report.problems.iter().find(|problem| problem.seq == Some(seq)).expect("found");
        problem.since.clone().expect("told")
    };
    assert_eq!(since(12), "after 2026-11-23T00:01:20Z, when the bureau countersigned the first 20 records");
    assert_eq!(since(22), "not countersigned yet: the newest receipt covers 20 records");
    assert_eq!(report.countersigned, 20, "the receipts still fit what had been appended");
}

/// Whoever has both keys can rewrite the whole log; the receipts tell.
#[test]
fn a_log_rewritten_with_the_appliances_own_key_contradicts_its_receipts() {
    let (folder, journal) = appliance();
    let device = Keys::load(folder.path()).expect("keys").device;
    let rows = journal.store().read().expect("open").log_rows(0, 100).expect("readable");
    drop(journal);
    let connection = with_key(folder.path());
    let mut frontier = Frontier::new();
    for row in rows {
        let mut record = row.record;
        if row.seq == 12 {
            let mut rewritten = jws::read_unverified(record.as_str()).expect("a record");
            let Data::Checkin(checkin) = &mut rewritten.data else { panic!("a check-in") };
            checkin.room = "302".into();
            record = rewritten.sign(&device).expect("signed");
        }
        let nodes = frontier.push(record.leaf_hash());
        let values = params![row.seq as i64, record.as_str(), nodes.as_flattened()];
        connection.execute("UPDATE log SET jws = ?2, nodes = ?3 WHERE seq = ?1", values).expect("rewritten");
    }
    drop(connection);
    let report = look(folder.path()).expect("readable");
    assert_eq!(words(&report), ["wrong_root log"], "{report}");
    assert!(report.problems[0].message.contains("something changed in records 10 to 19"), "{report}");
    assert_eq!(report.countersigned, 10);
}

#[test]
fn a_byte_changed_in_any_page_of_the_file_is_found() {
    const PAGE: usize = 4096;
    let (folder, journal) = appliance();
    drop(journal);
    let path = folder.path().join(FILE_NAME);
    let whole = std::fs::read(&path).expect("the database");
    let pages = whole.len() / PAGE;
    assert!(pages > 60, "{pages} pages");
    let mut unreadable = Vec::new();
    for page in 0..pages {
        let mut bytes = whole.clone();
        bytes[page * PAGE + 37 * (page + 1) % PAGE] ^= 1;
        std::fs::write(&path, &bytes).expect("written");
        let report = match look(folder.path()) {
            Ok(report) => report,
            Err(error) => {
                unreadable.push(format!("{page}: {error}"));
                continue;
            }
        };
        let number = format!("page {}", page + 1);
        let is_located = report.problems.iter().any(|problem| {
            problem.code == "damaged_page" && problem.message.split(['\n', ',']).any(|text| text.ends_with(&number))
        });
        assert!(!report.ok && is_located, "page {page}: {report}");
    }
    // Without the schema's own pages, wherever they lie, nothing else can be read.
    assert!(unreadable.len() < 20, "{unreadable:#?}");
    std::fs::write(&path, &whole).expect("restored");
    assert!(look(folder.path()).expect("readable").ok);
}

#[test]
fn the_command_tells_by_its_exit_code() {
    let (folder, journal) = appliance();
    drop(journal);
    let config = folder.path().join("rollcall.toml");
    std::fs::write(&config, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \".\"\n").expect("written");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        let output = command.args(["check", "--json", "--config"]).arg(&config).output().expect("run");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), json)
    };
    let (code, json) = run();
    assert_eq!((code, &json["ok"], &json["records"]), (Some(0), &true.into(), &28.into()), "{json}");
    with_key(folder.path()).execute("UPDATE captures SET jpeg = x'00' WHERE seq = 9", []).expect("altered");
    let (code, json) = run();
    assert_eq!((code, &json["problems"][0]["seq"]), (Some(1), &9.into()), "{json}");
    std::fs::write(folder.path().join("keys/store.key"), "0".repeat(64)).expect("written");
    let (code, json) = run();
    assert_eq!(code, Some(2));
    assert!(json["cannot_read"].as_str().expect("told").contains("store.key"), "{json}");
}

#[test]
fn another_appliances_key_is_told_once() {
    let (folder, journal) = appliance();
    drop(journal);
    std::fs::write(folder.path().join("keys/device.key"), "ab".repeat(32)).expect("written");
    assert_eq!(words(&look(folder.path()).expect("readable")), ["wrong_key keys"]);
}

#[test]
fn an_exported_log_verifies_without_the_appliance() {
    let (folder, journal) = appliance();
    let out = folder.path().join("out");
    assert_eq!(export_log(&journal, &out).expect("exported"), 29);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).expect("written");
    let about: serde_json::Value = serde_json::from_str(&read("appliance.json")).expect("JSON");
    assert_eq!(
        (&about["device"], &about["bureau"]),
        (&journal.log().origin.clone().into(), &"bureau.example/test".into())
    );
    let notes = read("checkpoint.txt");
    let (receipt, signed) = notes.split_at(notes.rfind("\n\nrollcall-").expect("two notes") + 2);
    let receipt = receipt.strip_suffix('\n').expect("an empty line between them");
    let receipt = evidence::checkpoint::Countersigned::parse(receipt, journal.log(), &bureau().1).expect("a receipt");
    let signed = evidence::checkpoint::Signed::parse(signed, journal.log()).expect("signed");
    let signed = vec![signed.checkpoint().clone()];
    let mut verifier = LogVerifier::new(journal.log().key, std::slice::from_ref(&receipt), signed);
    read("records.jws").lines().for_each(|line| verifier.push(line));
    let verdict = verifier.finish();
    let codes: Vec<_> = verdict.findings.iter().map(|finding| finding.code).collect();
    assert_eq!((codes.as_slice(), verdict.covered), (&["lessons"][..], 29), "{verdict}");
    assert!(export_log(&journal, &out).expect_err("not empty").to_string().contains("not empty"));
}
