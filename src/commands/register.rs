//! `rollcall register`: introduces the appliance to its bureau.

use super::appliance;
use super::sync::{bureau, wait_for};
use crate::sync;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// `rollcall register CODE`
#[derive(Debug, clap::Args)]
pub struct RegisterArgs {
    /// The one-time code that the bureau has given out (`bureau invite`)
    code: String,
}

impl RegisterArgs {
    /// Runs it.
    pub fn run(self, config_path: &Path) -> Result<ExitCode> {
        let (config, journal) = appliance::open(config_path)?;
        let settings = bureau(&config)?;
        let journal = Arc::new(journal);
        let registering = sync::register(journal.clone(), settings, &config.appliance, self.code.trim());
        let registration = wait_for(registering)??;
        println!("registered with {} as {}", registration.name, journal.log().origin);
        println!(
            "the bureau countersigns with the key {}; compare it with the one that the bureau tells",
            registration.key
        );
        Ok(ExitCode::SUCCESS)
    }
}
