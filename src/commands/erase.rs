//! `rollcall erase`: what is kept of a person goes, at the person's request.

use super::appliance;
use super::class::class_id;
use crate::journal::{Identity, Kept};
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;

/// `rollcall erase`
#[derive(Debug, clap::Args)]
pub struct EraseArgs {
    /// 班期编号
    class: String,
    /// 编号 of the person
    number: String,
    /// Do it; without, what is kept is only told
    #[arg(long)]
    yes: bool,
}

impl EraseArgs {
    /// Tells what is kept, or erases it. Exit code 1: something is kept and was not erased.
    pub fn run(self, config: &Path) -> Result<ExitCode> {
        let (_, journal) = appliance::open(config)?;
        let class = class_id(&self.class)?;
        if !self.yes {
            let kept = journal.kept_of(&class, &self.number)?;
            println!("{} of class {class}: this is kept\n{}", self.number, text(&kept, false));
            if !kept.is_anything() {
                return Ok(ExitCode::SUCCESS);
            }
            println!("with --yes it is erased for good, and a record says so");
            return Ok(ExitCode::FAILURE);
        }
        let kept = journal.erase_at_request(&class, &self.number, "cli")?;
        println!("{} of class {class}: this was erased, and a record says so\n{}", self.number, text(&kept, true));
        Ok(ExitCode::SUCCESS)
    }
}

fn text(kept: &Kept, is_done: bool) -> String {
    let identity = match (kept.identity, is_done) {
        (Identity::OnRoster, _) => {
            "on the roster of a class that runs, where they stay: import the class without the person, or close it, and run this again"
        }
        (Identity::Kept, _) => "yes; a hash stays of who has checked in, so that the number passes to nobody else",
        (Identity::Gone, true) => "were erased before",
        (Identity::Gone, false) => "no",
    };
    let consent = match (kept.consents, is_done) {
        (true, true) => "was given, and stands withdrawn",
        (true, false) => "is given",
        (false, _) => "none stands",
    };
    format!(
        "  face templates            {}\n  photos of check-ins       {}\n  consent                   {consent}\n  \
         name and ID-card number   {identity}",
        kept.templates, kept.photos
    )
}
