//! Whether a picture has been seen before: a camera that stands still, or one that is fed old video.
//!
//! The noise of a sensor is never the same twice. What is left of a picture when the room is taken away is noise; two
//! pictures whose noise is alike are one picture, even when it was encoded anew in between, which changes every value a
//! little. The noise of small pieces at the picture's own resolution is compared, and three quarters of them must agree:
//! an overlaid clock, or a person who walks before a frozen background, decides nothing.

use super::noise::{detail, difference, is_identical, likeness, mean, pieces, size};
use crate::picture::Picture;
use std::collections::VecDeque;
use std::time::Duration;

/// How long samples are remembered: the longest loop that can be found.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// … and how many of them at most.
const MOST: usize = 900;
/// What is like one of so many samples before stands still: an encoder may spoil one of them.
const STILL: usize = 2;
/// So many samples that repeat earlier ones are a loop.
const ENOUGH: usize = 3;
/// … if no more samples than this lie between the first ones.
const APART: usize = 150;
/// Samples that it takes to know the room and its usual noise.
const TO_LEARN: usize = 5;
/// Of how many samples the usual noise is the median.
const USUAL_OF: usize = 31;
/// The room is learnt with at least this weight of each sample: it changes, slowly.
const WEIGHT: f32 = 0.125;
/// Two samples are the same only if they differ by less than this share of what two samples usually differ by. What has
/// suddenly changed in the room is no noise, yet stays alike; but then the noise on it differs as ever.
const LESS_THAN_USUAL: f32 = 0.85;
/// A sample that differs from the room by more than this share of the usual difference of two samples (0.73 of it is
/// usual) shows a room that has changed: it is learnt anew.
const CHANGED: f32 = 1.3;
/// One that differs from it by less than this share is seen with less noise: what was learnt of the room holds more noise
/// than it does, and that would be the same in every picture. An old picture has the noise of its time.
const QUIETER: f32 = 0.37;
/// So does one that is brighter or darker than the room by more than this share.
const OTHER_LIGHT: f32 = 0.12;

/// What is known of the repetition in the newest sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Repeats {
    /// Nothing repeats.
    No,
    /// It is the sample before, or the one before that.
    Frozen {
        /// How alike the noise is: correlation of the piece at the lower quartile, 1 when nothing differs.
        likeness: f32,
        /// How old that one is: what it shows was the last that was new.
        lasted: Duration,
    },
    /// Earlier ones come again.
    Looped {
        /// The length of the loop.
        period: Duration,
        /// As above.
        likeness: f32,
        /// How long ago the first sample that repeats was seen.
        lasted: Duration,
    },
}

/// A sample, and where its noise is kept.
struct Seen {
    at: Duration,
    slot: usize,
}

/// Old video that comes again, as far as it has been seen.
struct Loop {
    since: Duration,
    /// Samples that were old …
    old: usize,
    /// … of so many, up to the newest that was.
    of: usize,
    /// Samples since then.
    new: usize,
    period: Duration,
    likeness: f32,
}

impl Loop {
    /// A loop whose pictures are sampled at the same moments shows none that is new. One that is sampled at others shows
    /// an old one now and then: a few times as long without one is its end.
    fn is_over(&self) -> bool {
        self.new > if self.old < ENOUGH { APART } else { 3 * (self.of - self.old) / self.old }
    }
}

/// The newest sample.
struct Last {
    at: Duration,
    pieces: Vec<u8>,
    /// Its fine detail, which is not part of the room yet.
    detail: Vec<i16>,
}

/// The samples of the last quarter of an hour, and what is usual.
#[derive(Default)]
pub(super) struct Memory {
    seen: VecDeque<Seen>,
    /// How many samples there is room for.
    most: usize,
    /// Their noise, as many values of each as its pieces have, in ninths of a grey level, what is more cut off. All of it is taken with the first sample: what the appliance needs does not grow, and no small pieces of
    /// memory that are kept for long hold on to the large ones around them.
    noise: Vec<i8>,
    last: Option<Last>,
    /// The fine detail of the room, without noise, as of so many samples.
    room: Vec<f32>,
    learnt: usize,
    /// What is known of the room does not hold any more.
    is_seen_otherwise: bool,
    /// The sample before did not look like the room as it is known, nor like any other sample.
    was_off: bool,
    /// The light of the room, as of so many samples: mean of the pieces, grey levels.
    light: f32,
    /// Differences of one sample to the next, in fine detail: what is known of the room has no part in it.
    usual: VecDeque<f32>,
    again: Option<Loop>,
}

