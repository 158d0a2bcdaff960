//! `rollcall status`: of the running appliance, or of its state when it does not run.

use super::appliance::{embedding_model, open};
use crate::config::Config;
use crate::status::{Running, Status, gather};
use crate::sync::SyncStatus;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// `rollcall status`
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    /// Prints it. Exit code 0: nothing needs attention; 1: something does, or the appliance does not run.
    pub fn run(self, path: &Path) -> Result<ExitCode> {
        let config = Config::load(path)?;
        let (status, is_running) = match of_running(&config) {
            Some(status) => (status, true),
            None => {
                let (config, journal) = open(path)?;
                let log = SyncStatus::of(&journal, config.sync.as_ref())?;
                let known = Running { model: embedding_model(&config), ..Running::default() };
                (gather(&config, &journal, Some(known), log, None)?, false)
            }
        };
        if self.json {
            let mut json = serde_json::to_value(&status)?;
            json["running"] = is_running.into();
            println!("{}", serde_json::to_string_pretty(&json)?);
        } else {
            println!("running     {}", if is_running { "yes" } else { "no" });
            print!("{status}");
        }
        Ok(if is_running && status.attention.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What the running appliance says, if it runs.
fn of_running(config: &Config) -> Option<Status> {
    // reqwest wants one, though no TLS is spoken on loopback. It only fails when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build().ok()?;
        let answer = client.get(format!("http://{}/api/status", config.web.listen)).send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    })
}
