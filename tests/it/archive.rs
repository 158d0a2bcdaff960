//! The archive is what was recorded: in a folder, and in a store that speaks S3.

use crate::camera::free_port;
use crate::check::with_key;
use crate::recording_keep::{House, house};
use evidence::record::{Data, DeletionReason};
use jiff::Timestamp;
use rollcall::recording::archive::{ArchiveError, Archiver, Pass, Unfit};
use rollcall::recording::retention::{Cleaner, give_up, lost};
use rollcall::recording::{Reserve, Service, hash_file};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn an_archive_is_marked_resumed_read_back_and_never_holds_what_was_not_recorded() {
    let mut house = house("[archive]\nname = \"nas\"\nfolder = \"nas\"\nmax_bytes_per_second = 1000000\n");
    let nas = house.path.join("nas");
    fs::create_dir(&nas).expect("made");
    let error = house.archive().expect_err("the share is not mounted");
    assert!(matches!(error, ArchiveError::Unmarked(_)), "{error}");
    assert_eq!(fs::read_dir(&nas).expect("there").count(), 0, "nothing lands on the bare mount point");
    Archiver::init(house.config.archive.as_ref().expect("configured")).expect("marked");

    // Stopped after the first: the rest is sent later, and the first is not sent again.
    let object = |house: &House, at: usize| nas.join(&house.journal.log().origin).join(&house.segments[at].path);
    let (first, stop) = (object(&house, 0), Arc::new(AtomicBool::new(false)));
    let mut slow = house.config.clone();
    slow.archive.as_mut().expect("configured").max_bytes_per_second = Some(2 * house.segments[0].bytes);
    let watched = (first.clone(), stop.clone());
    let watcher = std::thread::spawn(move || {
        while !watched.0.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        watched.1.store(true, Ordering::Relaxed);
    });
    let mut archiver = Archiver::new(&slow, &house.journal).expect("readable").expect("there is an archive");
    let error = archiver.run(&slow, &house.journal, Pass::ClosedDays, &stop).expect_err("stopped");
    assert!(matches!(error, ArchiveError::Stopped), "{error}");
    watcher.join().expect("done");
    assert!(!object(&house, 5).exists());
    let sent = fs::metadata(&first).expect("there").modified().expect("a time");
    // One is there and is not what was recorded, one is half there, one is altered here.
    fs::write(object(&house, 1), vec![0; house.segments[1].bytes as usize]).expect("written");
    fs::write(object(&house, 2), b"half").expect("written");
    let whole = fs::read(house.file(4)).expect("there");
    fs::write(house.file(4), b"altered").expect("written");
    let mut archiver = Archiver::new(&house.config, &house.journal).expect("readable").expect("there is an archive");
    let mut pass = |house: &House| {
        let done = archiver.run(&house.config, &house.journal, Pass::ClosedDays, &AtomicBool::new(false));
        (done.expect("all else is archived").segments, archiver.status().clone())
    };
    let (done, status) = pass(&house);
    let altered = Some(Unfit { segments: 1, first: house.segments[4].path.clone() });
    assert_eq!((done, status.unfit, status.problem), (5, altered.clone(), None));
    assert_eq!((pass(&house).0, pass(&house).1.unfit), (0, altered.clone()), "it is told as long as it is so");
    assert_eq!(fs::metadata(&first).expect("there").modified().expect("a time"), sent, "not sent again");
    for at in [0, 1, 2, 3, 5] {
        let expected = (house.segments[at].bytes, house.segments[at].sha256.clone());
        assert_eq!(hash_file(&object(&house, at)).expect("there"), expected);
    }
    assert!(!object(&house, 4).exists());
    // One that cannot be read at all is no reason to archive nothing else either.
    fs::remove_file(house.file(4)).and_then(|()| fs::create_dir(house.file(4))).expect("made");
    assert_eq!((pass(&house).0, pass(&house).1.unfit), (0, altered));
    fs::remove_dir(house.file(4)).expect("removed");
    fs::write(house.file(4), &whole).expect("written");
    let (done, status) = pass(&house);
    assert_eq!((done, status.unfit), (1, None));
    assert_eq!(house.archive().expect("nothing is left to do"), 0);
    let manifest = object(&house, 5).with_file_name("manifest.json");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest).expect("there")).expect("JSON");
    let seqs: Vec<_> = manifest["segments"].as_array().expect("a list").iter().map(|one| one["seq"].as_u64()).collect();
    assert_eq!(seqs, house.segments[3..].iter().map(|row| Some(row.seq)).collect::<Vec<_>>());
    let archived: Vec<u64> = house
        .data()
        .into_iter()
        .filter_map(|data| if let Data::Archive(archive) = data { Some(archive.segments) } else { None })
        .flatten()
        .collect();
    assert_eq!(archived.len(), 6);
    assert_eq!(house.problems(), []);
    // What is still to be archived is what the log says, or would never be.
    let database = with_key(&house.config.appliance.state_dir);
    database.execute("INSERT INTO unarchived VALUES (?1)", [archived[0] as i64]).expect("put");
    let found: Vec<_> = house.problems().into_iter().map(|(code, seq, _)| (code, seq)).collect();
    assert_eq!(found, [("wrong_row".to_owned(), Some(archived[0]))]);
    database.execute("DELETE FROM unarchived", []).expect("taken away");
    // Today is closed when its lessons are accounted for, and somebody asks for it.
    let today = Timestamp::now().to_zoned_datetime(house.journal.zone().clone()).date();
    house.record(today, 0);
    assert_eq!(house.archive().expect("nothing is due"), 0);
    let mut archiver = Archiver::new(&house.config, &house.journal).expect("readable").expect("there is an archive");
    let done = archiver.run(&house.config, &house.journal, Pass::WithToday, &AtomicBool::new(false));
    assert_eq!(done.expect("archived").segments, 1);
    fs::remove_file(nas.join("rollcall-archive")).expect("unmounted");
    house.record(today, 1);
    let error = archiver.run(&house.config, &house.journal, Pass::WithToday, &AtomicBool::new(false));
    assert!(matches!(error, Err(ArchiveError::Unmarked(_))), "{error:?}");
    assert!(archiver.status().problem.as_ref().is_some_and(|problem| problem.contains("mounted")));
}

