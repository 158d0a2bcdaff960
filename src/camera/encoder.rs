//! Decoded frames → H.264 units, for cameras that send no coded pictures themselves, on a thread of its own.
//!
//! Neither the camera nor the check-in waits for it: the newest frame wins, at the wanted rate. Times are those at which
//! the frames came. Nothing is encoded while no recording wants it. Key frames are two seconds apart.

use super::decoder::{quiet, text};
use super::frame::{Frame, LatestFrame};
use super::unit::{Format, Tap, Track, Unit, VideoFormat};
use crate::picture::Picture;
use evidence::record::VideoCodec;
use ffmpeg::codec::encoder::video::Encoder as Opened;
use ffmpeg::format::Pixel;
use ffmpeg::software::scaling::{Context as Scaling, Flags};
use ffmpeg::util::color;
use ffmpeg::util::picture::Type;
use ffmpeg_next as ffmpeg;
use mp4_atom::{Avc1, Avcc, Encode, Visual};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Ticks a second.
const CLOCK_RATE: u32 = 90_000;
/// From one key frame to the next.
const KEY_EVERY: Duration = Duration::from_secs(2);
/// A frame that is older is of a camera that has stopped.
const STALE: Duration = Duration::from_secs(2);
/// How often it is looked whether something is wanted.
const PATIENCE: Duration = Duration::from_millis(100);
/// After a failure the next try is made no sooner than this.
const RETRY: Duration = Duration::from_secs(2);
/// What is used when the wanted encoder cannot be opened.
const FALLBACK: &str = "libx264";

/// How pictures are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// An H.264 encoder as libavcodec calls it.
    pub encoder: String,
    /// Pictures a second, at most.
    pub fps: u32,
    /// Kilobits a second, at most.
    pub kilobits: u32,
}

/// A camera's pictures as they are encoded. Stops when dropped.
pub struct EncodedUnits {
    units: Receiver<Unit>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    wanted: AtomicBool,
    failed: AtomicBool,
    stop: AtomicBool,
}

impl EncodedUnits {
    pub(super) fn start(camera: &str, frames: Arc<LatestFrame>, encoding: Encoding) -> EncodedUnits {
        let (tap, shared) = (Tap::default(), Arc::<Shared>::default());
        let units = tap.open();
        let (run, name) = (shared.clone(), camera.to_owned());
        let thread =
            thread::Builder::new().name("encoder".into()).spawn(move || run.run(&name, &frames, &encoding, &tap));
        if let Err(error) = &thread {
            tracing::error!(%error, camera, "no thread could be started to encode its pictures");
            shared.failed.store(true, Ordering::Relaxed);
        }
        EncodedUnits { units, shared, thread: thread.ok() }
    }

    /// Where they come.
    pub fn units(&self) -> &Receiver<Unit> {
        &self.units
    }

    /// Whether pictures are to be encoded now.
    pub fn set_wanted(&self, wanted: bool) {
        self.shared.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Whether there are pictures, but none can be encoded.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Drop for EncodedUnits {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, camera: &str, frames: &LatestFrame, encoding: &Encoding, tap: &Tap) {
        let interval = Duration::from_secs(1) / encoding.fps.max(1);
        // Frames do not come quite evenly: one that is due in a moment is taken now.
        let slack = interval / 3;
        let (mut encoder, mut skipped, mut after, mut due) = (None::<Encoder>, 0, 0, Instant::now());
        while !self.stop.load(Ordering::Relaxed) {
            if !self.wanted.load(Ordering::Relaxed) {
                encoder = None;
                thread::sleep(PATIENCE);
                continue;
            }
            let Some(frame) = frames.wait_newer(after, PATIENCE) else { continue };
            let wait = due.saturating_duration_since(Instant::now() + slack);
            if !wait.is_zero() {
                drop(frame);
                thread::sleep(wait);
                continue; // with what is newest by then, be it this one
            }
            after = frame.number;
            due = (due + interval).max(frame.captured);
            if frame.captured.elapsed() > STALE {
                continue;
            }
            if encoder.as_ref().is_none_or(|open| !open.takes(&frame)) {
                encoder = None;
            }
            let encoded = match &mut encoder {
                Some(open) => open.encode(&frame),
                closed => Encoder::open(encoding, &frame).and_then(|open| closed.insert(open).encode(&frame)),
            };
            match encoded {
                Ok(units) => {
                    self.failed.store(false, Ordering::Relaxed);
                    for mut unit in units {
                        unit.skipped = mem::take(&mut skipped);
                        tap.put(unit);
                    }
                }
                Err(error) => {
                    self.fail(camera, &error);
                    skipped += 1;
                    encoder = None;
                    thread::sleep(RETRY);
                }
            }
        }
    }

    fn fail(&self, camera: &str, error: &str) {
        self.failed.store(true, Ordering::Relaxed);
        tracing::error!(error, camera, "its pictures cannot be encoded; trying again");
    }
}

struct Encoder {
    opened: Opened,
    scaling: Scaling,
    rgb: ffmpeg::frame::Video,
    yuv: ffmpeg::frame::Video,
    /// Size of the frames that it takes, px.
    picture: (u32, u32),
    connection: u64,
    format: Option<Arc<Format>>,
    began: Instant,
    last_time: i64,
    last_key: Option<Instant>,
}

impl Encoder {
    fn open(encoding: &Encoding, first: &Frame) -> Result<Encoder, String> {
        quiet();
        let Picture { width, height, .. } = first.picture;
        // Colours stand for two by two pixels.
        let size = (width & !1, height & !1);
        let (name, formats) = (encoding.encoder.as_str(), [Pixel::YUV420P, Pixel::NV12]);
        let mut tries = formats.iter().map(|format| (name, *format)).chain([(FALLBACK, Pixel::YUV420P)]);
        let mut problem = String::new();
        let (opened, format) = loop {
            let Some((name, format)) = tries.next() else { return Err(problem) };
            match open(name, format, size, encoding) {
                Ok(opened) => break (opened, format),
                Err(error) => problem = format!("{name}: {error}"),
            }
            tracing::warn!(problem, "an encoder cannot be opened; trying the next");
        };
        let scaling = Scaling::get(Pixel::RGB24, width, height, format, size.0, size.1, Flags::BILINEAR);
        Ok(Encoder {
            opened,
            scaling: scaling.map_err(text)?,
            rgb: ffmpeg::frame::Video::new(Pixel::RGB24, width, height),
            yuv: ffmpeg::frame::Video::new(format, size.0, size.1),
            picture: (width, height),
            connection: first.connection,
            format: None,
            began: first.captured,
            last_time: -1,
            last_key: None,
        })
    }

