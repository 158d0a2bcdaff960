//! How much the queries look at, in an appliance that has run for long.

use super::*;
use crate::store::coverage::findings_within;
use crate::store::keys::StoreKey;
use crate::store::{FILE_NAME, FindingRow, Store};
use evidence::record::FindingKind;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{StatementStatus, ToSql};
use std::time::Instant;
use tempfile::TempDir;

const CAMERA: &str = "back";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::create(&folder.path().join(FILE_NAME), &StoreKey::from_bytes([1; 32])).expect("created");
    (folder, store)
}

fn first() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

/// Adds segments of a minute each, from record `from` on, each archived; every fifth has a gap and a finding of its time.
/// Any text may stand for the records.
fn record(store: &Store, from: u64, count: u64) {
    let record = evidence::jws::SignedRecord::from_text("x".into());
    let write = store.begin().expect("idle");
    for seq in from..from + count {
        let start = first() + MINUTE * seq as i32;
        write.append_row(seq, &record, &[record.leaf_hash()]).expect("appended");
        let (camera, path, sha256) = (CAMERA.to_owned(), format!("{seq}.mp4"), "00".repeat(32));
        let row = SegmentRow { seq, camera, start, end: start + MINUTE, path, bytes: 1, sha256 };
        write.put_segment(&row).expect("put");
        write.put_archived(seq, &[seq]).expect("put");
        if seq % 5 == 0 {
            let (end, camera) = (start + MINUTE, CAMERA.to_owned());
            write.put_gap(&GapRow { seq, camera, start, end, cause: GapCause::Network }).expect("put");
            put_finding(&write, seq, start, Some(start + MINUTE * 3));
        }
    }
    write.commit().expect("room");
}

fn put_finding(write: &Write<'_>, seq: u64, start: Timestamp, end: Option<Timestamp>) {
    let (what, camera) = (FindingKind::Dark, Some(CAMERA.to_owned()));
    let row = FindingRow { seq, what, camera, workstation: None, class: None, start, end: None, thumbnail: None };
    write.put_finding(&row, None).expect("put");
    if let Some(end) = end {
        write.end_finding(seq, end, seq).expect("ended");
    }
}

/// How much a query does, in steps of SQLite's virtual machine.
fn steps(view: &View, query: &str, values: &[&dyn ToSql]) -> i32 {
    let mut statement = view.connection.prepare(query).expect("a query");
    let mut rows = statement.query(values).expect("runs");
    while rows.next().expect("reads").is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::VmStep)
}

#[test]
fn no_query_looks_at_more_the_longer_the_appliance_has_run() {
    let (_folder, store) = fresh();
    let of_the_last_hour = |count: u64| {
        let reader = store.read().expect("open");
        let until = (first() + MINUTE * count as i32).as_millisecond();
        let from = until - 3_600_000;
        [
            steps(&reader, &within(SEGMENT, "segments"), params![CAMERA, from, until]),
            steps(&reader, &within(GAP, "gaps"), params![CAMERA, from, until]),
            steps(&reader, &findings_within(), params![from, until]),
            steps(&reader, &last_of_camera(), params![CAMERA]),
            steps(&reader, &not_archived(), params![]),
        ]
    };
    record(&store, 0, 1000);
    let before = of_the_last_hour(1000);
    record(&store, 1000, 4000);
    assert_eq!(of_the_last_hour(5000), before);
}

