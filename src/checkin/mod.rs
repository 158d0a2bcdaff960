//! Frames → tracks → a decision → a record.
//!
//! A decision needs several good frames of one tracked face, never one lucky frame. "Unknown" is a normal answer.
//! An accepted check-in is in the journal, on disk, before anything here says "done".

mod decide;
mod desk;
mod directory;
pub mod live;
mod track;

pub use desk::{Desk, DeskError, EnrolRequest, Enrolled, RosterEntry, Staff};
