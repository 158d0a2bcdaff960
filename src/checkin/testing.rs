//! Classes, faces and tracks for the tests of the check-in's decisions.

use super::directory::{Directory, Known, StoredTemplate};
use super::track::{Observation, Track, Tracker};
use crate::camera::Frame;
use crate::class::{Class, ClassId, IdNumber, WindowPolicy};
use crate::journal::testing;
use crate::picture::Picture;
use crate::vision::{Embedding, Face, Point, Pose, Quality, Rect, Refusal, RefusalReason};
use evidence::record::WindowKind;
use jiff::ZonedDateTime;
use jiff::civil::time;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Windows of thirty minutes before and ten after the start, and thirty after the end.
pub(super) const POLICY: WindowPolicy =
    WindowPolicy { arrival_before_minutes: 30, arrival_after_minutes: 10, departure_after_minutes: 30 };

/// A moment of the day of lessons, in Shanghai.
pub(super) fn at(hour: i8, minute: i8, second: i8) -> ZonedDateTime {
    let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
    jiff::civil::date(2026, 11, 23).at(hour, minute, second, 0).to_zoned_datetime(zone).expect("a moment")
}

/// A class with one lesson, from `start` to `end` o'clock in `room`; 1 and 2 learn, T1 teaches.
pub(super) fn class(id: &str, start: i8, end: i8, room: &str) -> Class {
    let mut class = testing::class(id, &["1", "2"], &["T1"]);
    class.lessons[0].start = time(start, 0, 0, 0);
    class.lessons[0].end = time(end, 0, 0, 0);
    class.lessons[0].room = room.into();
    class
}

/// Says that this is the same person in every class that says so.
pub(super) fn same_person(class: &mut Class, at: usize) {
    class.trainees[at].id_number = Some(IdNumber::new("110105198503150019").expect("well formed"));
}

pub(super) fn template(class: &str, number: &str, face: Embedding) -> StoredTemplate {
    StoredTemplate { class: ClassId::new(class).expect("a number"), number: number.into(), embedding: face }
}

/// The view of room 301 at `now`.
pub(super) fn directory(
    classes: &[Class],
    templates: &[StoredTemplate],
    accepted: &[(&str, &str, WindowKind)],
    now: &ZonedDateTime,
) -> Directory {
    directory_where(classes, templates, &[], accepted, now)
}

/// As [`directory`]; these people have said no to face recognition, in these classes.
pub(super) fn directory_where(
    classes: &[Class],
    templates: &[StoredTemplate],
    declined: &[(&str, &str)],
    accepted: &[(&str, &str, WindowKind)],
    now: &ZonedDateTime,
) -> Directory {
    let id = |class: &str| ClassId::new(class).expect("a number");
    let declined = declined.iter().map(|(class, number)| (id(class), number.to_string())).collect();
    let accepted = accepted.iter().map(|(class, number, window)| (id(class), number.to_string(), *window));
    let known = Known { classes, templates, declined: &declined };
    Directory::build(&known, accepted, now, "301", &POLICY, 3)
}

/// The direction of these values.
pub(super) fn face(values: [f32; 3]) -> Embedding {
    Embedding::from_sum(&values)
}

/// A face in a plane, turned by so many degrees: two such are alike by the cosine of the angle between them.
pub(super) fn face_at(degrees: f32) -> Embedding {
    face([degrees.to_radians().cos(), degrees.to_radians().sin(), 0.0])
}

/// A well-seen face whose middle is at `x`.
pub(super) fn seen_at(x: f32) -> Face {
    Face {
        bounds: Rect { x: x - 50.0, y: 100.0, width: 100.0, height: 100.0 },
        points: [Point::new(x, 150.0); 5],
        pose: Pose::default(),
        quality: Quality { pupil_distance_px: 60.0, sharpness: 300.0, brightness: 120.0, inside: 1.0 },
        presence: 1.0,
    }
}

pub(super) fn good(x: f32, embedding: &Embedding) -> Observation {
    Observation { face: seen_at(x), usable: Ok(embedding.clone()) }
}

pub(super) fn refused(x: f32, reason: RefusalReason) -> Observation {
    Observation { face: seen_at(x), usable: Err(Refusal { reason, value: 0.0, limit: 1.0 }) }
}

/// Frames of a camera, so many milliseconds after its first.
pub(super) struct Film(Instant);

impl Film {
    pub(super) fn begin() -> Film {
        Film(Instant::now())
    }

    pub(super) fn frame(&self, milliseconds: u64) -> Arc<Frame> {
        Arc::new(Frame {
            picture: Picture::black(320, 320),
            number: milliseconds + 1,
            connection: 1,
            captured: self.0 + Duration::from_millis(milliseconds),
            wall: jiff::Timestamp::UNIX_EPOCH,
        })
    }
}

/// The track that these observations make, one a frame, `every` milliseconds.
pub(super) fn track(observations: impl IntoIterator<Item = Observation>, every: u64, then: impl FnOnce(&Track)) {
    let (film, mut tracker, mut last) = (Film::begin(), Tracker::default(), 0);
    for (number, observation) in observations.into_iter().enumerate() {
        last = tracker.update(vec![observation], &film.frame(number as u64 * every)).0[0];
    }
    then(tracker.track_mut(last).expect("just seen"));
}
