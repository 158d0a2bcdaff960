//! A USB camera through Video4Linux2: memory-mapped buffers, MJPEG or YUYV.
//!
//! Asks for the size and rate that the config wants and takes the nearest that the camera offers.

use super::decoder::{Converter, Decoder, quiet};
use super::{Failure, Read, Source};
use crate::config::PixelFormat;
use crate::picture::Picture;
use ffmpeg_next as ffmpeg;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use v4l::buffer::Type;
use v4l::format::FourCC;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::video::Capture;
use v4l::video::capture::Parameters;

/// What the config asks for.
pub(super) struct Wanted {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    pub format: Option<PixelFormat>,
}

const BUFFERS: u32 = 4;
/// The first frame may take this long, at least: cameras measure the light before they begin.
const FIRST_FRAME: Duration = Duration::from_secs(5);

const MJPEG: &[u8; 4] = b"MJPG";
const YUYV: &[u8; 4] = b"YUYV";

enum Pixels {
    Mjpeg(Box<Decoder>),
    Yuyv { frame: ffmpeg::frame::Video, converter: Converter, stride: usize },
}

pub(super) struct V4l2Source {
    stream: Stream<'static>,
    pixels: Pixels,
    last_frame: Instant,
    /// Without a frame for this long the camera is opened anew.
    give_up: Duration,
    pace: Pace,
}

/// Leaves out frames of a camera that sends many more than were asked for: each costs time to decode.
struct Pace {
    least: Duration,
    due: Option<Instant>,
}

impl Pace {
    /// A quarter more than wanted is let through: cameras are no clocks.
    fn new(fps: u32) -> Pace {
        Pace { least: Duration::from_secs(1).mul_f64(0.8) / fps.max(1), due: None }
    }

    fn lets_through(&mut self, now: Instant) -> bool {
        if self.due.is_some_and(|due| now + self.least / 2 < due) {
            return false;
        }
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + self.least);
        true
    }
}

impl V4l2Source {
    pub(super) fn open(path: &Path, wanted: &Wanted, give_up: Duration) -> Result<V4l2Source, String> {
        quiet();
        let named = |what: &str, error: io::Error| format!("{}: {what}: {}", path.display(), plain(&error));
        let device = v4l::Device::with_path(path).map_err(|error| named("cannot open it", error))?;
        let modes = modes(&device, Some((wanted.width, wanted.height)))
            .map_err(|error| named("cannot ask what it offers", error))?;
        if modes.is_empty() {
            return Err(format!("{}: this is not a camera: it offers no pictures", path.display()));
        }
        let mode = choose(&modes, wanted).ok_or_else(|| {
            let offered: Vec<String> = modes.iter().map(Mode::to_string).collect();
            format!("{}: offers neither MJPEG nor YUYV pictures, but {}", path.display(), offered.join(", "))
        })?;
        let code = if mode.format == "MJPG" { MJPEG } else { YUYV };
        let format = v4l::Format::new(mode.width, mode.height, FourCC::new(code));
        let format = device.set_format(&format).map_err(|error| named("cannot set the picture format", error))?;
        if format.fourcc.repr != *code {
            return Err(format!("{}: offers {}, but does not take it", path.display(), mode.format));
        }
        // Cameras that know no rates refuse this, and run at their own.
        let fps = device.set_params(&Parameters::with_fps(wanted.fps)).ok().map(|taken| rate(taken.interval));
        let mut stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)
            .map_err(|error| named("cannot get buffers", error))?;
        start(&mut stream).map_err(|error| named("cannot start it", error))?;
        // It is polled before it is read: this only bounds what a driver may do in between.
        stream.set_timeout(FIRST_FRAME);
        let pixels = if code == MJPEG {
            Pixels::Mjpeg(Box::new(Decoder::strict(ffmpeg::codec::Id::MJPEG)?))
        } else {
            let frame = ffmpeg::frame::Video::new(ffmpeg::format::Pixel::YUYV422, format.width, format.height);
            let stride = (format.stride as usize).max(format.width as usize * 2);
            Pixels::Yuyv { frame, converter: Converter::default(), stride }
        };
        tracing::info!(device = %path.display(), format = mode.format, width = format.width, height = format.height, fps, "camera opened");
        let pace = Pace::new(wanted.fps);
        Ok(V4l2Source { stream, pixels, last_frame: Instant::now(), give_up: give_up.max(FIRST_FRAME), pace })
    }
}

