//! The times that a network camera gives its pictures and its sound, made to go on: it may set its clock while it sends, and
//! a server may begin its film anew. A file whose times go back cannot be played.

use super::unit::Track;
use std::time::{Duration, Instant};

/// A picture that is given a time so long before that of one before it comes after its camera's clock was put back. Pictures
/// that are shown in another order than they are sent in lie less far apart; key frames, and sound, are in order.
const BACK: f64 = 0.6;
/// Likewise of those: more than the times of sound may be uneven.
const BACK_IN_ORDER: f64 = 0.05;
/// Likewise, of a clock that was put forward: so much farther than it arrived later.
const FORWARD: f64 = 5.0;
/// Sound and pictures whose clocks are set within this time of each other, and by the same to within [`BACK`], stay in step.
const TOGETHER: Duration = Duration::from_secs(10);

/// One connection's times. Pure.
#[derive(Default)]
pub(super) struct Timeline {
    video: Lane,
    audio: Lane,
}

/// One track's.
#[derive(Default, Clone, Copy)]
struct Lane {
    /// The newest unit's time as given, s, and when it arrived.
    last: Option<(f64, Instant)>,
    /// What is added to given times, s.
    shift: f64,
    /// By how much the clock was last set, s, and when.
    set: Option<(f64, Instant)>,
    /// How often it was set.
    times: u32,
}

impl Timeline {
    /// The time of a unit, in ticks of `rate` a second, that was given as `ticks`. Sound is all key frames.
    pub fn place(&mut self, track: Track, is_key: bool, ticks: i64, rate: u32, arrived: Instant) -> i64 {
        let rate = f64::from(rate.max(1));
        let (lane, other) = match track {
            Track::Video => (&mut self.video, self.audio),
            Track::Audio => (&mut self.audio, self.video),
        };
        let given = ticks as f64 / rate;
        let newest = lane.last.map_or(given, |(last, _)| last.max(given));
        lane.last = match lane.last {
            Some((last, before)) => {
                let passed = arrived.saturating_duration_since(before).as_secs_f64();
                let jump = given - (last + passed);
                let back = if is_key { BACK_IN_ORDER } else { BACK };
                if given < last - back || jump > FORWARD {
                    let is_same = |(by, at): &(f64, Instant)| {
                        (by - jump).abs() < BACK && arrived.saturating_duration_since(*at) < TOGETHER
                    };
                    let is_ahead = other.times == lane.times + 1 && other.set.as_ref().is_some_and(is_same);
                    lane.shift = if is_ahead { other.shift } else { lane.shift - jump };
                    (lane.set, lane.times) = (Some((jump, arrived)), lane.times + 1);
                    tracing::warn!(?track, seconds = jump, "the camera has set its clock; its times go on");
                    Some((given, arrived))
                } else {
                    Some((newest, arrived))
                }
            }
            None => Some((given, arrived)),
        };
        ticks + (lane.shift * rate).round() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places units that arrive 40 ms after one another, each given at these seconds; the times they get, ms.
    fn placed(timeline: &mut Timeline, track: Track, from: Instant, given: &[f64]) -> Vec<i64> {
        let arrival = |at: usize| from + Duration::from_millis(40 * at as u64);
        let place = |(at, seconds): (usize, &f64)| {
            let is_key = track == Track::Audio || at == 0;
            timeline.place(track, is_key, (seconds * 90_000.0).round() as i64, 90_000, arrival(at)) / 90
        };
        given.iter().enumerate().map(place).collect()
    }

    #[test]
    fn times_that_go_on_are_as_they_are_given_whatever_their_order() {
        let given = [0.0, 0.12, 0.04, 0.08, 0.24, 3.0];
        let placed = placed(&mut Timeline::default(), Track::Video, Instant::now(), &given);
        assert_eq!(placed, [0, 120, 40, 80, 240, 3000]);
    }

    #[test]
    fn a_clock_that_is_set_moves_nothing() {
        for to in [0.0, 90.0] {
            let mut timeline = Timeline::default();
            let given = [10.0, 10.04, to, to + 0.04, to + 0.08];
            let placed = placed(&mut timeline, Track::Video, Instant::now(), &given);
            assert_eq!(placed, [10_000, 10_040, 10_080, 10_120, 10_160], "to {to}");
        }
    }

    #[test]
    fn sound_and_pictures_whose_clocks_are_set_together_stay_in_step() {
        let (mut timeline, start) = (Timeline::default(), Instant::now());
        let pictures = placed(&mut timeline, Track::Video, start, &[10.0, 10.04, 0.0, 0.04]);
        // The sound is a tenth of a second behind when it is sent.
        let sound = placed(&mut timeline, Track::Audio, start, &[9.9, 9.94, 9.98, -0.1, -0.06]);
        assert_eq!(pictures, [10_000, 10_040, 10_080, 10_120]);
        assert_eq!(
            sound,
            [9_900, 9_940, 9_980, 9_980, 10_020],
            "where the picture of that time is, plus what it was behind"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_by_the_same_again_and_again_moves_nothing_either() {
        let (mut timeline, mut at) = (Timeline::default(), Instant::now());
        for round in 0..3 {
            let given = [0.0, 0.04, 0.08, 0.12];
            for (track, behind) in [(Track::Video, 0), (Track::Audio, 5)] {
                let placed = placed(&mut timeline, track, at + Duration::from_millis(behind), &given);
                assert!((placed[0] - 160 * round).abs() <= 5, "{track:?}, round {round}: {placed:?}");
            }
            at += Duration::from_millis(40 * 4);
        }
    }

    #[test]
    fn a_pause_is_no_set_clock() {
        let (mut timeline, start) = (Timeline::default(), Instant::now());
        timeline.place(Track::Video, true, 0, 90_000, start);
        let later = start + Duration::from_secs(60);
        assert_eq!(timeline.place(Track::Video, true, 61 * 90_000, 90_000, later), 61 * 90_000);
        // And what was held back by the network comes all at once.
        assert_eq!(timeline.place(Track::Video, false, 62 * 90_000, 90_000, later), 62 * 90_000);
    }
}
