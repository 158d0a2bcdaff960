//! Alarms: whatever begins to need attention, or no longer does, is told to the targets of the config within seconds.
//!
//! Each event is told once, and its end once; a cap a minute keeps a flood away. Messages name cameras, workstations and
//! classes, never a person. An address contains a key: neither log nor status ever shows it.

mod deliver;
pub(crate) mod message;
mod service;
mod watch;

pub use deliver::{Undelivered, test};
pub use service::{Service, Source};
pub use watch::{Alarm, Event};
