//! Cameras: v4l2, rtsp and file sources → decoded frames, with a state that tells the truth.
//!
//! A camera that delivers no frames has failed, whatever its socket says. The camera is never blocked by whoever
//! looks at its frames: the newest frame wins. Reconnects for ever with capped back-off; never panics on bad input.

mod decoder;
mod encoder;
mod file;
mod flac;
mod frame;
mod lip_sync;
mod rtsp;
mod status;
mod timeline;
mod unit;
mod v4l2;

pub use encoder::{EncodedUnits, Encoding};
pub use file::watch_file;
#[cfg(test)]
pub(crate) use flac::format as flac_format;
pub use frame::{Frame, LatestFrame};
pub use status::{CameraState, CameraStatus};
pub use unit::{AudioFormat, Format, Track, Unit, VideoFormat};
pub use v4l2::{Device, Mode, devices};

use crate::config::{CameraConfig, CameraSource, FilePace};
use crate::picture::Picture;
use jiff::Timestamp;
use status::Health;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use unit::Tap;

/// Pause before the first try to reopen a camera; doubles up to [`MAX_BACKOFF`].
pub const MIN_BACKOFF: Duration = Duration::from_millis(250);

/// Longest pause between two tries to reopen a camera.
pub const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// How long a source may wait for a frame before it must look whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a source found when it was asked for the next frame.
enum Read {
    /// The picture holds a new frame.
    Frame,
    /// No frame within the time given; nothing is known to be wrong.
    Nothing,
    /// There will be no more: a file has been played to its end.
    End,
}

/// One way of getting frames. Lives on its camera's own thread.
trait Source {
    /// Waits up to `patience` for the next frame and decodes it into `picture`, whose size it sets.
    ///
    /// An error means that the source must be opened again; its text says what is wrong.
    fn read(&mut self, picture: &mut Picture, patience: Duration) -> Result<Read, Failure>;

    /// What else has happened since the last call.
    fn take_news(&mut self) -> News {
        News::default()
    }
}

/// What went wrong with a camera.
#[derive(Debug, Clone)]
struct Failure {
    /// In words that say what to do, where something can be done.
    text: String,
    /// The network does not lead to it.
    is_unreachable: bool,
    /// It is connected, and has sent nothing for too long.
    is_stall: bool,
}

impl Failure {
    /// Nothing has come for so long, though the camera is connected.
    fn stall(text: String) -> Failure {
        Failure { text, is_unreachable: false, is_stall: true }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure { text, is_unreachable: false, is_stall: false }
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Failure {
        text.to_owned().into()
    }
}

/// What a source knows beside its frames.
#[derive(Default)]
struct News {
    /// Network packets lost on the way.
    lost: u64,
    /// Coded pictures that came, where not each is decoded.
    units: u64,
    /// Size of those.
    size: Option<(u32, u32)>,
    /// Key frames that came, each decoded or not.
    keys: u64,
    /// Nothing comes: whether its host answers, once that was asked.
    is_reached: Option<bool>,
}

/// Which pictures of a network camera are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decode {
    /// Each: somebody is to be recognised in them.
    All,
    /// Key frames: enough to see whether the camera shows what it should.
    KeyFrames,
    /// None: nobody looks.
    Nothing,
}

/// Without a frame for this many times the stall limit, the camera is opened anew.
const GIVE_UP_AFTER: f64 = 3.0;

/// A camera that is running: frames and a state. Stops when dropped.
pub struct Camera {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    config: CameraConfig,
    decode: Decode,
    tap: Arc<Tap>,
    frames: Arc<LatestFrame>,
    health: Mutex<Health>,
    stop: AtomicBool,
}

impl Camera {
    /// Starts the camera on a thread of its own. Never fails: what is wrong is told by [`Camera::status`].
    pub fn start(config: &CameraConfig, decode: Decode) -> Camera {
        let shared = Arc::new(Shared {
            config: config.clone(),
            decode,
            tap: Arc::default(),
            frames: Arc::default(),
            health: Mutex::new(Health::new(Instant::now())),
            stop: AtomicBool::new(false),
        });
        let run = shared.clone();
        let thread = thread::Builder::new().name(format!("camera {}", config.name)).spawn(move || run.run()).ok();
        if thread.is_none() {
            shared.health().disconnected("no thread could be started for it".into());
        }
        Camera { shared, thread }
    }

    /// The config's name for it.
    pub fn name(&self) -> &str {
        &self.shared.config.name
    }

