//! A network camera: RTSP by `retina`, H.264 and H.265, over TCP or UDP.
//!
//! Its access units go to the recorder as they came. After a lost packet nothing is shown until the next key frame: a
//! face that a decoder has guessed at is no evidence. Of several frames that wait, only the newest is converted. The URL's credentials appear nowhere.
//! Says goodbye to the server: cameras that are not told keep a session, of which they have few.

use super::decoder::Decoder;
use super::flac::{self, Law};
use super::lip_sync::LipSync;
use super::timeline::Timeline;
use super::unit::{AudioFormat, Format, Tap, Track, Unit, VideoFormat};
use super::{Decode, Failure, News, Read, Source};
use crate::config::RtspTransport;
use crate::picture::Picture;
use evidence::record::VideoCodec;
use ffmpeg_next::codec::Id;
use futures_util::{FutureExt, StreamExt};
use retina::client::{
    Credentials, Demuxed, InitialTimestampPolicy, PlayOptions, Session, SessionGroup, SessionOptions, SetupOptions,
    Transport,
};
use retina::codec::{
    AudioFrame, CodecItem, FrameFormat, ParametersRef, VideoFrame, VideoParameters, VideoParametersCodec,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use url::Url;

/// How long a server may take to describe and start its stream.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long saying goodbye to a server may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the host of a camera that sends nothing may take to answer. It need not take the connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a connection that is being made looks whether it is still wanted.
const STOP_CHECK: Duration = Duration::from_millis(100);
/// Where a URL has none.
const RTSP_PORT: u16 = 554;
/// The network does not lead there.
const UNREACHABLE: [i32; 4] = [libc::ENETUNREACH, libc::ETIMEDOUT, libc::EHOSTDOWN, libc::EHOSTUNREACH];
/// Frames that wait are taken at once, up to this many.
const MAX_BACKLOG: usize = 100;

/// What a source is given when it is opened.
pub(super) struct Wanted<'a> {
    pub(super) url: &'a Url,
    pub(super) transport: RtspTransport,
    pub(super) decode: Decode,
    /// Without a frame for this long it is asked whether the host is there at all.
    pub(super) stall: Duration,
    /// Without a frame for this long the connection is made anew.
    pub(super) give_up: Duration,
    /// How many connections were made before.
    pub(super) connection: u64,
    pub(super) tap: Arc<Tap>,
}

pub(super) struct RtspSource {
    /// Owns the connection's sockets and timers; outlives the session.
    runtime: Runtime,
    session: Option<Demuxed>,
    /// Knows the sessions that the server has not been told the end of.
    group: Arc<SessionGroup>,
    streams: Streams,
    lip_sync: LipSync,
    connection: u64,
    tap: Arc<Tap>,
    decode: Decode,
    decoder: Decoder,
    is_h265: bool,
    format: Option<Arc<Format>>,
    timeline: Timeline,
    /// VPS, SPS and PPS in Annex B form.
    parameter_sets: Vec<u8>,
    /// One access unit in Annex B form; its buffer is used again.
    annex_b: Vec<u8>,
    /// Nothing is decoded before a key frame.
    in_sync: bool,
    last_frame: Instant,
    stall: Duration,
    give_up: Duration,
    /// Host and port.
    address: (String, u16),
    /// Whether the host answers: asked once while nothing comes.
    is_reached: Option<Arc<OnceLock<bool>>>,
    news: News,
}

/// The streams of a session that are used.
struct Streams {
    video: usize,
    audio: Option<(usize, Coding)>,
}

/// How sound comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// Kept as it comes.
    Aac,
    /// Kept without loss, as FLAC.
    G711(Law),
}

impl RtspSource {
    /// Connects; gives up when `stop` is set.
    pub(super) fn open(wanted: Wanted<'_>, stop: &AtomicBool) -> Result<RtspSource, Failure> {
        let group = Arc::new(SessionGroup::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no network runtime: {error}"))?;
        let (session, streams, codec) = runtime.block_on(async {
            let connecting = connect(wanted.url, wanted.transport, group.clone());
            let in_time = async {
                match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
                    Ok(connected) => connected,
                    Err(_) => {
                        let text = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
                        let is_unreachable = !answers(address(wanted.url)).await;
                        Err(Failure { is_unreachable, ..Failure::from(text) })
                    }
                }
            };
            tokio::select! {
                connected = in_time => connected,
                () = until_set(stop) => Err("stopped".into()),
            }
        })?;
        Ok(RtspSource {
            runtime,
            session: Some(session),
            group,
            streams,
            lip_sync: LipSync::default(),
            connection: wanted.connection,
            tap: wanted.tap,
            decode: wanted.decode,
            decoder: Decoder::of_codec(codec)?,
            is_h265: codec == Id::HEVC,
            format: None,
            timeline: Timeline::default(),
            parameter_sets: Vec::new(),
            annex_b: Vec::new(),
            in_sync: false,
            last_frame: Instant::now(),
            stall: wanted.stall,
            give_up: wanted.give_up,
            address: address(wanted.url),
            is_reached: None,
            news: News::default(),
        })
    }

