//! Grey pictures, and how like a piece of one is to a piece of another whatever the light.

use crate::picture::Picture;

/// A grey picture: rows from the top, 0 to 255.
#[derive(Clone)]
pub(super) struct Grey {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<f32>,
}

impl Grey {
    /// Of a picture, scaled to `width`; its shape is kept.
    pub fn of(picture: &Picture, width: usize) -> Grey {
        let (from_width, from_height) = (picture.width.max(1), picture.height.max(1));
        let height =
            ((width as u64 * u64::from(from_height) + u64::from(from_width) / 2) / u64::from(from_width)).max(16);
        // A picture so tall that it is a strip is none of a camera's.
        let height = (height as usize).min(4 * width);
        let small = picture.scaled(width as u32, height as u32);
        let grey =
            |pixel: &[u8]| 0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2]);
        Grey { width, height, pixels: small.rgb.chunks_exact(3).map(grey).collect() }
    }

    /// Of half the width and height, each pixel the mean of four.
    pub fn halved(&self) -> Grey {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let (upper, lower) = (self.row(2 * y), self.row(2 * y + 1));
            pixels
                .extend((0..width).map(|x| (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]) / 4.0));
        }
        Grey { width, height, pixels }
    }

    pub fn row(&self, y: usize) -> &[f32] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    pub fn mean(&self) -> f32 {
        self.pixels.iter().sum::<f32>() / self.pixels.len().max(1) as f32
    }

    /// Standard deviation.
    pub fn spread(&self) -> f32 {
        let mean = self.mean();
        (self.pixels.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / self.pixels.len().max(1) as f32).sqrt()
    }

    /// Share of pixels above a level.
    pub fn share_above(&self, level: f32) -> f32 {
        self.pixels.iter().filter(|value| **value >= level).count() as f32 / self.pixels.len().max(1) as f32
    }

    /// Mean of the squared differences between neighbours in the square of `2 · reach + 1` px around a point: how much
    /// fine detail is there. The square must lie inside.
    pub fn detail(&self, x: usize, y: usize, reach: usize) -> f32 {
        let mut sum = 0.0;
        for row in y - reach..y + reach {
            let (upper, lower) = (self.row(row), self.row(row + 1));
            for at in x - reach..x + reach {
                sum += (upper[at + 1] - upper[at]).powi(2) + (lower[at] - upper[at]).powi(2);
            }
        }
        sum / (4 * reach * reach) as f32
    }

    /// Whether the square of `2 · reach + 1` px around a point lies inside. The point may be anywhere: a wrong map leads to
    /// the ends of the numbers.
    pub fn holds(&self, x: i32, y: i32, reach: usize) -> bool {
        let reach = reach as i32;
        let is_below = |at: i32, end: usize| at.saturating_add(reach) < end as i32;
        x >= reach && y >= reach && is_below(x, self.width) && is_below(y, self.height)
    }
}

/// A square piece of a picture, made independent of brightness and contrast.
#[derive(Clone)]
pub(super) struct Template {
    /// Pixels from the middle to an edge.
    pub reach: usize,
    /// Their mean is 0, the sum of their squares 1.
    values: Vec<f32>,
    /// Standard deviation before, grey levels.
    pub contrast: f32,
}

/// Below this contrast a piece has no structure that could be found again, grey levels.
pub(super) const LEAST_CONTRAST: f32 = 3.0;

impl Template {
    /// The square around a point, which must lie inside (see [`Grey::holds`]).
    pub fn at(image: &Grey, x: usize, y: usize, reach: usize) -> Template {
        let mut values = Vec::with_capacity((2 * reach + 1).pow(2));
        for row in y - reach..=y + reach {
            values.extend_from_slice(&image.row(row)[x - reach..=x + reach]);
        }
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        values.iter_mut().for_each(|value| *value -= mean);
        let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        let contrast = norm / (values.len() as f32).sqrt();
        values.iter_mut().for_each(|value| *value /= norm.max(1e-3));
        Template { reach, values, contrast }
    }

    /// Correlation with the square around a point of another picture, −1 to 1; −1 where that lies partly outside.
    pub fn likeness(&self, image: &Grey, x: i32, y: i32) -> f32 {
        if !image.holds(x, y, self.reach) {
            return -1.0;
        }
        let (x, y, side) = (x as usize, y as usize, 2 * self.reach + 1);
        let (mut sum, mut squares, mut product) = (0.0f32, 0.0f32, 0.0f32);
        for (at, values) in self.values.chunks_exact(side).enumerate() {
            let row = &image.row(y - self.reach + at)[x - self.reach..=x + self.reach];
            for (value, pixel) in values.iter().zip(row) {
                sum += pixel;
                squares += pixel * pixel;
                product += pixel * value;
            }
        }
        let count = (side * side) as f32;
        let variance = squares - sum * sum / count;
        // What is nearly flat is like nothing.
        if variance < count { 0.0 } else { product / variance.sqrt() }
    }

    /// The most alike place within `distance` px of a point, and how alike it is.
    pub fn best(&self, image: &Grey, x: i32, y: i32, distance: i32) -> (i32, i32, f32) {
        let mut best = (x, y, -1.0);
        for dy in -distance..=distance {
            for dx in -distance..=distance {
                let likeness = self.likeness(image, x + dx, y + dy);
                if likeness > best.2 {
                    best = (x + dx, y + dy, likeness);
                }
            }
        }
        best
    }
}

/// Correlation of two pictures of the same size, −1 to 1.
pub(super) fn correlation(one: &Grey, other: &Grey) -> f32 {
    let (mean_one, mean_other) = (one.mean(), other.mean());
    let (mut product, mut squares_one, mut squares_other) = (0.0f32, 0.0f32, 0.0f32);
    for (a, b) in one.pixels.iter().zip(&other.pixels) {
        let (a, b) = (a - mean_one, b - mean_other);
        product += a * b;
        squares_one += a * a;
        squares_other += b * b;
    }
    product / (squares_one * squares_other).sqrt().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_beyond_all_pictures_is_like_nothing() {
        let pixels = (0..64 * 48).map(|at| (at % 7 * 30) as f32).collect();
        let grey = Grey { width: 64, height: 48, pixels };
        let template = Template::at(&grey, 20, 20, 7);
        assert!(template.likeness(&grey, 20, 20) > 0.99);
        for (x, y) in [(i32::MAX, 20), (20, i32::MAX), (i32::MIN, 20), (20, i32::MIN), (i32::MAX, i32::MAX)] {
            assert!(!grey.holds(x, y, 7));
            assert_eq!(template.likeness(&grey, x, y), -1.0, "{x} {y}");
        }
        assert!(grey.holds(56, 40, 7) && !grey.holds(57, 40, 7) && !grey.holds(56, 41, 7));
    }
}
