use super::*;
use crate::camera::VideoFormat;
use crate::config::Config;
use evidence::record::{Sound, VideoCodec};
use jiff::SignedDuration;
use mp4_atom::{Avc1, Avcc, Encode, Visual};

/// A camera of 25 pictures a second, a key frame each second, and a recorder; times are seconds since they began.
struct Room {
    recorder: Recorder,
    begun: Now,
    format: Arc<Format>,
    facts: Vec<Fact>,
    folder: tempfile::TempDir,
}

impl Room {
    /// Recording is wanted for so many seconds.
    fn new(seconds: i64) -> Room {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        let text = "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n\
                    [retention]\nreserve_bytes = 1048576\nstate_reserve_bytes = 1048576\n";
        std::fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("a config");
        crate::recording::mark(&config.recordings()).expect("marked");
        let settings = Settings {
            folder: folder.path().join("back"),
            zone: TimeZone::UTC,
            segment: Duration::from_secs(600),
            stall: Duration::from_secs(3),
            reserve: Reserve::new(&config),
        };
        let begun = Now { wall: Timestamp::from_second(1_800_000_000).expect("in range"), monotonic: Instant::now() };
        let mut recorder = Recorder::new(settings, GapCause::ApplianceOff);
        let until = begun.wall + SignedDuration::from_secs(seconds);
        let wanted = Wanted { from: begun.wall, until, sound: true, after_quiet: false };
        let facts = recorder.set_wanted(Some(wanted), None, begun);
        Room { recorder, begun, format: format(), facts, folder }
    }

    fn now(&self, seconds: f64) -> Now {
        let later = Duration::from_secs_f64(seconds);
        Now { wall: self.begun.wall + later, monotonic: self.begun.monotonic + later }
    }

    fn unit(&self, connection: u64, seconds: f64, track: Track) -> Unit {
        let data = match track {
            Track::Video => vec![0, 0, 0, 1, 0x65],
            // What was said then.
            Track::Audio => format!("<{seconds:.2}>").into_bytes(),
        };
        Unit {
            format: self.format.clone(),
            connection,
            track,
            is_key: ((seconds * 25.0).round() as i64) % 25 == 0,
            time: (seconds * 90_000.0).round() as i64,
            data,
            lost: 0,
            skipped: 0,
            arrived: self.now(seconds).monotonic,
        }
    }

    fn take(&mut self, unit: Unit, seconds: f64) {
        let now = self.now(seconds);
        self.facts.extend(self.recorder.take(unit, now));
    }

    /// Pictures from one moment to another.
    fn pictures(&mut self, connection: u64, from: f64, until: f64) {
        for picture in (from * 25.0).round() as i64..(until * 25.0).round() as i64 {
            let seconds = picture as f64 / 25.0;
            self.take(self.unit(connection, seconds, Track::Video), seconds);
            self.tick(seconds, CameraState::Live);
        }
    }

    fn tick(&mut self, seconds: f64, state: CameraState) {
        self.tick_with(seconds, &status(state));
    }

    fn tick_with(&mut self, seconds: f64, status: &CameraStatus) {
        let now = self.now(seconds);
        self.facts.extend(self.recorder.tick(now, status, true));
    }

    /// What was told, as `from–until what`, in tenths of a second.
    fn told(&mut self, end: f64) -> Vec<String> {
        let now = self.now(end);
        self.facts.extend(self.recorder.stop(now));
        let begun = self.begun.wall;
        let tenths = |time: Timestamp| (time.duration_since(begun).as_millis() as f64 / 100.0).round() / 10.0;
        let text = |fact: &Fact| match fact {
            Fact::Segment(segment) => format!("{}–{} recorded", tenths(segment.start), tenths(segment.end)),
            Fact::Gap { start, end, cause } => format!("{}–{} {cause:?}", tenths(*start), tenths(*end)),
        };
        self.facts.iter().map(text).collect()
    }
}

