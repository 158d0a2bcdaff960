//! NanoDet: where people are in a picture.
//!
//! The network sees 416 × 416 px. A wide picture is looked at whole and in two squares of its height, so that people
//! at the far end of a workshop are large enough. Knows nothing of workstations and keeps no picture.

use super::manifest::Person;
use super::{Manifest, Runtime, VisionError};
use crate::picture::{Picture, Scaler};
use ort::session::Session;
use ort::value::TensorRef;
use std::sync::Arc;

/// Where a person is: the box as fractions of the picture's width and height, from the top left.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PersonBox {
    /// Left edge, 0–1.
    pub x: f32,
    /// Top edge, 0–1.
    pub y: f32,
    /// Width, 0–1.
    pub width: f32,
    /// Height, 0–1.
    pub height: f32,
    /// How sure, 0–1.
    pub score: f32,
}

impl PersonBox {
    fn area(&self) -> f32 {
        self.width * self.height
    }

    fn shared(&self, other: &PersonBox) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }
}

/// Boxes with less than this are no people; docs/coverage.md says how it was chosen.
pub const MIN_PERSON_SCORE: f32 = 0.4;

/// Steps between the cells in which the network looks, px of its input.
const STRIDES: [usize; 3] = [8, 16, 32];
/// Each edge's distance from a cell's centre is a distribution over 0, 1 … 10 strides.
const BINS: usize = 11;
/// Boxes that overlap by more than this are the same person.
const SAME_PERSON: f32 = 0.55;
/// A box at a tile's cut is dropped when this much of it lies inside a box that no cut touches.
const PART_OF_ANOTHER: f32 = 0.6;
/// Pictures wider than this times their height are looked at in tiles too.
const WIDE: f32 = 1.3;
/// A box that comes this near to a tile's cut, as a part of the tile's side, may be a part of a person.
const NEAR_CUT: f32 = 0.02;

/// The person model of one thread, and its buffers.
pub struct PersonDetector {
    session: Session,
    input: String,
    scores: String,
    boxes: String,
    size: usize,
    /// Byte → network value, for blue, green and red.
    normalised: [[f32; 256]; 3],
    /// Each cell's centre and stride, px of the input.
    cells: Vec<(f32, f32, f32)>,
    scaled: Picture,
    scaler: Scaler,
    tensor: Vec<f32>,
}

/// A square window of the picture, px, and whether people may be cut by its left and right edges.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tile {
    x: u32,
    width: u32,
    cuts_left: bool,
    cuts_right: bool,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    person: PersonBox,
    is_cut: bool,
}

impl PersonDetector {
    /// Loads the model; `None` when the manifest has none. It computes on the calling thread alone.
    pub fn new(runtime: &Arc<Runtime>, manifest: &Manifest) -> Result<Option<PersonDetector>, VisionError> {
        let Some(Person { file, input, scores, boxes, .. }) = &manifest.file.person else { return Ok(None) };
        let size = input.size;
        let table =
            |channel: usize| std::array::from_fn(|byte| (byte as f32 - input.mean[channel]) / input.scale[channel]);
        Ok(Some(PersonDetector {
            session: runtime.session(&manifest.resolve(file))?,
            input: input.name.clone(),
            scores: scores.clone(),
            boxes: boxes.clone(),
            size,
            normalised: [table(0), table(1), table(2)],
            cells: cells(size),
            scaled: Picture::black(size as u32, size as u32),
            scaler: Scaler::default(),
            tensor: vec![0.0; size * size * 3],
        }))
    }

