//! People in a film of a room, found by the real program and the real model, against what one sees.

use crate::demo::{run, said, text};
use crate::faces::shared;
use serde_json::Value;
use std::path::Path;

#[test]
fn people_are_seen_where_they_are_and_nowhere_else() {
    let Some(clips) = shared("clips") else { return };
    let film = text(&clips.join("intel_one_by_one_person.mp4"));
    let program = Path::new(env!("CARGO_BIN_EXE_rollcall"));
    let output = run(program, &["coverage", "people", "--json", "--every", "60", "--video", &film]);
    assert!(output.status.success(), "{}", said(&output));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let seen: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let counts: String = seen.iter().map(|look| look["count"].to_string()).collect();
    // One person after another comes to a table and leaves; of two, only some hair or a heel is in the picture: nobody.
    assert_eq!(counts, "001111110111011011110110", "of each 60th picture");
    for look in seen.iter().filter(|look| look["count"] == 1) {
        let part = |name: &str| look["people"][0][name].as_f64().expect("a share of the picture");
        let middle = part("x") + part("width") / 2.0;
        assert!((0.25..0.95).contains(&middle) && part("y") + part("height") > 0.8, "they stand on the floor: {look}");
    }
}
