//! Why something was not sent. Nothing is ever lost by it: the log keeps every record until a receipt covers it,
//! and afterwards too.

use crate::journal::JournalError;
use crate::store::{StoreError, SyncAlarm};
use std::path::PathBuf;

/// What stands between this appliance and its bureau.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Never registered.
    #[error("not registered with a bureau; ask it for a code and run `rollcall register CODE`")]
    NotRegistered,
    /// Registered, but the config names no bureau.
    #[error("registered with the bureau {bureau}, but the config has no [sync]; put its address and CA there again")]
    NoConfig {
        /// The bureau's name.
        bureau: String,
    },
    /// Another bureau countersigns this log already.
    #[error(
        "this log is countersigned by the bureau {known} (key {known_key}) already; the one at this address is \
         {found} (key {found_key}). An appliance has one bureau: set up a new appliance for another one"
    )]
    OtherBureau {
        /// The one it is registered with.
        known: String,
        /// Its key.
        known_key: String,
        /// The one that answered.
        found: String,
        /// Its key.
        found_key: String,
    },
    /// The CA file.
    #[error("the bureau's CA certificate {path}: {problem}")]
    Ca {
        /// `sync.ca`.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No HTTP client can be made.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// No answer: network, name, TLS, time-out.
    #[error("no answer from {url}: {problem}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// The chain of causes.
        problem: String,
    },
    /// An answer that the protocol does not know.
    #[error("{url} answered {status}, which is not what a bureau says: {problem}")]
    Answer {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong, with the beginning of the answer.
        problem: String,
    },
    /// The bureau refuses, and says why.
    #[error("the bureau refuses ({status}): {problem}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        problem: String,
    },
    /// An answer of 200 that is no receipt for what was sent.
    #[error("the bureau's answer is not a receipt for the first {size} records: {problem}")]
    Receipt {
        /// The records sent for countersigning.
        size: u64,
        /// What is wrong.
        problem: String,
    },
    /// The sending has stopped until staff act.
    #[error("{}", .0.message)]
    Alarm(SyncAlarm),
    /// The log itself.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The process ends.
    #[error("interrupted; nothing is lost")]
    ShuttingDown,
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        SyncError::Journal(error.into())
    }
}

/// Words of a stranger as they may stand in a message or log line: short, and in one line.
pub(super) fn quoted(text: &str) -> String {
    let mut quote: String = text
        .chars()
        .map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c })
        .take(200)
        .collect::<String>()
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if text.chars().count() > 200 {
        quote.push('…');
    }
    quote
}
