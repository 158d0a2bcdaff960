//! `rollcall sync`: sends what the bureau has not countersigned, now.

use super::appliance;
use crate::sync::{self, Drained};
use anyhow::Result;
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
        let bureau = appliance::bureau(&config)?;
        if self.clear_alarm && sync::clear_alarm(&journal)? {
            println!("the alarm is cleared");
        }
        let Drained { before, receipt, warning } = appliance::wait_for(sync::once(Arc::new(journal), bureau))??;
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
