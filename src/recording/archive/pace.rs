//! No faster than is allowed, and no longer than until somebody stops it.

use super::ArchiveError;
use crate::pulse::Pulse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes that have passed, against time.
pub struct Pace<'s> {
    bytes_per_second: Option<u64>,
    stop: &'s AtomicBool,
    pulse: Pulse,
    begun: Instant,
    bytes: u64,
}

impl Pace<'_> {
    /// `stop` ends it; `pulse` beats with each piece.
    pub(super) fn new(bytes_per_second: Option<u64>, stop: &AtomicBool, pulse: Pulse) -> Pace<'_> {
        Pace { bytes_per_second, stop, pulse, begun: Instant::now(), bytes: 0 }
    }

    /// Waits until `bytes` more may have passed.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.bytes += bytes;
        loop {
            self.pulse.beat();
            if self.stop.load(Ordering::Relaxed) {
                return Err(ArchiveError::Stopped);
            }
            let Some(limit) = self.bytes_per_second else { return Ok(()) };
            let due = Duration::from_secs_f64(self.bytes as f64 / limit as f64);
            let Some(wait) = due.checked_sub(self.begun.elapsed()).filter(|wait| !wait.is_zero()) else {
                return Ok(());
            };
            std::thread::sleep(wait.min(Duration::from_millis(100)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_passes_than_is_allowed() {
        let stop = AtomicBool::new(false);
        let mut pace = Pace::new(Some(1_000_000), &stop, Pulse::default());
        let begun = Instant::now();
        (0..30).for_each(|_| pace.take(10_000).expect("not stopped"));
        assert!(begun.elapsed() >= Duration::from_millis(299), "{:?}", begun.elapsed());
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(pace.take(1), Err(ArchiveError::Stopped)));
    }
}
