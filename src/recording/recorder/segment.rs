//! The segment that is being written: begun with a group of pictures, added to, closed.

use super::{Recorder, SOUND_PAUSE, SOUND_WAIT, TOLERANCE};
use crate::camera::{Format, Track, Unit};
use crate::recording::fact::{Fact, Finished, Now, Wanted};
use crate::recording::file::SegmentFile;
use crate::recording::mp4::{self, Origin};
use evidence::record::{GapCause, Sound};
use jiff::Timestamp;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After a failed write the next try is made no sooner than this.
const WRITE_RETRY: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Open {
    pub(super) file: SegmentFile,
    origin: Origin,
    pub(super) begun: Now,
    pub(super) format: Arc<Format>,
    /// What becomes of its sound.
    pub(super) sound: Sound,
    fragments: u32,
    frames: u64,
    lost_packets: u64,
    /// A key frame at or after this moment begins the next segment.
    pub(super) until: Timestamp,
}

impl Open {
    /// The wall time of a moment by the clock as it stood when the segment began.
    pub(super) fn label(&self, moment: Instant) -> Timestamp {
        self.begun.at(moment)
    }
}

impl Recorder {
    /// Begins a segment with the group of pictures at hand, unless it may yet be learnt whether sound comes with it.
    pub(super) fn open_if_wanted(&mut self, now: Now, facts: &mut Vec<Fact>) {
        let Some(wanted) = self.wanted else { return };
        let Some(first) = self.group.first().filter(|first| first.is_key) else { return };
        let is_too_early = now.wall < wanted.from;
        if self.open.is_some() || is_too_early || self.not_before.is_some_and(|moment| now.monotonic < moment) {
            return;
        }
        let is_announced = wanted.sound && first.format.audio.is_some();
        let is_new =
            self.connected.is_some_and(|(_, since)| now.monotonic.saturating_duration_since(since) < SOUND_WAIT);
        self.awaits_sound = is_announced && is_new && !self.hears(first);
        if !self.awaits_sound {
            self.open(wanted, now, facts);
        }
    }

    /// Whether sound has come lately by the connection of the picture `unit`, or since.
    fn hears(&self, unit: &Unit) -> bool {
        self.heard.is_some_and(|(connection, heard)| {
            connection == unit.connection && unit.arrived.saturating_duration_since(heard) <= SOUND_PAUSE
        })
    }

    /// What is to become of the sound of a segment that begins with `first`.
    fn sound(&self, wanted: Wanted, first: &Unit) -> Sound {
        match &first.format.audio {
            Some(_) if !wanted.sound => Sound::Dropped,
            // Some cameras announce sound, and send none.
            Some(_) if self.hears(first) => Sound::Recorded,
            Some(_) | None => Sound::None,
        }
    }

    /// Begins a segment with the group of pictures at hand.
    fn open(&mut self, wanted: Wanted, now: Now, facts: &mut Vec<Fact>) {
        self.awaits_sound = false;
        self.drop_early_sound(wanted, now);
        let Some(first) = self.group.first() else { return };
        let sound = self.sound(wanted, first);
        let (format, arrived) = (first.format.clone(), first.arrived);
        // The wall time of now, not of when the last segment began: a step of the clock lies between segments.
        let start = now.at(arrived);
        if wanted.until <= start {
            return;
        }
        let local = start.to_zoned_datetime(self.settings.zone.clone());
        let name = local.strftime("%Y-%m-%d/%Y-%m-%dT%H-%M-%S.%3f%z.mp4").to_string();
        let begun = mp4::header(&format, sound)
            .map_err(io::Error::other)
            .and_then(|header| self.settings.reserve.check(false).map(|()| header))
            .and_then(|header| SegmentFile::create(&self.settings.folder.join(name), &header));
        let file = match begun {
            Ok(file) => file,
            Err(error) => return self.failed(&error, arrived, now, facts),
        };
        if self.trouble.end() {
            tracing::info!(folder = %self.settings.folder.display(), "recording can be written again");
        }
        if let Some(accounted) = self.accounted
            && accounted < start
        {
            facts.push(Fact::Gap { start: accounted, end: start, cause: self.cause });
        }
        // What was the cause before is none of the next gap's.
        (self.cause, self.is_certain) = (GapCause::CameraStalled, false);
        self.accounted = Some(start);
        let length = self.settings.segment.as_secs().max(1) as i64;
        let next = (start.as_second().div_euclid(length) + 1) * length;
        self.open = Some(Open {
            file,
            origin: Origin::of(&self.group),
            begun: Now { wall: start, monotonic: arrived },
            format,
            sound,
            fragments: 0,
            frames: 0,
            lost_packets: 0,
            until: Timestamp::from_second(next).unwrap_or(Timestamp::MAX),
        });
    }

