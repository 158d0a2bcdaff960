//! `POST /v1/appliances/{id}/log`: checks what an appliance sends, keeps it, countersigns.
//!
//! A push is kept whole or not at all. What has been kept can never be replaced: other bytes in a place that is
//! taken are refused, and when the appliance's key has signed them they are a fork, whose proof is kept.

use crate::database::{About, Ahead, ApplianceRow, DatabaseError, NewRefusal, Transaction};
use crate::folder::Bureau;
use crate::register::now;
use crate::text::clean;
use evidence::checkpoint::{Log, Signed};
use evidence::jws::{JwsError, Verifier};
use evidence::record::{ClockQuality, Data, Record};
use evidence::times::TOLERANCE;
use evidence::tree::{Frontier, Hash, Nodes, frontier_at, leaf_hash};
use rayon::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

/// Most records in a push.
pub(crate) const MAX_RECORDS: usize = 5000;
/// Longest problem that is kept and shown, characters.
const MAX_PROBLEM: usize = 300;
/// Longest name of a place that is kept, characters.
const MAX_NAME: usize = 80;
/// How far the clock may lie behind the newest countersignature, s. Clocks are slewed, and a second may be repeated.
pub(crate) const CLOCK_TOLERANCE_SECONDS: u64 = 60;

/// A push as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    first: u64,
    records: Records,
    checkpoint: String,
}

/// The records of a push; of more than are taken, only their number.
#[derive(Debug)]
struct Records {
    taken: Vec<String>,
    count: usize,
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Records, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Records;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records, A::Error> {
                let mut taken = Vec::new();
                while taken.len() < MAX_RECORDS {
                    match list.next_element()? {
                        Some(record) => taken.push(record),
                        None => return Ok(Records { count: taken.len(), taken }),
                    }
                }
                let mut count = MAX_RECORDS;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Records { taken, count })
            }
        }
        deserializer.deserialize_seq(List)
    }
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
    /// It does not verify. `proof` is what the appliance's key has signed although it contradicts what it signed
    /// before; without it, anybody may have sent this.
    #[error("{problem}")]
    DoesNotVerify { problem: String, seq: Option<u64>, proof: Option<String> },
    /// A countersignature would be dated before one that it follows.
    #[error("the bureau's clock is {behind} s behind its own countersignatures; nothing is signed until it is right")]
    Clock { behind: u64 },
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

fn refused(seq: Option<u64>, problem: String, proof: Option<String>) -> PushError {
    PushError::DoesNotVerify { problem: clean(&problem, MAX_PROBLEM), seq, proof }
}

/// Verifies and keeps a push; the answer is the receipt.
pub(crate) fn push(bureau: &Bureau, device: &str, push: &Push) -> Result<String, PushError> {
    let appliance = bureau.database.appliance(device)?.ok_or(PushError::Unknown)?;
    let receipt = checked(bureau, &appliance, push);
    match &receipt {
        Err(PushError::DoesNotVerify { problem, seq, proof }) => {
            tracing::warn!(device, seq, problem, is_proven = proof.is_some(), "a push does not verify");
            let refusal = NewRefusal { seq: *seq, problem, proof: proof.as_deref() };
            bureau.database.refuse(&appliance, &jiff::Timestamp::now().to_string(), &refusal)?;
        }
        Err(problem @ PushError::Clock { .. }) => tracing::error!(%problem, "nothing is countersigned"),
        _ => {}
    }
    receipt
}

