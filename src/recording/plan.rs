//! What the plan wants recorded, and which lessons are over.

use super::Wanted;
use super::accounts::cameras_accounted;
use crate::class::{
    self, Class, ClassId, LessonKind, RecordedSpan, SoundPolicy, Span, lessons_in, recorded_span, recorded_spans,
    rest_of,
};
use crate::config::Config;
use crate::journal::Journal;
use crate::store::{ClassRow, Reader, StoreError};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A lesson in this room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// Its class.
    pub class: ClassId,
    /// When it begins by the plan.
    pub start: Timestamp,
    /// What is taught.
    pub topic: String,
    /// From the roll call to its end.
    pub span: Span,
    /// Theory or practice.
    pub kind: LessonKind,
    /// The cameras that have to record it: those that the plan names, whether the config has them or not, or else all
    /// that are recorded. In the plan's, or the config's, order.
    pub cameras: Vec<String>,
    /// The workstations that must stay in the picture.
    pub workstations: Vec<String>,
    /// Whether its sound is kept.
    pub sound: SoundPolicy,
}

/// The plan of this room, read again when the classes change.
pub struct Plan {
    room: String,
    lead_minutes: i64,
    /// Whether the cameras are recorded outside lessons too.
    outside_lessons: bool,
    /// The cameras that are recorded.
    cameras: Vec<String>,
    version: Option<u64>,
    parts: Vec<Part>,
    /// Lessons whose accounts are known to have been made.
    closed: HashSet<(ClassId, Timestamp)>,
}

/// A class, with lessons that are due in one way.
struct Part {
    row: ClassRow,
    /// They had begun before it was imported or closed, and are due whenever that was.
    has_begun: bool,
}

impl Part {
    fn new(row: &ClassRow, lessons: Vec<class::Lesson>, has_begun: bool) -> Part {
        Part { row: ClassRow { class: Class { lessons, ..row.class.clone() }, ..row.clone() }, has_begun }
    }

    /// A class's lessons, and those of it that had begun when its plan was replaced, or it was closed: of these what was
    /// kept then counts.
    fn of(row: &ClassRow, begun: Vec<class::Lesson>, with_closed: bool) -> [Part; 2] {
        let is_open = row.closed.is_none() || with_closed;
        let is_same = |one: &class::Lesson, other: &class::Lesson| one.date == other.date && one.start == other.start;
        let is_kept = |lesson: &class::Lesson| begun.iter().any(|known| is_same(known, lesson));
        let planned = row.class.lessons.iter().filter(|lesson| is_open && !is_kept(lesson)).cloned().collect();
        [Part::new(row, planned, false), Part::new(row, begun, true)]
    }
}

impl Plan {
    /// Of the room that `config` names.
    pub fn new(config: &Config) -> Plan {
        let recorded = config.cameras.iter().filter(|camera| camera.record);
        Plan {
            room: config.appliance.room.clone(),
            lead_minutes: config.recording.lead_minutes,
            outside_lessons: config.recording.outside_lessons,
            cameras: recorded.map(|camera| camera.name.clone()).collect(),
            version: None,
            parts: Vec::new(),
            closed: HashSet::new(),
        }
    }

    /// Of the room that `config` names, with the classes that are closed, as they stand now.
    pub fn of_all_classes(config: &Config, journal: &Journal) -> Result<Plan, StoreError> {
        let mut plan = Plan::new(config);
        let reader = journal.store().read()?;
        plan.version = Some(reader.people_version()?);
        plan.parts = parts(&reader, true)?;
        Ok(plan)
    }

    /// The cameras that are recorded.
    pub fn cameras(&self) -> &[String] {
        &self.cameras
    }

    /// What `camera` is to record around `now`: what may begin or end while that is not asked again for an hour.
    pub(super) fn wanted(
        &mut self,
        journal: &Journal,
        camera: &str,
        now: Timestamp,
    ) -> Result<Vec<Wanted>, StoreError> {
        let around = Span { from: now, until: now + SignedDuration::from_mins(60) };
        let spans = self.recorded_between(journal, camera, around)?;
        Ok(spans
            .into_iter()
            .map(|RecordedSpan { span, sound, after_quiet }| Wanted {
                from: span.from,
                until: span.until,
                sound,
                after_quiet,
            })
            .collect())
    }

