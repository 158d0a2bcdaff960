//! Enrolment: whose face a picture may be taken for, and the session at the kiosk.
//!
//! A face is enrolled only from pictures that meet stricter limits than a check-in's, only of one person at a time,
//! and never when it is already somebody else's in any class. Consent is the journal's rule.

use super::desk::{DeskError, Enrolled, Reason, Reply};
use super::live::Enrolling;
use super::record::{outcome_of, portrait};
use super::track::SAME_FACE;
use crate::camera::Frame;
use crate::class::{ClassId, Person, mask};
use crate::config::{CheckinConfig, QualityConfig};
use crate::journal::{Appended, EnrolledFace, Journal, JournalError};
use crate::picture::{Picture, PictureError};
use crate::store::{StoreError, View};
use crate::vision::{Embedding, Face, Refusal, Vision, VisionError, judge};
use evidence::record::CheckinOutcome;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a picture was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Nobody is in it.
    #[error("no face was found")]
    NoFace,
    /// More than one person is in it.
    #[error("{0} faces were found; enrolment needs exactly one")]
    SeveralFaces(usize),
    /// It is not good enough.
    #[error("{0}")]
    Quality(Refusal),
    /// Somebody else has this face already.
    #[error("this face is already that of {number} in class {class} (likeness {score:.2}, limit {limit:.2}){advice}")]
    Taken {
        /// That person's class.
        class: ClassId,
        /// That person's roster number.
        number: String,
        /// Cosine of the two.
        score: f32,
        /// At which two faces count as one person's.
        limit: f32,
        /// What to do if it is the same person.
        advice: &'static str,
    },
    /// The photos show different people.
    #[error("this photo does not show the person of the other photos (likeness {score:.2}, limit {limit:.2})")]
    Different {
        /// Cosine with the first photo.
        score: f32,
        /// Least cosine of one person's photos.
        limit: f32,
    },
    /// The models.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule of the journal, consent above all; or it cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Whoever's face is less than a third as large as the face that is enrolled is in the background.
const BACKGROUND: f32 = 1.0 / 3.0;
/// Least presence of somebody else: things in the background can look a little like faces.
const SURELY_A_FACE: f32 = 0.9;
/// Least cosine of two pictures that are enrolled for one person.
const SAME_PERSON: f32 = 0.45;

/// The embedding of the only face of a photo, if the photo can be enrolled.
pub fn face_of_photo(vision: &mut Vision, photo: &Picture, limits: &QualityConfig) -> Result<Embedding, EnrolError> {
    let faces = vision.faces(photo)?;
    let face = largest(&faces).ok_or(EnrolError::NoFace)?;
    judge(face, limits).map_err(EnrolError::Quality)?;
    let several = in_front(face, &vision.everyone(photo)?);
    if several > 1 {
        return Err(EnrolError::SeveralFaces(several));
    }
    Ok(vision.embed(photo, face)?)
}

fn size(face: &Face) -> f32 {
    face.quality.pupil_distance_px
}

/// The face that is to be enrolled, if only it is in front.
fn largest(faces: &[Face]) -> Option<&Face> {
    faces.iter().max_by(|a, b| size(a).total_cmp(&size(b)))
}

/// How many faces are not in the background of `face`, itself among them.
fn in_front(face: &Face, everyone: &[Face]) -> usize {
    let counts = |other: &&Face| size(other) >= BACKGROUND * size(face) && other.presence >= SURELY_A_FACE;
    everyone.iter().filter(counts).count()
}

/// Checks that the pictures show one person.
pub fn same_person(faces: &[SeenIn]) -> Result<(), EnrolError> {
    let Some(((first, _), rest)) = faces.split_first() else { return Ok(()) };
    match rest.iter().map(|(face, _)| first.cosine(face)).find(|score| *score < SAME_PERSON) {
        Some(score) => Err(EnrolError::Different { score, limit: SAME_PERSON }),
        None => Ok(()),
    }
}