    /// Whether this frame goes on where the last one ended.
    fn takes(&self, frame: &Frame) -> bool {
        (self.connection, self.picture) == (frame.connection, (frame.picture.width, frame.picture.height))
    }

    fn encode(&mut self, frame: &Frame) -> Result<Vec<Unit>, String> {
        let row = self.picture.0 as usize * 3;
        let stride = self.rgb.stride(0);
        for (to, from) in self.rgb.data_mut(0).chunks_mut(stride).zip(frame.picture.rgb.chunks_exact(row)) {
            to[..row].copy_from_slice(from);
        }
        self.scaling.run(&self.rgb, &mut self.yuv).map_err(text)?;
        let since = frame.captured.saturating_duration_since(self.began);
        let time = (since.as_secs_f64() * f64::from(CLOCK_RATE)) as i64;
        self.last_time = time.max(self.last_time + 1);
        let is_key = self.last_key.is_none_or(|last| frame.captured.saturating_duration_since(last) >= KEY_EVERY);
        if is_key {
            self.last_key = Some(frame.captured);
        }
        self.yuv.set_pts(Some(self.last_time));
        self.yuv.set_kind(if is_key { Type::I } else { Type::None });
        self.yuv.set_color_range(color::Range::MPEG);
        self.yuv.set_color_space(color::Space::SMPTE170M);
        self.opened.send_frame(&self.yuv).map_err(text)?;
        let mut units = Vec::new();
        let mut packet = ffmpeg::Packet::empty();
        // An error is EAGAIN: it wants the next frame first.
        while self.opened.receive_packet(&mut packet).is_ok() {
            let time = packet.pts().unwrap_or(self.last_time);
            units.extend(packet.data().and_then(|bytes| self.unit(bytes, time)));
        }
        Ok(units)
    }

    /// What the encoder gave (Annex B) as a unit. `None` before the first parameter sets.
    fn unit(&mut self, bytes: &[u8], time: i64) -> Option<Unit> {
        let (mut data, mut is_key, mut sets) = (Vec::with_capacity(bytes.len() + 8), false, [None, None]);
        for unit in annex_b_units(bytes) {
            match unit.first()? & 0x1f {
                7 => sets[0] = Some(unit),
                8 => sets[1] = Some(unit),
                9 => {} // access unit delimiter
                kind => {
                    is_key |= kind == 5;
                    data.extend_from_slice(&u32::try_from(unit.len()).ok()?.to_be_bytes());
                    data.extend_from_slice(unit);
                }
            }
        }
        if let [Some(sps), Some(pps)] = sets {
            let format = Format { video: self.video_format(sps, pps)?, audio: None };
            if self.format.as_deref() != Some(&format) {
                self.format = Some(Arc::new(format));
            }
        }
        let since = Duration::from_secs_f64(time.max(0) as f64 / f64::from(CLOCK_RATE));
        Some(Unit {
            format: self.format.clone()?,
            connection: self.connection,
            track: Track::Video,
            is_key,
            time,
            data,
            lost: 0,
            skipped: 0,
            arrived: self.began + since,
        })
    }

