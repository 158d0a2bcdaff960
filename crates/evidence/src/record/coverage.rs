//! What the recording shows: findings, references, the roll call, and a lesson's account, `coverage`.

use super::GapCause;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The account of a lesson's recording, made when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The class.
    pub class: String,
    /// When the lesson began by its plan, RFC 3339 with offset and milliseconds.
    pub start: String,
    /// When it ended by its plan, likewise.
    pub end: String,
    /// From when on it had to be recorded, for the roll call to be in it; likewise.
    pub from: String,
    /// Each camera that had to record it.
    pub cameras: Vec<CameraCoverage>,
    /// Each workstation that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workstations: Vec<WorkstationCoverage>,
    /// The roll call, as the teacher began and ended it at the kiosk; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_call: Option<RollCallSpan>,
    /// Whether a camera has recorded the whole of the roll call; absent in records of before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_call_recorded: Option<bool>,
    /// The number of the bureau's consent (同意文号) by which no sound was kept; absent when sound was to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound_consent: Option<String>,
    /// Share of the time, 0 to 1, that each camera and workstation must be shown.
    pub required_share: f64,
    /// Whether each camera and workstation is shown that much, the roll call is recorded, and nothing is unexplained.
    pub complete: bool,
}

/// When a roll call was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollCallSpan {
    /// RFC 3339 with offset and milliseconds.
    pub start: String,
    /// Likewise; absent when it was begun and never ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// One workstation's account of a lesson. Visible, hidden and unknown add up to what was required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkstationCoverage {
    /// Its number in the plan.
    pub workstation: String,
    /// The cameras in whose picture it is marked.
    pub cameras: Vec<String>,
    /// From `from` to `end`, ms.
    pub required_ms: u64,
    /// Shown by at least one camera's recording, ms.
    pub visible_ms: u64,
    /// Shown by none, by the reason of the camera that came nearest, ms.
    pub hidden_ms: BTreeMap<HiddenCause, u64>,
    /// Nobody knows, ms.
    pub unknown_ms: u64,
    /// How often it was looked whether somebody is at it, and what was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleSeen>,
    /// Whether it was visible for the share that is required; absent in records of before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
}

/// Looks at a workstation for a person, by what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleSeen {
    /// Somebody was there.
    pub present: u32,
    /// Nobody was there.
    pub absent: u32,
    /// It could not be told.
    pub unknown: u32,
}

/// Why a workstation was not to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenCause {
    /// Nothing was recorded: a gap says why.
    NotRecorded,
    /// The picture was too dark.
    Dark,
    /// The picture was over-exposed.
    OverExposed,
    /// The picture was out of focus.
    Blurred,
    /// The picture stood still.
    Frozen,
    /// The picture repeated itself.
    Looped,
    /// The camera was covered.
    Covered,
    /// After a move of the camera it lies outside the picture.
    OutsidePicture,
    /// The camera shows another place.
    Replaced,
    /// Something stood in front of it.
    Obstructed,
}

/// Something is wrong with what a recording shows, or with a lesson. Two records: one when it begins, one when it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What is wrong.
    pub what: FindingKind,
    /// The camera, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// The workstation, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workstation: Option<String>,
    /// The class, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// When it began, RFC 3339 with offset and milliseconds.
    pub start: String,
    /// When it ended, likewise; absent in the record of its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// The record of its beginning; absent in that record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// How it ended; absent in the record of its beginning, and in records of before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<FindingEnding>,
    /// What was measured, by name; units are in docs/coverage.md.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measured: BTreeMap<String, f64>,
    /// SHA-256 (hex) of a small picture (JPEG) that stays on the appliance, and goes onto evidence discs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
}

/// How a finding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingEnding {
    /// What was wrong was seen to be over.
    Over,
    /// Nobody looked any more, as when the lesson ends or the camera sends nothing: it is not known to be over.
    Unwatched,
}

/// What can be wrong with what a recording shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Too dark to see.
    Dark,
    /// Over-exposed.
    OverExposed,
    /// Out of focus.
    Blurred,
    /// The same picture again and again.
    Frozen,
    /// The same sequence of pictures again and again.
    Looped,
    /// Something lies over the lens.
    Covered,
    /// The camera no longer looks where it looked when its reference picture was taken.
    Moved,
    /// The picture shows another place.
    Replaced,
    /// A workstation is not to be seen.
    WorkstationHidden,
    /// Fewer people are seen than have checked in.
    FewPeople,
    /// No roll call was taken in a lesson's first minutes.
    NoRollCall,
}

impl FindingKind {
    /// Why all workstations of a picture are hidden while this goes on; `None` where it does not hide them all: a moved
    /// camera may still show some.
    pub fn hides(self) -> Option<HiddenCause> {
        match self {
            FindingKind::Dark => Some(HiddenCause::Dark),
            FindingKind::OverExposed => Some(HiddenCause::OverExposed),
            FindingKind::Blurred => Some(HiddenCause::Blurred),
            FindingKind::Frozen => Some(HiddenCause::Frozen),
            FindingKind::Looped => Some(HiddenCause::Looped),
            FindingKind::Covered => Some(HiddenCause::Covered),
            FindingKind::Replaced => Some(HiddenCause::Replaced),
            FindingKind::Moved | FindingKind::WorkstationHidden | FindingKind::FewPeople | FindingKind::NoRollCall => {
                None
            }
        }
    }
}

/// A camera's reference picture was set, and where each workstation is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The camera.
    pub camera: String,
    /// SHA-256 (hex) of the picture (JPEG), which stays on the appliance, and goes onto evidence discs.
    pub picture: String,
    /// The workstations in it.
    pub workstations: Vec<MarkedWorkstation>,
    /// `appliance`, or `staff:` and the roster number of the teacher whose PIN was given.
    pub by: String,
}

/// Where a workstation is in a camera's picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkedWorkstation {
    /// Its number in the plan.
    pub workstation: String,
    /// Corners of a polygon: x, y, each 0 to 1 of the picture's width and height.
    pub polygon: Vec<[f64; 2]>,
}

/// A roll call (课前点名) began or ended: a bookmark in the recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollcall {
    /// The class.
    pub class: String,
    /// When the lesson begins by its plan, RFC 3339 with offset and milliseconds.
    pub lesson: String,
    /// Began, or ended.
    pub event: RollcallEvent,
    /// Roster number of the teacher who took it.
    pub by: String,
    /// Trainees on the roster.
    pub expected: u32,
    /// Trainees who had checked in on arrival by then.
    pub present: u32,
}

/// A roll call's two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollcallEvent {
    /// It began.
    Started,
    /// It ended.
    Ended,
}

/// One camera's account of a lesson. Recorded, gaps and unexplained add up to what was required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraCoverage {
    /// The camera's name in the appliance's config.
    pub camera: String,
    /// From `from` to `end`, ms.
    pub required_ms: u64,
    /// Shown by segments, ms.
    pub recorded_ms: u64,
    /// Not shown, by cause, ms.
    pub gaps_ms: BTreeMap<GapCause, u64>,
    /// Neither shown nor explained, ms: always 0, unless something is wrong with the appliance.
    pub unexplained_ms: u64,
    /// Of what is recorded: the picture shows nothing of the lesson, by what was found then, ms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub impaired_ms: BTreeMap<FindingKind, u64>,
    /// Of the rest: nobody could judge what the picture shows, ms. Absent in records of before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwatched_ms: Option<u64>,
    /// Whether it has shown the lesson for the share that is required, and nothing is unexplained; absent in records of
    /// before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
}
