//! When a room must be recorded: from the roll call before each lesson to its end (article 6(1)).

use super::{Class, Lesson};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A span of time: from `from` up to, not including, `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First moment.
    pub from: Timestamp,
    /// First moment after it.
    pub until: Timestamp,
}

impl Span {
    /// What both have in common, if they have anything in common.
    pub fn overlap(self, other: Span) -> Option<Span> {
        let both = Span { from: self.from.max(other.from), until: self.until.min(other.until) };
        (both.from < both.until).then_some(both)
    }
}

/// The lessons of `class` on `date` that are given in `room`, in order of time.
pub fn lessons_in<'c>(class: &'c Class, date: Date, room: &str) -> impl Iterator<Item = &'c Lesson> {
    class.lessons.iter().filter(move |lesson| lesson.date == date && (lesson.room.is_empty() || lesson.room == room))
}

/// The span of one lesson that must be recorded: it begins `lead_minutes` earlier, with the roll call.
pub fn recorded_span(lesson: &Lesson, zone: &TimeZone, lead_minutes: i64) -> Option<Span> {
    let at = |time: Time| lesson.date.to_datetime(time).to_zoned_datetime(zone.clone()).ok();
    let from = at(lesson.start)?.checked_sub(SignedDuration::from_mins(lead_minutes)).ok()?.timestamp();
    let until = at(lesson.end)?.timestamp();
    (from < until).then_some(Span { from, until })
}

/// All that must be recorded in `room` on `date`, in order; spans that touch are one.
pub fn recorded_spans<'c>(
    classes: impl IntoIterator<Item = &'c Class>,
    date: Date,
    room: &str,
    zone: &TimeZone,
    lead_minutes: i64,
) -> Vec<Span> {
    let lessons = classes.into_iter().flat_map(|class| lessons_in(class, date, room));
    let mut spans: Vec<Span> = lessons.filter_map(|lesson| recorded_span(lesson, zone, lead_minutes)).collect();
    spans.sort_unstable();
    spans.dedup_by(|next, before| {
        let touch = next.from <= before.until;
        if touch {
            before.until = before.until.max(next.until);
        }
        touch
    });
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::class;
    use jiff::civil::{date, time};

    #[test]
    fn a_day_is_recorded_from_each_roll_call_to_the_lessons_end() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let mut class = class("2026-001", &["1"], &["T1"]);
        let lesson = |room: &str, start, end| Lesson {
            date: date(2026, 11, 23),
            start: time(start, 0, 0, 0),
            end: time(end, 0, 0, 0),
            room: room.into(),
            ..class.lessons[0].clone()
        };
        class.lessons = vec![lesson("", 8, 10), lesson("301", 10, 12), lesson("302", 13, 14), lesson("301", 14, 16)];
        let spans = recorded_spans([&class], date(2026, 11, 23), "301", &zone, 10);
        let shown = |time: Timestamp| time.to_zoned_datetime(zone.clone()).strftime("%H:%M").to_string();
        let spans: Vec<_> = spans.iter().map(|span| format!("{}–{}", shown(span.from), shown(span.until))).collect();
        assert_eq!(spans, ["07:50–12:00", "13:50–16:00"]);
    }
}
