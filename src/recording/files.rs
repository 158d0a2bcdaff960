//! The files of the recordings, found folder by folder.

use super::file::PART;
use std::fs::{self, DirEntry, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

/// A camera's folder, and a day's.
const DEPTH: u32 = 2;

/// All segments and parts of segments below a folder, in no order. What cannot be read there, as a disk's `lost+found`, is
/// left out, and said in the log.
pub(super) struct Files {
    /// Folders that are yet to be read, and how deep they lie.
    folders: Vec<(PathBuf, u32)>,
    open: (PathBuf, u32, ReadDir),
}

impl Files {
    /// An error where the folder itself cannot be read.
    pub(super) fn below(root: &Path) -> io::Result<Files> {
        Ok(Files { folders: Vec::new(), open: (root.to_owned(), 0, fs::read_dir(root)?) })
    }

    fn take(&mut self, entry: &DirEntry, depth: u32) -> Option<PathBuf> {
        let path = entry.path();
        // Hundreds of thousands of files are told from folders without a look at each.
        let is_folder = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => path.is_dir(),
            Ok(kind) => kind.is_dir(),
            Err(_) => path.is_dir(),
        };
        if is_folder && depth < DEPTH {
            self.folders.push((path, depth + 1));
            return None;
        }
        is_recording(&path).then_some(path)
    }
}

impl Iterator for Files {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        loop {
            let (folder, depth, entries) = &mut self.open;
            match entries.next() {
                Some(entry) => {
                    let (entry, depth) = (read(folder, entry), *depth);
                    if let Some(path) = entry.and_then(|entry| self.take(&entry, depth)) {
                        return Some(path);
                    }
                }
                None => {
                    let (folder, depth) = self.folders.pop()?;
                    match fs::read_dir(&folder) {
                        Ok(entries) => self.open = (folder, depth, entries),
                        Err(error) => left_out(&folder, &error),
                    }
                }
            }
        }
    }
}

/// All segments and parts of segments below `root`, in order.
pub(crate) fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Files::below(root)?.collect();
    found.sort();
    Ok(found)
}

/// A folder's entry, if it can be read: a bad sector in one folder must not keep the appliance from starting.
fn read(folder: &Path, entry: io::Result<DirEntry>) -> Option<DirEntry> {
    entry.inspect_err(|error| left_out(folder, error)).ok()
}

/// The entries of a folder, as far as it can be read.
pub(super) fn entries(folder: &Path) -> Vec<DirEntry> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| read(folder, entry)).collect(),
        Err(error) => {
            left_out(folder, &error);
            Vec::new()
        }
    }
}

fn left_out(folder: &Path, error: &io::Error) {
    tracing::warn!(folder = %folder.display(), %error, "it cannot be read, or not all of it; what is there is left out");
}

fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "mp4" || extension == PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_their_parts_are_found_in_the_folders_of_days_also_behind_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, other) = (folder.path().join("recordings"), folder.path().join("other disk"));
        for path in ["back/2026-11-23", "back/2026-11-24/deeper", "lost+found"] {
            fs::create_dir_all(root.join(path)).expect("made");
        }
        fs::create_dir_all(other.join("2026-11-23")).expect("made");
        fs::write(other.join("2026-11-23/c.mp4"), b"").expect("written");
        std::os::unix::fs::symlink(&other, root.join("front")).expect("linked");
        for path in ["back/2026-11-23/b.mp4", "back/2026-11-24/a.mp4.part", "back/2026-11-24/notes", "a.mp4"] {
            fs::write(root.join(path), b"").expect("written");
        }
        fs::write(root.join("back/2026-11-24/deeper/d.mp4"), b"").expect("written");
        let found: Vec<PathBuf> = files(&root).expect("reads");
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(&root).expect("below").to_str()).collect();
        let expected = ["a.mp4", "back/2026-11-23/b.mp4", "back/2026-11-24/a.mp4.part", "front/2026-11-23/c.mp4"];
        assert_eq!(names, expected.map(Some));
        assert!(files(&root.join("nothing")).is_err(), "that the folder itself is not there is told");
    }

    #[test]
    fn an_entry_that_cannot_be_read_hides_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.mp4"), b"").expect("written");
        let bad = || Err(io::Error::from_raw_os_error(libc::EUCLEAN));
        let entries = std::iter::once(bad()).chain(fs::read_dir(folder.path()).expect("reads"));
        let read = entries.chain([bad()]).filter_map(|entry| read(folder.path(), entry));
        assert_eq!(read.map(|entry| entry.file_name()).collect::<Vec<_>>(), ["a.mp4"]);
    }
}
