//! `checkin`: who was recognised, how surely, and what came of it.

use serde::{Deserialize, Serialize};

/// An attempt to check in, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkin {
    /// What came of it.
    pub outcome: CheckinOutcome,
    /// The class (班期编号), when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The roster number (编号), when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Trainee or teacher, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The local date that it counts for, `YYYY-MM-DD`.
    pub date: String,
    /// The window that was open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowKind>,
    /// When that window opens, RFC 3339 with offset: the plan's lesson and the institution's setting make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<String>,
    /// When it closes, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<String>,
    /// By face or by QR code.
    pub method: Method,
    /// Roster number of the teacher who confirmed a QR code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
    /// That teacher's class, when it is not the class of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_class: Option<String>,
    /// The contracted place.
    pub site: String,
    /// The room.
    pub room: String,
    /// The camera's name in the appliance's config.
    pub camera: String,
    /// How like the face was; absent for a QR code and for frames that were never compared.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub likeness: Option<Match>,
    /// The face as measured in its best frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<FaceQuality>,
    /// Whether a living person was told from a picture.
    pub liveness: Liveness,
    /// SHA-256 (hex) of the capture photo (JPEG) that stays on the appliance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<String>,
}

/// What came of an attempt to check in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckinOutcome {
    /// It counts.
    Accepted,
    /// The person has already been accepted in this window.
    AlreadyCheckedIn,
    /// Enrolled, but in no class that has a lesson here today.
    NotInClass,
    /// In no class: nobody enrolled is like enough, or the QR code is nobody's (any more).
    Unknown,
    /// The person's class has no window open now.
    OutsideWindow,
    /// Too far away.
    TooSmall,
    /// Too little light on the face.
    TooDark,
    /// Too much light on the face.
    TooBright,
    /// Not facing the camera.
    Turned,
    /// Not sharp.
    Blurred,
    /// Partly outside the picture.
    CutOff,
    /// A QR code that the named teacher did not confirm.
    Unconfirmed,
}

/// What a person is in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 学员
    Trainee,
    /// 授课教师
    Teacher,
}

/// How a person was identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By face.
    Face,
    /// By a personal QR code, confirmed by a named teacher: for those who decline face recognition.
    Qr,
}

/// Which of a day's check-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// Before the first lesson.
    Arrival,
    /// After the last lesson.
    Departure,
}

/// Whether a living person was told from a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// Nobody looked.
    NotChecked,
}

/// How like a face was to the person it was taken for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Cosine of the track's mean embedding with the best template, −1 to 1.
    pub score: f64,
    /// Lead over the second best person.
    pub margin: f64,
    /// Good frames in the mean.
    pub frames: u32,
    /// The threshold that applied.
    pub threshold: f64,
    /// SHA-256 (hex) of the embedding model.
    pub model: String,
}

/// A face as measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceQuality {
    /// Distance between the pupils, px.
    pub pupil_distance_px: f64,
    /// Turn to the side, degrees.
    pub yaw: f64,
    /// Nod, degrees.
    pub pitch: f64,
    /// Tilt, degrees.
    pub roll: f64,
    /// Variance of the aligned face's Laplacian, grey levels squared.
    pub sharpness: f64,
    /// Mean brightness, 0–255.
    pub brightness: f64,
}
