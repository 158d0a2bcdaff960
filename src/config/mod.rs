//! `rollcall.toml` → typed settings, checked once at start.
//!
//! Every key has a default except those that name this appliance's place (`appliance.site`, `appliance.room`)
//! and its cameras. An unknown key is an error: a misspelt limit must never silently mean the default.

mod alarm;
mod archive;
mod camera;
mod checkin;
mod coverage;
mod recording;
mod retention;
mod told;

pub use alarm::{AlarmConfig, AlarmKind, AlarmTarget, Language, SecretText, check_url};
pub use archive::{ArchiveConfig, S3Config};
pub use camera::{CameraConfig, CameraSource, FilePace, PixelFormat, RtspTransport};
pub use checkin::{CheckinConfig, DecisionConfig, EnrolmentConfig, QualityConfig, WindowConfig};
pub use coverage::CoverageConfig;
pub use recording::RecordingConfig;
pub use retention::RetentionConfig;

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where `rollcall` looks when `--config` is not given.
pub const DEFAULT_PATH: &str = "/etc/rollcall/rollcall.toml";

/// The whole of `rollcall.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The place this appliance is bound to, and where it keeps its state.
    pub appliance: ApplianceConfig,
    /// The kiosk and staff pages.
    #[serde(default)]
    pub web: WebConfig,
    /// Where the models and ONNX Runtime are.
    #[serde(default)]
    pub models: ModelsConfig,
    /// The cameras; the first one is the check-in camera unless `checkin.camera` names another.
    #[serde(default, rename = "camera")]
    pub cameras: Vec<CameraConfig>,
    /// Quality limits, decision thresholds and windows of the check-in.
    #[serde(default)]
    pub checkin: CheckinConfig,
    /// What is kept of the lessons.
    #[serde(default)]
    pub recording: RecordingConfig,
    /// How much of the recordings is kept here.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// Where closed days are copied to; absent means nowhere.
    pub archive: Option<ArchiveConfig>,
    /// What the recordings must show.
    #[serde(default)]
    pub coverage: CoverageConfig,
    /// Who is told when something is wrong.
    #[serde(default)]
    pub alarm: AlarmConfig,
    /// The bureau's server; absent means that the appliance works offline until it is registered.
    pub sync: Option<SyncConfig>,
}

/// `[appliance]`: the place, and the state directory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplianceConfig {
    /// The contracted training place (article 5(3)); stands in every check-in record.
    pub site: String,
    /// The room within the site.
    pub room: String,
    /// IANA name of the time zone of plans and of record times.
    #[serde(default = "default_timezone")]
    pub timezone: String,
    /// Database, keys and journal. Relative paths are relative to the config file's folder.
    #[serde(default = "default_state_dir")]
    pub state_dir: PathBuf,
}

/// `[web]`: the local pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// Address to listen on. Only loopback is accepted for now: the pages have no login yet.
    pub listen: SocketAddr,
    /// Frames a second sent to a kiosk page, at most.
    pub kiosk_fps: u32,
    /// Width in px of the picture sent to a kiosk page.
    pub kiosk_width: u32,
}

/// `[models]`: vision models and the inference library.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsConfig {
    /// `models.toml`; its folder holds the ONNX files.
    pub manifest: Option<PathBuf>,
    /// `libonnxruntime.so`; absent means beside the binary, then the library path.
    pub onnxruntime: Option<PathBuf>,
}

/// `[sync]`: the bureau's server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncConfig {
    /// Base address of the bureau, `https://host:port`.
    pub bureau: url::Url,
    /// PEM file with the bureau's CA certificate; no other CA is trusted.
    pub ca: PathBuf,
    /// Longest pause between two tries, in seconds.
    #[serde(default = "default_max_backoff_seconds")]
    pub max_backoff_seconds: u64,
    /// Records sent in one push, at most.
    #[serde(default = "default_batch_records")]
    pub batch_records: usize,
    /// How often a log that is wholly countersigned is looked at for new records, in seconds.
    #[serde(default = "default_interval_seconds")]
    pub interval_seconds: u64,
    /// How often the bureau is asked whether it is there while nothing waits, in seconds; each time up to a quarter
    /// sooner or later.
    #[serde(default = "default_ask_seconds")]
    pub ask_seconds: u64,
}