/// Teachers need no ID-card number in a class file, but whoever is in two classes is known to be one person by it.
const ONE_PERSON: &str =
    "; if that is the same person, give the ID-card number (身份证号) in both class files and import them again";

/// A face and the SHA-256 (hex) of the photo that it was seen in.
pub type SeenIn = (Embedding, String);

/// Journals and keeps the faces of one person, in the place of those kept before. Refused when one is already somebody
/// else's at a likeness of `limit`, be it one that was enrolled a moment ago.
pub fn keep(
    journal: &Journal,
    class: &ClassId,
    number: &str,
    faces: &[SeenIn],
    model: &str,
    by: &str,
    limit: f32,
) -> Result<Appended, EnrolError> {
    let enrolled = |(face, photo): &SeenIn| EnrolledFace { photo: photo.clone(), embedding: face.to_bytes() };
    let enrolled: Vec<EnrolledFace> = faces.iter().map(enrolled).collect();
    let admit = |view: &View| not_taken(view, class, number, faces, model, limit);
    journal.enrol(class, number, &enrolled, model, by, admit)
}

/// Checks that none of these faces is already somebody else's, in any class. The same ID-card number in another
/// class is the same person.
fn not_taken(
    view: &View,
    class: &ClassId,
    number: &str,
    faces: &[SeenIn],
    model: &str,
    limit: f32,
) -> Result<(), EnrolError> {
    let own = view.person(class, number)?.and_then(|person| person.id_number);
    for template in view.templates(model)? {
        if template.class == *class && template.number == number {
            continue;
        }
        let Some(theirs) = Embedding::from_bytes(&template.embedding) else { continue };
        let score = faces.iter().map(|(face, _)| face.cosine(&theirs)).fold(f32::MIN, f32::max);
        if score < limit {
            continue;
        }
        let other = view.person(&template.class, &template.number)?;
        let theirs = other.and_then(|other| other.id_number);
        if theirs.is_none() || theirs != own {
            let unknown = template.class != *class && (theirs.is_none() || own.is_none());
            let advice = if unknown { ONE_PERSON } else { "" };
            return Err(EnrolError::Taken { class: template.class, number: template.number, score, limit, advice });
        }
    }
    Ok(())
}

/// Good pictures of an enrolment at the kiosk.
const WANTED: u32 = 5;
/// Pause between two of them: the head moves a little, which makes a better mean.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a person may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An enrolment at the kiosk that is under way.
pub(super) struct Session {
    class: ClassId,
    person: Person,
    by: String,
    began: Instant,
    good: Vec<Embedding>,
    last_good: Option<Instant>,
    best: Option<(f32, Arc<Frame>, Face)>,
    hint: Option<CheckinOutcome>,
    trouble: Option<Reason>,
    reply: Option<Reply<Enrolled>>,
}

impl Session {
    /// Begins; journals the consent that was given here and now. `None` when it was refused, which has been answered.
    pub(super) fn begin(
        journal: &Journal,
        class: ClassId,
        number: &str,
        consents: bool,
        by: String,
        reply: Reply<Enrolled>,
    ) -> Option<Session> {
        match admit(journal, &class, number, consents, &by) {
            Err(error) => {
                let _ = reply.send(Err(error));
                None
            }
            Ok(person) => Some(Session {
                class,
                person,
                by,
                began: Instant::now(),
                good: Vec::new(),
                last_good: None,
                best: None,
                hint: None,
                trouble: None,
                reply: Some(reply),
            }),
        }
    }

    /// What the kiosk shows.
    pub(super) fn progress(&self) -> Enrolling {
        Enrolling { name: mask(&self.person.name), good: self.good.len() as u32, wanted: WANTED, hint: self.hint }
    }

    /// Ends it when the person has taken too long, or when the camera sends no pictures; tells whether it is over.
    pub(super) fn look(&mut self, has_picture: bool) -> bool {
        if !has_picture {
            return self.end(Err(DeskError::NoCamera));
        }
        if self.began.elapsed() <= PATIENCE {
            return false;
        }
        let few = if self.good.is_empty() { Reason::NoFace } else { Reason::TooFew };
        let why = self.trouble.take().unwrap_or(few);
        self.end(Err(DeskError::NoGoodFace(why)))
    }

