//! BlazeFace short range: where faces seem to be.
//!
//! The model sees 128 × 128 px, so a face must fill about a tenth of what it is shown. Far faces are looked for in
//! tiles: squares of the picture's height, and squares of half that, overlapping by half.

use super::geometry::{Point, Rect};
use super::{Detection, MIN_DETECTION_SCORE, Manifest, Runtime, Search, VisionError};
use crate::picture::{Picture, Scaler};
use ort::session::Session;
use ort::value::TensorRef;
use std::sync::Arc;

const ANCHORS: usize = 896;
const VALUES: usize = 16;
/// Boxes that overlap by more than this are the same face.
const SAME_FACE: f32 = 0.3;
/// Small tiles looked at in one frame.
const TILES_PER_FRAME: usize = 2;

pub(super) struct Detector {
    session: Session,
    input: String,
    boxes: String,
    scores: String,
    size: usize,
    /// Byte → network value.
    normalised: [f32; 256],
    anchors: Vec<Point>,
    scaled: Picture,
    scaler: Scaler,
    tensor: Vec<f32>,
}

/// A square window of the picture, px; it may reach outside.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tile {
    x: i64,
    y: i64,
    side: u32,
}

impl Detector {
    pub fn new(runtime: &Arc<Runtime>, manifest: &Manifest) -> Result<Detector, VisionError> {
        let detect = &manifest.file.detect;
        let size = detect.input.size;
        Ok(Detector {
            session: runtime.session(&manifest.resolve(&detect.file))?,
            input: detect.input.name.clone(),
            boxes: detect.boxes.clone(),
            scores: detect.scores.clone(),
            size,
            normalised: std::array::from_fn(|byte| (byte as f32 - detect.input.mean) / detect.input.scale),
            anchors: anchors(),
            scaled: Picture::black(size as u32, size as u32),
            scaler: Scaler::default(),
            tensor: vec![0.0; size * size * 3],
        })
    }

    pub fn find(&mut self, picture: &Picture, search: Search) -> Result<Vec<Detection>, VisionError> {
        if picture.width < 16 || picture.height < 16 {
            return Ok(Vec::new());
        }
        let whole = whole(picture, 1.0);
        let mut found = Vec::new();
        match search {
            Search::Photo => {
                self.look(picture, whole, &mut found)?;
                // a face that fills the photo is found when there is some room round it; a far one in a tile
                if found.is_empty() {
                    self.look(picture, self::whole(picture, 1.6), &mut found)?;
                }
                for side in photo_tiles(picture) {
                    if !found.is_empty() {
                        break;
                    }
                    for tile in tiles(picture, side) {
                        self.look(picture, tile, &mut found)?;
                    }
                }
            }
            Search::Everyone => {
                self.look(picture, whole, &mut found)?;
                self.look(picture, self::whole(picture, 1.6), &mut found)?;
                for tile in photo_tiles(picture).flat_map(|side| tiles(picture, side)) {
                    self.look(picture, tile, &mut found)?;
                }
            }
            Search::Frame { near, turn } => {
                self.look(picture, whole, &mut found)?;
                for face in near {
                    if !found.iter().any(|known: &Detection| known.bounds.overlap(face) > SAME_FACE) {
                        self.look(picture, round(face), &mut found)?;
                    }
                }
                let short = picture.width.min(picture.height);
                let far = [tiles(picture, short), tiles(picture, short / 2)].concat();
                let turns = far.len().div_ceil(TILES_PER_FRAME).max(1);
                let first = (turn as usize % turns) * TILES_PER_FRAME;
                for tile in far.iter().skip(first).take(TILES_PER_FRAME) {
                    self.look(picture, *tile, &mut found)?;
                }
            }
        }
        Ok(merge(found))
    }

