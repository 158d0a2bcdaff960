//! Frames → tracks → a decision → a record.
//!
//! A decision needs several good frames of one tracked face, never one lucky frame. "Unknown" is a normal answer.
//! An accepted check-in is in the journal, on disk, before anything here says "done".

mod decide;
mod desk;
mod directory;
pub mod enrol;
pub mod live;
mod people;
mod preview;
mod qr;
mod record;
pub mod scan;
mod service;
#[cfg(test)]
mod testing;
mod track;
mod trouble;
mod worker;

pub use desk::{
    DeclineRequest, Desk, DeskError, EnrolRequest, Enrolled, Reason, RosterEntry, Staff, admit, admit_of, decline,
};
pub(crate) use people::policy;
pub use service::Service;
pub use worker::{Progress, WorkerError};

/// The notice that is shown before anybody consents; its hash stands in every consent record.
pub const CONSENT_NOTICE: &str = include_str!("notice.txt");

/// SHA-256 (hex) of [`CONSENT_NOTICE`].
pub fn notice_sha256() -> String {
    evidence::sha256_hex(CONSENT_NOTICE.as_bytes())
}
