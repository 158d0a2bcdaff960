//! Whatever stands where the bureau should be: the log is never lost, never believed to be received when it is not,
//! and the next push goes on where the last receipt ends.

use crate::hostile::{Answer, BUREAU, Server, bureau_key, forked, ok, serve};
use evidence::record::ClockQuality;
use rollcall::clock::SystemClock;
use rollcall::config::ApplianceConfig;
use rollcall::journal::Journal;
use rollcall::store::Registration;
use rollcall::store::keys::Keys;
use rollcall::sync::{self, SyncError, SyncState, SyncStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

/// A registered appliance with `records` records.
fn appliance(records: u64) -> (TempDir, Arc<Journal>) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(SystemClock::default());
    let zone = jiff::tz::TimeZone::UTC;
    let journal = Journal::initialise(folder.path(), "site", "301", clock, zone).expect("made");
    let name = BUREAU.to_owned();
    let registration = Registration { url: String::new(), name, key: bureau_key().verifying_key() };
    let write = journal.store().begin().expect("begun");
    write.set_registration(&registration).expect("set");
    write.commit().expect("on disk");
    append(&journal, records - 1);
    (folder, Arc::new(journal))
}

fn append(journal: &Journal, records: u64) {
    for _ in 0..records {
        journal.append_event("started", "site", "301").expect("appended");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn once(journal: &Arc<Journal>, server: &Server) -> Result<sync::Drained, SyncError> {
    runtime().block_on(sync::once(journal.clone(), &server.config))
}

fn countersigned(journal: &Journal) -> u64 {
    journal.store().read().expect("open").newest_receipt().expect("readable").map_or(0, |receipt| receipt.size)
}

#[test]
fn a_log_drains_in_batches_each_with_a_receipt() {
    let (folder, journal) = appliance(25);
    let log = journal.log().clone();
    let server = serve(folder.path(), move |request| ok(request.countersigned(&log)));
    let drained = once(&journal, &server).expect("drained");
    assert_eq!((drained.before, drained.receipt.size), (0, 25));
    assert_eq!(drained.receipt.countersigned_at, 1_790_000_000);
    assert_eq!(server.pushes.try_iter().collect::<Vec<_>>(), [(0, 10), (10, 10), (20, 5)]);
    // Nothing new: an empty push asks for the receipt again.
    assert_eq!(once(&journal, &server).expect("still there").before, 25);
    assert_eq!(server.pushes.try_iter().collect::<Vec<_>>(), [(25, 0)]);
}

#[test]
fn garbage_is_told_for_what_it_is_and_nothing_is_believed() {
    let (folder, journal) = appliance(5);
    let (log, key) = (journal.log().clone(), Keys::load(folder.path()).expect("keys").device);
    let turn = AtomicU32::new(0);
    let stranger = move |request: &crate::hostile::Request| {
        let note = request.body["checkpoint"].as_str().expect("a note").to_owned();
        match turn.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::Status(500, "{\"error\":\"no room\\n\\u0007left\"}".into()),
            1 => Answer::Status(502, "<html><body>Bad Gateway</body></html>".into()),
            2 => ok("<html>Log in to the campus network</html>"),
            3 => ok(note),
            4 => Answer::Cut(request.countersigned(&log)),
            5 => Answer::Endless,
            6 => Answer::Nothing,
            7 => Answer::Status(409, "{}".into()),
            8 => Answer::Status(409, "{\"size\":0}".into()),
            9 => Answer::Status(409, "{\"size\":-1}".into()),
            10 => Answer::Status(422, "<html>".into()),
            11 => Answer::Status(302, String::new()),
            12 => Answer::Status(404, "{\"error\":\"unknown appliance\"}".into()),
            13 => ok(request.countersigned(&log).replace("1790000000", "1790000001").replace(BUREAU, "someone.else")),
            // A true receipt, but not for what was sent.
            14 => {
                let one = evidence::checkpoint::Signed::parse(&note, &log).expect("well signed");
                let mut checkpoint = one.checkpoint().clone();
                checkpoint.size = 0;
                checkpoint.root = evidence::tree::empty_root();
                let signed = evidence::checkpoint::Signed::sign(checkpoint, &key).expect("signed");
                ok(signed.countersign(BUREAU, &bureau_key(), 1).expect("countersigned").to_text())
            }
            _ => ok(request.countersigned(&log)),
        }
    };
    let server = serve(folder.path(), stranger);
    for expected in [
        "refuses (500): no room left",
        "answered 502, which is not what a bureau says",
        "not a receipt for the first 5 records: not a signed note: no blank line before the signatures; it begins with \"<html>Log in",
        "no valid countersignature of the bureau",
        "no answer from https://localhost",
        "longer than 65536 bytes",
        "no answer from https://localhost",
        "should name the size",
        "asks for records from 0 on, which it was just sent",
        "should name the size",
        "answered 422, which is not what a bureau says",
        "answered 302",
        "refuses (404): unknown appliance",
        "no valid countersignature",
        "it is one for the first 0",
    ] {
        let error = once(&journal, &server).expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected} expected, but: {error}");
        assert_eq!(countersigned(&journal), 0, "{expected}");
    }
    assert_eq!(once(&journal, &server).expect("at last").receipt.size, 5);
}

