//! Looks for people while practice goes on: every 30 seconds at the newest picture of each camera that records.
//!
//! Notes down each look, and journals a finding when fewer people are seen than have checked in. A camera without a
//! fresh picture, or with one in which nothing can be seen, is "unknown". Keeps no picture but a finding's small one.

use super::findings::Change;
use super::people::{FewPeople, LOOK_EVERY, at_workstations, in_room, look_rows};
use crate::camera::{Camera, Frame};
use crate::class::{ClassId, LessonKind, Span};
use crate::config::Config;
use crate::journal::{Journal, JournalError, NewFinding};
use crate::picture::Picture;
use crate::recording::Plan;
use crate::store::{FindingRow, LookRow, Reader, StoreError, Workstation};
use crate::vision::{PersonBox, PersonDetector};
use evidence::record::{FindingKind, WindowKind};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A picture older than this shows another moment than the look's.
const FRESH: Duration = Duration::from_secs(15);
/// A workstation's newest sight counts for this long.
const SIGHT_FOR: SignedDuration = SignedDuration::from_mins(2);
/// A picture with less mean brightness, or less contrast (standard deviation), shows nobody who might be there; 0–255.
const LEAST_BRIGHTNESS: f64 = 12.0;
const LEAST_CONTRAST: f64 = 5.0;
/// Longer side of a finding's small picture, px.
const THUMBNAIL_SIDE: u32 = 480;

/// The looking for people. Stops when dropped.
pub struct PeopleService {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PeopleService {
    /// Starts to look at `cameras`, those of them that the config records.
    pub fn start(
        config: &Config,
        journal: Arc<Journal>,
        cameras: Arc<Vec<Camera>>,
        mut detector: PersonDetector,
    ) -> io::Result<PeopleService> {
        let mut looker = Looker::new(config, journal);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = thread::Builder::new().name("people".into()).spawn(move || {
            let mut looked: Option<Instant> = None;
            while !stopping.load(Ordering::Relaxed) {
                if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                    looked = Some(Instant::now());
                    let newest = |name: &str| {
                        let camera = cameras.iter().find(|camera| camera.name() == name)?;
                        camera.frames().get().filter(|frame| frame.captured.elapsed() <= FRESH)
                    };
                    if let Err(error) = looker.turn(&mut detector, newest) {
                        tracing::error!(%error, "a look for people could not be noted down");
                    }
                }
                thread::sleep(Duration::from_millis(250));
            }
        })?;
        Ok(PeopleService { stop, thread: Some(thread) })
    }
}

impl Drop for PeopleService {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What one look at one camera showed.
pub struct Seen {
    /// The camera.
    pub camera: String,
    /// The people; `None` when it cannot be told.
    pub people: Option<Vec<PersonBox>>,
    /// A small picture of it (JPEG).
    pub thumbnail: Option<Vec<u8>>,
}

/// What can be told from one look at one camera.
struct Look<'s> {
    camera: &'s str,
    /// `None` when nothing can be told.
    people: Option<&'s [PersonBox]>,
    thumbnail: Option<&'s [u8]>,
    is_moved: bool,
    /// As they are marked in its reference picture.
    workstations: Vec<Workstation>,
}

impl Look<'_> {
    /// Where its workstations are in this picture; after a move they lie somewhere else.
    fn marked(&self) -> &[Workstation] {
        if self.is_moved { &[] } else { &self.workstations }
    }
}

/// A practice lesson that goes on.
#[derive(Debug, Clone)]
struct Practice {
    class: ClassId,
    span: Span,
    cameras: Vec<String>,
}

/// A lesson's rule, and the record of the finding that goes on.
struct Watched {
    span: Span,
    rule: FewPeople,
    begun: Option<(u64, Timestamp)>,
}

/// Looks, counts, notes down and journals; one step at a time.
pub struct Looker {
    journal: Arc<Journal>,
    plan: Plan,
    /// The cameras that record.
    cameras: Vec<String>,
    watched: BTreeMap<ClassId, Watched>,
}

impl Looker {
    /// For the room and cameras of `config`.
    pub fn new(config: &Config, journal: Arc<Journal>) -> Looker {
        let recorded = config.cameras.iter().filter(|camera| camera.record);
        Looker {
            journal,
            plan: Plan::new(config),
            cameras: recorded.map(|camera| camera.name.clone()).collect(),
            watched: BTreeMap::new(),
        }
    }

    /// Looks once at each camera, if practice goes on. `newest` is a camera's picture of this moment.
    pub fn turn(
        &mut self,
        detector: &mut PersonDetector,
        newest: impl Fn(&str) -> Option<Arc<Frame>>,
    ) -> Result<(), JournalError> {
        let now = self.journal.clock().now();
        let practice = self.practice(now)?;
        let wanted: HashSet<&String> = practice.iter().flat_map(|practice| &practice.cameras).collect();
        let mut seen = Vec::new();
        for camera in self.cameras.iter().filter(|camera| wanted.contains(camera)) {
            let frame = newest(camera);
            let picture = frame.as_ref().map(|frame| &frame.picture);
            let people = match picture.filter(|picture| shows_something(picture)) {
                None => None,
                Some(picture) => match detector.find(picture) {
                    Ok(people) => Some(people),
                    Err(error) => {
                        tracing::error!(%error, camera, "people could not be looked for");
                        None
                    }
                },
            };
            let thumbnail = picture.and_then(thumbnail);
            seen.push(Seen { camera: camera.clone(), people, thumbnail });
        }
        self.take(now, &seen)
    }

