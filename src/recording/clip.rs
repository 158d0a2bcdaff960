//! A span of one camera's recording as one file, without encoding anything again.
//!
//! Fragments of segments whose formats agree follow one another in one MP4, their times shifted; where nothing was
//! recorded, the time goes on and no picture is in it. Segments of different formats go into a tar, as they are.

use super::mp4::{self, VIDEO};
use crate::class::Span;
use jiff::Timestamp;
use mp4_atom::{Atom, Encode, FourCC, Moof, Moov};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;

/// Largest box that is read into memory: a group of pictures.
const MAX_BOX: u64 = 256 << 20;
const BLOCK: usize = 512;

/// One segment of the span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its file.
    pub path: PathBuf,
    /// What it shows.
    pub span: Span,
    /// Its length, bytes.
    pub bytes: u64,
}

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// A segment cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A segment is not what we write; `rollcall check` tells whether it was altered.
    #[error("{path} is damaged: {problem}; run `rollcall check`")]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Nobody takes it any more.
    #[error("it cannot be handed over: {0}")]
    Write(#[from] io::Error),
}

/// Whether the pieces can follow one another in one MP4: whether their headers are the same.
pub fn is_one_format(pieces: &[Piece]) -> Result<bool, ClipError> {
    let mut first = None;
    for piece in pieces {
        let header = Boxes::open(piece)?.header()?;
        if first.get_or_insert_with(|| header.clone()) != &header {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes one MP4 with the groups of pictures of `wanted`. The pieces are of one format, in order of time.
pub fn write_mp4(pieces: &[Piece], wanted: Span, out: &mut impl Write) -> Result<(), ClipError> {
    let Some(first) = pieces.first() else { return Ok(()) };
    let mut clip = Clip { wanted, origin: first.span.from, base: None, ends: BTreeMap::new(), number: 0 };
    for (at, piece) in pieces.iter().enumerate() {
        clip.add(piece, at == 0, out)?;
    }
    Ok(())
}

/// Writes a tar of the pieces, whole, under their files' names.
pub fn write_tar(pieces: &[Piece], out: &mut impl Write) -> Result<(), ClipError> {
    for piece in pieces {
        let read = |source| ClipError::Read { path: piece.path.clone(), source };
        let name = piece.path.file_name().unwrap_or_default().to_string_lossy();
        out.write_all(&tar_header(&name, piece.bytes, piece.span.from))?;
        let file = File::open(&piece.path).map_err(read)?;
        let copied = io::copy(&mut file.take(piece.bytes), out)?;
        if copied != piece.bytes {
            let problem = format!("it has {copied} bytes instead of {}", piece.bytes);
            return Err(ClipError::Damaged { path: piece.path.clone(), problem });
        }
        out.write_all(&vec![0; (BLOCK - (copied % BLOCK as u64) as usize) % BLOCK])?;
    }
    Ok(out.write_all(&[0; 2 * BLOCK])?)
}

/// A file's header in a tar (POSIX ustar).
fn tar_header(name: &str, bytes: u64, modified: Timestamp) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str, longest: usize| {
        let text = &text.as_bytes()[..text.len().min(longest)];
        header[at..at + text.len()].copy_from_slice(text);
    };
    put(0, name, 100);
    put(100, "0000640\0", 8);
    put(108, "0000000\0", 8);
    put(116, "0000000\0", 8);
    put(124, &format!("{bytes:011o}\0"), 12);
    put(136, &format!("{:011o}\0", modified.as_second().max(0)), 12);
    put(148, "        ", 8);
    put(156, "0", 1);
    put(257, "ustar\x0000", 8);
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// What has been written so far.
struct Clip {
    wanted: Span,
    /// The first segment's beginning, from which wall times are counted, and the first picture's distance to it.
    origin: Timestamp,
    base: Option<f64>,
    /// Each track's end so far, in ticks.
    ends: BTreeMap<u32, u64>,
    number: u32,
}

impl Clip {
    fn add(&mut self, piece: &Piece, is_first: bool, out: &mut impl Write) -> Result<(), ClipError> {
        let mut boxes = Boxes::open(piece)?;
        let header = boxes.header()?;
        let rates = boxes.rates.clone();
        if is_first {
            out.write_all(&header)?;
        }
        let offset = seconds(piece.span.from, self.origin);
        let mut shifts: BTreeMap<u32, u64> = BTreeMap::new();
        let mut keeps = false;
        while let Some((kind, body)) = boxes.next()? {
            if kind == Moof::KIND {
                let mut moof = Moof::decode_body(&mut &*body).map_err(|error| boxes.damaged(error))?;
                let before = 8 + body.len();
                // A fragment of sound alone, as others' files may end with, is judged by the sound.
                let has_picture = moof.traf.iter().any(|traf| traf.tfhd.track_id == VIDEO);
                let first = moof.traf.first().map_or(VIDEO, |traf| traf.tfhd.track_id);
                let track = if has_picture { VIDEO } else { first };
                let (from, until) = mp4::times(&moof, track, rate(&rates, track));
                let (from, until) = (offset + from, offset + until);
                let wanted = (seconds(self.wanted.from, self.origin), seconds(self.wanted.until, self.origin));
                keeps = until > wanted.0 && from < wanted.1;
                if keeps {
                    let base = *self.base.get_or_insert(from);
                    self.shift(&mut moof, offset - base, &mut shifts, &rates);
                    out.write_all(&encoded(moof, before).map_err(|error| boxes.damaged(error))?)?;
                }
            } else if keeps && kind == FourCC::new(b"mdat") {
                out.write_all(&u32::try_from(body.len() + 8).unwrap_or(u32::MAX).to_be_bytes())?;
                out.write_all(b"mdat")?;
                out.write_all(&body)?;
            }
        }
        Ok(())
    }

    /// Moves a fragment by `offset` seconds, but never to before what is written already.
    fn shift(&mut self, moof: &mut Moof, offset: f64, shifts: &mut BTreeMap<u32, u64>, rates: &BTreeMap<u32, f64>) {
        self.number += 1;
        moof.mfhd.sequence_number = self.number;
        for traf in &mut moof.traf {
            let track = traf.tfhd.track_id;
            let end = self.ends.entry(track).or_default();
            let length = mp4::ticks(traf);
            let Some(tfdt) = &mut traf.tfdt else { continue };
            let time = tfdt.base_media_decode_time;
            let shift = *shifts.entry(track).or_insert_with(|| {
                let wall = (offset * rate(rates, track)).round();
                // A fragment that was left out before the first may make this negative; the time is not.
                let wall = (time as i64 + wall as i64).max(0) as u64;
                wall.max(*end).wrapping_sub(time)
            });
            tfdt.base_media_decode_time = time.wrapping_add(shift);
            *end = tfdt.base_media_decode_time + length;
        }
    }
}

fn seconds(time: Timestamp, origin: Timestamp) -> f64 {
    (time.as_millisecond() - origin.as_millisecond()) as f64 / 1000.0
}

fn rate(rates: &BTreeMap<u32, f64>, track: u32) -> f64 {
    rates.get(&track).copied().unwrap_or(1000.0)
}

/// A fragment's head, whose data lies where it did relative to its end.
fn encoded(mut moof: Moof, length_before: usize) -> Result<Vec<u8>, mp4_atom::Error> {
    let mut bytes = Vec::new();
    moof.encode(&mut bytes)?;
    let longer = bytes.len() as i64 - length_before as i64;
    if longer != 0 {
        for trun in moof.traf.iter_mut().flat_map(|traf| &mut traf.trun) {
            trun.data_offset = trun.data_offset.and_then(|offset| i32::try_from(i64::from(offset) + longer).ok());
        }
        bytes.clear();
        moof.encode(&mut bytes)?;
    }
    Ok(bytes)
}

/// A segment's boxes, one after the other.
struct Boxes {
    path: PathBuf,
    file: BufReader<io::Take<File>>,
    rates: BTreeMap<u32, f64>,
}

impl Boxes {
    fn open(piece: &Piece) -> Result<Boxes, ClipError> {
        let file = File::open(&piece.path).map_err(|source| ClipError::Read { path: piece.path.clone(), source })?;
        Ok(Boxes { path: piece.path.clone(), file: BufReader::new(file.take(piece.bytes)), rates: BTreeMap::new() })
    }

    /// What stands before the first fragment; learns each track's clock rate.
    fn header(&mut self) -> Result<Vec<u8>, ClipError> {
        let mut bytes = Vec::new();
        while let Some((kind, body)) = self.next()? {
            bytes.extend_from_slice(&((body.len() + 8) as u32).to_be_bytes());
            let name: [u8; 4] = kind.into();
            bytes.extend_from_slice(&name);
            bytes.extend_from_slice(&body);
            if kind == Moov::KIND {
                let moov = Moov::decode_body(&mut &*body).map_err(|error| self.damaged(error))?;
                let rate = |trak: &mp4_atom::Trak| (trak.tkhd.track_id, f64::from(trak.mdia.mdhd.timescale.max(1)));
                self.rates = moov.trak.iter().map(rate).collect();
                return Ok(bytes);
            }
        }
        Err(self.damaged("it has no header"))
    }

    fn next(&mut self) -> Result<Option<(FourCC, Vec<u8>)>, ClipError> {
        let read = |path: &PathBuf, source| ClipError::Read { path: path.clone(), source };
        let mut head = [0; 8];
        match self.file.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(read(&self.path, error)),
        }
        let [a, b, c, d, kind @ ..] = head;
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        let length = size.checked_sub(8).filter(|length| *length <= MAX_BOX);
        let length = length.ok_or_else(|| self.damaged(format!("it has a box of {size} bytes")))?;
        let mut body = Vec::with_capacity(length.min(1 << 22) as usize);
        let got = (&mut self.file).take(length).read_to_end(&mut body);
        if got.map_err(|error| read(&self.path, error))? as u64 != length {
            return Err(self.damaged("it ends in the middle of a box"));
        }
        Ok(Some((FourCC::from(kind), body)))
    }

    fn damaged(&self, problem: impl std::fmt::Display) -> ClipError {
        ClipError::Damaged { path: self.path.clone(), problem: problem.to_string() }
    }
}