impl Memory {
    /// Nothing is known yet; a sample each so many seconds will be, or a little more often.
    pub fn new(seconds: f64) -> Memory {
        let most = ((MEMORY.as_secs_f64() / (0.9 * seconds)) as usize + 1).min(MOST);
        Memory { most, ..Memory::default() }
    }

    /// Looks whether `picture` has been seen before, and remembers it. The noise is the same from `limit` on, 0 to 1.
    pub fn take(&mut self, picture: &Picture, at: Duration, limit: f32) -> Repeats {
        let pieces = pieces(picture);
        while self.seen.len() >= self.most
            || self.seen.front().is_some_and(|first| at.saturating_sub(first.at) > MEMORY)
        {
            self.seen.pop_front();
        }
        if self.last.as_ref().is_some_and(|last| last.pieces.len() != pieces.len()) {
            *self = Memory { most: self.most, ..Memory::default() };
        }
        // Sent again byte for byte: nothing needs to be learnt first.
        if let Some(last) = self.last.as_ref().filter(|last| is_identical(&last.pieces, &pieces)) {
            return Repeats::Frozen { likeness: 1.0, lasted: at.saturating_sub(last.at) };
        }
        let mut is_off = self.is_seen_otherwise || (mean(&pieces) - self.light).abs() > OTHER_LIGHT * self.light;
        let newest = Last { at, detail: detail(&pieces), pieces };
        if self.learnt < TO_LEARN {
            if is_off {
                self.learn_anew();
            }
            self.learn(newest);
            return Repeats::No;
        }
        let less_room = |(value, room): (&i16, &f32)| (f32::from(*value) - room).round() as i8;
        let noise: Vec<i8> = newest.detail.iter().zip(&self.room).map(less_room).collect();
        let usual = self.usual();
        let is_same = |seen: &Seen| {
            let usual = usual?;
            let likeness = likeness(self.noise_of(seen), &noise).filter(|likeness| *likeness >= limit)?;
            (difference(self.noise_of(seen), &noise) <= LESS_THAN_USUAL * usual).then_some(likeness)
        };
        // How many samples ago the last one was that was the same, and how alike.
        let same_as = self
            .seen
            .iter()
            .rev()
            .enumerate()
            .find_map(|(back, seen)| is_same(seen).map(|likeness| (back + 1, likeness)));
        is_off |= usual.is_some_and(|usual| !(QUIETER..=CHANGED).contains(&(size(&noise) / usual)));
        // What is old was seen as the room was then; and somebody who passes close to the lens is gone in the next sample.
        if is_off && same_as.is_none() {
            if std::mem::replace(&mut self.was_off, true) {
                self.learn_anew();
                self.learn(newest);
                return Repeats::No;
            }
            return self.looped(at);
        }
        self.was_off = false;
        if let Some((samples, likeness)) = same_as.filter(|(samples, _)| *samples <= STILL) {
            return Repeats::Frozen { likeness, lasted: self.ago(at, samples) };
        }
        self.count(at, same_as);
        if same_as.is_some() {
            // There is nothing to learn from what is old.
            self.last = Some(newest);
        } else {
            self.learn(newest);
        }
        self.keep(at, &noise);
        self.looped(at)
    }

    fn looped(&self, at: Duration) -> Repeats {
        match &self.again {
            Some(Loop { old, since, period, likeness, .. }) if *old >= ENOUGH => {
                Repeats::Looped { period: *period, likeness: *likeness, lasted: at.saturating_sub(*since) }
            }
            _ => Repeats::No,
        }
    }

    /// How long ago the sample so many samples ago was seen.
    fn ago(&self, at: Duration, samples: usize) -> Duration {
        at.saturating_sub(self.seen[self.seen.len() - samples].at)
    }

    fn noise_of(&self, seen: &Seen) -> &[i8] {
        let length = self.noise.len() / self.most;
        &self.noise[seen.slot * length..(seen.slot + 1) * length]
    }

    fn keep(&mut self, at: Duration, noise: &[i8]) {
        if self.noise.is_empty() {
            // What is not zero is not only promised.
            self.noise = vec![i8::MAX; noise.len() * self.most];
        }
        let slot = self.seen.back().map_or(0, |last| (last.slot + 1) % self.most);
        self.noise[slot * noise.len()..][..noise.len()].copy_from_slice(noise);
        self.seen.push_back(Seen { at, slot });
    }

