//! `rollcall face evaluate`: recognition rates on a folder of photos.

use super::{ModelArgs, Outcome, embed_all, pairs, photos, search, tracks};
use crate::vision::{Embedding, Face};
use anyhow::{Context, Result};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Arguments of `rollcall face evaluate`.
#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    /// Folder of photos, one folder per person
    #[arg(long)]
    images: PathBuf,
    /// Pairs to compare, in LFW's format
    #[arg(long, conflicts_with = "all_pairs")]
    pairs: Option<PathBuf>,
    /// Compare every photo with every other
    #[arg(long)]
    all_pairs: bool,
    /// Also search 1:N with N people enrolled by one photo, the others being strangers
    #[arg(long, value_name = "N")]
    search: Option<usize>,
    /// Also compare as check-in does: means of K good photos of a person with each photo fit to enrol; the thresholds
    /// for a search of N (--search, or 40)
    #[arg(long, value_name = "K")]
    track: Option<usize>,
    /// Only the people whose folders are listed in this file, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "pairs")]
    people: Option<PathBuf>,
    /// Worker threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    models: ModelArgs,
}

/// The report.
#[derive(serde::Serialize)]
struct Report {
    photos: usize,
    people: usize,
    unreadable: Vec<String>,
    no_face: usize,
    no_face_rate: f64,
    no_face_photos: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<pairs::Verification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<search::SearchReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracks: Option<tracks::TrackReport>,
}

/// The face of a photo.
type Seen = (Box<Face>, Embedding);

pub fn run(args: EvaluateArgs) -> Result<()> {
    let mut all = photos(&args.images)?;
    if let Some(file) = &args.people {
        let listed = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let listed: HashSet<&str> = listed.lines().map(str::trim).collect();
        all.retain(|photo| listed.contains(photo.person.as_str()));
        anyhow::ensure!(!all.is_empty(), "{} lists nobody of {}", file.display(), args.images.display());
    }
    let wanted = match &args.pairs {
        Some(file) => Some(pairs::read(file)?),
        None => None,
    };
    let used: Vec<usize> = match &wanted {
        None => (0..all.len()).collect(),
        Some(pairs) => {
            let names: HashSet<String> =
                pairs.iter().flat_map(|pair| [pair.left.clone(), pair.right.clone()]).collect();
            (0..all.len()).filter(|at| names.contains(&stem(&all[*at].path))).collect()
        }
    };
    let paths: Vec<&Path> = used.iter().map(|at| all[*at].path.as_path()).collect();
    let outcomes = embed_all(&paths, &args.models, args.threads)?;
    let mut seen: Vec<(usize, Option<Seen>)> = Vec::new();
    let (mut unreadable, mut no_face_photos) = (Vec::new(), Vec::new());
    for (at, outcome) in used.iter().zip(outcomes) {
        let path = all[*at].path.display().to_string();
        match outcome {
            Outcome::Face(face, embedding) => seen.push((*at, Some((face, embedding)))),
            Outcome::NoFace => {
                seen.push((*at, None));
                no_face_photos.push(path);
            }
            Outcome::Unreadable(error) => unreadable.push(format!("{path}: {error}")),
        }
    }
    let people: HashSet<&str> = used.iter().map(|at| all[*at].person.as_str()).collect();
    // A photo without a face stays in: not to find somebody is to miss them.
    let labelled: Vec<_> = seen
        .iter()
        .map(|(at, seen)| (all[*at].person.as_str(), seen.as_ref().map(|(_, embedding)| embedding)))
        .collect();
    let tracks = args.track.map(|frames| {
        let shots: Vec<_> = seen
            .iter()
            .map(|(at, seen)| tracks::Shot {
                person: &all[*at].person,
                seen: seen.as_ref().map(|(face, embedding)| (embedding, &**face)),
            })
            .collect();
        tracks::evaluate(&shots, frames, args.search.unwrap_or(40))
    });
    let verification = match &wanted {
        Some(wanted) => {
            let by_name: HashMap<String, _> = seen
                .iter()
                .filter_map(|(at, seen)| seen.as_ref().map(|(_, embedding)| (stem(&all[*at].path), embedding)))
                .collect();
            Some(pairs::verify_listed(wanted, &by_name))
        }
        None if args.all_pairs => Some(pairs::verify_all(&labelled)),
        None => None,
    };
    let report = Report {
        photos: used.len(),
        people: people.len(),
        no_face: no_face_photos.len(),
        no_face_rate: no_face_photos.len() as f64 / used.len().max(1) as f64,
        no_face_photos,
        unreadable,
        verification,
        search: args.search.map(|enrolled| search::evaluate(&labelled, enrolled)),
        tracks,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn print(report: &Report) {
    println!("{} photos of {} people", report.photos, report.people);
    println!("no face found   {} ({:.2} %)", report.no_face, report.no_face_rate * 100.0);
    for problem in report.unreadable.iter() {
        println!("unreadable      {problem}");
    }
    if let Some(verification) = &report.verification {
        println!("pairs           {} same, {} different", verification.same_pairs, verification.different_pairs);
        if let Some(accuracy) = verification.accuracy {
            println!("accuracy        {:.4} (best threshold of the other folds)", accuracy);
        }
        for rate in &verification.rates {
            println!("TAR {:.4} at FAR {:.0e}, threshold {:.3}", rate.tar, rate.far, rate.threshold);
        }
    }
    if let Some(search) = &report.search {
        println!(
            "1:{} search: {} searches of enrolled people, {} of strangers",
            search.enrolled, search.mated_searches, search.stranger_searches
        );
        for rate in &search.rates {
            println!("FNIR {:.4} at FPIR {:.0e}, threshold {:.3}", rate.fnir, rate.fpir, rate.threshold);
        }
    }
    if let Some(tracks) = &report.tracks {
        println!(
            "tracks of {} frames: {} of {} people against {} photos fit to enrol; {} frames refused",
            tracks.frames, tracks.tracks, tracks.people, tracks.templates, tracks.refused_frames
        );
        println!("same person     {} comparisons, the lowest {:.3}", tracks.same, tracks.lowest_same);
        println!("others          {} comparisons, the highest {:.3}", tracks.different, tracks.highest_different);
        for miss in &tracks.misses {
            println!("threshold {:.2}: {} missed ({:.2} %)", miss.threshold, miss.missed, miss.share * 100.0);
        }
        for rate in &tracks.thresholds {
            let how = if rate.counted { "counted" } else { "from the tail's fit" };
            let (rate, threshold, low, high) = (rate.per_comparison, rate.threshold, rate.low, rate.high);
            println!("{rate:.1e} a comparison: threshold {threshold:.3} ({low:.3} to {high:.3}; {how})");
        }
    }
}
