//! `[[camera]]`: where a camera's frames come from.

use serde::Deserialize;
use std::path::PathBuf;

/// One camera. Written flat in TOML: `name`, `kind`, and the keys of that kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawCamera")]
pub struct CameraConfig {
    /// Short name, unique; stands in records and metrics.
    pub name: String,
    /// Where frames come from.
    pub source: CameraSource,
    /// No frame for this many seconds means that the camera has stalled.
    pub stall_seconds: f64,
    /// Whether lessons are recorded with it. Cameras are unless the config says otherwise; files are not.
    pub record: bool,
}

/// The three kinds of source.
#[derive(Debug, Clone)]
pub enum CameraSource {
    /// A USB camera through Video4Linux2.
    V4l2 {
        /// `/dev/video0`, or a stable `/dev/v4l/by-id/…` name.
        device: PathBuf,
        /// Wanted width in px; the nearest that the camera offers is used.
        width: u32,
        /// Wanted height in px.
        height: u32,
        /// Wanted frames a second.
        fps: u32,
        /// Wanted pixel format; `None` takes MJPEG, then YUYV.
        format: Option<PixelFormat>,
    },
    /// A network camera.
    Rtsp {
        /// `rtsp://user:password@host/path`; credentials never reach a log.
        url: url::Url,
        /// TCP (interleaved) unless said otherwise.
        transport: RtspTransport,
    },
    /// A video file, for tests, demonstrations and commissioning.
    File {
        /// Any container and codec that libavformat reads.
        path: PathBuf,
        /// At the file's own frame rate, or as fast as frames are taken.
        pace: FilePace,
        /// Begin again at the end.
        repeat: bool,
    },
}

/// Pixel format of a V4L2 camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// Motion JPEG.
    Mjpeg,
    /// YUV 4:2:2, packed.
    Yuyv,
}

/// How RTP reaches us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RtspTransport {
    /// Interleaved in the RTSP connection.
    #[default]
    Tcp,
    /// Datagrams of their own.
    Udp,
}

/// How fast a file plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilePace {
    /// At the file's own frame rate, like a camera.
    #[default]
    Camera,
    /// As fast as frames are taken; no frame is skipped.
    Fast,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCamera {
    name: String,
    kind: String,
    device: Option<PathBuf>,
    width: Option<u32>,
    height: Option<u32>,
    fps: Option<u32>,
    format: Option<PixelFormat>,
    url: Option<url::Url>,
    transport: Option<RtspTransport>,
    path: Option<PathBuf>,
    pace: Option<FilePace>,
    repeat: Option<bool>,
    stall_seconds: Option<f64>,
    record: Option<bool>,
}

impl TryFrom<RawCamera> for CameraConfig {
    type Error = String;

    fn try_from(raw: RawCamera) -> Result<Self, String> {
        let name = &raw.name;
        let given = [
            ("device", raw.device.is_some(), "v4l2"),
            ("width", raw.width.is_some(), "v4l2"),
            ("height", raw.height.is_some(), "v4l2"),
            ("fps", raw.fps.is_some(), "v4l2"),
            ("format", raw.format.is_some(), "v4l2"),
            ("url", raw.url.is_some(), "rtsp"),
            ("transport", raw.transport.is_some(), "rtsp"),
            ("path", raw.path.is_some(), "file"),
            ("pace", raw.pace.is_some(), "file"),
            ("repeat", raw.repeat.is_some(), "file"),
        ];
        if let Some((key, _, kind)) = given.iter().find(|(_, present, kind)| *present && *kind != raw.kind) {
            return Err(format!("camera {name:?}: `{key}` belongs to kind \"{kind}\", but kind is {:?}", raw.kind));
        }
        let missing = |key: &str| format!("camera {name:?}: kind {:?} needs `{key}`", raw.kind);
        let source = match raw.kind.as_str() {
            "v4l2" => CameraSource::V4l2 {
                device: raw.device.ok_or_else(|| missing("device"))?,
                width: raw.width.unwrap_or(1280),
                height: raw.height.unwrap_or(720),
                fps: raw.fps.unwrap_or(30),
                format: raw.format,
            },
            "rtsp" => CameraSource::Rtsp {
                url: raw.url.ok_or_else(|| missing("url"))?,
                transport: raw.transport.unwrap_or_default(),
            },
            "file" => CameraSource::File {
                path: raw.path.ok_or_else(|| missing("path"))?,
                pace: raw.pace.unwrap_or_default(),
                repeat: raw.repeat.unwrap_or(false),
            },
            other => return Err(format!("camera {name:?}: kind {other:?} is not one of \"v4l2\", \"rtsp\", \"file\"")),
        };
        let record = raw.record.unwrap_or(!matches!(source, CameraSource::File { .. }));
        Ok(CameraConfig {
            name: raw.name,
            source,
            stall_seconds: raw.stall_seconds.unwrap_or(CameraConfig::STALL_SECONDS),
            record,
        })
    }
}

impl CameraConfig {
    /// A camera that sends no picture for so long is stalled, unless the config says otherwise.
    pub(super) const STALL_SECONDS: f64 = 3.0;

    /// The word for the kind, as in the config.
    pub fn kind(&self) -> &'static str {
        match self.source {
            CameraSource::V4l2 { .. } => "v4l2",
            CameraSource::Rtsp { .. } => "rtsp",
            CameraSource::File { .. } => "file",
        }
    }

    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, message: String| Err((format!("camera {:?}: {key}", self.name), message));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > 32 || !self.name.chars().all(plain) {
            return wrong("name", "use 1 to 32 of a-z, 0-9, - and _".into());
        }
        if !(0.5..=10.0).contains(&self.stall_seconds) {
            return wrong("stall_seconds", format!("{} is not between 0.5 and 10", self.stall_seconds));
        }
        match &self.source {
            CameraSource::V4l2 { width, height, fps, .. }
                if !(160..=7680).contains(width) || !(120..=4320).contains(height) || !(1..=120).contains(fps) =>
            {
                wrong("width, height, fps", format!("{width}×{height} at {fps}/s is out of range"))
            }
            CameraSource::Rtsp { url, .. } if url.scheme() != "rtsp" => {
                wrong("url", format!("scheme {:?} is not rtsp", url.scheme()))
            }
            _ => Ok(()),
        }
    }
}
