//! Introduces the appliance to its bureau, once, with a code that the bureau gave out.

use super::client::Client;
use super::{SyncError, blocking};
use crate::config::{ApplianceConfig, SyncConfig};
use crate::journal::Journal;
use crate::store::Registration;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::key::VerifyingKey;
use evidence::record::Data;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Serialize)]
struct Request<'a> {
    code: &'a str,
    device: &'a str,
    key: VerifyingKey,
    /// Ed25519 over `rollcall-register/v1`, code and device, a line each: whoever asks holds the key.
    proof: String,
}

#[derive(Deserialize)]
struct Reply {
    device: String,
    bureau: String,
    bureau_key: VerifyingKey,
}

/// Registers with the configured bureau; remembers its name and key, and journals that it happened.
///
/// Can be repeated with the same code when the answer was lost. `place` is the config's `[appliance]`.
pub async fn register(
    journal: Arc<Journal>,
    config: &SyncConfig,
    place: &ApplianceConfig,
    code: &str,
) -> Result<Registration, SyncError> {
    let client = Client::new(config)?;
    let log = journal.log();
    let proof = URL_SAFE_NO_PAD.encode(journal.prove(&format!("{code}\n{}", log.origin)));
    let request = Request { code, device: &log.origin, key: log.key, proof };
    let body = serde_json::to_vec(&request).expect("strings always serialise");
    let answer = client.post(&["v1", "register"], body, false).await?;
    if answer.status != StatusCode::OK {
        return Err(answer.refusal());
    }
    let reply: Reply = match serde_json::from_str(&answer.text) {
        Ok(reply) => reply,
        Err(error) => return Err(answer.garbage(&format!("it should name the bureau and its key ({error})"))),
    };
    if reply.device != log.origin {
        return Err(answer.garbage(&format!("it should be about {}", log.origin)));
    }
    if !evidence::note::is_key_name(&reply.bureau) || reply.bureau.len() > 200 {
        return Err(answer.garbage("a bureau's name has neither spaces nor plus signs and 200 characters at most"));
    }
    let url = config.bureau.to_string();
    let registration = Registration { url, name: reply.bureau, key: reply.bureau_key };
    let (site, room) = (place.site.clone(), place.room.clone());
    blocking(&journal, move |journal| remember(journal, registration, site, room)).await
}

fn remember(
    journal: &Journal,
    registration: Registration,
    site: String,
    room: String,
) -> Result<Registration, SyncError> {
    journal.transaction(|batch| {
        let known = batch.registration()?;
        let is_same = |known: &Registration| (&known.name, known.key) == (&registration.name, registration.key);
        match known {
            Some(known) if is_same(&known) => {
                batch.set_registration(&registration)?;
                return Ok(registration);
            }
            // Receipts of the one before could no longer be verified.
            Some(known) if batch.newest_receipt()?.is_some() => {
                return Err(SyncError::OtherBureau {
                    known: known.name,
                    known_key: known.key.to_string(),
                    found: registration.name,
                    found_key: registration.key.to_string(),
                });
            }
            _ => {}
        }
        batch.set_registration(&registration)?;
        batch.append(Data::Appliance(journal.event("registered", &site, &room)))?;
        Ok(registration)
    })
}