    /// Takes one frame's faces; tells whether the session is over.
    pub(super) fn frame(
        &mut self,
        frame: &Arc<Frame>,
        faces: &[Face],
        vision: &mut Vision,
        journal: &Journal,
        config: &CheckinConfig,
    ) -> Result<bool, VisionError> {
        let Some(face) = largest(faces) else {
            (self.hint, self.trouble) = (None, None);
            return Ok(false);
        };
        let several = in_front(face, faces);
        if several > 1 {
            (self.hint, self.trouble) = (None, Some(Reason::SeveralFaces(several)));
            return Ok(false);
        }
        if let Err(refusal) = judge(face, &config.enrolment_quality()) {
            self.hint = Some(outcome_of(refusal.reason));
            self.trouble = Some(Reason::Quality(outcome_of(refusal.reason), refusal.to_string()));
            return Ok(false);
        }
        self.hint = None;
        if self.last_good.is_some_and(|at| frame.captured.duration_since(at) < PAUSE) {
            return Ok(false);
        }
        let embedding = vision.embed(&frame.picture, face)?;
        if Embedding::mean(&self.good).is_some_and(|mean| mean.cosine(&embedding) < SAME_FACE) {
            // Somebody else stepped in: begin again, with whoever stays.
            self.good.clear();
            self.best = None;
        }
        self.good.push(embedding);
        self.last_good = Some(frame.captured);
        let size = face.quality.pupil_distance_px;
        if self.best.as_ref().is_none_or(|(best, ..)| size > *best) {
            self.best = Some((size, frame.clone(), face.clone()));
        }
        if (self.good.len() as u32) < WANTED {
            return Ok(false);
        }
        let done = self.enrol(vision.model(), journal, config);
        Ok(self.end(done))
    }

    /// The camera is gone, or the appliance stops.
    pub(super) fn abandon(&mut self) {
        self.end(Err(DeskError::NoCamera));
    }

    fn enrol(&self, model: &str, journal: &Journal, config: &CheckinConfig) -> Result<Enrolled, DeskError> {
        let (Some(mean), Some((_, frame, face))) = (Embedding::mean(&self.good), &self.best) else {
            return Err(DeskError::NoGoodFace(Reason::NoFace));
        };
        let unusable = |error: PictureError| DeskError::Refused(Reason::Other(error.to_string()));
        let photo = portrait(frame, face).to_jpeg(90).map_err(unusable)?;
        let face = (mean, evidence::sha256_hex(&photo));
        let limit = config.decision.duplicate_threshold;
        let kept = keep(journal, &self.class, &self.person.number, &[face], model, &self.by, limit);
        let appended = kept.map_err(refusal)?;
        Ok(Enrolled { seq: appended.seq, photos: self.good.len() })
    }

    fn end(&mut self, result: Result<Enrolled, DeskError>) -> bool {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(result);
        }
        true
    }
}

/// Why a face may not be enrolled.
fn refusal(error: EnrolError) -> DeskError {
    match error {
        EnrolError::Taken { class, number, .. } => DeskError::Refused(Reason::Taken { number, class }),
        EnrolError::Store(error) => error.into(),
        EnrolError::Journal(error) => error.into(),
        error => DeskError::Refused(Reason::Other(error.to_string())),
    }
}