fn checked(bureau: &Bureau, appliance: &ApplianceRow, push: &Push) -> Result<String, PushError> {
    if push.records.count > MAX_RECORDS {
        return Err(PushError::TooMany(push.records.count));
    }
    let records = &push.records.taken[..];
    let log = Log::of(appliance.key);
    let signed =
        Signed::parse(&push.checkpoint, &log).map_err(|error| refused(None, format!("checkpoint: {error}"), None))?;
    let size = push.first.checked_add(records.len() as u64);
    let size = size.filter(|size| *size == signed.checkpoint().size).ok_or_else(|| {
        let (first, count, covered) = (push.first, records.len(), signed.checkpoint().size);
        refused(None, format!("the checkpoint covers {covered} records, not {first} + {count}"), None)
    })?;
    if push.first > appliance.size {
        return Err(PushError::Gap { size: appliance.size });
    }
    // Another push of the same appliance may come between here and the transaction; then some of these signatures
    // have been checked for nothing, and nothing else.
    let known = appliance.size.max(push.first).min(size);
    let (leaves, about) = verify_records(appliance, known, &records[(known - push.first) as usize..])?;
    bureau.database.transaction(|transaction| {
        let appliance = transaction.appliance(&appliance.device)?.ok_or(PushError::Unknown)?;
        if push.first > appliance.size {
            return Err(PushError::Gap { size: appliance.size });
        }
        compare(transaction, &appliance, push.first, records)?;
        let frontier = if size > appliance.size {
            transaction.put_about(&appliance, &about)?;
            append(transaction, &appliance, push.first, records, known, &leaves)?
        } else {
            frontier_at(&transaction.tree(&appliance), size)?
        };
        if frontier.root() != signed.checkpoint().root {
            is_sound(transaction, &appliance, &log)?;
            let problem = format!("the checkpoint's root is not that of these {size} records");
            return Err(refused(None, problem, Some(signed.to_text())));
        }
        // What was countersigned before is answered as it was, unless it is the newest, which is dated anew.
        if size < appliance.size
            && let Some(receipt) = transaction.receipt(&appliance, size)?
        {
            return Ok(receipt);
        }
        let time = time_to_sign(transaction)?;
        let countersigned = signed.countersign(&bureau.name, &bureau.key, time);
        let receipt = countersigned.map_err(|error| refused(None, error.to_string(), None))?.to_text();
        transaction.put_receipt(&appliance, size, &receipt, time)?;
        Ok(receipt)
    })
}

/// The time for a countersignature: never before one that was made earlier, which would say that records were there
/// before they were.
fn time_to_sign(transaction: &Transaction) -> Result<u64, PushError> {
    let (now, newest) = (now(), transaction.newest_time()?);
    if newest > now + CLOCK_TOLERANCE_SECONDS {
        return Err(PushError::Clock { behind: newest - now });
    }
    Ok(now.max(newest))
}

/// Verifies signatures, device and place of records that are not kept yet, on all cores; tells their leaf hashes, and
/// what they say about the appliance.
fn verify_records(appliance: &ApplianceRow, first: u64, records: &[String]) -> Result<(Vec<Hash>, About), PushError> {
    let verifier = Verifier::new(appliance.key);
    let check = |(at, jws): (usize, &String)| {
        let record = verify_record(appliance, &verifier, first + at as u64, jws)?;
        Ok((leaf_hash(jws.as_bytes()), record))
    };
    let checked: Vec<Result<(Hash, Record), PushError>> = records.par_iter().enumerate().map(check).collect();
    // The first that is wrong is told, not whichever core was quickest.
    let checked = checked.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut about = About { ahead: ahead(checked.iter().map(|(_, record)| record)), ..About::default() };
    if let Some((_, newest)) = checked.last() {
        about.last_time = Some(clean(&newest.time, MAX_NAME));
        about.last_clock = Some(match newest.clock {
            ClockQuality::Synced => "synced",
            ClockQuality::Holdover { .. } => "holdover",
            ClockQuality::Unset => "unset",
        });
    }
    let event = checked.iter().rev().find_map(|(_, record)| match &record.data {
        Data::Appliance(event) => Some(event),
        _ => None,
    });
    if let Some(event) = event {
        about.site = Some(clean(&event.site, MAX_NAME));
        about.room = Some(clean(&event.room, MAX_NAME));
        about.version = Some(clean(&event.version, MAX_NAME));
    }
    Ok((checked.into_iter().map(|(leaf, _)| leaf).collect(), about))
}

