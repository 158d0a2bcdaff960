//! One decoded frame, and the slot that keeps only the newest.

use crate::picture::Picture;
use jiff::Timestamp;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A decoded frame of one camera.
#[derive(Debug)]
pub struct Frame {
    /// The pixels.
    pub picture: Picture,
    /// Counts from 1 for each camera since start; gaps mean frames that were not looked at.
    pub number: u64,
    /// Counts the connections to the camera: between two of them it was away, be it for a moment.
    pub connection: u64,
    /// When it reached us, monotonic.
    pub captured: Instant,
    /// When it reached us, wall time; for labels only.
    pub wall: Timestamp,
}

/// A slot that holds a camera's newest frame. Writers never wait for readers.
#[derive(Default)]
pub struct LatestFrame {
    slot: Mutex<Slot>,
    arrived: Condvar,
    taken: Condvar,
}

#[derive(Default)]
struct Slot {
    frame: Option<Arc<Frame>>,
    /// Highest number that a reader of [`LatestFrame::take_newer`] has got.
    taken: u64,
}

impl LatestFrame {
    /// Puts a frame in; returns the one it displaced, whose buffer can be used again if nobody else holds it.
    pub fn put(&self, frame: Arc<Frame>) -> Option<Arc<Frame>> {
        let old = self.lock().frame.replace(frame);
        self.arrived.notify_all();
        old
    }

    /// The newest frame, whatever its age.
    pub fn get(&self) -> Option<Arc<Frame>> {
        self.lock().frame.clone()
    }

    /// Waits up to `timeout` for a frame with a number above `after`.
    pub fn wait_newer(&self, after: u64, timeout: Duration) -> Option<Arc<Frame>> {
        let newer = |slot: &Slot| slot.frame.as_ref().is_some_and(|frame| frame.number > after);
        let (slot, _) = self
            .arrived
            .wait_timeout_while(self.lock(), timeout, |slot| !newer(slot))
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        slot.frame.clone().filter(|frame| frame.number > after)
    }

    /// As [`LatestFrame::wait_newer`], and tells a source that waits for its frames to be taken that this one is.
    pub fn take_newer(&self, after: u64, timeout: Duration) -> Option<Arc<Frame>> {
        let frame = self.wait_newer(after, timeout)?;
        let mut slot = self.lock();
        slot.taken = slot.taken.max(frame.number);
        drop(slot);
        self.taken.notify_all();
        Some(frame)
    }

    /// Waits up to `timeout` until a reader has got the frame with this number; tells whether one has.
    pub(super) fn wait_taken(&self, number: u64, timeout: Duration) -> bool {
        let (slot, _) = self
            .taken
            .wait_timeout_while(self.lock(), timeout, |slot| slot.taken < number)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        slot.taken >= number
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