    /// Takes what a look at each camera at the moment `now` showed.
    pub fn take(&mut self, now: Timestamp, seen: &[Seen]) -> Result<(), JournalError> {
        let practice = self.practice(now)?;
        let seen = self.looks(seen)?;
        self.note_down(now, &seen)?;
        self.resume()?;
        self.close_others(now, &practice)?;
        for practice in practice {
            let expected = self.checked_in(&practice.class, now)?;
            let of_lesson = seen.iter().filter(|seen| practice.cameras.iter().any(|name| name == seen.camera));
            let most = of_lesson.clone().max_by_key(|seen| seen.people.map(<[_]>::len));
            // Cameras may show the same people, or each another part of the room.
            let together = at_workstations(of_lesson.filter_map(|seen| Some((seen.people?, seen.marked()))));
            let count = in_room(most.iter().map(|seen| Some((seen.people?.len() as u32).max(together))));
            let Practice { class, span, .. } = practice;
            let watched = self.watched.entry(class.clone()).or_insert_with(|| Watched {
                span,
                rule: FewPeople::default(),
                begun: None,
            });
            watched.span = span;
            let mut rule = watched.rule.clone();
            if let Some(change) = rule.take(now, count, expected) {
                let thumbnail = most.and_then(|seen| seen.thumbnail);
                // When this fails, the rule stays as it was, and the next look says it again.
                watched.begun = journal_change(&self.journal, &class, watched.begun, &change, thumbnail)?;
            }
            watched.rule = rule;
        }
        Ok(())
    }

    /// What the looks tell: nothing of people where a finding says that the picture shows nothing of now.
    fn looks<'s>(&self, seen: &'s [Seen]) -> Result<Vec<Look<'s>>, StoreError> {
        let reader = self.journal.store().read()?;
        let open = reader.open_findings()?;
        let mut looks = Vec::new();
        for Seen { camera, people, thumbnail } in seen {
            let is_wrong = |what: &[FindingKind]| {
                open.iter().any(|row| row.camera.as_ref() == Some(camera) && what.contains(&row.what))
            };
            looks.push(Look {
                camera,
                people: people.as_deref().filter(|_| !is_wrong(&NOTHING_TO_SEE)),
                thumbnail: thumbnail.as_deref(),
                is_moved: is_wrong(&[FindingKind::Moved]),
                workstations: reader.reference(camera)?.map(|reference| reference.workstations).unwrap_or_default(),
            });
        }
        Ok(looks)
    }

    fn note_down(&self, now: Timestamp, looks: &[Look]) -> Result<(), JournalError> {
        if looks.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<LookRow> = Vec::new();
        {
            let reader = self.journal.store().read()?;
            for Look { camera, people, workstations, is_moved, .. } in looks {
                let mut sights = BTreeMap::new();
                for marked in workstations {
                    let known = reader.sights(&marked.workstation, now - SIGHT_FOR, now + SIGHT_FOR)?;
                    let newest = known.into_iter().rfind(|row| row.camera == *camera);
                    sights.extend(newest.map(|row| (marked.workstation.clone(), row.sight)));
                }
                let of_this = look_rows(camera, now, *people, workstations, |name| sights.get(name).copied());
                rows.extend(of_this.into_iter().map(|row| match row.workstation {
                    Some(_) if *is_moved => LookRow { people: None, ..row },
                    _ => row,
                }));
            }
        }
        let write = self.journal.store().begin()?;
        write.put_looks(&rows)?;
        Ok(write.commit()?)
    }

    /// The practice lessons of this room that go on at `now`.
    fn practice(&mut self, now: Timestamp) -> Result<Vec<Practice>, StoreError> {
        let lessons = self.plan.lessons_at(&self.journal, now)?;
        let practice = lessons.into_iter().filter(|lesson| lesson.kind == LessonKind::Practice && lesson.start <= now);
        Ok(practice
            .map(|lesson| Practice {
                class: lesson.class,
                span: Span { from: lesson.start, until: lesson.span.until },
                cameras: lesson.cameras,
            })
            .collect())
    }

    /// Trainees of a class who have come and not yet gone.
    fn checked_in(&self, class: &ClassId, now: Timestamp) -> Result<u32, StoreError> {
        let date = now.to_zoned_datetime(self.journal.zone().clone()).date();
        let reader = self.journal.store().read()?;
        let (accepted, known) = (reader.accepted_on(date)?, reader.class(class)?);
        drop(reader);
        let trainees: HashSet<&str> =
            known.iter().flat_map(|row| &row.class.trainees).map(|person| person.number.as_str()).collect();
        let in_window = |wanted: WindowKind| -> HashSet<&str> {
            let of = accepted.iter().filter(|(of, _, window)| of == class && *window == wanted);
            of.map(|(_, person, _)| person.as_str()).filter(|person| trainees.contains(person)).collect()
        };
        let gone = in_window(WindowKind::Departure);
        Ok(in_window(WindowKind::Arrival).difference(&gone).count() as u32)
    }

    /// Learns once of the findings that an earlier run has left open.
    fn resume(&mut self) -> Result<(), StoreError> {
        let open = open_findings(&self.journal.store().read()?)?;
        for (class, row) in open {
            self.watched.entry(class).or_insert_with(|| Watched {
                // Of a lesson that may be over: the next look at the plan tells.
                span: Span { from: row.start, until: row.start },
                rule: FewPeople::resumed(),
                begun: Some((row.seq, row.start)),
            });
        }
        Ok(())
    }

    /// Ends what belongs to lessons that are over.
    fn close_others(&mut self, now: Timestamp, practice: &[Practice]) -> Result<(), JournalError> {
        let goes_on = |class: &ClassId, span: Span| {
            practice.iter().any(|practice| {
                let began = practice.span.from <= span.from && span.from < practice.span.until;
                &practice.class == class && began
            })
        };
        let over = self.watched.iter().filter(|(class, watched)| !goes_on(class, watched.span));
        for class in over.map(|(class, _)| class.clone()).collect::<Vec<_>>() {
            let Some(mut watched) = self.watched.remove(&class) else { continue };
            let end = if watched.span.until > watched.span.from { watched.span.until.min(now) } else { now };
            if let Some(change) = watched.rule.close(end) {
                journal_change(&self.journal, &class, watched.begun, &change, None)?;
            }
        }
        Ok(())
    }
}

