//! What the plan wants recorded, and which lessons are over.

use super::Wanted;
use crate::class::{Class, ClassId, Span, lessons_in, recorded_span, recorded_spans};
use crate::config::Config;
use crate::journal::Journal;
use crate::store::StoreError;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;

/// A plan that is imported again right after a lesson still has that lesson's account made.
const GRACE: SignedDuration = SignedDuration::from_mins(1);

/// A lesson in this room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// Its class.
    pub class: ClassId,
    /// When it begins by the plan.
    pub start: Timestamp,
    /// From the roll call to its end.
    pub span: Span,
}

/// The plan of this room, read again when the classes change.
pub struct Plan {
    room: String,
    lead_minutes: i64,
    version: Option<u64>,
    classes: Vec<(Class, Timestamp)>,
    /// Lessons whose accounts are known to have been made.
    closed: HashSet<(ClassId, Timestamp)>,
}

impl Plan {
    /// Of the room that `config` names.
    pub fn new(config: &Config) -> Plan {
        Plan {
            room: config.appliance.room.clone(),
            lead_minutes: config.recording.lead_minutes,
            version: None,
            classes: Vec::new(),
            closed: HashSet::new(),
        }
    }

    /// Of the room that `config` names, with the classes that are closed, as they stand now.
    pub fn of_all_classes(config: &Config, journal: &Journal) -> Result<Plan, StoreError> {
        let mut plan = Plan::new(config);
        let reader = journal.store().read()?;
        plan.version = Some(reader.people_version()?);
        plan.classes = reader.classes()?.into_iter().map(|row| (row.class, Timestamp::MIN)).collect();
        Ok(plan)
    }

    /// The span that is to be recorded at `now`, if one is.
    pub(super) fn wanted(&mut self, journal: &Journal, now: Timestamp) -> Result<Option<Wanted>, StoreError> {
        let date = now.to_zoned_datetime(journal.zone().clone()).date();
        let spans = self.spans_on(journal, date)?;
        let span = spans.iter().find(|span| span.from <= now && now < span.until);
        Ok(span.map(|span| Wanted { from: span.from, until: span.until, sound: true }))
    }

    /// All that is to be recorded on a date.
    pub fn spans_on(&mut self, journal: &Journal, date: Date) -> Result<Vec<Span>, StoreError> {
        self.refresh(journal)?;
        let classes = self.classes.iter().map(|(class, _)| class);
        Ok(recorded_spans(classes, date, &self.room, journal.zone(), self.lead_minutes))
    }

    /// The lessons of a date, in order of time.
    pub fn lessons_on(&mut self, journal: &Journal, date: Date) -> Result<Vec<Lesson>, StoreError> {
        self.refresh(journal)?;
        let of = |class: &Class| self.lessons_of(class, journal, date);
        let mut lessons: Vec<Lesson> = self.classes.iter().flat_map(|(class, _)| of(class)).collect();
        lessons.sort_by_key(|lesson| lesson.span);
        Ok(lessons)
    }

    /// The lessons that ended before `moment` and whose accounts have not been made. Those that had ended when their
    /// plan was imported are none of this appliance's.
    pub(super) fn over(&mut self, journal: &Journal, moment: Timestamp) -> Result<Vec<Lesson>, StoreError> {
        self.refresh(journal)?;
        let mut over = Vec::new();
        for (class, imported) in &self.classes {
            let dates: HashSet<Date> = class.lessons.iter().map(|lesson| lesson.date).collect();
            let mut lessons: Vec<Lesson> =
                dates.into_iter().flat_map(|date| self.lessons_of(class, journal, date)).collect();
            lessons.retain(|lesson| {
                let is_due = *imported - GRACE < lesson.span.until && lesson.span.until <= moment;
                is_due && !self.closed.contains(&(lesson.class.clone(), lesson.start))
            });
            over.extend(lessons);
        }
        over.sort_by_key(|lesson| lesson.span);
        let reader = journal.store().read()?;
        let mut open = Vec::new();
        for lesson in over {
            // Remembered, so that the database is asked once a lesson.
            if reader.coverage(&lesson.class, lesson.start)?.is_some() {
                self.closed.insert((lesson.class, lesson.start));
            } else {
                open.push(lesson);
            }
        }
        Ok(open)
    }

    fn lessons_of(&self, class: &Class, journal: &Journal, date: Date) -> Vec<Lesson> {
        let of = |lesson: &crate::class::Lesson| {
            let span = recorded_span(lesson, journal.zone(), self.lead_minutes)?;
            let start = recorded_span(lesson, journal.zone(), 0)?.from;
            Some(Lesson { class: class.id.clone(), start, span })
        };
        lessons_in(class, date, &self.room).filter_map(of).collect()
    }

    fn refresh(&mut self, journal: &Journal) -> Result<(), StoreError> {
        let reader = journal.store().read()?;
        let version = reader.people_version()?;
        if self.version != Some(version) {
            let open = reader.classes()?.into_iter().filter(|row| row.closed.is_none());
            self.classes = open
                .map(|row| {
                    let imported = row.imported.parse().unwrap_or(Timestamp::MIN);
                    (row.class, imported)
                })
                .collect();
            self.version = Some(version);
        }
        Ok(())
    }
}
