//! How surely faces are recognised, held against what is promised, with the real program on real photos.

use crate::demo::{photos, run, said, text};
use crate::stage::{Actor, Stage};
use rollcall::checkin::enrol::{EnrolError, face_of_photo};
use rollcall::commands::demo::film::{Portrait, Scene, shoot};
use rollcall::picture::Picture;
use rollcall::vision::Search;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Photos of many people, kept beside the project and not in it.
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !folder.is_dir() {
        eprintln!("skipped: no {}", folder.display());
        return None;
    }
    Some(folder)
}

fn evaluate(arguments: &[&str]) -> Value {
    let program = Path::new(env!("CARGO_BIN_EXE_rollcall"));
    let output = run(program, &[&["face", "evaluate", "--json"], arguments].concat());
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn people_before_a_webcam_are_found_and_told_apart() {
    let Some(folder) = shared("nuaa_live") else { return };
    let report = evaluate(&["--images", &text(&folder), "--all-pairs", "--search", "5", "--track", "4"]);
    assert_eq!(report["no_face"], 0, "{report:#}");
    let at_1e4 = &report["verification"]["rates"][2];
    assert_eq!(number(&at_1e4["far"]), 1e-4);
    assert!(number(&at_1e4["tar"]) >= 0.985, "{report:#}");
    // Means of four frames, as a check-in compares them, with every picture of other days that enrolment would take:
    // few are missed at the default threshold (34 of 540), and nobody comes near being taken for somebody else.
    let tracks = &report["tracks"];
    let misses = tracks["misses"].as_array().expect("a list");
    let at_default = misses.iter().find(|miss| (number(&miss["threshold"]) - f64::from(threshold())).abs() < 1e-3);
    assert!(number(&at_default.expect("the default is listed")["share"]) <= 0.065, "{tracks:#}");
    assert!(number(&tracks["highest_different"]) < f64::from(threshold()) - 0.05, "{tracks:#}");
    // A frame is taken for the same person's from 0.6 on.
    let followed = &tracks["followed"];
    assert!(number(&followed["lowest_same"]) > 0.63, "{tracks:#}");
    assert!(number(&followed["highest_different"]) < 0.57, "{tracks:#}");
}

fn threshold() -> f32 {
    rollcall::config::CheckinConfig::default().decision.threshold
}

#[test]
fn the_first_fold_of_lfw_is_told_apart() {
    lfw_is_told_apart(1, 0.985);
}

#[test]
#[ignore = "minutes; a release build"]
fn five_folds_of_lfw_are_told_apart() {
    lfw_is_told_apart(5, 0.992);
}

fn lfw_is_told_apart(folds: usize, accuracy: f64) {
    let Some(folder) = shared("lfw_folds1-5") else { return };
    let listed = std::fs::read_to_string(folder.join("pairs_folds1-5.txt")).expect("the list of pairs");
    let pairs = listed.lines().filter(|line| line.split_whitespace().count() > 2);
    let fold: Vec<&str> = pairs.take(600 * folds).collect();
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let pairs = scratch.path().join("pairs.txt");
    std::fs::write(&pairs, fold.join("\n")).expect("written");
    let report = evaluate(&["--images", &text(&folder), "--pairs", &text(&pairs)]);
    let verification = &report["verification"];
    let each = (300 * folds).into();
    assert_eq!((&verification["same_pairs"], &verification["different_pairs"]), (&each, &each));
    assert!(number(&verification["accuracy"]) >= accuracy, "{report:#}");
    assert!(number(&report["no_face_rate"]) <= 0.002, "{report:#}");
}

/// Somebody who stands behind the trainee is a second face too: whose face is enrolled is never a guess. The small
/// faces of a room's background do not matter.
#[test]
fn a_photo_with_somebody_behind_the_trainee_is_not_enrolled() {
    let Some(photos) = photos() else { return };
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut stage = Stage::new(scratch.path(), "");
    let limits = stage.config.checkin.enrolment_quality();
    let (trainee, other) = (photos.join("obama.jpg"), photos.join("biden.jpg"));
    let [trainee, other] = [trainee, other].map(|photo| Actor::open(&photo, &mut stage.vision));
    let mut enrolled = |pupils: Option<f32>| {
        let mut photo = Picture::black(1280, 720);
        photo.rgb.fill(150);
        trainee.at(500.0, 350.0, 150.0, 1.0).draw(&mut photo);
        pupils.into_iter().for_each(|pupils| other.at(1080.0, 200.0, pupils, 1.0).draw(&mut photo));
        face_of_photo(&mut stage.vision, &photo, &limits)
    };
    for pupils in [None, Some(25.0)] {
        enrolled(pupils).unwrap_or_else(|error| panic!("pupils {pupils:?} px apart: {error}"));
    }
    for pupils in [120.0, 60.0] {
        let refused = enrolled(Some(pupils));
        assert!(matches!(refused, Err(EnrolError::SeveralFaces(2))), "pupils {pupils} px apart: {refused:?}");
    }
}

/// Photos that a webcam took in an office: a man stands behind one of the seven people in one of the photos.
#[test]
#[ignore = "minutes; a release build"]
fn who_is_far_behind_does_not_hinder_enrolment() {
    let Some(folder) = shared("nuaa_live") else { return };
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut stage = Stage::new(scratch.path(), "");
    let limits = stage.config.checkin.enrolment_quality();
    let people = std::fs::read_dir(&folder).expect("a folder").flatten();
    let photos: Vec<_> = people.flat_map(|one| std::fs::read_dir(one.path()).into_iter().flatten().flatten()).collect();
    let mut refused = |photo: &std::fs::DirEntry| {
        let photo = Picture::open(&photo.path()).expect("a photo");
        matches!(face_of_photo(&mut stage.vision, &photo, &limits), Err(EnrolError::SeveralFaces(_)))
    };
    let several = photos.iter().filter(|photo| refused(photo)).count();
    eprintln!("{several} of {} photos show several faces", photos.len());
    assert!(several <= 1, "{several} of {} photos", photos.len());
}

/// At 2 m a camera of 65° and 1280 px shows pupils 31 px apart.
#[test]
fn a_face_at_two_metres_is_found_in_the_tiles_and_checked_in() {
    let Some(photos) = photos() else { return };
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut stage = Stage::new(scratch.path(), "");
    let vision = &mut stage.vision;
    let portrait = Portrait::open(&photos.join("obama2.jpg"), vision).expect("a face");
    let film = scratch.path().join("film.mkv");
    let scene = |photo, seconds| Scene { photo, pupil_distance_px: 31.0, seconds };
    shoot(&[scene(None, 1.0), scene(Some(&portrait), 6.0), scene(None, 1.0)], &film).expect("a film");

    // Each turn looks at two of the tiles, of which at least one shows it large enough within twelve frames.
    let still = scratch.path().join("still.png");
    let cut = run(
        Path::new("ffmpeg"),
        &["-loglevel", "error", "-ss", "3", "-i", &text(&film), "-frames:v", "1", &text(&still)],
    );
    assert!(cut.status.success(), "{}", said(&cut));
    let frame = Picture::open(&still).expect("a picture");
    let mut found = |turn| !vision.find(&frame, Search::Frame { near: &[], turn }).expect("looked").is_empty();
    let turns: Vec<u64> = (0..12).filter(|turn| found(*turn)).collect();
    assert!(!turns.is_empty(), "found in none of 12 turns");

    let enrol = format!("{}=欧巴马", text(&photos.join("obama.jpg")));
    let demo = run(
        Path::new(env!("CARGO_BIN_EXE_rollcall")),
        &["demo", "--once", "--json", "--listen", "127.0.0.1:0", "--enrol", &enrol, "--clip", &text(&film)],
    );
    assert!(demo.status.success(), "{}", said(&demo));
    let report: Value = serde_json::from_slice(&demo.stdout).expect("JSON");
    assert_eq!(report["accepted"], 1, "{report:#}");
}

/// The two of NUAA's people who are most alike, the one in the other's place from one frame to the next.
#[test]
fn who_takes_the_place_of_somebody_alike_is_checked_in_too() {
    let Some(folder) = shared("nuaa_live") else { return };
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut stage = Stage::new(scratch.path(), "");
    let photo = |name: &str| folder.join(&name[..4]).join(name);
    let mut portrait = |name: &str| Portrait::open(&photo(name), &mut stage.vision).expect("a face");
    let (one, other) = (portrait("0002_01_00_01_100.jpg"), portrait("0003_01_00_01_109.jpg"));
    let film = scratch.path().join("film.mkv");
    let scene = |photo, seconds| Scene { photo, pupil_distance_px: 90.0, seconds };
    shoot(&[scene(None, 1.0), scene(Some(&one), 3.0), scene(Some(&other), 4.0)], &film).expect("a film");
    let enrol = [("0002_01_00_01_120.jpg", "王一"), ("0003_01_00_01_131.jpg", "王二")];
    let enrol = enrol.map(|(name, person)| format!("{}={person}", text(&photo(name))));
    let [program, film] = [env!("CARGO_BIN_EXE_rollcall").into(), text(&film)];
    let arguments = ["demo", "--once", "--json", "--listen", "127.0.0.1:0", "--enrol", &enrol[0], &enrol[1]];
    let demo = run(Path::new(&program), &[&arguments[..], &["--clip", &film]].concat());
    assert!(demo.status.success(), "{}", said(&demo));
    let report: Value = serde_json::from_slice(&demo.stdout).expect("JSON");
    assert_eq!(report["accepted"], 2, "{report:#}");
}

/// A phone holds its films on their side and says so in a display matrix.
#[test]
fn a_phones_film_is_accepted_with_the_selfie_enrolled() {
    let (Some(clips), Some(selfies)) = (shared("clips"), shared("selfies")) else { return };
    let id = "621ea6b1e2c5d221d5131267";
    let others = ["621f74f67610eb59dffc6431", "62209b0f1e149a2c4be3130c"];
    let photo = |id: &str, name: &str| format!("{}={name}", text(&selfies.join(format!("{id}.jpg"))));
    let clip = text(&clips.join(format!("tdp_live_{id}.MOV")));
    let demo = run(
        Path::new(env!("CARGO_BIN_EXE_rollcall")),
        &[
            "demo",
            "--once",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--enrol",
            &photo(id, "王一"),
            &photo(others[0], "王二"),
            &photo(others[1], "王三"),
            "--clip",
            &clip,
        ],
    );
    assert!(demo.status.success(), "{}", said(&demo));
    let report: Value = serde_json::from_slice(&demo.stdout).expect("JSON");
    assert_eq!(report["accepted"], 1, "{report:#}");
    let people: Vec<&Value> = report["outcomes"].as_array().expect("a list").iter().map(|one| &one["person"]).collect();
    assert!(people.iter().all(|person| person.is_null() || *person == "01"), "{report:#}");
}
