//! The mark on the recordings' folder: a disk that is not mounted is told from one that is empty.
//!
//! Without the mark nothing is recorded there and nothing deleted: what is found is the bare mount point, on a disk that
//! belongs to the log.

use super::file::sync_folder;
use crate::journal::Journal;
use crate::store::StoreError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// A folder with a file of this name holds the recordings.
const MARKER: &str = "rollcall-recordings";
const MARKER_TEXT: &str =
    "Rollcall keeps the recordings of the training classroom here.\n本文件夹存放培训教室的教学录像。\n";

/// Marks the folder, which is made where it is not there.
pub fn mark(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    let mut file = File::create(root.join(MARKER))?;
    file.write_all(MARKER_TEXT.as_bytes())?;
    file.sync_all()?;
    sync_folder(root)
}

/// Whether the folder is marked; the error says what to do.
pub(super) fn check(root: &Path) -> io::Result<()> {
    match root.join(MARKER).metadata() {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            let text = format!(
                "{} holds no `{MARKER}`: is the disk mounted? `rollcall recording init` marks a new one",
                root.display()
            );
            Err(io::Error::new(error.kind(), text))
        }
        other => other.map(drop),
    }
}

/// Marks the folder if it is the first, or if a segment that was journalled last is in it; tells whether it is marked.
pub(super) fn claim(journal: &Journal, root: &Path) -> Result<bool, StoreError> {
    if check(root).is_ok() {
        return Ok(true);
    }
    let reader = journal.store().read()?;
    let cameras = reader.kept_amounts()?;
    let mut is_known = cameras.is_empty();
    for camera in cameras.keys() {
        is_known |= reader.last_segment(camera)?.is_some_and(|row| root.join(row.path).is_file());
    }
    drop(reader);
    if !is_known {
        return Ok(false);
    }
    if let Err(error) = mark(root) {
        // Check-ins go on; it is tried again at the next start.
        tracing::error!(%error, folder = %root.display(), "the recordings' folder cannot be marked");
        return Ok(false);
    }
    Ok(true)
}