impl Room {
    /// Its camera announces sound. Segments are of ten seconds.
    fn announce_sound(&mut self) {
        self.recorder.settings.segment = Duration::from_secs(10);
        let audio = crate::camera::flac_format(8000);
        self.format = Arc::new(Format { audio, ..(*self.format).clone() });
    }

    /// Pictures, and a piece of sound after each.
    fn pictures_and_sound(&mut self, connection: u64, from: f64, until: f64) {
        for picture in (from * 25.0).round() as i64..(until * 25.0).round() as i64 {
            let seconds = picture as f64 / 25.0;
            self.pictures(connection, seconds, seconds + 0.04);
            let sound = Unit { time: (seconds * 8000.0) as i64, ..self.unit(connection, seconds + 0.02, Track::Audio) };
            self.take(sound, seconds + 0.02);
        }
    }

    /// What the segments' records say of their sound, and how many streams each file has.
    fn sounds(&self) -> Vec<(Sound, usize)> {
        let of = |fact: &Fact| match fact {
            Fact::Segment(segment) => {
                let bytes = std::fs::read(&segment.file.path).expect("there");
                Some((segment.sound, bytes.windows(4).filter(|four| four == b"trak").count()))
            }
            Fact::Gap { .. } => None,
        };
        self.facts.iter().filter_map(of).collect()
    }
}

fn status(state: CameraState) -> CameraStatus {
    CameraStatus {
        name: "back".into(),
        kind: "rtsp".into(),
        state,
        last_frame_age_seconds: None,
        frames: 0,
        fps: 0.0,
        key_frame_seconds: None,
        lost_packets: 0,
        width: 0,
        height: 0,
        unreachable: false,
        unclear: false,
        problem: None,
    }
}

pub(in crate::recording) fn format() -> Arc<Format> {
    let visual = Visual { width: 640, height: 360, ..Visual::default() };
    let avcc = Avcc::new(&[0x67, 66, 0, 30, 0xab], &[0x68, 0xce]).expect("parameter sets");
    let (btrt, colr, pasp, taic, fiel, spatial) = (None, None, None, None, None, None);
    let mut sample_entry = Vec::new();
    let avc1 = Avc1 { visual, avcc, btrt, colr, pasp, taic, fiel, spatial };
    avc1.encode(&mut sample_entry).expect("a Vec takes everything");
    let video = VideoFormat { codec: VideoCodec::H264, width: 640, height: 360, clock_rate: 90_000, sample_entry };
    Arc::new(Format { video, audio: None })
}

#[test]
fn each_gap_has_the_cause_that_it_had_and_none_from_before() {
    let mut room = Room::new(60);
    room.pictures(1, 2.0, 5.0);
    room.tick(9.0, CameraState::Absent);
    // Back, and hours later it stands still, though connected.
    room.pictures(2, 15.0, 20.0);
    room.tick(24.0, CameraState::Stalled);
    room.pictures(2, 30.0, 35.0);
    // A connection that is made anew at once is no end of the appliance.
    room.pictures(3, 36.0, 40.0);
    assert_eq!(
        room.told(40.0),
        [
            "0–2 ApplianceOff",
            "2–5 recorded",
            "5–15 CameraAbsent",
            "15–20 recorded",
            "20–30 CameraStalled",
            "30–35 recorded",
            "35–36 CameraAbsent",
            "36–40 recorded"
        ]
    );
}

