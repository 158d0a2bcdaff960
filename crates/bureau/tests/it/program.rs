//! The program as a part of a pipeline.

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
