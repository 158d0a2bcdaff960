//! `rollcall camera`: which cameras there are, and what one of them does.

use crate::camera::{Camera, CameraState, Decode, devices};
use crate::config::{CameraConfig, CameraSource, Config, FilePace, RtspTransport};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// `rollcall camera …`
#[derive(Debug, clap::Subcommand)]
pub enum CameraCommand {
    /// List the USB cameras of this machine and what they offer
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Watch a camera: its state, size, rate, and each change of them
    Watch(Box<WatchArgs>),
}

/// `rollcall camera watch`; without a source, the config's check-in camera.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// A camera of the config
    #[arg(long, group = "source")]
    camera: Option<String>,
    /// A network camera, rtsp://…
    #[arg(long, group = "source")]
    url: Option<url::Url>,
    /// A USB camera, /dev/video0
    #[arg(long, group = "source")]
    device: Option<PathBuf>,
    /// Wanted size of a USB camera's pictures
    #[arg(long, default_value = "1280x720")]
    size: String,
    /// A video file
    #[arg(long, group = "source")]
    file: Option<PathBuf>,
    /// End after so many seconds
    #[arg(long)]
    seconds: Option<f64>,
    /// Save the last frame as a JPEG file
    #[arg(long)]
    save: Option<PathBuf>,
    /// Print JSON, a line for each change and second
    #[arg(long)]
    json: bool,
}

impl CameraCommand {
    /// Runs it.
    pub fn run(self, config: &Path) -> Result<ExitCode> {
        match self {
            CameraCommand::List { json } => list(json),
            CameraCommand::Watch(args) => args.run(config),
        }
    }
}

fn list(json: bool) -> Result<ExitCode> {
    let devices = devices();
    if json {
        println!("{}", serde_json::to_string_pretty(&devices)?);
        return Ok(ExitCode::SUCCESS);
    }
    if devices.is_empty() {
        println!("no USB camera is plugged in");
    }
    for device in devices {
        println!("{}  {}", device.path.display(), device.name);
        if let Some(stable) = device.stable_path {
            println!("  stays the same as  {}", stable.display());
        }
        device.modes.iter().for_each(|mode| println!("  {mode}"));
        device.problem.iter().for_each(|problem| println!("  {problem}"));
    }
    Ok(ExitCode::SUCCESS)
}

impl WatchArgs {
    fn camera(&self, config: &Path) -> Result<CameraConfig> {
        let source = if let Some(url) = &self.url {
            CameraSource::Rtsp { url: url.clone(), transport: RtspTransport::Tcp }
        } else if let Some(device) = &self.device {
            let size = self.size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
            let (width, height) = size.with_context(|| format!("--size {:?} is not WIDTHxHEIGHT", self.size))?;
            CameraSource::V4l2 { device: device.clone(), width, height, fps: 30, format: None }
        } else if let Some(path) = &self.file {
            CameraSource::File { path: path.clone(), pace: FilePace::Camera, repeat: false }
        } else {
            let config = Config::load(config)?;
            let found = match &self.camera {
                Some(name) => config.cameras.iter().find(|camera| &camera.name == name),
                None => config.checkin_camera(),
            };
            return found.cloned().context("the config has no such camera");
        };
        Ok(CameraConfig { name: "watched".into(), source, stall_seconds: 3.0, record: false })
    }

    /// Exit code 0 when the camera was live at the end.
    fn run(self, config: &Path) -> Result<ExitCode> {
        let camera = Camera::start(&self.camera(config)?, Decode::All);
        let began = Instant::now();
        let (mut shown, mut told) = (None, Instant::now());
        let status = loop {
            let status = camera.status();
            let changed = shown != Some(status.state);
            if changed || told.elapsed() >= Duration::from_secs(1) {
                (shown, told) = (Some(status.state), Instant::now());
                if self.json {
                    println!("{}", serde_json::to_string(&status)?);
                } else {
                    let state = format!("{:?}", status.state).to_lowercase();
                    let problem = status.problem.as_deref().unwrap_or_default();
                    let age = status
                        .last_frame_age_seconds
                        .map_or("—".into(), |seconds| format!("{:.0} ms", seconds * 1e3));
                    let keys = status
                        .key_frame_seconds
                        .map_or(String::new(), |seconds| format!("  key frames {seconds:.1} s apart"));
                    println!(
                        "{:7.1} s  {state:8}{:>6} frames  {}×{} at {:.1}/s{keys}  age {age}  {} lost  {problem}",
                        began.elapsed().as_secs_f64(),
                        status.frames,
                        status.width,
                        status.height,
                        status.fps,
                        status.lost_packets
                    );
                }
            }
            if camera.has_ended() || self.seconds.is_some_and(|seconds| began.elapsed().as_secs_f64() >= seconds) {
                break status;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        if let Some(path) = &self.save {
            let frame = camera.frames().get().context("there was no frame to save")?;
            std::fs::write(path, frame.picture.to_jpeg(90)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let good = status.state == CameraState::Live || (camera.has_ended() && status.frames > 0);
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
