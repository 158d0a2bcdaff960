//! `/recordings/media/{seq}.mp4`, `/recordings/download`: recordings as files, for staff who have identified themselves.
//!
//! Paths come from the database, never from an address. What is served is journalled: see `access`.

use super::access::{journal_viewing, serve, viewer};
use super::{App, blocking, error, internal};
use crate::class::Span;
use crate::recording::clip::{self, ClipError, Piece};
use crate::store::SegmentRow;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE,
    RANGE,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use evidence::record::ViewingKind;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Bytes that are read and sent at once.
const CHUNK: usize = 256 << 10;
/// Chunks that wait for a slow reader.
const WAITING: usize = 4;
/// Longest span that can be taken at once.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/recordings/media/{file}", get(segment)).route("/recordings/download", get(download))
}

fn gone() -> Response {
    error(StatusCode::NOT_FOUND, "no_segment", "there is no such segment, or its file is no longer on this appliance")
}

/// One segment, or a range of its bytes.
async fn segment(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let viewer = viewer(&app, &headers)?;
    let seq: u64 = file.strip_suffix(".mp4").and_then(|seq| seq.parse().ok()).ok_or_else(gone)?;
    let (row, file) = blocking(move || {
        let reader = app.journal.store().read().map_err(|problem| internal(&problem))?;
        let found = reader.segments_from(seq, 1).map_err(|problem| internal(&problem))?;
        let row = found.into_iter().find(|row| row.seq == seq).ok_or_else(gone)?;
        let file = File::open(app.config.recordings().join(&row.path)).map_err(|_| gone())?;
        let length = file.metadata().map_err(|problem| internal(&problem))?.len();
        if length != row.bytes {
            let message = "the file is not the one that was recorded; `rollcall check` says more";
            return Err(error(StatusCode::CONFLICT, "altered", message));
        }
        serve(&app, &viewer, &row, reader)?;
        Ok((row, file))
    })
    .await?;
    answer(&row, file, &headers)
}