#[test]
fn a_gap_ends_where_its_cause_changes_and_what_is_learnt_late_holds_from_its_beginning() {
    let mut room = Room::new(120);
    room.pictures(1, 0.0, 5.0);
    // It is not known yet that it is the network.
    room.tick_with(9.0, &CameraStatus { unclear: true, ..status(CameraState::Stalled) });
    room.tick_with(11.0, &CameraStatus { unreachable: true, ..status(CameraState::Stalled) });
    room.tick_with(15.0, &CameraStatus { unreachable: true, ..status(CameraState::Absent) });
    // The cable is back, and the camera refuses while it starts.
    room.tick(40.0, CameraState::Absent);
    room.tick(45.0, CameraState::Absent);
    room.tick_with(49.0, &CameraStatus { unclear: true, ..status(CameraState::Stalled) });
    room.pictures(2, 50.0, 53.0);
    // The disk is gone, and then the camera too.
    let root = room.folder.path().join("state/recordings");
    std::fs::remove_dir_all(&root).expect("removed");
    room.pictures(2, 53.0, 70.0);
    room.tick(74.0, CameraState::Absent);
    crate::recording::mark(&root).expect("marked");
    room.pictures(3, 80.0, 83.0);
    assert_eq!(
        room.told(83.0),
        [
            "0–5 recorded",
            "5–40 Network",
            "40–50 CameraAbsent",
            "50–52 recorded",
            "52–70 WriteFailed",
            "70–80 CameraAbsent",
            "80–83 recorded"
        ]
    );
}

#[test]
fn what_is_not_recorded_is_told_up_to_a_lessons_end_and_then_goes_on() {
    let mut room = Room::new(60);
    room.pictures(1, 0.0, 5.0);
    room.tick(9.0, CameraState::Absent);
    let border = room.now(20.0).wall;
    assert!(room.recorder.told().is_some_and(|told| told < border));
    room.tick(25.0, CameraState::Absent);
    let fact = room.recorder.tell_until(border);
    room.facts.extend(fact);
    assert!(room.recorder.told().is_some_and(|told| told >= border));
    assert_eq!(room.recorder.tell_until(border), None, "it is told");
    room.pictures(2, 30.0, 33.0);
    assert_eq!(room.recorder.tell_until(room.now(32.0).wall), None, "a segment goes on");
    assert_eq!(room.told(33.0), ["0–5 recorded", "5–20 CameraAbsent", "20–30 CameraAbsent", "30–33 recorded"]);
}

#[test]
fn what_the_clock_jumps_over_is_told_of_by_itself_though_nothing_is_recorded() {
    let mut room = Room::new(600);
    room.pictures(1, 0.0, 5.0);
    room.tick(9.0, CameraState::Absent);
    // After 20 s the clock is put forward by 100 s; after 25 s the camera is back.
    let ahead = |now: Now| Now { wall: now.wall + SignedDuration::from_secs(100), ..now };
    let expected = room.now(20.0).wall;
    let facts = room.recorder.stepped(expected, ahead(room.now(20.0)));
    room.facts.extend(facts);
    let now = ahead(room.now(25.0));
    room.facts.extend(room.recorder.tick(now, &status(CameraState::Absent), true));
    let facts = room.recorder.take(room.unit(2, 25.0, Track::Video), now);
    room.facts.extend(facts);
    let facts = room.recorder.stop(ahead(room.now(26.0)));
    room.facts.extend(facts);
    assert_eq!(
        room.told(126.0),
        ["0–5 recorded", "5–20 CameraAbsent", "20–120 ClockStep", "120–125 CameraAbsent", "125–126 recorded"]
    );
}

#[test]
fn what_was_thrown_away_before_a_piece_of_sound_is_missing_from_the_picture_too() {
    let mut room = Room::new(60);
    room.pictures(1, 0.0, 5.0);
    let sound = Unit { skipped: 40, ..room.unit(1, 6.0, Track::Audio) };
    room.take(sound, 6.0);
    room.pictures(1, 6.04, 9.0);
    assert_eq!(room.told(9.0), ["0–5 recorded", "5–7 WriteFailed", "7–9 recorded"]);
}

