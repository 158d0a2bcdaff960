//! The signed log on disk: the only one who signs.
//!
//! What an append returned for is on disk (fsync), in its place in the tree, together with the rows and photos that
//! belong to it. A failed append leaves nothing. Times never go back without a `clock` record that says so.
//! Opening reads O(log n) rows, however long the log is; nothing is ever hashed twice.

mod acts;
mod begun;
mod erase;
mod error;
mod lessons;
#[doc(hidden)]
pub mod testing;
mod time;

pub(crate) use acts::is_still_there;
pub use acts::{EnrolledFace, PlanSource};
pub use erase::{Identity, Kept};
pub use error::JournalError;
pub use lessons::NewFinding;

use crate::clock::Clock;
use crate::config::Config;
use crate::store::keys::Keys;
use crate::store::{FILE_NAME, Receipt, Store, StoreError, Write};
use evidence::checkpoint::{Checkpoint, Countersigned, Log, Signed, Witness};
use evidence::jws::{self, SignedRecord, Verifier};
use evidence::key::SigningKey;
use evidence::record::{ApplianceEvent, Data, Record};
use evidence::tree::{Frontier, frontier_at};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use time::Timekeeper;
use tokio::sync::watch;

/// A record that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the log, from 0.
    pub seq: u64,
    /// Its time, RFC 3339.
    pub time: String,
}

/// The appliance's log. Shared between threads in an `Arc`; appends take turns.
pub struct Journal {
    store: Arc<Store>,
    key: SigningKey,
    log: Log,
    clock: Arc<dyn Clock>,
    zone: TimeZone,
    state: Mutex<State>,
    size: watch::Sender<u64>,
}

#[derive(Clone)]
struct State {
    frontier: Frontier,
    timekeeper: Timekeeper,
}

impl Journal {
    /// Makes the keys, the database and the first record of a new appliance in the folder `state`.
    ///
    /// Interrupted, it can be run again; it never overwrites a log.
    pub fn initialise(
        state: &Path,
        site: &str,
        room: &str,
        clock: Arc<dyn Clock>,
        zone: TimeZone,
    ) -> Result<Journal, JournalError> {
        let keys = Keys::create(state)?;
        let path = state.join(FILE_NAME);
        let store = match Store::create(&path, &keys.store) {
            Err(StoreError::Exists(_)) => Store::open(&path, &keys.store)?,
            created => created?,
        };
        let journal = Journal::open(Arc::new(store), keys.device, clock, zone)?;
        if journal.size() > 0 {
            return Err(JournalError::AlreadyInitialised(state.to_owned()));
        }
        journal.append_event("initialised", site, room)?;
        Ok(journal)
    }

    /// Opens the appliance whose keys and database are in the folder `state`.
    pub fn open_state(state: &Path, clock: Arc<dyn Clock>, zone: TimeZone) -> Result<Journal, JournalError> {
        let path = state.join(FILE_NAME);
        if !path.exists() {
            return Err(StoreError::Missing(path).into());
        }
        let keys = Keys::load(state)?;
        let store = Store::open(&path, &keys.store)?;
        Journal::open(Arc::new(store), keys.device, clock, zone)
    }

    /// Opens the log in `store`: checks that it is this key's and that its end is whole.
    pub fn open(
        store: Arc<Store>,
        key: SigningKey,
        clock: Arc<dyn Clock>,
        zone: TimeZone,
    ) -> Result<Journal, JournalError> {
        let log = Log::of(key.verifying_key());
        let reader = store.read()?;
        let size = reader.log_size()?;
        let frontier = frontier_at(&*reader, size)?;
        let last = match size.checked_sub(1) {
            None => None,
            Some(seq) => Some(verified_last(&reader, seq, &key, &log)?),
        };
        if let Some(receipt) = reader.newest_receipt()?
            && receipt.size > size
        {
            return Err(JournalError::Broken(format!(
                "the bureau has countersigned {} records, but only {size} are here",
                receipt.size
            )));
        }
        drop(reader);
        let timekeeper = Timekeeper::new(&*clock, zone.clone(), last.as_ref().map(|record| record.time.as_str()));
        let state = Mutex::new(State { frontier, timekeeper });
        Ok(Journal { store, key, log, clock, zone, state, size: watch::Sender::new(size) })
    }

    /// The database.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The appliance's id and key.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The clock that records are labelled by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The time zone of plans and record times.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// A time as records hold it: RFC 3339 with offset and milliseconds.
    pub fn time_text(&self, time: jiff::Timestamp) -> String {
        time::text(time, &self.zone)
    }

