//! What staff do at the kiosk: confirm a QR code, enrol a person. Each needs a teacher's PIN.
//!
//! The pages' side of it. PINs are checked here, off the worker's thread (a check takes tens of milliseconds);
//! what needs the camera is handed to the worker as a [`Command`].

use super::live::{Live, Outcome};
use crate::class::{ClassId, mask};
use crate::journal::{Journal, JournalError};
use crate::store::{ClassRow, PinCheck, StoreError, View};
use evidence::record::{CheckinOutcome, Role};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// A teacher who says who they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staff {
    /// A class of theirs.
    pub class: String,
    /// Their roster number in it.
    pub number: String,
    /// 4 to 12 digits.
    pub pin: String,
}

/// Whom to enrol at the kiosk.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The teacher who stands by.
    pub staff: Staff,
    /// The roster number, in the teacher's class.
    pub person: String,
    /// Whether the person has read the notice and consents, here and now.
    pub consents: bool,
}

/// Who declines face recognition at the kiosk.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclineRequest {
    /// The teacher who stands by.
    pub staff: Staff,
    /// The roster number, in the teacher's class.
    pub person: String,
}

/// Somebody on the roster, as the enrolling teacher sees them.
#[derive(Debug, Clone, Serialize)]
pub struct RosterEntry {
    /// Roster number.
    pub number: String,
    /// Full name: the teacher has given a PIN to see it.
    pub name: String,
    /// Trainee or teacher.
    pub role: Role,
    /// Whether consent to face recognition stands.
    pub consents: bool,
    /// Whether the person has declined face recognition, or withdrawn consent.
    pub declined: bool,
    /// Whether a face is enrolled, with the model in use.
    pub enrolled: bool,
}

/// A face that has just been enrolled.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolled {
    /// The enrolment's record.
    pub seq: u64,
    /// Pictures that the template was made of.
    pub photos: usize,
}

/// Why the desk did not do it. The text is for people; `code` for pages, which say it in their own language.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// No such teacher, or another PIN.
    #[error("that is not this teacher's PIN; {left} tries are left")]
    WrongPin {
        /// Tries left before it is locked.
        left: u32,
    },
    /// Too many wrong tries.
    #[error("too many wrong PINs; try again after {until}")]
    Locked {
        /// When, local time, `HH:MM`.
        until: String,
    },
    /// No PIN was ever set.
    #[error("this teacher has no PIN; set one with `rollcall pin`")]
    NoPin,
    /// Against a rule.
    #[error("{0}")]
    Refused(Reason),
    /// The QR code is not waiting any more.
    #[error("this QR code is no longer waiting to be confirmed; show it again")]
    Gone,
    /// No good picture of one face came in time.
    #[error("no enrolment: {0}")]
    NoGoodFace(Reason),
    /// The check-in camera is not running, or sends no pictures.
    #[error("the check-in camera sends no pictures")]
    NoCamera,
    /// The journal or the database.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why it was refused: for people in English, and as a word for pages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Not a class's number.
    #[error("{0}")]
    BadClass(String),
    /// The class was closed or taken away.
    #[error("class {0} is gone")]
    ClassGone(ClassId),
    /// Not a teacher of that class.
    #[error("{number} is not a teacher of class {class}")]
    NotTeacher {
        /// Masked roster number.
        number: String,
        /// The class.
        class: ClassId,
    },
    /// Not one of the teachers who may confirm a code.
    #[error("this teacher cannot confirm this code")]
    CannotConfirm,
    /// Enrolments are made one by one.
    #[error("somebody else is being enrolled")]
    Busy,
    /// Nobody has that number.
    #[error("{number} is not on the roster of class {class}")]
    NotOnRoster {
        /// Roster number.
        number: String,
        /// The class.
        class: ClassId,
    },
    /// The person has not consented.
    #[error("no consent, no enrolment: the person can check in by QR code")]
    NoConsent,
    /// The face is somebody else's.
    #[error("this face is already that of {number} in class {class}")]
    Taken {
        /// That person's roster number.
        number: String,
        /// That person's class.
        class: ClassId,
    },
    /// Nobody was seen.
    #[error("no face was seen")]
    NoFace,
    /// More than one person was seen.
    #[error("{0} faces were seen; enrolment needs exactly one")]
    SeveralFaces(usize),
    /// Why pictures of the face could not be used.
    #[error("{1}")]
    Quality(CheckinOutcome, String),
    /// Good pictures of one face, but too few in the time.
    #[error("too few good pictures; hold still and look at the camera")]
    TooFew,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Reason {
    /// A word for pages, which say it in their own language: `not_teacher`, `taken`, `several_faces`, `too_small` …
    pub fn code(&self) -> String {
        let word = match self {
            Reason::BadClass(_) | Reason::ClassGone(_) => "class_gone",
            Reason::NotTeacher { .. } => "not_teacher",
            Reason::CannotConfirm => "cannot_confirm",
            Reason::Busy => "busy",
            Reason::NotOnRoster { .. } => "not_on_roster",
            Reason::NoConsent => "no_consent",
            Reason::Taken { .. } => "taken",
            Reason::NoFace => "no_face",
            Reason::SeveralFaces(_) => "several_faces",
            Reason::Quality(outcome, _) => return crate::store::word(outcome),
            Reason::TooFew => "too_few",
            Reason::Other(_) => "other",
        };
        word.into()
    }

    /// Whom it is about, if anybody else: roster number and class.
    pub fn about(&self) -> Option<(&str, &str)> {
        match self {
            Reason::Taken { number, class } => Some((number, class.as_str())),
            _ => None,
        }
    }
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> DeskError {
        DeskError::Journal(error.into())
    }
}

