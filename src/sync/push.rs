//! One push: records and a checkpoint go, a receipt comes back and is verified before it is kept.

use super::client::{Answer, Client};
use super::error::quoted;
use super::{SyncError, blocking};
use crate::config::SyncConfig;
use crate::journal::{Journal, JournalError};
use crate::store::{Receipt, Registration, SyncAlarm};
use reqwest::StatusCode;
use serde::Serialize;
use std::sync::Arc;

/// Most bytes of records in one push; a bureau takes 32 MiB.
const MAX_BYTES: usize = 16 << 20;
/// zstd's level: most of what compresses does so at the lowest, and the CPU has faces to recognise.
const ZSTD_LEVEL: i32 = 1;

/// The body of `POST /v1/appliances/{id}/log`.
#[derive(Serialize)]
struct Push<'a> {
    first: u64,
    records: Vec<&'a str>,
    checkpoint: &'a str,
}

/// A push, ready to be sent.
struct Prepared {
    first: u64,
    /// Records that its checkpoint covers.
    size: u64,
    /// Who must countersign it.
    bureau: Registration,
    body: Vec<u8>,
}

/// What a push came to.
pub(super) enum Pushed {
    /// The bureau has countersigned this.
    Receipt(Receipt),
    /// The bureau has another number of records than expected: the next push begins there.
    Resume,
}

/// Sends one appliance's log to its bureau, push by push.
pub(super) struct Pusher {
    journal: Arc<Journal>,
    config: Arc<SyncConfig>,
    /// Made anew after a failure: the CA may have been replaced, a name may resolve to another place.
    client: Option<Client>,
    /// Records in the next push, at most: halved when one does not get through, doubled when one does.
    batch: usize,
    /// Where the bureau has asked to resume, instead of at the newest receipt.
    resume: Option<u64>,
    /// The bureau has fewer records than it has countersigned; told until it has them again.
    lost: Option<Lost>,
}

/// Records that the bureau has countersigned, and has no longer.
#[derive(Clone, Copy)]
struct Lost {
    has: u64,
    countersigned: u64,
}

impl Pusher {
    /// Nothing is read or sent yet.
    pub fn new(journal: Arc<Journal>, config: Arc<SyncConfig>) -> Pusher {
        Pusher { journal, batch: config.batch_records, config, client: None, resume: None, lost: None }
    }

    /// Whether the bureau has asked for records, even if it has countersigned them before.
    pub fn is_resuming(&self) -> bool {
        self.resume.is_some()
    }

    /// What staff should know although the sending goes on.
    pub fn warning(&self) -> Option<String> {
        self.lost.map(|lost| {
            format!(
                "the bureau has lost records that it had countersigned: it had {}, and has {} now. They are being \
                 sent again; tell the bureau, whose data seem to be those of an old backup",
                lost.countersigned, lost.has
            )
        })
    }

    /// Sends the next records, or none and only asks for the receipt again when there are none.
    pub async fn push(&mut self) -> Result<Pushed, SyncError> {
        let pushed = self.try_push().await;
        if pushed.is_err() {
            self.client = None;
        }
        pushed
    }

