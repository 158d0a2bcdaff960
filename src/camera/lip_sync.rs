//! Sound in step with its picture: by the times that the server tells, unless what comes shows that they are not of one
//! clock.
//!
//! A server says in RTP-Info (RFC 2326 §12.33) where each of its streams begins. Some do not, and then each stream's first
//! packet counts as its zero, whenever that came; others say it wrongly.

use std::time::{Duration, Instant};

/// So long picture and sound are looked at, from when both have begun: what a server has kept back comes in one burst, and
/// only what comes after it comes in its time.
const LOOK: Duration = Duration::from_secs(2);
/// Sound that comes sooner or later than its time says, against the picture, by less than this is in step: cameras buffer.
const IN_STEP: f64 = 0.25;

/// Of one connection.
#[derive(Debug, Default)]
pub(super) struct LipSync {
    zero: Option<Instant>,
    /// The least that came between a picture's time and its arrival, seconds.
    video: Option<f64>,
    /// Likewise of sound.
    audio: Option<f64>,
    /// When both had begun.
    begun: Option<Instant>,
    /// What is added to the times of sound, seconds, once that is settled.
    shift: Option<f64>,
    /// The newest time of sound that was given.
    last: Option<i64>,
}

impl LipSync {
    /// A picture has arrived that is shown at `seconds`.
    pub(super) fn video(&mut self, seconds: f64, arrived: Instant) {
        let delay = self.delay(seconds, arrived);
        self.video = Some(self.video.map_or(delay, |least| least.min(delay)));
    }

    /// Sound has arrived that its stream says is heard at `time`, in ticks of `rate` a second: when it is heard by the
    /// picture's clock. `None`: that would be before what was heard last.
    pub(super) fn audio(&mut self, time: i64, rate: u32, arrived: Instant) -> Option<i64> {
        let delay = self.delay(time as f64 / f64::from(rate), arrived);
        self.audio = Some(self.audio.map_or(delay, |least| least.min(delay)));
        if let (None, Some(video), Some(audio)) = (self.shift, self.video, self.audio)
            && arrived.saturating_duration_since(*self.begun.get_or_insert(arrived)) >= LOOK
        {
            let ahead = audio - video;
            let is_in_step = ahead.abs() <= IN_STEP;
            if !is_in_step {
                tracing::info!(seconds = ahead, "the camera's sound is not in step with its picture; it is moved");
            }
            self.shift = Some(if is_in_step { 0.0 } else { ahead });
        }
        let shift = self.shift.unwrap_or(0.0);
        let time = time + (shift * f64::from(rate)).round() as i64;
        if shift != 0.0 && self.last.is_some_and(|last| time <= last) {
            return None;
        }
        self.last = Some(time);
        Some(time)
    }

    fn delay(&mut self, seconds: f64, arrived: Instant) -> f64 {
        arrived.saturating_duration_since(*self.zero.get_or_insert(arrived)).as_secs_f64() - seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8000;

    /// Sound that is sent from second `begins` on, in pieces of 0.1 s, each of which comes `late` s after it was heard;
    /// its stream's zero lies at second `zero`. Pictures come from second 0 on, which is their zero. What is kept of the
    /// sound: when it was heard, and when it will be, seconds.
    fn kept(begins: f64, zero: f64, late: f64) -> Vec<(f64, f64)> {
        let (mut sync, start) = (LipSync::default(), Instant::now());
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut kept = Vec::new();
        for tenth in 0..100 {
            let now = f64::from(tenth) / 10.0;
            sync.video(now, at(now));
            if now >= begins {
                let time = ((now - zero) * f64::from(RATE)).round() as i64;
                let heard = sync.audio(time, RATE, at(now + late));
                kept.extend(heard.map(|heard| (now, heard as f64 / f64::from(RATE))));
            }
        }
        kept
    }

    #[test]
    fn sound_that_is_in_step_keeps_its_times() {
        for late in [0.0, 0.2] {
            let kept = kept(1.0, 0.0, late);
            assert_eq!(kept.len(), 90);
            assert!(kept.iter().all(|(now, heard)| (now - heard).abs() < 0.001), "{late} {kept:?}");
        }
    }

    #[test]
    fn sound_that_begins_later_than_the_picture_and_does_not_say_so_is_moved_to_where_it_belongs() {
        let kept = kept(1.5, 1.5, 0.0);
        let (settled, before) = (kept.iter().filter(|(now, _)| *now >= 3.5), kept[0]);
        assert!((before.1 - 0.0).abs() < 0.001, "not known yet");
        assert!(settled.clone().count() == 65 && settled.clone().all(|(now, heard)| (now - heard).abs() < 0.01));
    }

    #[test]
    fn sound_whose_times_are_ahead_goes_back_once_and_never_twice_over_the_same_time() {
        let kept = kept(0.0, -3.0, 0.0);
        assert!(kept.windows(2).all(|pair| pair[0].1 < pair[1].1), "{kept:?}");
        let settled: Vec<_> = kept.iter().filter(|(now, _)| *now >= 2.0).collect();
        assert!(settled[0].0 > 4.9, "what was heard already is left out: {settled:?}");
        assert!(settled.iter().all(|(now, heard)| (now - heard).abs() < 0.01), "{settled:?}");
    }

    #[test]
    fn a_burst_of_what_a_server_had_kept_back_tells_nothing() {
        let (mut sync, start) = (LipSync::default(), Instant::now());
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut heard = None;
        for tenth in 0..100 {
            let now = f64::from(tenth) / 10.0;
            // Four seconds of pictures come at once; sound begins when they have come, and says that this is zero.
            let arrived = at((now - 4.0).max(0.0));
            sync.video(now, arrived);
            if now >= 4.0 {
                heard = sync.audio(((now - 4.0) * f64::from(RATE)) as i64, RATE, arrived).map(|heard| (now, heard));
            }
        }
        let (now, heard) = heard.expect("kept");
        assert!((heard as f64 / f64::from(RATE) - now).abs() < 0.01, "{heard} {now}");
    }
}
