//! The acts that are more than one record or row: check-ins with their photo, classes, consent, enrolment, erasure.
//!
//! Each is one transaction. Rules that the log must never contradict are checked here, inside it: no enrolment
//! without consent, no templates left of somebody who was erased.

use super::{Appended, Batch, Journal, JournalError};
use crate::class::{Class, ClassId, IdNumber, Lesson, Person, recorded_span};
use crate::store::{FormerPerson, StoreError, Template, View};
use evidence::record::{self, Checkin, ClockQuality, Closing, Consent, Data, Enrolment, Erasure, Export, Plan};
use jiff::SignedDuration;

/// Where a class came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanSource {
    /// A file that staff imported.
    File,
    /// The bureau.
    Bureau,
}

/// A face to enrol.
#[derive(Debug, Clone)]
pub struct EnrolledFace {
    /// SHA-256 (hex) of the photo's bytes.
    pub photo: String,
    /// The embedding, little-endian f32 (`vision::Embedding::to_bytes`).
    pub embedding: Vec<u8>,
}

impl Journal {
    /// Appends a check-in together with its capture photo; sets `photo` to the photo's hash.
    ///
    /// A second accepted one for the same person, date and window is refused, whoever wrote the first.
    pub fn check_in(&self, mut checkin: Checkin, jpeg: Option<&[u8]>) -> Result<Appended, JournalError> {
        checkin.photo = jpeg.map(evidence::sha256_hex);
        let photo = checkin.photo.clone();
        self.append_with(Data::Checkin(checkin), |write, seq| match (jpeg, photo) {
            (Some(jpeg), Some(sha256)) => write.put_capture(seq, &sha256, jpeg),
            _ => Ok(()),
        })
    }

    /// Imports a class, or a changed plan and roster of a class that is known.
    ///
    /// Who is no longer on the roster, or whose number is now somebody else's, is erased. The number of somebody who
    /// has checked in is refused to anybody else, then and ever after: records tell people by their numbers.
    /// `room` is where this appliance stands: what the plan gives in others is recorded by others.
    pub fn import_class(
        &self,
        class: &Class,
        sha256: &str,
        source: PlanSource,
        room: &str,
    ) -> Result<Appended, JournalError> {
        let refused = || JournalError::Refused(format!("class {} has no lessons", class.id));
        let (first_day, last_day) = class.days().ok_or_else(refused)?;
        self.transaction(|batch| {
            if let Some(known) = batch.class(&class.id)? {
                self.keep_begun(batch, &known, Some(class))?;
                for person in known.class.people().filter(|person| !is_still_there(person, class)) {
                    if !person.is_erased() && batch.has_checked_in(&class.id, &person.number)? {
                        batch.put_former_person(&class.id, person)?;
                    }
                    batch.erase(&class.id, &person.number, "left_roster")?;
                    batch.erase_person(&class.id, &person.number)?;
                }
            }
            for former in batch.former_people(&class.id)? {
                let Some(other) = class.person(former.number()) else { continue };
                if is_another(&former, other) {
                    let owner = match &former {
                        FormerPerson::Known(person) => &*person.name,
                        FormerPerson::Erased(_) => "somebody whose data were erased at their request",
                    };
                    return Err(JournalError::Refused(format!(
                        "number {} of class {} has checked in as {owner}: give {} a number that nobody has had. A corrected \
                         name is the same person's where both files have the ID-card number (身份证号), or the 备案号 of \
                         a teacher: import the file with that and the old name first",
                        former.number(),
                        class.id,
                        other.name
                    )));
                }
                batch.forget_former_person(&class.id, former.number())?;
            }
            let appended = batch.append(Data::Plan(Plan {
                class: class.id.to_string(),
                sha256: sha256.into(),
                trainees: class.trainees.len() as u32,
                teachers: class.teachers.len() as u32,
                lessons: class.lessons.len() as u32,
                first_day: first_day.to_string(),
                last_day: last_day.to_string(),
                source: match source {
                    PlanSource::File => "file".into(),
                    PlanSource::Bureau => "bureau".into(),
                },
            }))?;
            for lesson in &class.lessons {
                batch.append(Data::Lesson(self.lesson(class, appended.seq, lesson, room)?))?;
            }
            batch.put_class(class, sha256, &appended.time, appended.seq)?;
            Ok(appended)
        })
    }

