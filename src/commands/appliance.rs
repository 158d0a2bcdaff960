//! What the commands of a set-up appliance begin with: its config, its keys, its log.

use crate::clock::SystemClock;
use crate::config::{Config, SyncConfig};
use crate::journal::Journal;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;

/// Reads the config and opens the log that it names; may be done while the daemon runs.
pub fn open(config: &Path) -> Result<(Config, Journal)> {
    let config = Config::load(config)?;
    let journal = Journal::open_state(&config.appliance.state_dir, Arc::new(SystemClock::default()), config.timezone())
        .with_context(|| format!("cannot open the appliance in {}", config.appliance.state_dir.display()))?;
    Ok((config, journal))
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