    fn video_format(&self, sps: &[u8], pps: &[u8]) -> Option<VideoFormat> {
        let (width, height) = (self.yuv.width(), self.yuv.height());
        let visual = Visual {
            data_reference_index: 1,
            width: u16::try_from(width).ok()?,
            height: u16::try_from(height).ok()?,
            ..Visual::default()
        };
        let avcc = Avcc::new(sps, pps).ok()?;
        let (btrt, colr, pasp, taic, fiel, spatial) = (None, None, None, None, None, None);
        let mut sample_entry = Vec::new();
        Avc1 { visual, avcc, btrt, colr, pasp, taic, fiel, spatial }.encode(&mut sample_entry).ok()?;
        Some(VideoFormat { codec: VideoCodec::H264, width, height, clock_rate: CLOCK_RATE, sample_entry })
    }
}

fn open(name: &str, format: Pixel, size: (u32, u32), encoding: &Encoding) -> Result<Opened, String> {
    let codec = ffmpeg::codec::encoder::find_by_name(name).ok_or("libavcodec does not have it")?;
    let mut video = ffmpeg::codec::Context::new_with_codec(codec).encoder().video().map_err(text)?;
    video.set_width(size.0);
    video.set_height(size.1);
    video.set_format(format);
    video.set_time_base((1, CLOCK_RATE as i32));
    video.set_frame_rate(Some((encoding.fps.max(1) as i32, 1)));
    // Key frames are asked for by time; this bounds what an encoder does that does not take that.
    video.set_gop(encoding.fps.max(1) * KEY_EVERY.as_secs() as u32 * 2);
    video.set_max_b_frames(0);
    video.set_color_range(color::Range::MPEG);
    video.set_colorspace(color::Space::SMPTE170M);
    let most = encoding.kilobits as usize * 1000;
    let mut options = ffmpeg::Dictionary::new();
    if name == "libx264" {
        let peak = (most * 2).to_string();
        let most = most.to_string();
        for (key, value) in [
            ("preset", "superfast"),
            ("tune", "zerolatency"),
            ("crf", "24"),
            ("maxrate", most.as_str()),
            ("bufsize", peak.as_str()),
            ("threads", "1"),
            ("forced-idr", "1"),
        ] {
            options.set(key, value);
        }
    } else {
        video.set_bit_rate(most);
    }
    video.open_with(options).map_err(text)
}

/// NAL units between start codes (H.264 Annex B).
fn annex_b_units(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        bytes.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| {
        let unit = &bytes[start + 3..end];
        let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &unit[..length]
    });
    units.filter(|unit| !unit.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nal_units_are_what_stands_between_start_codes() {
        let bytes = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0, 0, 3, 1];
        assert_eq!(annex_b_units(&bytes), [&[0x67, 1][..], &[0x68, 2], &[0x65, 0, 0, 3, 1]]);
        assert!(annex_b_units(&[]).is_empty() && annex_b_units(&[0, 0, 1]).is_empty());
    }

    fn frame(number: u64, connection: u64) -> Arc<Frame> {
        let captured = Instant::now();
        let picture = Picture::black(321, 241);
        Arc::new(Frame { picture, number, connection, captured, wall: jiff::Timestamp::now() })
    }

    #[test]
    fn an_encoder_that_cannot_be_opened_is_replaced() {
        let frame = frame(1, 1);
        let encoding = Encoding { encoder: "h264_nothing".into(), fps: 10, kilobits: 500 };
        let mut encoder = Encoder::open(&encoding, &frame).expect("libx264 is there");
        let units = encoder.encode(&frame).expect("encodes");
        assert!(units.len() == 1 && units[0].is_key, "no delay");
        assert_eq!((units[0].format.video.width, units[0].format.video.height), (320, 240));
    }

    #[test]
    fn a_frame_that_is_early_and_the_last_one_is_encoded_when_it_is_due() {
        let frames = Arc::<LatestFrame>::default();
        frames.put(frame(1, 1));
        std::thread::sleep(Duration::from_millis(20));
        let encoding = Encoding { encoder: FALLBACK.into(), fps: 100, kilobits: 500 };
        let encoded = EncodedUnits::start("door", frames.clone(), encoding);
        encoded.set_wanted(true);
        encoded.units().recv_timeout(Duration::from_secs(10)).expect("a unit");
    }

    #[test]
    fn a_camera_that_was_away_for_a_moment_begins_anew() {
        let frames = Arc::<LatestFrame>::default();
        let encoding = Encoding { encoder: FALLBACK.into(), fps: 1000, kilobits: 500 };
        let encoded = EncodedUnits::start("door", frames.clone(), encoding);
        encoded.set_wanted(true);
        let mut numbers = 1..;
        // On a busy machine a frame may be too old before it is looked at: the next one is not.
        let mut unit = |connection| {
            let tries = numbers.by_ref().take(6).find_map(|number| {
                frames.put(frame(number, connection));
                encoded.units().recv_timeout(Duration::from_secs(10)).ok()
            });
            tries.expect("a unit")
        };
        let units = [unit(1), unit(1), unit(2), unit(2)];
        assert_eq!(
            units.each_ref().map(|unit| (unit.connection, unit.is_key)),
            [(1, true), (1, false), (2, true), (2, false)]
        );
        assert!(units.iter().all(|unit| unit.skipped == 0));
    }
}