    /// The people in the picture, surest first.
    pub fn find(&mut self, picture: &Picture) -> Result<Vec<PersonBox>, VisionError> {
        if picture.width < 16 || picture.height < 16 {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for tile in tiles(picture.width, picture.height) {
            self.look(picture, tile, &mut found)?;
        }
        Ok(merge(found))
    }

    /// Looks at one tile and adds what it finds, in fractions of the picture.
    fn look(&mut self, picture: &Picture, tile: Tile, found: &mut Vec<Candidate>) -> Result<(), VisionError> {
        let scale = self.fill(picture, tile);
        let side = self.size;
        let input = TensorRef::from_array_view(([1usize, 3, side, side], &self.tensor[..]))?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => input])?;
        let output = |name: &str, expected: usize| -> Result<&[f32], VisionError> {
            let values = outputs
                .get(name)
                .ok_or_else(|| VisionError::Inference(format!("the person model has no output {name:?}")))?
                .try_extract_tensor::<f32>()?
                .1;
            if values.len() != expected {
                let (output, found) = (name.to_owned(), values.len());
                return Err(VisionError::Shape { role: "person", output, expected, found });
            }
            Ok(values)
        };
        let scores = output(&self.scores, self.cells.len())?;
        let boxes = output(&self.boxes, self.cells.len() * 4 * BINS)?;
        let (width, height) = (picture.width as f32, picture.height as f32);
        for ((&(x, y, stride), &score), bins) in self.cells.iter().zip(scores).zip(boxes.chunks_exact(4 * BINS)) {
            if score.is_nan() || score < MIN_PERSON_SCORE {
                continue;
            }
            let mut edges = bins.chunks_exact(BINS).map(|bins| expectation(bins) * stride);
            let mut edge = || edges.next().unwrap_or_default();
            let (left, top, right, bottom) = (x - edge(), y - edge(), x + edge(), y + edge());
            let tile_width = tile.width as f32;
            let (left, right) = ((left / scale).clamp(0.0, tile_width), (right / scale).clamp(0.0, tile_width));
            let (top, bottom) = ((top / scale).clamp(0.0, height), (bottom / scale).clamp(0.0, height));
            let near = NEAR_CUT * tile_width;
            let is_cut = (tile.cuts_left && left < near) || (tile.cuts_right && right > tile_width - near);
            let person = PersonBox {
                x: (tile.x as f32 + left) / width,
                y: top / height,
                width: (right - left) / width,
                height: (bottom - top) / height,
                score,
            };
            if person.area() > 0.0 {
                found.push(Candidate { person, is_cut });
            }
        }
        Ok(())
    }

    /// Scales the tile into the network's input, at its top left, and tells by how much; the rest is the mean colour.
    fn fill(&mut self, picture: &Picture, tile: Tile) -> f32 {
        let side = self.size;
        let scale = side as f32 / tile.width.max(picture.height) as f32;
        let scaled = |length: u32| ((length as f32 * scale).round() as usize).clamp(1, side);
        let (width, height) = (scaled(tile.width), scaled(picture.height));
        (self.scaled.width, self.scaled.height) = (width as u32, height as u32);
        self.scaled.rgb.resize(width * height * 3, 0);
        picture.scale_part_into([tile.x, 0, tile.width, picture.height], &mut self.scaled, &mut self.scaler);
        self.tensor.fill(0.0);
        for (plane, values) in self.tensor.chunks_exact_mut(side * side).enumerate() {
            let (table, channel) = (&self.normalised[plane], 2 - plane);
            let lines = self.scaled.rgb.chunks_exact(width * 3);
            for (values, line) in values.chunks_exact_mut(side).zip(lines) {
                for (value, pixel) in values.iter_mut().zip(line.chunks_exact(3)) {
                    *value = table[pixel[channel] as usize];
                }
            }
        }
        scale
    }
}

fn cells(size: usize) -> Vec<(f32, f32, f32)> {
    let mut cells = Vec::new();
    for stride in STRIDES {
        let count = size.div_ceil(stride);
        let at = |index: usize| (index as f32 + 0.5) * stride as f32;
        cells.extend((0..count * count).map(|cell| (at(cell % count), at(cell / count), stride as f32)));
    }
    cells
}