    /// Looks at one tile and adds what it finds, in the picture's coordinates.
    fn look(&mut self, picture: &Picture, tile: Tile, found: &mut Vec<Detection>) -> Result<(), VisionError> {
        self.fill(picture, tile);
        let side = self.size;
        let input = TensorRef::from_array_view(([1usize, side, side, 3], &self.tensor[..]))?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => input])?;
        let output = |name: &str, expected: usize| -> Result<&[f32], VisionError> {
            let values = outputs
                .get(name)
                .ok_or_else(|| VisionError::Inference(format!("the detect model has no output {name:?}")))?
                .try_extract_tensor::<f32>()?
                .1;
            if values.len() != expected {
                let (output, found) = (name.to_owned(), values.len());
                return Err(VisionError::Shape { role: "detect", output, expected, found });
            }
            Ok(values)
        };
        let boxes = output(&self.boxes, ANCHORS * VALUES)?;
        let scores = output(&self.scores, ANCHORS)?;
        let scale = tile.side as f32 / side as f32;
        let least = (MIN_DETECTION_SCORE / (1.0 - MIN_DETECTION_SCORE)).ln();
        for ((anchor, values), &logit) in self.anchors.iter().zip(boxes.chunks_exact(VALUES)).zip(scores) {
            if logit < least {
                continue;
            }
            let at = |x: f32, y: f32| {
                Point::new(
                    tile.x as f32 + (anchor.x * side as f32 + x) * scale,
                    tile.y as f32 + (anchor.y * side as f32 + y) * scale,
                )
            };
            let centre = at(values[0], values[1]);
            let (width, height) = (values[2] * scale, values[3] * scale);
            found.push(Detection {
                bounds: Rect { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height },
                keypoints: std::array::from_fn(|point| at(values[4 + 2 * point], values[5 + 2 * point])),
                score: 1.0 / (1.0 + (-logit).exp()),
            });
        }
        Ok(())
    }

    /// Scales the tile's part of the picture into the network's input; what lies outside the picture is black.
    fn fill(&mut self, picture: &Picture, tile: Tile) {
        let side = self.size as i64;
        let tile_side = i64::from(tile.side);
        let left = tile.x.max(0);
        let top = tile.y.max(0);
        let right = (tile.x + tile_side).min(i64::from(picture.width));
        let bottom = (tile.y + tile_side).min(i64::from(picture.height));
        let black = self.normalised[0];
        self.tensor.fill(black);
        if right <= left || bottom <= top {
            return;
        }
        let to_input = |value: i64| (value * side + tile_side / 2) / tile_side;
        let (x, y) = (to_input(left - tile.x), to_input(top - tile.y));
        let width = (to_input(right - tile.x) - x).max(1);
        let height = (to_input(bottom - tile.y) - y).max(1);
        (self.scaled.width, self.scaled.height) = (width as u32, height as u32);
        self.scaled.rgb.resize((width * height * 3) as usize, 0);
        let part = [left, top, right - left, bottom - top].map(|value| value as u32);
        picture.scale_part_into(part, &mut self.scaled, &mut self.scaler);
        for (row, line) in self.scaled.rgb.chunks_exact(width as usize * 3).enumerate() {
            let first = ((y as usize + row) * self.size + x as usize) * 3;
            for (value, byte) in self.tensor[first..].iter_mut().zip(line) {
                *value = self.normalised[*byte as usize];
            }
        }
    }
}

/// The 896 anchors, as fractions of the input: two in each cell of a 16 × 16 grid, six in each of an 8 × 8 grid.
fn anchors() -> Vec<Point> {
    let mut anchors = Vec::with_capacity(ANCHORS);
    for (grid, per_cell) in [(16, 2), (8, 6)] {
        for cell in 0..grid * grid {
            let at = |index: usize| (index as f32 + 0.5) / grid as f32;
            anchors.extend([Point::new(at(cell % grid), at(cell / grid))].repeat(per_cell));
        }
    }
    anchors
}

/// A square round the whole picture, `margin` times its longer side.
fn whole(picture: &Picture, margin: f32) -> Tile {
    let side = (picture.width.max(picture.height) as f32 * margin) as u32;
    let middle = |length: u32| (i64::from(length) - i64::from(side)) / 2;
    Tile { x: middle(picture.width), y: middle(picture.height), side }
}

