//! Erasing what is kept of a person, at the person's request. The log stays whole: it names nobody.

use super::{Batch, Journal, JournalError};
use crate::class::{ClassId, Person};
use crate::store::{FormerPerson, StoreError, View};
use evidence::record::{Data, Erasure};

/// What is kept of a person beside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Face templates.
    pub templates: usize,
    /// Photos of accepted check-ins.
    pub photos: usize,
    /// Whether consent to face recognition stands.
    pub consents: bool,
    /// Name, ID-card number and 备案号.
    pub identity: Identity,
}

/// Whether name and ID-card number of a person are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// On the roster of a class that is not closed: there they stay until the person has left it.
    OnRoster,
    /// Of a class that is closed, or of a roster that the person has left.
    Kept,
    /// They are not.
    Gone,
}

impl Kept {
    /// Whether there is anything to erase.
    pub fn is_anything(&self) -> bool {
        self.templates > 0 || self.photos > 0 || self.consents || self.identity == Identity::Kept
    }
}

impl Journal {
    /// What is kept of a person. Refused where nobody has, or had, that number.
    pub fn kept_of(&self, class: &ClassId, number: &str) -> Result<Kept, JournalError> {
        Ok(kept(&*self.store().read()?, class, number)?.0)
    }

    /// Erases a person's templates and the photos of their check-ins, with a record that says so; consent stands withdrawn.
    /// Name and ID-card number go too, unless the person is on the roster of a class that is not closed. Tells what was kept;
    /// refused where that is nothing. `by` as for [`Journal::give_consent`].
    pub fn erase_at_request(&self, class: &ClassId, number: &str, by: &str) -> Result<Kept, JournalError> {
        self.transaction(|batch| {
            let (kept, person) = kept(batch, class, number)?;
            if !kept.is_anything() {
                return Err(JournalError::Refused(nothing(class, number, kept.identity)));
            }
            if let Some(consent) = batch.consent(class, number)?.filter(|consent| consent.given) {
                batch.record_consent(class, number, false, &consent.notice, by)?;
            }
            batch.append(Data::Erasure(Erasure {
                class: class.to_string(),
                person: number.into(),
                reason: "request".into(),
                photos: true,
            }))?;
            if kept.identity == Identity::Kept
                && let Some(person) = person
            {
                erase_identity(batch, class, &person)?;
            }
            Ok(kept)
        })
    }
}

fn nothing(class: &ClassId, number: &str, identity: Identity) -> String {
    match identity {
        Identity::OnRoster => format!(
            "{number} of class {class}: nothing is kept but the entry on the roster; import the class without them, and it can be \
             erased"
        ),
        _ => format!("{number} of class {class}: everything is erased already"),
    }
}

/// What is kept, and the person with the name where it is.
fn kept(view: &View, class: &ClassId, number: &str) -> Result<(Kept, Option<Person>), JournalError> {
    let row = view.class(class)?.ok_or_else(|| JournalError::Refused(format!("class {class} is not known")))?;
    let on_roster = row.class.person(number).cloned();
    let former = view.former_people(class)?.into_iter().find(|former| former.number() == number);
    let (identity, person) = match (on_roster, former) {
        (Some(person), _) if row.closed.is_none() => (Identity::OnRoster, Some(person)),
        (Some(person), _) if !person.is_erased() => (Identity::Kept, Some(person)),
        (_, Some(FormerPerson::Known(person))) => (Identity::Kept, Some(person)),
        (Some(_), _) | (_, Some(FormerPerson::Erased(_))) => (Identity::Gone, None),
        (None, None) => {
            let why = format!("nobody has the number {number} in class {class}, or nothing is kept of who had it");
            return Err(JournalError::Refused(why));
        }
    };
    let kept = Kept {
        templates: view.templates_of(class, number)?,
        photos: view.captures_of(class.as_str(), number, i64::MAX as u64)?,
        consents: view.consent(class, number)?.is_some_and(|consent| consent.given),
        identity,
    };
    Ok((kept, person))
}

