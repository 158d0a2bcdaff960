//! Face Mesh: 468 landmarks of one face, and from them the five points, the pose and the box.

use super::geometry::{Point, Rect, Similarity, sample};
use super::{Detection, MIN_PRESENCE, Manifest, Pose, Runtime, VisionError};
use crate::picture::Picture;
use ort::session::Session;
use ort::value::TensorRef;
use std::sync::Arc;

const POINTS: usize = 468;
/// The crop's side as a multiple of the face box's longer side.
const CROP: f32 = 1.5;

pub(super) struct Mesh {
    session: Session,
    input: String,
    points: String,
    presence: String,
    size: usize,
    mean: f32,
    scale: f32,
    tensor: Vec<f32>,
}

/// The outlines of the eyes. Their means sit steadier than the middles between two corners.
const RIGHT_EYE: [usize; 16] = [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246];
const LEFT_EYE: [usize; 16] = [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466];

/// What the landmarks say.
pub(super) struct Shape {
    pub bounds: Rect,
    pub points: [Point; 5],
    pub pose: Pose,
    pub presence: f32,
}

impl Mesh {
    pub fn new(runtime: &Arc<Runtime>, manifest: &Manifest) -> Result<Mesh, VisionError> {
        let landmarks = &manifest.file.landmarks;
        let size = landmarks.input.size;
        Ok(Mesh {
            session: runtime.session(&manifest.resolve(&landmarks.file))?,
            input: landmarks.input.name.clone(),
            points: landmarks.points.clone(),
            presence: landmarks.presence.clone(),
            size,
            mean: landmarks.input.mean,
            scale: landmarks.input.scale,
            tensor: vec![0.0; size * size * 3],
        })
    }

    /// Landmarks in an upright crop round the detection, then once more in a crop round those landmarks: the
    /// second look does not depend on how well the detector's box sat.
    pub fn measure(&mut self, picture: &Picture, detection: &Detection) -> Result<Option<Shape>, VisionError> {
        let [right_eye, left_eye, ..] = detection.keypoints;
        let (x, y) = detection.bounds.centre();
        let side = detection.bounds.width.max(detection.bounds.height) * CROP;
        let Some((first, _)) = self.look(picture, Point::new(x, y), side, right_eye, left_eye)? else {
            return Ok(None);
        };
        let bounds = Rect::around(first.iter().map(|(point, _)| *point));
        let (x, y) = bounds.centre();
        let side = bounds.width.max(bounds.height) * CROP;
        let (right_eye, left_eye) = (first[33].0, first[263].0);
        let Some((mesh, presence)) = self.look(picture, Point::new(x, y), side, right_eye, left_eye)? else {
            return Ok(None);
        };
        Ok(Some(Shape {
            bounds: Rect::around(mesh.iter().map(|(point, _)| *point)),
            points: five_points(&mesh),
            pose: pose(&mesh),
            presence,
        }))
    }

    /// Landmarks (point and depth, px of the picture) in a square crop turned so that the eyes are level.
    #[allow(clippy::type_complexity)]
    fn look(
        &mut self,
        picture: &Picture,
        centre: Point,
        side: f32,
        right_eye: Point,
        left_eye: Point,
    ) -> Result<Option<(Vec<(Point, f32)>, f32)>, VisionError> {
        if !(8.0..=65_536.0).contains(&side) || picture.width < 2 || picture.height < 2 {
            return Ok(None);
        }
        let size = self.size;
        let turn = (left_eye.y - right_eye.y).atan2(left_eye.x - right_eye.x);
        let unit = side / size as f32;
        let (a, b) = (unit * turn.cos(), unit * turn.sin());
        let half = (size as f32 - 1.0) / 2.0;
        let to_picture = Similarity { a, b, tx: centre.x - a * half + b * half, ty: centre.y - b * half - a * half };
        sample(picture, &to_picture, size, &mut self.tensor);
        let (mean, scale) = (self.mean, self.scale);
        self.tensor.iter_mut().for_each(|value| *value = (*value - mean) / scale);
        let input = TensorRef::from_array_view(([1usize, size, size, 3], &self.tensor[..]))?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => input])?;
        let output = |name: &str, expected: usize| -> Result<&[f32], VisionError> {
            let values = outputs
                .get(name)
                .ok_or_else(|| VisionError::Inference(format!("the landmarks model has no output {name:?}")))?
                .try_extract_tensor::<f32>()?
                .1;
            if values.len() != expected {
                let (output, found) = (name.to_owned(), values.len());
                return Err(VisionError::Shape { role: "landmarks", output, expected, found });
            }
            Ok(values)
        };
        let presence = 1.0 / (1.0 + (-output(&self.presence, 1)?[0]).exp());
        if presence < MIN_PRESENCE {
            return Ok(None);
        }
        let points = output(&self.points, POINTS * 3)?
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[x, y, z]| (to_picture.apply(Point::new(x, y)), z * unit))
            .collect();
        Ok(Some((points, presence)))
    }
}

/// Eye centres, nose tip and mouth corners, left in the picture first.
fn five_points(mesh: &[(Point, f32)]) -> [Point; 5] {
    let point = |index: usize| mesh[index].0;
    let mean = |outline: &[usize; 16]| {
        let sum =
            outline.iter().fold(Point::default(), |sum, at| Point::new(sum.x + point(*at).x, sum.y + point(*at).y));
        Point::new(sum.x / 16.0, sum.y / 16.0)
    };
    [mean(&RIGHT_EYE), mean(&LEFT_EYE), point(1), point(61), point(291)]
}

/// Where the face looks, from four points of its outline and their depth (depth grows away from the camera).
///
/// The line between the outer eye corners gives yaw and roll, the line from forehead to chin gives pitch.
fn pose(mesh: &[(Point, f32)]) -> Pose {
    let line = |from: usize, to: usize| {
        let ((from, near), (to, far)) = (mesh[from], mesh[to]);
        (to.x - from.x, to.y - from.y, far - near)
    };
    let (x, y, z) = line(33, 263);
    let yaw = z.atan2(x.hypot(y)).to_degrees();
    let roll = y.atan2(x).to_degrees();
    let (x, y, z) = line(10, 152);
    let pitch = z.atan2(x.hypot(y)).to_degrees();
    Pose { yaw, pitch, roll }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pose_of_a_turned_plane_is_the_turn() {
        let face = |yaw: f32| {
            let mut mesh = vec![(Point::default(), 0.0); POINTS];
            let (sin, cos) = yaw.to_radians().sin_cos();
            for (index, x, y) in [(33, -50.0, 0.0), (263, 50.0, 0.0), (10, 0.0, -80.0), (152, 0.0, 80.0)] {
                mesh[index] = (Point::new(x * cos, y), x * sin);
            }
            pose(&mesh)
        };
        assert!((face(25.0).yaw - 25.0).abs() < 0.1 && face(25.0).pitch.abs() < 0.1);
        assert!(face(-40.0).yaw < -39.0 && face(0.0).roll.abs() < 0.1);
    }
}