    /// Writes the group of pictures at hand, if a segment is open.
    pub(super) fn write_group(&mut self, next: Option<i64>, now: Now, facts: &mut Vec<Fact>) {
        if let Some(wanted) = self.wanted.filter(|_| self.awaits_sound) {
            self.open(wanted, now, facts);
        }
        if let Some(open) = self.open.as_mut().filter(|_| !self.group.is_empty()) {
            open.fragments += 1;
            let with_sound = open.sound == Sound::Recorded;
            let bytes = mp4::fragment(open.fragments, &self.group, with_sound, next, open.origin);
            let written = self.settings.reserve.check(true).and_then(|()| open.file.append(&bytes));
            match written {
                Ok(()) => {
                    let pictures = self.group.iter().filter(|unit| unit.track == Track::Video);
                    open.frames += pictures.count() as u64;
                    open.lost_packets += self.group.iter().map(|unit| u64::from(unit.lost)).sum::<u64>();
                }
                Err(error) => {
                    let start = self.group.first().map_or(now.monotonic, |first| first.arrived);
                    self.drop_group();
                    // What was written before is whole.
                    self.close(start, None, facts);
                    self.failed(&error, start, now, facts);
                }
            }
        }
        self.drop_group();
    }

    /// What came from `since` on cannot be written.
    fn failed(&mut self, error: &io::Error, since: Instant, now: Now, facts: &mut Vec<Fact>) {
        if self.trouble.is_due() {
            let folder = self.settings.folder.display();
            tracing::error!(%error, %folder, "recording cannot be written; trying again");
        }
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let cause = if is_full { GapCause::DiskFull } else { GapCause::WriteFailed };
        self.blame(cause, now.at(since), facts);
        self.not_before = Some(now.monotonic + WRITE_RETRY);
    }

    /// Ends the segment at `end`. `wall` is what the clock shows there, where the recording goes on.
    pub(super) fn close(&mut self, end: Instant, wall: Option<Timestamp>, facts: &mut Vec<Fact>) {
        let Some(open) = self.open.take() else { return };
        let by_start = open.label(end);
        // Small differences are the clock being slewed. A step lies after the segment, not in it.
        let step = wall.filter(|wall| wall.duration_since(by_start).unsigned_abs() > TOLERANCE);
        let end = if step.is_some() { by_start } else { wall.unwrap_or(by_start) };
        let end = end.max(open.begun.wall);
        if open.frames == 0 {
            // Not even its first group of pictures could be written.
            open.file.discard();
            self.accounted = Some(open.begun.wall);
            return;
        }
        match open.file.close() {
            Ok(file) => {
                facts.push(Fact::Segment(Finished {
                    file,
                    start: open.begun.wall,
                    end,
                    frames: open.frames,
                    lost_packets: open.lost_packets,
                    format: open.format,
                    sound: open.sound,
                }));
                self.accounted = Some(end);
                if let Some(after) = step {
                    // A clock that is wrong by years says nothing of what is wanted then.
                    let until = self.wanted.map_or(after, |wanted| after.min(wanted.until));
                    if until > end {
                        facts.push(Fact::Gap { start: end, end: until, cause: GapCause::ClockStep });
                        (self.cause, self.is_certain) = (GapCause::ClockStep, false);
                    }
                    self.accounted = Some(after);
                }
            }
            // The next start finds the file and recovers it; until then nothing vouches for it.
            Err(error) => {
                tracing::error!(%error, "a segment could not be closed");
                (self.cause, self.is_certain) = (GapCause::WriteFailed, true);
            }
        }
    }
}
