//! How bodies are taken in from people whom nobody knows yet: in bounded time, and bounded memory for all of them
//! together. What is refused is read to its end all the same, up to a limit, or the sender would not see why.

use crate::server::error;
use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_ENCODING, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest body, compressed or not.
pub(crate) const MAX_BODY: usize = 32 << 20;
/// A body that is too long is read up to this many times its limit, to answer it.
const PATIENCE: usize = 4;
/// A zstd frame asks for as much memory as 2 to this power; enough for [`MAX_BODY`] in one window.
const MAX_WINDOW_LOG: u32 = 25;

/// What the server allows its clients.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For a request's head, from the connection or the request before.
    pub head: Duration,
    /// For a request's body.
    pub body: Duration,
    /// For all bodies that are being received, bytes.
    pub memory: usize,
    /// Bodies that are unpacked and verified at a time.
    pub workers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Limits {
            head: Duration::from_secs(30),
            body: Duration::from_secs(60),
            memory: 256 << 20,
            workers: cores.clamp(2, 8),
        }
    }
}

/// Takes bodies in, within [`Limits`].
pub(crate) struct Intake {
    time: Duration,
    /// Permits are KiB.
    memory: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

/// A body, and its share of the memory.
#[derive(Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    memory: Option<OwnedSemaphorePermit>,
}

impl Intake {
    pub fn new(limits: &Limits) -> Intake {
        let memory = (limits.memory / 1024).min(Semaphore::MAX_PERMITS);
        Intake {
            time: limits.body,
            memory: Arc::new(Semaphore::new(memory)),
            workers: Arc::new(Semaphore::new(limits.workers.max(1))),
        }
    }

    /// Receives a body of `most` bytes at most.
    pub async fn read(&self, body: Body, most: usize) -> Result<Held, Response> {
        match tokio::time::timeout(self.time, self.receive(body, most)).await {
            Ok(held) => held,
            Err(_) => Err(error(StatusCode::REQUEST_TIMEOUT, "the body took too long", Value::Null)),
        }
    }

    /// Receives a body of which nothing is needed.
    pub async fn discard(&self, body: Body) {
        // The answer is decided already, whatever becomes of the body.
        let _ = self.read(body, 0).await;
    }

    /// Waits until a body may be unpacked and verified; it may until the permit is dropped.
    pub async fn worker(&self) -> Result<OwnedSemaphorePermit, Response> {
        self.workers.clone().acquire_owned().await.map_err(|_| busy())
    }

    async fn receive(&self, mut body: Body, most: usize) -> Result<Held, Response> {
        let mut held = Held::default();
        let mut total = 0;
        let mut refusal = None;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let broken = |problem| format!("the body broke off: {problem}");
            let frame = frame.map_err(|problem| error(StatusCode::BAD_REQUEST, &broken(problem), Value::Null))?;
            let Ok(data) = frame.into_data() else { continue };
            total += data.len();
            if total > most.max(MAX_BODY) * PATIENCE {
                break;
            }
            if total > most {
                (held, refusal) = (Held::default(), Some(too_long(most)));
            } else if refusal.is_none() && !held.take(&data, &self.memory) {
                (held, refusal) = (Held::default(), Some(busy()));
            }
        }
        refusal.map_or(Ok(held), Err)
    }
}

impl Held {
    /// Adds `data`, if there is memory for it.
    fn take(&mut self, data: &[u8], memory: &Arc<Semaphore>) -> bool {
        let permits = u32::try_from(data.len().div_ceil(1024)).ok();
        let Some(permit) = permits.and_then(|permits| memory.clone().try_acquire_many_owned(permits).ok()) else {
            return false;
        };
        match &mut self.memory {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        self.bytes.extend_from_slice(data);
        true
    }

    /// Reads the JSON in it, which may be compressed with zstd; never more than [`MAX_BODY`] is unpacked.
    pub fn json<T: serde::de::DeserializeOwned>(&self, encoding: Option<&str>) -> Result<T, Response> {
        let bad = |message: String| error(StatusCode::BAD_REQUEST, &message, Value::Null);
        let mut unpacked = Vec::new();
        let json = match encoding {
            None => &self.bytes,
            Some(word) if word.eq_ignore_ascii_case("identity") => &self.bytes,
            Some(word) if word.eq_ignore_ascii_case("zstd") => {
                let not_zstd = |problem: std::io::Error| bad(format!("the body is not zstd: {problem}"));
                let mut decoder = zstd::stream::read::Decoder::with_buffer(&self.bytes[..]).map_err(not_zstd)?;
                decoder.window_log_max(MAX_WINDOW_LOG).map_err(not_zstd)?;
                decoder.take(MAX_BODY as u64 + 1).read_to_end(&mut unpacked).map_err(not_zstd)?;
                &unpacked
            }
            Some(other) => {
                let message = format!("Content-Encoding {other:?} is not known; send zstd, or none");
                return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message, Value::Null));
            }
        };
        if json.len() > MAX_BODY {
            return Err(too_long(MAX_BODY));
        }
        serde_json::from_slice(json).map_err(|problem| bad(format!("the body is not what it should be: {problem}")))
    }
}

/// What a request says its body is packed with.
pub(crate) fn encoding(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn too_long(most: usize) -> Response {
    let message = format!("the body is longer than {most} bytes; send less at a time");
    error(StatusCode::PAYLOAD_TOO_LARGE, &message, Value::Null)
}

fn busy() -> Response {
    let answer =
        error(StatusCode::SERVICE_UNAVAILABLE, "too much is being sent at a time; try again later", Value::Null);
    ([(RETRY_AFTER, "30")], answer).into_response()
}
