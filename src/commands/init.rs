//! `rollcall init`: a config to begin with, the keys, the database.

use crate::clock::SystemClock;
use crate::config::Config;
use crate::journal::{Journal, JournalError};
use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// `rollcall init`
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The contracted training place, as the contract names it
    #[arg(long)]
    site: Option<String>,
    /// The room within it
    #[arg(long)]
    room: Option<String>,
    /// The check-in camera: /dev/video0, rtsp://… or a video file
    #[arg(long, default_value = "/dev/video0")]
    camera: String,
    /// Where keys, database and log go
    #[arg(long, default_value = "/var/lib/rollcall")]
    state_dir: String,
}

impl InitArgs {
    /// Runs it.
    pub fn run(self, path: &Path) -> Result<ExitCode> {
        if path.exists() {
            anyhow::ensure!(
                self.site.is_none() && self.room.is_none(),
                "{} exists already and is never overwritten; edit it, and run `rollcall init` without --site and --room",
                path.display()
            );
        } else {
            let (Some(site), Some(room)) = (&self.site, &self.room) else {
                anyhow::bail!(
                    "there is no {}: give --site and --room, and it is written\n  for example: rollcall init --site 南开区实训基地 --room 301",
                    path.display()
                );
            };
            write_new(path, &self.template(site, room))?;
            println!("config      {}", path.display());
        }
        let config = Config::load(path)?;
        let state = &config.appliance.state_dir;
        let clock = Arc::new(SystemClock::default());
        let place = (&config.appliance.site, &config.appliance.room);
        let journal = match Journal::initialise(state, place.0, place.1, clock, config.timezone()) {
            Err(JournalError::AlreadyInitialised(_)) => {
                anyhow::bail!("{} is an appliance's state already; nothing was changed", state.display())
            }
            made => made.with_context(|| format!("cannot make the appliance's state in {}", state.display()))?,
        };
        println!("state       {}", state.display());
        println!("appliance   {}", journal.log().origin);
        println!("public key  {}", journal.log().key);
        println!("\nNext: rollcall class template 班期.xlsx, fill it in, rollcall class import 班期.xlsx");
        Ok(ExitCode::SUCCESS)
    }

    fn template(&self, site: &str, room: &str) -> String {
        let quoted = |text: &str| toml::Value::String(text.into()).to_string();
        let camera = match &self.camera {
            url if url.starts_with("rtsp://") => format!("kind = \"rtsp\"\nurl = {}", quoted(url)),
            device if device.starts_with("/dev/") => format!("kind = \"v4l2\"\ndevice = {}", quoted(device)),
            file => format!("kind = \"file\"\npath = {}\nrepeat = true", quoted(file)),
        };
        format!(
            "# Rollcall's settings. Every key that is not here has its default; docs/operations.md lists them all.\n\
             \n\
             [appliance]\nsite = {}\nroom = {}\nstate_dir = {}\n\
             \n\
             [[camera]]\nname = \"front\"\n{camera}\n\
             \n\
             # The bureau's server; then `rollcall register CODE`.\n\
             # [sync]\n# bureau = \"https://bureau.example:8443\"\n# ca = \"bureau-ca.pem\"\n",
            quoted(site),
            quoted(room),
            quoted(&self.state_dir)
        )
    }
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let named = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(named)?;
    }
    let mut file = std::fs::File::create_new(path).with_context(named)?;
    file.write_all(text.as_bytes()).with_context(named)?;
    file.sync_all().with_context(named)
}
