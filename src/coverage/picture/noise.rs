//! The noise of a picture: small pieces of it at its own resolution, and how alike two of them are.

use crate::picture::Picture;

/// Pieces across and down.
const ACROSS: usize = 6;
const DOWN: usize = 4;
/// Side of a piece, px.
const SIDE: usize = 16;
const PIECE: usize = SIDE * SIDE;
/// With fewer pieces than this that have any noise, nothing can be told.
const LEAST_PIECES: usize = ACROSS * DOWN / 4;
/// A piece whose noise is below this has none, in ninths of a grey level.
const LEAST_NOISE: f32 = 0.4;

/// The green of a picture's pieces, one after another, row by row; nothing of a picture that is too small.
pub(super) fn pieces(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    if width < ACROSS * SIDE || height < DOWN * SIDE {
        return Vec::new();
    }
    let mut pieces = Vec::with_capacity(ACROSS * DOWN * PIECE);
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

/// What a value differs by from the mean of the 3 × 3 around it, ninths of a grey level: no light that comes and goes.
pub(super) fn detail(pieces: &[u8]) -> Vec<i16> {
    let mut detail = Vec::with_capacity(pieces.len());
    for piece in pieces.chunks_exact(PIECE) {
        let value = |x: usize, y: usize| i16::from(piece[y.min(SIDE - 1) * SIDE + x.min(SIDE - 1)]);
        for y in 0..SIDE {
            let rows = [y.saturating_sub(1), y, y + 1];
            for x in 0..SIDE {
                let around: i16 =
                    rows.iter().map(|y| value(x.saturating_sub(1), *y) + value(x, *y) + value(x + 1, *y)).sum();
                detail.push(9 * value(x, y) - around);
            }
        }
    }
    detail
}

/// The same values, in a picture that is neither black nor white.
pub(super) fn is_identical(one: &[u8], other: &[u8]) -> bool {
    let told = one.chunks_exact(PIECE).filter(|piece| !is_clipped(piece)).count();
    told >= LEAST_PIECES && one == other
}

/// Grey levels.
pub(super) fn mean(pieces: &[u8]) -> f32 {
    pieces.iter().map(|value| u64::from(*value)).sum::<u64>() as f32 / pieces.len().max(1) as f32
}

/// Black or white throughout: no noise is left in it.
fn is_clipped(piece: &[u8]) -> bool {
    piece.iter().all(|value| *value <= 2) || piece.iter().all(|value| *value >= 253)
}

/// The correlation of the piece at the lower quartile, of those that have noise; `None`: too few have.
pub(super) fn likeness(one: &[i8], other: &[i8]) -> Option<f32> {
    let likenesses = one.chunks_exact(PIECE).zip(other.chunks_exact(PIECE)).filter_map(|(one, other)| {
        let (mut both, mut squares, mut others) = (0.0, 0.0, 0.0);
        for (one, other) in one.iter().zip(other) {
            let (one, other) = (f32::from(*one), f32::from(*other));
            both += one * other;
            squares += one * one;
            others += other * other;
        }
        let least = LEAST_NOISE * LEAST_NOISE * PIECE as f32;
        (squares > least && others > least).then(|| both / (squares * others).sqrt())
    });
    quantile(likenesses.collect(), 1)
}

/// The mean difference of the piece at the upper quartile; infinite if there are too few.
pub(super) fn difference<T: Copy + Into<f32>>(one: &[T], other: &[T]) -> f32 {
    let differences = one.chunks_exact(PIECE).zip(other.chunks_exact(PIECE)).map(|(one, other)| {
        let differences = one.iter().zip(other).map(|(one, other)| ((*one).into() - (*other).into()).abs());
        differences.sum::<f32>() / PIECE as f32
    });
    quantile(differences.collect(), 3).unwrap_or(f32::INFINITY)
}

/// The mean size of the noise of the piece in the middle.
pub(super) fn size(noise: &[i8]) -> f32 {
    let sizes = noise
        .chunks_exact(PIECE)
        .map(|piece| piece.iter().map(|value| f32::from(value.unsigned_abs())).sum::<f32>() / PIECE as f32);
    quantile(sizes.collect(), 2).unwrap_or(0.0)
}

/// The value that `quarter` quarters are below; `None`: there are too few.
fn quantile(mut values: Vec<f32>, quarter: usize) -> Option<f32> {
    if values.len() < LEAST_PIECES {
        return None;
    }
    values.sort_unstable_by(f32::total_cmp);
    Some(values[values.len() * quarter / 4])
}
