//! What a camera is doing, judged by the age of its last frame alone.

use super::{Failure, News};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a camera is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// Frames arrive.
    Live,
    /// Connected, but the last frame is older than the limit; until a new connection is tried and fails.
    Stalled,
    /// No device, no server, or the stream ended.
    Absent,
    /// Started a moment ago; no frame yet.
    Unknown,
}

/// A camera's state as shown to staff.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct CameraStatus {
    /// The config's name for it.
    pub name: String,
    /// `v4l2`, `rtsp` or `file`.
    pub kind: String,
    /// See [`CameraState`].
    pub state: CameraState,
    /// Age of the last frame, seconds; `None` before the first.
    pub last_frame_age_seconds: Option<f64>,
    /// Frames delivered since start.
    pub frames: u64,
    /// Frames a second over the last few seconds.
    pub fps: f64,
    /// How far apart its key frames come, seconds: the median of the last few. Only of network cameras, and not before some
    /// have come.
    #[serde(default)]
    pub key_frame_seconds: Option<f64>,
    /// Network packets lost on the way since start; always 0 where there is no network.
    #[serde(default)]
    pub lost_packets: u64,
    /// Size of the last frame, px.
    pub width: u32,
    /// Size of the last frame, px.
    pub height: u32,
    /// The network does not lead to it, as far as can be told.
    #[serde(default)]
    pub unreachable: bool,
    /// It sends nothing, and it is not known yet why.
    #[serde(skip)]
    pub unclear: bool,
    /// What went wrong last and what is tried next, when not live.
    pub problem: Option<String>,
}

/// Span over which the frame rate is counted.
const RATE_SPAN: Duration = Duration::from_secs(3);

/// Key frames whose distances are told of.
const KEY_FRAMES: usize = 8;

/// What the camera's thread notes down, from which the state follows.
pub(super) struct Health {
    /// When the camera, or its present connection, was begun.
    since: Instant,
    connected: bool,
    /// The connection was given up because nothing came.
    given_up: bool,
    /// Whether its host answers, once that was asked since the last frame. Only of network cameras.
    is_reached: Option<bool>,
    pub(super) ended: bool,
    last: Option<Instant>,
    frames: u64,
    lost_packets: u64,
    arrivals: VecDeque<Instant>,
    /// When the last key frames of this connection came.
    keys: VecDeque<Instant>,
    size: (u32, u32),
    problem: Option<Failure>,
}

