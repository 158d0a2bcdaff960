//! The payload of a record: `{"v":1,"device":…,"seq":…,"time":…,"clock":…,"kind":…,"data":{…}}`.
//!
//! Serialised once, when it is signed; the bytes are what is stored, hashed, sent and checked.
//! A record names people by roster number only: never a name, an ID-card number, a photo or a template.

use crate::jws::{self, SignedRecord};
use crate::key::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the payload that this crate writes and reads.
pub const VERSION: u32 = 1;

/// A fact, with the appliance, place in the log and time that it was written at.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The appliance's id.
    pub device: String,
    /// Place in the log, from 0.
    pub seq: u64,
    /// RFC 3339 with offset and milliseconds.
    pub time: String,
    /// How good `time` is.
    pub clock: ClockQuality,
    /// The fact.
    pub data: Data,
}

/// How good a record's time is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", deny_unknown_fields)]
pub enum ClockQuality {
    /// The kernel's clock is disciplined by a time source.
    Synced,
    /// It was, this many seconds ago.
    Holdover {
        /// Seconds since it was last known to be synchronised.
        seconds: u64,
    },
    /// It never was since start.
    Unset,
}

/// The kinds of fact. A kind that this version does not know still verifies, as [`Data::Other`].
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// `checkin`
    Checkin(Checkin),
    /// `enrolment`
    Enrolment(Enrolment),
    /// `consent`
    Consent(Consent),
    /// `plan`
    Plan(Plan),
    /// `erasure`
    Erasure(Erasure),
    /// `clock`
    Clock(ClockStep),
    /// `appliance`
    Appliance(ApplianceEvent),
    /// `export`
    Export(Export),
    /// Any other kind.
    Other {
        /// The kind's name.
        kind: String,
        /// Its data, as found.
        data: Value,
    },
}

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
    /// By face or by QR code.
    pub method: Method,
    /// Roster number of the teacher who confirmed a QR code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
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
    /// In no class: nobody enrolled is like enough.
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

/// A class's plan and roster were imported.
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

/// A person's templates and photos were erased. Names no template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The class.
    pub class: String,
    /// The roster number.
    pub person: String,
    /// `consent_withdrawn`, `class_closed` …
    pub reason: String,
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
}

/// Records were exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// What was exported: `log`.
    pub what: String,
    /// The number of records in it.
    pub size: u64,
}

/// Why a record is not signed, or a payload is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// `time` is not RFC 3339 with an offset.
    #[error("time {0:?} is not RFC 3339 with an offset, such as 2026-11-23T08:01:02.345+08:00")]
    Time(String),
    /// A field that could carry somebody's identity.
    #[error("{field} {problem}: a record names people by roster number only")]
    Identity {
        /// The field.
        field: &'static str,
        /// What is wrong with it; does not repeat the value.
        problem: &'static str,
    },
    /// The payload's JSON is not a record.
    #[error("the payload is not a record: {0}")]
    Payload(String),
    /// A version that this crate does not know.
    #[error("payload version {0} is not known; a newer verifier may know it")]
    Version(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    v: u32,
    device: String,
    seq: u64,
    time: String,
    clock: ClockQuality,
    kind: String,
    data: Value,
}

impl Data {
    /// The word that stands in the record.
    pub fn kind(&self) -> &str {
        match self {
            Data::Checkin(_) => "checkin",
            Data::Enrolment(_) => "enrolment",
            Data::Consent(_) => "consent",
            Data::Plan(_) => "plan",
            Data::Erasure(_) => "erasure",
            Data::Clock(_) => "clock",
            Data::Appliance(_) => "appliance",
            Data::Export(_) => "export",
            Data::Other { kind, .. } => kind,
        }
    }

    fn to_json(&self) -> String {
        let text = match self {
            Data::Checkin(data) => serde_json::to_string(data),
            Data::Enrolment(data) => serde_json::to_string(data),
            Data::Consent(data) => serde_json::to_string(data),
            Data::Plan(data) => serde_json::to_string(data),
            Data::Erasure(data) => serde_json::to_string(data),
            Data::Clock(data) => serde_json::to_string(data),
            Data::Appliance(data) => serde_json::to_string(data),
            Data::Export(data) => serde_json::to_string(data),
            Data::Other { data, .. } => serde_json::to_string(data),
        };
        text.expect("records hold only strings, numbers and lists, which serialise")
    }

