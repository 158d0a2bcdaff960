//! The payload of a record: `{"v":1,"device":…,"seq":…,"time":…,"clock":…,"kind":…,"data":{…}}`.
//!
//! Serialised once, when it is signed; the bytes are what is stored, hashed, sent and checked.
//! A record names people by roster number only: never a name, an ID-card number, a photo or a template.

mod acts;
mod checkin;
mod class;
mod coverage;
mod id_card;
mod recording;

pub use acts::*;
pub use checkin::*;
pub use coverage::*;
pub use id_card::{holds_id_card_number, id_card_check_digit};
pub use recording::*;

use crate::jws::{self, SignedRecord};
use crate::key::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::mem::discriminant;

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
    /// `lesson`
    Lesson(Lesson),
    /// `closing`
    Closing(Closing),
    /// `erasure`
    Erasure(Erasure),
    /// `clock`
    Clock(ClockStep),
    /// `appliance`
    Appliance(ApplianceEvent),
    /// `export`
    Export(Export),
    /// `segment`
    Segment(Segment),
    /// `gap`
    Gap(Gap),
    /// `coverage`
    Coverage(Coverage),
    /// `archive`
    Archive(Archive),
    /// `deletion`
    Deletion(Deletion),
    /// `viewing`
    Viewing(Viewing),
    /// `finding`
    Finding(Finding),
    /// `reference`
    Reference(Reference),
    /// `rollcall`
    Rollcall(Rollcall),
    /// Any other kind.
    Other {
        /// The kind's name.
        kind: String,
        /// Its data, as found.
        data: Value,
    },
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
    /// What was to be signed would never be read again as what it was.
    #[error("a record of kind {kind} was not signed: {problem}")]
    Unreadable {
        /// The record's kind.
        kind: String,
        /// What is wrong with it.
        problem: String,
    },
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
            Data::Lesson(_) => "lesson",
            Data::Closing(_) => "closing",
            Data::Erasure(_) => "erasure",
            Data::Clock(_) => "clock",
            Data::Appliance(_) => "appliance",
            Data::Export(_) => "export",
            Data::Segment(_) => "segment",
            Data::Gap(_) => "gap",
            Data::Coverage(_) => "coverage",
            Data::Archive(_) => "archive",
            Data::Deletion(_) => "deletion",
            Data::Viewing(_) => "viewing",
            Data::Finding(_) => "finding",
            Data::Reference(_) => "reference",
            Data::Rollcall(_) => "rollcall",
            Data::Other { kind, .. } => kind,
        }
    }

    fn to_json(&self) -> String {
        let text = match self {
            Data::Checkin(data) => serde_json::to_string(data),
            Data::Enrolment(data) => serde_json::to_string(data),
            Data::Consent(data) => serde_json::to_string(data),
            Data::Plan(data) => serde_json::to_string(data),
            Data::Lesson(data) => serde_json::to_string(data),
            Data::Closing(data) => serde_json::to_string(data),
            Data::Erasure(data) => serde_json::to_string(data),
            Data::Clock(data) => serde_json::to_string(data),
            Data::Appliance(data) => serde_json::to_string(data),
            Data::Export(data) => serde_json::to_string(data),
            Data::Segment(data) => serde_json::to_string(data),
            Data::Gap(data) => serde_json::to_string(data),
            Data::Coverage(data) => serde_json::to_string(data),
            Data::Archive(data) => serde_json::to_string(data),
            Data::Deletion(data) => serde_json::to_string(data),
            Data::Viewing(data) => serde_json::to_string(data),
            Data::Finding(data) => serde_json::to_string(data),
            Data::Reference(data) => serde_json::to_string(data),
            Data::Rollcall(data) => serde_json::to_string(data),
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
            "lesson" => Data::Lesson(read(&kind, data)?),
            "closing" => Data::Closing(read(&kind, data)?),
            "erasure" => Data::Erasure(read(&kind, data)?),
            "clock" => Data::Clock(read(&kind, data)?),
            "appliance" => Data::Appliance(read(&kind, data)?),
            "export" => Data::Export(read(&kind, data)?),
            "segment" => Data::Segment(read(&kind, data)?),
            "gap" => Data::Gap(read(&kind, data)?),
            "coverage" => Data::Coverage(read(&kind, data)?),
            "archive" => Data::Archive(read(&kind, data)?),
            "deletion" => Data::Deletion(read(&kind, data)?),
            "viewing" => Data::Viewing(read(&kind, data)?),
            "finding" => Data::Finding(read(&kind, data)?),
            "reference" => Data::Reference(read(&kind, data)?),
            "rollcall" => Data::Rollcall(read(&kind, data)?),
            _ => Data::Other { kind, data },
        })
    }

    /// The times in it.
    fn times(&self) -> Vec<&str> {
        match self {
            Data::Checkin(data) => data.opens.iter().chain(&data.closes).map(String::as_str).collect(),
            Data::Segment(data) => vec![&data.start, &data.end],
            Data::Gap(data) => vec![&data.start, &data.end],
            Data::Lesson(data) => vec![&data.start, &data.end],
            Data::Coverage(data) => {
                let roll_call = data.roll_call.iter().flat_map(|span| std::iter::once(&span.start).chain(&span.end));
                [&data.start, &data.end, &data.from].into_iter().chain(roll_call).map(String::as_str).collect()
            }
            Data::Finding(data) => std::iter::once(&data.start).chain(&data.end).map(String::as_str).collect(),
            Data::Viewing(data) => vec![&data.start, &data.end],
            Data::Rollcall(data) => vec![&data.lesson],
            _ => Vec::new(),
        }
    }

    /// The class and roster numbers in it.
    fn identifiers(&self) -> Vec<(&'static str, &str)> {
        let mut found = Vec::new();
        match self {
            Data::Checkin(data) => {
                found.extend(data.class.as_deref().map(|value| ("class", value)));
                found.extend(data.person.as_deref().map(|value| ("person", value)));
                found.extend(data.confirmed_by.as_deref().map(|value| ("confirmed_by", value)));
                found.extend(data.confirmed_class.as_deref().map(|value| ("confirmed_class", value)));
            }
            Data::Enrolment(data) => found.extend([("class", &*data.class), ("person", &*data.person)]),
            Data::Consent(data) => found.extend([("class", &*data.class), ("person", &*data.person)]),
            Data::Erasure(data) => found.extend([("class", &*data.class), ("person", &*data.person)]),
            Data::Plan(data) => found.push(("class", &data.class)),
            Data::Lesson(data) => {
                found.extend([("class", &*data.class), ("teacher", &*data.teacher)]);
                found.extend(data.workstations.iter().map(|workstation| ("workstation", &**workstation)));
            }
            Data::Closing(data) => found.push(("class", &data.class)),
            Data::Coverage(data) => {
                found.push(("class", &data.class));
                found.extend(data.workstations.iter().map(|row| ("workstation", &*row.workstation)));
            }
            Data::Finding(data) => {
                found.extend(data.class.as_deref().map(|value| ("class", value)));
                found.extend(data.workstation.as_deref().map(|value| ("workstation", value)));
            }
            Data::Viewing(data) => found.extend([("class", &*data.class), ("by", &*data.by)]),
            Data::Rollcall(data) => found.extend([("class", &*data.class), ("by", &*data.by)]),
            Data::Reference(data) => {
                found.push(("by", data.by.strip_prefix("staff:").unwrap_or(&data.by)));
                found.extend(data.workstations.iter().map(|marked| ("workstation", &*marked.workstation)));
            }
            Data::Archive(_) | Data::Deletion(_) => {}
            Data::Clock(_)
            | Data::Appliance(_)
            | Data::Export(_)
            | Data::Segment(_)
            | Data::Gap(_)
            | Data::Other { .. } => {}
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

    /// Signs it, after a last look that it names nobody and reads back as what it is: a record that cannot be read
    /// would end the log for ever, as it can be neither replaced nor passed over.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedRecord, RecordError> {
        check_time(&self.time)?;
        for time in self.data.times() {
            check_time(time)?;
        }
        for (field, value) in self.data.identifiers() {
            if value.is_empty() || value.chars().count() > 64 {
                return Err(RecordError::Identity { field, problem: "must have 1 to 64 characters" });
            }
            if holds_id_card_number(value) {
                return Err(RecordError::Identity { field, problem: "holds an ID-card number" });
            }
        }
        let payload = self.to_payload();
        self.check_payload(&payload).map_err(|problem| self.unreadable(problem))?;
        let signed = jws::sign(&payload, key);
        if signed.as_str().len() > jws::MAX_LENGTH {
            let length = signed.as_str().len();
            return Err(self.unreadable(format!("it has {length} bytes, and at most {} are read", jws::MAX_LENGTH)));
        }
        Ok(signed)
    }

    /// Whether `payload` reads back as this record. A number that is none (NaN, infinity) does not: JSON has no word
    /// for it.
    fn check_payload(&self, payload: &[u8]) -> Result<(), String> {
        let read = Record::from_payload(payload).map_err(|error| error.to_string())?;
        if read == *self {
            return Ok(());
        }
        // A long fraction may be read back as its neighbour: that is no other record.
        let json = |payload: &[u8]| serde_json::from_slice::<Value>(payload).map_err(|error| error.to_string());
        let is_same = discriminant(&read.data) == discriminant(&self.data)
            && is_alike(&json(payload)?, &json(&read.to_payload())?);
        if is_same { Ok(()) } else { Err("it reads back as another record".into()) }
    }

    fn unreadable(&self, problem: String) -> RecordError {
        RecordError::Unreadable { kind: self.data.kind().to_owned(), problem }
    }
}

/// Whether two JSON values are the same but for the last digits of fractions.
fn is_alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            one == other || (one.is_f64() && other.is_f64() && (a - b).abs() <= a.abs() * 1e-14)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_alike(a, b)))
        }
        _ => one == other,
    }
}

fn check_time(time: &str) -> Result<(), RecordError> {
    let has_offset = time.len() >= 20 && (time.ends_with('Z') || time.as_bytes()[time.len() - 3] == b':');
    match time.parse::<jiff::Timestamp>() {
        Ok(_) if has_offset => Ok(()),
        _ => Err(RecordError::Time(time.to_owned())),
    }
}
