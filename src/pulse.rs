//! A thread's sign of life: it gives one each time that it turns, and others see for how long it has given none.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One thread's. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Mutex<Instant>>);

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Pulse {
    /// It is at work.
    pub(crate) fn beat(&self) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Instant::now();
    }

    /// For how long it has not been.
    pub(crate) fn idle(&self) -> Duration {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).elapsed()
    }
}