    fn from_json(kind: String, data: Value) -> Result<Data, RecordError> {
        fn read<T: serde::de::DeserializeOwned>(kind: &str, data: Value) -> Result<T, RecordError> {
            serde_json::from_value(data).map_err(|error| RecordError::Payload(format!("kind {kind}: {error}")))
        }
        Ok(match kind.as_str() {
            "checkin" => Data::Checkin(read(&kind, data)?),
            "enrolment" => Data::Enrolment(read(&kind, data)?),
            "consent" => Data::Consent(read(&kind, data)?),
            "plan" => Data::Plan(read(&kind, data)?),
            "erasure" => Data::Erasure(read(&kind, data)?),
            "clock" => Data::Clock(read(&kind, data)?),
            "appliance" => Data::Appliance(read(&kind, data)?),
            "export" => Data::Export(read(&kind, data)?),
            _ => Data::Other { kind, data },
        })
    }

    /// The class and roster numbers in it.
    fn identifiers(&self) -> Vec<(&'static str, &str)> {
        let mut found = Vec::new();
        match self {
            Data::Checkin(data) => {
                found.extend(data.class.as_deref().map(|value| ("class", value)));
                found.extend(data.person.as_deref().map(|value| ("person", value)));
                found.extend(data.confirmed_by.as_deref().map(|value| ("confirmed_by", value)));
            }
            Data::Enrolment(data) => found.extend([("class", &*data.class), ("person", &*data.person)]),
            Data::Consent(data) => found.extend([("class", &*data.class), ("person", &*data.person)]),
            Data::Erasure(data) => found.extend([("class", &*data.class), ("person", &*data.person)]),
            Data::Plan(data) => found.push(("class", &data.class)),
            Data::Clock(_) | Data::Appliance(_) | Data::Export(_) | Data::Other { .. } => {}
        }
        found
    }
}

impl Record {
    /// The payload's bytes.
    pub fn to_payload(&self) -> Vec<u8> {
        let text = |value: &str| serde_json::to_string(value).expect("a string serialises");
        let clock = serde_json::to_string(&self.clock).expect("a plain enum serialises");
        format!(
            r#"{{"v":{VERSION},"device":{},"seq":{},"time":{},"clock":{clock},"kind":{},"data":{}}}"#,
            text(&self.device),
            self.seq,
            text(&self.time),
            text(self.data.kind()),
            self.data.to_json()
        )
        .into_bytes()
    }

    /// Reads a payload. Unknown keys are errors, unknown kinds are not.
    pub fn from_payload(bytes: &[u8]) -> Result<Record, RecordError> {
        let payload: Payload =
            serde_json::from_slice(bytes).map_err(|error| RecordError::Payload(error.to_string()))?;
        if payload.v != VERSION {
            return Err(RecordError::Version(payload.v));
        }
        check_time(&payload.time)?;
        let data = Data::from_json(payload.kind, payload.data)?;
        Ok(Record { device: payload.device, seq: payload.seq, time: payload.time, clock: payload.clock, data })
    }

    /// Signs it, after a last look that it names nobody.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedRecord, RecordError> {
        check_time(&self.time)?;
        for (field, value) in self.data.identifiers() {
            if value.is_empty() || value.chars().count() > 64 {
                return Err(RecordError::Identity { field, problem: "must have 1 to 64 characters" });
            }
            if is_id_card_number(value) {
                return Err(RecordError::Identity { field, problem: "is an ID-card number" });
            }
        }
        Ok(jws::sign(&self.to_payload(), key))
    }
}

fn check_time(time: &str) -> Result<(), RecordError> {
    let has_offset = time.len() >= 20 && (time.ends_with('Z') || time.as_bytes()[time.len() - 3] == b':');
    match time.parse::<jiff::Timestamp>() {
        Ok(_) if has_offset => Ok(()),
        _ => Err(RecordError::Time(time.to_owned())),
    }
}

/// Whether a text is an 18-digit ID-card number with a right check digit (GB 11643).
pub fn is_id_card_number(text: &str) -> bool {
    let text = text.as_bytes();
    if text.len() != 18 || !text[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    text[17].to_ascii_uppercase() == id_card_check_digit(&text[..17])
}

/// The check digit of the first 17 digits of an ID-card number (GB 11643, ISO 7064 MOD 11-2).
pub fn id_card_check_digit(digits: &[u8]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    b"10X98765432"[(sum % 11) as usize]
}