#[test]
fn what_is_lost_is_given_up_with_a_record_and_takes_nothing_of_the_budget_any_more() {
    let mut house = house("[archive]\nname = \"nas\"\nfolder = \"nas\"\n");
    let nas = house.path.join("nas");
    fs::create_dir(&nas).expect("made");
    Archiver::init(house.config.archive.as_ref().expect("configured")).expect("marked");
    let bytes: u64 = house.segments.iter().map(|row| row.bytes).sum();
    house.config.retention.budget_bytes = Some(bytes - house.segments[2].bytes);
    fs::remove_file(house.file(2)).expect("removed");
    let mut archiver = Archiver::new(&house.config, &house.journal).expect("readable").expect("there is an archive");
    let mut unfit = |house: &House| {
        let done = archiver.run(&house.config, &house.journal, Pass::ClosedDays, &AtomicBool::new(false));
        done.map(|_| archiver.status().unfit.as_ref().map(|unfit| unfit.segments))
    };
    let marker = house.config.recordings().join("rollcall-recordings");
    fs::rename(&marker, house.path.join("away")).expect("moved");
    assert!(unfit(&house).is_err() && lost(&house.config, &house.journal).is_err(), "the disk is not mounted");
    fs::rename(house.path.join("away"), &marker).expect("moved");
    assert_eq!(unfit(&house).expect("archived"), Some(1));

    let found = lost(&house.config, &house.journal).expect("looked");
    assert_eq!((found.segments.len(), found.not_countersigned), (0, 1), "the bureau has not seen it");
    house.countersign(1_790_000_000);
    let mut cleaner = Cleaner::start(&house.config, &house.journal).expect("starts");
    let found = lost(&house.config, &house.journal).expect("looked").segments;
    assert_eq!(found.iter().map(|row| row.segment.seq).collect::<Vec<_>>(), [house.segments[2].seq]);
    assert_eq!(give_up(&house.journal, found).expect("journalled").segments, 1);
    let data = house.data();
    let Some(Data::Deletion(deletion)) = data.last() else { panic!("{data:?}") };
    assert_eq!((deletion.reason, deletion.archived), (DeletionReason::Lost, false));
    assert_eq!(unfit(&house).expect("archived"), None);
    assert_eq!(house.problems(), []);
    // The cleaner that runs meanwhile deletes nothing in its place.
    let room = Reserve::new(&house.config).look().expect("a disk");
    let cleaned = cleaner.run(&house.config, &house.journal, room).expect("runs");
    assert_eq!((cleaned.deleted.segments, cleaner.kept()["back"].segments), (0, 5));
}

/// Every file below a folder, by its path there.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() {
            files.extend(files_below(&entry));
        } else {
            files.insert(entry);
        }
    }
    files
}

