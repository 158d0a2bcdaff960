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
    /// When it reached us, monotonic.
    pub captured: Instant,
    /// When it reached us, wall time; for labels only.
    pub wall: Timestamp,
}

/// A slot that holds a camera's newest frame. Writers never wait for readers.
#[derive(Default)]
pub struct LatestFrame {
    slot: Mutex<Option<Arc<Frame>>>,
    arrived: Condvar,
}

impl LatestFrame {
    /// Puts a frame in; returns the one it displaced, whose buffer can be used again if nobody else holds it.
    pub fn put(&self, frame: Arc<Frame>) -> Option<Arc<Frame>> {
        let old = self.lock().replace(frame);
        self.arrived.notify_all();
        old
    }

    /// The newest frame, whatever its age.
    pub fn get(&self) -> Option<Arc<Frame>> {
        self.lock().clone()
    }

    /// Waits up to `timeout` for a frame with a number above `after`.
    pub fn wait_newer(&self, after: u64, timeout: Duration) -> Option<Arc<Frame>> {
        let newer = |slot: &Option<Arc<Frame>>| slot.as_ref().is_some_and(|frame| frame.number > after);
        let (slot, _) = self
            .arrived
            .wait_timeout_while(self.lock(), timeout, |slot| !newer(slot))
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        slot.clone().filter(|frame| frame.number > after)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Frame>>> {
        self.slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
