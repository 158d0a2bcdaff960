//! Access units → fragmented MP4 (ISO/IEC 14496-12): a header, then a fragment for each group of pictures.
//!
//! What a camera sent stays byte for byte what it was. A file that ends in the middle of a fragment is whole up to
//! the fragment before.

use crate::camera::{Format, Track, Unit};
use evidence::record::{Sound, VideoCodec};
use mp4_atom::{
    Atom, Codec, Decode, Dinf, Dref, DrefEntry, Encode, FixedPoint, FourCC, Ftyp, Hdlr, Header, Mdhd, Mdia, Mfhd, Minf,
    Moof, Moov, Mvex, Mvhd, ReadFrom, Smhd, Stbl, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry,
    TrunSamples, Url, Vmhd,
};
use std::io::Read;

pub(super) const VIDEO: u32 = 1;
const AUDIO: u32 = 2;
/// `sample_is_non_sync_sample`, `sample_depends_on` 1.
const DEPENDS: u32 = 0x0101_0000;
/// `sample_depends_on` 2.
const STANDS_ALONE: u32 = 0x0200_0000;
/// Bytes of a box's header.
const HEADER: usize = 8;

/// The name of the picture's handler tells what became of the sound, should the file have to be recovered.
const HANDLER: &str = "rollcall";
const HANDLER_SOUND_DROPPED: &str = "rollcall, sound dropped";

/// What stands before the first fragment.
pub(super) fn header(format: &Format, sound: Sound) -> Result<Vec<u8>, String> {
    let video = &format.video;
    let handler = if sound == Sound::Dropped { HANDLER_SOUND_DROPPED } else { HANDLER };
    let mut traks = vec![Trak {
        tkhd: Tkhd {
            track_id: VIDEO,
            enabled: true,
            in_movie: true,
            width: FixedPoint::from(u16::try_from(video.width).unwrap_or(u16::MAX)),
            height: FixedPoint::from(u16::try_from(video.height).unwrap_or(u16::MAX)),
            ..Default::default()
        },
        mdia: media(b"vide", handler, video.clock_rate, &video.sample_entry)?,
        ..Default::default()
    }];
    if let Some(audio) = format.audio.as_ref().filter(|_| sound == Sound::Recorded) {
        traks.push(Trak {
            tkhd: Tkhd {
                track_id: AUDIO,
                enabled: true,
                in_movie: true,
                alternate_group: 1,
                volume: FixedPoint::from(1),
                ..Default::default()
            },
            mdia: media(b"soun", HANDLER, audio.clock_rate, &audio.sample_entry)?,
            ..Default::default()
        });
    }
    let trex = |trak: &Trak| Trex {
        track_id: trak.tkhd.track_id,
        default_sample_description_index: 1,
        default_sample_duration: 0,
        default_sample_size: 0,
        default_sample_flags: 0,
    };
    let moov = Moov {
        mvhd: Mvhd { timescale: 1000, next_track_id: traks.len() as u32 + 1, ..Default::default() },
        mvex: Some(Mvex { mehd: None, trex: traks.iter().map(trex).collect() }),
        trak: traks,
        ..Default::default()
    };
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: [b"iso6", b"mp41", b"cmfc"].map(FourCC::new).to_vec(),
    };
    let mut bytes = Vec::new();
    ftyp.encode(&mut bytes).and_then(|()| moov.encode(&mut bytes)).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn media(handler: &[u8; 4], name: &str, timescale: u32, sample_entry: &[u8]) -> Result<Mdia, String> {
    let codec = Codec::decode(&mut &*sample_entry).map_err(|error| format!("the camera's codec: {error}"))?;
    let is_video = handler == b"vide";
    Ok(Mdia {
        mdhd: Mdhd { timescale, language: "und".into(), ..Default::default() },
        hdlr: Hdlr { handler: FourCC::new(handler), name: name.into() },
        minf: Minf {
            vmhd: is_video.then(Vmhd::default),
            smhd: (!is_video).then(Smhd::default),
            dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
            stbl: Stbl { stsd: Stsd { codecs: vec![codec] }, ..Default::default() },
            ..Default::default()
        },
    })
}

/// The clock of one file: its zero lies where its first unit does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    seconds: f64,
}

