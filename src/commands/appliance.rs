//! Opening what most commands need: the config, the journal, the models.

use crate::clock::SystemClock;
use crate::config::Config;
use crate::journal::Journal;
use crate::vision::{Manifest, Runtime, Vision};
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;

/// Reads the config and opens the appliance's log.
pub fn open(config: &Path) -> Result<(Config, Journal)> {
    let config = Config::load(config)?;
    let state = &config.appliance.state_dir;
    let journal = Journal::open_state(state, Arc::new(SystemClock::default()), config.timezone())
        .with_context(|| format!("cannot open the appliance's state in {}", state.display()))?;
    Ok((config, journal))
}

/// Loads the models that the config names, or the ones that come with the program.
pub fn vision(config: &Config) -> Result<Vision> {
    let path = config.models.manifest.clone().unwrap_or_else(Manifest::default_path);
    let manifest = Manifest::load(&path)?;
    let runtime = Runtime::load(config.models.onnxruntime.as_deref(), &manifest)?;
    Ok(Vision::new(&runtime, &manifest)?)
}
