//! What was done with people, plans and the appliance: `enrolment`, `consent`, `plan`, `lesson`, `closing`, `erasure`,
//! `clock`, `appliance`, `export`.

use super::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A face was enrolled for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The class.
    pub class: String,
    /// The roster number.
    pub person: String,
    /// Trainee or teacher.
    pub role: Role,
    /// SHA-256 (hex) of each enrolment photo.
    pub photos: Vec<String>,
    /// SHA-256 (hex) of the embedding model.
    pub model: String,
    /// `cli`, or `kiosk:` and the roster number of the teacher whose PIN was given.
    pub by: String,
    /// The record of the consent that it rests on.
    pub consent_seq: u64,
}

/// A person gave or withdrew consent to face recognition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The class.
    pub class: String,
    /// The roster number.
    pub person: String,
    /// Given, or withdrawn.
    pub given: bool,
    /// SHA-256 (hex) of the notice that the person was shown.
    pub notice: String,
    /// As in [`Enrolment::by`].
    pub by: String,
}

/// A class's plan and roster were imported. A [`Lesson`] for each of its lessons follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The class.
    pub class: String,
    /// SHA-256 (hex) of the imported file.
    pub sha256: String,
    /// Trainees on the roster.
    pub trainees: u32,
    /// Teachers.
    pub teachers: u32,
    /// Lessons in the plan.
    pub lessons: u32,
    /// The first lesson's date.
    pub first_day: String,
    /// The last lesson's date.
    pub last_day: String,
    /// `file`, or `bureau`.
    pub source: String,
}

/// A lesson of the plan that was imported right before it: what has to be recorded, so that it can be told from the log
/// alone whether it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The class.
    pub class: String,
    /// The record of the plan.
    pub plan: u64,
    /// When it begins, RFC 3339 with offset and milliseconds.
    pub start: String,
    /// When it ends, likewise.
    pub end: String,
    /// Theory or practice.
    pub kind: LessonKind,
    /// Roster number of the teacher.
    pub teacher: String,
    /// Whether it is given in another room, where another appliance records it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// The cameras that the plan names; none: all that are recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<String>,
    /// The workstations that must stay in the picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workstations: Vec<String>,
    /// The number of the bureau's consent (同意文号) by which no sound is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound_consent: Option<String>,
}

/// The two kinds of lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LessonKind {
    /// 理论
    Theory,
    /// 实操实训
    Practice,
}

/// A class was closed: its lessons that had not begun are given up, its face templates erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// The class.
    pub class: String,
    /// `staff` (`rollcall class close`), or `over`: by itself, when its last lesson was long ago.
    pub reason: String,
}

/// A person's face templates were erased, and photos where it says so. Names no template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The class.
    pub class: String,
    /// The roster number.
    pub person: String,
    /// `consent_withdrawn`, `left_roster`, `class_closed`, or `request`: the person asked for it.
    pub reason: String,
    /// Whether the photos of the person's check-ins in the records before this one were erased as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub photos: bool,
}

/// The wall clock was stepped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// What it would have shown, RFC 3339.
    pub expected: String,
    /// What it showed, RFC 3339.
    pub observed: String,
}

/// Something happened to the appliance itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplianceEvent {
    /// `initialised`, `started`, `stopped`, `registered` …
    pub event: String,
    /// The software's version.
    pub version: String,
    /// The boot id of the machine.
    pub boot: String,
    /// The contracted place.
    pub site: String,
    /// The room.
    pub room: String,
    /// The cameras that it was started with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<CameraInUse>,
    /// The limits that it was started with and are not the defaults, by their key in the config; a switch is 0 or 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, f64>,
}

/// A camera that an appliance was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraInUse {
    /// Its name in the config.
    pub name: String,
    /// `v4l2`, `rtsp`, or `file`: a film that is played in a camera's place.
    pub kind: String,
    /// Whether lessons are recorded by it.
    pub recorded: bool,
}

/// Records were exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// What was exported: `log`, `disc` (an evidence disc with the log on it), or `class` and its number after a space.
    pub what: String,
    /// The number of records in it.
    pub size: u64,
    /// For a disc, the SHA-256 (hex) of its `disc.json`: which recordings are meant to be on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
}