impl DeskError {
    /// A word for pages: `wrong_pin`, `locked`, `no_pin`, `refused`, `gone`, `no_good_face`, `no_camera`, `failed`.
    pub fn code(&self) -> &'static str {
        match self {
            DeskError::WrongPin { .. } => "wrong_pin",
            DeskError::Locked { .. } => "locked",
            DeskError::NoPin => "no_pin",
            DeskError::Refused(_) => "refused",
            DeskError::Gone => "gone",
            DeskError::NoGoodFace(_) => "no_good_face",
            DeskError::NoCamera => "no_camera",
            DeskError::Journal(_) => "failed",
        }
    }
}

/// The teacher who confirms a QR code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Confirmer {
    pub(super) class: ClassId,
    pub(super) number: String,
}

/// What the worker is asked to do with its camera.
pub(super) enum Command {
    /// Enrol the one face before the camera.
    Enrol { class: ClassId, person: String, consents: bool, by: String, reply: Reply<Enrolled> },
    /// Record the QR check-in `id`: confirmed by this teacher, or refused.
    Confirm { id: u64, teacher: Option<Confirmer>, reply: Reply<Arc<Outcome>> },
}

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, DeskError>>;

/// The pages' handle. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    journal: Arc<Journal>,
    live: Arc<Live>,
    model: String,
    commands: Sender<Command>,
}

impl Desk {
    /// `model` is the embedding model's SHA-256 (hex).
    pub(super) fn new(journal: Arc<Journal>, live: Arc<Live>, model: &str, commands: Sender<Command>) -> Desk {
        Desk { journal, live, model: model.to_owned(), commands }
    }

    /// The roster of the teacher's class.
    pub async fn roster(&self, staff: Staff) -> Result<Vec<RosterEntry>, DeskError> {
        let desk = self.clone();
        blocking(move || {
            let class = desk.admit(&staff)?;
            let reader = desk.journal.store().read()?;
            let row = reader.class(&class)?.ok_or_else(|| DeskError::Refused(Reason::ClassGone(class.clone())))?;
            let enrolled = reader.enrolled_with(&class, Some(&desk.model))?;
            let mut entries = Vec::new();
            for person in row.class.people() {
                let consents = reader.consent(&class, &person.number)?.map(|consent| consent.given);
                entries.push(RosterEntry {
                    number: person.number.clone(),
                    name: person.name.clone(),
                    role: person.role,
                    consents: consents == Some(true),
                    declined: consents == Some(false),
                    enrolled: enrolled.contains(&person.number),
                });
            }
            Ok(entries)
        })
        .await
    }

