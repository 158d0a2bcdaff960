//! How long something may take.

use std::time::Duration;

/// The product's own limits are held to where a test runs alone on a machine that has nothing else to do:
/// `ROLLCALL_IDLE=1 cargo test --test it …`. Tests that run side by side wait for each other's processors and disk; they
/// may take four times as long.
pub fn at_most(seconds: f64) -> Duration {
    let times = if std::env::var_os("ROLLCALL_IDLE").is_some() { 1.0 } else { 4.0 };
    Duration::from_secs_f64(seconds * times)
}