    /// Signs what the bureau asks an appliance to prove it is: only texts that no record or checkpoint can be.
    pub fn prove(&self, statement: &str) -> [u8; 64] {
        self.key.sign(format!("rollcall-register/v1\n{statement}").as_bytes())
    }

    /// Records in the log, as far as this process knows; [`Journal::look`] learns of those of others.
    pub fn size(&self) -> u64 {
        *self.size.borrow()
    }

    /// Tells the log's size whenever it has grown.
    pub fn sizes(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    /// Looks whether another process has appended; tells the size.
    pub fn look(&self) -> Result<u64, JournalError> {
        let size = self.store.read()?.log_size()?;
        self.tell(size);
        Ok(size)
    }

    /// Appends one record.
    pub fn append(&self, data: Data) -> Result<Appended, JournalError> {
        self.transaction(|batch| batch.append(data))
    }

    /// Appends one record, and in the same transaction whatever `rows` writes; `rows` is given the record's place.
    pub fn append_with(
        &self,
        data: Data,
        rows: impl FnOnce(&Write<'_>, u64) -> Result<(), StoreError>,
    ) -> Result<Appended, JournalError> {
        self.transaction(|batch| {
            let appended = batch.append(data)?;
            rows(batch, appended.seq)?;
            Ok(appended)
        })
    }

    /// Appends an `appliance` record: `stopped`, `registered` …
    pub fn append_event(&self, event: &str, site: &str, room: &str) -> Result<Appended, JournalError> {
        self.append(Data::Appliance(self.event(event, site, room)))
    }

    /// Appends that the appliance was started with this config.
    pub fn append_start(&self, config: &Config) -> Result<Appended, JournalError> {
        let (cameras, limits) = (config.cameras_in_use(), config.other_limits());
        let event = self.event("started", &config.appliance.site, &config.appliance.room);
        self.append(Data::Appliance(ApplianceEvent { cameras, limits, ..event }))
    }

    /// What an `appliance` record tells of this appliance.
    pub(crate) fn event(&self, event: &str, site: &str, room: &str) -> ApplianceEvent {
        ApplianceEvent {
            event: event.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            boot: self.clock.boot_id(),
            site: site.into(),
            room: room.into(),
            cameras: Vec::new(),
            limits: BTreeMap::new(),
        }
    }

    /// Appends records and writes rows in one transaction: all of it is on disk when this returns, or none.
    ///
    /// `work` must not append to this journal in any other way: it would wait for itself.
    pub fn transaction<T, E: From<JournalError>>(
        &self,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let patience = Store::patience();
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut batch = self.begin(&state, patience)?;
        let result = work(&mut batch)?;
        let next = batch.commit()?;
        self.tell(next.frontier.size());
        *state = next;
        Ok(result)
    }

    fn begin(&self, state: &State, patience: Instant) -> Result<Batch<'_>, JournalError> {
        let write = self.store.begin_by(patience)?;
        let mut next = state.clone();
        let size = write.log_size()?;
        if size != next.frontier.size() {
            if size < next.frontier.size() {
                let before = next.frontier.size();
                return Err(JournalError::Broken(format!("it had {before} records and has {size} now")));
            }
            next.frontier = frontier_at(&*write, size)?;
            let last = verified_last(&write, size - 1, &self.key, &self.log)?;
            next.timekeeper.another_wrote(&last.time);
        }
        let mut batch = Batch { journal: self, write, state: next };
        if let Some(step) = batch.state.timekeeper.look(&*self.clock) {
            batch.append(Data::Clock(step))?;
        }
        Ok(batch)
    }

    /// Looks at the clock; a step since the last look or record is journalled. To be called every second or so.
    pub fn watch_clock(&self) -> Result<(), JournalError> {
        let stepped = {
            let state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            state.timekeeper.clone().look(&*self.clock).is_some()
        };
        // Beginning looks again, and writes the record.
        if stepped { self.transaction(|_| Ok(())) } else { Ok(()) }
    }

    /// Signs a checkpoint over the first `size` records.
    pub fn checkpoint(&self, size: u64) -> Result<Signed, JournalError> {
        let root = frontier_at(&*self.store.read()?, size)?.root();
        Ok(Signed::sign(Checkpoint { origin: self.log.origin.clone(), size, root }, &self.key)?)
    }

    /// Verifies a receipt from `bureau` (both signatures, and that its root is this log's) and keeps it.
    pub fn keep_receipt(&self, note: &str, bureau: &Witness) -> Result<Receipt, JournalError> {
        let receipt = Countersigned::parse(note, &self.log, bureau)?;
        let Checkpoint { size, root, .. } = receipt.checkpoint();
        let reader = self.store.read()?;
        let known = reader.log_size()?;
        if *size > known {
            return Err(JournalError::Receipt(format!("it covers {size} records, but there are only {known}")));
        }
        if frontier_at(&*reader, *size)?.root() != *root {
            return Err(JournalError::Receipt(format!("its root is not that of the first {size} records")));
        }
        drop(reader);
        let (size, note, time) = (*size, receipt.to_text(), receipt.unix_seconds());
        let write = self.store.begin()?;
        write.put_receipt(size, &note, time)?;
        write.commit()?;
        Ok(Receipt { size, note, countersigned_at: time, repeated_at: time })
    }

    fn tell(&self, size: u64) {
        self.size.send_if_modified(|known| {
            let grown = size > *known;
            *known = size.max(*known);
            grown
        });
    }
}

/// The last record, verified: an appliance only continues a log whose end is its own.
fn verified_last(view: &crate::store::View, seq: u64, key: &SigningKey, log: &Log) -> Result<Record, JournalError> {
    let broken = |problem: String| JournalError::Broken(format!("its last record, {seq}, {problem}"));
    let signed: SignedRecord = view.record(seq)?.ok_or_else(|| broken("is missing".into()))?;
    if let Ok(record) = jws::read_unverified(signed.as_str())
        && record.device != log.origin
    {
        return Err(JournalError::OtherDevice { expected: log.origin.clone(), found: record.device });
    }
    let record = Verifier::new(key.verifying_key())
        .verify(signed.as_str())
        .map_err(|error| broken(format!("does not verify ({error})")))?;
    if record.seq != seq {
        return Err(broken(format!("says that it is record {}", record.seq)));
    }
    Ok(record)
}

/// A transaction of [`Journal::transaction`]: records and the rows that belong to them. Reads and writes as [`Write`].
pub struct Batch<'j> {
    journal: &'j Journal,
    write: Write<'j>,
    state: State,
}

