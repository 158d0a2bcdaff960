//! The acts of a lesson's recording: references, findings, roll calls, and who looked at a recording.
//!
//! Each is one transaction: the record, and the rows that queries need.

use super::{Appended, Journal, JournalError};
use crate::class::ClassId;
use crate::picture::Picture;
use crate::store::{FindingRow, ReferenceRow, RollcallRow, Workstation};
use evidence::record::{
    Data, Finding, FindingEnding, FindingKind, MarkedWorkstation, Reference, Role, Rollcall, RollcallEvent, Viewing,
    WindowKind,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashSet};

/// Largest reference picture, bytes.
const MAX_REFERENCE_BYTES: usize = 8 << 20;
/// Most workstations in one picture.
const MAX_WORKSTATIONS: usize = 200;
/// Most corners of a workstation.
const MAX_CORNERS: usize = 64;

/// What a finding is about, and when it began.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFinding {
    /// What is wrong.
    pub what: FindingKind,
    /// The camera, when it is about one.
    pub camera: Option<String>,
    /// The workstation, when it is about one.
    pub workstation: Option<String>,
    /// The class, when it is about one.
    pub class: Option<ClassId>,
    /// When it began.
    pub start: Timestamp,
    /// What was measured, by name.
    pub measured: BTreeMap<String, f64>,
}

impl Journal {
    /// Sets how a camera's picture should be, in the place of what was set before. `by` is `appliance`, or `staff:` and
    /// the number of the teacher whose PIN was given.
    pub fn set_reference(
        &self,
        camera: &str,
        jpeg: &[u8],
        workstations: &[Workstation],
        by: &str,
    ) -> Result<Appended, JournalError> {
        if jpeg.len() > MAX_REFERENCE_BYTES {
            let limit = MAX_REFERENCE_BYTES >> 20;
            return Err(JournalError::Refused(format!(
                "a reference picture of more than {limit} MB; send a smaller one"
            )));
        }
        Picture::decode(jpeg).map_err(|error| JournalError::Refused(format!("the reference picture: {error}")))?;
        check_workstations(workstations).map_err(JournalError::Refused)?;
        let data = Data::Reference(Reference {
            camera: camera.into(),
            picture: evidence::sha256_hex(jpeg),
            workstations: workstations.to_vec(),
            by: by.into(),
        });
        let (camera, picture, workstations) = (camera.to_owned(), jpeg.to_vec(), workstations.to_vec());
        self.append_with(data, |write, seq| write.put_reference(&ReferenceRow { camera, seq, picture, workstations }))
    }

    /// Journals that a roll call begins. `lesson` is when its lesson begins by the plan; `by` is the number of the teacher
    /// who takes it. Refused while one goes on.
    pub fn begin_rollcall(&self, class: &ClassId, lesson: Timestamp, by: &str) -> Result<Appended, JournalError> {
        self.rollcall(class, lesson, by, RollcallEvent::Started)
    }

    /// Journals that the roll call that goes on has ended.
    pub fn end_rollcall(&self, class: &ClassId, lesson: Timestamp, by: &str) -> Result<Appended, JournalError> {
        self.rollcall(class, lesson, by, RollcallEvent::Ended)
    }

    fn rollcall(
        &self,
        class: &ClassId,
        lesson: Timestamp,
        by: &str,
        event: RollcallEvent,
    ) -> Result<Appended, JournalError> {
        let local = lesson.to_zoned_datetime(self.zone().clone());
        self.transaction(|batch| {
            let person = batch.require_person(class, by)?;
            if person.role != Role::Teacher {
                return Err(JournalError::Refused(format!("{by} is not a teacher of class {class}")));
            }
            let known = batch.class(class)?.map(|row| row.class);
            let class_plan = known.ok_or_else(|| JournalError::Refused(format!("class {class} is not known")))?;
            let is_lesson = |known: &crate::class::Lesson| known.date == local.date() && known.start == local.time();
            let begun = batch.begun_lessons()?.into_iter().filter(|(of, _)| of == class).map(|(_, lesson)| lesson);
            if !class_plan.lessons.iter().any(is_lesson) && !begun.into_iter().any(|lesson| is_lesson(&lesson)) {
                let time = local.strftime("%Y-%m-%d %H:%M");
                return Err(JournalError::Refused(format!("class {class} has no lesson that begins at {time}")));
            }
            let open = batch.rollcalls(class, lesson)?.into_iter().find(|row| row.end.is_none());
            match (event, &open) {
                (RollcallEvent::Started, Some(_)) => {
                    return Err(JournalError::Refused("a roll call of this lesson goes on; end it first".into()));
                }
                (RollcallEvent::Ended, None) => {
                    return Err(JournalError::Refused("no roll call of this lesson goes on".into()));
                }
                _ => {}
            }
            let is_trainee = |number: &str| class_plan.trainees.iter().any(|trainee| trainee.number == number);
            let accepted = batch.accepted_on(local.date())?;
            let present = accepted
                .iter()
                .filter(|(id, number, window)| id == class && *window == WindowKind::Arrival && is_trainee(number));
            let present = present.map(|(_, number, _)| number).collect::<HashSet<_>>().len() as u32;
            let appended = batch.append(Data::Rollcall(Rollcall {
                class: class.to_string(),
                lesson: self.time_text(lesson),
                event,
                by: by.into(),
                expected: class_plan.trainees.len() as u32,
                present,
            }))?;
            let at = time_of(&appended)?;
            match open {
                Some(open) => batch.end_rollcall(open.seq, at.max(open.start), appended.seq)?,
                None => {
                    let (seq, class) = (appended.seq, class.clone());
                    batch.put_rollcall(&RollcallRow { seq, class, lesson, start: at, end: None })?;
                }
            }
            Ok(appended)
        })
    }

