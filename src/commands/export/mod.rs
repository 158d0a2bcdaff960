//! `rollcall export`: evidence for others, to be checked offline with `bureau verify` or any software that speaks
//! RFC 7515, RFC 6962 and C2SP checkpoints. docs/evidence.md describes the folder.

mod disc;
mod shown;

use super::appliance;
use super::export_class::{ExportClassArgs, export_class};
use crate::journal::Journal;
use crate::store::{Reader, Receipt, Registration, StoreError};
use anyhow::{Context, Result, ensure};
use evidence::jws::SignedRecord;
use evidence::times::to_export;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Receipts on a disc besides those of any export, at most.
const MAX_OLDER: usize = 3000;

/// `rollcall export …`
#[derive(Debug, clap::Subcommand)]
pub enum ExportCommand {
    /// The whole log: records.jws, checkpoint.txt, appliance.json
    Log(ExportLogArgs),
    /// An evidence disc (录像光盘): a day's recordings, the log that vouches for them, and an index to open in a browser
    Recording(disc::ExportRecordingArgs),
    /// One class's records, each with a proof that it is in the log
    Class(ExportClassArgs),
}

pub use disc::{Disc, DiscRequest, export_recording};

/// `rollcall export log FOLDER`
#[derive(Debug, clap::Args)]
pub struct ExportLogArgs {
    /// A folder that does not exist yet, or is empty
    folder: PathBuf,
}

