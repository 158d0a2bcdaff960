//! `POST /v1/register`: an appliance shows a one-time code and proves that it holds its key.

use crate::database::DatabaseError;
use crate::folder::{Bureau, FolderError};
use crate::setup::random;
use crate::text::clean;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use evidence::key::VerifyingKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A code that nobody has used is good for this long.
const VALID_SECONDS: u64 = 7 * 24 * 3600;
/// Nothing that is easily mistaken for something else: no I, L, O, U, 0 or 1.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    code: String,
    device: String,
    key: VerifyingKey,
    proof: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Reply {
    device: String,
    bureau: String,
    bureau_key: VerifyingKey,
}

/// Why an appliance was not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error("{0}")]
    Request(String),
    #[error("{0}")]
    Code(&'static str),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Makes a one-time code; only its hash is kept.
pub(crate) fn invite(bureau: &Bureau) -> Result<String, FolderError> {
    let mut code = String::new();
    // 20 letters of 30: 98 bits. What lies beyond the last whole 30 is drawn again.
    while code.len() < 23 {
        let [byte] = random::<1>()?;
        if byte < 240 {
            if code.len() % 6 == 5 {
                code.push('-');
            }
            code.push(char::from(ALPHABET[usize::from(byte) % 30]));
        }
    }
    bureau.database.invite(&evidence::sha256_hex(code.as_bytes()), now())?;
    Ok(code)
}

/// Registers an appliance. A repeat with the same code and key is answered the same.
pub(crate) fn register(bureau: &Bureau, request: &Request) -> Result<Reply, RegisterError> {
    let wrong = |problem: String| RegisterError::Request(problem);
    if request.device != request.key.device_id() {
        return Err(wrong(format!(
            "the id of this key is {}, not {:?}",
            request.key.device_id(),
            clean(&request.device, 100)
        )));
    }
    let statement = format!("rollcall-register/v1\n{}\n{}", request.code, request.device);
    let proof = BASE64_URL_SAFE_NO_PAD.decode(&request.proof).ok();
    let proof: Option<[u8; 64]> = proof.and_then(|proof| proof.try_into().ok());
    let proven = proof.is_some_and(|proof| request.key.verify(statement.as_bytes(), &proof).is_ok());
    if !proven {
        return Err(wrong("the proof is not this key's signature over the code and the id".into()));
    }
    let code = evidence::sha256_hex(request.code.as_bytes());
    bureau.database.transaction(|transaction| {
        match transaction.invitation(&code)? {
            None => return Err(RegisterError::Code("this code is not known; ask the bureau for one")),
            Some(invitation) => match invitation.device {
                Some(device) if device == request.device => {}
                Some(_) => return Err(RegisterError::Code("this code has been used by another appliance")),
                // A code from the future was made by a clock that was wrong; it is not good for ever.
                None if now().abs_diff(invitation.created) > VALID_SECONDS => {
                    return Err(RegisterError::Code("this code has expired; ask the bureau for another"));
                }
                None => transaction.use_invitation(&code, &request.device)?,
            },
        }
        match transaction.appliance(&request.device)? {
            None => transaction.put_appliance(&request.device, &request.key, &Timestamp::now().to_string())?,
            Some(known) if known.key == request.key => {}
            // An id is 80 bits of the key's hash: whoever can spare the work makes two keys for one.
            Some(_) => return Err(wrong("another key has registered under this id".into())),
        }
        Ok(())
    })?;
    Ok(Reply { device: request.device.clone(), bureau: bureau.name.clone(), bureau_key: bureau.key.verifying_key() })
}

/// Seconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    Timestamp::now().as_second().max(0) as u64
}