#[test]
fn times_that_no_file_can_hold_end_nothing() {
    let mut room = Room::new(60);
    for (at, time) in [0, 2_000_000_000, 4_000_000_000, 2_000_000_000, 0].into_iter().enumerate() {
        let seconds = at as f64 / 25.0;
        let unit = Unit { time, ..room.unit(1, seconds, Track::Video) };
        room.take(unit, seconds);
    }
    room.pictures(1, 1.0, 3.0);
    assert_eq!(room.told(3.0), ["0–3 recorded"]);
}

#[test]
fn nothing_is_recorded_where_the_recordings_disk_is_not_mounted() {
    let mut room = Room::new(60);
    let root = room.folder.path().join("state/recordings");
    std::fs::remove_dir_all(&root).expect("removed");
    room.pictures(1, 0.0, 5.0);
    assert!(!root.exists() && !room.folder.path().join("back").exists());
    crate::recording::mark(&root).expect("marked");
    room.pictures(1, 5.0, 9.0);
    assert_eq!(room.told(9.0), ["0–6 WriteFailed", "6–9 recorded"]);
}

#[test]
fn no_picture_after_the_end_is_kept_though_a_segment_would_begin_with_it() {
    let mut room = Room::new(600);
    room.pictures(1, 595.0, 601.0);
    assert_eq!(room.told(601.0), ["0–595 ApplianceOff", "595–600 recorded"]);
}

#[test]
fn the_cause_of_an_earlier_gap_is_not_that_of_another_span() {
    let mut room = Room::new(5);
    room.pictures(1, 0.0, 2.0);
    room.tick(6.0, CameraState::Absent);
    let span = Wanted { from: room.now(20.0).wall, until: room.now(40.0).wall, sound: true, after_quiet: false };
    let facts = room.recorder.set_wanted(Some(span), None, room.now(20.0));
    room.facts.extend(facts);
    room.tick(22.0, CameraState::Live);
    room.pictures(2, 25.0, 28.0);
    assert_eq!(room.told(28.0), ["0–2 recorded", "2–5 CameraAbsent", "20–25 CameraStalled", "25–28 recorded"]);
}

#[test]
fn a_segment_of_which_nothing_could_be_written_is_none() {
    let mut room = Room::new(60);
    let root = room.folder.path().join("state/recordings");
    room.pictures(1, 0.0, 0.5);
    std::fs::remove_dir_all(&root).expect("removed");
    room.pictures(1, 0.5, 3.0);
    let left = crate::recording::files(&room.folder.path().join("back")).expect("reads");
    assert!(left.is_empty(), "{left:?}");
    crate::recording::mark(&root).expect("marked");
    room.pictures(1, 3.0, 6.0);
    assert_eq!(room.told(6.0), ["0–3 WriteFailed", "3–6 recorded"]);
}

#[test]
fn a_camera_that_announces_sound_and_sends_none_leaves_files_without_a_track_for_it() {
    let mut room = Room::new(60);
    room.announce_sound();
    room.pictures(1, 0.0, 1.0);
    assert!(room.recorder.begun().is_none(), "it may come yet");
    room.pictures(1, 1.0, 1.04);
    assert!(room.recorder.begun().is_some());
    room.pictures(1, 1.04, 24.0);
    assert_eq!(room.told(24.0), ["0–10 recorded", "10–20 recorded", "20–24 recorded"]);
    assert_eq!(room.sounds(), [(Sound::None, 1); 3]);
}

#[test]
fn sound_that_comes_a_little_after_the_first_picture_is_kept_from_the_beginning() {
    let mut room = Room::new(60);
    room.announce_sound();
    room.pictures(1, 0.0, 0.4);
    room.pictures_and_sound(1, 0.4, 5.0);
    // Of the next connection, too, though sound of the one before came a moment ago.
    room.pictures(2, 6.0, 6.4);
    room.pictures_and_sound(2, 6.4, 9.0);
    // A connection that breaks off before it is known whether sound comes is recorded all the same.
    room.pictures(3, 10.0, 10.4);
    assert_eq!(
        room.told(10.4),
        ["0–5 recorded", "5–6 CameraAbsent", "6–9 recorded", "9–10 CameraAbsent", "10–10.4 recorded"]
    );
    assert_eq!(room.sounds(), [(Sound::Recorded, 2), (Sound::Recorded, 2), (Sound::None, 1)]);
}

