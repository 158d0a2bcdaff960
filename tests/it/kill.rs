//! `kill -9` at random moments: what was acknowledged is there, nothing is there twice, and the log stays whole.
//!
//! The killed processes are this test binary itself, started with one of the ignored tests below. `ROLLCALL_KILLS`
//! says how often to kill (20 when not given).

use crate::hostile::{Answer, BUREAU, Request, bureau_key, ok, serve};
use evidence::checkpoint::{Log, Signed};
use evidence::record::Data;
use evidence::tree::{Frontier, leaf_hash};
use evidence::{jws, jws::Verifier};
use rollcall::check::check;
use rollcall::clock::SystemClock;
use rollcall::config::SyncConfig;
use rollcall::journal::Journal;
use rollcall::journal::testing::{checkin, today};
use rollcall::store::Registration;
use rollcall::sync;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const STATE: &str = "ROLLCALL_TEST_STATE";

pub fn kills() -> u32 {
    std::env::var("ROLLCALL_KILLS").map_or(20, |kills| kills.parse().expect("a number"))
}

pub fn open(state: &Path) -> Journal {
    open_in(state, jiff::tz::TimeZone::UTC)
}

pub fn open_in(state: &Path, zone: jiff::tz::TimeZone) -> Journal {
    let clock = Arc::new(SystemClock::default());
    Journal::open_state(state, clock, zone).expect("a killed process leaves a log that opens")
}

pub fn initialise(state: &Path) -> Journal {
    let clock = Arc::new(SystemClock::default());
    Journal::initialise(state, "site", "301", clock, jiff::tz::TimeZone::UTC).expect("made")
}

pub fn assert_good(journal: &Journal) {
    let report = check(journal.store(), journal.log().key, None).expect("readable");
    assert!(report.ok && crate::check::problems(&report).next().is_none(), "{report}");
}

pub fn random_pause(from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_micros(rand::random_range(from_ms * 1000..to_ms * 1000))
}

/// This binary, running only the ignored test of this name.
pub fn child(test: &str, state: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(STATE, state);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started")
}

/// Appends check-ins with photos for ever, and says so only when each is on disk.
#[test]
#[ignore = "a process to be killed by acknowledged_check_ins_survive_kill_9"]
fn child_appends() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let journal = open(Path::new(&state));
    let mut out = std::io::stdout();
    loop {
        let person = journal.size().to_string();
        let photo = person.repeat(5000);
        let appended =
            journal.check_in(checkin("c", &person, &today(&journal)), Some(photo.as_bytes())).expect("appended");
        out.write_all(format!("\ndone {}\n", appended.seq).as_bytes()).and_then(|()| out.flush()).expect("told");
    }
}

#[test]
fn acknowledged_check_ins_survive_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(initialise(folder.path()));
    let mut most = 0;
    for round in 1..=kills() as u64 {
        let mut process = child("kill::child_appends", folder.path());
        let out = BufReader::new(process.stdout.take().expect("piped"));
        let told = std::thread::spawn(move || {
            let done = |line: String| line.strip_prefix("done ").and_then(|seq| seq.parse::<u64>().ok());
            out.lines().map_while(Result::ok).filter_map(done).collect::<Vec<u64>>()
        });
        // On a busy machine it takes longer to begin.
        let longest = if most == 0 { 150 * round } else { 150 };
        std::thread::sleep(random_pause(1, longest));
        process.kill().expect("killed");
        process.wait().expect("gone");
        let told = told.join().expect("read");
        let journal = open(folder.path());
        let reader = journal.store().read().expect("open");
        for seq in &told {
            let record = reader.record(*seq).expect("readable").expect("acknowledged, so it is there");
            let Data::Checkin(made) = jws::read_unverified(record.as_str()).expect("a record").data else {
                panic!("a check-in at {seq}");
            };
            assert_eq!(made.person, Some(seq.to_string()));
            assert!(reader.capture_of(*seq).expect("readable").is_some());
        }
        drop(reader);
        assert!(told.last().is_none_or(|last| *last < journal.size()));
        most = most.max(told.len());
        assert_good(&journal);
    }
    assert!(most > 0, "no process lived long enough to append anything");
}

