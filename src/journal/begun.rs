//! Lessons that have begun when their plan is replaced, or their class is closed: what they owe does not become less.
//!
//! A plan says what is yet to come. Of a lesson that goes on, its past stays as it was demanded: it stays in its room,
//! keeps its cameras and workstations beside new ones, and ends no sooner than now. Of one that has its account already
//! and is made longer, the rest is a lesson of its own, with an account of its own.

use super::{Batch, Journal, JournalError};
use crate::class::{Class, Lesson, SoundPolicy, Span, recorded_span};
use crate::store::ClassRow;
use jiff::Timestamp;
use jiff::civil::DateTime;
use std::collections::BTreeMap;

impl Journal {
    /// Keeps what has begun of the class as it stands, `new` being what comes in its place.
    pub(super) fn keep_begun(
        &self,
        batch: &Batch<'_>,
        row: &ClassRow,
        new: Option<&Class>,
    ) -> Result<(), JournalError> {
        let (id, now) = (&row.class.id, self.clock().now());
        let span = |lesson: &Lesson| recorded_span(lesson, self.zone(), 0);
        let mut known: BTreeMap<Timestamp, Lesson> = BTreeMap::new();
        // When it was closed, what had begun was kept.
        for lesson in row.class.lessons.iter().filter(|_| row.closed.is_none()) {
            if let Some(Span { from, until }) = span(lesson)
                && from <= now
                && (row.came_before(until) || batch.coverage(id, from)?.is_some())
            {
                known.insert(from, lesson.clone());
            }
        }
        for (_, lesson) in batch.begun_lessons()?.into_iter().filter(|(class, _)| class == id) {
            known.extend(span(&lesson).map(|span| (span.from, lesson)));
        }
        let local = now.to_zoned_datetime(self.zone().clone()).datetime();
        let mut planned: BTreeMap<Timestamp, &Lesson> = BTreeMap::new();
        planned.extend(new.iter().flat_map(|class| &class.lessons).filter_map(|new| Some((span(new)?.from, new))));
        let is_accounted = |from| Ok::<_, JournalError>(batch.coverage(id, from)?.is_some());
        let mut kept: BTreeMap<Timestamp, Lesson> = BTreeMap::new();
        for (from, lesson) in &known {
            match planned.get(from) {
                Some(new) if !is_accounted(*from)? => drop(kept.insert(*from, changed(lesson, new, local))),
                Some(new) if new.end > lesson.end => {
                    kept.insert(*from, lesson.clone());
                    let rest = Lesson { start: lesson.end, ..(*new).clone() };
                    kept.extend(self.rest(&known, is_accounted, rest, local)?);
                }
                Some(_) => {}
                None => drop(kept.entry(*from).or_insert_with(|| lesson.clone())),
            }
        }
        for (from, lesson) in &kept {
            batch.put_begun_lesson(id, *from, lesson)?;
        }
        Ok(())
    }

    /// What is left of a lesson that was made longer, behind the parts of it that have their accounts.
    fn rest(
        &self,
        known: &BTreeMap<Timestamp, Lesson>,
        is_accounted: impl Fn(Timestamp) -> Result<bool, JournalError>,
        mut rest: Lesson,
        now: DateTime,
    ) -> Result<Option<(Timestamp, Lesson)>, JournalError> {
        while let Some(Span { from, .. }) = recorded_span(&rest, self.zone(), 0) {
            match known.get(&from) {
                Some(part) if is_accounted(from)? => rest.start = part.end,
                Some(part) => return Ok(Some((from, changed(part, &rest, now)))),
                None => return Ok(Some((from, rest))),
            }
        }
        Ok(None)
    }
}

/// What a lesson that has begun owes when its plan is `new` from `now` on.
fn changed(lesson: &Lesson, new: &Lesson, now: DateTime) -> Lesson {
    let has_to = if now.date() == lesson.date { lesson.end.min(now.time()) } else { lesson.end };
    Lesson {
        end: new.end.max(has_to),
        kind: lesson.kind,
        room: lesson.room.clone(),
        cameras: match (lesson.cameras.is_empty(), new.cameras.is_empty()) {
            // All that are recorded.
            (true, _) | (_, true) => Vec::new(),
            _ => both(&lesson.cameras, &new.cameras),
        },
        workstations: both(&lesson.workstations, &new.workstations),
        sound: match &lesson.sound {
            SoundPolicy::Recorded => new.sound.clone(),
            dropped => dropped.clone(),
        },
        ..new.clone()
    }
}

/// What is in one list or the other, in order.
fn both(one: &[String], other: &[String]) -> Vec<String> {
    let more = other.iter().filter(|name| !one.contains(name));
    one.iter().chain(more).cloned().collect()
}
