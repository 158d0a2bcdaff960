//! An appliance's log as a folder that anybody can verify offline: `records.jws`, `checkpoint.txt`, `appliance.json`.

use crate::folder::{Bureau, FolderError};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Records read at a time.
const BATCH: usize = 1000;

/// Writes the countersigned part of an appliance's log into `folder`; tells how many records that is.
pub fn export(bureau: &Bureau, device: &str, folder: &Path) -> Result<u64, FolderError> {
    let failed = |source| FolderError::File { path: folder.to_owned(), source };
    let wrong = |problem: String| FolderError::Content { path: folder.to_owned(), problem };
    let row = bureau.database.appliance(device)?.ok_or_else(|| wrong(format!("no appliance {device} is known")))?;
    let receipt = bureau.database.newest_receipt(&row)?;
    std::fs::create_dir(folder).map_err(failed)?;
    let mut out = BufWriter::new(std::fs::File::create_new(folder.join("records.jws")).map_err(failed)?);
    let mut next = 0;
    while next < row.size {
        let records = bureau.database.records(&row, next, BATCH.min((row.size - next) as usize))?;
        if records.is_empty() {
            return Err(wrong(format!("record {next} of {} is missing in the database", row.size)));
        }
        for record in &records {
            writeln!(out, "{record}").map_err(failed)?;
        }
        next += records.len() as u64;
    }
    out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    let appliance = serde_json::json!({
        "device": row.device, "key": row.key, "bureau": bureau.name, "bureau_key": bureau.key.verifying_key(),
    });
    let text = serde_json::to_string_pretty(&appliance).map_err(|error| wrong(error.to_string()))?;
    std::fs::write(folder.join("appliance.json"), text + "\n").map_err(failed)?;
    std::fs::write(folder.join("checkpoint.txt"), receipt.unwrap_or_default()).map_err(failed)?;
    Ok(next)
}
