//! Small true-to-life data for tests.

use super::Journal;
use crate::class::{Class, ClassId, Lesson, LessonKind, Person, SoundPolicy};
use crate::clock::local;
use evidence::record::{Checkin, CheckinOutcome, FaceQuality, Liveness, Match, Method, Role, WindowKind};

/// A class of one lesson with these people.
pub fn class(id: &str, trainees: &[&str], teachers: &[&str]) -> Class {
    let person = |role| {
        move |number: &&str| Person {
            number: number.to_string(),
            name: format!("张{number}"),
            role,
            id_number: None,
            registration: None,
        }
    };
    Class {
        id: ClassId::new(id).expect("a class number"),
        name: "电工".into(),
        institution: String::new(),
        trade: "电工".into(),
        level: "五级".into(),
        lessons: vec![Lesson {
            date: jiff::civil::date(2026, 11, 23),
            start: jiff::civil::time(8, 0, 0, 0),
            end: jiff::civil::time(11, 30, 0, 0),
            kind: LessonKind::Theory,
            topic: "安全教育".into(),
            teacher: teachers.first().unwrap_or(&"T1").to_string(),
            room: String::new(),
            cameras: Vec::new(),
            workstations: Vec::new(),
            sound: SoundPolicy::default(),
        }],
        trainees: trainees.iter().map(person(Role::Trainee)).collect(),
        teachers: teachers.iter().map(person(Role::Teacher)).collect(),
    }
}

/// The local day that it is.
pub fn today(journal: &Journal) -> String {
    local(&**journal.clock(), journal.zone()).date().to_string()
}

/// An accepted check-in as the kiosk makes it, with every field that such a record has.
pub fn checkin(class: &str, person: &str, date: &str) -> Checkin {
    Checkin {
        outcome: CheckinOutcome::Accepted,
        class: Some(class.into()),
        person: Some(person.into()),
        role: Some(Role::Trainee),
        date: date.into(),
        window: Some(WindowKind::Arrival),
        opens: Some("2026-11-23T07:30:00.000+08:00".into()),
        closes: Some("2026-11-23T08:10:00.000+08:00".into()),
        method: Method::Face,
        confirmed_by: None,
        confirmed_class: None,
        site: "南开区实训基地".into(),
        room: "301".into(),
        camera: "door".into(),
        likeness: Some(Match { score: 0.8731, margin: 0.4114, frames: 5, threshold: 0.6, model: "5c".repeat(32) }),
        quality: Some(FaceQuality {
            pupil_distance_px: 74.2,
            yaw: -3.1,
            pitch: 5.4,
            roll: 0.8,
            sharpness: 312.7,
            brightness: 128.4,
        }),
        liveness: Liveness::NotChecked,
        photo: None,
    }
}
