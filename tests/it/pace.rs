//! How long something may take.

use std::time::Duration;

/// The product's own limits are held to where a test runs alone on a machine that has nothing else to do:
/// `ROLLCALL_IDLE=1 cargo test --test it …`. Tests that run side by side wait for each other's processors and disk; they
/// may take four times as long.
pub fn at_most(seconds: f64) -> Duration {
    let times = if std::env::var_os("ROLLCALL_IDLE").is_some() { 1.0 } else { 4.0 };
    Duration::from_secs_f64(seconds * times)
}

/// Something was found after so long: it is printed, for the table in docs/recording.md, and held to the product's limit.
pub fn found_in_time(what: &str, took: Duration) {
    eprintln!("{what}: found after {:.1} s", took.as_secs_f32());
    assert!(took < at_most(10.0), "{what}: found after {took:?}");
}
