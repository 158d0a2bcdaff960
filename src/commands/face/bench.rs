//! `rollcall face bench`: the time of each stage, on one thread.
//!
//! Each photo is put on a 1280 × 720 canvas with its face 200 px wide, as a camera at arm's length shows it. The
//! whole is what a check-in frame costs from decoded picture to embedding: find (whole picture, round the last
//! face, two tiles), measure, align and embed.

use super::{ModelArgs, nearest_to_centre, photos};
use crate::picture::Picture;
use crate::vision::{Embedding, Gallery, Search, Vision};
use anyhow::Result;
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `rollcall face bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Folder of photos
    #[arg(long)]
    images: PathBuf,
    /// Photos to use, at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Write the 720p frames as JPEG into this folder, for other programs to be timed on
    #[arg(long)]
    write_frames: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    models: ModelArgs,
}

#[derive(serde::Serialize)]
struct Stage {
    stage: &'static str,
    median_ms: f64,
    p95_ms: f64,
}

#[derive(serde::Serialize)]
struct Report {
    frames: usize,
    width: u32,
    height: u32,
    threads: u32,
    stages: Vec<Stage>,
}

pub fn run(args: BenchArgs) -> Result<()> {
    let (manifest, runtime) = args.models.load()?;
    let mut vision = Vision::new(&runtime, &manifest)?;
    let mut frames = Vec::new();
    let all = photos(&args.images)?;
    let step = (all.len() / args.limit.max(1)).max(1);
    for photo in all.iter().step_by(step).take(args.limit) {
        let Ok(picture) = Picture::open(&photo.path) else { continue };
        if let Some(face) = nearest_to_centre(vision.faces(&picture)?, &picture) {
            frames.push(on_canvas(&picture, face.bounds.width));
        }
    }
    anyhow::ensure!(!frames.is_empty(), "no face in any photo of {}", args.images.display());
    if let Some(folder) = &args.write_frames {
        std::fs::create_dir_all(folder)?;
        for (number, frame) in frames.iter().enumerate() {
            std::fs::write(folder.join(format!("{number:04}.jpg")), frame.to_jpeg(92)?)?;
        }
    }
    let (mut find, mut measure, mut embed, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut pair = Vec::new();
    let mut probe = None;
    for round in 0..3 {
        for (turn, frame) in frames.iter().enumerate() {
            let start = Instant::now();
            let found = vision.find(frame, Search::Frame { near: &[], turn: turn as u64 })?;
            let after_find = Instant::now();
            let nearest = found.into_iter().max_by(|a, b| a.bounds.width.total_cmp(&b.bounds.width));
            let Some(detection) = nearest else { continue };
            let Some(face) = vision.measure(frame, &detection)? else { continue };
            let after_measure = Instant::now();
            let side = vision.embed_frame(frame, &face, turn as u64)?;
            let end = Instant::now();
            probe = Some(vision.embed(frame, &face)?);
            let after_pair = Instant::now();
            std::hint::black_box(side);
            if round > 0 {
                find.push((after_find - start).as_secs_f64() * 1e3);
                measure.push((after_measure - after_find).as_secs_f64() * 1e3);
                embed.push((end - after_measure).as_secs_f64() * 1e3);
                pair.push((after_pair - end).as_secs_f64() * 1e3);
                whole.push((end - start).as_secs_f64() * 1e3);
            }
        }
    }
    let probe = probe.ok_or_else(|| anyhow::anyhow!("no face was found on the canvas"))?;
    let mut stages = vec![
        stage("find", find),
        stage("measure", measure),
        stage("align_and_embed", embed),
        stage("whole", whole),
        stage("align_and_embed_pair", pair),
    ];
    for (name, size) in [("search_40", 40), ("search_10000", 10_000)] {
        let gallery = gallery(&probe, size);
        let times = (0..200)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(gallery.search(std::hint::black_box(&probe)));
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        stages.push(stage(name, times));
    }
    let report = Report { frames: frames.len(), width: 1280, height: 720, threads: 1, stages };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{} frames of 1280×720 with one face, one thread", report.frames);
        for stage in &report.stages {
            println!("{:<20} median {:>8.3} ms   p95 {:>8.3} ms", stage.stage, stage.median_ms, stage.p95_ms);
        }
    }
    Ok(())
}

fn stage(stage: &'static str, mut times: Vec<f64>) -> Stage {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(0.0);
    Stage { stage, median_ms: at(0.5), p95_ms: at(0.95) }
}

/// The photo, scaled so that its face is 200 px wide, in the middle of a grey 1280 × 720 frame.
fn on_canvas(photo: &Picture, face_width: f32) -> Picture {
    let scale = (200.0 / face_width).min(1280.0 / photo.width as f32).min(720.0 / photo.height as f32);
    let size = |side: u32| ((side as f32 * scale) as u32).max(1);
    let small = photo.scaled(size(photo.width), size(photo.height));
    let mut canvas = Picture { width: 1280, height: 720, rgb: vec![128; 1280 * 720 * 3] };
    let (left, top) = ((1280 - small.width) / 2, (720 - small.height) / 2);
    for (row, line) in small.rgb.chunks_exact(small.width as usize * 3).enumerate() {
        let first = ((top as usize + row) * 1280 + left as usize) * 3;
        canvas.rgb[first..first + line.len()].copy_from_slice(line);
    }
    canvas
}

/// `size` templates, each the probe with its values shifted round and signs changed: of its length, but unlike it.
fn gallery(probe: &Embedding, size: usize) -> Gallery {
    let mut gallery = Gallery::new(probe.values().len());
    for person in 0..size {
        let mut values = probe.values().to_vec();
        let length = values.len();
        values.rotate_left(person % length);
        values.iter_mut().enumerate().for_each(|(at, value)| {
            if (at + person / length).is_multiple_of(3) {
                *value = -*value;
            }
        });
        gallery.add(person as u32, &Embedding::from_sum(&values));
    }
    gallery
}
