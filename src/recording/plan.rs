//! What the plan wants recorded now.

use super::Wanted;
use crate::class::{Class, Span, recorded_spans};
use crate::config::Config;
use crate::journal::Journal;
use crate::store::StoreError;
use jiff::Timestamp;
use jiff::civil::Date;

/// The day's spans, read again when the date or the classes change.
pub(super) struct Plan {
    room: String,
    lead_minutes: i64,
    known: Option<(Date, u64)>,
    spans: Vec<Span>,
}

impl Plan {
    pub(super) fn new(config: &Config) -> Plan {
        let room = config.appliance.room.clone();
        Plan { room, lead_minutes: config.recording.lead_minutes, known: None, spans: Vec::new() }
    }

    /// The span that is to be recorded at `now`, if one is.
    pub(super) fn wanted(&mut self, journal: &Journal, now: Timestamp) -> Result<Option<Wanted>, StoreError> {
        let date = now.to_zoned_datetime(journal.zone().clone()).date();
        let version = journal.store().read()?.people_version()?;
        if self.known != Some((date, version)) {
            self.spans = self.spans_on(journal, date)?;
            self.known = Some((date, version));
        }
        let span = self.spans.iter().find(|span| span.from <= now && now < span.until);
        Ok(span.map(|span| Wanted { from: span.from, until: span.until, sound: true }))
    }

    /// All spans of a date.
    pub(super) fn spans_on(&self, journal: &Journal, date: Date) -> Result<Vec<Span>, StoreError> {
        let open = journal.store().read()?.classes()?.into_iter().filter(|row| row.closed.is_none());
        let classes: Vec<Class> = open.map(|row| row.class).collect();
        Ok(recorded_spans(&classes, date, &self.room, journal.zone(), self.lead_minutes))
    }
}