    /// Counts a sample: so many samples ago one was the same, so alike; or none was.
    fn count(&mut self, at: Duration, same_as: Option<(usize, f32)>) {
        if let Some((samples, likeness)) = same_as {
            let period = self.ago(at, samples);
            let again = self.again.get_or_insert(Loop { since: at, old: 0, of: 0, new: 0, period, likeness });
            (again.period, again.likeness) = (period, likeness);
            (again.old, again.of, again.new) = (again.old + 1, again.of + again.new + 1, 0);
        } else if let Some(again) = &mut self.again {
            again.new += 1;
        }
        self.again.take_if(|again| again.is_over());
    }

    /// Forgets the pictures, not the room: the camera was away.
    pub fn clear(&mut self) {
        self.seen.clear();
        (self.last, self.again) = (None, None);
    }

    /// The room is another one, or is seen otherwise, from the next sample on that is new.
    pub fn see_otherwise(&mut self) {
        self.is_seen_otherwise = true;
    }

    /// What is left of a picture when the room as it was is taken away is not noise, and would look alike in every picture.
    fn learn_anew(&mut self) {
        (self.learnt, self.last, self.is_seen_otherwise, self.was_off) = (0, None, false, false);
        self.usual.clear();
    }

    /// Makes the sample before part of the room: the newest is compared with what it is not part of.
    fn learn(&mut self, newest: Last) {
        let light = mean(&newest.pieces);
        self.light = if self.last.is_none() { light } else { self.light + (light - self.light) * WEIGHT };
        let Some(Last { detail: before, .. }) = self.last.take() else {
            self.last = Some(newest);
            return;
        };
        self.usual.push_back(difference(&before, &newest.detail));
        if self.usual.len() > USUAL_OF {
            self.usual.pop_front();
        }
        self.last = Some(newest);
        if self.learnt == 0 {
            self.room = before.iter().map(|value| f32::from(*value)).collect();
        } else {
            let weight = (1.0 / (self.learnt + 1) as f32).max(WEIGHT);
            for (room, value) in self.room.iter_mut().zip(&before) {
                *room += (f32::from(*value) - *room) * weight;
            }
        }
        self.learnt += 1;
    }