/// The record whose time is furthest ahead of the bureau's clock. It is kept all the same: an appliance whose clock has lost
/// the time is at work too.
fn ahead<'r>(records: impl Iterator<Item = &'r Record>) -> Option<Ahead> {
    let now = jiff::Timestamp::now();
    let of = |record: &Record| {
        let lead = record.time.parse::<jiff::Timestamp>().ok()?.duration_since(now);
        (lead > TOLERANCE).then_some(Ahead { seq: record.seq, seconds: lead.as_secs() as u64 })
    };
    records.filter_map(of).max_by_key(|ahead| ahead.seconds)
}

fn verify_record(appliance: &ApplianceRow, verifier: &Verifier, seq: u64, jws: &str) -> Result<Record, PushError> {
    let unverified = |error: JwsError| refused(Some(seq), format!("record {seq}: {error}"), None);
    let record = verifier.verify(jws).map_err(unverified)?;
    if record.device != appliance.device {
        let problem = format!("record {seq}: made by {:?}", record.device);
        return Err(refused(Some(seq), problem, Some(jws.to_owned())));
    }
    if record.seq != seq {
        // A well-signed record from elsewhere in the log, which anybody may have who has seen an export.
        return Err(refused(Some(seq), format!("record {seq}: says that it is record {}", record.seq), None));
    }
    Ok(record)
}

/// What is sent again must be what is kept, byte for byte.
fn compare(
    transaction: &Transaction,
    appliance: &ApplianceRow,
    first: u64,
    records: &[String],
) -> Result<(), PushError> {
    let again = appliance.size.saturating_sub(first).min(records.len() as u64);
    for (seq, jws) in (first..first + again).zip(records) {
        let damaged = |problem| DatabaseError::Damaged(format!("{} record {seq}: {problem}", appliance.device));
        let kept = transaction.record(appliance, seq)?.ok_or_else(|| damaged("is missing"))?;
        if kept == *jws {
            continue;
        }
        if leaf_hash(kept.as_bytes()) != transaction.tree(appliance).node(0, seq)? {
            return Err(damaged("is not what was received").into());
        }
        verify_record(appliance, &Verifier::new(appliance.key), seq, jws)?;
        let problem =
            format!("record {seq}: the bureau has another record in this place; it was countersigned and stays");
        return Err(refused(Some(seq), problem, Some(jws.clone())));
    }
    Ok(())
}

/// Whether what is kept is what was countersigned: no appliance is accused of the bureau's own damage.
fn is_sound(transaction: &Transaction, appliance: &ApplianceRow, log: &Log) -> Result<(), DatabaseError> {
    let damaged = |problem: &str| DatabaseError::Damaged(format!("{}: {problem}", appliance.device));
    let Some(receipt) = transaction.newest_receipt(appliance)? else { return Ok(()) };
    let receipt = Signed::parse(&receipt, log).map_err(|_| damaged("the newest receipt does not verify"))?;
    let kept = frontier_at(&transaction.tree(appliance), receipt.checkpoint().size)?;
    if kept.root() == receipt.checkpoint().root {
        return Ok(());
    }
    Err(damaged("the tree is not that of the newest receipt"))
}

/// Keeps the records that are new; `leaves` are the hashes of those from `known` on.
fn append(
    transaction: &Transaction,
    appliance: &ApplianceRow,
    first: u64,
    records: &[String],
    known: u64,
    leaves: &[Hash],
) -> Result<Frontier, PushError> {
    let mut frontier = frontier_at(&transaction.tree(appliance), appliance.size)?;
    for seq in appliance.size..first + records.len() as u64 {
        let (jws, leaf) = (&records[(seq - first) as usize], leaves[(seq - known) as usize]);
        let nodes = frontier.push(leaf);
        transaction.put_record(appliance, seq, jws, &nodes)?;
    }
    Ok(frontier)
}
