//! Enum values as the words that stand in records, and numbers as SQLite keeps them.

use super::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer;

/// The word of a plain enum value.
pub(crate) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a plain enum serialises to a word, not {other:?}"),
    }
}

/// The value of a word.
pub(super) fn from_word<T: DeserializeOwned>(what: &'static str, word: &str) -> Result<T, StoreError> {
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
    T::deserialize(deserializer).map_err(|error| StoreError::Value { what, problem: error.to_string() })
}

/// A place in the log; SQLite's integers are signed.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).expect("no log reaches 2^63 records")
}