impl Source for V4l2Source {
    fn read(&mut self, picture: &mut Picture, patience: Duration) -> Result<Read, Failure> {
        // `next` gives its last buffer back before it waits; so nothing may be asked of it before a frame is there.
        match self.stream.handle().poll(libc::POLLIN, patience.as_millis() as i32) {
            Ok(0) => return self.nothing(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Read::Nothing),
            Err(error) => return Err(plain(&error).into()),
        }
        let (bytes, meta) = self.stream.next().map_err(|error| plain(&error))?;
        if meta.flags.contains(v4l::buffer::Flags::ERROR) {
            return self.nothing();
        }
        if !self.pace.lets_through(Instant::now()) {
            return Ok(Read::Nothing);
        }
        let bytes = &bytes[..(meta.bytesused as usize).min(bytes.len())];
        let whole = match &mut self.pixels {
            // A picture that was cut off on the cable is skipped; the next one comes.
            Pixels::Mjpeg(decoder) => {
                let taken = decoder.send_bytes(bytes).and_then(|()| decoder.take(picture));
                taken.is_ok_and(|taken| taken.is_some())
            }
            Pixels::Yuyv { frame, converter, stride } => {
                let row = frame.width() as usize * 2;
                let whole = bytes.len() >= *stride * (frame.height() as usize - 1) + row;
                if whole {
                    let to = frame.stride(0);
                    for (to, from) in frame.data_mut(0).chunks_mut(to).zip(bytes.chunks(*stride)) {
                        to[..row].copy_from_slice(&from[..row]);
                    }
                    converter.convert(frame, picture)?;
                }
                whole
            }
        };
        if !whole {
            return self.nothing();
        }
        self.last_frame = Instant::now();
        Ok(Read::Frame)
    }
}

impl V4l2Source {
    /// No frame this time; an error when there has been none for too long.
    fn nothing(&self) -> Result<Read, Failure> {
        let waited = self.last_frame.elapsed();
        if waited > self.give_up {
            return Err(Failure::stall(format!("plugged in, but no usable frame for {:.0} s", waited.as_secs_f64())));
        }
        Ok(Read::Nothing)
    }
}

/// Starts the stream without waiting for a frame. The first buffer stays with us: `next` gives it to the driver.
fn start(stream: &mut Stream<'static>) -> io::Result<()> {
    CaptureStream::queue(stream, 1)?;
    // A driver may give fewer buffers than were asked for, or more.
    for index in 2.. {
        if CaptureStream::queue(stream, index).is_err() {
            break;
        }
    }
    v4l::io::traits::Stream::start(stream)
}

/// An error of the kernel in words that say what to do.
fn plain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => "the camera has been unplugged".into(),
        Some(libc::ENOENT) => "no such device: is the camera plugged in?".into(),
        Some(libc::EBUSY) => "another program is using the camera".into(),
        Some(libc::EACCES) => "not allowed: this user must be in the group video".into(),
        Some(libc::ENOTTY) => "this is not a camera".into(),
        _ if error.kind() == io::ErrorKind::TimedOut => format!("no frame within {} s", FIRST_FRAME.as_secs()),
        _ => error.to_string(),
    }
}

/// A picture format and size that a camera offers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mode {
    /// Four letters: `MJPG`, `YUYV` …
    pub format: String,
    /// px
    pub width: u32,
    /// px
    pub height: u32,
    /// Highest number of frames a second, if told.
    pub fps: Option<f64>,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}×{}", self.format, self.width, self.height)?;
        self.fps.map_or(Ok(()), |fps| write!(f, " at {fps:.0}/s"))
    }
}

/// A camera of this machine.
#[derive(Debug, Clone, Serialize)]
pub struct Device {
    /// `/dev/video0` …
    pub path: PathBuf,
    /// A name under /dev/v4l/by-id that stays when others are plugged in.
    pub stable_path: Option<PathBuf>,
    /// What it calls itself.
    pub name: String,
    /// What it offers.
    pub modes: Vec<Mode>,
    /// Why it could not be asked.
    pub problem: Option<String>,
}

/// The cameras of this machine.
pub fn devices() -> Vec<Device> {
    let mut nodes = v4l::context::enum_devices();
    nodes.sort_by_key(|node| node.index());
    let stable = |path: &Path| {
        let links = std::fs::read_dir("/dev/v4l/by-id").ok()?;
        links.flatten().map(|link| link.path()).find(|link| link.canonicalize().is_ok_and(|target| target == path))
    };
    let look = |node: v4l::context::Node| {
        let path = node.path().to_owned();
        let asked = v4l::Device::with_path(&path).and_then(|device| modes(&device, None));
        let (modes, problem) = match asked {
            Ok(modes) => (modes, None),
            Err(error) => (Vec::new(), Some(plain(&error))),
        };
        Device { stable_path: stable(&path), name: node.name().unwrap_or_default(), path, modes, problem }
    };
    nodes.into_iter().map(look).collect()
}