    /// Journals that a finding has begun, with its small picture (JPEG), which stays here; tells its row.
    pub fn begin_finding(&self, new: NewFinding, thumbnail: Option<&[u8]>) -> Result<FindingRow, JournalError> {
        let hash = thumbnail.map(evidence::sha256_hex);
        let class = new.class.map(|class| class.to_string());
        self.transaction(|batch| {
            let seq = batch
                .append(Data::Finding(Finding {
                    what: new.what,
                    camera: new.camera.clone(),
                    workstation: new.workstation.clone(),
                    class: class.clone(),
                    start: self.time_text(new.start),
                    end: None,
                    begun: None,
                    ending: None,
                    measured: new.measured,
                    thumbnail: hash.clone(),
                }))?
                .seq;
            let row = FindingRow {
                seq,
                what: new.what,
                camera: new.camera,
                workstation: new.workstation,
                class,
                start: new.start,
                end: None,
                thumbnail: hash,
            };
            batch.put_finding(&row, thumbnail)?;
            Ok(row)
        })
    }

    /// Journals that a finding was seen to be over. An end before its beginning, as a clock that was put back tells it, counts
    /// as its beginning. One that has ended already is refused, whoever ended it.
    pub fn end_finding(
        &self,
        row: &FindingRow,
        end: Timestamp,
        measured: BTreeMap<String, f64>,
    ) -> Result<Appended, JournalError> {
        self.finding_ended(row, end, FindingEnding::Over, measured)
    }

    /// Likewise, when nobody looks any more: it ends with the last look, and is not known to be over.
    pub fn leave_finding(
        &self,
        row: &FindingRow,
        end: Timestamp,
        measured: BTreeMap<String, f64>,
    ) -> Result<Appended, JournalError> {
        self.finding_ended(row, end, FindingEnding::Unwatched, measured)
    }

    fn finding_ended(
        &self,
        row: &FindingRow,
        end: Timestamp,
        ending: FindingEnding,
        measured: BTreeMap<String, f64>,
    ) -> Result<Appended, JournalError> {
        let end = end.max(row.start);
        let data = Data::Finding(Finding {
            what: row.what,
            camera: row.camera.clone(),
            workstation: row.workstation.clone(),
            class: row.class.clone(),
            start: self.time_text(row.start),
            end: Some(self.time_text(end)),
            begun: Some(row.seq),
            ending: Some(ending),
            measured,
            thumbnail: None,
        });
        self.transaction(|batch| {
            if !batch.is_open_finding(row.seq)? {
                return Err(JournalError::FindingEnded(row.seq));
            }
            let appended = batch.append(data)?;
            batch.end_finding(row.seq, end, appended.seq)?;
            Ok(appended)
        })
    }

    /// Journals that somebody has looked at a recording, or taken a copy.
    pub fn append_viewing(&self, viewing: Viewing) -> Result<Appended, JournalError> {
        self.append(Data::Viewing(viewing))
    }
}

fn time_of(appended: &Appended) -> Result<Timestamp, JournalError> {
    appended.time.parse().map_err(|error| JournalError::Broken(format!("the time {}: {error}", appended.time)))
}