    /// All that `camera` is to record on the dates of `span`, from its first moment's date on.
    pub(super) fn spans_between(
        &mut self,
        journal: &Journal,
        camera: &str,
        span: Span,
    ) -> Result<Vec<Span>, StoreError> {
        Ok(self.recorded_between(journal, camera, span)?.into_iter().map(|recorded| recorded.span).collect())
    }

    fn recorded_between(
        &mut self,
        journal: &Journal,
        camera: &str,
        span: Span,
    ) -> Result<Vec<RecordedSpan>, StoreError> {
        let mut spans = self.lessons_between(journal, camera, span)?;
        let rest = self.outside(journal, camera, span, &spans);
        spans.extend(rest.into_iter().map(|span| RecordedSpan { span, sound: false, after_quiet: false }));
        spans.sort_by_key(|recorded| recorded.span);
        Ok(spans)
    }

    /// What `camera` is to record of the lessons on the dates of `span`.
    fn lessons_between(
        &mut self,
        journal: &Journal,
        camera: &str,
        span: Span,
    ) -> Result<Vec<RecordedSpan>, StoreError> {
        let mut spans = Vec::new();
        for date in self.dates(journal, span)? {
            spans.extend(self.spans_on(journal, camera, date)?);
        }
        Ok(spans)
    }

    /// What `lessons` leave of the days of `span`, where the config wants that recorded too.
    fn outside(&self, journal: &Journal, camera: &str, span: Span, lessons: &[RecordedSpan]) -> Vec<Span> {
        let mut spans = Vec::new();
        if !self.outside_lessons || !self.cameras.iter().any(|name| name == camera) {
            return spans;
        }
        let (mut day, last) = (self.day(journal, span.from), self.day(journal, span.until));
        let midnight = |day: Date| day.to_zoned_datetime(journal.zone().clone()).map(|time| time.timestamp());
        while let Ok(next) = day.tomorrow()
            && let (Ok(from), Ok(until)) = (midnight(day), midnight(next))
            && day <= last
        {
            spans.extend(rest_of(Span { from, until }, lessons.iter().map(|recorded| recorded.span)));
            day = next;
        }
        spans
    }

    /// The dates of `span` that have lessons. A lesson right after midnight has its roll call on the day before.
    fn dates(&mut self, journal: &Journal, span: Span) -> Result<BTreeSet<Date>, StoreError> {
        self.refresh(journal)?;
        let last = span.until + SignedDuration::from_mins(self.lead_minutes);
        let days = self.day(journal, span.from)..=self.day(journal, last);
        let lessons = self.parts.iter().flat_map(|part| &part.row.class.lessons);
        Ok(lessons.map(|lesson| lesson.date).filter(|date| days.contains(date)).collect())
    }

    /// The lessons that go on, roll call included.
    pub(crate) fn lessons_at(&mut self, journal: &Journal, now: Timestamp) -> Result<Vec<Lesson>, StoreError> {
        let mut lessons = Vec::new();
        for date in self.dates(journal, Span { from: now, until: now })? {
            lessons.extend(self.due_on(journal, date)?);
        }
        lessons.retain(|lesson| lesson.span.from <= now && now < lesson.span.until);
        Ok(lessons)
    }

    fn day(&self, journal: &Journal, time: Timestamp) -> Date {
        time.to_zoned_datetime(journal.zone().clone()).date()
    }

    /// The lessons that go on, roll call included, and need cameras that are not recorded: the config does not have
    /// them, or says that they are not.
    pub(super) fn missing(&mut self, journal: &Journal, now: Timestamp) -> Result<Vec<(String, Span)>, StoreError> {
        let mut missing = Vec::new();
        for lesson in self.lessons_at(journal, now)? {
            let absent = lesson.cameras.iter().filter(|camera| !self.cameras.contains(camera));
            missing.extend(absent.map(|camera| (camera.clone(), lesson.span)));
        }
        Ok(missing)
    }

    /// All that `camera` is to record on a date.
    pub fn spans_on(&mut self, journal: &Journal, camera: &str, date: Date) -> Result<Vec<RecordedSpan>, StoreError> {
        self.refresh(journal)?;
        let lessons = self.parts.iter().flat_map(|part| lessons_in(&part.row.class, date, &self.room));
        let needs = |lesson: &class::Lesson| self.cameras_of(lesson).iter().any(|name| name == camera);
        Ok(recorded_spans(lessons, needs, journal.zone(), self.lead_minutes))
    }

    fn cameras_of<'a>(&'a self, lesson: &'a class::Lesson) -> &'a [String] {
        if lesson.cameras.is_empty() { &self.cameras } else { &lesson.cameras }
    }

