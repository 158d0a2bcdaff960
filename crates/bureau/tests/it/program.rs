//! The program as a part of a pipeline, and its backups.

use crate::server::{NAME, bureau, text};
use std::process::{Command, Output};

#[test]
fn who_has_read_enough_may_leave() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bureau"));
    command.arg("init").arg("--dir").arg(folder.path().join("bureau"));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let Output { status, stderr, .. } = command.stdout(writer).output().expect("the program is there");
    assert_eq!((status.code(), String::from_utf8_lossy(&stderr).as_ref()), (Some(141), ""));
}

/// The CA's key may be kept elsewhere; a backup does without it and says so. What stops a backup leaves no folder.
#[test]
fn a_backup_is_a_whole_bureau_with_or_without_the_cas_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let dir = path("bureau");
    bureau::init(&dir, NAME, &[]).expect("set up");
    let back_up = |out: &str| {
        let out = path(out);
        bureau(&["backup", "--dir", dir.to_str().expect("plain letters"), out.to_str().expect("plain letters")])
    };
    let whole = back_up("whole");
    assert!(whole.status.success() && !text(&whole.stdout).contains("ca.key"), "{whole:?}");
    let read = |folder: &str, name: &str| std::fs::read(path(folder).join(name)).expect("there");
    assert_eq!(read("whole", "ca.key"), read("bureau", "ca.key"));

    std::fs::rename(dir.join("ca.key"), path("ca.key")).expect("moved");
    let without = back_up("without");
    assert!(without.status.success() && text(&without.stdout).contains("ca.key is not in it"), "{without:?}");
    for name in ["bureau.key", "staff.token", "server.key", "ca.pem", "server.pem", "bureau.toml"] {
        assert_eq!(read("without", name), read("bureau", name), "{name}");
    }
    assert!(!path("without").join("ca.key").exists());
    let restored = bureau::Bureau::open(&path("without")).expect("a bureau");
    assert_eq!(restored.name, NAME);

    std::fs::remove_file(dir.join("server.pem")).expect("there");
    let stopped = back_up("stopped");
    assert!(!stopped.status.success() && text(&stopped.stderr).contains("server.pem"), "{stopped:?}");
    assert!(!path("stopped").exists(), "copies of secrets are left");
}