fn check_workstations(workstations: &[MarkedWorkstation]) -> Result<(), String> {
    if workstations.len() > MAX_WORKSTATIONS {
        return Err(format!("{} workstations in one picture; {MAX_WORKSTATIONS} are the most", workstations.len()));
    }
    let mut names = HashSet::new();
    for MarkedWorkstation { workstation, polygon } in workstations {
        if workstation.is_empty() || workstation.chars().count() > 32 {
            return Err(format!("workstation {workstation:?}: a number has 1 to 32 characters"));
        }
        if !names.insert(workstation) {
            return Err(format!("workstation {workstation} is marked twice"));
        }
        if !(3..=MAX_CORNERS).contains(&polygon.len()) {
            return Err(format!("workstation {workstation}: a polygon has 3 to {MAX_CORNERS} corners"));
        }
        if polygon.iter().flatten().any(|value| !(0.0..=1.0).contains(value)) {
            return Err(format!("workstation {workstation}: a corner lies outside the picture"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, TestClock};
    use crate::journal::{PlanSource, testing};
    use jiff::tz::TimeZone;
    use std::sync::Arc;
    use std::time::Duration;

    fn journal(folder: &std::path::Path) -> (Journal, Arc<TestClock>) {
        let clock = Arc::new(TestClock::at("2026-11-22T23:55:00Z".parse().expect("a time")));
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let journal = Journal::initialise(folder, "site", "301", clock.clone(), zone).expect("initialised");
        let class = testing::class("2026-001", &["1", "2"], &["T1"]);
        journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
        (journal, clock)
    }

    #[test]
    fn a_roll_call_counts_who_has_checked_in_and_is_taken_by_a_teacher_once_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, clock) = journal(folder.path());
        let (class, lesson) =
            (ClassId::new("2026-001").expect("valid"), "2026-11-23T00:00:00Z".parse().expect("valid"));
        assert!(journal.begin_rollcall(&class, lesson, "1").is_err(), "a trainee takes none");
        assert!(journal.begin_rollcall(&class, Timestamp::UNIX_EPOCH, "T1").is_err(), "there is no such lesson");
        assert!(journal.end_rollcall(&class, lesson, "T1").is_err(), "none goes on");
        journal.check_in(testing::checkin("2026-001", "1", "2026-11-23"), None).expect("accepted");
        let begun = journal.begin_rollcall(&class, lesson, "T1").expect("begins");
        assert!(journal.begin_rollcall(&class, lesson, "T1").is_err(), "one goes on");
        clock.advance(Duration::from_secs(90));
        journal.end_rollcall(&class, lesson, "T1").expect("ends");
        let reader = journal.store().read().expect("reads");
        let row = reader.rollcalls(&class, lesson).expect("reads").remove(0);
        assert_eq!(row.end.expect("ended").0.duration_since(row.start).as_secs(), 90);
        let record = reader.record(begun.seq).expect("reads").expect("there");
        let Data::Rollcall(rollcall) = evidence::jws::read_unverified(record.as_str()).expect("a record").data else {
            panic!("not a roll call");
        };
        assert_eq!((rollcall.expected, rollcall.present), (2, 1));
    }

    #[test]
    fn a_finding_ends_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, clock) = journal(folder.path());
        let new = NewFinding {
            what: FindingKind::Covered,
            camera: Some("back".into()),
            workstation: None,
            class: None,
            start: clock.now(),
            measured: BTreeMap::new(),
        };
        let row = journal.begin_finding(new, None).expect("begins");
        journal.end_finding(&row, clock.now(), BTreeMap::new()).expect("ends");
        let size = journal.size();
        let error = journal.end_finding(&row, clock.now(), BTreeMap::new()).expect_err("it has ended");
        assert!(matches!(error, JournalError::FindingEnded(seq) if seq == row.seq), "{error}");
        assert_eq!(journal.size(), size, "no record says so a second time");
    }

    #[test]
    fn a_reference_that_cannot_be_used_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, _clock) = journal(folder.path());
        let jpeg = Picture::black(32, 32).to_jpeg(80).expect("encodes");
        let marked = |polygon: &[[f64; 2]]| MarkedWorkstation { workstation: "1".into(), polygon: polygon.to_vec() };
        let good = marked(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]);
        let refused = |jpeg: &[u8], marked: &[MarkedWorkstation]| {
            assert!(matches!(journal.set_reference("back", jpeg, marked, "staff:T1"), Err(JournalError::Refused(_))));
        };
        refused(&jpeg[..20], &[]);
        refused(&jpeg, &[marked(&[[0.0, 0.0], [1.0, 0.0]])]);
        refused(&jpeg, &[marked(&[[0.0, 0.0], [1.0, 0.0], [f64::NAN, 1.0]])]);
        refused(&jpeg, &[good.clone(), good.clone()]);
        journal.set_reference("back", &jpeg, std::slice::from_ref(&good), "staff:T1").expect("set");
        let row = journal.store().read().expect("reads").reference("back").expect("reads").expect("set");
        assert_eq!((row.picture, row.workstations), (jpeg, vec![good]));
    }
}