impl Batch<'_> {
    /// The place that the next record will have.
    pub fn next_seq(&self) -> u64 {
        self.state.frontier.size()
    }

    /// The time that a record would have now, RFC 3339.
    pub fn now(&mut self) -> String {
        self.state.timekeeper.stamp(&*self.journal.clock, false)
    }

    /// Signs and appends a record, and the rows that are derived from it (check-ins, consents, erasures).
    pub fn append(&mut self, data: Data) -> Result<Appended, JournalError> {
        let journal = self.journal;
        let record = Record {
            device: journal.log.origin.clone(),
            seq: self.next_seq(),
            time: self.state.timekeeper.stamp(&*journal.clock, matches!(data, Data::Clock(_))),
            clock: journal.clock.quality(),
            data,
        };
        let signed = record.sign(&journal.key)?;
        let nodes = self.state.frontier.push(signed.leaf_hash());
        self.write.append_row(record.seq, &signed, &nodes)?;
        self.derive(&record)?;
        Ok(Appended { seq: record.seq, time: record.time })
    }

    fn derive(&self, record: &Record) -> Result<(), JournalError> {
        match &record.data {
            Data::Checkin(checkin) => match self.write.put_checkin(record.seq, &record.time, checkin) {
                Err(StoreError::Duplicate(_)) => Err(JournalError::AlreadyAccepted {
                    class: checkin.class.clone().unwrap_or_default(),
                    person: checkin.person.clone().unwrap_or_default(),
                }),
                put => Ok(put?),
            },
            Data::Consent(consent) => Ok(self.write.put_consent(record.seq, &record.time, consent)?),
            Data::Erasure(erasure) => {
                self.write.erase_templates(&erasure.class, &erasure.person)?;
                if erasure.photos {
                    self.write.erase_captures(&erasure.class, &erasure.person)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn commit(self) -> Result<State, JournalError> {
        self.write.commit()?;
        Ok(self.state)
    }
}

impl<'j> Deref for Batch<'j> {
    type Target = Write<'j>;
    fn deref(&self) -> &Write<'j> {
        &self.write
    }
}

#[cfg(test)]
mod tests;