/// What it offers. A camera that takes any size within limits offers the usual ones, and the one that is `wanted`.
fn modes(device: &v4l::Device, wanted: Option<(u32, u32)>) -> io::Result<Vec<Mode>> {
    let mut modes = Vec::new();
    for format in device.enum_formats()? {
        for size in device.enum_framesizes(format.fourcc)? {
            let sizes: Vec<(u32, u32)> = match size.size {
                FrameSizeEnum::Discrete(size) => vec![(size.width, size.height)],
                FrameSizeEnum::Stepwise(sizes) => {
                    let common = [(1920, 1080), (1280, 720), (640, 480)];
                    let fits = |(width, height): &(u32, u32)| {
                        (sizes.min_width..=sizes.max_width).contains(width)
                            && (sizes.min_height..=sizes.max_height).contains(height)
                    };
                    let more = wanted.filter(|wanted| !common.contains(wanted));
                    common.into_iter().chain(more).filter(fits).collect()
                }
            };
            for (width, height) in sizes {
                let fps = fastest(device, format.fourcc, width, height);
                modes.push(Mode {
                    format: String::from_utf8_lossy(&format.fourcc.repr).into_owned(),
                    width,
                    height,
                    fps,
                });
            }
        }
    }
    Ok(modes)
}

/// Frames a second.
fn rate(interval: v4l::Fraction) -> f64 {
    f64::from(interval.denominator) / f64::from(interval.numerator.max(1))
}

fn fastest(device: &v4l::Device, format: FourCC, width: u32, height: u32) -> Option<f64> {
    let intervals = device.enum_frameintervals(format, width, height).ok()?;
    let rates = intervals.into_iter().map(|interval| match interval.interval {
        FrameIntervalEnum::Discrete(fraction) => rate(fraction),
        FrameIntervalEnum::Stepwise(steps) => rate(steps.min),
    });
    rates.max_by(f64::total_cmp)
}

/// The mode nearest to what is wanted: the format first, then fast enough, then the size. MJPEG goes before YUYV,
/// which at large sizes is slow over USB 2.
fn choose<'m>(modes: &'m [Mode], wanted: &Wanted) -> Option<&'m Mode> {
    let formats: &[&str] = match wanted.format {
        Some(PixelFormat::Mjpeg) => &["MJPG"],
        Some(PixelFormat::Yuyv) => &["YUYV"],
        None => &["MJPG", "YUYV"],
    };
    let usable = modes.iter().filter(|mode| formats.contains(&mode.format.as_str()));
    usable.min_by_key(|mode| {
        let too_slow = mode.fps.is_some_and(|fps| fps + 0.5 < f64::from(wanted.fps.min(10)));
        let distance = mode.width.abs_diff(wanted.width) + mode.height.abs_diff(wanted.height);
        let rank = formats.iter().position(|format| *format == mode.format);
        (too_slow, distance, rank)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(format: &str, width: u32, height: u32, fps: f64) -> Mode {
        Mode { format: format.into(), width, height, fps: Some(fps) }
    }

    #[test]
    fn the_nearest_size_that_is_fast_enough_is_taken() {
        let modes = [
            mode("YUYV", 640, 480, 30.0),
            mode("YUYV", 1280, 720, 5.0),
            mode("MJPG", 1280, 720, 30.0),
            mode("MJPG", 1920, 1080, 30.0),
            mode("H264", 1280, 720, 30.0),
        ];
        let wanted = |width, height, format| Wanted { width, height, fps: 30, format };
        assert_eq!(choose(&modes, &wanted(1280, 720, None)), Some(&modes[2]));
        assert_eq!(choose(&modes, &wanted(1280, 720, Some(PixelFormat::Yuyv))), Some(&modes[0]));
        assert_eq!(choose(&modes, &wanted(1600, 900, None)), Some(&modes[2]));
        assert_eq!(choose(&modes[4..], &wanted(1280, 720, None)), None);
    }

    #[test]
    fn a_camera_that_sends_far_too_many_frames_is_thinned_out_and_one_that_is_a_little_fast_is_not() {
        let begun = Instant::now();
        let passed = |wanted, sent: u32| {
            let mut pace = Pace::new(wanted);
            // Every other frame is late by 3 ms.
            let times =
                (0..10 * sent).map(|at| Duration::from_secs(1) / sent * at + Duration::from_millis(3) * (at % 2));
            times.filter(|time| pace.lets_through(begun + *time)).count() as u32 / 10
        };
        for (wanted, sent) in [(30, 30), (25, 25), (30, 31), (30, 25), (5, 5)] {
            assert_eq!(passed(wanted, sent), sent, "{wanted} wanted");
        }
        assert!((30..=37).contains(&passed(30, 60)), "{}", passed(30, 60));
        assert!((5..=7).contains(&passed(5, 50)), "{}", passed(5, 50));
    }

    #[test]
    fn what_is_no_camera_says_so() {
        let wanted = Wanted { width: 1280, height: 720, fps: 30, format: None };
        for (path, word) in [("/dev/does-not-exist", "plugged in"), ("/dev/null", "not a camera")] {
            let problem = V4l2Source::open(Path::new(path), &wanted, FIRST_FRAME).err().expect("no camera");
            assert!(problem.contains(path) && problem.contains(word), "{problem}");
        }
    }
}
