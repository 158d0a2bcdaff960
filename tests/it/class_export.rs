//! One class's records, exported by appliance and bureau, verified offline by ours and by independent software.

use crate::bureau::{once, registered};
use bureau::{Bureau, export_class as export_at_bureau, verify};
use evidence::checkpoint::{Checkpoint, Signed};
use evidence::inclusion::Inclusion;
use evidence::jws::read_unverified;
use evidence::key::SigningKey;
use evidence::record::Data;
use evidence::tree::{Frontier, Hash, Nodes, inclusion_proof, leaf_hash};
use evidence::verdict::Verdict;
use rollcall::class::Class;
use rollcall::commands::export::export_log;
use rollcall::commands::export_class::export_class;
use rollcall::journal::PlanSource;
use rollcall::journal::testing::{checkin, class, today};
use std::path::Path;
use std::process::Command;

/// The exit code of the verifier that shares no code with this project.
fn independent(folder: &Path) -> Option<i32> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/verify-independently");
    let done = Command::new(script).arg(folder).output().expect("the script runs");
    println!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    done.status.code()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("new");
    for file in std::fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}

/// A class whose lesson is yet to come, whenever that is asked.
fn coming(id: &str) -> Class {
    let mut class = class(id, &["1", "2"], &["T1"]);
    class.lessons[0].date = jiff::civil::date(2199, 11, 23);
    class
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_class_is_exported_with_proofs_that_hold_without_the_rest_of_the_log() {
    let (server, _state, journal, config) = registered(10);
    for id in ["A", "B"] {
        journal.import_class(&coming(id), &"00".repeat(32), PlanSource::File, "301").expect("imported");
    }
    for number in 0..20 {
        for id in ["A", "B"] {
            journal.check_in(checkin(id, &number.to_string(), &today(&journal)), None).expect("appended");
        }
    }
    once(&journal, &config).expect("drained");
    let bureau = Bureau::open(server.folder.path()).expect("opened");
    let key = bureau.key.verifying_key();
    let folder = tempfile::tempdir().expect("a folder");
    let out = |name: &str| folder.path().join(name);

    // A plan, its lesson and twenty check-ins; then a check-in that the bureau has not seen.
    assert_eq!(export_class(&journal, "A", &out("all")).expect("exported"), 22);
    let verdict = verify(&out("all"), Some(key)).expect("readable");
    assert!(verdict.verified && verdict.records == 22, "{verdict}");
    assert_eq!(codes(&verdict), ["countersigned", "lessons", "part_of_log"]);
    assert_eq!(independent(&out("all")), Some(0));
    journal.check_in(checkin("A", "20", &today(&journal)), None).expect("appended");
    assert_eq!(export_class(&journal, "A", &out("more")).expect("exported"), 24, "the export is a record of the class");
    let verdict = verify(&out("more"), Some(key)).expect("readable");
    assert!(verdict.verified, "{verdict}");
    assert_eq!(codes(&verdict), ["not_countersigned", "countersigned", "lessons", "part_of_log"]);
    assert!(verdict.to_string().contains("22 of these records are among the 46 that bureau/test"), "{verdict}");
    assert_eq!(independent(&out("more")), Some(0));

    // The bureau's own copy.
    let device = &journal.log().origin;
    assert_eq!(export_at_bureau(&bureau, device, "B", &out("bureau")).expect("exported"), 22);
    assert!(verify(&out("bureau"), Some(key)).expect("readable").verified);
    assert_eq!(independent(&out("bureau")), Some(0));
    let records = std::fs::read_to_string(out("bureau").join("records.jws")).expect("written");
    assert!(records.lines().all(|jws| read_unverified(jws).expect("a record").data.class() == Some("B")));
    assert!(export_class(&journal, "C", &out("none")).is_err(), "no such class");
    assert!(export_at_bureau(&bureau, device, "C", &out("none")).is_err(), "no such class");

    // Whatever is changed is found, by both.
    let tampered = |name: &str, file: &str, change: &dyn Fn(Vec<&str>) -> Vec<String>| {
        copy(&out("all"), &out(name));
        let path = out(name).join(file);
        let text = std::fs::read_to_string(&path).expect("written");
        std::fs::write(&path, change(text.lines().collect()).join("\n") + "\n").expect("written");
        let verdict = verify(&out(name), Some(key)).expect("readable");
        assert!(!verdict.verified, "{name}: {verdict}");
        assert_eq!(independent(&out(name)), Some(1), "{name}");
        codes(&verdict).first().map(|code| code.to_string())
    };
    let owned = |lines: Vec<&str>| lines.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let other = records.lines().nth(3).expect("a record of class B").to_owned();
    let one_removed = tampered("removed", "records.jws", &|lines| owned([&lines[..5], &lines[6..]].concat()));
    assert_eq!(one_removed.as_deref(), Some("not_included"), "each record after it has another's proof");
    let one_changed = tampered("changed", "records.jws", &|lines| {
        let mut lines = owned(lines);
        let middle = lines[5].len() / 2;
        let with = if lines[5].as_bytes()[middle] == b'A' { "B" } else { "A" };
        lines[5].replace_range(middle..=middle, with);
        lines
    });
    assert_eq!(one_changed.as_deref(), Some("bad_record"));
    let other_class = tampered("other class", "records.jws", &|lines| {
        let mut lines = owned(lines);
        lines[3] = other.clone();
        lines
    });
    assert_eq!(other_class.as_deref(), Some("wrong_class"));
    let last_removed = tampered("shortened", "records.jws", &|lines| owned(lines[..20].to_vec()));
    assert_eq!(last_removed.as_deref(), Some("records_missing"));
    let proof_changed = tampered("proof", "proofs.txt", &|lines| {
        let mut lines = owned(lines);
        lines[2] = lines[2].rsplit_once(' ').expect("a path").0.to_owned();
        lines
    });
    assert_eq!(proof_changed.as_deref(), Some("not_included"));
    let twice = tampered("twice", "records.jws", &|lines| owned([&lines[..6], &lines[5..]].concat()));
    assert_eq!(twice.as_deref(), Some("wrong_place"));
}

/// A log that whoever has the appliance's key makes up.
struct MadeUp {
    records: Vec<String>,
    tree: Frontier,
    /// Of each record, the nodes that it completes.
    nodes: Vec<Vec<Hash>>,
}

impl MadeUp {
    fn new(records: Vec<String>) -> MadeUp {
        let mut tree = Frontier::new();
        let nodes = records.iter().map(|jws| tree.push(leaf_hash(jws.as_bytes()))).collect();
        MadeUp { records, tree, nodes }
    }

    fn checkpoint(&self, key: &SigningKey) -> String {
        let origin = key.verifying_key().device_id();
        let checkpoint = Checkpoint { origin, size: self.tree.size(), root: self.tree.root() };
        Signed::sign(checkpoint, key).expect("a good name").to_text()
    }

    fn proof(&self, seq: u64) -> String {
        let size = self.tree.size();
        let Ok(path) = inclusion_proof(self, seq, size);
        Inclusion { seq, size, path }.to_line()
    }
}

impl Nodes for MadeUp {
    type Error = std::convert::Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        Ok(self.nodes[(((index + 1) << level) - 1) as usize][level as usize])
    }
}

