//! `POST /v1/appliances/{id}/log`: checks what an appliance sends, keeps it, countersigns.
//!
//! Everything is verified before the transaction begins to write; a push is kept whole or not at all. What has been
//! kept can never be replaced: other bytes in a place that is taken are a fork, and are refused.

use crate::database::{ApplianceRow, DatabaseError, Transaction};
use crate::folder::Bureau;
use crate::register::now;
use evidence::checkpoint::{Log, Signed};
use evidence::jws::Verifier;
use evidence::tree::{Frontier, Hash, frontier_at, leaf_hash};
use rayon::prelude::*;
use serde::Deserialize;

/// Most records in a push.
pub(crate) const MAX_RECORDS: usize = 5000;

/// A push as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    first: u64,
    records: Vec<String>,
    checkpoint: String,
}

/// Why a push is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// Nobody has registered under this id.
    #[error("no appliance with this id is registered here")]
    Unknown,
    /// Records are missing before the first.
    #[error("the bureau has {size} records; send from there")]
    Gap { size: u64 },
    /// More than is taken at once.
    #[error("{0} records in one push; at most {MAX_RECORDS} are taken")]
    TooMany(usize),
    /// It does not verify.
    #[error("{problem}")]
    DoesNotVerify { problem: String, seq: Option<u64> },
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

fn refused(seq: Option<u64>, problem: String) -> PushError {
    PushError::DoesNotVerify { problem, seq }
}

/// Verifies and keeps a push; the answer is the receipt.
pub(crate) fn push(bureau: &Bureau, device: &str, push: &Push) -> Result<String, PushError> {
    let appliance = bureau.database.appliance(device)?.ok_or(PushError::Unknown)?;
    let receipt = checked(bureau, &appliance, push);
    if let Err(PushError::DoesNotVerify { problem, seq }) = &receipt {
        tracing::warn!(device, seq, problem, "a push does not verify");
        bureau.database.refuse(&appliance, &jiff::Timestamp::now().to_string(), *seq, problem)?;
    }
    receipt
}

fn checked(bureau: &Bureau, appliance: &ApplianceRow, push: &Push) -> Result<String, PushError> {
    if push.records.len() > MAX_RECORDS {
        return Err(PushError::TooMany(push.records.len()));
    }
    let log = Log::of(appliance.key);
    let signed =
        Signed::parse(&push.checkpoint, &log).map_err(|error| refused(None, format!("checkpoint: {error}")))?;
    let size = push.first.checked_add(push.records.len() as u64);
    let size = size.filter(|size| *size == signed.checkpoint().size).ok_or_else(|| {
        let (first, count) = (push.first, push.records.len());
        refused(None, format!("the checkpoint covers {} records, not {first} + {count}", signed.checkpoint().size))
    })?;
    // Another push of the same appliance may come between here and the transaction; then some of these signatures
    // have been checked for nothing, and nothing else.
    let known = appliance.size.max(push.first).min(size);
    let new = &push.records[(known - push.first) as usize..];
    let leaves = verify_records(appliance, known, new)?;
    bureau.database.transaction(|transaction| {
        let appliance = transaction.appliance(&appliance.device)?.ok_or(PushError::Unknown)?;
        if push.first > appliance.size {
            return Err(PushError::Gap { size: appliance.size });
        }
        compare(transaction, &appliance, push)?;
        let frontier = if size > appliance.size {
            append(transaction, &appliance, push, known, &leaves)?
        } else {
            frontier_at(&transaction.tree(&appliance), size)?
        };
        if frontier.root() != signed.checkpoint().root {
            return Err(refused(None, format!("the checkpoint's root is not that of these {size} records")));
        }
        // What was countersigned before is answered as it was, unless it is the newest, which is dated anew.
        if size < appliance.size
            && let Some(receipt) = transaction.receipt(&appliance, size)?
        {
            return Ok(receipt);
        }
        let time = now();
        let countersigned = signed.countersign(&bureau.name, &bureau.key, time);
        let receipt = countersigned.map_err(|error| refused(None, error.to_string()))?.to_text();
        transaction.put_receipt(&appliance, size, &receipt, time)?;
        Ok(receipt)
    })
}

/// Verifies signatures, device and place of records that are not kept yet, on all cores; tells their leaf hashes.
fn verify_records(appliance: &ApplianceRow, first: u64, records: &[String]) -> Result<Vec<Hash>, PushError> {
    let verifier = Verifier::new(appliance.key);
    let check = |(at, jws): (usize, &String)| {
        let seq = first + at as u64;
        let record = verifier.verify(jws).map_err(|error| refused(Some(seq), format!("record {seq}: {error}")))?;
        if record.device != appliance.device {
            return Err(refused(Some(seq), format!("record {seq}: made by {}", record.device)));
        }
        if record.seq != seq {
            return Err(refused(Some(seq), format!("record {seq}: says that it is record {}", record.seq)));
        }
        Ok(leaf_hash(jws.as_bytes()))
    };
    let checked: Vec<Result<Hash, PushError>> = records.par_iter().enumerate().map(check).collect();
    // The first that is wrong is told, not whichever core was quickest.
    checked.into_iter().collect()
}

/// What is sent again must be what is kept, byte for byte.
fn compare(transaction: &Transaction, appliance: &ApplianceRow, push: &Push) -> Result<(), PushError> {
    let again = appliance.size.saturating_sub(push.first).min(push.records.len() as u64);
    for (seq, jws) in (push.first..push.first + again).zip(&push.records) {
        if transaction.record(appliance, seq)?.as_deref() != Some(jws) {
            let problem =
                format!("record {seq}: the bureau has another record in this place; it was countersigned and stays");
            return Err(refused(Some(seq), problem));
        }
    }
    Ok(())
}

/// Keeps the records that are new; `leaves` are the hashes of those from `known` on.
fn append(
    transaction: &Transaction,
    appliance: &ApplianceRow,
    push: &Push,
    known: u64,
    leaves: &[Hash],
) -> Result<Frontier, PushError> {
    let mut frontier = frontier_at(&transaction.tree(appliance), appliance.size)?;
    for seq in appliance.size..push.first + push.records.len() as u64 {
        let (jws, leaf) = (&push.records[(seq - push.first) as usize], leaves[(seq - known) as usize]);
        let nodes = frontier.push(leaf);
        transaction.put_record(appliance, seq, jws, &nodes)?;
    }
    Ok(frontier)
}
