//! The appliance and the real bureau, over TLS on loopback: registering, draining, being killed on either side.

use crate::kill::{STATE, assert_good, child, initialise, kills, random_pause};
use bureau::Bureau;
use clap::Parser;
use rollcall::commands::export::export_log;
use rollcall::config::{ApplianceConfig, SyncConfig};
use rollcall::journal::Journal;
use rollcall::journal::testing::{checkin, today};
use rollcall::sync::{self, Link, SyncError, SyncState, SyncStatus};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::watch;

/// Runs `bureau` with the arguments in the file `arguments` of its folder, one a line.
#[test]
#[ignore = "a process of the tests in this file"]
fn child_bureau() {
    let Some(folder) = std::env::var_os(STATE) else { return };
    let arguments = std::fs::read_to_string(Path::new(&folder).join("arguments")).expect("arguments");
    println!();
    bureau::commands::Arguments::parse_from(arguments.lines()).run();
}

/// A bureau's folder, and its server while it runs.
pub struct Server {
    pub folder: TempDir,
    process: Option<Child>,
    address: String,
}

impl Server {
    fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        bureau::init(folder.path(), "bureau/test", &[]).expect("set up");
        let mut server = Server { folder, process: None, address: "127.0.0.1:0".into() };
        server.serve();
        server
    }

    fn run(&self, arguments: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
        let folder = self.folder.path().to_str().expect("plain letters");
        let arguments = [&["bureau"], arguments, &["--dir", folder]].concat().join("\n");
        std::fs::write(self.folder.path().join("arguments"), arguments).expect("written");
        let mut process = child("bureau::child_bureau", self.folder.path());
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines().map_while(Result::ok);
        (process, lines)
    }

    /// Starts it, if it does not run, where it listened before.
    fn serve(&mut self) {
        if self.process.is_some() {
            return;
        }
        let (process, mut lines) = self.run(&["serve", "--listen", &self.address]);
        let listening = lines.find_map(|line| line.strip_prefix("listening on https://").map(str::to_owned));
        self.address = listening.expect("listening");
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("gone");
        }
    }

    fn invite(&self) -> String {
        let (mut process, mut lines) = self.run(&["invite"]);
        let code = lines.find(|line| line.len() == 23 && line.matches('-').count() == 3).expect("a code");
        process.wait().expect("gone");
        code
    }

    fn config(&self, batch_records: usize) -> String {
        let ca = self.folder.path().join("ca.pem");
        format!("bureau = \"https://{}\"\nca = \"{}\"\nbatch_records = {batch_records}\n", self.address, ca.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub fn once(journal: &Arc<Journal>, config: &SyncConfig) -> Result<sync::Drained, SyncError> {
    runtime().block_on(sync::once(journal.clone(), config))
}

/// A bureau, and an appliance that is registered with it.
pub fn registered(batch_records: usize) -> (Server, TempDir, Arc<Journal>, SyncConfig) {
    let server = Server::start();
    let state = tempfile::tempdir().expect("a folder");
    let journal = Arc::new(initialise(state.path()));
    let text = server.config(batch_records);
    std::fs::write(state.path().join("sync.toml"), &text).expect("written");
    let config: SyncConfig = toml::from_str(&text).expect("a config");
    let place: ApplianceConfig = toml::from_str("site = \"site\"\nroom = \"301\"").expect("a config");
    let register = |code: &str| runtime().block_on(sync::register(journal.clone(), &config, &place, code));
    let error = register("AAAAA-AAAAA-AAAAA-AAAAA").expect_err("a wrong code").to_string();
    assert!(error.contains("refuses (403)"), "{error}");
    let code = server.invite();
    assert_eq!(register(&code).expect("registered").name, "bureau/test");
    register(&code).expect("a repeat is answered the same");
    (server, state, journal, config)
}

/// What the bureau has is what the appliance has, and `bureau verify` says so of both exports.
fn assert_same(server: &Server, journal: &Journal) {
    let bureau = Bureau::open(server.folder.path()).expect("opened");
    let device = &journal.log().origin;
    let row = bureau.database.appliance(device).expect("readable").expect("registered");
    let theirs = bureau.database.records(&row, 0, usize::MAX >> 1).expect("readable");
    let ours = journal.store().read().expect("open").records(0, usize::MAX >> 1, usize::MAX).expect("readable");
    assert_eq!(theirs.len(), ours.len());
    assert!(theirs.iter().zip(&ours).all(|(theirs, ours)| theirs == ours.as_str()), "the same bytes, each once");
    let folder = tempfile::tempdir().expect("a folder");
    let out = |name: &str| -> PathBuf { folder.path().join(name) };
    bureau::export(&bureau, device, &out("bureau")).expect("exported");
    export_log(journal, &out("appliance")).expect("exported");
    for (name, size) in [("bureau", ours.len()), ("appliance", ours.len() + 1)] {
        let verdict = bureau::verify(&out(name), Some(bureau.key.verifying_key())).expect("readable");
        assert!(verdict.verified && verdict.records == size as u64, "{name}: {verdict}");
    }
}

#[test]
fn a_registered_appliance_drains_and_both_exports_verify() {
    let (server, _state, journal, config) = registered(10);
    for number in 0..25 {
        journal.check_in(checkin("c", &number.to_string(), &today(&journal)), Some(b"photo")).expect("appended");
    }
    let drained = once(&journal, &config).expect("drained");
    assert_eq!(drained.receipt.size, 27, "initialised, registered, 25 check-ins");
    assert_same(&server, &journal);
    assert_good(&journal);
}

#[test]
fn an_appliance_that_the_bureau_does_not_know_waits() {
    let (_server, _state, _journal, config) = registered(10);
    let (_other_server, _other_state, other, _) = registered(10);
    let error = once(&other, &config).expect_err("not registered there").to_string();
    assert!(error.contains("refuses (404)"), "{error}");
}

#[test]
fn whether_the_bureau_is_there_is_known_also_while_nothing_waits() {
    let (mut server, _state, journal, _) = registered(10);
    let config: SyncConfig = toml::from_str(&(server.config(10) + "ask_seconds = 1\n")).expect("a config");
    let (told, mut status) = watch::channel(SyncStatus::unknown());
    let (_stop, stopped) = watch::channel(false);
    runtime().block_on(async {
        let _running = tokio::spawn(sync::run(journal.clone(), config, told, stopped));
        let mut see = async |link: Link| {
            let wanted = |status: &SyncStatus| status.link == link && status.state == SyncState::UpToDate;
            let seen = tokio::time::timeout(Duration::from_secs(20), status.wait_for(wanted)).await;
            seen.unwrap_or_else(|_| panic!("never {link:?}")).expect("running").clone()
        };
        assert_eq!(see(Link::Online).await.error, None);
        server.kill();
        let offline = see(Link::Offline).await;
        assert!(offline.error.is_some_and(|error| error.contains("no answer from")), "staff are told why");
        server.serve();
        assert_eq!(see(Link::Online).await.error, None);
    });
}

#[test]
fn a_bureau_that_takes_calls_and_never_answers_is_never_online() {
    let (_server, _state, journal, config) = registered(10);
    // The system accepts for it; nobody reads.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = silent.local_addr().expect("bound").port();
    let bureau = format!("https://localhost:{port}").parse().expect("an address");
    let config = SyncConfig { bureau, ask_seconds: 1, max_backoff_seconds: 1, ..config };
    let (told, mut status) = watch::channel(SyncStatus::unknown());
    let (_stop, stopped) = watch::channel(false);
    runtime().block_on(async {
        let _running = tokio::spawn(sync::run(journal.clone(), config, told, stopped));
        let (mut seen, end) = (Vec::new(), tokio::time::Instant::now() + Duration::from_secs(25));
        while tokio::time::timeout_at(end, status.changed()).await.is_ok() {
            let now = status.borrow_and_update().clone();
            seen.push((now.link, now.state));
        }
        let sending = |link| seen.contains(&(link, SyncState::Sending));
        assert!(sending(Link::NotYet) && sending(Link::Offline), "the next try changes nothing by itself: {seen:?}");
        assert!(seen.iter().all(|(link, _)| *link != Link::Online), "{seen:?}");
    });
}

#[test]
fn killed_on_either_side_at_random_nothing_is_lost_and_nothing_doubled() {
    let (mut server, state, journal, config) = registered(16);
    for turn in 0..kills() {
        for number in 0..200 {
            journal.check_in(checkin("c", &format!("{turn}-{number}"), &today(&journal)), None).expect("appended");
        }
        server.serve();
        let mut sender = child("kill::child_sends", state.path());
        std::thread::sleep(random_pause(10, 200));
        if rand::random() {
            server.kill();
            std::thread::sleep(random_pause(1, 20));
        }
        sender.kill().expect("killed");
        sender.wait().expect("gone");
    }
    server.serve();
    let drained = once(&journal, &config).expect("drained");
    assert_eq!(drained.receipt.size, journal.size());
    assert!(drained.before > 0, "no process lived long enough to send anything");
    assert_same(&server, &journal);
    assert_good(&journal);
}

/// 50,000 check-ins.
fn append_fifty_thousand(journal: &Journal) {
    let day = today(journal);
    for turn in 0..50 {
        let append = |batch: &mut rollcall::journal::Batch<'_>| {
            for number in 0..1000 {
                let made = checkin("c", &format!("{turn}-{number}"), &day);
                batch.append(evidence::record::Data::Checkin(made))?;
            }
            Ok::<(), rollcall::journal::JournalError>(())
        };
        journal.transaction(append).expect("appended");
    }
}

/// `cargo test --release --test it -- --ignored --nocapture fifty_thousand`
#[test]
#[ignore = "a measurement"]
fn fifty_thousand_records_drain() {
    let (server, _state, journal, config) = registered(2000);
    append_fifty_thousand(&journal);
    let start = Instant::now();
    let drained = once(&journal, &config).expect("drained");
    let seconds = start.elapsed().as_secs_f64();
    println!("\n{} records drained in {seconds:.2} s", drained.receipt.size);
    let start = Instant::now();
    assert_good(&journal);
    println!("checked in {:.2} s", start.elapsed().as_secs_f64());
    assert_same(&server, &journal);
    assert!(cfg!(debug_assertions) || seconds <= 10.0, "what is promised of a release build is 10 s");
}

/// As above, while appliance or bureau is killed, twenty times at random moments before everything is countersigned.
#[test]
#[ignore = "takes half a minute"]
fn fifty_thousand_records_drain_through_twenty_kills() {
    let (mut server, state, journal, _config) = registered(250);
    append_fifty_thousand(&journal);
    let countersigned = || {
        let receipt = journal.store().read().expect("open").newest_receipt().expect("readable");
        receipt.map_or(0, |receipt| receipt.size)
    };
    let start = Instant::now();
    let mut sender = child("kill::child_sends", state.path());
    let (mut of_appliance, mut of_bureau) = (0, 0);
    for kill in 0..20 {
        std::thread::sleep(random_pause(20, 200));
        assert!(countersigned() < journal.size(), "everything was sent before kill {kill}");
        if rand::random() {
            server.kill();
            server.serve();
            of_bureau += 1;
        } else {
            sender.kill().expect("killed");
            sender.wait().expect("gone");
            sender = child("kill::child_sends", state.path());
            of_appliance += 1;
        }
    }
    let at_the_last_kill = countersigned();
    assert!(at_the_last_kill > 0, "no process lived long enough to send anything");
    assert!(sender.wait().expect("ended").success(), "the appliance sends the rest by itself");
    println!(
        "\n{} records, {of_appliance} kills of the appliance and {of_bureau} of the bureau, {at_the_last_kill} \
         countersigned by then; everything after {:.1} s",
        countersigned(),
        start.elapsed().as_secs_f64()
    );
    assert_eq!(countersigned(), journal.size());
    assert_same(&server, &journal);
    assert_good(&journal);
}
