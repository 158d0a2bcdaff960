//! The judges of what a log's records tell: each takes them one by one and finds what does not fit together.

use super::Finding;
use crate::account::Accounts;
use crate::checkpoint::Countersigned;
use crate::entered::Entered;
use crate::links::Links;
use crate::record::Record;
use crate::reference::References;
use crate::setup::Setup;
use crate::times::{Bounds, Steps, wrong_date};
use crate::timetable::Timetable;
use jiff::Timestamp;

/// Takes a whole log's records one by one, in order.
pub(super) struct Judges {
    accounts: Accounts,
    bounds: Bounds,
    entered: Entered,
    links: Links,
    references: References,
    setup: Setup,
    steps: Steps,
    timetable: Timetable,
    /// When the newest receipt was given.
    receipt: Option<Timestamp>,
    /// The time of the newest record.
    last: Option<Timestamp>,
}

impl Judges {
    /// For the log that these are the receipts of.
    pub fn new(receipts: &[Countersigned]) -> Judges {
        Judges {
            accounts: Accounts::default(),
            bounds: Bounds::new(receipts),
            entered: Entered::default(),
            links: Links::default(),
            references: References::default(),
            setup: Setup::default(),
            steps: Steps::default(),
            timetable: Timetable::default(),
            receipt: receipts.iter().filter_map(Countersigned::time).max(),
            last: None,
        }
    }

    /// Takes the next record, which verifies and is in its place.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        self.bounds.take(record);
        self.entered.take(record);
        self.last = record.time.parse().ok();
        let mut found = Vec::new();
        found.extend(wrong_date(record));
        found.extend(self.steps.take(record));
        found.extend(self.accounts.take(record));
        found.extend(self.timetable.take(record));
        found.extend(self.setup.take(record));
        found.extend(self.links.take(record));
        found.extend(self.references.take(record));
        found
    }

    /// Goes past record `seq`, which is no good, or not of this place.
    pub fn take_bad(&mut self, seq: u64) {
        self.accounts.take_bad();
        self.entered.take_bad();
        self.links.take_bad(seq);
        self.timetable.take_bad();
    }

    /// What only the end of the log tells.
    pub fn finish(self) -> Vec<Finding> {
        let mut found = Vec::new();
        // The newest moment that is known to have come.
        found.extend(self.last.max(self.receipt).map(|now| self.timetable.finish(now)).into_iter().flatten());
        found.extend(self.bounds.finish());
        found.extend(self.entered.finish());
        found.extend(self.accounts.finish());
        found
    }
}
