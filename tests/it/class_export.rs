//! One class's records, exported by appliance and bureau, verified offline by ours and by independent software.

use crate::bureau::{once, registered};
use bureau::{Bureau, export_class as export_at_bureau, verify};
use evidence::jws::read_unverified;
use evidence::verdict::Verdict;
use rollcall::commands::export_class::export_class;
use rollcall::journal::PlanSource;
use rollcall::journal::testing::{checkin, class};
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

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_class_is_exported_with_proofs_that_hold_without_the_rest_of_the_log() {
    let (server, _state, journal, config) = registered(10);
    for id in ["A", "B"] {
        journal.import_class(&class(id, &["1", "2"], &["T1"]), &"00".repeat(32), PlanSource::File).expect("imported");
    }
    for day in 0..20 {
        for id in ["A", "B"] {
            journal.check_in(checkin(id, "1", &format!("day {day}")), None).expect("appended");
        }
    }
    once(&journal, &config).expect("drained");
    let bureau = Bureau::open(server.folder.path()).expect("opened");
    let key = bureau.key.verifying_key();
    let folder = tempfile::tempdir().expect("a folder");
    let out = |name: &str| folder.path().join(name);

    // A plan and twenty check-ins; then a check-in that the bureau has not seen.
    assert_eq!(export_class(&journal, "A", &out("all")).expect("exported"), 21);
    let verdict = verify(&out("all"), Some(key)).expect("readable");
    assert!(verdict.verified && verdict.records == 21, "{verdict}");
    assert_eq!(codes(&verdict), ["countersigned", "part_of_log"]);
    assert_eq!(independent(&out("all")), Some(0));
    journal.check_in(checkin("A", "1", "later"), None).expect("appended");
    assert_eq!(export_class(&journal, "A", &out("more")).expect("exported"), 23, "the export is a record of the class");
    let verdict = verify(&out("more"), Some(key)).expect("readable");
    assert!(verdict.verified, "{verdict}");
    assert_eq!(codes(&verdict), ["not_countersigned", "countersigned", "part_of_log"]);
    assert!(verdict.to_string().contains("21 of these records are among the 44 that bureau/test"), "{verdict}");
    assert_eq!(independent(&out("more")), Some(0));

    // The bureau's own copy.
    let device = &journal.log().origin;
    assert_eq!(export_at_bureau(&bureau, device, "B", &out("bureau")).expect("exported"), 21);
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
