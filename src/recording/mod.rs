//! Lessons on disk: coded pictures as the camera sent them → fragmented MP4 segments and their records.
//!
//! The plan decides what is recorded. For every moment that it wants there is a segment that shows it or a gap that
//! says why none does; both are journalled after they are on disk. What a crash has left is recovered at the next
//! start. Nothing is kept outside lessons.

mod accounts;
pub mod archive;
pub mod clip;
mod fact;
mod file;
mod files;
mod follow;
mod journalling;
mod keep;
mod marker;
mod mp4;
mod plan;
mod recorder;
mod recover;
pub mod retention;
mod service;
mod space;
mod stray;
mod worker;

pub(crate) use accounts::{account_from, account_made, accounts_made};
pub use accounts::{account_of, cameras_accounted};
pub use fact::Wanted;
pub use file::hash_file;
pub(crate) use files::files;
pub use keep::{CameraKept, Keeping, keeping};
pub use marker::mark;
pub use plan::{Lesson, Plan};
pub(crate) use recover::is_foreign;
pub use service::{CameraRecording, RecordingError, Service};
pub use space::{DiskStatus, Reserve, Room, disk};

use crate::journal::{Journal, JournalError};
use crate::store::{GapRow, SegmentRow};
use evidence::record::{Data, Gap, Segment, Sound, VideoCodec};
use fact::Fact;
use jiff::Timestamp;
use std::path::Path;

/// What a segment's record says beside what its row does.
struct Described {
    frames: u64,
    lost_packets: Option<u64>,
    codec: VideoCodec,
    width: u32,
    height: u32,
    sound: Sound,
    recovered: bool,
}

/// What a file is called in the database: its path below the folder of the recordings.
fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

fn journal_fact(journal: &Journal, root: &Path, camera: &str, fact: &Fact) -> Result<(), JournalError> {
    match fact {
        Fact::Gap { start, end, cause } => journal_gap(journal, camera, *start, *end, *cause),
        Fact::Segment(segment) => {
            let video = &segment.format.video;
            let described = Described {
                frames: segment.frames,
                lost_packets: Some(segment.lost_packets),
                codec: video.codec,
                width: video.width,
                height: video.height,
                sound: segment.sound,
                recovered: false,
            };
            let row = SegmentRow {
                seq: 0,
                camera: camera.into(),
                start: segment.start,
                end: segment.end,
                path: relative(root, &segment.file.path),
                bytes: segment.file.bytes,
                sha256: segment.file.sha256.clone(),
            };
            journal_segment(journal, row, described)
        }
    }
}

fn journal_segment(journal: &Journal, mut row: SegmentRow, described: Described) -> Result<(), JournalError> {
    let text = |time| journal.time_text(time);
    journal.transaction(|batch| {
        let data = Data::Segment(Segment {
            camera: row.camera.clone(),
            start: text(row.start),
            end: text(row.end),
            frames: described.frames,
            lost_packets: described.lost_packets,
            bytes: row.bytes,
            sha256: row.sha256.clone(),
            previous: batch.last_segment(&row.camera)?.map(|before| before.sha256),
            codec: described.codec,
            width: described.width,
            height: described.height,
            sound: described.sound,
            recovered: described.recovered,
        });
        row.seq = batch.append(data)?.seq;
        batch.put_segment(&row)?;
        Ok(())
    })
}

fn journal_gap(
    journal: &Journal,
    camera: &str,
    start: Timestamp,
    end: Timestamp,
    cause: evidence::record::GapCause,
) -> Result<(), JournalError> {
    journal.transaction(|batch| {
        let (from, until) = (journal.time_text(start), journal.time_text(end));
        let seq = batch.append(Data::Gap(Gap { camera: camera.into(), start: from, end: until, cause }))?.seq;
        batch.put_gap(&GapRow { seq, camera: camera.into(), start, end, cause })?;
        Ok(())
    })
}
