//! How the archive stands, for others to see while it is at work.

use super::amount;
use crate::config::Config;
use crate::journal::Journal;
use crate::pulse::Pulse;
use crate::store::{Amount, SegmentRow, StoreError};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A closed day that is not archived after so many days is late: the line may be too slow for what is recorded …
const LATE_DAYS: i32 = 3;
/// … if it is still not after so long: who comes back from a holiday has to send it first.
const LATE_PATIENCE: Duration = Duration::from_secs(3600);

/// How the archive stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArchiveStatus {
    /// Its name.
    pub name: String,
    /// The last moment that the newest archived segment shows, RFC 3339.
    pub archived_until: Option<String>,
    /// What is not archived yet, closed or not.
    pub waiting: Amount,
    /// Why the last try has failed, if it has.
    pub problem: Option<String>,
    /// What cannot be archived any more, if there is such a thing. All else is.
    #[serde(default)]
    pub unfit: Option<Unfit>,
    /// The oldest day that is closed and of which something should be archived and is not, such as `2026-11-24`.
    #[serde(default)]
    pub due: Option<String>,
    /// How many days ago that day was, if that is longer than it should be.
    #[serde(default)]
    pub late_days: Option<i32>,
    /// How long ago whoever archives was last at work, seconds.
    #[serde(default)]
    pub idle_seconds: u64,
}

/// Segments that no archive holds and that are gone here, or not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    /// How many.
    pub segments: usize,
    /// The first file, below the recordings' folder.
    pub first: String,
}

impl ArchiveStatus {
    /// As the database tells it; `None` where there is no archive.
    pub fn of(config: &Config, journal: &Journal) -> Result<Option<ArchiveStatus>, StoreError> {
        let Some(archive) = &config.archive else { return Ok(None) };
        let mut status = ArchiveStatus { name: archive.name.clone(), ..ArchiveStatus::default() };
        status.look(journal, &journal.store().read()?.unarchived()?)?;
        Ok(Some(status))
    }

    pub(super) fn look(&mut self, journal: &Journal, unarchived: &[SegmentRow]) -> Result<(), StoreError> {
        self.archived_until = journal.store().read()?.archived_until()?.map(|time| journal.time_text(time));
        self.waiting = amount(unarchived);
        Ok(())
    }
}

/// What an archiver tells of itself.
#[derive(Debug)]
pub(in crate::recording) struct Standing {
    told: Mutex<Told>,
    pub(in crate::recording) pulse: Pulse,
}

/// The status, and since when its oldest day has been due, as far as this process knows.
#[derive(Debug)]
pub(in crate::recording) struct Told {
    status: ArchiveStatus,
    due_since: Instant,
}

impl Standing {
    pub(super) fn new(status: ArchiveStatus) -> Standing {
        let told = Mutex::new(Told { status, due_since: Instant::now() });
        Standing { told, pulse: Pulse::default() }
    }

    pub(in crate::recording) fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn tell(&self, status: &ArchiveStatus, now: Instant) {
        let mut told = self.lock();
        if told.status.due != status.due {
            told.due_since = now;
        }
        told.status = status.clone();
    }

    /// As it stands at `now`, on the date `today`.
    pub(in crate::recording) fn status(&self, today: Date, now: Instant) -> ArchiveStatus {
        let told = self.lock();
        let days = told.status.due.as_ref().and_then(|day| Some((today - day.parse::<Date>().ok()?).get_days()));
        let has_waited = now.saturating_duration_since(told.due_since) >= LATE_PATIENCE;
        let late_days = days.filter(|days| has_waited && *days > LATE_DAYS);
        ArchiveStatus { late_days, idle_seconds: self.pulse.idle().as_secs(), ..told.status.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_day_is_late_when_it_has_been_due_for_days_and_is_not_archived_within_the_hour() {
        let due = |day: &str| ArchiveStatus { due: Some(day.into()), ..ArchiveStatus::default() };
        let (standing, begun) = (Standing::new(ArchiveStatus::default()), Instant::now());
        let late = |day, minutes: u64| {
            let now = begun + Duration::from_secs(60 * minutes);
            standing.status(date(2026, 11, day), now).late_days
        };
        standing.tell(&due("2026-11-20"), begun);
        assert_eq!((late(21, 61), late(23, 61)), (None, None));
        assert_eq!((late(24, 59), late(24, 60), late(30, 60)), (None, Some(4), Some(10)));
        // That day is sent, and the next is due.
        standing.tell(&due("2026-11-21"), begun + Duration::from_secs(3600));
        assert_eq!((late(30, 61), late(30, 120)), (None, Some(9)));
        standing.tell(&ArchiveStatus::default(), begun);
        assert_eq!(late(30, 240), None);
    }
}
