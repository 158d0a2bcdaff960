//! Follows faces from frame to frame, and gathers what the good frames of one face say.
//!
//! A track is one face seen without a break. Frames that fail a quality limit keep the track alive but add
//! nothing to its mean. A face whose embedding no longer fits the track's mean is another person who stepped in:
//! it begins a track of its own, so that nobody inherits a decision.

use crate::camera::Frame;
use crate::vision::{Embedding, Face, Rect, Refusal};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A track that was not seen for this long has ended.
pub const LOST_AFTER: Duration = Duration::from_millis(1200);
/// Without a frame for this long, the camera had a pause.
const PAUSE: Duration = Duration::from_secs(30);

/// Least cosine between a good frame and the mean of the track that it continues.
///
/// Frames of one person measure 0.68 and more against the mean of those before, people who are alike 0.55 at most
/// (docs/faces.md, "One face, followed").
pub(super) const SAME_FACE: f32 = 0.6;

/// What one frame shows of one face.
pub struct Observation {
    /// Geometry and quality.
    pub face: Face,
    /// The embedding of a good face, or why this frame is not used.
    pub usable: Result<Embedding, Refusal>,
}

/// The best frame of a track so far: what the capture photo is cut from.
pub struct BestShot {
    /// Higher is better.
    merit: f32,
    /// The frame.
    pub frame: Arc<Frame>,
    /// The face as measured in it.
    pub face: Face,
}

/// How much a face shows: large, turned to the camera, sharp.
fn merit(face: &Face) -> f32 {
    let turned = face.pose.yaw.to_radians().cos() * face.pose.pitch.to_radians().cos();
    face.quality.pupil_distance_px * turned.max(0.0) * (face.quality.sharpness / 200.0).clamp(0.5, 1.0)
}

/// One face, followed.
pub struct Track {
    /// Unique since start.
    pub id: u64,
    /// Where it was last.
    pub bounds: Rect,
    /// First frame.
    pub began: Instant,
    /// Last frame.
    pub seen: Instant,
    /// Good frames so far.
    pub good_frames: u32,
    /// Why the last frame was not used, if it was not.
    pub hint: Option<Refusal>,
    /// The face as last measured.
    pub face: Face,
    /// The best frame so far.
    pub best: Option<BestShot>,
    /// How often each reason to refuse a frame was met.
    refusals: Vec<(Refusal, u32)>,
    sum: Vec<f32>,
}

impl Track {
    fn begin(id: u64, observation: &Observation, now: Instant) -> Track {
        Track {
            id,
            bounds: observation.face.bounds,
            began: now,
            seen: now,
            good_frames: 0,
            hint: None,
            face: observation.face.clone(),
            best: None,
            refusals: Vec::new(),
            sum: Vec::new(),
        }
    }

    /// The mean of the good frames' embeddings.
    pub fn mean(&self) -> Option<Embedding> {
        (self.good_frames > 0).then(|| Embedding::from_sum(&self.sum))
    }

    /// The reason that spoiled most frames.
    pub fn main_refusal(&self) -> Option<&Refusal> {
        self.refusals.iter().max_by_key(|(_, count)| *count).map(|(refusal, _)| refusal)
    }

    /// How long it has been seen.
    pub fn age(&self) -> Duration {
        self.seen.duration_since(self.began)
    }

    fn add(&mut self, observation: Observation, frame: &Arc<Frame>) {
        let now = frame.captured;
        self.bounds = observation.face.bounds;
        self.face = observation.face;
        self.seen = now;
        match observation.usable {
            Ok(embedding) => {
                self.hint = None;
                self.sum.resize(embedding.values().len(), 0.0);
                for (sum, value) in self.sum.iter_mut().zip(embedding.values()) {
                    *sum += value;
                }
                self.good_frames += 1;
                let merit = merit(&self.face);
                if self.best.as_ref().is_none_or(|best| merit > best.merit) {
                    self.best = Some(BestShot { merit, frame: frame.clone(), face: self.face.clone() });
                }
            }
            Err(refusal) => {
                match self.refusals.iter_mut().find(|(known, _)| known.reason == refusal.reason) {
                    Some((known, count)) => {
                        *known = refusal.clone();
                        *count += 1;
                    }
                    None => self.refusals.push((refusal.clone(), 1)),
                }
                self.hint = Some(refusal);
            }
        }
    }

    fn fits(&self, observation: &Observation) -> bool {
        match (&observation.usable, self.mean()) {
            (Ok(embedding), Some(mean)) => mean.cosine(embedding) >= SAME_FACE,
            _ => true,
        }
    }
}

/// All faces followed at one camera.
#[derive(Default)]
pub struct Tracker {
    tracks: Vec<Track>,
    next_id: u64,
    /// The frame before: its connection to the camera, and when it came.
    last: Option<(u64, Instant)>,
}

impl Tracker {
    /// Takes one frame's faces. Returns, for each, the id of the track that it belongs to, and the tracks that ended.
    pub fn update(&mut self, observations: Vec<Observation>, frame: &Arc<Frame>) -> (Vec<u64>, Vec<Track>) {
        let now = frame.captured;
        // What was lost is never found again, and after a pause of the camera somebody else may stand there. Who was in the
        // frame before goes on, however long the machine took for that.
        let last = self.last.replace((frame.connection, now));
        let is_anew =
            last.is_some_and(|(connection, at)| connection != frame.connection || now.duration_since(at) > PAUSE);
        let is_lost = |track: &Track| {
            let was_there = last.is_some_and(|(_, at)| at == track.seen);
            is_anew || (!was_there && now.duration_since(track.seen) > LOST_AFTER)
        };
        let (ended, alive) = self.tracks.drain(..).partition(is_lost);
        self.tracks = alive;
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (at, observation) in observations.iter().enumerate() {
            for (number, track) in self.tracks.iter().enumerate() {
                let nearness = nearness(&track.bounds, &observation.face.bounds);
                if nearness > 0.0 && track.fits(observation) {
                    pairs.push((nearness, at, number));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut owner: Vec<Option<usize>> = vec![None; observations.len()];
        let mut taken = vec![false; self.tracks.len()];
        for (_, at, number) in pairs {
            if owner[at].is_none() && !taken[number] {
                owner[at] = Some(number);
                taken[number] = true;
            }
        }
        let mut ids = Vec::with_capacity(observations.len());
        for (observation, owner) in observations.into_iter().zip(owner) {
            let number = owner.unwrap_or_else(|| {
                self.next_id += 1;
                self.tracks.push(Track::begin(self.next_id, &observation, now));
                self.tracks.len() - 1
            });
            self.tracks[number].add(observation, frame);
            ids.push(self.tracks[number].id);
        }
        (ids, ended)
    }

    /// A face that is being followed.
    pub fn track_mut(&mut self, id: u64) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.id == id)
    }
}

/// How well a face continues a track: 1 at the same place and size, 0 when too far away to be the same face.
fn nearness(track: &Rect, face: &Rect) -> f32 {
    let size = track.width.max(face.width).max(1.0);
    let (track_x, track_y) = track.centre();
    let (face_x, face_y) = face.centre();
    let distance = (track_x - face_x).hypot(track_y - face_y) / size;
    let ratio = track.width.min(face.width) / size;
    if distance > 0.8 || ratio < 0.5 { 0.0 } else { (1.0 - distance) * ratio }
}

#[cfg(test)]
mod tests;
