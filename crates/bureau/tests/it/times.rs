//! Times that cannot be true: the bureau had the record before, the clock was set, the day is another.

use crate::appliance::Appliance;
use crate::server::{NAME, Server};
use bureau::{Bureau, export, export_class, verify};
use evidence::checkpoint::Signed;
use evidence::record::{Checkin, CheckinOutcome, ClockStep, Data, Liveness, Method};
use evidence::verdict::{Severity, Verdict};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::process::Command;

fn checkin(date: &str) -> Data {
    Data::Checkin(Checkin {
        outcome: CheckinOutcome::Accepted,
        class: Some("A".into()),
        person: Some("1".into()),
        role: None,
        date: date.into(),
        window: None,
        opens: None,
        closes: None,
        method: Method::Qr,
        confirmed_by: None,
        confirmed_class: None,
        site: "site".into(),
        room: "301".into(),
        camera: "door".into(),
        likeness: None,
        quality: None,
        liveness: Liveness::NotChecked,
        photo: None,
    })
}

/// The receipt over the first `size` records is one of `time`, as if they had been pushed then.
fn received(server: &Server, appliance: &Appliance, size: usize, time: Timestamp) {
    let bureau = Bureau::open(server.folder.path()).expect("a bureau");
    let database = server.database();
    let note: String = database
        .query_row("SELECT note FROM receipts WHERE size = ?1", [size as i64], |row| row.get(0))
        .expect("a receipt");
    let signed = Signed::parse(&note, &appliance.log).expect("a checkpoint");
    let note = signed.countersign(NAME, &bureau.key, time.as_second() as u64).expect("signed").to_text();
    let change = "UPDATE receipts SET note = ?2, time = ?3 WHERE size = ?1";
    database.execute(change, (size as i64, note, time.as_second())).expect("changed");
}

fn warnings(verdict: &Verdict) -> Vec<(&str, Option<u64>)> {
    assert!(verdict.verified, "{verdict}");
    let found = verdict.findings.iter().filter(|finding| finding.severity > Severity::Note);
    found.map(|finding| (finding.code, finding.seq)).collect()
}

/// Says the verifier that shares no code with this project the same?
fn verifies_independently(folder: &Path) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/verify-independently");
    Command::new(script).arg(folder).status().expect("the script runs").success()
}

/// On Monday evening the clock is set to Tuesday morning, all check in, and the log is sent.
#[tokio::test]
async fn what_was_countersigned_before_its_time_is_told_by_page_and_verdict() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let now = Timestamp::now();
    let at = |hours: i64| (now + SignedDuration::from_hours(hours)).to_string();
    let (monday, tuesday) = (&at(-20)[..10], &at(-8)[..10]);
    let mut records = vec![
        appliance.signed(0, &at(-20), checkin(monday)),
        // By now its time has come; when it was received it had not.
        appliance.signed(1, &at(-8), checkin(tuesday)),
        appliance.signed(2, &at(-7), checkin(&at(-7)[..10])),
    ];
    appliance.receipt(&server, 0, &records).await;
    received(&server, &appliance, 3, now - SignedDuration::from_hours(19));
    let page = server.get("/").await.text;
    assert!(page.contains("正常</span>") && !page.contains("记录时间超前"), "{page}");
    // The newest receipt alone does not tell.
    records.push(appliance.signed(3, &at(0), checkin(&at(0)[..10])));
    appliance.receipt(&server, 3, &records).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (bureau, key) = (Bureau::open(server.folder.path()).expect("a bureau"), server.bureau_key());
    let (log, class) = (folder.path().join("log"), folder.path().join("class"));
    export(&bureau, appliance.id(), &log).expect("exported");
    export_class(&bureau, appliance.id(), "A", &class).expect("exported");
    for out in [log, class] {
        let verdict = verify(&out, Some(key)).expect("readable");
        assert_eq!(warnings(&verdict), [("time_after_receipt", Some(1))], "{verdict}");
        let text = verdict.to_string();
        assert!(text.contains("2 records are dated later") && text.contains("by up to 12h"), "{text}");
        assert!(verifies_independently(&out));
    }

    // One that comes before its time is kept, and marked until staff have looked into it.
    records.push(appliance.signed(4, &at(12), checkin(&at(12)[..10])));
    appliance.receipt(&server, 4, &records).await;
    let ahead = |page: &str| page.contains("记录时间超前") && page.contains("记录 4 的时间比收到时晚 11 小时");
    let page = server.get("/").await.text;
    assert!(ahead(&page) && !page.contains("正常</span>"), "{page}");
    assert_eq!(server.get("/v1/appliances").await.json()[0]["ahead"]["seq"], 4);
    assert!(server.command("appliances", &[]).contains("record 4 came 431"));
    // What comes in its time after it does not take the mark away, nor does one that is less far ahead.
    records.push(appliance.signed(5, &at(0), checkin(&at(0)[..10])));
    records.push(appliance.signed(6, &at(1), checkin(&at(1)[..10])));
    appliance.receipt(&server, 5, &records).await;
    assert!(ahead(&server.get("/").await.text));
    assert_eq!(server.command("settle", &[appliance.id()]), "1 settled");
    let page = server.get("/").await.text;
    assert!(page.contains("正常</span>") && !page.contains("记录时间超前"), "{page}");
}

#[tokio::test]
async fn a_clock_that_was_set_and_a_check_in_for_another_day_are_told() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let step = Data::Clock(ClockStep {
        expected: "2026-11-23T20:00:00.000+08:00".into(),
        observed: "2026-11-24T07:45:00.000+08:00".into(),
    });
    let records = vec![
        appliance.signed(0, "2026-11-23T07:45:00.000+08:00", checkin("2026-11-23")),
        appliance.signed(1, "2026-11-24T07:45:00.000+08:00", step),
        appliance.signed(2, "2026-11-24T07:46:00.000+08:00", checkin("2026-11-23")),
    ];
    appliance.receipt(&server, 0, &records).await;
    let folder = tempfile::tempdir().expect("a folder");
    let bureau = Bureau::open(server.folder.path()).expect("a bureau");
    let (log, class) = (folder.path().join("log"), folder.path().join("class"));
    export(&bureau, appliance.id(), &log).expect("exported");
    export_class(&bureau, appliance.id(), "A", &class).expect("exported");
    let verdict = verify(&log, Some(server.bureau_key())).expect("readable");
    assert_eq!(warnings(&verdict), [("clock_stepped", Some(1)), ("wrong_date", Some(2))], "{verdict}");
    let verdict = verify(&class, Some(server.bureau_key())).expect("readable");
    assert_eq!(warnings(&verdict), [("wrong_date", Some(2))], "a class's records say nothing of the clock: {verdict}");
}
