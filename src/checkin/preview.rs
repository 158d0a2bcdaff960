//! Pictures for the kiosk, on a thread of its own: encoding one never delays a decision, nor the other way round.

use super::live::{Live, LiveFace, LivePicture};
use crate::camera::LatestFrame;
use crate::config::WebConfig;
use crate::picture::{Picture, Scaler};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const QUALITY: u8 = 72;

/// The faces of the newest frame that was looked at.
#[derive(Default)]
pub(super) struct Faces(Mutex<Vec<LiveFace>>);

impl Faces {
    pub(super) fn set(&self, faces: Vec<LiveFace>) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = faces;
    }

    fn get(&self) -> Vec<LiveFace> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

/// Shows pictures until `stop`, `kiosk_fps` a second at most; none while no page is open.
pub(super) fn run(frames: &LatestFrame, live: &Live, faces: &Faces, config: &WebConfig, stop: &Arc<AtomicBool>) {
    let interval = Duration::from_secs_f64(1.0 / f64::from(config.kiosk_fps));
    let (mut scaler, mut small) = (Scaler::default(), Picture::black(0, 0));
    let mut last = 0;
    while !stop.load(Ordering::Relaxed) {
        if !live.is_watched() {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        }
        let began = Instant::now();
        let Some(frame) = frames.wait_newer(last, Duration::from_millis(250)) else { continue };
        last = frame.number;
        let picture = &frame.picture;
        let width = config.kiosk_width.min(picture.width).max(1);
        let height = (picture.height * width / picture.width.max(1)).max(1);
        let shown = if width == picture.width {
            picture
        } else {
            if (small.width, small.height) != (width, height) {
                small = Picture::black(width, height);
            }
            picture.scale_into(&mut small, &mut scaler);
            &small
        };
        match shown.to_jpeg(QUALITY) {
            Ok(jpeg) => live.show(LivePicture {
                number: frame.number,
                captured_unix_ms: frame.wall.as_millisecond(),
                jpeg: jpeg.into(),
                faces: faces.get(),
            }),
            Err(error) => tracing::warn!(%error, "no picture for the kiosk"),
        }
        std::thread::sleep(interval.saturating_sub(began.elapsed()));
    }
}
