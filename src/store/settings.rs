//! Small facts by name: what the appliance has agreed with the bureau, and what stands in its way.

use super::{StoreError, View, Write};
use evidence::checkpoint::Witness;
use evidence::key::VerifyingKey;
use rusqlite::{OptionalExtension, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The bureau that this appliance is registered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Its address, `https://…`.
    pub url: String,
    /// Its key's name.
    pub name: String,
    /// The key that it countersigns with.
    pub key: VerifyingKey,
}

impl Registration {
    /// Who must have countersigned a receipt.
    pub fn witness(&self) -> Witness {
        Witness { name: self.name.clone(), key: self.key }
    }
}

/// Why sending has stopped until staff have acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncAlarm {
    /// When, RFC 3339.
    pub since: String,
    /// The record that the bureau names.
    pub seq: Option<u64>,
    /// What happened, and what to do.
    pub message: String,
}

const REGISTRATION: &str = "bureau";
const ALARM: &str = "sync.alarm";
/// A check-in with its photo takes less.
const TRIAL_BYTES: usize = 64 << 10;

impl View {
    fn setting<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
        let value: Option<String> = statement.query_row([name], |row| row.get(0)).optional()?;
        let read = |value: String| {
            serde_json::from_str(&value).map_err(|error| StoreError::Value { what: name, problem: error.to_string() })
        };
        value.map(read).transpose()
    }

    /// The bureau that this appliance is registered with.
    pub fn registration(&self) -> Result<Option<Registration>, StoreError> {
        self.setting(REGISTRATION)
    }

    /// Why sending has stopped, if it has.
    pub fn sync_alarm(&self) -> Result<Option<SyncAlarm>, StoreError> {
        self.setting(ALARM)
    }

    /// A number that changes whenever a class, roster, consent or template changes, and not when the log only grows.
    pub fn people_version(&self) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM settings WHERE name = 'people'")?;
        let value: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }
}

impl Write<'_> {
    fn set<T: Serialize>(&self, name: &'static str, value: Option<&T>) -> Result<(), StoreError> {
        match value {
            None => self.connection().execute("DELETE FROM settings WHERE name = ?1", [name])?,
            Some(value) => {
                let text = serde_json::to_string(value)
                    .map_err(|error| StoreError::Value { what: name, problem: error.to_string() })?;
                self.connection().execute(
                    "INSERT INTO settings (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    params![name, text],
                )?
            }
        };
        Ok(())
    }

    /// Remembers the bureau.
    pub fn set_registration(&self, registration: &Registration) -> Result<(), StoreError> {
        self.set(REGISTRATION, Some(registration))
    }

    /// Raises or clears the alarm.
    pub fn set_sync_alarm(&self, alarm: Option<&SyncAlarm>) -> Result<(), StoreError> {
        self.set(ALARM, alarm)
    }

    /// Writes as much as a check-in with its photo takes, or takes that away again.
    pub(super) fn set_trial(&self, is_there: bool) -> Result<(), StoreError> {
        let trial = is_there.then(|| "-".repeat(TRIAL_BYTES));
        self.set("trial", trial.as_ref())
    }

    /// Tells readers that they must look at the people again.
    pub(super) fn people_changed(&self) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO settings (name, value) VALUES ('people', '1')
             ON CONFLICT (name) DO UPDATE SET value = value + 1",
            [],
        )?;
        Ok(())
    }
}
