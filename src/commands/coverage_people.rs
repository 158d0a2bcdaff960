//! `rollcall coverage people`: who is found in a picture or a film.

use crate::camera::{Camera, Decode};
use crate::config::{CameraConfig, CameraSource, FilePace};
use crate::picture::Picture;
use crate::vision::{Manifest, PersonBox, PersonDetector, Runtime};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// `rollcall coverage people`
#[derive(Debug, clap::Args)]
pub struct PeopleArgs {
    /// A photo, or a folder of photos
    #[arg(long, group = "what", required_unless_present = "video")]
    image: Option<PathBuf>,
    /// A film
    #[arg(long, group = "what")]
    video: Option<PathBuf>,
    /// Of a film, look at each picture with such a number
    #[arg(long, default_value_t = 30)]
    every: u64,
    /// models.toml; by default the one beside the binary
    #[arg(long)]
    models: Option<PathBuf>,
    /// libonnxruntime.so; by default the pinned one
    #[arg(long)]
    onnxruntime: Option<PathBuf>,
    /// Print JSON, a line for each picture
    #[arg(long)]
    json: bool,
}

/// What one picture showed.
#[derive(serde::Serialize)]
struct Look {
    picture: String,
    width: u32,
    height: u32,
    count: usize,
    people: Vec<PersonBox>,
    milliseconds: f64,
}

impl PeopleArgs {
    /// Looks, and prints the boxes and their count.
    pub fn run(self) -> Result<ExitCode> {
        let path = self.models.clone().unwrap_or_else(Manifest::default_path);
        let manifest = Manifest::load(&path)?;
        let runtime = Runtime::load(self.onnxruntime.as_deref(), &manifest)?;
        let detector = PersonDetector::new(&runtime, &manifest)?;
        let mut detector = detector.with_context(|| format!("{} has no [person] section", path.display()))?;
        let mut looks = Looks { json: self.json, milliseconds: Vec::new() };
        match (&self.image, &self.video) {
            (Some(image), _) if image.is_dir() => {
                let entries = std::fs::read_dir(image).with_context(|| format!("cannot read {}", image.display()))?;
                let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
                paths.sort();
                let is_photo = |path: &Path| {
                    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
                    extension.is_some_and(|extension| ["jpg", "jpeg", "png", "webp"].contains(&extension.as_str()))
                };
                for path in paths.iter().filter(|path| is_photo(path)) {
                    looks.look(&mut detector, &path.display().to_string(), &Picture::open(path)?)?;
                }
            }
            (Some(image), _) => looks.look(&mut detector, &image.display().to_string(), &Picture::open(image)?)?,
            (None, Some(video)) => film(video, self.every.max(1), &mut detector, &mut looks)?,
            (None, None) => {}
        }
        looks.summary();
        Ok(ExitCode::SUCCESS)
    }
}

fn film(path: &Path, every: u64, detector: &mut PersonDetector, looks: &mut Looks) -> Result<()> {
    let source = CameraSource::File { path: path.into(), pace: FilePace::Fast, repeat: false };
    let config = CameraConfig { name: "film".into(), source, stall_seconds: 10.0, record: false };
    let camera = Camera::start(&config, Decode::All);
    let mut number = 0;
    loop {
        let Some(frame) = camera.frames().take_newer(number, Duration::from_millis(200)) else {
            if camera.has_ended() {
                return Ok(());
            }
            if let Some(problem) = camera.status().problem.filter(|_| number == 0) {
                anyhow::bail!("{}: {problem}", path.display());
            }
            continue;
        };
        number = frame.number;
        if (number - 1) % every == 0 {
            looks.look(detector, &format!("{number}"), &frame.picture)?;
        }
    }
}

struct Looks {
    json: bool,
    milliseconds: Vec<f64>,
}

impl Looks {
    fn look(&mut self, detector: &mut PersonDetector, name: &str, picture: &Picture) -> Result<()> {
        let began = Instant::now();
        let people = detector.find(picture)?;
        let milliseconds = began.elapsed().as_secs_f64() * 1e3;
        self.milliseconds.push(milliseconds);
        let (width, height, count) = (picture.width, picture.height, people.len());
        let look = Look { picture: name.into(), width, height, count, people, milliseconds };
        if self.json {
            println!("{}", serde_json::to_string(&look)?);
            return Ok(());
        }
        println!("{name}  {count} people  {milliseconds:.0} ms");
        for PersonBox { x, y, width, height, score } in look.people {
            println!("  {score:.2}  x {x:.3}  y {y:.3}  width {width:.3}  height {height:.3}");
        }
        Ok(())
    }

    fn summary(&mut self) {
        self.milliseconds.sort_by(f64::total_cmp);
        if let (false, Some(median)) = (self.json, self.milliseconds.get(self.milliseconds.len() / 2)) {
            println!("{} pictures, {median:.0} ms each (median)", self.milliseconds.len());
        }
    }
}