    /// What a lesson of a plan demands, as the log tells it.
    fn lesson(&self, class: &Class, plan: u64, lesson: &Lesson, room: &str) -> Result<record::Lesson, JournalError> {
        let span = recorded_span(lesson, self.zone(), 0).ok_or_else(|| {
            let when = format!("{} {}", lesson.date, lesson.start.strftime("%H:%M"));
            JournalError::Refused(format!("the lesson of class {} on {when} takes no time", class.id))
        })?;
        Ok(record::Lesson {
            class: class.id.to_string(),
            plan,
            start: self.time_text(span.from),
            end: self.time_text(span.until),
            kind: lesson.kind,
            teacher: lesson.teacher.clone(),
            elsewhere: !lesson.is_in(room),
            cameras: lesson.cameras.clone(),
            workstations: lesson.workstations.clone(),
            sound_consent: lesson.sound.consent().map(str::to_owned),
        })
    }

    /// Closes a class, and erases the templates of all its people, each with a record of its own. Its lessons that have
    /// begun are recorded to their end, and accounted for. Refused where it is closed already.
    pub fn close_class(&self, id: &ClassId) -> Result<(), JournalError> {
        self.close(id, "staff")
    }

    fn close(&self, id: &ClassId, reason: &str) -> Result<(), JournalError> {
        self.transaction(|batch| {
            let row = batch.class(id)?.ok_or_else(|| JournalError::Refused(format!("class {id} is not known")))?;
            if let Some(closed) = row.closed {
                return Err(JournalError::Refused(format!("class {id} is closed since {closed}")));
            }
            self.keep_begun(batch, &row, None)?;
            batch.append(Data::Closing(Closing { class: id.to_string(), reason: reason.into() }))?;
            for person in row.class.people() {
                batch.erase(id, &person.number, "class_closed")?;
            }
            let time = batch.now();
            Ok(batch.close_class(id, &time)?)
        })
    }

    /// Closes the classes whose last lesson was more than `days` days ago, if the clock can be believed; tells which.
    pub fn close_what_is_over(&self, days: u16) -> Result<Vec<ClassId>, JournalError> {
        if self.clock().quality() != ClockQuality::Synced {
            return Ok(Vec::new());
        }
        let today = self.clock().now().to_zoned_datetime(self.zone().clone()).date();
        let is_over = |class: &Class| {
            let last = class
                .days()
                .and_then(|(_, last)| last.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok());
            last.is_some_and(|last| last < today)
        };
        let classes = self.store().read()?.classes()?;
        let over: Vec<ClassId> =
            classes.into_iter().map(|row| row.class).filter(is_over).map(|class| class.id).collect();
        for id in &over {
            self.close(id, "over")?;
        }
        Ok(over)
    }

    /// Journals that a person consents to face recognition. `notice` is the SHA-256 (hex) of the notice shown;
    /// `by` is `cli`, or `kiosk:` and the number of the teacher whose PIN was given.
    pub fn give_consent(
        &self,
        class: &ClassId,
        number: &str,
        notice: &str,
        by: &str,
    ) -> Result<Appended, JournalError> {
        self.transaction(|batch| {
            batch.require_person(class, number)?;
            batch.record_consent(class, number, true, notice, by)
        })
    }

    /// Journals that a person has read the notice and declines face recognition. Not for who has consented: that is a
    /// withdrawal. `notice` and `by` as for [`Journal::give_consent`].
    pub fn decline_consent(
        &self,
        class: &ClassId,
        number: &str,
        notice: &str,
        by: &str,
    ) -> Result<Appended, JournalError> {
        self.transaction(|batch| {
            batch.require_person(class, number)?;
            match batch.consent(class, number)? {
                Some(consent) if consent.given => Err(JournalError::Refused(format!(
                    "{number} of class {class} has consented; `rollcall consent withdraw` takes that back"
                ))),
                Some(consent) => Err(JournalError::Refused(format!(
                    "{number} of class {class} has declined or withdrawn already, on {}",
                    consent.time
                ))),
                None => batch.record_consent(class, number, false, notice, by),
            }
        })
    }

    /// Journals that a person withdraws consent; erases the templates. Refused where no consent stands.
    pub fn withdraw_consent(&self, class: &ClassId, number: &str, by: &str) -> Result<Appended, JournalError> {
        self.transaction(|batch| {
            batch.require_person(class, number)?;
            let consent = batch.consent(class, number)?.filter(|consent| consent.given).ok_or_else(|| {
                JournalError::Refused(format!(
                    "{number} of class {class} has given no consent that could be withdrawn; \
                     `rollcall consent decline` records a refusal"
                ))
            })?;
            let appended = batch.record_consent(class, number, false, &consent.notice, by)?;
            batch.erase(class, number, "consent_withdrawn")?;
            Ok(appended)
        })
    }

