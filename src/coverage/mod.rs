//! What was recorded, and what the recording shows: the account of time, each camera's picture against its reference,
//! each workstation's sight, the people in it; findings when something is wrong, and a lesson's coverage when it is over.
//!
//! The judging is pure (`account`, `picture`): facts and pictures in, accounts and conditions out.

pub mod account;
pub mod findings;
mod forget;
mod journal;
pub mod lesson;
pub mod people;
pub mod people_service;
pub mod picture;
mod polygon;
mod progress;
mod rollcall;
mod service;
mod sights;
mod unseen;
mod watch;

pub use journal::close_left_open;
pub(crate) use journal::shown;
pub use progress::Progress;
#[cfg(test)]
pub(crate) use progress::Standing;
pub use service::{CameraWatch, Service};
pub use unseen::LessonWatch;