/// Findings of a camera while which its picture tells nothing of people.
const NOTHING_TO_SEE: [FindingKind; 7] = [
    FindingKind::Dark,
    FindingKind::OverExposed,
    FindingKind::Blurred,
    FindingKind::Frozen,
    FindingKind::Looped,
    FindingKind::Covered,
    FindingKind::Replaced,
];

fn open_findings(reader: &Reader<'_>) -> Result<Vec<(ClassId, FindingRow)>, StoreError> {
    let few = reader.open_findings()?.into_iter().filter(|row| row.what == FindingKind::FewPeople);
    Ok(few.filter_map(|row| Some((ClassId::new(row.class.as_deref()?).ok()?, row))).collect())
}

/// Journals a finding's beginning or end; tells which finding goes on.
fn journal_change(
    journal: &Journal,
    class: &ClassId,
    begun: Option<(u64, Timestamp)>,
    change: &Change,
    thumbnail: Option<&[u8]>,
) -> Result<Option<(u64, Timestamp)>, JournalError> {
    match change {
        Change::Begun { since, measured, .. } => {
            let new = NewFinding {
                what: FindingKind::FewPeople,
                camera: None,
                workstation: None,
                class: Some(class.clone()),
                start: *since,
                measured: measured.clone(),
            };
            Ok(Some((journal.begin_finding(new, thumbnail)?.seq, *since)))
        }
        Change::Ended { end, is_left, measured, .. } => {
            let Some((seq, start)) = begun else { return Ok(None) };
            let row = FindingRow {
                seq,
                what: FindingKind::FewPeople,
                camera: None,
                workstation: None,
                class: Some(class.to_string()),
                start,
                end: None,
                thumbnail: None,
            };
            let ended = match *is_left {
                true => journal.leave_finding(&row, *end, measured.clone()),
                false => journal.end_finding(&row, *end, measured.clone()),
            };
            match ended {
                Ok(_) => {}
                Err(JournalError::FindingEnded(seq)) => tracing::warn!(seq, "a finding had ended already"),
                Err(error) => return Err(error),
            }
            Ok(None)
        }
    }
}

/// Whether there is light and contrast enough for somebody to be seen.
fn shows_something(picture: &Picture) -> bool {
    let small = picture.scaled(32, 18);
    let count = small.rgb.len() as f64;
    let mean = small.rgb.iter().map(|byte| f64::from(*byte)).sum::<f64>() / count;
    let variance = small.rgb.iter().map(|byte| (f64::from(*byte) - mean).powi(2)).sum::<f64>() / count;
    mean >= LEAST_BRIGHTNESS && variance.sqrt() >= LEAST_CONTRAST
}

fn thumbnail(picture: &Picture) -> Option<Vec<u8>> {
    let long = picture.width.max(picture.height);
    let side = |length: u32| (u64::from(length) * u64::from(THUMBNAIL_SIDE.min(long)) / u64::from(long.max(1))) as u32;
    picture.scaled(side(picture.width).max(1), side(picture.height).max(1)).to_jpeg(75).ok()
}

#[cfg(test)]
mod tests;