impl ExportCommand {
    /// Runs it.
    pub fn run(self, config_path: &Path) -> Result<ExitCode> {
        let (config, journal) = appliance::open(config_path)?;
        match self {
            ExportCommand::Recording(command) => return command.run(&config, &journal),
            ExportCommand::Class(ExportClassArgs { class, folder }) => {
                let records = export_class(&journal, &class, &folder)?;
                println!("{records} records in {}; {}", folder.display(), hint(&journal, &folder)?);
            }
            ExportCommand::Log(ExportLogArgs { folder }) => {
                let size = export_log(&journal, &folder)?;
                println!("{size} records in {}; {}", folder.display(), hint(&journal, &folder)?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How to check what is in `folder`, with the key of the bureau that this appliance is registered with.
fn hint(journal: &Journal, folder: &Path) -> Result<String, StoreError> {
    let key = journal.store().read()?.registration()?.map(|bureau| format!(" --bureau-key {}", bureau.key));
    let (folder, key) = (folder.display(), key.unwrap_or_default());
    Ok(format!("核验 check them with `bureau verify {folder}{key}`"))
}

/// Writes the log into an empty folder, on disk when this returns; tells the number of records.
///
/// The log says that it was exported, as its last record in the folder.
pub fn export_log(journal: &Journal, folder: &Path) -> Result<u64> {
    make_folder(folder)?;
    export_log_with(journal, folder, &[], None, |_| ())
}

/// As [`export_log`], with the oldest receipt over each of these records as well: they tell since when it was fixed.
///
/// `claim`: for an evidence disc, the SHA-256 (hex) of its `disc.json`. `take` is given each record that is written.
fn export_log_with(
    journal: &Journal,
    folder: &Path,
    dated: &[u64],
    claim: Option<&str>,
    take: impl FnMut(&SignedRecord),
) -> Result<u64> {
    let snapshot = Snapshot::take(journal, dated, claim)?;
    snapshot.write(journal, folder, take)?;
    Ok(snapshot.size)
}

/// What the log is at one moment, however it grows while its records are written out.
struct Snapshot {
    size: u64,
    /// Receipts and, if they do not cover everything, the appliance's own checkpoint.
    notes: Vec<String>,
    registration: Option<Registration>,
}

impl Snapshot {
    /// Says in the log that it is exported. The receipts are read before: none covers more than the records that are
    /// written.
    fn take(journal: &Journal, dated: &[u64], claim: Option<&str>) -> Result<Snapshot> {
        let (receipts, registration) = {
            let reader = journal.store().read()?;
            (receipts(&reader, dated)?, reader.registration()?)
        };
        let size = journal.append_export(claim)?;
        // If they do not cover everything, after an empty line the checkpoint over everything that only the appliance has
        // signed.
        let newest = receipts.first().map_or(0, |receipt| receipt.size);
        let mut notes: Vec<String> = receipts.into_iter().map(|receipt| receipt.note).collect();
        if newest < size {
            notes.push(journal.checkpoint(size)?.to_text());
        }
        Ok(Snapshot { size, notes, registration })
    }

    fn write(&self, journal: &Journal, folder: &Path, mut take: impl FnMut(&SignedRecord)) -> Result<()> {
        let mut written = 0;
        let mut records = Output::create(folder.join("records.jws"))?;
        while written < self.size {
            let wanted = (self.size - written).min(2000) as usize;
            let rows = journal.store().read()?.records(written, wanted, usize::MAX)?;
            ensure!(!rows.is_empty(), "the log has fewer records than it had: run `rollcall check`");
            for record in &rows {
                records.line(record.as_str())?;
                take(record);
            }
            written += rows.len() as u64;
        }
        records.finish()?;
        let mut checkpoint = Output::create(folder.join("checkpoint.txt"))?;
        checkpoint.text(&self.notes.join("\n"))?;
        checkpoint.finish()?;
        write_appliance(journal, self.registration.as_ref(), folder)?;
        File::open(folder)?.sync_all().with_context(|| format!("cannot write {}", folder.display()))
    }
}

/// The newest receipt, those that date the log's records, and the oldest over each of the records `dated`: by size, the
/// largest first.
pub(super) fn receipts(reader: &Reader<'_>, dated: &[u64]) -> Result<Vec<Receipt>, StoreError> {
    let mut receipts = reader.receipts()?;
    let times: Vec<(u64, u64)> = receipts.iter().map(|receipt| (receipt.size, receipt.countersigned_at)).collect();
    let mut chosen: BTreeSet<u64> = to_export(&times).into_iter().collect();
    let oldest: BTreeSet<u64> = dated
        .iter()
        .filter_map(|seq| times.get(times.partition_point(|(size, _)| size <= seq)))
        .map(|(size, _)| *size)
        .collect();
    chosen.extend(oldest.iter().step_by(oldest.len().div_ceil(MAX_OLDER).max(1)));
    receipts.retain(|receipt| chosen.contains(&receipt.size));
    receipts.reverse();
    Ok(receipts)
}

/// Makes a folder; one that is there must be empty.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let is_empty = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?.next().is_none();
    ensure!(is_empty, "{} is not empty; nothing in it is overwritten: name a new folder", folder.display());
    Ok(())
}

/// Writes `appliance.json`: whose log it is, and who countersigns it.
pub(super) fn write_appliance(journal: &Journal, registration: Option<&Registration>, folder: &Path) -> Result<()> {
    let log = journal.log();
    let mut appliance = serde_json::json!({"device": log.origin, "key": log.key});
    if let Some(bureau) = registration {
        appliance["bureau"] = bureau.name.as_str().into();
        appliance["bureau_key"] = bureau.key.to_string().into();
    }
    let mut about = Output::create(folder.join("appliance.json"))?;
    about.line(&serde_json::to_string_pretty(&appliance)?)?;
    about.finish()
}

/// A file being written; its errors name it.
pub(super) struct Output {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Output {
    pub(super) fn create(path: PathBuf) -> Result<Output> {
        let file = File::create_new(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Output { path, file: BufWriter::new(file) })
    }

    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))
    }

    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        self.text(line)?;
        self.text("\n")
    }

    pub(super) fn finish(self) -> Result<()> {
        let flushed = self.file.into_inner().map_err(|error| error.into_error()).and_then(|file| file.sync_all());
        flushed.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use evidence::checkpoint::Witness;
    use evidence::key::SigningKey;
    use jiff::tz::TimeZone;
    use std::sync::Arc;

    #[test]
    fn a_log_that_grows_and_is_countersigned_while_it_is_written_out_verifies() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, clock) = (folder.path().join("state"), Arc::new(SystemClock::default()));
        let journal = Journal::initialise(&state, "site", "301", clock, TimeZone::UTC).expect("made");
        let bureau = SigningKey::from_seed(&[5; 32]);
        let witness = Witness { name: "bureau.example".into(), key: bureau.verifying_key() };
        let (url, name, key) = (String::new(), witness.name.clone(), bureau.verifying_key());
        let write = journal.store().begin().expect("begun");
        write.set_registration(&Registration { url, name, key }).expect("set");
        write.commit().expect("on disk");
        let countersign = || {
            let signed = journal.checkpoint(journal.size()).expect("signed");
            let receipt = signed.countersign(&witness.name, &bureau, 1_790_000_000).expect("countersigned");
            journal.keep_receipt(&receipt.to_text(), &witness).expect("kept").size
        };
        countersign();
        let snapshot = Snapshot::take(&journal, &[0], None).expect("taken");
        journal.append_event("started", "site", "301").expect("appended");
        assert!(countersign() > snapshot.size, "the newest receipt covers more than is written out");
        let out = folder.path().join("out");
        make_folder(&out).expect("made");
        snapshot.write(&journal, &out, |_| ()).expect("written");
        let verdict = bureau::verify(&out, Some(bureau.verifying_key())).expect("readable");
        assert!(verdict.verified && verdict.records == snapshot.size, "{verdict}");
        let told = hint(&journal, &out).expect("reads");
        let expected = format!("`bureau verify {} --bureau-key {}`", out.display(), bureau.verifying_key());
        assert!(told.ends_with(&expected), "{told}");
    }
}
