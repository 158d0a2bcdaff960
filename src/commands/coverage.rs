//! `rollcall coverage`: what a picture shows, judged on videos and photos of your own.

use crate::camera::watch_file;
use crate::config::CoverageConfig;
use crate::coverage::findings::{Change, Findings};
use crate::coverage::picture::Judge;
use crate::picture::Picture;
use crate::store::{Sight, Workstation};
use anyhow::{Context, Result, bail};
use evidence::record::{FindingKind, HiddenCause};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `rollcall coverage …`
#[derive(Debug, clap::Subcommand)]
pub enum CoverageCommand {
    /// Judge a video as the appliance judges its cameras: what would be a finding, and when
    Evaluate(EvaluateArgs),
}

/// `rollcall coverage evaluate`
#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    /// The video
    #[arg(long)]
    video: PathBuf,
    /// The picture as it should be; the video's first when not given
    #[arg(long)]
    reference: Option<PathBuf>,
    /// JSON: [{"workstation": "A1", "polygon": [[x, y] …]} …], x and y 0 to 1
    #[arg(long)]
    workstations: Option<PathBuf>,
    /// Seconds between two looks
    #[arg(long, default_value_t = 2.0)]
    every: f64,
    /// Print what was measured in each sample
    #[arg(long)]
    samples: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found in a video. Times: seconds from its beginning.
#[derive(Debug, Default, Serialize)]
struct Evaluation {
    samples: u32,
    /// What judging a sample takes, median, ms.
    judged_in_ms: f64,
    findings: Vec<Found>,
    /// Seconds, by how the workstation was to be seen.
    workstations: BTreeMap<String, BTreeMap<String, f64>>,
}

#[derive(Debug, Serialize)]
struct Found {
    what: FindingKind,
    workstation: Option<String>,
    hidden_by: Option<HiddenCause>,
    begin: f64,
    /// When it was told.
    told: f64,
    end: Option<f64>,
    measured: BTreeMap<String, f64>,
}

impl CoverageCommand {
    /// Runs it.
    pub fn run(self) -> Result<()> {
        match self {
            CoverageCommand::Evaluate(command) => command.run(),
        }
    }
}

impl EvaluateArgs {
    fn run(self) -> Result<()> {
        if !(0.04..=60.0).contains(&self.every) {
            bail!("--every {}: give 0.04 to 60 seconds", self.every);
        }
        let limits = CoverageConfig::default();
        let workstations = self.workstations.as_deref().map(read_workstations).transpose()?.unwrap_or_default();
        let reference = self.reference.as_deref().map(Picture::open).transpose()?;
        let mut judge = reference.map(|picture| Judge::new(&limits, Some(&picture), workstations.clone()));
        let mut findings = Findings::new(&limits);
        let (mut evaluation, mut took) = (Evaluation::default(), Vec::new());
        let mut last = 0.0;
        let print = self.samples;
        watch_file(&self.video, self.every, |seconds, picture| {
            let judge = judge.get_or_insert_with(|| Judge::new(&limits, Some(picture), workstations.clone()));
            let began = Instant::now();
            let sample = judge.look(picture, Duration::from_secs_f64(seconds));
            took.push(began.elapsed());
            if print {
                eprintln!("{seconds:8.2}  {sample:?}");
            }
            let changes = findings.take(wall(seconds), Duration::from_secs_f64(seconds), &sample);
            evaluation.take(changes, seconds);
            for (name, sight) in &sample.sights {
                let state = match sight {
                    None => "unknown".to_owned(),
                    Some(Sight::Visible) => "visible".to_owned(),
                    Some(Sight::Hidden(cause)) => format!("hidden: {cause:?}").to_lowercase(),
                };
                *evaluation.workstations.entry(name.clone()).or_default().entry(state).or_default() += seconds - last;
            }
            evaluation.samples += 1;
            last = seconds;
        })
        .map_err(anyhow::Error::msg)?;
        took.sort_unstable();
        evaluation.judged_in_ms = took.get(took.len() / 2).map_or(0.0, |median| median.as_secs_f64() * 1e3);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&evaluation)?);
        } else {
            print!("{evaluation}");
        }
        Ok(())
    }
}

/// A video has no wall clock: it begins at the epoch.
fn wall(seconds: f64) -> Timestamp {
    Timestamp::from_millisecond((seconds * 1000.0) as i64).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn read_workstations(path: &Path) -> Result<Vec<Workstation>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{}: not a list of workstations and polygons", path.display()))
}

impl Evaluation {
    fn take(&mut self, changes: Vec<Change>, now: f64) {
        let seconds = |time: Timestamp| time.as_millisecond() as f64 / 1000.0;
        for change in changes {
            match change {
                Change::Begun { what, workstation, since, measured } => {
                    let (workstation, hidden_by) = workstation.unzip();
                    let begin = seconds(since);
                    self.findings.push(Found { what, workstation, hidden_by, begin, told: now, end: None, measured });
                }
                Change::Ended { what, workstation, end, .. } => {
                    let is_it = |found: &&mut Found| {
                        found.what == what && found.workstation == workstation && found.end.is_none()
                    };
                    if let Some(found) = self.findings.iter_mut().find(is_it) {
                        found.end = Some(seconds(end));
                    }
                }
            }
        }
    }
}

impl std::fmt::Display for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} samples, each judged in {:.1} ms", self.samples, self.judged_in_ms)?;
        if self.findings.is_empty() {
            writeln!(f, "no finding")?;
        }
        for found in &self.findings {
            let end = found.end.map_or("goes on".to_owned(), |end| format!("to {end:.1} s"));
            let about = found.workstation.as_ref().map_or(String::new(), |name| format!(" {name}"));
            writeln!(f, "{:?}{about}  from {:.1} s {end}, told at {:.1} s", found.what, found.begin, found.told)?;
            for (name, value) in &found.measured {
                writeln!(f, "    {name} {value}")?;
            }
        }
        for (name, states) in &self.workstations {
            let states: Vec<String> = states.iter().map(|(state, seconds)| format!("{state} {seconds:.1} s")).collect();
            writeln!(f, "workstation {name}: {}", states.join(", "))?;
        }
        Ok(())
    }
}
