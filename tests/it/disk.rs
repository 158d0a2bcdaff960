//! A full disk: nothing is told as done that is not, what was done stays, and it goes on when there is room again.

use crate::kill::assert_good;
use rollcall::clock::SystemClock;
use rollcall::journal::testing::checkin;
use rollcall::journal::{Journal, JournalError};
use std::process::Command;
use std::sync::Arc;

/// A file system of few bytes; `None` where none may be mounted.
pub struct Small {
    pub folder: tempfile::TempDir,
}

impl Small {
    pub fn mount(size: &str) -> Option<Small> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "small"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: this user may not mount a file system");
            return None;
        }
        Some(Small { folder })
    }

    pub fn grow(&self, size: &str) {
        let option = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &option]).arg(self.folder.path()).status().expect("mount").success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

fn append(journal: &Journal, number: u64) -> Result<u64, JournalError> {
    let checkin = checkin("2026-NK-0117", &format!("{:02}", number % 40), &format!("day {number}"));
    journal.check_in(checkin, Some(&number.to_le_bytes().repeat(5000))).map(|appended| appended.seq)
}

#[test]
fn a_full_disk_loses_nothing_and_is_told() {
    let Some(disk) = Small::mount("3m") else { return };
    let state = disk.folder.path().join("state");
    let clock = Arc::new(SystemClock::default());
    let zone = jiff::tz::TimeZone::UTC;
    let journal = Journal::initialise(&state, "site", "301", clock.clone(), zone.clone()).expect("there is room yet");
    let mut done = Vec::new();
    let error = loop {
        match append(&journal, done.len() as u64) {
            Ok(seq) => done.push(seq),
            Err(error) => break error.to_string(),
        }
        assert!(done.len() < 1000, "40 kB each do not fit into 3 MB");
    };
    assert!(error.contains("full"), "{error}");
    assert!(append(&journal, 999).is_err(), "it is still full");
    let kept = |journal: &Journal| journal.store().read().and_then(|reader| reader.log_size()).expect("readable");
    assert_eq!(kept(&journal), done.len() as u64 + 1, "what was told is there, and nothing else");
    // Room again: the same journal goes on, and so does one that is opened anew.
    disk.grow("12m");
    let next = append(&journal, 1001).expect("there is room again");
    assert_eq!(next, done.len() as u64 + 1, "no number was used up");
    drop(journal);
    let journal = Journal::open_state(&state, clock, zone).expect("it opens");
    append(&journal, 1002).expect("it goes on");
    assert_good(&journal);
}