#[test]
fn what_is_long_is_found_however_long_before_the_span_it_began() {
    let (_folder, store) = fresh();
    record(&store, 0, 20);
    let record = evidence::jws::SignedRecord::from_text("x".into());
    let write = store.begin().expect("idle");
    let (start, end) = (first() + MINUTE * 30, first() + MINUTE * 30 + SignedDuration::from_hours(50));
    for seq in [20, 21] {
        write.append_row(seq, &record, &[record.leaf_hash()]).expect("appended");
        let ends = (seq == 20).then_some(end);
        put_finding(&write, seq, start, ends);
    }
    let (camera, path, sha256) = (CAMERA.to_owned(), "long.mp4".to_owned(), String::new());
    let long = SegmentRow { seq: 20, camera: camera.clone(), start, end, path, bytes: 1, sha256 };
    write.put_segment(&long).expect("put");
    let gap = GapRow { seq: 21, camera, start, end, cause: GapCause::ApplianceOff };
    write.put_gap(&gap).expect("put");
    write.commit().expect("room");
    let reader = store.read().expect("open");
    let last = (end - MINUTE, end + MINUTE);
    assert_eq!(reader.segments(CAMERA, last.0, last.1).expect("reads"), [long]);
    assert_eq!(reader.gaps(CAMERA, last.0, last.1).expect("reads"), [gap]);
    let findings = |span: (Timestamp, Timestamp)| {
        let found = reader.findings(span.0, span.1).expect("reads");
        found.into_iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(findings(last), [20, 21]);
    assert_eq!(findings((end + MINUTE, end + MINUTE * 2)), [21], "one goes on");
    assert_eq!(reader.segments(CAMERA, end, end + MINUTE).expect("reads"), []);
    let [of_seven, of_eight] = [7, 8].map(|minute| first() + MINUTE * minute);
    let found = reader.segments(CAMERA, of_seven, of_eight).expect("reads");
    assert_eq!(found.into_iter().map(|row| row.seq).collect::<Vec<_>>(), [7]);
    assert_eq!(findings((of_seven, of_eight)), [5], "it began two minutes before");
}

#[test]
fn what_is_to_be_archived_is_known_until_it_is_archived_or_deleted_also_from_before_that_was_kept() {
    let (folder, store) = fresh();
    let record = evidence::jws::SignedRecord::from_text("x".into());
    let write = store.begin().expect("idle");
    for seq in 0..5 {
        write.append_row(seq, &record, &[record.leaf_hash()]).expect("appended");
        let start = first() + MINUTE * seq as i32;
        let (camera, path, sha256) = (CAMERA.to_owned(), format!("{seq}.mp4"), String::new());
        write.put_segment(&SegmentRow { seq, camera, start, end: start, path, bytes: 1, sha256 }).expect("put");
    }
    write.put_archived(4, &[1]).expect("put");
    write.put_deleted(4, &[1, 2]).expect("put");
    write.commit().expect("room");
    let waiting = |store: &Store| {
        let rows = store.read().expect("open").unarchived().expect("reads");
        rows.into_iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(waiting(&store), [0, 3, 4]);

    // As it was before the step that keeps it.
    let write = store.begin().expect("idle");
    let undo = "DROP TRIGGER segments_are_unarchived; DROP TRIGGER archived_segments_are_not;
                DROP TRIGGER deleted_segments_are_not; DROP TABLE unarchived; DROP INDEX segments_by_length;
                DROP INDEX gaps_by_length; DROP INDEX findings_by_length; DROP INDEX segments_of_camera;
                DROP INDEX rollcalls_by_time; PRAGMA user_version = 9";
    write.connection().execute_batch(undo).expect("as before");
    write.commit().expect("room");
    drop(store);
    let store = Store::open(&folder.path().join(FILE_NAME), &StoreKey::from_bytes([1; 32])).expect("opens");
    assert_eq!(waiting(&store), [0, 3, 4]);
}

/// How long a query of today takes after a year, and how long it took while it looked at the whole year.
#[test]
#[ignore = "takes half a minute; makes 120,000 segments"]
fn a_query_of_today_is_as_fast_after_a_year() {
    const SEGMENTS: u64 = 120_000;
    let (_folder, store) = fresh();
    record(&store, 0, SEGMENTS);
    let reader = store.read().expect("open");
    let until = (first() + MINUTE * SEGMENTS as i32).as_millisecond();
    let from = until - 86_400_000;
    let whole = |table: &str, columns: &str| {
        format!(
            "SELECT {columns} FROM {table} WHERE camera = ?1 AND start_ms < ?3 AND end_ms > ?2 ORDER BY start_ms, seq"
        )
    };
    let not_exists = |table: &str| format!("NOT EXISTS (SELECT 1 FROM {table} WHERE segment = segments.seq)");
    let of_all =
        format!("SELECT {SEGMENT} FROM segments WHERE {} AND {}", not_exists("archived"), not_exists("deleted"));
    let sorted = format!(
        "SELECT {SEGMENT} FROM segments INDEXED BY segments_by_time WHERE camera = ?1 ORDER BY seq DESC LIMIT 1"
    );
    let [day, camera]: [&[&dyn ToSql]; 2] = [params![CAMERA, from, until], params![CAMERA]];
    for (what, before, now, values) in [
        ("a day's segments", whole("segments", SEGMENT), within(SEGMENT, "segments"), day),
        ("a day's gaps", whole("gaps", GAP), within(GAP, "gaps"), day),
        ("the last segment", sorted, last_of_camera(), camera),
        ("what is to be archived", of_all, not_archived(), &[]),
    ] {
        let time = |query: &str| {
            let begun = Instant::now();
            steps(&reader, query, values);
            begun.elapsed()
        };
        println!("{what}: {:?} before, {:?} now", time(&before), time(&now));
    }
}