impl Origin {
    /// Of a file that begins with these units.
    pub(super) fn of(units: &[Unit]) -> Origin {
        let seconds = units.iter().map(|unit| unit.time as f64 / rate(unit)).fold(f64::INFINITY, f64::min);
        Origin { seconds: if seconds.is_finite() { seconds } else { 0.0 } }
    }

    fn ticks(self, time: i64, rate: f64) -> i64 {
        time - (self.seconds * rate).round() as i64
    }
}

fn rate(unit: &Unit) -> f64 {
    f64::from(match (unit.track, &unit.format.audio) {
        (Track::Audio, Some(audio)) => audio.clock_rate,
        _ => unit.format.video.clock_rate,
    })
}

/// One fragment. `next` is the time of the first picture after it, where that is known.
pub(super) fn fragment(number: u32, units: &[Unit], with_sound: bool, next: Option<i64>, origin: Origin) -> Vec<u8> {
    let of = |track: Track| units.iter().filter(move |unit| unit.track == track).collect::<Vec<_>>();
    let mut trafs = Vec::new();
    let mut data: Vec<&Unit> = Vec::new();
    let tracks = [(VIDEO, of(Track::Video), next), (AUDIO, if with_sound { of(Track::Audio) } else { vec![] }, None)];
    for (id, units, next) in &tracks {
        if let Some(traf) = traf(*id, units, *next, origin) {
            trafs.push(traf);
            data.extend(units);
        }
    }
    let mut moof = Moof { mfhd: Mfhd { sequence_number: number }, traf: trafs };
    // Offsets do not change the box's length, so they can be told once it is known.
    let mut offset = encoded(&moof).len() + HEADER;
    for (traf, (_, units, _)) in moof.traf.iter_mut().zip(tracks.iter().filter(|(_, units, _)| !units.is_empty())) {
        for trun in &mut traf.trun {
            trun.data_offset = i32::try_from(offset).ok();
        }
        offset += units.iter().map(|unit| unit.data.len()).sum::<usize>();
    }
    let mut bytes = encoded(&moof);
    let length: usize = data.iter().map(|unit| unit.data.len()).sum();
    bytes.reserve_exact(length + HEADER);
    bytes.extend_from_slice(&u32::try_from(length + HEADER).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(b"mdat");
    data.iter().for_each(|unit| bytes.extend_from_slice(&unit.data));
    bytes
}

fn encoded(moof: &Moof) -> Vec<u8> {
    let mut bytes = Vec::new();
    moof.encode(&mut bytes).expect("a Vec takes everything, and a fragment is far from 4 GiB");
    bytes
}

fn traf(track_id: u32, units: &[&Unit], next: Option<i64>, origin: Origin) -> Option<Traf> {
    let rate = rate(units.first()?);
    // Pictures come in the order of decoding; where some are shown out of it, the sorted times are those of decoding.
    let shown: Vec<i64> = units.iter().map(|unit| origin.ticks(unit.time, rate).max(0)).collect();
    let mut decoded = shown.clone();
    decoded.sort_unstable();
    let is_reordered = decoded != shown;
    let usual = match decoded.as_slice() {
        [.., before, last] => last - before,
        _ => (rate / 25.0) as i64,
    };
    let end = next.map(|next| origin.ticks(next, rate)).filter(|next| Some(next) > decoded.last());
    let after = decoded.iter().skip(1).copied().chain(end);
    let mut after = after.collect::<Vec<_>>().into_iter();
    let samples = units.iter().zip(shown.iter().zip(&decoded)).map(|(unit, (shown, decoded))| TrunEntry {
        duration: Some(u32::try_from(after.next().map_or(usual, |next| next - decoded)).unwrap_or_default()),
        size: Some(unit.data.len() as u32),
        flags: Some(if unit.is_key { STANDS_ALONE } else { DEPENDS }),
        // A camera may send any times: what the box cannot hold is shown as late, or early, as it can say.
        cts: is_reordered.then_some((shown - decoded).clamp(i32::MIN.into(), i32::MAX.into())),
    });
    Some(Traf {
        tfhd: Tfhd { track_id, default_base_is_moof: true, ..Default::default() },
        tfdt: Some(Tfdt { base_media_decode_time: u64::try_from(*decoded.first()?).unwrap_or_default() }),
        trun: vec![Trun { data_offset: Some(0), samples: TrunSamples::Explicit(samples.collect()) }],
        ..Default::default()
    })
}

/// Length of one track's part of a fragment, in ticks.
pub(super) fn ticks(traf: &Traf) -> u64 {
    let default = traf.tfhd.default_sample_duration.unwrap_or_default();
    let samples = traf.trun.iter().flat_map(|trun| trun.samples.iter());
    samples.map(|sample| u64::from(sample.duration.unwrap_or(default))).sum()
}

/// A fragment's first moment and the first after it, by one track, seconds since the file's beginning.
pub(super) fn times(moof: &Moof, track: u32, rate: f64) -> (f64, f64) {
    let Some(traf) = moof.traf.iter().find(|traf| traf.tfhd.track_id == track) else { return (0.0, 0.0) };
    let start = traf.tfdt.as_ref().map_or(0, |tfdt| tfdt.base_media_decode_time);
    (start as f64 / rate, start.saturating_add(ticks(traf)) as f64 / rate)
}

/// What a file holds, as far as it is whole.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Contents {
    /// Bytes up to the end of the last whole fragment.
    pub bytes: u64,
    /// Pictures in them.
    pub frames: u64,
    /// From the first picture's beginning to the last one's end, seconds.
    pub seconds: f64,
    pub codec: VideoCodec,
    pub width: u32,
    pub height: u32,
    pub sound: Sound,
}

