//! Points, boxes, similarity transforms, and sampling a picture through one.

use crate::picture::Picture;

/// A point, px, from the top left.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

/// An upright box, px; may reach outside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Point {
    /// A point.
    pub fn new(x: f32, y: f32) -> Point {
        Point { x, y }
    }

    /// Distance to another point, px.
    pub fn distance(self, other: Point) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The point halfway to another.
    pub fn middle(self, other: Point) -> Point {
        Point::new((self.x + other.x) / 2.0, (self.y + other.y) / 2.0)
    }
}

impl Rect {
    /// The smallest box round points.
    pub fn around(points: impl IntoIterator<Item = Point>) -> Rect {
        let (mut left, mut top, mut right, mut bottom) = (f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        for point in points {
            (left, right) = (left.min(point.x), right.max(point.x));
            (top, bottom) = (top.min(point.y), bottom.max(point.y));
        }
        Rect { x: left, y: top, width: (right - left).max(0.0), height: (bottom - top).max(0.0) }
    }

    /// The middle.
    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Whether a point lies in the box.
    pub fn contains(&self, (x, y): (f32, f32)) -> bool {
        x >= self.x && x <= self.x + self.width && y >= self.y && y <= self.y + self.height
    }

    /// Area of the part shared with another box over the area of both together, 0–1.
    pub fn overlap(&self, other: &Rect) -> f32 {
        let shared = self.shared(other);
        let both = self.width * self.height + other.width * other.height - shared;
        if both > 0.0 { shared / both } else { 0.0 }
    }

    /// The part of the box that lies inside a picture, 0–1.
    pub fn part_inside(&self, width: f32, height: f32) -> f32 {
        let area = self.width * self.height;
        let picture = Rect { x: 0.0, y: 0.0, width, height };
        if area > 0.0 { (self.shared(&picture) / area).min(1.0) } else { 0.0 }
    }

    fn shared(&self, other: &Rect) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }
}

/// Rotation, uniform scale and shift: (x, y) → (a·x − b·y + tx, b·x + a·y + ty).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Similarity {
    pub a: f32,
    pub b: f32,
    pub tx: f32,
    pub ty: f32,
}

impl Similarity {
    /// The similarity that takes `from` to `to` with the least sum of squared distances (Umeyama 1991, without
    /// reflection; in two dimensions it has this closed form).
    pub fn least_squares<const N: usize>(from: &[Point; N], to: &[Point; N]) -> Similarity {
        let mean = |points: &[Point; N]| {
            let sum = points.iter().fold(Point::default(), |sum, p| Point::new(sum.x + p.x, sum.y + p.y));
            Point::new(sum.x / N as f32, sum.y / N as f32)
        };
        let (from_mean, to_mean) = (mean(from), mean(to));
        let (mut dot, mut cross, mut square) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (p.x - from_mean.x, p.y - from_mean.y);
            let (qx, qy) = (q.x - to_mean.x, q.y - to_mean.y);
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
            square += px * px + py * py;
        }
        let square = square.max(f32::EPSILON);
        let (a, b) = (dot / square, cross / square);
        Similarity {
            a,
            b,
            tx: to_mean.x - (a * from_mean.x - b * from_mean.y),
            ty: to_mean.y - (b * from_mean.x + a * from_mean.y),
        }
    }

    pub fn apply(&self, point: Point) -> Point {
        Point::new(self.a * point.x - self.b * point.y + self.tx, self.b * point.x + self.a * point.y + self.ty)
    }

    /// Length of a unit after the transform.
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }
}

