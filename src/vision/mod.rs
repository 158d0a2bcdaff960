//! Finds, measures and compares faces: detect → landmarks → pose and quality → align → embed → gallery; finds people.
//!
//! Knows no names, no classes and no hours; writes nothing down. Only this folder holds an ONNX session.
//! A [`Vision`] belongs to one thread and keeps its buffers; docs/faces.md says where the limits come from.

mod align;
mod detect;
mod embedding;
mod gallery;
mod geometry;
mod manifest;
mod measure;
mod people;
mod quality;
mod runtime;

pub use embedding::Embedding;
pub use gallery::{Gallery, Match};
pub use geometry::{Point, Rect};
pub use manifest::Manifest;
pub use people::{MIN_PERSON_SCORE, PersonBox, PersonDetector};
pub use quality::{Pose, Quality, Refusal, RefusalReason, judge};
pub use runtime::Runtime;

use crate::picture::Picture;
use std::path::PathBuf;
use std::sync::Arc;

/// Why faces cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// A file of the models cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// models.toml is wrong.
    #[error("{path}: {message}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A file is not the one that was vouched for.
    #[error(
        "{path} has SHA-256 {found}, but {manifest} says {expected}: the file was replaced or damaged. \
         Put back the right file, or, for a model of your own, write its hash into the manifest"
    )]
    WrongFile {
        /// The file.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
        /// The hash in the manifest.
        expected: String,
        /// The file's hash.
        found: String,
    },
    /// libonnxruntime is not where it is looked for.
    #[error(
        "libonnxruntime.so {version} was not found in: {looked_at}. `make setup` fetches it; \
         models.onnxruntime in the config names it"
    )]
    NoRuntime {
        /// The wanted version.
        version: String,
        /// Where it was looked for.
        looked_at: String,
    },
    /// ONNX Runtime refused something.
    #[error("ONNX Runtime: {0}")]
    Inference(String),
    /// A model's output has not the shape that models.toml promises.
    #[error("the {role} model's output {output:?} has {found} values, not {expected}")]
    Shape {
        /// The role in models.toml.
        role: &'static str,
        /// The output's name.
        output: String,
        /// Values promised.
        expected: usize,
        /// Values found.
        found: usize,
    },
}

impl<T> From<ort::Error<T>> for VisionError {
    fn from(error: ort::Error<T>) -> VisionError {
        VisionError::Inference(error.to_string())
    }
}

/// Where a face seems to be.
#[derive(Debug, Clone, Copy)]
pub struct Detection {
    /// The detector's box, px of the picture.
    pub bounds: Rect,
    /// Eyes, nose tip, mouth and ears: the person's right eye first, px of the picture.
    pub keypoints: [Point; 6],
    /// How sure, 0–1.
    pub score: f32,
}

/// A face as measured.
#[derive(Debug, Clone)]
pub struct Face {
    /// The box round the landmarks, px of the picture.
    pub bounds: Rect,
    /// Eye centres (left in the picture first), nose tip, mouth corners; px of the picture.
    pub points: [Point; 5],
    /// Where it looks.
    pub pose: Pose,
    /// How well it can be seen.
    pub quality: Quality,
    /// How sure the landmark model is that this is a face, 0–1.
    pub presence: f32,
}

/// How hard to look for faces.
#[derive(Debug, Clone, Copy)]
pub enum Search<'a> {
    /// A photo: the whole picture, then ever smaller tiles until a face is found.
    Photo,
    /// A photo: all of it and all its tiles, for whoever else is in it.
    Everyone,
    /// A frame of a camera: the whole picture, round the faces of the frame before, and a few tiles of the whole
    /// in turn, so that a face at 2 m is found within some frames.
    Frame {
        /// The faces of the frame before.
        near: &'a [Rect],
        /// The frame's number; says which tiles' turn it is.
        turn: u64,
    },
}

/// The models of one worker thread, and their buffers.
pub struct Vision {
    detector: detect::Detector,
    mesh: measure::Mesh,
    embedder: align::Embedder,
}

/// Detections with less than this are not looked at.
pub const MIN_DETECTION_SCORE: f32 = 0.5;
/// A face with less presence than this is none.
pub const MIN_PRESENCE: f32 = 0.5;

impl Vision {
    /// Loads the models. Each session computes on the calling thread alone.
    pub fn new(runtime: &Arc<Runtime>, manifest: &Manifest) -> Result<Vision, VisionError> {
        Ok(Vision {
            detector: detect::Detector::new(runtime, manifest)?,
            mesh: measure::Mesh::new(runtime, manifest)?,
            embedder: align::Embedder::new(runtime, manifest)?,
        })
    }

    /// Where faces seem to be, surest first.
    pub fn find(&mut self, picture: &Picture, search: Search) -> Result<Vec<Detection>, VisionError> {
        self.detector.find(picture, search)
    }

    /// Measures a face. `None`: on a closer look there is none.
    pub fn measure(&mut self, picture: &Picture, detection: &Detection) -> Result<Option<Face>, VisionError> {
        let Some(shape) = self.mesh.measure(picture, detection)? else { return Ok(None) };
        let (sharpness, brightness) = self.embedder.look(picture, &shape.points);
        let pupil_distance_px = shape.points[0].distance(shape.points[1]);
        let inside = shape.bounds.part_inside(picture.width as f32, picture.height as f32);
        Ok(Some(Face {
            bounds: shape.bounds,
            points: shape.points,
            pose: shape.pose,
            quality: Quality { pupil_distance_px, sharpness, brightness, inside },
            presence: shape.presence,
        }))
    }

    /// The face's embedding: the mean of the aligned face and its mirror image.
    pub fn embed(&mut self, picture: &Picture, face: &Face) -> Result<Embedding, VisionError> {
        self.embedder.embed(picture, &face.points)
    }

    /// The embedding of one frame of many: of the face in even frames, of its mirror image in odd ones. The mean over
    /// a track's frames is then that of [`Vision::embed`], for half the work a frame.
    pub fn embed_frame(&mut self, picture: &Picture, face: &Face, number: u64) -> Result<Embedding, VisionError> {
        self.embedder.embed_side(picture, &face.points, number % 2 == 1)
    }

    /// Finds and measures the faces of a photo: those that the whole picture shows or, if there is none, small ones.
    pub fn faces(&mut self, picture: &Picture) -> Result<Vec<Face>, VisionError> {
        self.measure_all(picture, Search::Photo)
    }

    /// Finds and measures every face of a photo, small ones beside large ones too; the largest first.
    pub fn everyone(&mut self, picture: &Picture) -> Result<Vec<Face>, VisionError> {
        let mut all = self.measure_all(picture, Search::Everyone)?;
        all.sort_by(|a, b| b.quality.pupil_distance_px.total_cmp(&a.quality.pupil_distance_px));
        let mut faces: Vec<Face> = Vec::new();
        for face in all {
            // A part of a large face, in a small tile, can look like a face of its own.
            if !faces.iter().any(|larger| larger.bounds.contains(face.bounds.centre())) {
                faces.push(face);
            }
        }
        Ok(faces)
    }

    fn measure_all(&mut self, picture: &Picture, search: Search) -> Result<Vec<Face>, VisionError> {
        let mut faces = Vec::new();
        for detection in self.find(picture, search)? {
            faces.extend(self.measure(picture, &detection)?);
        }
        Ok(faces)
    }

    /// SHA-256 (hex) of the embedding model: templates of different models cannot be compared.
    pub fn model(&self) -> &str {
        &self.embedder.sha256
    }

    /// Values in an embedding.
    pub fn dimensions(&self) -> usize {
        self.embedder.length
    }
}