    /// Enrols the person who stands before the camera, in the place of what was enrolled before. Takes seconds.
    pub async fn enrol(&self, request: EnrolRequest) -> Result<Enrolled, DeskError> {
        let desk = self.clone();
        let (class, request) = blocking(move || Ok((desk.admit(&request.staff)?, request))).await?;
        let by = format!("kiosk:{}", request.staff.number);
        let EnrolRequest { person, consents, .. } = request;
        self.ask(|reply| Command::Enrol { class, person, consents, by, reply }).await
    }

    /// Confirms the waiting QR code `id` with the PIN of one of the teachers that it names; a wrong PIN is recorded
    /// once the tries are used up.
    pub async fn confirm_qr(&self, id: u64, class: &str, teacher: &str, pin: &str) -> Result<Arc<Outcome>, DeskError> {
        let pending = self.live.pending_qr().borrow().clone().filter(|pending| pending.id == id);
        let pending = pending.ok_or(DeskError::Gone)?;
        // Nobody confirms their own code, and nobody whom the kiosk has not asked.
        if !pending.teachers.iter().any(|(number, _, of)| number == teacher && of == class) {
            return Err(DeskError::Refused(Reason::CannotConfirm));
        }
        let staff = Staff { class: class.into(), number: teacher.into(), pin: pin.into() };
        let desk = self.clone();
        let number = staff.number.clone();
        match blocking(move || desk.admit(&staff)).await {
            Ok(class) => {
                let teacher = Some(Confirmer { class, number });
                self.ask(|reply| Command::Confirm { id, teacher, reply }).await
            }
            Err(locked @ DeskError::Locked { .. }) => {
                self.dismiss_qr(id).await?;
                Err(locked)
            }
            Err(other) => Err(other),
        }
    }

