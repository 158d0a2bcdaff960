//! Trouble that lasts is tried again and again, and told once a minute: a full disk must not fill it with its own log.

use std::time::{Duration, Instant};

/// How often it is told again.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// One kind of trouble.
#[derive(Debug, Default)]
pub(crate) struct Lasting {
    told: Option<Instant>,
}

impl Lasting {
    /// Whether to tell it now.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if is_due {
            self.told = Some(Instant::now());
        }
        is_due
    }

    /// The error of what was tried, when it is to be told now.
    pub(crate) fn due<E>(&mut self, tried: Result<(), E>) -> Option<E> {
        match tried {
            Err(error) => self.is_due().then_some(error),
            Ok(()) => {
                self.end();
                None
            }
        }
    }

    /// It is over: the next time it is told at once. Tells whether there was any.
    pub(crate) fn end(&mut self) -> bool {
        self.told.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_at_once_and_again_only_after_it_was_over() {
        let mut trouble = Lasting::default();
        assert!(trouble.is_due() && !trouble.is_due() && !trouble.is_due());
        assert!(trouble.end() && !trouble.end());
        assert!(trouble.is_due());
    }
}