fn admit(journal: &Journal, class: &ClassId, number: &str, consents: bool, by: &str) -> Result<Person, DeskError> {
    let reader = journal.store().read()?;
    let person = reader
        .person(class, number)?
        .ok_or_else(|| DeskError::Refused(Reason::NotOnRoster { number: number.into(), class: class.clone() }))?;
    let stands = reader.consent(class, number)?.is_some_and(|consent| consent.given);
    drop(reader);
    if !stands && !consents {
        return Err(DeskError::Refused(Reason::NoConsent));
    }
    if !stands {
        journal.give_consent(class, number, &super::notice_sha256(), by)?;
    }
    Ok(person)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing;

    type Answer = tokio::sync::oneshot::Receiver<Result<Enrolled, DeskError>>;

    fn session(began: Instant, trouble: Option<Reason>) -> (Session, Answer) {
        let class = testing::class("2026-001", &["1"], &["T1"]);
        let (reply, answer) = tokio::sync::oneshot::channel();
        let session = Session {
            class: class.id.clone(),
            person: class.trainees[0].clone(),
            by: "kiosk:T1".into(),
            began,
            good: Vec::new(),
            last_good: None,
            best: None,
            hint: None,
            trouble,
            reply: Some(reply),
        };
        (session, answer)
    }

    #[test]
    fn an_enrolment_ends_in_time_and_says_why() {
        let long_ago = Instant::now().checked_sub(PATIENCE + Duration::from_secs(1)).expect("the machine runs");
        let told = |began, trouble, has_picture| {
            let (mut session, mut answer) = session(began, trouble);
            let is_over = session.look(has_picture);
            (is_over, answer.try_recv().ok().map(|answer| answer.expect_err("nobody is enrolled")))
        };
        assert!(matches!(told(Instant::now(), None, true), (false, None)));
        assert!(matches!(told(Instant::now(), None, false), (true, Some(DeskError::NoCamera))));
        assert!(matches!(told(long_ago, None, true), (true, Some(DeskError::NoGoodFace(Reason::NoFace)))));
        let small = Reason::Quality(CheckinOutcome::TooSmall, "the face is too small".into());
        let (_, error) = told(long_ago, Some(small), true);
        let Some(DeskError::NoGoodFace(reason)) = error else { panic!("{error:?}") };
        assert_eq!(reason.code(), "too_small");
    }

    #[test]
    fn who_is_a_third_as_large_is_in_front_as_well_and_who_is_smaller_is_not() {
        let seen = |pupils, presence| {
            let mut face = crate::checkin::testing::seen_at(100.0);
            (face.quality.pupil_distance_px, face.presence) = (pupils, presence);
            face
        };
        for (pupils, presence, several) in [(30.0, 1.0, 2), (29.0, 1.0, 1), (80.0, 0.89, 1)] {
            let faces = [seen(pupils, presence), seen(90.0, 1.0)];
            let face = largest(&faces).expect("two faces");
            assert_eq!((size(face), in_front(face, &faces)), (90.0, several), "{pupils} px, presence {presence}");
        }
    }

    #[test]
    fn one_face_is_never_two_peoples_though_both_are_enrolled_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(crate::clock::SystemClock::default());
        let zone = jiff::tz::TimeZone::UTC;
        let journal = Journal::initialise(folder.path(), "site", "301", clock.clone(), zone.clone()).expect("made");
        let class = testing::class("2026-001", &["1", "2"], &["T1"]);
        journal.import_class(&class, "00", crate::journal::PlanSource::File, "301").expect("imported");
        for number in ["1", "2"] {
            journal.give_consent(&class.id, number, "notice", "cli").expect("consented");
        }
        let face = Embedding::from_bytes(&1f32.to_le_bytes().repeat(192)).expect("an embedding");
        // The service and the command line have the log open at the same time.
        let start = std::sync::Barrier::new(2);
        let enrol = |number: &str| {
            let journal = Journal::open_state(folder.path(), clock.clone(), zone.clone()).expect("opened");
            start.wait();
            keep(&journal, &class.id, number, &[(face.clone(), "ab".repeat(32))], "model", "cli", 0.7)
        };
        let (one, two) = std::thread::scope(|scope| {
            let (one, two) = (scope.spawn(|| enrol("1")), scope.spawn(|| enrol("2")));
            (one.join(), two.join())
        });
        let (one, two) = (one.expect("ended"), two.expect("ended"));
        let taken = [one, two].into_iter().filter(|kept| matches!(kept, Err(EnrolError::Taken { .. }))).count();
        assert_eq!(taken, 1);
        assert_eq!(journal.store().read().expect("open").all_templates().expect("readable").len(), 1);
    }
}
