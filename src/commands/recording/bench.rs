//! `rollcall recording bench`: what recording takes of this machine, on real network cameras.

use crate::camera::{Camera, Decode};
use crate::class::{Class, ClassId, Lesson, LessonKind, SoundPolicy};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::coverage;
use crate::journal::{Journal, PlanSource};
use crate::recording::{Service, account_of};
use anyhow::{Context, Result};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// `rollcall recording bench`
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// A camera, rtsp://…; may be given several times
    #[arg(long = "url", required_unless_present = "files")]
    urls: Vec<String>,
    /// A film that is played like a USB camera, over and over, and encoded; may be given several times
    #[arg(long = "file")]
    files: Vec<PathBuf>,
    /// Pictures a second of films
    #[arg(long, default_value_t = 10)]
    fps: u32,
    /// How long to record
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where to make the scratch folder; its disk is written to
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Leave the segments in this new folder
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Decode no pictures and judge none
    #[arg(long)]
    no_decoding: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    seconds: u64,
    /// One core is 100.
    cpu_percent_per_camera: f64,
    /// The same, by the kind of thread.
    cpu_percent: BTreeMap<String, f64>,
    /// Resident memory when the measurement begins, after each tenth of it, MB.
    resident_mb: Vec<u64>,
    cameras: Vec<MeasuredCamera>,
}

#[derive(Debug, Serialize)]
struct MeasuredCamera {
    camera: String,
    frames: u64,
    lost_packets: u64,
    segments: usize,
    bytes: u64,
    recorded_ms: i64,
    /// Neither recorded nor explained: always 0.
    unexplained_ms: i64,
}

/// Before the measurement begins, so that connecting is none of it, nor learning what each camera's picture is like.
const WARM_UP: Duration = Duration::from_secs(30);

impl BenchArgs {
    /// Runs it.
    pub fn run(self) -> Result<()> {
        let scratch = tempfile::Builder::new().prefix("recording-bench-").tempdir_in(&self.dir)?;
        let folder = self.keep.clone().unwrap_or_else(|| scratch.path().to_owned());
        std::fs::create_dir_all(&folder)?;
        let config = config(&folder, &self)?;
        let journal = Arc::new(journal(&config, self.seconds)?);
        let decode = if self.no_decoding { Decode::Nothing } else { Decode::KeyFrames };
        let cameras = Arc::new(config.cameras.iter().map(|camera| Camera::start(camera, decode)).collect::<Vec<_>>());
        let service = Service::start(&config, journal.clone(), cameras.clone())?;
        let start = || coverage::Service::start(&config, journal.clone(), cameras.clone());
        let watch = (!self.no_decoding).then(start).transpose()?;
        std::thread::sleep(WARM_UP);
        let (cpu, mut resident) = (cpu_nanoseconds(), vec![resident_mb()]);
        for _ in 0..10 {
            std::thread::sleep(Duration::from_secs(self.seconds) / 10);
            resident.push(resident_mb());
        }
        let cpu_after = cpu_nanoseconds();
        drop(watch);
        service.stop();
        let percent = |nanoseconds: u64| nanoseconds as f64 / 1e7 / self.seconds as f64;
        let mut by_thread = BTreeMap::new();
        for (name, after) in &cpu_after {
            by_thread.insert(name.clone(), percent(after - cpu.get(name).copied().unwrap_or_default()));
        }
        let measured = Measured {
            seconds: self.seconds,
            cpu_percent_per_camera: by_thread.values().sum::<f64>() / cameras.len() as f64,
            cpu_percent: by_thread,
            resident_mb: resident,
            cameras: cameras.iter().map(|camera| of_camera(&journal, camera)).collect::<Result<_>>()?,
        };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&measured)?);
        } else {
            print!("{measured}");
        }
        Ok(())
    }
}

