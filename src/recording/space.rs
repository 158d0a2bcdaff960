//! Room on the disk: what is free, what recording must leave free, and whether it may go on.
//!
//! The reserve is what check-ins and the log live on. A disk that cannot be asked is told of as unknown, never as
//! endless; recording goes on meanwhile, and a disk that is really full says so itself. One that is not mounted is not
//! recorded on: what is found in its place is the log's.

use super::marker;
use crate::config::Config;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// Bytes that the appliance can still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// The disk that `path` is on.
pub fn disk(path: &Path) -> io::Result<DiskStatus> {
    ask(path).map(|(disk, _)| disk)
}

/// Likewise, and whether it can only be read.
fn ask(path: &Path) -> io::Result<(DiskStatus, bool)> {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends in NUL and `found` has the size of the struct that statvfs fills in when it returns 0.
    #[allow(unsafe_code)]
    let found = unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        found.assume_init()
    };
    let disk = DiskStatus { free_bytes: found.f_bavail * found.f_frsize, total_bytes: found.f_blocks * found.f_frsize };
    Ok((disk, found.f_flag & libc::ST_RDONLY != 0))
}

/// The reserve on the recordings' file system.
#[derive(Debug, Clone)]
pub struct Reserve {
    recordings: PathBuf,
    state: PathBuf,
    recording_bytes: u64,
    state_bytes: u64,
}

/// What there is, and what must stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The recordings' disk.
    pub disk: DiskStatus,
    /// Bytes that recording must leave free there.
    pub reserve_bytes: u64,
}

impl Room {
    /// Bytes that must be free so that recording begins again after it has stopped: a little more than the reserve, so
    /// that it does not stop at once.
    fn to_begin(self) -> u64 {
        self.reserve_bytes + self.reserve_bytes / 16
    }

    /// Bytes that are to be made free, by deleting, before the reserve is touched.
    pub fn wanting(self) -> u64 {
        (self.reserve_bytes + self.reserve_bytes / 4).saturating_sub(self.disk.free_bytes)
    }

    /// Whether recording has to stop.
    pub fn is_used_up(self) -> bool {
        self.disk.free_bytes < self.reserve_bytes
    }
}

impl Reserve {
    /// As `config` says.
    pub fn new(config: &Config) -> Reserve {
        Reserve {
            recordings: config.recordings(),
            state: config.appliance.state_dir.clone(),
            recording_bytes: config.retention.reserve_bytes,
            state_bytes: config.retention.state_reserve_bytes,
        }
    }

    /// Asks the disk. One that is not mounted, or can only be read, has no room to tell of.
    pub fn look(&self) -> io::Result<Room> {
        marker::check(&self.recordings)?;
        let (disk, is_read_only) = ask(&self.recordings)?;
        if is_read_only {
            let text = format!(
                "{} can only be read: a service may write there when its unit has it as ReadWritePaths= \
                 (docs/operations.md); if it has, see what the kernel says of the disk",
                self.recordings.display()
            );
            return Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, text));
        }
        let is_shared = self.recordings.metadata()?.dev() == self.state.metadata()?.dev();
        let reserve_bytes = self.recording_bytes + if is_shared { self.state_bytes } else { 0 };
        Ok(Room { disk, reserve_bytes })
    }

    /// Whether a segment may begin (`is_open` false) or go on. A disk that is there and cannot be asked holds up nothing.
    pub(super) fn check(&self, is_open: bool) -> io::Result<()> {
        marker::check(&self.recordings)?;
        let Ok(room) = self.look() else { return Ok(()) };
        let needed = if is_open { room.reserve_bytes } else { room.to_begin() };
        if room.disk.free_bytes >= needed {
            return Ok(());
        }
        let (free, needed) = (room.disk.free_bytes >> 20, needed >> 20);
        let message = format!("{free} MB are free and {needed} MB are to stay free (retention.reserve_bytes)");
        Err(io::Error::new(io::ErrorKind::StorageFull, message))
    }
}