#[test]
fn sound_that_comes_late_is_kept_from_the_next_key_frame_and_one_that_ends_has_no_track_later() {
    let mut room = Room::new(60);
    room.announce_sound();
    room.pictures(1, 0.0, 5.4);
    // Cameras may leave out silence: a pause is no end.
    room.pictures_and_sound(1, 5.4, 6.4);
    room.pictures(1, 6.4, 24.0);
    assert_eq!(room.told(24.0), ["0–6 recorded", "6–10 recorded", "10–20 recorded", "20–24 recorded"]);
    assert_eq!(room.sounds(), [(Sound::None, 1), (Sound::Recorded, 2), (Sound::Recorded, 2), (Sound::None, 1)]);
}

#[test]
fn the_last_segment_of_a_span_claims_nothing_that_a_camera_standing_still_does_not_show() {
    let mut room = Room::new(20);
    room.pictures(1, 0.0, 17.4);
    room.tick(19.8, CameraState::Live);
    room.tick(20.3, CameraState::Live);
    assert_eq!(room.told(21.0), ["0–17.4 recorded", "17.4–20 CameraStalled"]);
    // Somebody stops the recording, before it is clear that the camera stands still.
    let mut room = Room::new(60);
    room.pictures(1, 0.0, 17.4);
    assert_eq!(room.told(20.0), ["0–17.4 recorded", "17.4–20 CameraStalled"]);
    // A picture that is a little late is none that is missing.
    let mut room = Room::new(20);
    room.pictures(1, 0.0, 19.4);
    room.tick(20.3, CameraState::Live);
    assert_eq!(room.told(21.0), ["0–20.3 recorded"]);
    // What the clock leaps over at the end is no fault of the camera.
    let mut room = Room::new(60);
    room.pictures(1, 0.0, 17.4);
    let now = Now { wall: room.now(70.0).wall, ..room.now(19.8) };
    let facts = room.recorder.tick(now, &status(CameraState::Live), true);
    room.facts.extend(facts);
    assert_eq!(room.told(71.0), ["0–19.8 recorded", "19.8–60 ClockStep"]);
}

#[test]
fn nothing_that_was_said_before_a_span_is_kept_and_nothing_that_may_be_of_a_quiet_lesson() {
    let first_heard = |after_quiet| {
        let mut room = Room::new(0);
        room.announce_sound();
        // Nothing of the lesson that goes on is this camera's; the other's key frames come each second.
        room.pictures_and_sound(1, 2.0, 10.4);
        let (from, until) = (room.now(10.4).wall, room.now(60.0).wall);
        let facts =
            room.recorder.set_wanted(Some(Wanted { from, until, sound: true, after_quiet }), None, room.now(10.4));
        room.facts.extend(facts);
        room.pictures_and_sound(1, 10.4, 15.0);
        room.told(15.0);
        let segment = room.facts.iter().find_map(|fact| match fact {
            Fact::Segment(segment) => Some(segment),
            Fact::Gap { .. } => None,
        });
        let segment = segment.expect("recorded");
        assert_eq!((segment.sound, segment.start), (Sound::Recorded, room.now(10.0).wall), "its first moment is shown");
        let bytes = std::fs::read(&segment.file.path).expect("there");
        let said = String::from_utf8_lossy(&bytes).into_owned();
        (200..1500).map(|at| f64::from(at) / 100.0).find(|at| said.contains(&format!("<{at:.2}>"))).expect("sound")
    };
    assert_eq!(first_heard(false), 10.42);
    assert_eq!(first_heard(true), 11.42);
}