impl Health {
    pub(super) fn new(now: Instant) -> Health {
        Health {
            since: now,
            connected: false,
            given_up: false,
            is_reached: None,
            ended: false,
            last: None,
            frames: 0,
            lost_packets: 0,
            arrivals: VecDeque::new(),
            keys: VecDeque::new(),
            size: (0, 0),
            problem: None,
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.connected = true;
        self.since = now;
        self.is_reached = None;
        self.keys.clear();
    }

    pub(super) fn disconnected(&mut self, problem: Failure) {
        self.connected = false;
        self.given_up = problem.is_stall;
        self.problem = Some(problem);
    }

    /// What came besides decoded frames.
    pub(super) fn news(&mut self, now: Instant, news: &News) {
        self.lost_packets += news.lost;
        self.is_reached = news.is_reached.or(self.is_reached);
        // Those that come at once are told of at once: what lies between them cannot be known.
        if news.keys > 0 {
            self.keys.push_back(now);
            if self.keys.len() > KEY_FRAMES {
                self.keys.pop_front();
            }
        }
        let (width, height) = news.size.unwrap_or(self.size);
        for _ in 0..news.units {
            self.frame(now, width, height);
        }
    }

    pub(super) fn ended(&mut self) {
        self.ended = true;
        self.disconnected("the file has been played to its end".into());
    }

    pub(super) fn frame(&mut self, now: Instant, width: u32, height: u32) {
        self.last = Some(now);
        self.is_reached = None;
        self.frames += 1;
        self.size = (width, height);
        self.problem = None;
        self.arrivals.push_back(now);
        while self.arrivals.front().is_some_and(|first| now.duration_since(*first) > RATE_SPAN) {
            self.arrivals.pop_front();
        }
    }

    /// How far apart key frames come, as soon as it can be told.
    fn key_frame_seconds(&self) -> Option<f64> {
        if self.keys.len() < KEY_FRAMES / 2 {
            return None;
        }
        let pairs = self.keys.iter().zip(self.keys.iter().skip(1));
        let mut apart: Vec<Duration> = pairs.map(|(one, next)| next.saturating_duration_since(*one)).collect();
        apart.sort_unstable();
        Some(apart[apart.len() / 2].as_secs_f64())
    }

    fn state(&self, stall: Duration, now: Instant) -> CameraState {
        let fresh = |since: Instant| now.saturating_duration_since(since) <= stall;
        match (self.connected, self.last) {
            (true, Some(last)) if fresh(last) => CameraState::Live,
            // A new connection has as long for its next frame as an old one.
            (_, None) if self.problem.is_none() && fresh(self.since) => CameraState::Unknown,
            (true, _) => CameraState::Stalled,
            (false, _) if self.given_up => CameraState::Stalled,
            (false, _) => CameraState::Absent,
        }
    }

    pub(super) fn status(&self, name: &str, kind: &'static str, stall: Duration, now: Instant) -> CameraStatus {
        let state = self.state(stall, now);
        let age = self.last.map(|last| now.saturating_duration_since(last).as_secs_f64());
        let recent = self.arrivals.iter().filter(|at| now.saturating_duration_since(**at) <= RATE_SPAN).count();
        let span = self.arrivals.front().map_or(0.0, |first| now.saturating_duration_since(*first).as_secs_f64());
        let stalled = || format!("connected, but no frame for {:.0} s", age.unwrap_or_default());
        let text = self.problem.as_ref().map(|problem| problem.text.clone());
        // A new connection has its time; and whether a network camera's host answers is asked.
        let is_new = self.connected && now.saturating_duration_since(self.since) <= stall;
        CameraStatus {
            unreachable: match state {
                CameraState::Absent => self.problem.as_ref().is_some_and(|problem| problem.is_unreachable),
                CameraState::Stalled => self.is_reached == Some(false),
                CameraState::Live | CameraState::Unknown => false,
            },
            unclear: match state {
                CameraState::Stalled => is_new || (kind == "rtsp" && self.is_reached.is_none()),
                // The first try to reach it goes on.
                CameraState::Absent => self.problem.is_none(),
                CameraState::Live | CameraState::Unknown => false,
            },
            name: name.into(),
            kind: kind.into(),
            state,
            last_frame_age_seconds: age,
            frames: self.frames,
            key_frame_seconds: self.key_frame_seconds(),
            lost_packets: self.lost_packets,
            fps: if recent > 1 && span > 0.0 { (recent - 1) as f64 / span.min(RATE_SPAN.as_secs_f64()) } else { 0.0 },
            width: self.size.0,
            height: self.size.1,
            problem: match state {
                CameraState::Live => None,
                CameraState::Stalled => Some(text.unwrap_or_else(stalled)),
                _ => text,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(3);

    fn state(health: &Health, now: Instant) -> CameraState {
        health.status("door", "file", STALL, now).state
    }

    #[test]
    fn a_connected_camera_without_frames_is_stalled_whatever_its_socket_says() {
        let start = Instant::now();
        let mut health = Health::new(start);
        assert_eq!(state(&health, start), CameraState::Unknown);
        health.connected(start);
        assert_eq!(state(&health, start + STALL), CameraState::Unknown);
        assert_eq!(state(&health, start + STALL * 2), CameraState::Stalled);
        health.frame(start + STALL * 2, 640, 480);
        assert_eq!(state(&health, start + STALL * 3), CameraState::Live);
        assert_eq!(state(&health, start + STALL * 4), CameraState::Stalled);
        health.disconnected("unplugged".into());
        assert_eq!(state(&health, start + STALL * 4), CameraState::Absent);
        health.connected(start + STALL * 4);
        health.frame(start + STALL * 4, 640, 480);
        assert_eq!(state(&health, start + STALL * 4), CameraState::Live);
    }

    #[test]
    fn a_connection_that_is_given_up_is_stalled_until_a_new_one_fails_and_the_network_is_named_once_it_was_asked() {
        let start = Instant::now();
        let mut health = Health::new(start);
        health.connected(start);
        health.frame(start, 640, 480);
        let seen = |health: &Health| {
            let status = health.status("door", "rtsp", STALL, start + STALL * 2);
            (status.state, status.unreachable, status.unclear)
        };
        assert_eq!(seen(&health), (CameraState::Stalled, false, true));
        health.news(start + STALL * 2, &News { is_reached: Some(false), ..News::default() });
        assert_eq!(seen(&health), (CameraState::Stalled, true, false));
        health.disconnected(Failure::stall("no frame".into()));
        assert_eq!(seen(&health), (CameraState::Stalled, true, false));
        health.disconnected(Failure { is_unreachable: true, ..Failure::from("no route") });
        assert_eq!(seen(&health), (CameraState::Absent, true, false));
        health.disconnected("connection refused".into());
        assert_eq!(seen(&health), (CameraState::Absent, false, false));
        health.connected(start + STALL * 2);
        assert_eq!(seen(&health), (CameraState::Stalled, false, true), "it has its time to send a frame");
    }

    #[test]
    fn a_camera_that_cannot_be_opened_is_absent_and_says_why() {
        let start = Instant::now();
        let mut health = Health::new(start);
        health.disconnected("no such device".into());
        let status = health.status("door", "v4l2", STALL, start);
        assert_eq!((status.state, status.problem.as_deref()), (CameraState::Absent, Some("no such device")));
    }

    #[test]
    fn key_frames_are_told_of_by_the_median_of_the_last_and_anew_for_each_connection() {
        let start = Instant::now();
        let mut health = Health::new(start);
        health.connected(start);
        let key = |health: &mut Health, second: f64| {
            let now = start + Duration::from_secs_f64(second);
            health.news(now, &News { keys: 1, ..News::default() });
            health.status("door", "rtsp", STALL, now).key_frame_seconds
        };
        assert_eq!([0.0, 5.0, 10.0].map(|second| key(&mut health, second)), [None; 3], "too few to tell");
        assert_eq!(key(&mut health, 15.0), Some(5.0));
        assert_eq!(key(&mut health, 15.1), Some(5.0), "one that the camera sends besides changes nothing");
        let told = [17.0, 19.0, 21.0, 23.0, 25.0].map(|second| key(&mut health, second));
        assert_eq!(told[4], Some(2.0), "it was set anew");
        health.connected(start + Duration::from_secs(30));
        assert_eq!(key(&mut health, 31.0), None);
    }

    #[test]
    fn the_frame_rate_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut health = Health::new(start);
        for frame in 0..50 {
            health.frame(start + Duration::from_millis(100 * frame), 640, 480);
        }
        let fps = health.status("door", "file", STALL, start + Duration::from_millis(4900)).fps;
        assert!((9.0..=11.0).contains(&fps), "{fps}");
    }
}
