//! For the tests of those who take a log's records one by one: records of one appliance, made of JSON.

use crate::record::{ClockQuality, Data, Record};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// So many minutes after 8:00 on 24 November 2026, UTC.
pub fn at(minute: i64) -> String {
    let begin: Timestamp = "2026-11-24T08:00:00Z".parse().expect("a time");
    (begin + SignedDuration::from_mins(minute)).to_string()
}

/// Of JSON, so that fields which may be absent need not be named.
pub fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("of this form")
}

/// A record of this time, by a clock that is synchronised.
pub fn record(seq: u64, time: &str, data: Data) -> Record {
    Record { device: "rollcall-a".into(), seq, time: time.into(), clock: ClockQuality::Synced, data }
}
