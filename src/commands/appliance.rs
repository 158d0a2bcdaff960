//! Opening what most commands need: the config, the journal, the models.

use crate::clock::SystemClock;
use crate::config::Config;
use crate::journal::Journal;
use crate::vision::{Manifest, PersonDetector, Runtime, Vision};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads the config and opens the appliance's log.
pub fn open(config: &Path) -> Result<(Config, Journal)> {
    let config = Config::load(config)?;
    let state = &config.appliance.state_dir;
    let journal = Journal::open_state(state, Arc::new(SystemClock::default()), config.timezone())
        .with_context(|| format!("cannot open the appliance's state in {}", state.display()))?;
    Ok((config, journal))
}

/// The SHA-256 (hex) of the embedding model that the appliance works with; `None` when its manifest cannot be read.
pub fn embedding_model(config: &Config) -> Option<String> {
    Manifest::embedding_model(&manifest_path(config)).ok()
}

fn manifest_path(config: &Config) -> PathBuf {
    config.models.manifest.clone().unwrap_or_else(Manifest::default_path)
}

/// The models, and the library that runs them: one a process, for any number of threads.
#[derive(Clone)]
pub struct Models {
    manifest: Arc<Manifest>,
    runtime: Arc<Runtime>,
}

impl Models {
    /// Loads what the config names, or what comes with the program.
    pub fn load(config: &Config) -> Result<Models> {
        let manifest = Arc::new(Manifest::load(&manifest_path(config))?);
        let runtime = Runtime::load(config.models.onnxruntime.as_deref(), &manifest)?;
        Ok(Models { manifest, runtime })
    }

    /// Sessions for one thread.
    pub fn vision(&self) -> Result<Vision> {
        Ok(Vision::new(&self.runtime, &self.manifest)?)
    }

    /// The person model for one thread, if the manifest has one.
    pub fn people(&self) -> Result<Option<PersonDetector>> {
        Ok(PersonDetector::new(&self.runtime, &self.manifest)?)
    }
}