fn default_timezone() -> String {
    "Asia/Shanghai".into()
}
fn default_state_dir() -> PathBuf {
    "/var/lib/rollcall".into()
}
fn default_max_backoff_seconds() -> u64 {
    300
}
fn default_batch_records() -> usize {
    2000
}
fn default_ask_seconds() -> u64 {
    40
}
fn default_interval_seconds() -> u64 {
    1
}

impl Default for WebConfig {
    fn default() -> Self {
        WebConfig { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), kiosk_fps: 15, kiosk_width: 960 }
    }
}

/// What is wrong with a config file, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the config {path}: {source}. Make one with `rollcall init`, or name it with --config")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// TOML syntax, an unknown key, or a value of the wrong type; the text shows line and column.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column, the offending line, and what was expected.
        message: String,
    },
    /// A value that parses but cannot be meant.
    #[error("{path}: {key}: {message}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, dotted.
        key: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

impl Config {
    /// Reads and checks a config file. Relative paths in it are taken from the file's own folder.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut config: Config = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.to_owned(), message: error.to_string() })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.anchor(folder);
        config.check().map_err(|(key, message)| ConfigError::Value { path: path.to_owned(), key, message })?;
        Ok(config)
    }

    /// The time zone of plans and record times.
    pub fn timezone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.appliance.timezone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    /// Where segments are kept.
    pub fn recordings(&self) -> PathBuf {
        self.recording.folder.clone().unwrap_or_else(|| self.appliance.state_dir.join("recordings"))
    }

    /// The camera that trainees check in at.
    pub fn checkin_camera(&self) -> Option<&CameraConfig> {
        match &self.checkin.camera {
            Some(name) => self.cameras.iter().find(|camera| &camera.name == name),
            None => self.cameras.first(),
        }
    }

    fn anchor(&mut self, folder: &Path) {
        let anchor = |path: &mut PathBuf| {
            if path.is_relative() {
                *path = folder.join(&*path);
            }
        };
        anchor(&mut self.appliance.state_dir);
        self.models.manifest.as_mut().map(anchor);
        self.recording.folder.as_mut().map(anchor);
        self.models.onnxruntime.as_mut().map(anchor);
        self.alarm.anchor(folder);
        if let Some(sync) = &mut self.sync {
            anchor(&mut sync.ca);
        }
        if let Some(archive) = &mut self.archive {
            archive.anchor(folder);
        }
        for camera in &mut self.cameras {
            if let CameraSource::File { path, .. } = &mut camera.source {
                anchor(path);
            }
        }
    }

    fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, message: String| Err((key.to_owned(), message));
        if jiff::tz::TimeZone::get(&self.appliance.timezone).is_err() {
            return wrong(
                "appliance.timezone",
                format!("{:?} is not an IANA time zone; try \"Asia/Shanghai\"", self.appliance.timezone),
            );
        }
        for (key, value) in [("appliance.site", &self.appliance.site), ("appliance.room", &self.appliance.room)] {
            if value.trim().is_empty() {
                return wrong(key, "must not be empty: every record names the place it was made at".into());
            }
        }
        if !self.web.listen.ip().is_loopback() {
            return wrong(
                "web.listen",
                format!("{} is not a loopback address; the pages have no login yet, use 127.0.0.1", self.web.listen),
            );
        }
        if !(1..=60).contains(&self.web.kiosk_fps) {
            return wrong("web.kiosk_fps", format!("{} is not between 1 and 60", self.web.kiosk_fps));
        }
        let mut names: Vec<&str> = self.cameras.iter().map(|camera| camera.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return wrong("camera.name", format!("{:?} names two cameras; each needs a name of its own", pair[0]));
        }
        if let Some(name) = &self.checkin.camera
            && self.checkin_camera().is_none()
        {
            return wrong("checkin.camera", format!("no [[camera]] is named {name:?}"));
        }
        for camera in &self.cameras {
            camera.check()?;
        }
        if let Some(key) = self.endless_limit() {
            return wrong(&key, "must be a finite number".into());
        }
        self.checkin.check()?;
        self.recording.check()?;
        self.retention.check()?;
        self.coverage.check()?;
        self.alarm.check()?;
        if let Some(archive) = &self.archive {
            archive.check()?;
        }
        if let Some(sync) = &self.sync {
            if sync.bureau.scheme() != "https" {
                return wrong("sync.bureau", format!("{} is not https; evidence is only sent over TLS", sync.bureau));
            }
            if !(1..=5000).contains(&sync.batch_records) {
                return wrong("sync.batch_records", format!("{} is not between 1 and 5000", sync.batch_records));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