    /// Enrols a person's faces in the place of those enrolled before. Refused without consent.
    ///
    /// `admit` has the last word: it sees what is enrolled at this moment, and nobody else can enrol until it is done.
    pub fn enrol<E: From<JournalError> + From<StoreError>>(
        &self,
        class: &ClassId,
        number: &str,
        faces: &[EnrolledFace],
        model: &str,
        by: &str,
        admit: impl FnOnce(&View) -> Result<(), E>,
    ) -> Result<Appended, E> {
        self.transaction(|batch| {
            let person = batch.require_person(class, number)?;
            if faces.is_empty() {
                return Err(JournalError::Refused("no face to enrol".into()).into());
            }
            let consent = batch.consent(class, number)?.filter(|consent| consent.given).ok_or_else(|| {
                JournalError::Refused(format!("{number} of class {class} has not consented to face recognition"))
            })?;
            admit(batch)?;
            batch.erase_templates(class.as_str(), number)?;
            let appended = batch.append(Data::Enrolment(Enrolment {
                class: class.to_string(),
                person: number.into(),
                role: person.role,
                photos: faces.iter().map(|face| face.photo.clone()).collect(),
                model: model.into(),
                by: by.into(),
                consent_seq: consent.seq,
            }))?;
            for face in faces {
                batch.put_template(&Template {
                    class: class.clone(),
                    number: number.into(),
                    photo: face.photo.clone(),
                    model: model.into(),
                    embedding: face.embedding.clone(),
                    seq: appended.seq,
                })?;
            }
            Ok(appended)
        })
    }

    /// Journals that the whole log is exported, that record included; tells how many records that is.
    ///
    /// `claim`: for an evidence disc, the SHA-256 (hex) of its `disc.json`.
    pub fn append_export(&self, claim: Option<&str>) -> Result<u64, JournalError> {
        self.transaction(|batch| {
            let size = batch.next_seq() + 1;
            let what = if claim.is_some() { "disc" } else { "log" };
            batch.append(Data::Export(Export { what: what.into(), size, claim: claim.map(str::to_owned) }))?;
            Ok(size)
        })
    }
}

impl Batch<'_> {
    pub(super) fn record_consent(
        &mut self,
        class: &ClassId,
        number: &str,
        given: bool,
        notice: &str,
        by: &str,
    ) -> Result<Appended, JournalError> {
        self.append(Data::Consent(Consent {
            class: class.to_string(),
            person: number.into(),
            given,
            notice: notice.into(),
            by: by.into(),
        }))
    }

    /// Erases a person's templates with a record, if there are any.
    fn erase(&mut self, class: &ClassId, number: &str, reason: &str) -> Result<(), JournalError> {
        if self.enrolled(class)?.contains(number) {
            self.append(Data::Erasure(Erasure {
                class: class.to_string(),
                person: number.into(),
                reason: reason.into(),
                photos: false,
            }))?;
        }
        Ok(())
    }

    pub(super) fn require_person(&self, class: &ClassId, number: &str) -> Result<Person, JournalError> {
        match self.class(class)? {
            None => Err(JournalError::Refused(format!("class {class} is not known; import it first"))),
            Some(row) if row.closed.is_some() => Err(JournalError::Refused(format!("class {class} is closed"))),
            Some(row) => row
                .class
                .person(number)
                .cloned()
                .ok_or_else(|| JournalError::Refused(format!("{number} is not on the roster of class {class}"))),
        }
    }
}

/// Whether nothing tells that two people with one number are one person whose name or ID-card number was corrected.
fn is_another(before: &FormerPerson, now: &Person) -> bool {
    let before = match before {
        FormerPerson::Known(before) => before,
        FormerPerson::Erased(before) => {
            return !before.is_named(&now.name)
                && !now.id_number.as_ref().is_some_and(|id_number| before.has_id_number(id_number.as_str()))
                && !now.registration.as_ref().is_some_and(|registration| before.has_registration(registration));
        }
    };
    let is_known_by = |before: Option<&str>, now: Option<&str>| before.is_some() && before == now;
    before.name != now.name
        && !is_known_by(before.id_number.as_ref().map(IdNumber::as_str), now.id_number.as_ref().map(IdNumber::as_str))
        && !is_known_by(before.registration.as_deref(), now.registration.as_deref())
}

/// Whether a roster still has this very person under this number: by ID-card number, or else by name or the number
/// that a teacher is registered with (备案号).
pub(crate) fn is_still_there(person: &Person, class: &Class) -> bool {
    let is_registered_as = |now: &Person| person.registration.is_some() && person.registration == now.registration;
    class.person(&person.number).is_some_and(|now| match (&person.id_number, &now.id_number) {
        (Some(before), Some(now)) => before == now,
        _ => person.name == now.name || is_registered_as(now),
    })
}
