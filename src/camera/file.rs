//! A video file played like a camera, for tests, demonstrations and commissioning.

use super::decoder::{Decoder, quiet, text};
use super::{Failure, Read, Source};
use crate::config::FilePace;
use crate::picture::Picture;
use ffmpeg_next as ffmpeg;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Frames that cannot be decoded, one after another, before the file is given up.
const MAX_DAMAGED: u32 = 250;

pub(super) struct FileSource {
    path: PathBuf,
    pace: FilePace,
    repeat: bool,
    input: ffmpeg::format::context::Input,
    stream: usize,
    seconds_per_tick: f64,
    decoder: Decoder,
    drained: bool,
    delivered: u64,
    damaged: u32,
    /// When the first frame was due, and its time in the file.
    began: Option<(Instant, f64)>,
    /// A decoded frame whose moment has not come: waits in the caller's picture.
    due: Option<Instant>,
}

impl FileSource {
    pub(super) fn open(path: &Path, pace: FilePace, repeat: bool) -> Result<FileSource, String> {
        quiet();
        let named = |problem: String| format!("{}: {problem}", path.display());
        let input = ffmpeg::format::input(path).map_err(|error| named(text(error)))?;
        let (stream, seconds_per_tick, decoder) = {
            let stream = input
                .streams()
                .best(ffmpeg::media::Type::Video)
                .ok_or_else(|| named("there is no video in it".into()))?;
            let decoder = Decoder::of_stream(stream.parameters()).map_err(named)?;
            (stream.index(), f64::from(stream.time_base()), decoder)
        };
        Ok(FileSource {
            path: path.to_owned(),
            pace,
            repeat,
            input,
            stream,
            seconds_per_tick,
            decoder,
            drained: false,
            delivered: 0,
            damaged: 0,
            began: None,
            due: None,
        })
    }

    /// The next frame of the file, whenever it is due.
    fn decode(&mut self, picture: &mut Picture) -> Result<Option<f64>, String> {
        loop {
            match self.decoder.take(picture) {
                Ok(Some(ticks)) => {
                    self.delivered += 1;
                    self.damaged = 0;
                    return Ok(Some(ticks.unwrap_or_default() as f64 * self.seconds_per_tick));
                }
                Ok(None) if self.drained => return Ok(None),
                Ok(None) => {}
                Err(problem) => self.damage(problem)?,
            }
            match self.input.packets().next() {
                Some((stream, packet)) if stream.index() == self.stream => {
                    if let Err(problem) = self.decoder.send(&packet) {
                        self.damage(problem)?;
                    }
                }
                Some(_) => {}
                None => {
                    self.decoder.finish();
                    self.drained = true;
                }
            }
        }
    }

    /// A damaged frame is skipped, as a player would; a file of nothing else is given up.
    fn damage(&mut self, problem: String) -> Result<(), String> {
        self.damaged += 1;
        if self.damaged < MAX_DAMAGED {
            return Ok(());
        }
        Err(format!("{}: {MAX_DAMAGED} damaged frames one after another; the last: {problem}", self.path.display()))
    }

    fn finished(&mut self) -> Result<Read, Failure> {
        if self.delivered == 0 {
            return Err(format!("{}: no frame of it can be decoded", self.path.display()).into());
        }
        if !self.repeat {
            return Ok(Read::End);
        }
        *self = FileSource::open(&self.path, self.pace, true)?;
        Ok(Read::Nothing)
    }
}

/// Shows `look` the pictures of a video file, one each `every` seconds of it, with their time in seconds from its first.
pub fn watch_file(path: &Path, every: f64, mut look: impl FnMut(f64, &Picture)) -> Result<(), String> {
    let mut source = FileSource::open(path, FilePace::Fast, false)?;
    let mut picture = Picture::black(0, 0);
    let (mut first, mut due) = (None, 0.0);
    while let Some(seconds) = source.decode(&mut picture)? {
        let seconds = seconds - *first.get_or_insert(seconds);
        // Frame times are rounded.
        if seconds + 1e-3 >= due {
            look(seconds, &picture);
            due = seconds + every;
        }
    }
    Ok(())
}

impl Source for FileSource {
    fn read(&mut self, picture: &mut Picture, patience: Duration) -> Result<Read, Failure> {
        if self.due.is_none() {
            let Some(seconds) = self.decode(picture)? else { return self.finished() };
            let (began, first) = *self.began.get_or_insert((Instant::now(), seconds));
            let due = match self.pace {
                FilePace::Fast => began,
                FilePace::Camera => began + Duration::from_secs_f64((seconds - first).clamp(0.0, 86_400.0)),
            };
            self.due = Some(due);
        }
        let wait = self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        std::thread::sleep(wait.min(patience));
        if wait > patience {
            return Ok(Read::Nothing);
        }
        self.due = None;
        Ok(Read::Frame)
    }
}
