//! `rollcall face evaluate`: recognition rates on a folder of photos.

use super::{ModelArgs, Outcome, embed_all, pairs, photos, search};
use anyhow::Result;
use std::collections::HashMap;
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
}

pub fn run(args: EvaluateArgs) -> Result<()> {
    let all = photos(&args.images)?;
    let wanted = match &args.pairs {
        Some(file) => Some(pairs::read(file)?),
        None => None,
    };
    let used: Vec<usize> = match &wanted {
        None => (0..all.len()).collect(),
        Some(pairs) => {
            let names: std::collections::HashSet<String> =
                pairs.iter().flat_map(|pair| [pair.left.clone(), pair.right.clone()]).collect();
            (0..all.len()).filter(|at| names.contains(&stem(&all[*at].path))).collect()
        }
    };
    let paths: Vec<&Path> = used.iter().map(|at| all[*at].path.as_path()).collect();
    let outcomes = embed_all(&paths, &args.models, args.threads)?;
    let mut embedded = Vec::new();
    let (mut unreadable, mut no_face_photos) = (Vec::new(), Vec::new());
    for (at, outcome) in used.iter().zip(outcomes) {
        let path = all[*at].path.display().to_string();
        match outcome {
            Outcome::Embedding(embedding) => embedded.push((*at, embedding)),
            Outcome::NoFace => no_face_photos.push(path),
            Outcome::Unreadable(error) => unreadable.push(format!("{path}: {error}")),
        }
    }
    let people: std::collections::HashSet<&str> = used.iter().map(|at| all[*at].person.as_str()).collect();
    let labelled: Vec<_> = embedded.iter().map(|(at, e)| (all[*at].person.as_str(), e)).collect();
    let verification = match &wanted {
        Some(wanted) => {
            let by_name: HashMap<String, _> = embedded.iter().map(|(at, e)| (stem(&all[*at].path), e)).collect();
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
}