#[test]
fn an_archiver_that_is_killed_over_and_over_archives_each_segment_once_and_leaves_nothing_half_done() {
    let mut house = house("[archive]\nname = \"nas\"\nfolder = \"nas\"\n");
    let day = house.days[0];
    for minute in 3..40 {
        house.record(day, minute);
    }
    // All of it, sent and read back, would take three seconds.
    let bytes: u64 = house.segments.iter().map(|segment| segment.bytes).sum();
    let config = house.path.join("rollcall.toml");
    let text = fs::read_to_string(&config).expect("there");
    fs::write(&config, format!("{text}max_bytes_per_second = {}\n", 2 * bytes / 3)).expect("written");
    let nas = house.path.join("nas");
    fs::create_dir(&nas).expect("made");
    Archiver::init(house.config.archive.as_ref().expect("configured")).expect("marked");
    let archive = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.arg("--config").arg(&config).args(["recording", "archive"]).stdout(Stdio::null());
        command.spawn().expect("the program is there")
    };
    let mut killed = 0;
    for _ in 0..20 {
        let mut process = archive();
        std::thread::sleep(crate::kill::random_pause(20, 900));
        process.kill().expect("killed");
        killed += usize::from(!process.wait().expect("gone").success());
    }
    assert!(killed > 0, "none was killed before its end");
    assert!(archive().wait().expect("ended").success());
    let mut archived = Vec::new();
    for data in house.data() {
        if let Data::Archive(archive) = data {
            archived.extend(archive.segments);
        }
    }
    archived.sort_unstable();
    assert_eq!(archived, house.segments.iter().map(|segment| segment.seq).collect::<Vec<_>>(), "each of them, once");
    let root = nas.join(&house.journal.log().origin);
    let mut expected = BTreeSet::from([nas.join("rollcall-archive")]);
    for segment in &house.segments {
        let object = root.join(&segment.path);
        assert_eq!(hash_file(&object).expect("there"), (segment.bytes, segment.sha256.clone()));
        expected.insert(object.with_file_name("manifest.json"));
        expected.insert(object);
    }
    assert_eq!(files_below(&nas), expected, "nothing else is there");
    assert_eq!(house.problems(), []);
}

/// A server that speaks S3 (moto, of PyPI): `moto_server` on the path, or named by ROLLCALL_MOTO.
struct Moto(std::process::Child);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn moto(port: u16) -> Option<Moto> {
    let program = std::env::var_os("ROLLCALL_MOTO").unwrap_or("moto_server".into());
    let mut command = Command::new(program);
    let child = command.args(["-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(child) = child else {
        eprintln!("skipped: moto_server is missing; scripts/moto installs it, ROLLCALL_MOTO names it");
        return None;
    };
    let moto = Moto(child);
    let end = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "moto does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(moto)
}

/// One request, without a signature: moto asks for none.
fn request(port: u16, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("listens");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    answer.split_off(end + 4)
}

#[test]
fn a_store_that_does_not_answer_holds_up_no_stop() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    let house = house(&format!(
        "[archive.s3]\nendpoint = \"http://127.0.0.1:{port}\"\nbucket = \"class\"\ncredentials = \"s3.toml\"\n"
    ));
    let credentials = house.path.join("s3.toml");
    fs::write(&credentials, "access_key_id = \"AKIDTEST\"\nsecret_access_key = \"hush\"\n").expect("written");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o600)).expect("set");
    let service = Service::start(&house.config, house.journal.clone(), Arc::default()).expect("starts");
    let (_connection, _) = silent.accept().expect("it is asked");
    let begun = Instant::now();
    service.stop_as_meant();
    drop(service);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_store_that_speaks_s3_gets_every_segment_and_what_is_wrong_there_is_replaced() {
    let port = free_port();
    let Some(moto) = moto(port) else { return };
    request(port, "PUT", "/class", b"");
    let s3 = format!(
        "[archive.s3]\nendpoint = \"http://127.0.0.1:{port}\"\nbucket = \"class\"\nprefix = \"nankai\"\n\
         credentials = \"s3.toml\"\n"
    );
    let house = house(&s3);
    let credentials = house.path.join("s3.toml");
    fs::write(&credentials, "access_key_id = \"AKIDTEST\"\nsecret_access_key = \"hush-hush\"\n").expect("written");
    let error = house.archive().expect_err("others may read the secret").to_string();
    assert!(error.contains("chmod 600") && !error.contains("hush"), "{error}");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o600)).expect("set");
    // A wrong copy of the right length is there already.
    let path = |at: usize| format!("/class/nankai/{}/{}", house.journal.log().origin, house.segments[at].path);
    let at = |at: usize| path(at).replace('+', "%2B");
    request(port, "PUT", &at(1), &vec![0; house.segments[1].bytes as usize]);
    assert_eq!(house.archive().expect("archived"), 6);
    for number in 0..6 {
        let object = request(port, "GET", &at(number), b"");
        assert_eq!(evidence::sha256_hex(&object), house.segments[number].sha256);
    }
    assert_eq!(house.problems(), []);
    drop(moto);
    let mut house = house;
    house.record(house.days[1], 5);
    let error = house.archive().expect_err("the store is away").to_string();
    assert!(!error.contains("hush"), "{error}");
}
