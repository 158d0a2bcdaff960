use super::*;
use crate::class::ClassId;
use jiff::Timestamp;
use tempfile::TempDir;

fn key(byte: u8) -> StoreKey {
    StoreKey::from_bytes([byte; 32])
}

fn fresh() -> (TempDir, std::path::PathBuf, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE_NAME);
    let store = Store::create(&path, &key(1)).expect("created");
    (folder, path, store)
}

#[test]
fn the_file_holds_nothing_readable_and_is_for_its_owner_only() {
    use std::os::unix::fs::MetadataExt;
    let (folder, path, store) = fresh();
    let write = store.begin().expect("idle");
    write
        .set_sync_alarm(Some(&SyncAlarm { since: String::new(), seq: None, message: "a plain secret".into() }))
        .expect("stored");
    write.commit().expect("room");
    drop(store);
    for entry in std::fs::read_dir(folder.path()).expect("ours") {
        let entry = entry.expect("ours");
        let bytes = std::fs::read(entry.path()).expect("ours");
        assert!(!bytes.windows(14).any(|window| window == b"a plain secret"), "{:?}", entry.path());
        assert!(!bytes.starts_with(b"SQLite format"));
    }
    assert_eq!(std::fs::metadata(path).expect("there").mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_opened_says_why_and_what_to_do() {
    let (folder, path, store) = fresh();
    assert!(matches!(Store::create(&path, &key(1)), Err(StoreError::Exists(_))));
    let write = store.begin().expect("idle");
    write.connection().pragma_update(None, "user_version", 99).expect("a number");
    write.commit().expect("room");
    drop(store);
    let problem = |result: Result<Store, StoreError>| result.map(|_| ()).expect_err("refused").to_string();
    assert!(problem(Store::open(&path, &key(1))).contains("version 99"));
    assert!(problem(Store::open(&path, &key(2))).contains("store.key"));
    assert!(problem(Store::open(&folder.path().join("other"), &key(1))).contains("rollcall init"));
    let plain = folder.path().join("plain.db");
    Connection::open(&plain).and_then(|plain| plain.execute_batch("CREATE TABLE t (x)")).expect("plain");
    assert!(problem(Store::open(&plain, &key(1))).contains("not an encrypted one"));
    let noise = folder.path().join("noise.db");
    std::fs::write(&noise, [7; 8192]).expect("ours");
    assert!(problem(Store::open(&noise, &key(1))).contains("store.key"));
}

#[test]
fn an_uncommitted_transaction_leaves_nothing() {
    let (_folder, _, store) = fresh();
    let alarm = SyncAlarm { since: "now".into(), seq: Some(3), message: "wrong".into() };
    let write = store.begin().expect("idle");
    write.set_sync_alarm(Some(&alarm)).expect("stored");
    drop(write);
    assert_eq!(store.read().expect("open").sync_alarm().expect("readable"), None);
    let write = store.begin().expect("idle");
    write.set_sync_alarm(Some(&alarm)).expect("stored");
    write.commit().expect("room");
    assert_eq!(store.read().expect("open").sync_alarm().expect("readable"), Some(alarm));
}

#[test]
fn the_log_refuses_to_be_changed_or_cut() {
    let (_folder, _, store) = fresh();
    let record = evidence::jws::SignedRecord::from_text("x".into());
    let write = store.begin().expect("idle");
    write.append_row(0, &record, &[record.leaf_hash()]).expect("appended");
    for sql in ["UPDATE log SET jws = 'y'", "DELETE FROM log"] {
        let error = write.connection().execute(sql, []).expect_err("append-only");
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    assert!(matches!(write.append_row(0, &record, &[]), Err(StoreError::Duplicate(_))));
}

/// A class with one trainee, put in the way the journal does.
fn with_a_person(store: &Store) -> ClassId {
    let class = crate::journal::testing::class("2026-001", &["1"], &["T1"]);
    let write = store.begin().expect("idle");
    let record = evidence::jws::SignedRecord::from_text("x".into());
    write.append_row(0, &record, &[record.leaf_hash()]).expect("appended");
    write.put_class(&class, "00", "2026-11-23T08:00:00+08:00", 0).expect("stored");
    write.commit().expect("room");
    class.id
}

#[test]
fn a_pin_is_locked_after_five_wrong_tries_and_opens_again() {
    let (_folder, _, store) = fresh();
    let class = with_a_person(&store);
    let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).expect("a time");
    let check = |pin: &str, second| store.check_pin(&class, "T1", pin, at(second)).expect("checked");
    assert_eq!(check("1234", 0), PinCheck::NotSet);
    assert!(store.set_pin(&class, "T1", "12a4").is_err());
    store.set_pin(&class, "T1", "4711").expect("set");
    assert_eq!(check("1234", 0), PinCheck::Wrong { left: 4 });
    assert_eq!(check("4711", 1), PinCheck::Right);
    for left in [4, 3, 2, 1] {
        assert_eq!(check("1234", 2), PinCheck::Wrong { left });
    }
    assert!(matches!(check("1234", 3), PinCheck::Locked { .. }));
    assert!(matches!(check("4711", 200), PinCheck::Locked { .. }), "even the right one");
    assert_eq!(check("4711", 400), PinCheck::Right);
}

#[test]
fn a_qr_code_names_its_person_until_it_is_renewed() {
    let (_folder, _, store) = fresh();
    let class = with_a_person(&store);
    let token = store.read().expect("open").qr_token(&class, "1").expect("readable").expect("made on import");
    let again = QrToken::from_text(&token.to_text()).expect("its own text");
    assert_eq!(store.read().expect("open").person_of_qr(&again).expect("readable"), Some((class.clone(), "1".into())));
    let write = store.begin().expect("idle");
    write.renew_qr_token(&class, "1").expect("known");
    write.commit().expect("room");
    assert_eq!(store.read().expect("open").person_of_qr(&again).expect("readable"), None);
    for other in ["", "https://example.org", "ROLLCALL:", "ROLLCALL:+123456789ABCDEF0123456789ABCDEF"] {
        assert_eq!(QrToken::from_text(other), None, "{other}");
    }
}

#[test]
fn who_has_waited_long_enough_waits_no_longer_for_another_process() {
    let (_folder, path, store) = fresh();
    let other = connection::connect(&path, &key(1), Access::Write).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("idle");
    let begun = Instant::now();
    for _ in 0..60 {
        assert!(matches!(store.begin_by(begun), Err(StoreError::Busy(_))));
    }
    // One after the other they would have waited for ten minutes.
    assert!(begun.elapsed() < Duration::from_secs(300), "{:?}", begun.elapsed());
    other.execute_batch("ROLLBACK").expect("given back");
    store.begin_by(begun).expect("tried once at least").commit().expect("room");
}