fn answer(row: &SegmentRow, mut file: File, headers: &HeaderMap) -> Result<Response, Response> {
    let tag = format!("\"{}\"", row.sha256);
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A range of another version of the file is not what is asked for.
    let is_same = text(IF_RANGE).is_none_or(|wanted| wanted == tag);
    let range = text(RANGE).filter(|_| is_same).map_or(Wanted::All, |range| wanted(range, row.bytes));
    let common = [
        (CONTENT_TYPE, "video/mp4".to_owned()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (ETAG, tag),
        (CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    let (status, first, length) = match range {
        Wanted::All => (StatusCode::OK, 0, row.bytes),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::None => {
            let range = [(CONTENT_RANGE, format!("bytes */{}", row.bytes))];
            let message = "the file has no such bytes";
            return Ok((range, error(StatusCode::RANGE_NOT_SATISFIABLE, "range", message)).into_response());
        }
    };
    file.seek(SeekFrom::Start(first)).map_err(|problem| internal(&problem))?;
    let body = streamed(move |out| {
        let copied = io::copy(&mut file.take(length), out)?;
        if copied < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    });
    let mut response = (status, common, [(CONTENT_LENGTH, length.to_string())], body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{}", first + length - 1, row.bytes);
        response.headers_mut().extend(range.parse().map(|range| (CONTENT_RANGE, range)));
    }
    Ok(response)
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// The first and the last byte.
    Part(u64, u64),
    None,
}

/// RFC 9110, section 14: one range of bytes. Several, or another unit, are answered with the whole file.
fn wanted(header: &str, length: u64) -> Wanted {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Wanted::All;
    };
    let end = length.saturating_sub(1);
    let number = |text: &str| text.parse::<u64>().ok();
    let part = match (first, last) {
        ("", last) => number(last).map(|suffix| (length.saturating_sub(suffix), if suffix == 0 { 0 } else { end })),
        (first, "") => number(first).map(|first| (first, end)),
        (first, last) => number(first).zip(number(last)).filter(|(first, last)| first <= last),
    };
    match part {
        None => Wanted::All,
        Some((_, 0)) if first.is_empty() => Wanted::None,
        Some((first, _)) if first >= length => Wanted::None,
        Some((first, last)) => Wanted::Part(first, last.min(end)),
    }
}

/// A body that `work` writes on a thread of its own, as fast as it is read. One that fails is cut off.
fn streamed(work: impl FnOnce(&mut Sender) -> io::Result<()> + Send + 'static) -> Body {
    let (chunks, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut sender = Sender { chunks, buffer: Vec::with_capacity(CHUNK) };
        if let Err(problem) = work(&mut sender).and_then(|()| sender.flush())
            && problem.kind() != io::ErrorKind::BrokenPipe
        {
            tracing::warn!(%problem, "a recording could not be sent to its end");
            // The reader must not take a part for the whole.
            let _ = sender.chunks.blocking_send(Err(problem));
        }
    });
    Body::from_stream(futures_util::stream::unfold(receiver, async |mut receiver: mpsc::Receiver<_>| {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    }))
}

struct Sender {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK);
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.chunks.blocking_send(Ok(chunk.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    camera: String,
    /// ms since the Unix epoch
    from: i64,
    /// likewise
    until: i64,
}

impl Asked {
    fn span(&self) -> Option<Span> {
        let (from, until) =
            (Timestamp::from_millisecond(self.from).ok()?, Timestamp::from_millisecond(self.until).ok()?);
        (from < until && until.duration_since(from) <= LONGEST).then_some(Span { from, until })
    }
}

/// The segments of a span as one file.
async fn download(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let viewer = viewer(&app, &headers)?;
    let bad = || error(StatusCode::BAD_REQUEST, "span", "ask for a span of at most 24 hours, from before until");
    let wanted = asked.span().ok_or_else(bad)?;
    blocking(move || {
        let reader = app.journal.store().read().map_err(|problem| internal(&problem))?;
        let rows = reader.segments(&asked.camera, wanted.from, wanted.until).map_err(|problem| internal(&problem))?;
        drop(reader);
        let root = app.config.recordings();
        let piece = |row: &SegmentRow| {
            let span = Span { from: row.start, until: row.end };
            Piece { path: root.join(&row.path), span, bytes: row.bytes }
        };
        let pieces: Vec<Piece> = rows.iter().map(piece).filter(|piece| piece.path.exists()).collect();
        if pieces.is_empty() {
            let message = "nothing of this span is recorded by this camera, or it is no longer on this appliance";
            return Err(error(StatusCode::NOT_FOUND, "nothing_recorded", message));
        }
        let is_one = clip::is_one_format(&pieces).map_err(|problem| internal(&problem))?;
        // Before the first byte leaves.
        journal_viewing(&app.journal, &viewer, &asked.camera, wanted, ViewingKind::Downloaded)?;
        let zone = app.journal.zone();
        let local = |time: Timestamp, format: &str| time.to_zoned_datetime(zone.clone()).strftime(format).to_string();
        let (content_type, ending) = if is_one { ("video/mp4", "mp4") } else { ("application/x-tar", "tar") };
        let name = format!(
            "{}_{}_{}.{ending}",
            asked.camera.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_', ""),
            local(wanted.from, "%Y-%m-%dT%H%M%S"),
            local(wanted.until, "%H%M%S")
        );
        let body = streamed(move |out| {
            let written = if is_one { clip::write_mp4(&pieces, wanted, out) } else { clip::write_tar(&pieces, out) };
            written.map_err(|problem| match problem {
                ClipError::Write(source) => source,
                other => io::Error::other(other.to_string()),
            })
        });
        let headers = [
            (CONTENT_TYPE, content_type.to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            (CACHE_CONTROL, "private, no-store".to_owned()),
        ];
        Ok((headers, body).into_response())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn a_range_is_read_as_rfc_9110_has_it() {
        for (header, is) in [
            ("bytes=0-99", Wanted::Part(0, 99)),
            ("bytes=100-", Wanted::Part(100, 999)),
            ("bytes=-200", Wanted::Part(800, 999)),
            ("bytes=-5000", Wanted::Part(0, 999)),
            ("bytes=900-5000", Wanted::Part(900, 999)),
            ("bytes=0-0", Wanted::Part(0, 0)),
            ("bytes=1000-", Wanted::None),
            ("bytes=-0", Wanted::None),
            ("bytes=5-2", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("bytes=x-", Wanted::All),
        ] {
            assert_eq!(wanted(header, 1000), is, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::None);
    }
}
