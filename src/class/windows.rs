//! When a check-in counts in a room: once around the first lesson of a day there, once after the last.

use super::{Class, lessons_in};
use evidence::record::WindowKind;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ZonedDateTime};

/// Minutes around a day's lessons in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowPolicy {
    /// The arrival window opens this long before the first lesson …
    pub arrival_before_minutes: i64,
    /// … and closes this long after its start.
    pub arrival_after_minutes: i64,
    /// The departure window opens at the last lesson's end and closes this long after it.
    pub departure_after_minutes: i64,
}

/// A span in which a check-in counts: from `opens` up to, not including, `closes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Arrival or departure.
    pub kind: WindowKind,
    /// First moment.
    pub opens: ZonedDateTime,
    /// First moment after it.
    pub closes: ZonedDateTime,
}

/// The windows of `class` on `date` in `room`; none on a day without lessons there. Lessons in other rooms, which have
/// appliances of their own, move nothing: each room has its arrival and its departure.
///
/// Where the two would overlap (a very short day), departure begins when arrival has closed. Both lie within the day:
/// who was in is counted by date.
pub fn windows(class: &Class, date: Date, room: &str, zone: &TimeZone, policy: &WindowPolicy) -> Vec<Window> {
    let today = || lessons_in(class, date, room);
    let (Some(first), Some(last)) = (today().map(|lesson| lesson.start).min(), today().map(|lesson| lesson.end).max())
    else {
        return Vec::new();
    };
    let midnight = |date: Date| date.to_zoned_datetime(zone.clone()).ok();
    let (Some(dawn), Some(dusk)) = (midnight(date), date.tomorrow().ok().and_then(midnight)) else {
        return Vec::new();
    };
    let at = |time, minutes: i64| {
        let moment = date.to_datetime(time).to_zoned_datetime(zone.clone()).ok()?;
        let moment = moment.checked_add(SignedDuration::from_mins(minutes)).ok()?;
        Some(moment.clamp(dawn.clone(), dusk.clone()))
    };
    let arrival = at(first, -policy.arrival_before_minutes).zip(at(first, policy.arrival_after_minutes));
    let departure = at(last, 0).zip(at(last, policy.departure_after_minutes));
    let mut windows = Vec::with_capacity(2);
    if let Some((opens, closes)) = arrival {
        windows.push(Window { kind: WindowKind::Arrival, opens, closes });
    }
    if let Some((opens, closes)) = departure {
        let opens = windows.first().map_or(opens.clone(), |arrival| arrival.closes.clone().max(opens));
        windows.push(Window { kind: WindowKind::Departure, opens, closes });
    }
    windows.retain(|window| window.opens < window.closes);
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::{ClassId, Lesson, LessonKind, SoundPolicy};
    use jiff::civil::{date, time};

    fn class(lessons: &[(i8, i8, i8)]) -> Class {
        let lesson = |&(day, start, end): &(i8, i8, i8)| Lesson {
            date: date(2026, 11, day),
            start: time(start, 0, 0, 0),
            end: time(end, 0, 0, 0),
            kind: LessonKind::Theory,
            topic: "安全教育".into(),
            teacher: "T1".into(),
            room: String::new(),
            cameras: Vec::new(),
            workstations: Vec::new(),
            sound: SoundPolicy::default(),
        };
        Class {
            id: ClassId::new("2026-001").expect("valid"),
            name: "电工".into(),
            institution: String::new(),
            trade: "电工".into(),
            level: "五级".into(),
            lessons: lessons.iter().map(lesson).collect(),
            trainees: Vec::new(),
            teachers: Vec::new(),
        }
    }

    const POLICY: WindowPolicy =
        WindowPolicy { arrival_before_minutes: 30, arrival_after_minutes: 10, departure_after_minutes: 30 };

    #[test]
    fn a_day_has_a_window_before_the_first_lesson_and_one_after_the_last() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let class = class(&[(23, 8, 10), (23, 14, 16), (24, 9, 11)]);
        let windows = windows(&class, date(2026, 11, 23), "301", &zone, &POLICY);
        let shown: Vec<String> = windows
            .iter()
            .map(|w| format!("{:?} {}–{}", w.kind, w.opens.strftime("%H:%M"), w.closes.strftime("%H:%M")))
            .collect();
        assert_eq!(shown, ["Arrival 07:30–08:10", "Departure 16:00–16:30"]);
        assert!(super::windows(&class, date(2026, 11, 25), "301", &zone, &POLICY).is_empty());
    }

    #[test]
    fn a_day_in_two_rooms_has_an_arrival_and_a_departure_in_each() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let mut class = class(&[(23, 8, 10), (23, 10, 11), (23, 13, 16)]);
        (class.lessons[0].room, class.lessons[2].room) = ("301".into(), "205".into());
        let told = |room| {
            let windows = windows(&class, date(2026, 11, 23), room, &zone, &POLICY);
            let minute = |moment: &ZonedDateTime| moment.strftime("%H:%M").to_string();
            windows.iter().map(|w| (minute(&w.opens), minute(&w.closes))).collect::<Vec<_>>()
        };
        let spans =
            |spans: &[(&str, &str)]| spans.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
        // A lesson without a room is in the class's usual one, which 301 and 205 both take for theirs.
        assert_eq!(told("301"), spans(&[("07:30", "08:10"), ("11:00", "11:30")]));
        assert_eq!(told("205"), spans(&[("09:30", "10:10"), ("16:00", "16:30")]));
        class.lessons[1].room = "301".into();
        let windows = super::windows(&class, date(2026, 11, 23), "205", &zone, &POLICY);
        assert_eq!(windows[0].opens.strftime("%H:%M").to_string(), "12:30");
    }

    #[test]
    fn a_window_ends_with_its_day() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let policy = WindowPolicy { departure_after_minutes: 120, arrival_before_minutes: 120, ..POLICY };
        let class = class(&[(23, 1, 2), (23, 20, 23)]);
        let windows = windows(&class, date(2026, 11, 23), "301", &zone, &policy);
        let ends = |window: &Window| (window.opens.to_string(), window.closes.to_string());
        let moment = |text: &str| format!("2026-11-{text}:00+08:00[Asia/Shanghai]");
        assert_eq!(ends(&windows[0]), (moment("23T00:00"), moment("23T01:10")));
        assert_eq!(ends(&windows[1]), (moment("23T23:00"), moment("24T00:00")));
    }
}
