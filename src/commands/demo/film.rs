//! Photos → a film for the file camera: each photo is shown for some seconds with a slow pan and zoom, near or far.

use crate::picture::{Picture, Scaler};
use crate::vision::Vision;
use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Size and pace of the film.
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
const FPS: u32 = 20;

/// One shot.
pub struct Scene<'a> {
    /// What is shown; `None` is the empty room.
    pub photo: Option<&'a Portrait>,
    /// Distance between the pupils in the film, px.
    pub pupil_distance_px: f32,
    /// How long, seconds.
    pub seconds: f32,
}

/// A photo, and where its face is.
pub struct Portrait {
    photo: Picture,
    backdrop: Picture,
    eyes: (f32, f32),
    pupil_distance_px: f32,
}

impl Portrait {
    /// Reads a photo and finds its face.
    pub fn open(path: &Path, vision: &mut Vision) -> Result<Portrait> {
        let named = || path.display().to_string();
        let photo = Picture::open(path).with_context(named)?;
        let faces = vision.faces(&photo).with_context(named)?;
        let size = |face: &crate::vision::Face| face.quality.pupil_distance_px;
        let face = faces.iter().max_by(|a, b| size(a).total_cmp(&size(b)));
        let face = face.with_context(|| format!("{}: no face was found", path.display()))?;
        let eyes = face.points[0].middle(face.points[1]);
        let (eyes, pupil_distance_px) = ((eyes.x, eyes.y), face.quality.pupil_distance_px);
        let mut backdrop = photo.scaled(16, 9).scaled(WIDTH, HEIGHT);
        backdrop.rgb.iter_mut().for_each(|value| *value = *value / 2 + 40);
        Ok(Portrait { photo, backdrop, eyes, pupil_distance_px })
    }

    /// Draws it with its eyes at (`x`, `y`) and the pupils `distance` px apart.
    fn draw(&self, out: &mut Picture, scaler: &mut Scaler, x: f32, y: f32, distance: f32) {
        out.rgb.copy_from_slice(&self.backdrop.rgb);
        let scale = distance / self.pupil_distance_px.max(1.0);
        // The part of the photo that falls into the frame, and where it falls.
        let (left, top) = (x - self.eyes.0 * scale, y - self.eyes.1 * scale);
        let right = (left + self.photo.width as f32 * scale).min(WIDTH as f32);
        let bottom = (top + self.photo.height as f32 * scale).min(HEIGHT as f32);
        let (to_x, to_y) = (left.max(0.0), top.max(0.0));
        let (width, height) = ((right - to_x) as u32, (bottom - to_y) as u32);
        if width == 0 || height == 0 {
            return;
        }
        let from = |at: f32, begin: f32, length: u32| (((at - begin) / scale) as u32).min(length - 1);
        let (from_x, from_y) = (from(to_x, left, self.photo.width), from(to_y, top, self.photo.height));
        let part_width = ((width as f32 / scale) as u32).clamp(1, self.photo.width - from_x);
        let part_height = ((height as f32 / scale) as u32).clamp(1, self.photo.height - from_y);
        let mut part = Picture::black(width, height);
        self.photo.scale_part_into([from_x, from_y, part_width, part_height], &mut part, scaler);
        let (row, begin) = (WIDTH as usize * 3, to_y as usize * WIDTH as usize * 3 + to_x as usize * 3);
        for (line, from) in part.rgb.chunks_exact(width as usize * 3).enumerate() {
            let at = begin + line * row;
            out.rgb[at..at + from.len()].copy_from_slice(from);
        }
    }
}

/// Shoots the scenes into a video file, with the `ffmpeg` program.
pub fn shoot(scenes: &[Scene], file: &Path) -> Result<()> {
    let size = format!("{WIDTH}x{HEIGHT}");
    let rate = FPS.to_string();
    let mut encoder = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", &rate, "-i", "-"])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p"])
        .arg(file)
        .stdin(Stdio::piped())
        .spawn()
        .context("the program ffmpeg is needed to make the demonstration's film; `make setup` installs it")?;
    let written = encoder.stdin.take().map_or(Ok(()), |mut pipe| write_frames(scenes, &mut pipe));
    let status = encoder.wait()?;
    anyhow::ensure!(status.success(), "ffmpeg could not write {}", file.display());
    written.context("ffmpeg took no more frames")
}

fn write_frames(scenes: &[Scene], out: &mut impl Write) -> std::io::Result<()> {
    let mut frame = Picture::black(WIDTH, HEIGHT);
    let mut scaler = Scaler::default();
    let mut grain = 1u32;
    for scene in scenes {
        let frames = (scene.seconds * FPS as f32).round() as u32;
        for number in 0..frames {
            let phase = number as f32 / FPS as f32;
            match scene.photo {
                None => empty_room(&mut frame),
                Some(portrait) => {
                    let zoom = 1.0 + 0.06 * (phase * 1.3).sin();
                    let x = WIDTH as f32 * (0.5 + 0.05 * (phase * 1.1).sin());
                    let y = HEIGHT as f32 * (0.42 + 0.02 * (phase * 0.7).cos());
                    portrait.draw(&mut frame, &mut scaler, x, y, scene.pupil_distance_px * zoom);
                }
            }
            // A sensor's grain: no two frames of a camera are the same.
            for value in frame.rgb.iter_mut().step_by(5) {
                grain ^= grain << 13;
                grain ^= grain >> 17;
                grain ^= grain << 5;
                *value = value.saturating_add((grain & 7) as u8).saturating_sub(3);
            }
            out.write_all(&frame.rgb)?;
        }
    }
    Ok(())
}

fn empty_room(frame: &mut Picture) {
    let row = WIDTH as usize * 3;
    for (line, pixels) in frame.rgb.chunks_exact_mut(row).enumerate() {
        let wall = if line < HEIGHT as usize * 2 / 3 { 168 } else { 112 };
        pixels.fill(wall - (line / 24) as u8);
    }
}