#[test]
fn only_the_configured_ca_is_trusted() {
    let (folder, journal) = appliance(1);
    let log = journal.log().clone();
    let mut server = serve(folder.path(), move |request| ok(request.countersigned(&log)));
    let other = tempfile::tempdir().expect("a folder");
    server.config.ca = serve(other.path(), |_| Answer::Nothing).config.ca;
    let error = once(&journal, &server).expect_err("another CA's").to_string();
    assert!(error.contains("certificate"), "{error}");
    std::fs::write(&server.config.ca, "not a certificate").expect("written");
    let error = once(&journal, &server).expect_err("no CA").to_string();
    assert!(error.contains("no certificate in it"), "{error}");
}

#[test]
fn what_the_bureau_has_already_is_not_sent_again_and_what_it_lost_is() {
    let (folder, journal) = appliance(30);
    let log = journal.log().clone();
    let has = Arc::new(Mutex::new(20));
    let theirs = has.clone();
    let server = serve(folder.path(), move |request| {
        let mut has = theirs.lock().expect("whole");
        if request.first() != *has {
            return Answer::Status(409, format!("{{\"error\":\"first\",\"size\":{has}}}"));
        }
        *has += request.records() as u64;
        ok(request.countersigned(&log))
    });
    // The answers to the first two pushes were lost on the way.
    assert_eq!(once(&journal, &server).expect("drained").receipt.size, 30);
    assert_eq!(server.pushes.try_iter().collect::<Vec<_>>(), [(0, 10), (20, 10)]);
    // The bureau comes back from last week's backup.
    *has.lock().expect("whole") = 7;
    append(&journal, 1);
    let drained = once(&journal, &server).expect("drained");
    assert_eq!(drained.receipt.size, 31);
    assert!(drained.warning.expect("told").contains("it had 30, and has 7 now"));
    assert_eq!(*has.lock().expect("whole"), 31);
}

#[test]
fn a_log_that_does_not_verify_stops_the_sending_until_staff_act() {
    let (folder, journal) = appliance(3);
    let (log, key) = (journal.log().clone(), Keys::load(folder.path()).expect("keys").device);
    let turn = AtomicU32::new(0);
    let server = serve(folder.path(), move |request| match turn.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Status(422, "{\"error\":\"record 2 is another than before\",\"index\":2}".into()),
        1 => Answer::Status(409, "{\"size\":99}".into()),
        2 => ok(forked(&key, 3)),
        _ => ok(request.countersigned(&log)),
    });
    for (expected, seq) in [
        ("record 2 is another than before", Some(2)),
        ("the bureau has 99 records of this appliance, but there are only 3 here", Some(3)),
        ("another log that was signed with this appliance's key", None),
    ] {
        let Err(SyncError::Alarm(alarm)) = once(&journal, &server) else { panic!("an alarm: {expected}") };
        assert!(alarm.message.contains(expected), "{}", alarm.message);
        assert_eq!(alarm.seq, seq);
        assert!(matches!(once(&journal, &server), Err(SyncError::Alarm(again)) if again == alarm));
        assert_eq!(server.pushes.try_iter().count(), 1, "nothing is sent while the alarm stands");
        assert_eq!(SyncStatus::of(&journal, Some(&server.config)).expect("readable").state, SyncState::Alarm);
        assert!(sync::clear_alarm(&journal).expect("cleared"));
    }
    assert_eq!(once(&journal, &server).expect("at last").receipt.size, 3);
}

#[test]
fn a_batch_too_large_for_a_proxy_is_halved() {
    let (folder, journal) = appliance(10);
    let log = journal.log().clone();
    let server = serve(folder.path(), move |request| match request.records() {
        0..=3 => ok(request.countersigned(&log)),
        _ => Answer::Status(413, "<html>413 Request Entity Too Large</html>".into()),
    });
    assert_eq!(once(&journal, &server).expect("drained").receipt.size, 10);
}

