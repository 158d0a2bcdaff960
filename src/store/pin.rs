//! Teachers' PINs: kept as argon2id hashes, and locked for a while after a few wrong tries. Other short secrets are hashed
//! likewise.

use super::{Store, StoreError};
use crate::class::ClassId;
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

/// Wrong tries before the PIN is locked.
const TRIES: u32 = 5;
/// How long it stays locked, seconds.
const LOCKED_SECONDS: i64 = 300;

/// What came of a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinCheck {
    /// It is right.
    Right,
    /// It is wrong; so many tries are left before it is locked.
    Wrong {
        /// Tries left.
        left: u32,
    },
    /// Too many wrong tries; none is looked at until then.
    Locked {
        /// When tries count again.
        until: Timestamp,
    },
    /// This person has none.
    NotSet,
}

impl Store {
    /// Sets a person's PIN: 4 to 12 digits.
    pub fn set_pin(&self, class: &ClassId, number: &str, pin: &str) -> Result<(), StoreError> {
        let value = |problem: String| StoreError::Value { what: "a PIN", problem };
        if !(4..=12).contains(&pin.len()) || !pin.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(value("must be 4 to 12 digits".into()));
        }
        let hash = hash(pin)?;
        let write = self.begin()?;
        let changed = write.connection().execute(
            "UPDATE persons SET pin_hash = ?3, pin_failures = 0, pin_locked_until = NULL
             WHERE class = ?1 AND number = ?2",
            params![class.as_str(), number, hash],
        )?;
        if changed == 0 {
            return Err(value(format!("{number} is not in class {class}")));
        }
        write.commit()
    }

    /// Checks a person's PIN at `now`; counts wrong tries. Takes tens of milliseconds, on purpose.
    pub fn check_pin(&self, class: &ClassId, number: &str, pin: &str, now: Timestamp) -> Result<PinCheck, StoreError> {
        let key = [class.as_str(), number];
        // Tries are counted one after the other; the hash is computed outside the transaction, which others wait for.
        let _one_at_a_time = super::lock(&self.pins);
        let found: Option<(Option<String>, u32, Option<i64>)> = self
            .read()?
            .connection
            .query_row(
                "SELECT pin_hash, pin_failures, pin_locked_until FROM persons WHERE class = ?1 AND number = ?2",
                key,
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let Some((Some(hash), failures, locked)) = found else { return Ok(PinCheck::NotSet) };
        // A lock that lies further ahead than a lock can was set by a clock that has been put back since.
        let locked = locked.filter(|until| (now.as_second()..=now.as_second() + LOCKED_SECONDS).contains(until));
        if let Some(until) = locked.and_then(|until| Timestamp::from_second(until).ok()) {
            return Ok(PinCheck::Locked { until });
        }
        let hash = PasswordHash::new(&hash)
            .map_err(|error| StoreError::Value { what: "a PIN's hash", problem: error.to_string() })?;
        let check = if Argon2::default().verify_password(pin.as_bytes(), &hash).is_ok() {
            PinCheck::Right
        } else if failures + 1 >= TRIES {
            let until = Timestamp::from_second(now.as_second() + LOCKED_SECONDS).unwrap_or(now);
            PinCheck::Locked { until }
        } else {
            PinCheck::Wrong { left: TRIES - failures - 1 }
        };
        let (failures, locked) = match check {
            PinCheck::Right | PinCheck::NotSet => (0, None),
            PinCheck::Wrong { left } => (TRIES - left, None),
            PinCheck::Locked { until } => (0, Some(until.as_second())),
        };
        let write = self.begin()?;
        write.connection().execute(
            "UPDATE persons SET pin_failures = ?3, pin_locked_until = ?4 WHERE class = ?1 AND number = ?2",
            params![key[0], key[1], failures, locked],
        )?;
        write.commit()?;
        Ok(check)
    }
}

/// The argon2id hash of a short secret, with a salt of its own. Takes tens of milliseconds, on purpose.
pub(super) fn hash(secret: &str) -> Result<String, StoreError> {
    let hash = Argon2::default().hash_password(secret.as_bytes());
    Ok(hash.map_err(|error| StoreError::Value { what: "a hash", problem: error.to_string() })?.to_string())
}

/// Whether it is the hash of this secret.
pub(super) fn is_of(hash: &str, secret: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok())
}
