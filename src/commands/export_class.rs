//! `rollcall export class`: the records that name one class, each with a proof that it is in the countersigned log.
//! docs/evidence.md describes the folder; `bureau verify` checks it.

use super::export::{Output, make_folder, receipts, write_appliance};
use crate::journal::Journal;
use anyhow::{Context, Result, ensure};
use evidence::inclusion::Inclusion;
use evidence::jws::read_unverified;
use evidence::record::{Data, Export};
use evidence::tree::inclusion_proof;
use std::fs::File;
use std::path::{Path, PathBuf};

/// `rollcall export class CLASS FOLDER`
#[derive(Debug, clap::Args)]
pub struct ExportClassArgs {
    /// The class's number (班期编号)
    pub(super) class: String,
    /// A folder that does not exist yet, or is empty
    pub(super) folder: PathBuf,
}

/// Records read at a time.
const BATCH: usize = 2000;

/// Writes a class's records into an empty folder, on disk when this returns; tells how many they are.
///
/// The log says that they were exported, in its next record.
pub fn export_class(journal: &Journal, class: &str, folder: &Path) -> Result<u64> {
    let (receipts, registration) = {
        let reader = journal.store().read()?;
        (receipts(&reader, &[])?, reader.registration()?)
    };
    // After the receipts, which cover no more than the log then holds.
    let size = journal.look()?;
    let countersigned = receipts.first().map_or(0, |receipt| receipt.size);
    let (mut chosen, mut next) = (Vec::new(), 0);
    while next < size {
        let rows = journal.store().read()?.records(next, (size - next).min(BATCH as u64) as usize, usize::MAX)?;
        ensure!(!rows.is_empty(), "the log has fewer records than it had: run `rollcall check`");
        for (seq, jws) in (next..).zip(&rows) {
            let record =
                read_unverified(jws.as_str()).with_context(|| format!("record {seq}; run `rollcall check`"))?;
            if record.data.class() == Some(class) {
                chosen.push((seq, jws.clone()));
            }
        }
        next += rows.len() as u64;
    }
    ensure!(!chosen.is_empty(), "no record names class {class:?}; `rollcall class list` shows the classes");
    make_folder(folder)?;
    let count = chosen.len() as u64;
    journal.append(Data::Export(Export { what: format!("class {class}"), size: count, claim: None }))?;

    let mut records = Output::create(folder.join("records.jws"))?;
    let mut proofs = Output::create(folder.join("proofs.txt"))?;
    let reader = journal.store().read()?;
    for (seq, jws) in &chosen {
        // What the bureau has not countersigned yet is proven under the appliance's own checkpoint.
        let size = if *seq < countersigned { countersigned } else { size };
        let path = inclusion_proof(&*reader, *seq, size)?;
        records.line(jws.as_str())?;
        proofs.line(&Inclusion { seq: *seq, size, path }.to_line())?;
    }
    drop(reader);
    records.finish()?;
    proofs.finish()?;
    let mut notes: Vec<String> = receipts.into_iter().map(|receipt| receipt.note).collect();
    if chosen.last().is_some_and(|(seq, _)| *seq >= countersigned) {
        notes.push(journal.checkpoint(size)?.to_text());
    }
    let mut checkpoint = Output::create(folder.join("checkpoint.txt"))?;
    checkpoint.text(&notes.join("\n"))?;
    checkpoint.finish()?;
    let mut about = Output::create(folder.join("class.json"))?;
    about.line(&serde_json::to_string_pretty(&serde_json::json!({"v": 1, "class": class}))?)?;
    about.finish()?;
    write_appliance(journal, registration.as_ref(), folder)?;
    File::open(folder)?.sync_all().with_context(|| format!("cannot write {}", folder.display()))?;
    Ok(count)
}