/// Boxes other than media are no larger than this.
const LARGEST_BOX: usize = 16 << 20;

/// Looks at a file that may end anywhere. `None`: there is not one whole fragment in it.
///
/// The first `sure` bytes are known to be as they were written; of what follows them no more than `more` seconds counts.
pub(super) fn contents(file: &mut impl Read, sure: u64, more: f64) -> std::io::Result<Option<Contents>> {
    let mut found: Option<Contents> = None;
    let (mut position, mut pending, mut timescale, mut last) = (0, None, 0.0, more);
    loop {
        let header = match Option::<Header>::read_from(file) {
            Ok(Some(header)) => header,
            // A disk that cannot be read says nothing of what is on it.
            Err(mp4_atom::Error::Io(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(error),
            // An error in a box is its end: what stands before it is whole.
            _ => break,
        };
        let Some(size) = header.size else { break };
        let is_media = header.kind == FourCC::new(b"mdat");
        let (mut body, mut limited) = (Vec::new(), file.take(size as u64));
        let read = match is_media {
            true => std::io::copy(&mut limited, &mut std::io::sink())?,
            false if size > LARGEST_BOX => break,
            false => limited.read_to_end(&mut body)? as u64,
        };
        if read < size as u64 {
            break;
        }
        position += (HEADER + size) as u64;
        if header.kind == Moov::KIND {
            let Ok(moov) = Moov::decode_body(&mut &*body) else { break };
            let Some(video) = moov.trak.iter().find(|trak| trak.tkhd.track_id == VIDEO) else { break };
            timescale = f64::from(video.mdia.mdhd.timescale.max(1));
            let codec = match video.mdia.minf.stbl.stsd.codecs.first() {
                Some(Codec::Avc1(_)) => VideoCodec::H264,
                Some(Codec::Hvc1(_) | Codec::Hev1(_)) => VideoCodec::H265,
                _ => break,
            };
            let (width, height) = (video.tkhd.width.integer().into(), video.tkhd.height.integer().into());
            let sound = match video.mdia.hdlr.name.as_str() {
                _ if moov.trak.len() > 1 => Sound::Recorded,
                HANDLER_SOUND_DROPPED => Sound::Dropped,
                _ => Sound::None,
            };
            found = Some(Contents { bytes: 0, frames: 0, seconds: 0.0, codec, width, height, sound });
        } else if header.kind == Moof::KIND {
            let Ok(moof) = Moof::decode_body(&mut &*body) else { break };
            pending = Some(moof);
        } else if is_media && let (Some(found), Some(moof)) = (&mut found, pending.take()) {
            let (start, end) = times(&moof, VIDEO, timescale);
            if position <= sure {
                last = end + more;
            } else if end > last || start < found.seconds - 1.0 {
                break; // time that goes back is no camera's
            }
            let trafs = moof.traf.iter().filter(|traf| traf.tfhd.track_id == VIDEO);
            let pictures = trafs.flat_map(|traf| &traf.trun).map(|trun| trun.samples.len() as u64);
            found.frames += pictures.sum::<u64>();
            (found.bytes, found.seconds) = (position, end.max(found.seconds));
        }
    }
    Ok(found.filter(|found| found.bytes > 0))
}
