//! One segment on disk: written under a temporary name, made durable fragment by fragment, hashed on the way.

use evidence::hex;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Ends the name of a segment that is being written.
pub(super) const PART: &str = "part";

pub(super) struct SegmentFile {
    /// Where it will be.
    path: PathBuf,
    part: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
}

/// What is on disk of a segment: all of it, or up to its last fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// Where it is, or will be.
    pub path: PathBuf,
    pub bytes: u64,
    /// Hex.
    pub sha256: String,
}

impl SegmentFile {
    /// Begins a file that will be `path`, with the folders it needs. Never overwrites one.
    pub(super) fn create(path: &Path, header: &[u8]) -> io::Result<SegmentFile> {
        let folder = path.parent().unwrap_or(Path::new("."));
        create_folder(folder)?;
        if path.exists() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} exists already", path.display())));
        }
        let part = path.with_added_extension(PART);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&part)?;
        let mut segment = SegmentFile { path: path.to_owned(), part, file, hash: Sha256::new(), bytes: 0 };
        match segment.append(header).and_then(|()| sync_folder(folder)) {
            Ok(()) => Ok(segment),
            Err(error) => {
                segment.discard();
                Err(error)
            }
        }
    }

    /// Takes it away again: there is nothing in it.
    pub(super) fn discard(self) {
        if let Err(error) = fs::remove_file(&self.part) {
            tracing::warn!(%error, file = %self.part.display(), "it is empty and could not be removed");
        }
    }

    /// Adds a fragment; it is on disk when this returns.
    pub(super) fn append(&mut self, fragment: &[u8]) -> io::Result<()> {
        self.file.write_all(fragment)?;
        self.file.sync_data()?;
        self.hash.update(fragment);
        self.bytes += fragment.len() as u64;
        Ok(())
    }

    /// What is on disk by now.
    pub(super) fn so_far(&self) -> Written {
        Written { path: self.path.clone(), bytes: self.bytes, sha256: hex(&self.hash.clone().finalize()) }
    }

    /// Gives it its name.
    pub(super) fn close(self) -> io::Result<Written> {
        // After a failed write there may be half a fragment at the end.
        self.file.set_len(self.bytes)?;
        self.file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        Ok(Written { path: self.path, bytes: self.bytes, sha256: hex(&self.hash.finalize()) })
    }
}

/// Makes a folder and those it lies in, each durable in the one above.
fn create_folder(folder: &Path) -> io::Result<()> {
    let above = match folder.parent() {
        _ if folder.is_dir() => return Ok(()),
        None => return fs::create_dir(folder),
        Some(above) if above == Path::new("") => Path::new("."),
        Some(above) => above,
    };
    create_folder(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(above),
    }
}

/// Makes a folder's entries durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Length and SHA-256 (hex) of a file.
pub fn hash_file(path: &Path) -> io::Result<(u64, String)> {
    hash_beginning(path, u64::MAX)
}

/// Likewise, of its first bytes only.
pub(super) fn hash_beginning(path: &Path, most: u64) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?.take(most);
    let (mut bytes, mut buffer) = (0, vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hex(&hash.finalize()))),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}
