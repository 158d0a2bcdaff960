//! A network camera: RTSP by `retina`, H.264 and H.265, over TCP or UDP.
//!
//! After a lost packet nothing is shown until the next key frame: a face that a decoder has guessed at is no
//! evidence. Of several frames that wait, only the newest is converted. The URL's credentials appear nowhere.
//! Says goodbye to the server: cameras that are not told keep a session, of which they have few.

use super::decoder::Decoder;
use super::{Read, Source};
use crate::config::RtspTransport;
use crate::picture::Picture;
use ffmpeg_next::codec::Id;
use futures_util::{FutureExt, StreamExt};
use retina::client::{
    Credentials, Demuxed, PlayOptions, Session, SessionGroup, SessionOptions, SetupOptions, Transport,
};
use retina::codec::{CodecItem, FrameFormat, VideoFrame};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use url::Url;

/// How long a server may take to describe and start its stream.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long saying goodbye to a server may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a connection that is being made looks whether it is still wanted.
const STOP_CHECK: Duration = Duration::from_millis(100);
/// Frames that wait are taken at once, up to this many.
const MAX_BACKLOG: usize = 100;

pub(super) struct RtspSource {
    /// Owns the connection's sockets and timers; outlives the session.
    runtime: Runtime,
    session: Option<Demuxed>,
    /// Knows the sessions that the server has not been told the end of.
    group: Arc<SessionGroup>,
    stream: usize,
    decoder: Decoder,
    /// Nothing is decoded before a key frame.
    in_sync: bool,
    last_frame: Instant,
    /// Without a frame for this long the connection is made anew.
    give_up: Duration,
    lost: u64,
}

impl RtspSource {
    /// Connects; gives up when `stop` is set.
    pub(super) fn open(
        url: &Url,
        transport: RtspTransport,
        give_up: Duration,
        stop: &AtomicBool,
    ) -> Result<RtspSource, String> {
        let group = Arc::new(SessionGroup::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no network runtime: {error}"))?;
        let (session, stream, codec) = runtime.block_on(async {
            tokio::select! {
                connected = tokio::time::timeout(CONNECT_TIMEOUT, connect(url, transport, group.clone())) => connected
                    .unwrap_or_else(|_| Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
                () = until_set(stop) => Err("stopped".into()),
            }
        })?;
        let decoder = Decoder::of_codec(codec)?;
        Ok(RtspSource {
            runtime,
            session: Some(session),
            group,
            stream,
            decoder,
            in_sync: false,
            last_frame: Instant::now(),
            give_up,
            lost: 0,
        })
    }

    /// No frame this time; an error when there has been none for too long, whatever else arrives.
    fn nothing(&self) -> Result<Read, String> {
        let waited = self.last_frame.elapsed();
        if waited > self.give_up {
            return Err(format!("connected, but no frame for {:.0} s", waited.as_secs_f64()));
        }
        Ok(Read::Nothing)
    }

    /// Decodes one access unit; tells whether a whole frame came out.
    fn decode(&mut self, frame: &VideoFrame) -> bool {
        if frame.loss() > 0 {
            tracing::debug!(lost = frame.loss(), "lost packets; waiting for the next key frame");
            self.lost += u64::from(frame.loss());
            self.in_sync = false;
        }
        self.in_sync |= frame.is_random_access_point();
        if !self.in_sync {
            return false;
        }
        // What cannot be decoded is damaged: what follows it refers to it.
        let decoded = self.decoder.send_bytes(frame.data()).and_then(|()| {
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
    fn read(&mut self, picture: &mut Picture, patience: Duration) -> Result<Read, String> {
        let Some(session) = &mut self.session else { return Err("the session has ended".into()) };
        let waiting = async { tokio::time::timeout(patience, session.next()).await };
        let mut item = match self.runtime.block_on(waiting) {
            Ok(item) => item,
            Err(_) => return self.nothing(),
        };
        let mut decoded = false;
        for _ in 0..MAX_BACKLOG {
            match item {
                None => return Err("the server has ended the stream".into()),
                Some(Err(error)) => return Err(text(&error)),
                Some(Ok(CodecItem::VideoFrame(frame))) if frame.stream_id() == self.stream => {
                    decoded |= self.decode(&frame);
                }
                Some(Ok(_)) => {}
            }
            let Some(session) = &mut self.session else { break };
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

    fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// What went wrong, in one line: `retina` adds the connection and the message's place, which help nobody here.
fn text(error: &retina::Error) -> String {
    let whole = error.to_string();
    whole.lines().next().unwrap_or_default().trim_end().to_owned()
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
) -> Result<(Demuxed, usize, Id), String> {
    let text = |error: retina::Error| text(&error);
    let mut bare = url.clone();
    // Neither fails for an rtsp URL, which has a host.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    let credentials = (!url.username().is_empty()).then(|| Credentials {
        username: decoded(url.username()),
        password: decoded(url.password().unwrap_or_default()),
    });
    let options = SessionOptions::default().creds(credentials).user_agent("rollcall".into()).session_group(group);
    let mut session = Session::describe(bare, options).await.map_err(text)?;
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
    let transport = match transport {
        RtspTransport::Tcp => Transport::Tcp(Default::default()),
        RtspTransport::Udp => Transport::Udp(Default::default()),
    };
    let options = SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE);
    session.setup(stream, options).await.map_err(text)?;
    let session = session.play(PlayOptions::default()).await.map_err(text)?;
    Ok((session.demuxed().map_err(text)?, stream, codec))
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