    /// The teacher does not confirm the waiting QR code `id`; that is recorded as well.
    pub async fn dismiss_qr(&self, id: u64) -> Result<Arc<Outcome>, DeskError> {
        self.ask(|reply| Command::Confirm { id, teacher: None, reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, DeskError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| DeskError::NoCamera)?;
        answer.await.unwrap_or(Err(DeskError::NoCamera))
    }

    fn admit(&self, staff: &Staff) -> Result<ClassId, DeskError> {
        admit(&self.journal, staff)
    }
}

/// Journals that a person declines face recognition, here and now, or takes consent back; what was enrolled is erased.
/// Nothing is written where that is on record already.
pub fn decline(journal: &Journal, request: &DeclineRequest) -> Result<(), DeskError> {
    let DeclineRequest { staff, person } = request;
    let class = admit(journal, staff)?;
    let by = format!("kiosk:{}", staff.number);
    let given = journal.store().read()?.consent(&class, person)?.map(|consent| consent.given);
    let journalled = match given {
        Some(false) => return Ok(()),
        Some(true) => journal.withdraw_consent(&class, person, &by),
        None => journal.decline_consent(&class, person, &super::notice_sha256(), &by),
    };
    match journalled {
        Err(JournalError::Refused(why)) => Err(DeskError::Refused(Reason::Other(why))),
        journalled => Ok(journalled.map(|_| ())?),
    }
}

/// Checks a teacher's PIN; tells the class. Whose class was closed is nobody's teacher here any more.
pub fn admit(journal: &Journal, staff: &Staff) -> Result<ClassId, DeskError> {
    admit_of(journal, staff, |_, row| Ok(row.closed.is_none()))
}

/// Likewise, of the classes whose teachers `is_admitted` lets in. Who has left the roster, or was erased, is no teacher.
pub fn admit_of(
    journal: &Journal,
    staff: &Staff,
    is_admitted: impl FnOnce(&View, &ClassRow) -> Result<bool, StoreError>,
) -> Result<ClassId, DeskError> {
    let class = ClassId::new(&staff.class).map_err(|why| DeskError::Refused(Reason::BadClass(why)))?;
    let store = journal.store();
    let reader = store.read()?;
    let row = match reader.class(&class)? {
        Some(row) if is_admitted(&reader, &row)? => row,
        _ => return Err(DeskError::Refused(Reason::ClassGone(class))),
    };
    drop(reader);
    if row.class.person(&staff.number).is_none_or(|person| person.role != Role::Teacher || person.is_erased()) {
        return Err(DeskError::Refused(Reason::NotTeacher { number: mask(&staff.number), class }));
    }
    let now = journal.clock().now();
    match store.check_pin(&class, &staff.number, &staff.pin, now)? {
        PinCheck::Right => Ok(class),
        PinCheck::Wrong { left } => Err(DeskError::WrongPin { left }),
        PinCheck::NotSet => Err(DeskError::NoPin),
        PinCheck::Locked { until } => {
            let until = until.to_zoned_datetime(journal.zone().clone());
            Err(DeskError::Locked { until: until.strftime("%H:%M").to_string() })
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeskError> + Send + 'static,
) -> Result<T, DeskError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(DeskError::NoCamera),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::journal::{EnrolledFace, PlanSource, testing};

    #[tokio::test]
    async fn the_roster_calls_nobody_enrolled_whose_face_is_of_another_model() {
        let folder = tempfile::tempdir().expect("a folder");
        let (clock, zone) = (Arc::new(SystemClock::default()), jiff::tz::TimeZone::UTC);
        let journal = Arc::new(Journal::initialise(folder.path(), "site", "301", clock, zone).expect("made"));
        let class = testing::class("2026-001", &["1", "2"], &["T1"]);
        journal.import_class(&class, "00", PlanSource::File, "301").expect("imported");
        journal.store().set_pin(&class.id, "T1", "2580").expect("set");
        for (number, model) in [("1", "model"), ("2", "the one before")] {
            journal.give_consent(&class.id, number, "00", "cli").expect("consented");
            let face = EnrolledFace { photo: "22".repeat(32), embedding: vec![0; 12] };
            let enrolled: Result<_, JournalError> = journal.enrol(&class.id, number, &[face], model, "cli", |_| Ok(()));
            enrolled.expect("enrolled");
        }
        let desk = Desk::new(journal, Arc::default(), "model", std::sync::mpsc::channel().0);
        let staff = Staff { class: class.id.to_string(), number: "T1".into(), pin: "2580".into() };
        let roster = desk.roster(staff).await.expect("open");
        let enrolled: Vec<_> = roster.iter().map(|entry| (&*entry.number, entry.enrolled)).collect();
        assert_eq!(enrolled, [("1", true), ("2", false), ("T1", false)]);
    }

    #[tokio::test]
    async fn a_class_that_was_closed_shows_nobody_its_roster() {
        let folder = tempfile::tempdir().expect("a folder");
        let (clock, zone) = (Arc::new(SystemClock::default()), jiff::tz::TimeZone::UTC);
        let journal = Arc::new(Journal::initialise(folder.path(), "site", "301", clock, zone).expect("made"));
        let class = testing::class("2026-001", &["1"], &["T1"]);
        journal.import_class(&class, "00", PlanSource::File, "301").expect("imported");
        journal.store().set_pin(&class.id, "T1", "2580").expect("set");
        let desk = Desk::new(journal.clone(), Arc::default(), "model", std::sync::mpsc::channel().0);
        let staff = Staff { class: class.id.to_string(), number: "T1".into(), pin: "2580".into() };
        assert_eq!(desk.roster(staff.clone()).await.expect("open").len(), 2);
        journal.close_class(&class.id).expect("closed");
        let refused = desk.roster(staff.clone()).await;
        let gone = |refused: &DeskError| matches!(refused, DeskError::Refused(Reason::ClassGone(_)));
        assert!(refused.as_ref().is_err_and(gone), "{refused:?}");
        let declined = decline(&journal, &DeclineRequest { staff, person: "1".into() });
        assert!(declined.as_ref().is_err_and(gone), "{declined:?}");
    }
}