    /// By how much one sample usually differs from the next.
    fn usual(&self) -> Option<f32> {
        let mut all: Vec<f32> = self.usual.iter().copied().filter(|difference| difference.is_finite()).collect();
        if all.len() < TO_LEARN {
            return None;
        }
        all.sort_unstable_by(f32::total_cmp);
        Some(all[all.len() / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A still room; `noise` numbers the noise.
    fn room(noise: u64) -> Picture {
        seen_from(0, noise)
    }

    /// A still room full of things, by a camera that stands so far, px.
    fn seen_from(shift: usize, noise: u64) -> Picture {
        let mut picture = Picture::black(320, 180);
        let mut random = noise.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for (at, value) in picture.rgb.iter_mut().enumerate() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (x, y) = (at / 3 % 320 + shift, at / 960);
            let thing = (x / 9 * 31 + y / 7 * 17) % 5 * 12;
            *value = (60 + x / 4 + thing + (random % 7) as usize) as u8;
        }
        picture
    }

    fn told(noises: impl IntoIterator<Item = u64>) -> Vec<Repeats> {
        let mut memory = Memory::new(2.0);
        let each = noises.into_iter().enumerate();
        each.map(|(at, noise)| memory.take(&room(noise), Duration::from_secs(2 * at as u64), 0.4)).collect()
    }

    #[test]
    fn a_still_room_is_neither_frozen_nor_looped() {
        assert!(told(0..400).iter().all(|repeats| *repeats == Repeats::No));
    }

    #[test]
    fn the_same_picture_again_is_frozen_at_once() {
        let told = told([1, 2, 3, 3, 3, 4]);
        assert_eq!(told[2], Repeats::No);
        assert!(matches!(told[3], Repeats::Frozen { .. }) && matches!(told[4], Repeats::Frozen { .. }));
        assert_eq!(told[5], Repeats::No);
    }

    #[test]
    fn a_camera_that_is_pushed_to_and_fro_is_not_frozen() {
        for (there, back) in [(4, 4), (4, 5), (3, 4), (5, 3), (6, 5)] {
            let mut memory = Memory::new(2.0);
            let places = std::iter::repeat_n(0, 20);
            let pushed = (0..6).flat_map(|_| [vec![12; there], vec![0; back]].concat());
            for (at, place) in places.chain(pushed).chain(vec![0; 30]).enumerate() {
                let picture = seen_from(place, 1000 + at as u64);
                let repeats = memory.take(&picture, Duration::from_secs(2 * at as u64), 0.4);
                assert_eq!(repeats, Repeats::No, "sample {at} of {there} and {back}");
            }
        }
    }

    #[test]
    fn light_that_is_switched_on_is_not_taken_for_a_picture_that_stands_still() {
        // In the dark a sensor makes more noise: half of the light, three times the noise.
        let dark = |noise: u64| {
            let mut picture = room(noise);
            let other = room(noise + 5000);
            for (value, other) in picture.rgb.iter_mut().zip(&other.rgb) {
                *value = (f32::from(*value) / 2.0 + 1.5 * (f32::from(*value) - f32::from(*other))) as u8;
            }
            picture
        };
        let mut memory = Memory::new(2.0);
        for at in 0..80 {
            let picture = if at / 20 % 2 == 0 { dark(at) } else { room(at) };
            let repeats = memory.take(&picture, Duration::from_secs(2 * at), 0.4);
            assert_eq!(repeats, Repeats::No, "sample {at}");
        }
    }

    #[test]
    fn old_video_that_is_brighter_or_has_people_in_it_is_found_all_the_same() {
        let brighter = |noise: u64| {
            let mut picture = room(noise);
            picture.rgb.iter_mut().for_each(|value| *value = (f32::from(*value) * 1.2) as u8);
            picture
        };
        // A picture that stands still, and is made brighter.
        let mut memory = Memory::new(2.0);
        let mut told = Vec::new();
        for at in 0..40 {
            let picture = if at < 20 { room(at) } else { brighter(19) };
            told.push(memory.take(&picture, Duration::from_secs(2 * at), 0.4));
        }
        assert!(told[21..].iter().all(|repeats| matches!(repeats, Repeats::Frozen { .. })), "{told:?}");
        // Eight pictures again and again, in one of which somebody stands before the lens.
        let mut memory = Memory::new(2.0);
        let mut told = Vec::new();
        for at in 0..80u64 {
            let number = if at < 40 { at } else { 32 + at % 8 };
            let picture = if number == 35 { brighter(35) } else { room(number) };
            told.push(memory.take(&picture, Duration::from_secs(2 * at), 0.4));
        }
        assert!(told[..40].iter().all(|repeats| *repeats == Repeats::No), "{told:?}");
        assert!(told[42..].iter().all(|repeats| matches!(repeats, Repeats::Looped { .. })), "{told:?}");
    }

    #[test]
    fn a_sensor_that_makes_less_noise_from_now_on_is_not_taken_for_a_picture_that_stands_still() {
        for times in [3.0f32, 5.0, 8.0] {
            // What is the room and what is noise cannot be told from one picture; the sum of two noises is another one.
            let noisy = |noise: u64| {
                let (mut picture, other) = (room(noise), room(noise + 5000));
                for (value, other) in picture.rgb.iter_mut().zip(&other.rgb) {
                    let more = (f32::from(*value) - f32::from(*other)) * times / 2.0;
                    *value = (f32::from(*value) + more).clamp(0.0, 255.0) as u8;
                }
                picture
            };
            let mut memory = Memory::new(2.0);
            for at in 0..80 {
                let picture = if at < 40 { noisy(at) } else { room(at) };
                let repeats = memory.take(&picture, Duration::from_secs(2 * at), 0.4);
                assert_eq!(repeats, Repeats::No, "sample {at}, {times} times the noise");
            }
        }
    }

    #[test]
    fn old_video_that_is_sampled_at_other_moments_is_found_by_what_comes_again_now_and_then() {
        // Every fourth picture of 80 is an old one; then all are new.
        let old = (100..180).map(|number| if number % 4 == 0 { number - 90 } else { number });
        let told = told((0..100).chain(old).chain(200..240));
        assert!(told[..108].iter().all(|repeats| *repeats == Repeats::No), "{told:?}");
        assert!(told[108..180].iter().all(|repeats| matches!(repeats, Repeats::Looped { .. })), "{told:?}");
        assert!(told[190..].iter().all(|repeats| *repeats == Repeats::No), "{told:?}");
    }

    #[test]
    fn old_video_is_a_loop_once_three_of_its_pictures_have_come_again() {
        let told = told((0..30).chain(10..30).chain(10..30));
        assert!(told[..32].iter().all(|repeats| *repeats == Repeats::No), "{told:?}");
        let Repeats::Looped { period, .. } = told[32] else { panic!("{:?}", told[32]) };
        assert_eq!(period, Duration::from_secs(40));
        assert!(told[32..].iter().all(|repeats| matches!(repeats, Repeats::Looped { .. })));
    }
}
