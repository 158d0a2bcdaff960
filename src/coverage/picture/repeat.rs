//! Whether a picture has been seen before, noise and all: a camera that stands still, or one that is fed old video.
//!
//! The noise of a sensor is never the same twice, so two pictures of one still room differ; a picture that is sent again
//! does not. Small pieces at the picture's own resolution are compared, and three quarters of them must be the same: an
//! overlaid clock, or a person who walks before a frozen background, decides nothing.

use crate::picture::Picture;
use std::collections::VecDeque;
use std::time::Duration;

/// Pieces across and down.
const ACROSS: usize = 6;
const DOWN: usize = 4;
/// Side of a piece, px.
const SIDE: usize = 16;
/// How long samples are remembered: the longest loop that can be found.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// … and how many of them.
const MOST: usize = 900;
/// So many samples in a row that repeat earlier ones, at one distance, are a loop.
const IN_A_ROW: usize = 3;
/// With fewer pieces than this that are neither black nor white, nothing can be told.
const LEAST_PIECES: usize = ACROSS * DOWN / 4;

/// What is known of the repetition in the newest sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Repeats {
    /// Nothing repeats.
    No,
    /// It is the sample before.
    Frozen {
        /// Mean difference of the piece at the upper quartile, grey levels.
        difference: f32,
    },
    /// It is an earlier one, and so were those before it.
    Looped {
        /// The length of the loop.
        period: Duration,
        /// As above.
        difference: f32,
    },
}

struct Seen {
    at: Duration,
    /// [`ACROSS`] × [`DOWN`] pieces of [`SIDE`]² green values.
    pieces: Vec<u8>,
    /// Samples before this one that it and those before it repeat.
    same_as: Vec<usize>,
}

/// The samples of the last quarter of an hour.
#[derive(Default)]
pub(super) struct Memory {
    seen: VecDeque<Seen>,
}

impl Memory {
    /// Looks whether `picture` has been seen before, and remembers it.
    pub fn take(&mut self, picture: &Picture, at: Duration, limit: f32) -> Repeats {
        let pieces = pieces(picture);
        while self.seen.len() >= MOST || self.seen.front().is_some_and(|first| at.saturating_sub(first.at) > MEMORY) {
            self.seen.pop_front();
        }
        if self.seen.back().is_some_and(|last| last.pieces.len() != pieces.len()) {
            self.seen.clear();
        }
        let newest = self.seen.len();
        let differences: Vec<f32> = self.seen.iter().map(|seen| difference(&seen.pieces, &pieces)).collect();
        // Distances, in samples, at which this one is the same as an earlier one.
        let same_as: Vec<usize> =
            (0..newest).filter(|earlier| differences[*earlier] <= limit).map(|earlier| newest - earlier).collect();
        let still = differences.last().copied().filter(|difference| *difference <= limit);
        let looped = same_as
            .iter()
            .copied()
            .filter(|distance| *distance >= 2)
            .min_by_key(|distance| *distance)
            .filter(|_| still.is_none());
        // The same sequence: those before this one repeat at the same distance, give or take a sample.
        let in_a_row = |distance: usize| {
            self.seen
                .iter()
                .rev()
                .take(IN_A_ROW - 1)
                .filter(|seen| seen.same_as.iter().any(|other| other.abs_diff(distance) <= 1))
                .count()
                + 1
        };
        let result = match (still, looped) {
            (Some(difference), _) => Repeats::Frozen { difference },
            (None, Some(distance)) if in_a_row(distance) >= IN_A_ROW => {
                let earlier = newest - distance;
                Repeats::Looped { period: at.saturating_sub(self.seen[earlier].at), difference: differences[earlier] }
            }
            _ => Repeats::No,
        };
        self.seen.push_back(Seen { at, pieces, same_as });
        result
    }

    /// Forgets all: the camera was away.
    pub fn clear(&mut self) {
        self.seen.clear();
    }
}

fn pieces(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    if width < ACROSS * SIDE || height < DOWN * SIDE {
        return Vec::new();
    }
    let mut pieces = Vec::with_capacity(ACROSS * DOWN * SIDE * SIDE);
    for row in 0..DOWN {
        for column in 0..ACROSS {
            let left = (2 * column + 1) * width / (2 * ACROSS) - SIDE / 2;
            let top = (2 * row + 1) * height / (2 * DOWN) - SIDE / 2;
            for y in top..top + SIDE {
                let line = &picture.rgb[(y * width + left) * 3..(y * width + left + SIDE) * 3];
                pieces.extend(line.chunks_exact(3).map(|pixel| pixel[1]));
            }
        }
    }
    pieces
}

/// The mean difference of the piece at the upper quartile, among those that are neither black nor white throughout.
fn difference(one: &[u8], other: &[u8]) -> f32 {
    let mut differences: Vec<f32> = one
        .chunks_exact(SIDE * SIDE)
        .zip(other.chunks_exact(SIDE * SIDE))
        .filter(|(one, other)| !(is_clipped(one) && is_clipped(other)))
        .map(|(one, other)| {
            let sum: u32 = one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(*other))).sum();
            sum as f32 / (SIDE * SIDE) as f32
        })
        .collect();
    if differences.len() < LEAST_PIECES {
        return f32::INFINITY;
    }
    differences.sort_unstable_by(f32::total_cmp);
    differences[differences.len() * 3 / 4]
}

/// Black or white throughout: no noise is left in it.
fn is_clipped(piece: &[u8]) -> bool {
    piece.iter().all(|value| *value <= 2) || piece.iter().all(|value| *value >= 253)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A still room; `noise` numbers the noise.
    fn room(noise: u64) -> Picture {
        let mut picture = Picture::black(320, 180);
        let mut random = noise.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for (at, value) in picture.rgb.iter_mut().enumerate() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            *value = (60 + (at / 3 % 320) / 4 + (random % 7) as usize) as u8;
        }
        picture
    }

    fn told(noises: impl IntoIterator<Item = u64>) -> Vec<Repeats> {
        let mut memory = Memory::default();
        let each = noises.into_iter().enumerate();
        each.map(|(at, noise)| memory.take(&room(noise), Duration::from_secs(2 * at as u64), 0.35)).collect()
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
    fn old_video_is_a_loop_once_three_of_its_pictures_have_come_again() {
        let told = told((0..20).chain(5..20).chain(5..20));
        assert!(told[..22].iter().all(|repeats| *repeats == Repeats::No), "{told:?}");
        let Repeats::Looped { period, .. } = told[22] else { panic!("{:?}", told[22]) };
        assert_eq!(period, Duration::from_secs(30));
        assert!(told[22..].iter().all(|repeats| matches!(repeats, Repeats::Looped { .. })));
    }
}
