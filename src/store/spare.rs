//! A little room that is kept back beside the database: to open it SQLite needs some pages (its -shm file), and a disk
//! that is full to the last byte must not keep the appliance from starting, or nobody would be told that it is full.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What opening takes, several times over.
const BYTES: usize = 256 << 10;

/// `rollcall.db` → `rollcall.db-spare`.
fn spare_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-spare");
    PathBuf::from(name)
}

/// Gives the room up; tells whether there was any.
pub(super) fn give_up(database: &Path) -> bool {
    std::fs::remove_file(spare_of(database)).is_ok()
}

/// Keeps room back, if there is any.
pub(super) fn keep(database: &Path) {
    let path = spare_of(database);
    let Ok(mut file) = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) else { return };
    let filled = file.write_all(&vec![0; BYTES]).and_then(|()| File::sync_all(&file));
    if filled.is_err() {
        let _ = std::fs::remove_file(&path);
    }
}
