//! An appliance's log as a folder that anybody can verify offline: `records.jws`, `checkpoint.txt`, `appliance.json`.

use crate::database::{ApplianceRow, DatabaseError, Transaction};
use crate::folder::{Bureau, FolderError, sync_folder, write_new};
use evidence::times::to_export;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Records read at a time.
const BATCH: usize = 1000;

/// Writes an appliance's log and its receipts into a new `folder`; tells how many records that is.
///
/// Records and receipts are of one moment, whatever is received meanwhile. `appliance.json` comes last: a folder that
/// was not finished cannot be read as a log.
pub fn export(bureau: &Bureau, device: &str, folder: &Path) -> Result<u64, FolderError> {
    let failed = |source| FolderError::File { path: folder.to_owned(), source };
    let wrong = |problem: String| FolderError::Content { path: folder.to_owned(), problem };
    bureau.database.snapshot(|transaction| {
        let row = transaction.appliance(device)?.ok_or_else(|| wrong(format!("no appliance {device:?} is known")))?;
        let receipts = receipts(transaction, &row)?;
        std::fs::create_dir(folder).map_err(failed)?;
        let mut out = BufWriter::new(std::fs::File::create_new(folder.join("records.jws")).map_err(failed)?);
        let mut next = 0;
        while next < row.size {
            let records = transaction.records(&row, next, BATCH)?;
            if records.is_empty() {
                return Err(wrong(format!("record {next} of {} is missing in the database", row.size)));
            }
            for record in &records {
                writeln!(out, "{record}").map_err(failed)?;
            }
            next += records.len() as u64;
        }
        out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
        write_new(&folder.join("checkpoint.txt"), &receipts, false)?;
        let appliance = serde_json::json!({
            "device": row.device, "key": row.key, "bureau": bureau.name, "bureau_key": bureau.key.verifying_key(),
        });
        let text = serde_json::to_string_pretty(&appliance).expect("strings serialise");
        write_new(&folder.join("appliance.json"), &(text + "\n"), false)?;
        sync_folder(folder)?;
        Ok(next)
    })
}

/// `checkpoint.txt`: the newest receipt, and those before it that date the records ([`to_export`]).
pub(crate) fn receipts(transaction: &Transaction<'_>, row: &ApplianceRow) -> Result<String, DatabaseError> {
    let mut notes: Vec<String> = transaction.newest_receipt(row)?.into_iter().collect();
    for size in to_export(&transaction.receipt_times(row)?) {
        notes.extend(transaction.first_receipt(row, size)?);
    }
    // The newest, unless it was asked for again.
    notes.dedup();
    Ok(notes.join("\n"))
}
