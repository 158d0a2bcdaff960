//! `rollcall face`: how well and how fast faces are recognised, measured on photos of your own.

mod bench;
mod evaluate;
mod pairs;
mod search;
mod tail;
mod tracks;

use crate::picture::Picture;
use crate::vision::{Embedding, Face, Manifest, Runtime, Vision};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `rollcall face …`
#[derive(Debug, clap::Subcommand)]
pub enum FaceCommand {
    /// Recognition rates on a folder of photos
    Evaluate(evaluate::EvaluateArgs),
    /// Time of each stage, on one thread
    Bench(bench::BenchArgs),
}

/// Which models to use.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    /// models.toml; by default the one beside the binary
    #[arg(long)]
    models: Option<PathBuf>,
    /// libonnxruntime.so; by default the pinned one
    #[arg(long)]
    onnxruntime: Option<PathBuf>,
}

impl ModelArgs {
    fn load(&self) -> Result<(Manifest, Arc<Runtime>)> {
        let manifest = Manifest::load(&self.models.clone().unwrap_or_else(Manifest::default_path))?;
        let runtime = Runtime::load(self.onnxruntime.as_deref(), &manifest)?;
        Ok((manifest, runtime))
    }
}

impl FaceCommand {
    /// Runs it.
    pub fn run(self) -> Result<()> {
        match self {
            FaceCommand::Evaluate(args) => evaluate::run(args),
            FaceCommand::Bench(args) => bench::run(args),
        }
    }
}

/// A photo in a folder per person.
struct Photo {
    person: String,
    path: PathBuf,
}

/// The photos under `folder`, one folder per person; photos that lie in it directly are each a person of their own.
fn photos(folder: &Path) -> Result<Vec<Photo>> {
    let is_photo = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        ["jpg", "jpeg", "png", "webp"].contains(&extension.to_lowercase().as_str())
    };
    let list = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut photos = Vec::new();
    for path in list(folder)? {
        if path.is_dir() {
            let person = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let inside = list(&path)?.into_iter().filter(|path| is_photo(path));
            photos.extend(inside.map(|path| Photo { person: person.clone(), path }));
        } else if is_photo(&path) {
            photos.push(Photo { person: name(&path), path });
        }
    }
    anyhow::ensure!(!photos.is_empty(), "no photos (jpg, png, webp) in {}", folder.display());
    Ok(photos)
}

/// What came of one photo.
enum Outcome {
    /// The face nearest the centre, and its embedding.
    Face(Box<Face>, Embedding),
    NoFace,
    Unreadable(String),
}

/// The embedding of the face nearest the centre of each photo, computed on `threads` threads.
fn embed_all(paths: &[&Path], models: &ModelArgs, threads: usize) -> Result<Vec<Outcome>> {
    let (manifest, runtime) = models.load()?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Outcome)>> {
        let mut vision = Vision::new(&runtime, &manifest)?;
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(at) else { return Ok(done) };
            if at % 500 == 499 {
                eprintln!("{} of {} photos", at + 1, paths.len());
            }
            let outcome = match Picture::open(path) {
                Err(error) => Outcome::Unreadable(error.to_string()),
                Ok(picture) => match nearest_to_centre(vision.faces(&picture)?, &picture) {
                    None => Outcome::NoFace,
                    Some(face) => {
                        let embedding = vision.embed(&picture, &face)?;
                        Outcome::Face(Box::new(face), embedding)
                    }
                },
            };
            done.push((at, outcome));
        }
    };
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(paths.len());
    outcomes.resize_with(paths.len(), || Outcome::NoFace);
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let done = worker.join().map_err(|_| anyhow::anyhow!("a worker thread panicked"))??;
            for (at, outcome) in done {
                outcomes[at] = outcome;
            }
        }
        Ok(())
    })?;
    Ok(outcomes)
}

/// The face whose middle is nearest the photo's.
fn nearest_to_centre(faces: Vec<Face>, picture: &Picture) -> Option<Face> {
    let distance = |face: &Face| {
        let (x, y) = face.bounds.centre();
        (x - picture.width as f32 / 2.0).hypot(y - picture.height as f32 / 2.0)
    };
    faces.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}
