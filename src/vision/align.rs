//! Five points → an upright 112 × 112 px face → its embedding, sharpness and brightness.

use super::geometry::{Point, Similarity, sample};
use super::{Embedding, Manifest, Runtime, VisionError};
use crate::picture::Picture;
use ort::session::Session;
use ort::value::TensorRef;
use std::sync::Arc;

/// Where the five points are in an aligned face of 112 px (the template that MobileFaceNet was trained with).
const TEMPLATE: [(f32, f32); 5] = [(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)];

pub(super) struct Embedder {
    session: Session,
    input: String,
    output: String,
    pub length: usize,
    pub sha256: String,
    size: usize,
    mean: f32,
    scale: f32,
    /// Values 0–255, then normalised; the face and its mirror image.
    tensor: Vec<f32>,
    grey: Vec<f32>,
}

impl Embedder {
    pub fn new(runtime: &Arc<Runtime>, manifest: &Manifest) -> Result<Embedder, VisionError> {
        let embed = &manifest.file.embed;
        let size = embed.input.size;
        Ok(Embedder {
            session: runtime.session(&manifest.resolve(&embed.file))?,
            input: embed.input.name.clone(),
            output: embed.embedding.name.clone(),
            length: embed.embedding.length,
            sha256: embed.sha256.clone(),
            size,
            mean: embed.input.mean,
            scale: embed.input.scale,
            tensor: vec![0.0; 2 * size * size * 3],
            grey: vec![0.0; size * size],
        })
    }

    fn align(&mut self, picture: &Picture, points: &[Point; 5]) {
        let unit = self.size as f32 / 112.0;
        let template = TEMPLATE.map(|(x, y)| Point::new(x * unit, y * unit));
        let to_picture = Similarity::least_squares(&template, points);
        let half = self.size * self.size * 3;
        sample(picture, &to_picture, self.size, &mut self.tensor[..half]);
    }

    /// Sharpness (variance of the Laplacian, grey levels squared) and mean brightness (0–255) of the aligned face.
    pub fn look(&mut self, picture: &Picture, points: &[Point; 5]) -> (f32, f32) {
        self.align(picture, points);
        let size = self.size;
        for (grey, rgb) in self.grey.iter_mut().zip(self.tensor.as_chunks::<3>().0) {
            *grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        }
        let (mut sum, mut squares, mut count, mut light) = (0.0f64, 0.0f64, 0.0f64, 0.0f64);
        // the middle of the crop: face, not background
        let (low, high) = (size / 6, size - size / 6);
        for row in low..high {
            for column in low..high {
                let at = row * size + column;
                let grey = &self.grey;
                let laplacian = grey[at - 1] + grey[at + 1] + grey[at - size] + grey[at + size] - 4.0 * grey[at];
                sum += f64::from(laplacian);
                squares += f64::from(laplacian * laplacian);
                light += f64::from(grey[at]);
                count += 1.0;
            }
        }
        let mean = sum / count;
        ((squares / count - mean * mean) as f32, (light / count) as f32)
    }

    /// The normalised mean of the embeddings of the face and of its mirror image.
    pub fn embed(&mut self, picture: &Picture, points: &[Point; 5]) -> Result<Embedding, VisionError> {
        self.prepare(picture, points);
        let values = self.infer(0..2)?;
        let (face, mirror) = values.split_at(self.length);
        let both = [Embedding::from_sum(face), Embedding::from_sum(mirror)];
        Ok(Embedding::mean(&both).expect("two is not none"))
    }

    /// The embedding of the face, or of its mirror image: half the work of [`Embedder::embed`].
    pub fn embed_side(
        &mut self,
        picture: &Picture,
        points: &[Point; 5],
        mirrored: bool,
    ) -> Result<Embedding, VisionError> {
        self.prepare(picture, points);
        let side = usize::from(mirrored);
        Ok(Embedding::from_sum(&self.infer(side..side + 1)?))
    }

    /// Puts the aligned face and its mirror image into the tensor, normalised.
    fn prepare(&mut self, picture: &Picture, points: &[Point; 5]) {
        self.align(picture, points);
        let (size, mean, scale) = (self.size, self.mean, self.scale);
        let (face, mirror) = self.tensor.split_at_mut(size * size * 3);
        face.iter_mut().for_each(|value| *value = (*value - mean) / scale);
        for (line, mirrored) in face.chunks_exact(size * 3).zip(mirror.chunks_exact_mut(size * 3)) {
            for (pixel, mirrored) in line.chunks_exact(3).rev().zip(mirrored.chunks_exact_mut(3)) {
                mirrored.copy_from_slice(pixel);
            }
        }
    }

    /// The model's output for these of the tensor's two pictures.
    fn infer(&mut self, pictures: std::ops::Range<usize>) -> Result<Vec<f32>, VisionError> {
        let (size, count) = (self.size, pictures.len());
        let one = size * size * 3;
        let tensor = &self.tensor[pictures.start * one..pictures.end * one];
        let input = TensorRef::from_array_view(([count, size, size, 3], tensor))?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => input])?;
        let values = outputs
            .get(&self.output)
            .ok_or_else(|| VisionError::Inference(format!("the embed model has no output {:?}", self.output)))?
            .try_extract_tensor::<f32>()?
            .1;
        if values.len() != count * self.length {
            let (output, found) = (self.output.clone(), values.len());
            return Err(VisionError::Shape { role: "embed", output, expected: count * self.length, found });
        }
        Ok(values.to_vec())
    }
}
