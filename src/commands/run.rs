//! `rollcall run`: the appliance as a service.

use super::appliance::{Models, open};
use crate::appliance::{Appliance, Lessons};
use anyhow::{Context, Result};
use sd_notify::NotifyState;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// `rollcall run`
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Log for people instead of JSON lines
    #[arg(long)]
    plain_log: bool,
}

/// The check-in's loop and the recorders' turn several times a second; standing still for this long means that one hangs.
const HANGING: Duration = Duration::from_secs(20);

/// The watch over the pictures and who deletes recordings turn as often, but may have more to do at once.
const HANGING_WITH_MUCH_TO_DO: Duration = Duration::from_secs(60);

impl RunArgs {
    /// Runs until SIGTERM or SIGINT.
    pub fn run(self, config: &Path) -> Result<ExitCode> {
        init_log(self.plain_log);
        let (config, journal) = open(config)?;
        let models = match config.checkin_camera() {
            Some(_) => Some(Models::load(&config)?),
            None => None,
        };
        let vision = models.as_ref().map(Models::vision).transpose()?;
        let is_recorded = config.cameras.iter().any(|camera| camera.record);
        let people = models.as_ref().filter(|_| is_recorded).map(Models::people).transpose()?.flatten();
        tokio::runtime::Runtime::new()?.block_on(async {
            let listen = config.web.listen;
            let listener = tokio::net::TcpListener::bind(listen)
                .await
                .with_context(|| format!("cannot listen on {listen} (web.listen)"))?;
            let mut appliance = Appliance::start(config, journal, vision, Some(listener))?;
            if let Some(detector) = people {
                appliance.look_for_people(detector)?;
            }
            tracing::info!(device = appliance.journal.log().origin, records = appliance.journal.size(), %listen, "running");
            notify(&[NotifyState::Ready]);
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let lessons = appliance.lessons.clone();
            let progress = appliance.checkin.as_ref().map(|checkin| checkin.progress().clone());
            let watchdog = async move {
                let (mut turns, mut moved) = (0, Instant::now());
                loop {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    let now = progress.as_ref().map_or(turns + 1, |progress| progress.turns.load(Ordering::Relaxed));
                    if now != turns {
                        (turns, moved) = (now, Instant::now());
                    }
                    if moved.elapsed() < HANGING && lessons.get().is_none_or(are_looked_after) {
                        notify(&[NotifyState::Watchdog]);
                    }
                }
            };
            let failed = tokio::select! {
                _ = terminate.recv() => None,
                _ = interrupt.recv() => None,
                problem = appliance.failed() => Some(problem),
                () = watchdog => None,
            };
            notify(&[NotifyState::Stopping]);
            let stopped = appliance.stop().await;
            match failed {
                Some(problem) => Err(problem.into()),
                None => Ok(stopped.map(|()| ExitCode::SUCCESS)?),
            }
        })
    }
}

/// Whether all who look after lessons are at work.
fn are_looked_after(lessons: &Lessons) -> bool {
    let (recording, coverage) = (&lessons.recording, &lessons.coverage);
    let patient = [recording.cleaner_idle(), recording.journalling_idle(), coverage.idle()];
    recording.idle() < HANGING && patient.iter().all(|idle| *idle < HANGING_WITH_MUCH_TO_DO)
}

/// Tells systemd, if it started this.
fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

fn init_log(plain: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if plain { log.init() } else { log.json().init() }
}
