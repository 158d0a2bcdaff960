//! Looks for QR codes in the newest frame, a few times a second, on a thread of its own.

use crate::camera::LatestFrame;
use crate::picture::Picture;
use crate::store::QrToken;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pause between two looks: a code is held still for a second at least.
const PAUSE: Duration = Duration::from_millis(250);
/// Width that a frame is reduced to before it is searched, px: a code of 6 cm at 60 cm is still 100 px wide.
const WIDTH: usize = 960;

/// Scans until `stop`; hands over the tokens that each look finds, again and again while they are shown.
pub(super) fn run(frames: &LatestFrame, stop: &Arc<AtomicBool>, mut found: impl FnMut(Vec<QrToken>)) {
    let mut last = 0;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(PAUSE);
        let Some(frame) = frames.get().filter(|frame| frame.number != last) else { continue };
        last = frame.number;
        let tokens = read(&frame.picture);
        if !tokens.is_empty() {
            found(tokens);
        }
    }
}

/// All of our QR codes in a picture: two may hold theirs up at once, or one badge may hang beside another.
pub fn read(picture: &Picture) -> Vec<QrToken> {
    let step = (picture.width as usize).div_ceil(WIDTH).max(1);
    let (width, height) = (picture.width as usize / step, picture.height as usize / step);
    if width < 21 || height < 21 {
        return Vec::new();
    }
    let row = picture.width as usize * 3;
    // Green alone: nearest to brightness, and good enough for black on white.
    let grey = |x: usize, y: usize| picture.rgb[y * step * row + x * step * 3 + 1];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
    let texts = image.detect_grids().into_iter().filter_map(|grid| grid.decode().ok());
    texts.filter_map(|(_, text)| QrToken::from_text(&text)).collect()
}
