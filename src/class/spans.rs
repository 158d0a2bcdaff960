//! When a room must be recorded: from the roll call before each lesson to its end (article 6(1)).

use super::{Class, Lesson, SoundPolicy};
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
    class.lessons.iter().filter(move |lesson| lesson.date == date && lesson.is_in(room))
}

/// The span of one lesson that must be recorded: it begins `lead_minutes` earlier, with the roll call.
pub fn recorded_span(lesson: &Lesson, zone: &TimeZone, lead_minutes: i64) -> Option<Span> {
    let at = |time: Time| lesson.date.to_datetime(time).to_zoned_datetime(zone.clone()).ok();
    let from = at(lesson.start)?.checked_sub(SignedDuration::from_mins(lead_minutes)).ok()?.timestamp();
    let until = at(lesson.end)?.timestamp();
    (from < until).then_some(Span { from, until })
}

/// A span that must be recorded in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedSpan {
    /// When.
    pub span: Span,
    /// Whether sound is kept.
    pub sound: bool,
    /// A lesson in the room whose sound is dropped ends where it begins.
    pub after_quiet: bool,
}

/// All that a camera must record of `lessons`, which are all those of its room, in order. `needs` says which it has to
/// show. Spans that touch are one, unless sound is kept in one of them only.
///
/// A lesson's own time goes before the roll call of the next. Sound is heard in the whole room: while a lesson whose
/// sound is dropped goes on, none is kept, whatever else goes on.
pub fn recorded_spans<'c>(
    lessons: impl IntoIterator<Item = &'c Lesson>,
    needs: impl Fn(&Lesson) -> bool,
    zone: &TimeZone,
    lead_minutes: i64,
) -> Vec<RecordedSpan> {
    struct Block {
        whole: Span,
        lesson: Span,
        is_dropped: bool,
        is_needed: bool,
    }
    let block = |lesson: &Lesson| {
        let is_dropped = matches!(lesson.sound, SoundPolicy::Dropped { .. });
        let (whole, own) = (recorded_span(lesson, zone, lead_minutes)?, recorded_span(lesson, zone, 0)?);
        Some(Block { whole, lesson: own, is_dropped, is_needed: needs(lesson) })
    };
    let blocks: Vec<Block> = lessons.into_iter().filter_map(block).collect();
    let mut borders: Vec<Timestamp> =
        blocks.iter().flat_map(|block| [block.whole.from, block.lesson.from, block.whole.until]).collect();
    borders.sort_unstable();
    borders.dedup();
    let mut spans: Vec<RecordedSpan> = Vec::new();
    for border in borders.windows(2) {
        let piece = Span { from: border[0], until: border[1] };
        if !blocks.iter().any(|block| block.is_needed && block.whole.overlap(piece).is_some()) {
            continue;
        }
        let mut going_on = blocks.iter().filter(|block| block.lesson.overlap(piece).is_some()).peekable();
        let is_dropped = match going_on.peek() {
            Some(_) => going_on.any(|block| block.is_dropped),
            None => blocks.iter().any(|block| block.is_dropped && block.whole.overlap(piece).is_some()),
        };
        match spans.last_mut() {
            Some(before) if before.span.until == piece.from && before.sound != is_dropped => {
                before.span.until = piece.until;
            }
            _ => {
                let after_quiet = blocks.iter().any(|block| block.is_dropped && block.whole.until == piece.from);
                spans.push(RecordedSpan { span: piece, sound: !is_dropped, after_quiet });
            }
        }
    }
    spans
}

/// What `spans` leave of `whole`, in order.
pub fn rest_of(whole: Span, spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.into_iter().filter_map(|span| span.overlap(whole)).collect();
    spans.sort_unstable();
    let (mut rest, mut from) = (Vec::new(), whole.from);
    for span in spans.into_iter().chain([Span { from: whole.until, until: whole.until }]) {
        if from < span.from {
            rest.push(Span { from, until: span.from });
        }
        from = from.max(span.until);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::class;
    use jiff::civil::{date, time};

    fn lesson(room: &str, start: i8, end: i8) -> Lesson {
        Lesson {
            date: date(2026, 11, 23),
            start: time(start, 0, 0, 0),
            end: time(end, 0, 0, 0),
            room: room.into(),
            ..class("2026-001", &["1"], &["T1"]).lessons[0].clone()
        }
    }

    fn spans(lessons: Vec<Lesson>, camera: &str) -> Vec<String> {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let mut class = class("2026-001", &["1"], &["T1"]);
        class.lessons = lessons;
        let needs = |lesson: &Lesson| lesson.cameras.is_empty() || lesson.cameras.iter().any(|name| name == camera);
        let spans = recorded_spans(lessons_in(&class, date(2026, 11, 23), "301"), needs, &zone, 10);
        let shown = |time: Timestamp| time.to_zoned_datetime(zone.clone()).strftime("%H:%M").to_string();
        let sound = |span: &RecordedSpan| match (span.sound, span.after_quiet) {
            (true, false) => "",
            (true, true) => " after a quiet one",
            (false, _) => " no sound",
        };
        spans
            .iter()
            .map(|found| format!("{}–{}{}", shown(found.span.from), shown(found.span.until), sound(found)))
            .collect()
    }

    #[test]
    fn a_day_is_recorded_from_each_roll_call_to_the_lessons_end() {
        let lessons = vec![lesson("", 8, 10), lesson("301", 10, 12), lesson("302", 13, 14), lesson("301", 14, 16)];
        assert_eq!(spans(lessons, "front"), ["07:50–12:00", "13:50–16:00"]);
    }

    #[test]
    fn each_camera_records_the_lessons_that_need_it() {
        let with = |start, end, cameras: &[&str]| Lesson {
            cameras: cameras.iter().map(|name| (*name).to_owned()).collect(),
            ..lesson("", start, end)
        };
        let lessons = vec![with(8, 10, &["front"]), with(10, 12, &[]), with(13, 14, &["front", "back"])];
        assert_eq!(spans(lessons.clone(), "front"), ["07:50–12:00", "12:50–14:00"]);
        assert_eq!(spans(lessons, "back"), ["09:50–12:00", "12:50–14:00"]);
    }

    #[test]
    fn spans_that_differ_in_sound_meet_at_the_lessons_border() {
        let quiet = |start, end| Lesson {
            sound: SoundPolicy::Dropped { consent: "津人社2026-12号".into() },
            ..lesson("", start, end)
        };
        let lessons = vec![lesson("", 8, 10), quiet(10, 12), lesson("", 12, 13), quiet(15, 16)];
        assert_eq!(
            spans(lessons, "front"),
            ["07:50–10:00", "10:00–12:00 no sound", "12:00–13:00 after a quiet one", "14:50–16:00 no sound"]
        );
        // Two classes in one room: one of them is not to be heard.
        assert_eq!(
            spans(vec![lesson("", 8, 12), quiet(9, 10)], "front"),
            ["07:50–09:00", "09:00–10:00 no sound", "10:00–12:00 after a quiet one"]
        );
        // The quiet one was another camera's, which hears as much as this.
        let back = Lesson { cameras: vec!["back".into()], ..quiet(8, 10) };
        assert_eq!(spans(vec![back.clone(), lesson("", 10, 12)], "front")[1..], ["10:00–12:00 after a quiet one"]);
        assert_eq!(spans(vec![back, lesson("", 11, 12)], "front"), ["10:50–12:00"]);
    }
}