/// The mean of the distribution that softmax makes of the bins.
fn expectation(bins: &[f32]) -> f32 {
    let highest = bins.iter().copied().fold(f32::MIN, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (at, value) in bins.iter().enumerate() {
        let share = (value - highest).exp();
        sum += share;
        weighted += share * at as f32;
    }
    weighted / sum
}

/// The whole picture, and of a wide one squares of its height at both ends and, where those leave room, between them.
fn tiles(width: u32, height: u32) -> Vec<Tile> {
    let mut tiles = vec![Tile { x: 0, width, cuts_left: false, cuts_right: false }];
    if (width as f32) < height as f32 * WIDE {
        return tiles;
    }
    let room = width - height;
    // Neighbours share a fifth of their side at least: the width of most people.
    let steps = room.div_ceil((height * 4 / 5).max(1));
    tiles.extend((0..=steps).map(|step| Tile {
        x: (u64::from(room) * u64::from(step) / u64::from(steps.max(1))) as u32,
        width: height,
        cuts_left: step > 0,
        cuts_right: step < steps,
    }));
    tiles
}

/// One box for each person: the surest of those that overlap; of a person cut by a tile, the whole.
fn merge(mut found: Vec<Candidate>) -> Vec<PersonBox> {
    found.sort_by(|a, b| a.is_cut.cmp(&b.is_cut).then(b.person.score.total_cmp(&a.person.score)));
    let mut kept: Vec<PersonBox> = Vec::new();
    for Candidate { person, is_cut } in found {
        let is_known = kept.iter().any(|other| {
            let shared = person.shared(other);
            shared > SAME_PERSON * (person.area() + other.area() - shared)
                || (is_cut && shared > PART_OF_ANOTHER * person.area())
        });
        if !is_known {
            kept.push(person);
        }
    }
    kept.sort_by(|a, b| b.score.total_cmp(&a.score));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, width: f32, score: f32) -> PersonBox {
        PersonBox { x, y: 0.2, width, height: 0.6, score }
    }

    #[test]
    fn the_cells_are_as_many_as_the_network_has() {
        assert_eq!(cells(416).len(), 2704 + 676 + 169);
        assert_eq!(cells(416)[0], (4.0, 4.0, 8.0));
        assert_eq!(cells(416).last(), Some(&(400.0, 400.0, 32.0)));
    }

    #[test]
    fn an_edge_lies_where_its_distribution_says() {
        let mut bins = [0.0; BINS];
        assert!((expectation(&bins) - 5.0).abs() < 1e-5, "all alike: the middle");
        bins[3] = 50.0;
        assert!((expectation(&bins) - 3.0).abs() < 1e-5);
    }

    #[test]
    fn tiles_reach_both_ends_and_share_a_fifth() {
        for (width, height) in [(1920, 1080), (768, 432), (2560, 720), (640, 480), (7680, 1080)] {
            let tiles = tiles(width, height);
            assert_eq!((tiles[0].x, tiles[0].width), (0, width));
            let squares = &tiles[1..];
            assert_eq!(squares.first().map(|tile| (tile.x, tile.cuts_left)), Some((0, false)));
            assert_eq!(squares.last().map(|tile| (tile.x + height, tile.cuts_right)), Some((width, false)));
            for pair in squares.windows(2) {
                let shared = (pair[0].x + height).saturating_sub(pair[1].x);
                assert!(shared * 5 >= height - 5, "{width}×{height}: {shared} px are shared");
            }
        }
        assert_eq!(tiles(416, 416).len(), 1);
        assert_eq!(tiles(480, 640).len(), 1);
    }

    #[test]
    fn the_same_person_is_one_box_and_two_side_by_side_are_two() {
        let whole = |person| Candidate { person, is_cut: false };
        assert_eq!(merge(vec![whole(at(0.1, 0.1, 0.6)), whole(at(0.11, 0.1, 0.9))]), [at(0.11, 0.1, 0.9)]);
        assert_eq!(merge(vec![whole(at(0.1, 0.1, 0.6)), whole(at(0.18, 0.1, 0.9))]).len(), 2);
    }

    #[test]
    fn a_part_of_a_person_at_a_tiles_cut_is_not_another_person() {
        let cut = Candidate { person: at(0.40, 0.03, 0.95), is_cut: true };
        let whole = Candidate { person: at(0.38, 0.1, 0.5), is_cut: false };
        assert_eq!(merge(vec![cut, whole]), [at(0.38, 0.1, 0.5)]);
        assert_eq!(merge(vec![cut]).len(), 1, "but somebody whom only the cut tile shows is somebody");
    }
}