    /// No frame this time; an error when there has been none for too long, whatever else arrives.
    fn nothing(&mut self) -> Result<Read, Failure> {
        let waited = self.last_frame.elapsed();
        if waited <= self.stall {
            self.is_reached = None;
            return Ok(Read::Nothing);
        }
        let is_reached = self.is_reached.get_or_insert_with(|| {
            let answer = Arc::new(OnceLock::new());
            let (told, address) = (answer.clone(), self.address.clone());
            self.runtime.spawn(async move { told.set(answers(address).await) });
            answer
        });
        self.news.is_reached = is_reached.get().copied();
        if waited > self.give_up && self.news.is_reached.is_some() {
            return Err(Failure::stall(format!("connected, but no frame for {:.0} s", waited.as_secs_f64())));
        }
        Ok(Read::Nothing)
    }

    /// Takes one coded picture: hands it on to the recorder, and decodes it; tells whether a whole frame came out.
    fn take_video(&mut self, frame: VideoFrame) -> bool {
        self.news.lost += u64::from(frame.loss());
        if self.format.is_none() || frame.has_new_parameters() {
            self.learn_format();
        }
        if self.decode != Decode::All {
            self.news.units += 1;
            self.last_frame = Instant::now();
        }
        let is_key = frame.is_random_access_point() || (self.is_h265 && has_irap(frame.data()));
        self.news.keys += u64::from(is_key);
        let (timestamp, arrived) = (frame.timestamp(), Instant::now());
        let rate = timestamp.clock_rate().get();
        let time = self.timeline.place(Track::Video, is_key, timestamp.elapsed(), rate, arrived);
        self.lip_sync.video(time as f64 / f64::from(rate), arrived);
        let decoded = self.decode(&frame, is_key);
        if let Some(format) = self.format.clone() {
            self.tap.put(Unit {
                format,
                connection: self.connection,
                track: Track::Video,
                is_key,
                time,
                lost: u32::from(frame.loss()),
                skipped: 0,
                data: frame.into_data(),
                arrived,
            });
        }
        decoded
    }

    fn take_audio(&mut self, frame: &AudioFrame) {
        self.news.lost += u64::from(frame.loss());
        let Some((_, coding)) = self.streams.audio else { return };
        let Some(format) = self.format.clone().filter(|format| format.audio.is_some()) else { return };
        let (timestamp, arrived) = (frame.timestamp(), Instant::now());
        let rate = timestamp.clock_rate().get();
        let placed = self.timeline.place(Track::Audio, true, timestamp.elapsed(), rate, arrived);
        let Some(time) = self.lip_sync.audio(placed, rate, arrived) else { return };
        let mut lost = u32::from(frame.loss());
        let mut put = |time: i64, data: Vec<u8>| {
            self.tap.put(Unit {
                format: format.clone(),
                connection: self.connection,
                track: Track::Audio,
                is_key: true,
                time,
                lost: std::mem::take(&mut lost),
                skipped: 0,
                data,
                arrived,
            });
        };
        match coding {
            Coding::Aac => put(time, frame.data().to_vec()),
            Coding::G711(law) => {
                for (at, codes) in frame.data().chunks(flac::MAX_SAMPLES).enumerate() {
                    let time = time + (at * flac::MAX_SAMPLES) as i64;
                    put(time, flac::frame(law, codes, u64::try_from(time).unwrap_or_default()));
                }
            }
        }
    }

    fn learn_format(&mut self) {
        let Some(session) = &self.session else { return };
        let stream = |at: usize| session.streams().get(at);
        let Some(video) = stream(self.streams.video) else { return };
        let Some(ParametersRef::Video(parameters)) = video.parameters() else { return };
        let Some((format, sets)) = video_format(parameters, video.clock_rate_hz()) else { return };
        let audio = self.streams.audio.and_then(|(at, coding)| {
            let audio = stream(at)?;
            match (coding, audio.parameters()) {
                (Coding::G711(_), _) => flac::format(audio.clock_rate_hz()),
                (Coding::Aac, Some(ParametersRef::Audio(parameters))) => Some(AudioFormat {
                    clock_rate: audio.clock_rate_hz(),
                    sample_entry: parameters.mp4_sample_entry().build().ok()?,
                }),
                _ => None,
            }
        });
        self.news.size = Some((format.width, format.height));
        self.parameter_sets = sets;
        let format = Format { video: format, audio };
        if self.format.as_deref() != Some(&format) {
            self.format = Some(Arc::new(format));
        }
    }