    /// Whether the bureau answers, when there is nothing to push.
    pub async fn ask(&mut self) -> Result<(), SyncError> {
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert(Client::new(&self.config)?),
        };
        let asked = client.ask().await;
        if asked.is_err() {
            self.client = None;
        }
        asked
    }

    async fn try_push(&mut self) -> Result<Pushed, SyncError> {
        let (from, most) = (self.resume, self.batch);
        let prepared = blocking(&self.journal, move |journal| prepare(journal, from, most)).await?;
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert(Client::new(&self.config)?),
        };
        let id = &self.journal.log().origin;
        let sent = client.post(&["v1", "appliances", id, "log"], prepared.body, true).await;
        let answer = sent.inspect_err(|_| self.batch = (self.batch / 2).max(1))?;
        match answer.status {
            StatusCode::OK => {
                let receipt = self.receipt(&answer, prepared.size, &prepared.bureau).await?;
                self.batch = (self.batch * 2).min(self.config.batch_records);
                self.lost = self.lost.filter(|lost| receipt.size < lost.countersigned);
                self.resume = self.lost.map(|_| receipt.size);
                Ok(Pushed::Receipt(receipt))
            }
            StatusCode::CONFLICT => self.conflict(&answer, prepared.first).await,
            StatusCode::UNPROCESSABLE_ENTITY => Err(self.does_not_verify(&answer).await?),
            StatusCode::PAYLOAD_TOO_LARGE if self.batch > 1 => {
                self.batch = (self.batch / 2).max(1);
                Ok(Pushed::Resume)
            }
            _ => Err(answer.refusal()),
        }
    }

    /// Verifies and keeps a receipt.
    async fn receipt(&self, answer: &Answer, size: u64, bureau: &Registration) -> Result<Receipt, SyncError> {
        let (note, witness) = (answer.text.clone(), bureau.witness());
        let kept = blocking(&self.journal, move |journal| Ok(journal.keep_receipt(&note, &witness))).await?;
        match kept {
            Ok(receipt) if receipt.size == size => Ok(receipt),
            Ok(receipt) => {
                let problem = format!("it is one for the first {}", receipt.size);
                Err(SyncError::Receipt { size, problem })
            }
            Err(JournalError::Checkpoint(error)) => {
                let problem = format!("{error}; it begins with {:?}", quoted(&answer.text));
                Err(SyncError::Receipt { size, problem })
            }
            // Signed by this key and by the bureau, and yet not this log: there are two logs under one key.
            Err(JournalError::Receipt(problem)) => Err(self
                .alarm(
                    None,
                    format!("the bureau holds another log that was signed with this appliance's key: {problem}"),
                )
                .await?),
            Err(error) => Err(error.into()),
        }
    }

    /// 409: the bureau names the size that it has.
    async fn conflict(&mut self, answer: &Answer, first: u64) -> Result<Pushed, SyncError> {
        let Some(has) = answer.error().and_then(|body| body.size) else {
            return Err(answer.garbage("it should name the size that the bureau has"));
        };
        let (ours, countersigned) = blocking(&self.journal, |journal| {
            let reader = journal.store().read()?;
            Ok((reader.log_size()?, reader.newest_receipt()?.map_or(0, |receipt| receipt.size)))
        })
        .await?;
        if has > ours {
            let message = format!(
                "the bureau has {has} records of this appliance, but there are only {ours} here: this log is an old \
                 copy, or another machine uses this appliance's key"
            );
            return Err(self.alarm(Some(ours), message).await?);
        }
        if has == first {
            return Err(answer.garbage(&format!("it asks for records from {first} on, which it was just sent")));
        }
        if has < countersigned {
            self.lost = Some(Lost { has, countersigned });
        }
        self.resume = Some(has);
        Ok(Pushed::Resume)
    }

    /// 422: the log does not verify there.
    async fn does_not_verify(&self, answer: &Answer) -> Result<SyncError, SyncError> {
        let Some(body) = answer.error().filter(|body| !body.error.is_empty()) else {
            return Ok(answer.garbage("it is not a bureau's JSON"));
        };
        self.alarm(body.index, format!("the bureau says that the log does not verify: {}", body.error)).await
    }

    /// Stops the sending until staff clear the alarm; survives restarts.
    async fn alarm(&self, seq: Option<u64>, problem: String) -> Result<SyncError, SyncError> {
        let message = format!(
            "{problem}. Nothing is deleted, and nothing is sent any more. Run `rollcall check`, speak to the bureau, \
             then run `rollcall sync --clear-alarm`"
        );
        tracing::error!(seq, %message, "sending to the bureau has stopped");
        blocking(&self.journal, move |journal| {
            let since = journal.clock().now().to_string();
            let alarm = SyncAlarm { since, seq, message };
            let write = journal.store().begin()?;
            write.set_sync_alarm(Some(&alarm))?;
            write.commit()?;
            Ok(SyncError::Alarm(alarm))
        })
        .await
    }
}

/// Reads the next records, signs the checkpoint over them and packs both.
fn prepare(journal: &Journal, resume: Option<u64>, most: usize) -> Result<Prepared, SyncError> {
    let reader = journal.store().read()?;
    if let Some(alarm) = reader.sync_alarm()? {
        return Err(SyncError::Alarm(alarm));
    }
    let bureau = reader.registration()?.ok_or(SyncError::NotRegistered)?;
    let first = match resume {
        Some(first) => first,
        None => reader.newest_receipt()?.map_or(0, |receipt| receipt.size),
    };
    let records = reader.records(first, most, MAX_BYTES)?;
    drop(reader);
    let size = first + records.len() as u64;
    let checkpoint = journal.checkpoint(size)?.to_text();
    let records = records.iter().map(|record| record.as_str()).collect();
    let json = serde_json::to_vec(&Push { first, records, checkpoint: &checkpoint });
    let json = json.expect("strings and numbers always serialise");
    let body = zstd::bulk::compress(&json, ZSTD_LEVEL).map_err(|error| SyncError::Tls(error.to_string()))?;
    Ok(Prepared { first, size, bureau, body })
}