fn config(folder: &Path, wanted: &BenchArgs) -> Result<Config> {
    let mut text = "[appliance]\nsite = \"bench\"\nroom = \"bench\"\nstate_dir = \"state\"\n\
                    [recording]\nfolder = \"recordings\"\n"
        .to_owned();
    writeln!(text, "encoded_fps = {}", wanted.fps)?;
    for (at, file) in wanted.files.iter().enumerate() {
        let path = serde_json::to_string(&std::fs::canonicalize(file)?)?;
        writeln!(
            text,
            "[[camera]]\nname = \"film{at}\"\nkind = \"file\"\npath = {path}\nrepeat = true\nrecord = true"
        )?;
    }
    for (at, url) in wanted.urls.iter().enumerate() {
        let url = serde_json::to_string(url)?;
        writeln!(text, "[[camera]]\nname = \"camera{at}\"\nkind = \"rtsp\"\nurl = {url}")?;
    }
    let path = folder.join("rollcall.toml");
    std::fs::write(&path, text)?;
    Ok(Config::load(&path)?)
}

/// An appliance with one lesson that is going on.
fn journal(config: &Config, seconds: u64) -> Result<Journal> {
    let now = Timestamp::now();
    // In a zone in which it is noon, so that the lesson ends on the day it begins.
    let offset = 43_200 - now.as_second().rem_euclid(86_400) as i32;
    let zone = TimeZone::fixed(Offset::from_seconds(offset - offset.rem_euclid(60)).context("an offset")?);
    let (clock, state) = (Arc::new(SystemClock::default()), &config.appliance.state_dir);
    let journal = Journal::initialise(state, "bench", "bench", clock, zone.clone())?;
    let local = now.to_zoned_datetime(zone);
    let lasting = SignedDuration::from_secs(i64::try_from(seconds)?.min(30_000)) + SignedDuration::from_mins(5);
    let lesson = Lesson {
        date: local.date(),
        start: local.time(),
        end: (&local + lasting).time(),
        kind: LessonKind::Theory,
        topic: "bench".into(),
        teacher: "bench".into(),
        room: String::new(),
        cameras: Vec::new(),
        workstations: Vec::new(),
        sound: SoundPolicy::default(),
    };
    let class = Class {
        id: ClassId::new("bench").map_err(anyhow::Error::msg)?,
        name: "bench".into(),
        institution: String::new(),
        trade: String::new(),
        level: String::new(),
        lessons: vec![lesson],
        trainees: Vec::new(),
        teachers: Vec::new(),
    };
    journal.import_class(&class, &"0".repeat(64), PlanSource::File, "bench")?;
    Ok(journal)
}

fn of_camera(journal: &Journal, camera: &Camera) -> Result<MeasuredCamera> {
    let reader = journal.store().read()?;
    let segments = reader.segments(camera.name(), Timestamp::MIN, Timestamp::MAX)?;
    drop(reader);
    let first = segments.first().context("nothing was recorded; is the address right?")?;
    let last = segments.last().context("nothing was recorded")?;
    let account = account_of(journal, camera.name(), crate::class::Span { from: first.start, until: last.end })?;
    let status = camera.status();
    Ok(MeasuredCamera {
        camera: camera.name().to_owned(),
        frames: status.frames,
        lost_packets: status.lost_packets,
        segments: segments.len(),
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        recorded_ms: account.recorded_ms,
        unexplained_ms: account.unexplained_ms(),
    })
}

/// Nanoseconds on a core, by the names of threads without their numbers.
fn cpu_nanoseconds() -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let name = name.trim().trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let spent = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let spent: u64 = spent.split(' ').next().and_then(|spent| spent.parse().ok()).unwrap_or_default();
        *sums.entry(name).or_default() += spent;
    }
    sums
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "CPU a camera  {:.2} % of a core, over {} s", self.cpu_percent_per_camera, self.seconds)?;
        for (name, percent) in &self.cpu_percent {
            writeln!(f, "  {name:<16} {percent:6.2} %")?;
        }
        let resident: Vec<String> = self.resident_mb.iter().map(u64::to_string).collect();
        writeln!(f, "resident      {} MB, from {} s on", resident.join(" "), WARM_UP.as_secs())?;
        for camera in &self.cameras {
            writeln!(
                f,
                "{}  {} frames, {} packets lost, {} segments, {} MB; {:.1} s recorded, {} ms unexplained",
                camera.camera,
                camera.frames,
                camera.lost_packets,
                camera.segments,
                camera.bytes >> 20,
                camera.recorded_ms as f64 / 1000.0,
                camera.unexplained_ms
            )?;
        }
        Ok(())
    }
}
