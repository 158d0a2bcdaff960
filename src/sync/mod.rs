//! Sends the log to the bureau and keeps its receipts.
//!
//! The log is the outbox: what no receipt covers remains to be sent, however many days that takes; there is no
//! second queue. Nothing that the bureau answers is believed: a receipt counts when both signatures verify and its
//! root is this log's. An answer that contradicts the log stops the sending and raises an alarm; it never deletes
//! or changes anything. docs/protocol.md describes what goes over the wire.

mod client;
mod error;
mod push;
mod register;
mod run;
mod status;

pub use error::SyncError;
pub use register::register;
pub use run::{Drained, once, run};
pub use status::{Link, SyncState, SyncStatus};

use crate::journal::{Journal, JournalError};
use std::sync::Arc;

/// Clears the alarm that stopped the sending; staff do this when its cause is gone. Tells whether there was one.
pub fn clear_alarm(journal: &Journal) -> Result<bool, JournalError> {
    if journal.store().read()?.sync_alarm()?.is_none() {
        return Ok(false);
    }
    let write = journal.store().begin()?;
    write.set_sync_alarm(None)?;
    write.commit()?;
    Ok(true)
}

/// Does work on the database or on keys away from the threads that serve connections.
async fn blocking<T: Send + 'static>(
    journal: &Arc<Journal>,
    work: impl FnOnce(&Journal) -> Result<T, SyncError> + Send + 'static,
) -> Result<T, SyncError> {
    let journal = journal.clone();
    match tokio::task::spawn_blocking(move || work(&journal)).await {
        Ok(result) => result,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(_) => Err(SyncError::ShuttingDown),
    }
}