/// Leaves the number, and, where records tell of its owner, what tells whether another has it.
fn erase_identity(batch: &mut Batch<'_>, class: &ClassId, person: &Person) -> Result<(), StoreError> {
    if batch.has_checked_in(class, &person.number)? {
        batch.reduce_former_person(class, person)?;
    }
    batch.blank_person(class, &person.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::{Class, IdNumber};
    use crate::clock::TestClock;
    use crate::journal::testing::{checkin, class};
    use crate::journal::{EnrolledFace, PlanSource};
    use std::sync::Arc;

    /// A class in which 1, 张三 with an ID-card number, has a face enrolled and has checked in once with a photo, as 2 has.
    fn journal() -> (tempfile::TempDir, Journal, Class) {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(TestClock::at("2026-11-23T00:00:00Z".parse().expect("a time")));
        let journal = Journal::initialise(folder.path(), "site", "301", clock, jiff::tz::TimeZone::UTC).expect("made");
        let mut roster = class("c", &["1", "2"], &["T1"]);
        roster.trainees[0].name = "张三".into();
        roster.trainees[0].id_number = Some(IdNumber::new("110105198503150019").expect("well formed"));
        import(&journal, &roster).expect("imported");
        for number in ["1", "2"] {
            journal.give_consent(&roster.id, number, "00", "cli").expect("consented");
            let face = EnrolledFace { photo: "22".repeat(32), embedding: vec![0; 12] };
            let enrolled: Result<_, JournalError> =
                journal.enrol(&roster.id, number, &[face], "model", "cli", |_| Ok(()));
            enrolled.expect("enrolled");
            let photo = format!("the photo of {number}");
            journal.check_in(checkin("c", number, "2026-11-23"), Some(photo.as_bytes())).expect("in");
        }
        (folder, journal, roster)
    }

    fn import(journal: &Journal, class: &Class) -> Result<(), JournalError> {
        journal.import_class(class, "00", PlanSource::File, "301").map(|_| ())
    }

    /// Everything that the database says of people, beside the log.
    fn told(journal: &Journal, class: &ClassId) -> String {
        let reader = journal.store().read().expect("open");
        let row = reader.class(class).expect("readable").expect("known");
        let former = reader.former_people(class).expect("readable");
        format!(
            "{} {}",
            serde_json::to_string(&row.class).expect("JSON"),
            serde_json::to_string(&former).expect("JSON")
        )
    }

    #[test]
    fn templates_and_photos_of_one_person_go_and_consent_stands_withdrawn() {
        let (_folder, journal, Class { id, .. }) = journal();
        let of_others = journal.kept_of(&id, "2").expect("known");
        let kept = Kept { templates: 1, photos: 1, consents: true, identity: Identity::OnRoster };
        assert_eq!(journal.erase_at_request(&id, "1", "cli").expect("erased"), kept);
        let left = Kept { templates: 0, photos: 0, consents: false, identity: Identity::OnRoster };
        assert_eq!(journal.kept_of(&id, "1").expect("known"), left);
        assert_eq!(journal.kept_of(&id, "2").expect("known"), of_others);
        let why = journal.erase_at_request(&id, "1", "cli").expect_err("nothing is left").to_string();
        assert!(why.contains("nothing is kept but the entry on the roster"), "{why}");
        assert!(journal.erase_at_request(&id, "9", "cli").is_err(), "nobody");
        let records = journal.store().read().expect("open").records(0, 100, usize::MAX).expect("readable");
        let last = records.iter().rev().map(|jws| evidence::jws::read_unverified(jws.as_str()).expect("a record").data);
        let last: Vec<Data> = last.take(2).collect();
        assert!(matches!(&last[0], Data::Erasure(Erasure { reason, photos: true, .. }) if reason == "request"));
        assert!(matches!(&last[1], Data::Consent(consent) if !consent.given && consent.person == "1"));
    }

    #[test]
    fn who_has_left_the_roster_is_forgotten_and_the_number_stays_theirs() {
        let (_folder, journal, roster) = journal();
        let id = &roster.id;
        import(&journal, &class("c", &["2"], &["T1"])).expect("they leave");
        assert!(told(&journal, id).contains("张三"));
        assert_eq!(journal.erase_at_request(id, "1", "cli").expect("erased").identity, Identity::Kept);
        let left = told(&journal, id);
        assert!(!left.contains("张三") && !left.contains("110105198503150019"), "{left}");
        let why = journal.erase_at_request(id, "1", "cli").expect_err("nothing is left").to_string();
        assert!(why.contains("erased already"), "{why}");
        let mut other = roster.clone();
        other.trainees[0].name = "李四".into();
        other.trainees[0].id_number = Some(IdNumber::new("110105198503150027").expect("well formed"));
        let why = import(&journal, &other).expect_err("another has the number").to_string();
        assert!(why.contains("number 1 of class c") && why.contains("erased"), "{why}");
        import(&journal, &roster).expect("who is back, back");
    }

    #[test]
    fn who_was_in_a_class_that_is_closed_is_forgotten_too() {
        let (_folder, journal, roster) = journal();
        let id = &roster.id;
        journal.close_class(id).expect("closed");
        let kept = Kept { templates: 0, photos: 1, consents: true, identity: Identity::Kept };
        assert_eq!(journal.erase_at_request(id, "1", "cli").expect("erased"), kept);
        let left = told(&journal, id);
        assert!(!left.contains("张三") && !left.contains("110105198503150019") && left.contains("张2"), "{left}");
        assert!(journal.erase_at_request(id, "1", "cli").is_err(), "nothing is left");
        // The class is opened again.
        let mut other = roster.clone();
        (other.trainees[0].name, other.trainees[0].id_number) = ("李四".into(), None);
        import(&journal, &other).expect_err("another has the number");
        import(&journal, &roster).expect("the same person");
        assert_eq!(journal.kept_of(id, "1").expect("known").identity, Identity::OnRoster);
    }
}