/// Sends until everything is countersigned.
#[test]
#[ignore = "a process to be killed by a_drain_that_is_killed_loses_and_doubles_nothing"]
fn child_sends() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let state = Path::new(&state);
    let config: SyncConfig =
        toml::from_str(&std::fs::read_to_string(state.join("sync.toml")).expect("a config")).expect("a config");
    let journal = Arc::new(open(state));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    while runtime.block_on(sync::once(journal.clone(), &config)).is_err() {}
}

/// What a bureau keeps, and how it fails: before it has kept anything, after, or in the middle of its answer.
struct Bureau {
    log: Log,
    records: Arc<Mutex<Vec<String>>>,
}

impl Bureau {
    fn answer(&self, request: &Request) -> Answer {
        let dies = rand::random_range(0..30);
        if dies == 0 {
            return Answer::Nothing;
        }
        let mut kept = self.records.lock().expect("whole");
        let first = request.first() as usize;
        if first > kept.len() {
            return Answer::Status(409, format!("{{\"error\":\"begin at {0}\",\"size\":{0}}}", kept.len()));
        }
        let sent = request.body["records"].as_array().expect("a list");
        for (seq, record) in (first..).zip(sent) {
            let record = record.as_str().expect("a record");
            match kept.get(seq) {
                Some(known) => assert_eq!(known, record, "record {seq} is another than before"),
                None => {
                    let verified = Verifier::new(self.log.key).verify(record).expect("well signed");
                    assert_eq!(verified.seq, seq as u64);
                    kept.push(record.to_owned());
                }
            }
        }
        let signed = Signed::parse(request.body["checkpoint"].as_str().expect("a note"), &self.log).expect("signed");
        assert_eq!(signed.checkpoint().size, (first + sent.len()) as u64);
        let mut frontier = Frontier::new();
        kept[..first + sent.len()].iter().for_each(|record| drop(frontier.push(leaf_hash(record.as_bytes()))));
        assert_eq!(signed.checkpoint().root, frontier.root());
        match dies {
            1 => Answer::Nothing,
            2 => Answer::Cut(request.countersigned(&self.log)),
            _ => ok(request.countersigned(&self.log)),
        }
    }
}

#[test]
fn a_drain_that_is_killed_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Arc::new(initialise(folder.path()));
    let registration = Registration { url: String::new(), name: BUREAU.into(), key: bureau_key().verifying_key() };
    let write = journal.store().begin().expect("begun");
    write.set_registration(&registration).expect("set");
    write.commit().expect("on disk");
    let records = Arc::new(Mutex::new(Vec::new()));
    let bureau = Bureau { log: journal.log().clone(), records: records.clone() };
    let server = serve(folder.path(), move |request| bureau.answer(request));
    let SyncConfig { bureau: url, ca, .. } = &server.config;
    let config = format!("bureau = \"{url}\"\nca = \"{}\"\nbatch_records = 8\n", ca.display());
    std::fs::write(folder.path().join("sync.toml"), config).expect("written");
    for _ in 0..kills() {
        for _ in 0..100 {
            journal.append_event("started", "site", "301").expect("appended beside the one who sends");
        }
        let mut process = child("kill::child_sends", folder.path());
        std::thread::sleep(random_pause(10, 120));
        process.kill().expect("killed");
        process.wait().expect("gone");
    }
    let received = records.lock().expect("whole").len();
    assert!(received > 0, "no process lived long enough to send anything");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // One push in ten fails; each push sends at most ten records.
    let drained =
        (0..100 + journal.size()).find_map(|_| runtime.block_on(sync::once(journal.clone(), &server.config)).ok());
    let drained = drained.expect("the bureau does not always die");
    let log = journal.store().read().expect("open").records(0, usize::MAX >> 1, usize::MAX).expect("readable");
    assert_eq!(drained.receipt.size, log.len() as u64);
    let ours: Vec<&str> = log.iter().map(|record| record.as_str()).collect();
    assert_eq!(*records.lock().expect("whole"), ours, "the same records, each once, in order");
    assert_good(&journal);
}
