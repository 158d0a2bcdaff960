//! `rollcall check`: the fsck. Exit code 0: all is well; 1: something is wrong; 2: it could not be looked at.

use crate::check::{Files, Report, check};
use crate::config::Config;
use crate::store::keys::Keys;
use crate::store::{FILE_NAME, Store, StoreError};
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;

/// `rollcall check`
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Look at the lengths of the recordings only; do not read them
    #[arg(long)]
    quick: bool,
}

impl CheckArgs {
    /// Runs it.
    pub fn run(self, config_path: &Path) -> Result<ExitCode> {
        let config = Config::load(config_path)?;
        let files = Files { root: config.recordings(), hash: !self.quick };
        match look(&config.appliance.state_dir, &files) {
            Ok(report) => {
                if self.json {
                    println!("{}", serde_json::to_string_pretty(&report)?);
                } else {
                    print!("{report}");
                }
                Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
            }
            Err(error) if self.json => {
                let answer = serde_json::json!({"ok": false, "cannot_read": error.to_string()});
                println!("{}", serde_json::to_string_pretty(&answer)?);
                Ok(ExitCode::from(2))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Not through the journal: a log whose end is damaged cannot be continued, but must still be looked at.
fn look(state: &Path, files: &Files) -> Result<Report, StoreError> {
    let path = state.join(FILE_NAME);
    if !path.exists() {
        return Err(StoreError::Missing(path));
    }
    let keys = Keys::load(state)?;
    let store = Store::open(&path, &keys.store)?;
    check(&store, keys.device.verifying_key(), Some(files))
}
