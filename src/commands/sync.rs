//! `rollcall sync`: sends what the bureau has not countersigned, now.

use super::appliance;
use crate::config::{Config, SyncConfig};
use crate::sync::{self, Drained};
use anyhow::{Context, Result};
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// `rollcall sync`
#[derive(Debug, clap::Args)]
pub struct SyncArgs {
    /// Send again although the bureau has said that the log does not verify; only when the cause is gone
    #[arg(long)]
    clear_alarm: bool,
}

impl SyncArgs {
    /// Runs it.
    pub fn run(self, config_path: &Path) -> Result<ExitCode> {
        let (config, journal) = appliance::open(config_path)?;
        let settings = bureau(&config)?;
        if self.clear_alarm && sync::clear_alarm(&journal)? {
            println!("the alarm is cleared");
        }
        let Drained { before, receipt, warning } = wait_for(sync::once(Arc::new(journal), settings))??;
        if let Some(warning) = warning {
            eprintln!("warning: {warning}");
        }
        let at = Timestamp::from_second(i64::try_from(receipt.repeated_at)?)?.to_zoned_datetime(config.timezone());
        println!(
            "countersigned: all {} records, {} of them new, at {}\n",
            receipt.size,
            receipt.size.saturating_sub(before),
            at.strftime("%Y-%m-%d %H:%M:%S %:z")
        );
        print!("{}", receipt.note);
        Ok(ExitCode::SUCCESS)
    }
}

/// The bureau's settings; an error that says what to write when there are none.
pub(super) fn bureau(config: &Config) -> Result<&SyncConfig> {
    config.sync.as_ref().context(
        "the config names no bureau; add [sync] with bureau = \"https://…\" and ca = \"the bureau's CA certificate.pem\"",
    )
}

/// Runs what talks to the network, on this thread.
pub(super) fn wait_for<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("cannot start the network runtime")?.block_on(work))
}
