//! Compressed access units as a camera sends them: what is recorded, untouched.

use evidence::record::VideoCodec;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// How a camera's streams are coded. Shared by its units until it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The picture.
    pub video: VideoFormat,
    /// The sound, where there is some that can be kept.
    pub audio: Option<AudioFormat>,
}

/// How the picture is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFormat {
    /// The standard.
    pub codec: VideoCodec,
    /// Width, px.
    pub width: u32,
    /// Height, px.
    pub height: u32,
    /// Ticks a second of [`Unit::time`].
    pub clock_rate: u32,
    /// The whole sample entry box (ISO/IEC 14496-12 §8.5.2), with the parameter sets in it.
    pub sample_entry: Vec<u8>,
}

/// How the sound is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFormat {
    /// Ticks a second of [`Unit::time`].
    pub clock_rate: u32,
    /// The whole sample entry box.
    pub sample_entry: Vec<u8>,
}

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    /// Picture.
    Video,
    /// Sound.
    Audio,
}

/// One coded picture, or one coded piece of sound.
#[derive(Debug, Clone)]
pub struct Unit {
    /// How it is coded.
    pub format: Arc<Format>,
    /// Counts the connections to the camera: times of different connections have nothing to do with each other.
    pub connection: u64,
    /// Picture or sound.
    pub track: Track,
    /// Whether decoding can begin here. Sound always can.
    pub is_key: bool,
    /// When it is to be shown, in ticks of the track's clock since some moment of the connection.
    pub time: i64,
    /// Video: NAL units, each after its length as a big-endian u32, without parameter sets. Sound: one raw frame.
    pub data: Vec<u8>,
    /// Network packets that were lost right before it, or of it.
    pub lost: u32,
    /// Units before it that came to nothing here: nobody fetched them, or they could not be encoded.
    pub skipped: u64,
    /// When it was whole.
    pub arrived: Instant,
}

/// Units that may wait for the recorder: 40 s of picture and sound of a usual camera.
const WAITING: usize = 3000;

/// Where a camera puts its units. It is never blocked: what nobody fetches is thrown away, and counted.
#[derive(Default)]
pub(super) struct Tap {
    sender: Mutex<Option<SyncSender<Unit>>>,
    skipped: AtomicU64,
}

impl Tap {
    /// The units from now on. Whoever asked before gets no more.
    pub(super) fn open(&self) -> Receiver<Unit> {
        let (sender, receiver) = sync_channel(WAITING);
        *self.lock() = Some(sender);
        receiver
    }

    pub(super) fn put(&self, mut unit: Unit) {
        let mut sender = self.lock();
        let Some(open) = &*sender else { return };
        unit.skipped += self.skipped.swap(0, Ordering::Relaxed);
        match open.try_send(unit) {
            Ok(()) => {}
            Err(TrySendError::Full(unit)) => {
                self.skipped.fetch_add(unit.skipped + 1, Ordering::Relaxed);
            }
            Err(TrySendError::Disconnected(_)) => *sender = None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<SyncSender<Unit>>> {
        self.sender.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