    /// The lessons of a date, in order of time; without those that were over before their plan came, or had not begun
    /// when their class was closed. What has its account is told with the cameras that had to record it then.
    pub fn lessons_on(&mut self, journal: &Journal, date: Date) -> Result<Vec<Lesson>, StoreError> {
        let mut lessons = self.due_on(journal, date)?;
        let reader = journal.store().read()?;
        for lesson in &mut lessons {
            if let Some(cameras) = cameras_accounted(&reader, &lesson.class, lesson.start)? {
                lesson.cameras = cameras;
            }
        }
        Ok(lessons)
    }

    fn due_on(&mut self, journal: &Journal, date: Date) -> Result<Vec<Lesson>, StoreError> {
        self.refresh(journal)?;
        let mut lessons = Vec::new();
        for Part { row, has_begun } in &self.parts {
            for lesson in self.lessons_of(&row.class, journal, date) {
                let is_due = *has_begun || row.closed.is_none() && row.came_before(lesson.span.until);
                if is_due || journal.store().read()?.coverage(&lesson.class, lesson.start)?.is_some() {
                    lessons.push(lesson);
                }
            }
        }
        lessons.sort_by_key(|lesson| lesson.span);
        Ok(lessons)
    }

    /// What `camera` had to record on the dates of `span` and has no account yet, with what it records outside lessons.
    pub(super) fn untold(&mut self, journal: &Journal, camera: &str, span: Span) -> Result<Vec<Span>, StoreError> {
        let mut spans = Vec::new();
        for date in self.dates(journal, span)? {
            for lesson in self.due_on(journal, date)? {
                let is_accounted = || journal.store().read()?.coverage(&lesson.class, lesson.start);
                if lesson.cameras.iter().any(|name| name == camera) && is_accounted()?.is_none() {
                    spans.push(lesson.span);
                }
            }
        }
        let lessons = self.lessons_between(journal, camera, span)?;
        spans.extend(self.outside(journal, camera, span, &lessons));
        spans.sort_unstable();
        Ok(spans)
    }

    /// The lessons that ended before `moment` and whose accounts have not been made. Those that had ended when their
    /// plan was first imported are none of this appliance's.
    pub(crate) fn over(&mut self, journal: &Journal, moment: Timestamp) -> Result<Vec<Lesson>, StoreError> {
        self.refresh(journal)?;
        let mut over = Vec::new();
        for Part { row, has_begun } in &self.parts {
            let class = &row.class;
            let dates: HashSet<Date> = class.lessons.iter().map(|lesson| lesson.date).collect();
            let mut lessons: Vec<Lesson> =
                dates.into_iter().flat_map(|date| self.lessons_of(class, journal, date)).collect();
            lessons.retain(|lesson| {
                let is_ours = *has_begun || row.came_before(lesson.span.until);
                let is_due = is_ours && lesson.span.until <= moment;
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
        let of = |lesson: &class::Lesson| {
            let span = recorded_span(lesson, journal.zone(), self.lead_minutes)?;
            let start = recorded_span(lesson, journal.zone(), 0)?.from;
            Some(Lesson {
                class: class.id.clone(),
                start,
                topic: lesson.topic.clone(),
                span,
                kind: lesson.kind,
                cameras: self.cameras_of(lesson).to_vec(),
                workstations: lesson.workstations.clone(),
                sound: lesson.sound.clone(),
            })
        };
        lessons_in(class, date, &self.room).filter_map(of).collect()
    }

    fn refresh(&mut self, journal: &Journal) -> Result<(), StoreError> {
        let reader = journal.store().read()?;
        let version = reader.people_version()?;
        if self.version != Some(version) {
            self.parts = parts(&reader, false)?;
            self.version = Some(version);
        }
        Ok(())
    }
}

/// The parts of all classes; of closed ones what had begun, or all.
fn parts(reader: &Reader<'_>, with_closed: bool) -> Result<Vec<Part>, StoreError> {
    let mut begun: HashMap<ClassId, Vec<class::Lesson>> = HashMap::new();
    for (class, lesson) in reader.begun_lessons()? {
        begun.entry(class).or_default().push(lesson);
    }
    let rows = reader.all_classes()?;
    Ok(rows
        .iter()
        .flat_map(|row| Part::of(row, begun.remove(&row.class.id).unwrap_or_default(), with_closed))
        .collect())
}

#[cfg(test)]
mod tests;
