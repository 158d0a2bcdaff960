//! An evidence disc (录像光盘): recordings beside the log that vouches for them, and what it says that it holds.
//!
//! `disc.json` says which spans are meant to be on the disc; the last record of the disc's log, an `export`, holds its
//! hash. What must be there follows from the records, and whether it is what was recorded from their hashes. So it does for
//! the pictures that records name by their SHA-256: cameras' references, and findings' small pictures.

use crate::record::Segment;
use serde::{Deserialize, Serialize};

/// The file with the disc's claim.
pub const CLAIM: &str = "disc.json";
/// The folder of the recordings.
pub const RECORDINGS: &str = "recordings";
/// The folder of the pictures that records name.
pub const PICTURES: &str = "pictures";

/// What a disc says that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Of this form.
    pub v: u32,
    /// The appliance.
    pub device: String,
    /// The class that was asked for, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Every segment of these cameras that shows any of these spans is on the disc, unless its deletion is on record.
    pub spans: Vec<ClaimedSpan>,
}

/// A span of one camera that is wholly on a disc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimedSpan {
    /// The camera.
    pub camera: String,
    /// Its first moment, RFC 3339.
    pub from: String,
    /// The first moment after it, likewise.
    pub until: String,
}

/// Where a segment's file is, below the folder of the recordings: `<camera>/<date>/<date>T<time><offset>.mp4`, as its
/// record's start says. `None` when the record does not name a camera and a time that a file can be called by.
pub fn path_of(segment: &Segment) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_camera = !segment.camera.is_empty() && segment.camera.chars().all(is_plain);
    // 2026-11-24T07:50:00.000+08:00
    let form = "dddd-dd-ddTdd:dd:dd.ddd+dd:dd";
    let start = segment.start.as_bytes();
    let is_time = start.len() == form.len()
        && form.bytes().zip(start).all(|(form, byte)| match form {
            b'd' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            form => form == *byte,
        });
    if !is_camera || !is_time {
        return None;
    }
    let (date, time, offset) = (&segment.start[..10], &segment.start[11..23], &segment.start[23..]);
    Some(format!("{}/{date}/{date}T{}{}.mp4", segment.camera, time.replace(':', "-"), offset.replace(':', "")))
}

/// The name of a picture's file in the folder of the pictures. `None` when it is no SHA-256 (hex).
pub fn picture_name(sha256: &str) -> Option<String> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (sha256.len() == 64 && sha256.bytes().all(is_hex)).then(|| format!("{sha256}.jpg"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Sound, VideoCodec};

    fn segment(camera: &str, start: &str) -> Segment {
        Segment {
            camera: camera.into(),
            start: start.into(),
            end: start.into(),
            frames: 1,
            lost_packets: None,
            bytes: 1,
            sha256: String::new(),
            previous: None,
            codec: VideoCodec::H264,
            width: 1,
            height: 1,
            sound: Sound::None,
            recovered: false,
        }
    }

    #[test]
    fn a_segments_place_follows_from_its_record_and_never_leads_out_of_the_folder() {
        let path = |camera, start| path_of(&segment(camera, start));
        let expected = "back/2026-11-24/2026-11-24T07-50-00.123+0800.mp4";
        assert_eq!(path("back", "2026-11-24T07:50:00.123+08:00").as_deref(), Some(expected));
        for (camera, start) in [
            ("../back", "2026-11-24T07:50:00.123+08:00"),
            ("", "2026-11-24T07:50:00.123+08:00"),
            ("back", "2026-11-24T07:50:00+08:00"),
            ("back", "../../../../x/T07:50:00.123+08"),
            ("back", "２026-11-24T07:50:00.123+08:00"),
        ] {
            assert_eq!(path(camera, start), None, "{camera} {start}");
        }
    }
}
