//! What is to be recorded, and what a recorder tells of it.

use super::file::Written;
use crate::camera::Format;
use crate::class::Span;
use evidence::record::{GapCause, Sound};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Instant;

/// A span that must be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// Whether sound is kept.
    pub sound: bool,
    /// A lesson in the room whose sound is dropped ends where it begins.
    pub after_quiet: bool,
}

/// Something that must be journalled.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    Segment(Finished),
    Gap { start: Timestamp, end: Timestamp, cause: GapCause },
}

impl Fact {
    /// The time of which it tells.
    pub(super) fn span(&self) -> Span {
        match self {
            Fact::Segment(segment) => Span { from: segment.start, until: segment.end },
            Fact::Gap { start, end, .. } => Span { from: *start, until: *end },
        }
    }
}

/// A segment that is on disk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finished {
    pub file: Written,
    pub start: Timestamp,
    pub end: Timestamp,
    pub frames: u64,
    pub lost_packets: u64,
    pub format: Arc<Format>,
    pub sound: Sound,
}

/// Wall and monotonic time, read together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub wall: Timestamp,
    pub monotonic: Instant,
}

impl Now {
    /// The wall time of another moment.
    pub(super) fn at(self, moment: Instant) -> Timestamp {
        match moment.checked_duration_since(self.monotonic) {
            Some(later) => self.wall + later,
            None => self.wall - self.monotonic.duration_since(moment),
        }
    }
}
