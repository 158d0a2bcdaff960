//! `rollcall alarm`: whether those who are to be told of alarms can be.

use super::appliance::open;
use crate::alarm;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::ExitCode;

/// `rollcall alarm`
#[derive(Debug, clap::Subcommand)]
pub enum AlarmCommand {
    /// Send a test message to each target of the config
    Test,
}

impl AlarmCommand {
    /// Runs it. Exit code 1: a target could not be reached.
    pub fn run(self, path: &Path) -> Result<ExitCode> {
        let AlarmCommand::Test = self;
        let (config, journal) = open(path)?;
        if config.alarm.targets.is_empty() {
            bail!("nobody is to be told of alarms: add an [[alarm.target]] to {} (docs/alarms.md)", path.display());
        }
        let time = journal.time_text(journal.clock().now());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let results = runtime.block_on(alarm::test(&config.alarm, &config.appliance, &journal.log().origin, time));
        let mut code = ExitCode::SUCCESS;
        for (target, result) in results {
            match result {
                Ok(()) => println!("{target}: delivered"),
                Err(problem) => {
                    println!("{target}: NOT delivered: {problem}");
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }
}