#[test]
fn the_loop_waits_out_an_outage_and_sends_new_records_by_itself() {
    let (folder, journal) = appliance(3);
    let log = journal.log().clone();
    let turn = AtomicU32::new(0);
    let server = serve(folder.path(), move |request| match turn.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Nothing,
        _ => ok(request.countersigned(&log)),
    });
    let (told, mut status) = watch::channel(SyncStatus::unknown());
    let (stop, stopped) = watch::channel(false);
    runtime().block_on(async {
        let running = tokio::spawn(sync::run(journal.clone(), server.config.clone(), told, stopped));
        let wait = Duration::from_secs(20);
        let seen = tokio::time::timeout(wait, status.wait_for(|status| status.error.is_some())).await;
        let seen = seen.expect("in time").expect("running").clone();
        assert!(matches!(seen.state, SyncState::Waiting { .. }), "{seen:?}");
        assert!(seen.error.as_ref().expect("told").contains("nothing is lost meanwhile"));
        assert_eq!((seen.log_size, seen.countersigned), (3, 0));
        let json = serde_json::to_value(&seen).expect("JSON");
        assert_eq!((&json["state"], &json["retry_in_seconds"]), (&"waiting".into(), &1.into()));
        let up_to_date =
            |size| move |status: &SyncStatus| status.state == SyncState::UpToDate && status.countersigned == size;
        tokio::time::timeout(wait, status.wait_for(up_to_date(3))).await.expect("in time").expect("running");
        assert_eq!(status.borrow().countersigned_at, Some(1_790_000_000));
        assert_eq!(status.borrow().error, None);
        append(&journal, 2);
        tokio::time::timeout(wait, status.wait_for(up_to_date(5))).await.expect("in time").expect("running");
        stop.send(true).expect("running");
        tokio::time::timeout(wait, running).await.expect("stops").expect("without a panic");
    });
}

#[test]
fn registering_proves_the_key_and_remembers_the_bureau() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(SystemClock::default());
    let journal = Journal::initialise(folder.path(), "site", "301", clock, jiff::tz::TimeZone::UTC).expect("made");
    let journal = Arc::new(journal);
    assert!(!matches!(journal.clock().quality(), ClockQuality::Holdover { .. }));
    let log = journal.log().clone();
    let turn = AtomicU32::new(0);
    let server = serve(folder.path(), move |request| {
        assert_eq!(request.path, "/v1/register");
        let text = |name: &str| request.body[name].as_str().expect("a text").to_owned();
        let proof = {
            use base64::Engine;
            base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text("proof")).expect("base64url")
        };
        let statement = format!("rollcall-register/v1\n{}\n{}", text("code"), text("device"));
        log.key.verify(statement.as_bytes(), &proof.try_into().expect("64 bytes")).expect("proven");
        assert_eq!((text("device"), text("key")), (log.origin.clone(), log.key.to_string()));
        let reply = |device: &str, key| serde_json::json!({"device": device, "bureau": BUREAU, "bureau_key": key});
        match turn.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::Status(403, "{\"error\":\"the code was used already\"}".into()),
            1 => ok(reply("rollcall-somebodyelse", bureau_key().verifying_key()).to_string()),
            2 => ok("<html>"),
            _ => ok(reply(&log.origin, bureau_key().verifying_key()).to_string()),
        }
    });
    let place: ApplianceConfig = toml::from_str("site = \"site\"\nroom = \"301\"").expect("a config");
    let register = || runtime().block_on(sync::register(journal.clone(), &server.config, &place, "CODE-1"));
    for expected in
        ["refuses (403): the code was used already", "it should be about rollcall-", "should name the bureau"]
    {
        let error = register().expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected} expected, but: {error}");
        assert!(matches!(once(&journal, &server), Err(SyncError::NotRegistered)));
    }
    let registration = register().expect("registered");
    assert_eq!((&*registration.name, registration.key), (BUREAU, bureau_key().verifying_key()));
    assert_eq!(journal.size(), 2, "the log says that it was registered");
    register().expect("a repeat is fine");
    assert_eq!(journal.size(), 2);
    let without = SyncStatus::of(&journal, None).expect("readable");
    assert_eq!(without.state, SyncState::NotRegistered);
    assert!(without.error.expect("told").contains("no [sync]"));
}