/// A square round a face, with room for it to move.
fn round(face: &Rect) -> Tile {
    let side = (face.width.max(face.height) * 3.0).max(48.0) as u32;
    let (x, y) = face.centre();
    Tile { x: x as i64 - i64::from(side) / 2, y: y as i64 - i64::from(side) / 2, side }
}

/// Sides of a photo's tiles, px: the smaller, the smaller the faces that are found.
fn photo_tiles(picture: &Picture) -> impl Iterator<Item = u32> {
    let short = picture.width.min(picture.height);
    [short, short / 2, short / 4].into_iter().filter(|side| *side >= 96)
}

/// Squares of `side` px that cover the picture and overlap by about half.
fn tiles(picture: &Picture, side: u32) -> Vec<Tile> {
    let starts = |length: u32| {
        let room = length.saturating_sub(side);
        let steps = room.div_ceil((side / 2).max(1)).max(u32::from(room > 0));
        (0..=steps).map(move |step| i64::from((room * step).checked_div(steps).unwrap_or(0)))
    };
    starts(picture.height).flat_map(|y| starts(picture.width).map(move |x| Tile { x, y, side })).collect()
}

/// Unites detections of the same face: the score-weighted mean of all that overlap with the surest.
fn merge(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut merged: Vec<Detection> = Vec::new();
    while !found.is_empty() {
        let surest = found[0];
        let (same, rest): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|other| surest.bounds.overlap(&other.bounds) > SAME_FACE);
        found = rest;
        let total: f32 = same.iter().map(|detection| detection.score).sum();
        let mean = |value: &dyn Fn(&Detection) -> f32| {
            same.iter().map(|detection| value(detection) * detection.score).sum::<f32>() / total
        };
        merged.push(Detection {
            bounds: Rect {
                x: mean(&|d| d.bounds.x),
                y: mean(&|d| d.bounds.y),
                width: mean(&|d| d.bounds.width),
                height: mean(&|d| d.bounds.height),
            },
            keypoints: std::array::from_fn(|point| {
                Point::new(mean(&|d| d.keypoints[point].x), mean(&|d| d.keypoints[point].y))
            }),
            score: surest.score,
        });
    }
    // A tile's edge can cut a face: its box then lies inside the box of the whole face.
    let contained = |small: &Detection, large: &Detection| {
        let (x, y) = small.bounds.centre();
        let b = &large.bounds;
        small.bounds.width < b.width && x > b.x && x < b.x + b.width && y > b.y && y < b.y + b.height
    };
    let keep: Vec<bool> =
        merged.iter().map(|small| !merged.iter().any(|large| large.score > 0.6 && contained(small, large))).collect();
    merged.into_iter().zip(keep).filter_map(|(detection, keep)| keep.then_some(detection)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_picture_to_its_last_pixel() {
        let picture = Picture { width: 1280, height: 720, rgb: Vec::new() };
        for side in [720, 360] {
            let tiles = tiles(&picture, side);
            assert!(tiles.iter().any(|tile| tile.x + i64::from(side) == 1280 && tile.y + i64::from(side) == 720));
            assert!(tiles.iter().any(|tile| (tile.x, tile.y) == (0, 0)));
            assert!(tiles.len() <= 24, "{} tiles of {side}", tiles.len());
        }
    }

    #[test]
    fn overlapping_boxes_are_one_face_and_distant_ones_two() {
        let at = |x: f32, score: f32| Detection {
            bounds: Rect { x, y: 0.0, width: 100.0, height: 100.0 },
            keypoints: [Point::default(); 6],
            score,
        };
        let merged = merge(vec![at(0.0, 0.9), at(10.0, 0.9), at(300.0, 0.7)]);
        assert_eq!(merged.len(), 2);
        assert!((merged[0].bounds.x - 5.0).abs() < 1e-3);
    }
}