    /// Decodes one access unit; tells whether a whole frame came out.
    fn decode(&mut self, frame: &VideoFrame, is_key: bool) -> bool {
        if frame.loss() > 0 {
            tracing::debug!(lost = frame.loss(), "lost packets; waiting for the next key frame");
            self.in_sync = false;
        }
        self.in_sync |= is_key;
        let is_wanted = match self.decode {
            Decode::All => true,
            Decode::KeyFrames => is_key,
            Decode::Nothing => false,
        };
        if !self.in_sync || !is_wanted {
            return false;
        }
        self.annex_b.clear();
        if is_key {
            self.annex_b.extend_from_slice(&self.parameter_sets);
        }
        to_annex_b(frame.data(), &mut self.annex_b);
        // What cannot be decoded is damaged: what follows it refers to it.
        let decoded = self.decoder.send_bytes(&self.annex_b).and_then(|()| {
            let mut any = false;
            while self.decoder.receive()? {
                any = true;
            }
            Ok(any)
        });
        decoded.unwrap_or_else(|_| {
            self.in_sync = false;
            false
        })
    }
}

/// The format, and its parameter sets in Annex B form.
fn video_format(parameters: &VideoParameters, clock_rate: u32) -> Option<(VideoFormat, Vec<u8>)> {
    let (codec, sets) = match parameters.codec_params() {
        VideoParametersCodec::H264 { sps, pps } => (VideoCodec::H264, vec![sps, pps]),
        VideoParametersCodec::H265 { vps, sps, pps } => (VideoCodec::H265, vec![vps, sps, pps]),
        _ => return None,
    };
    let sets = sets.into_iter().flat_map(|set| START_CODE.iter().chain(set.iter()).copied()).collect();
    let (width, height) = parameters.pixel_dimensions();
    let sample_entry = parameters.mp4_sample_entry().build().ok()?;
    Some((VideoFormat { codec, width, height, clock_rate, sample_entry }, sets))
}

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// NAL units after their lengths (big-endian u32), one by one.
fn nal_units(mut units: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = units.split_first_chunk::<4>()?;
        let (unit, rest) = rest.split_at((u32::from_be_bytes(*length) as usize).min(rest.len()));
        units = rest;
        Some(unit)
    })
}

/// NAL units after their lengths → NAL units after start codes.
fn to_annex_b(units: &[u8], out: &mut Vec<u8>) {
    for unit in nal_units(units) {
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(unit);
    }
}

/// Whether decoding can begin at this H.265 picture: `retina` knows IDR pictures only, but many cameras send CRA.
fn has_irap(units: &[u8]) -> bool {
    nal_units(units).filter_map(|unit| unit.first()).any(|header| (16..=21).contains(&((header >> 1) & 0x3f)))
}

impl Drop for RtspSource {
    fn drop(&mut self) {
        // Dropping a session begins its goodbye on the runtime, which ends with this struct: so wait for it.
        let session = self.session.take();
        let group = self.group.clone();
        self.runtime.block_on(async {
            drop(session);
            // A server that does not answer ends the session by itself, in its own time.
            let _ = tokio::time::timeout(GOODBYE_TIMEOUT, group.await_teardown()).await;
        });
    }
}

impl Source for RtspSource {
    fn read(&mut self, picture: &mut Picture, patience: Duration) -> Result<Read, Failure> {
        let Some(session) = &mut self.session else { return Err("the session has ended".into()) };
        let waiting = async { tokio::time::timeout(patience, session.next()).await };
        let mut item = match self.runtime.block_on(waiting) {
            Ok(item) => item,
            Err(_) => return self.nothing(),
        };
        let mut decoded = false;
        for taken in 1.. {
            match item {
                None => return Err("the server has ended the stream".into()),
                Some(Err(error)) => return Err(failure(&error)),
                Some(Ok(CodecItem::VideoFrame(frame))) if frame.stream_id() == self.streams.video => {
                    decoded |= self.take_video(frame);
                }
                Some(Ok(CodecItem::AudioFrame(frame))) => self.take_audio(&frame),
                Some(Ok(_)) => {}
            }
            let Some(session) = &mut self.session else { break };
            // What is fetched is used: nothing may be fetched that the next turn would not see.
            if taken == MAX_BACKLOG {
                break;
            }
            match self.runtime.block_on(async { session.next().now_or_never() }) {
                Some(next) => item = next,
                None => break,
            }
        }
        if !decoded {
            return self.nothing();
        }
        self.last_frame = Instant::now();
        self.decoder.convert(picture)?;
        Ok(Read::Frame)
    }

    fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }
}

/// What went wrong, in one line: `retina` adds the connection and the message's place, which help nobody here.
fn failure(error: &retina::Error) -> Failure {
    let whole = error.to_string();
    let text = whole.lines().next().unwrap_or_default().trim_end().to_owned();
    // Its causes are not told but in words.
    let is_unreachable = UNREACHABLE.iter().any(|errno| whole.contains(&format!("(os error {errno})")));
    Failure { is_unreachable, ..Failure::from(text) }
}

/// Host and port. An IPv6 address stands in brackets in a URL.
fn address(url: &Url) -> (String, u16) {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    (host.to_owned(), url.port().unwrap_or(RTSP_PORT))
}

/// Whether anybody answers there, be it with a refusal.
async fn answers(address: (String, u16)) -> bool {
    let connecting = tokio::net::TcpStream::connect(address);
    match tokio::time::timeout(ANSWER_TIMEOUT, connecting).await {
        Ok(Err(error)) => !UNREACHABLE.iter().any(|errno| error.raw_os_error() == Some(*errno)),
        Ok(Ok(_)) => true,
        Err(_) => false,
    }
}

async fn until_set(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(STOP_CHECK).await;
    }
}

async fn connect(
    url: &Url,
    transport: RtspTransport,
    group: Arc<SessionGroup>,
) -> Result<(Demuxed, Streams, Id), Failure> {
    let failure = |error: retina::Error| failure(&error);
    let mut bare = url.clone();
    // Neither fails for an rtsp URL, which has a host.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    let credentials = (!url.username().is_empty()).then(|| Credentials {
        username: decoded(url.username()),
        password: decoded(url.password().unwrap_or_default()),
    });
    let options = SessionOptions::default().creds(credentials).user_agent("rollcall".into()).session_group(group);
    let mut session = Session::describe(bare, options).await.map_err(failure)?;
    let codec = |name: &str| match name {
        "h264" => Some(Id::H264),
        "h265" => Some(Id::HEVC),
        _ => None,
    };
    let videos: Vec<_> = session.streams().iter().enumerate().filter(|(_, stream)| stream.media() == "video").collect();
    let offered: Vec<&str> = videos.iter().map(|(_, stream)| stream.encoding_name()).collect();
    let found = videos.iter().find_map(|(at, stream)| codec(stream.encoding_name()).map(|codec| (*at, codec)));
    let (stream, codec) = found.ok_or_else(|| match offered.as_slice() {
        [] => "the server offers no video".to_owned(),
        _ => format!("the server offers {}; H.264 or H.265 is needed", offered.join(", ")),
    })?;
    let audio = session.streams().iter().enumerate().find_map(|(at, stream)| {
        let is_mono = stream.channels().is_none_or(|channels| channels.get() == 1);
        let coding = coding(stream.encoding_name(), is_mono).filter(|_| stream.media() == "audio");
        coding.map(|coding| (at, coding))
    });
    let streams = Streams { video: stream, audio };
    for stream in [Some(stream), audio.map(|(at, _)| at)].into_iter().flatten() {
        let transport = match transport {
            RtspTransport::Tcp => Transport::Tcp(Default::default()),
            RtspTransport::Udp => Transport::Udp(Default::default()),
        };
        let options = SetupOptions::default().transport(transport).frame_format(FrameFormat::MP4);
        session.setup(stream, options).await.map_err(failure)?;
    }
    // Not every server says where its streams begin: `LipSync` sees to it then.
    let options = PlayOptions::default().initial_timestamp(InitialTimestampPolicy::Permissive);
    let session = session.play(options).await.map_err(failure)?;
    Ok((session.demuxed().map_err(failure)?, streams, codec))
}

/// How sound of this RTP encoding is kept, if it can be.
fn coding(encoding: &str, is_mono: bool) -> Option<Coding> {
    match encoding {
        "mpeg4-generic" => Some(Coding::Aac),
        "pcmu" if is_mono => Some(Coding::G711(Law::Mu)),
        "pcma" if is_mono => Some(Coding::G711(Law::A)),
        _ => None,
    }
}

/// A URL's user or password without its percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