    /// Where its newest frame is.
    pub fn frames(&self) -> &Arc<LatestFrame> {
        &self.shared.frames
    }

    /// Its coded pictures and sound from now on, for one recorder. Only network cameras have some.
    pub fn units(&self) -> Receiver<Unit> {
        self.shared.tap.open()
    }

    /// Its pictures, encoded here: for cameras that send no coded ones.
    pub fn encoded(&self, encoding: Encoding) -> EncodedUnits {
        EncodedUnits::start(self.name(), self.shared.frames.clone(), encoding)
    }

    /// What it is doing.
    pub fn status(&self) -> CameraStatus {
        let config = &self.shared.config;
        let stall = Duration::from_secs_f64(config.stall_seconds);
        self.shared.health().status(&config.name, config.kind(), stall, Instant::now())
    }

    /// Whether a file that does not repeat has been played to its end.
    pub fn has_ended(&self) -> bool {
        self.shared.health().ended
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn run(&self) {
        let mut backoff = MIN_BACKOFF;
        let (mut number, mut connection) = (0, 0);
        while !self.stopping() {
            let before = number;
            connection += 1;
            let problem = match self.open(connection) {
                Ok(mut source) => {
                    self.health().connected(Instant::now());
                    match self.pump(&mut *source, connection, &mut number) {
                        Ok(()) => return,
                        Err(problem) => problem,
                    }
                }
                Err(problem) => problem,
            };
            if self.stopping() {
                return;
            }
            if number > before {
                backoff = MIN_BACKOFF;
            }
            let text = &problem.text;
            tracing::warn!(
                camera = self.config.name,
                problem = text,
                retry_seconds = backoff.as_secs_f64(),
                "camera failed"
            );
            let text = format!("{text}; trying again in {:.1} s", backoff.as_secs_f64());
            self.health().disconnected(Failure { text, ..problem });
            let until = Instant::now() + backoff;
            while Instant::now() < until && !self.stopping() {
                thread::sleep(PATIENCE.min(until.saturating_duration_since(Instant::now())));
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    fn open(&self, connection: u64) -> Result<Box<dyn Source>, Failure> {
        let stall = Duration::from_secs_f64(self.config.stall_seconds);
        let give_up = stall.mul_f64(GIVE_UP_AFTER);
        match &self.config.source {
            CameraSource::File { path, pace, repeat } => Ok(Box::new(file::FileSource::open(path, *pace, *repeat)?)),
            CameraSource::V4l2 { device, width, height, fps, format } => {
                let wanted = v4l2::Wanted { width: *width, height: *height, fps: *fps, format: *format };
                Ok(Box::new(v4l2::V4l2Source::open(device, &wanted, give_up)?))
            }
            CameraSource::Rtsp { url, transport } => {
                let (transport, decode, tap) = (*transport, self.decode, self.tap.clone());
                let wanted = rtsp::Wanted { url, transport, decode, stall, give_up, connection, tap };
                Ok(Box::new(rtsp::RtspSource::open(wanted, &self.stop)?))
            }
        }
    }

    /// Reads until the source ends, fails or is to stop.
    fn pump(&self, source: &mut dyn Source, connection: u64, number: &mut u64) -> Result<(), Failure> {
        let waits = matches!(self.config.source, CameraSource::File { pace: FilePace::Fast, .. });
        let mut picture = Picture::black(0, 0);
        while !self.stopping() {
            let read = source.read(&mut picture, PATIENCE);
            let news = source.take_news();
            if news.lost > 0 || news.units > 0 || news.keys > 0 || news.is_reached.is_some() {
                self.health().news(Instant::now(), &news);
            }
            match read? {
                Read::Nothing => continue,
                Read::End => {
                    self.health().ended();
                    return Ok(());
                }
                Read::Frame => {}
            }
            *number += 1;
            let captured = Instant::now();
            if news.units == 0 {
                self.health().frame(captured, picture.width, picture.height);
            }
            let frame = Frame { picture, number: *number, connection, captured, wall: Timestamp::now() };
            let displaced = self.frames.put(Arc::new(frame));
            // The buffer of a frame that nobody looks at any more is filled again.
            picture = match displaced.map(Arc::try_unwrap) {
                Some(Ok(frame)) => frame.picture,
                _ => Picture::black(0, 0),
            };
            while waits && !self.stopping() && !self.frames.wait_taken(*number, PATIENCE) {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