/// Whoever has `device.key` signs a consent again as a refusal, and a checkpoint over a log that has it. Among what the
/// bureau has countersigned it is found by both verifiers, however large that log is and wherever its checkpoint stands.
#[test]
fn a_record_that_was_signed_again_is_never_called_countersigned() {
    let (server, state, journal, config) = registered(10);
    let id = class("A", &[], &[]).id;
    journal
        .import_class(&class("A", &["1", "2"], &["T1"]), &"00".repeat(32), PlanSource::File, "301")
        .expect("imported");
    let consent = journal.give_consent(&id, "1", &"11".repeat(32), "cli").expect("given").seq;
    for number in 0..10 {
        journal.check_in(checkin("A", &number.to_string(), &today(&journal)), None).expect("appended");
    }
    once(&journal, &config).expect("drained");
    let key = Bureau::open(server.folder.path()).expect("opened").key.verifying_key();
    let folder = tempfile::tempdir().expect("a folder");
    let good = folder.path().join("good");
    export_class(&journal, "A", &good).expect("exported");
    assert!(verify(&good, Some(key)).expect("readable").verified);
    let log = folder.path().join("log");
    export_log(&journal, &log).expect("exported");
    assert!(verify(&log, Some(key)).expect("readable").verified);
    assert_eq!((independent(&good), independent(&log)), (Some(0), Some(0)));
    let receipt = std::fs::read_to_string(good.join("checkpoint.txt")).expect("written");
    let covered: usize = receipt.lines().nth(1).expect("a size").parse().expect("a number");

    let hex = std::fs::read_to_string(state.path().join("keys/device.key")).expect("there");
    let seed: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).expect("a seed in hex")).collect();
    let device = SigningKey::from_seed(&seed.try_into().expect("32 bytes"));
    let rows = journal.store().read().expect("open").records(0, usize::MAX >> 1, usize::MAX).expect("readable");
    let mut records: Vec<String> = rows.iter().map(|jws| jws.as_str().to_owned()).collect();
    let mut record = read_unverified(&records[consent as usize]).expect("a record");
    match &mut record.data {
        Data::Consent(consent) if consent.given => consent.given = false,
        other => panic!("{other:?} is no consent"),
    }
    records[consent as usize] = record.sign(&device).expect("a good record").into_text();

    for (size, code) in [
        (covered, "two_roots"),
        (covered - 1, "not_under_receipt"),
        (covered - 3, "not_under_receipt"),
        (covered + 1, "not_under_receipt"),
    ] {
        let forged = MadeUp::new(records[..size].to_vec());
        let checkpoint = forged.checkpoint(&device);
        let of_class = |jws: &&String| read_unverified(jws).expect("a record").data.class() == Some("A");
        let chosen: Vec<&String> = forged.records.iter().filter(of_class).collect();
        let proofs: Vec<String> =
            chosen.iter().map(|jws| forged.proof(read_unverified(jws).expect("a record").seq)).collect();
        let lines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let chosen: Vec<String> = chosen.into_iter().cloned().collect();
        for (order, notes) in
            [("after", format!("{receipt}\n{checkpoint}")), ("before", format!("{checkpoint}\n{receipt}"))]
        {
            let out = folder.path().join(format!("{size} {order}"));
            copy(&good, &out);
            std::fs::write(out.join("records.jws"), lines(&chosen)).expect("written");
            std::fs::write(out.join("proofs.txt"), lines(&proofs)).expect("written");
            std::fs::write(out.join("checkpoint.txt"), notes).expect("written");
            let verdict = verify(&out, Some(key)).expect("readable");
            assert!(!verdict.verified && codes(&verdict).contains(&code), "{size} {order}: {verdict}");
            assert!(verdict.to_string().contains("  0 of these records are among the"), "{verdict}");
            assert_eq!(independent(&out), Some(1), "{size} {order}");

            // The same with the whole log: its root is not the receipt's.
            let whole = folder.path().join(format!("whole {size} {order}"));
            copy(&out, &whole);
            std::fs::remove_file(whole.join("class.json")).expect("there");
            std::fs::write(whole.join("records.jws"), lines(&records)).expect("written");
            let verdict = verify(&whole, Some(key)).expect("readable");
            assert!(!verdict.verified && codes(&verdict).contains(&"wrong_root"), "{size} {order}: {verdict}");
            assert!(!codes(&verdict).contains(&"countersigned"), "{size} {order}: {verdict}");
            // Nor does a checkpoint that the forger has signed say since when the log is good.
            assert!(
                verdict.findings.iter().any(|found| found.message.contains("the first 0 are as they were")),
                "{verdict}"
            );
            assert_eq!(independent(&whole), Some(1), "whole {size} {order}");
        }
    }
    // Without the receipt nothing is countersigned, whatever is signed.
    let out = folder.path().join("no receipt");
    copy(&folder.path().join(format!("{covered} after")), &out);
    std::fs::write(out.join("checkpoint.txt"), MadeUp::new(records[..covered].to_vec()).checkpoint(&device))
        .expect("written");
    assert!(codes(&verify(&out, Some(key)).expect("readable")).contains(&"no_receipt"));
    assert_eq!(independent(&out), Some(1));
}
