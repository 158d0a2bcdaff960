//! `rollcall recording status`, `archive`, `give-up` and `init`: what is kept here, what the archive holds, what is lost.

use crate::commands::appliance::open;
use crate::config::Config;
use crate::recording::archive::{Archiver, Pass, Unfit};
use crate::recording::retention::{Held, Lost, give_up, lost, survey};
use crate::recording::{Keeping, keeping, mark};
use crate::store::Amount;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// `rollcall recording status`
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `rollcall recording archive`
#[derive(Debug, clap::Args)]
pub struct ArchiveArgs {
    /// Today as well, if all its lessons are over and accounted for
    #[arg(long)]
    now: bool,
    /// Mark the folder as an archive (or try the store), and copy nothing
    #[arg(long, conflicts_with = "now")]
    init: bool,
}

/// `rollcall recording give-up`
#[derive(Debug, clap::Args)]
pub struct GiveUpArgs {
    /// Do it; without, what is lost is only listed
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Kept {
    #[serde(flatten)]
    keeping: Keeping,
    /// What may be deleted when room is needed.
    deletable: Amount,
    /// What may not, and why.
    held: Held,
}

/// `rollcall recording init`: marks the recordings' folder.
pub(super) fn init(path: &Path) -> Result<ExitCode> {
    let folder = Config::load(path)?.recordings();
    mark(&folder).with_context(|| format!("cannot mark {}", folder.display()))?;
    println!("recordings are kept in {}", folder.display());
    tell_drop_in(&folder, true);
    Ok(ExitCode::SUCCESS)
}

/// The unit's state directory: the service may write there by itself.
const STATE_DIRECTORY: &str = "/var/lib/rollcall";

fn tell_drop_in(folder: &Path, is_required: bool) {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    if !folder.starts_with(STATE_DIRECTORY) {
        let lines = drop_in(&folder, is_required);
        println!(
            "
A service may write there when its unit says so. `systemctl edit rollcall`, and add:

{lines}"
        );
    }
}

/// What the unit needs to write to a folder outside its state directory. What is not required may be away while the service
/// starts.
fn drop_in(folder: &Path, is_required: bool) -> String {
    let folder = folder.display();
    if is_required {
        format!(
            "[Unit]
RequiresMountsFor={folder}
[Service]
ReadWritePaths={folder}"
        )
    } else {
        format!(
            "[Unit]
After=remote-fs.target
[Service]
ReadWritePaths=-{folder}"
        )
    }
}

impl StatusArgs {
    /// Prints it. Exit code 1: the disk cannot be asked, or recording has no room.
    pub(super) fn run(self, path: &Path) -> Result<ExitCode> {
        let (config, journal) = open(path)?;
        let keeping = keeping(&config, &journal)?;
        let (_, deletable, held) = survey(&config, &journal)?;
        let has_room = keeping.disk.is_some_and(|disk| disk.free_bytes >= keeping.reserve_bytes);
        let kept = Kept { keeping, deletable, held };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&kept)?);
        } else {
            print!("{kept}");
        }
        Ok(if has_room { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl ArchiveArgs {
    /// Archives what is due.
    pub(super) fn run(self, path: &Path) -> Result<ExitCode> {
        let missing =
            || format!("there is no [archive] in {}; docs/archive.md tells how to set one up", path.display());
        if self.init {
            let config = Config::load(path)?;
            let archive = config.archive.as_ref().with_context(missing)?;
            Archiver::init(archive)?;
            println!("the archive {} is ready", archive.name);
            archive.folder.iter().for_each(|folder| tell_drop_in(folder, false));
            return Ok(ExitCode::SUCCESS);
        }
        let (config, journal) = open(path)?;
        let mut archiver = Archiver::new(&config, &journal)?.with_context(missing)?;
        let pass = if self.now { Pass::WithToday } else { Pass::ClosedDays };
        let done = archiver.run(&config, &journal, pass, &AtomicBool::new(false))?;
        println!("{} segments, {} MB archived and read back", done.segments, done.bytes >> 20);
        let waiting = archiver.status().waiting;
        println!("{} segments, {} MB wait for their day to be closed", waiting.segments, waiting.bytes >> 20);
        let Some(Unfit { segments, first }) = &archiver.status().unfit else { return Ok(ExitCode::SUCCESS) };
        eprintln!(
            "rollcall: {segments} of them are gone, or not what was recorded; the first is {first}: look with `rollcall check`"
        );
        Ok(ExitCode::FAILURE)
    }
}

impl GiveUpArgs {
    /// Lists what is lost, or gives it up. Exit code 1: something is lost and was not given up.
    pub(super) fn run(self, path: &Path) -> Result<ExitCode> {
        let (config, journal) = open(path)?;
        let Lost { segments, not_countersigned } = lost(&config, &journal)?;
        for row in &segments {
            let archived = if row.archived.is_some() { "the archive holds it" } else { "no archive holds it" };
            println!("record {}  {}  {archived}", row.segment.seq, row.segment.path);
        }
        if not_countersigned > 0 {
            eprintln!(
                "rollcall: {not_countersigned} more are gone, and not countersigned by the bureau: they can be given up after \
                 `rollcall sync`"
            );
        }
        let count = segments.len();
        if self.yes {
            let given_up = give_up(&journal, segments)?;
            println!("{} segments are given up; a record says so", given_up.segments);
        } else {
            println!("{count} segments are gone; with --yes they are given up, and a record says so");
        }
        let is_left = not_countersigned > 0 || (count > 0 && !self.yes);
        Ok(if is_left { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Keeping { disk, reserve_bytes, cameras, archive, .. } = &self.keeping;
        match disk {
            Some(disk) => writeln!(
                f,
                "disk        {} of {} MB free, {} MB of it stay free",
                disk.free_bytes >> 20,
                disk.total_bytes >> 20,
                reserve_bytes >> 20
            )?,
            None => writeln!(f, "disk        UNKNOWN: it is not mounted, or cannot be asked how full it is")?,
        }
        for kept in cameras {
            let budget = kept.budget_bytes.map_or("no budget".into(), |bytes| format!("budget {} MB", bytes >> 20));
            let (segments, megabytes) = (kept.amount.segments, kept.amount.bytes >> 20);
            writeln!(f, "camera      {}  {segments} segments, {megabytes} MB, {budget}", kept.camera)?;
        }
        match archive {
            Some(archive) => {
                let until = archive.archived_until.as_deref().unwrap_or("nothing yet");
                let (segments, megabytes) = (archive.waiting.segments, archive.waiting.bytes >> 20);
                writeln!(f, "archive     {}  up to {until}; {segments} segments, {megabytes} MB wait", archive.name)?;
            }
            None => writeln!(f, "archive     none")?,
        }
        writeln!(f, "deletable   {} segments, {} MB", self.deletable.segments, self.deletable.bytes >> 20)?;
        if self.held != Held::default() {
            writeln!(f, "held        {}", self.held.text())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_of_its_own_is_waited_for_and_a_share_is_not() {
        let lines = |is_required| drop_in(Path::new("/mnt/a"), is_required);
        assert_eq!(lines(true), "[Unit]\nRequiresMountsFor=/mnt/a\n[Service]\nReadWritePaths=/mnt/a");
        assert!(lines(false).ends_with("ReadWritePaths=-/mnt/a") && !lines(false).contains("Requires"));
    }
}
