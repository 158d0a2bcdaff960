//! Receipts against the bureau's key, and what they tell about when something happened.

use super::{Found, Severity};
use crate::store::{Receipt, Store, StoreError};
use evidence::checkpoint::{Countersigned, Log, Witness};

/// The receipts that verify, smallest first.
#[derive(Default)]
pub(super) struct Receipts {
    good: Vec<Countersigned>,
    count: u64,
}

/// Verifies every receipt.
pub(super) fn check(store: &Store, log: &Log, found: &mut Found) -> Result<Receipts, StoreError> {
    let reader = store.read()?;
    let receipts = match reader.receipts() {
        Ok(receipts) => receipts,
        Err(error) => {
            found.fail("unreadable", "receipts", None, error.to_string());
            return Ok(Receipts::default());
        }
    };
    let registration = match reader.registration() {
        Ok(registration) => registration,
        Err(error) => {
            found.fail("unreadable", "settings", None, error.to_string());
            None
        }
    };
    match reader.sync_alarm() {
        Ok(None) => {}
        Ok(Some(alarm)) => found.add(Severity::Warning, "sync_alarm", "settings", alarm.seq, alarm.message),
        Err(error) => found.fail("unreadable", "settings", None, error.to_string()),
    }
    let count = receipts.len() as u64;
    let Some(registration) = registration else {
        if count > 0 {
            let message = format!("there are {count} receipts, but no bureau whose key they could be checked with");
            found.fail("no_registration", "receipts", None, message);
        }
        return Ok(Receipts { count, good: Vec::new() });
    };
    let witness = registration.witness();
    let mut good = Vec::new();
    for receipt in receipts {
        match verify(&receipt, log, &witness) {
            Ok(receipt) => good.push(receipt),
            Err(problem) => {
                let message = format!("the receipt for {} records {problem}", receipt.size);
                found.fail("bad_receipt", "receipts", None, message);
            }
        }
    }
    Ok(Receipts { good, count })
}

fn verify(receipt: &Receipt, log: &Log, witness: &Witness) -> Result<Countersigned, String> {
    let note =
        Countersigned::parse(&receipt.note, log, witness).map_err(|error| format!("does not verify: {error}"))?;
    let size = note.checkpoint().size;
    if size != receipt.size {
        return Err(format!("is one for {size} records"));
    }
    if note.unix_seconds() != receipt.countersigned_at || receipt.repeated_at < receipt.countersigned_at {
        let (kept, signed) = (receipt.countersigned_at, note.unix_seconds());
        return Err(format!("was countersigned at {signed}, but the row says {kept} and {}", receipt.repeated_at));
    }
    Ok(note)
}

impl Receipts {
    /// Those that verify.
    pub fn good(&self) -> &[Countersigned] {
        &self.good
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// When a record can have changed: after it was countersigned.
    pub fn since(&self, seq: u64) -> Option<String> {
        let size = |receipt: &Countersigned| receipt.checkpoint().size;
        let after = self.good.partition_point(|receipt| size(receipt) <= seq);
        let Some(receipt) = self.good.get(after) else {
            let last = self.good.last().map_or(0, size);
            return Some(format!("not countersigned yet: the newest receipt covers {last} records"));
        };
        let (at, size) = (receipt.time()?, size(receipt));
        Some(format!("after {at}, when the bureau countersigned the first {size} records"))
    }
}
