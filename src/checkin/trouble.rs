//! What keeps check-ins from being saved: told at the kiosk at once, logged once a minute, and over by itself.

use super::live::{Live, Trouble};
use crate::lasting::Lasting;
use crate::store::Store;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nothing is written again before this, after it could not be.
const RETRY: Duration = Duration::from_secs(2);
/// How often it is tried whether anything can be written, while nobody checks in.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// The worker's troubles.
pub(super) struct Troubles {
    live: Arc<Live>,
    saving: Lasting,
    reading: Lasting,
    /// When something was last tried, and could not be saved.
    failed: Option<Instant>,
}

impl Troubles {
    pub(super) fn new(live: Arc<Live>) -> Troubles {
        Troubles { live, saving: Lasting::default(), reading: Lasting::default(), failed: None }
    }

    /// A record could not be written.
    pub(super) fn cannot_save(&mut self, error: &dyn Display) {
        self.failed = Some(Instant::now());
        if self.saving.is_due() {
            tracing::error!(%error, "a check-in could not be recorded; trying again");
        }
        self.live.trouble(Trouble::Saving, Some(error.to_string()));
    }

    /// Something was written.
    pub(super) fn saved(&mut self) {
        self.failed = None;
        if self.saving.end() {
            tracing::info!("check-ins can be recorded again");
            self.live.trouble(Trouble::Saving, None);
        }
    }

    /// Whether a record should not be tried yet.
    pub(super) fn holds(&self) -> bool {
        self.failed.is_some_and(|failed| failed.elapsed() < RETRY)
    }

    /// Tries, now and then, whether what could not be saved can be saved again.
    pub(super) fn look(&mut self, store: &Store) {
        if self.failed.is_none_or(|failed| failed.elapsed() < TRY_EVERY) {
            return;
        }
        match store.try_write() {
            Ok(()) => self.saved(),
            Err(error) => self.cannot_save(&error),
        }
    }

    /// The store could be read, or not.
    pub(super) fn read(&mut self, result: Result<(), &dyn Display>) {
        match result {
            Err(error) => {
                if self.reading.is_due() {
                    tracing::error!(%error, "the store cannot be read");
                }
                self.live.trouble(Trouble::Reading, Some(error.to_string()));
            }
            Ok(()) if self.reading.end() => self.live.trouble(Trouble::Reading, None),
            Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("whole").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn trouble_is_logged_once_however_often_it_is_met_and_each_kind_ends_by_itself() {
        let (lines, live) = (Lines::default(), Arc::new(Live::default()));
        let (written, told) = (lines.clone(), live.troubles());
        let log = tracing_subscriber::fmt().with_writer(move || written.clone()).finish();
        tracing::subscriber::with_default(log, || {
            let mut troubles = Troubles::new(live.clone());
            for _ in 0..20 {
                troubles.cannot_save(&"the disk is full");
                troubles.read(Err(&"the database is damaged"));
            }
            assert!(troubles.holds());
            troubles.read(Ok(()));
            assert_eq!(told.borrow().as_deref(), Some("the disk is full"), "a good read saves nothing");
            troubles.read(Err(&"the database is damaged"));
            troubles.saved();
            assert!(!troubles.holds());
            assert_eq!(told.borrow().as_deref(), Some("the database is damaged"), "what is saved is not read");
            troubles.read(Ok(()));
            assert_eq!(*told.borrow(), None);
        });
        let log = String::from_utf8(lines.0.lock().expect("whole").clone()).expect("text");
        let count = |text| log.matches(text).count();
        assert_eq!(
            (count("could not be recorded"), count("cannot be read"), count("recorded again")),
            (1, 2, 1),
            "{log}"
        );
    }
}