/// Fills a square of `size` px with what `to_picture` (square px → picture px) shows of a picture, as interleaved
/// RGB. Where one px of the square covers several of the picture, they are averaged; outside the picture its edge
/// is continued.
///
/// Positions are held in 1/65536 px and weights in 1/256: faster than floats, and finer than a byte's 256 levels show.
pub(super) fn sample(picture: &Picture, to_picture: &Similarity, size: usize, out: &mut [f32]) {
    debug_assert_eq!(out.len(), size * size * 3);
    let steps = (to_picture.scale().ceil() as usize).clamp(1, 8);
    let (width, height) = (picture.width as usize, picture.height as usize);
    let weight = 1.0 / ((steps * steps) as f32 * 65536.0);
    let inner: Vec<(f32, f32)> = (0..steps * steps)
        .map(|step| {
            let offset = |at: usize| (at as f32 + 0.5) / steps as f32 - 0.5;
            (offset(step % steps), offset(step / steps))
        })
        .collect();
    // From one px of the square to the next on its right, in the picture.
    let (across, down) = (fixed(to_picture.a), fixed(to_picture.b));
    let far = size as f32 - 0.5;
    let corners = [(-0.5, -0.5), (far, -0.5), (-0.5, far), (far, far)];
    let is_inside = corners
        .into_iter()
        .map(|(x, y)| to_picture.apply(Point::new(x, y)))
        .all(|at| at.x >= 1.0 && at.y >= 1.0 && at.x < width as f32 - 2.0 && at.y < height as f32 - 2.0);
    let (right, bottom) = ((width as i64 - 1) << 16, (height as i64 - 1) << 16);
    let stride = width * 3;
    for (row, line) in out.chunks_exact_mut(size * 3).enumerate() {
        let mut at: Vec<(i64, i64)> = Vec::with_capacity(inner.len());
        at.extend(inner.iter().map(|(dx, dy)| {
            let start = to_picture.apply(Point::new(*dx, row as f32 + dy));
            (fixed(start.x), fixed(start.y))
        }));
        for pixel in line.chunks_exact_mut(3) {
            let mut sum = [0u32; 3];
            for (x, y) in &mut at {
                let (here_x, here_y) = if is_inside { (*x, *y) } else { ((*x).clamp(0, right), (*y).clamp(0, bottom)) };
                let (left, top) = ((here_x >> 16) as usize, (here_y >> 16) as usize);
                let (fx, fy) = ((here_x >> 8 & 0xff) as u32, (here_y >> 8 & 0xff) as u32);
                let first = top * stride + left * 3;
                let below = if is_inside || top + 1 < height { first + stride } else { first };
                let beside = if is_inside || left + 1 < width { 3 } else { 0 };
                let upper = &picture.rgb[first..first + beside + 3];
                let lower = &picture.rgb[below..below + beside + 3];
                let weights = [(256 - fx) * (256 - fy), fx * (256 - fy), (256 - fx) * fy, fx * fy];
                for (channel, sum) in sum.iter_mut().enumerate() {
                    *sum += u32::from(upper[channel]) * weights[0]
                        + u32::from(upper[channel + beside]) * weights[1]
                        + u32::from(lower[channel]) * weights[2]
                        + u32::from(lower[channel + beside]) * weights[3];
                }
                *x += across;
                *y += down;
            }
            for (out, sum) in pixel.iter_mut().zip(sum) {
                *out = sum as f32 * weight;
            }
        }
    }
}

/// In 1/65536.
fn fixed(value: f32) -> i64 {
    (f64::from(value) * 65536.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_squares_finds_the_similarity_that_made_the_points() {
        let made = Similarity { a: 1.7, b: -0.4, tx: 12.0, ty: -30.0 };
        let from = [(0.0, 0.0), (10.0, 1.0), (4.0, 9.0), (1.0, 20.0), (12.0, 18.0)].map(|(x, y)| Point::new(x, y));
        let found = Similarity::least_squares(&from, &from.map(|point| made.apply(point)));
        assert!((found.a - made.a).abs() < 1e-4 && (found.b - made.b).abs() < 1e-4, "{found:?}");
        assert!((found.tx - made.tx).abs() < 1e-2 && (found.ty - made.ty).abs() < 1e-2, "{found:?}");
    }

    #[test]
    fn sampling_the_identity_gives_the_picture_back_and_shrinking_averages() {
        let mut picture = Picture::black(8, 8);
        for (at, byte) in picture.rgb.iter_mut().enumerate() {
            *byte = if (at / 3) % 2 == 0 { 0 } else { 200 };
        }
        let mut out = vec![0.0; 8 * 8 * 3];
        sample(&picture, &Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 }, 8, &mut out);
        assert!(out.iter().zip(&picture.rgb).all(|(a, b)| (a - f32::from(*b)).abs() < 1e-3));
        let mut small = vec![0.0; 2 * 2 * 3];
        sample(&picture, &Similarity { a: 4.0, b: 0.0, tx: 1.5, ty: 1.5 }, 2, &mut small);
        assert!(small.iter().all(|value| (value - 100.0).abs() < 1.0), "{small:?}");
    }

    #[test]
    fn a_box_half_outside_is_half_inside() {
        let rect = Rect { x: -10.0, y: 0.0, width: 20.0, height: 10.0 };
        assert_eq!(rect.part_inside(100.0, 100.0), 0.5);
    }
}
