//! Classes, consents and templates against the newest records about them.

use super::Found;
use crate::store::{ClassRow, ConsentRow, Reader, Template};
use evidence::record::{Consent, Data, Enrolment, Plan, Record};
use std::collections::{BTreeMap, BTreeSet};

/// Class and roster number.
pub(super) type Who = (String, String);

/// What the records say last.
#[derive(Default)]
pub(super) struct People {
    plans: BTreeMap<String, (u64, Plan)>,
    /// Classes that are closed, by the record that says so.
    closed: BTreeMap<String, u64>,
    consents: BTreeMap<Who, (u64, String, Consent)>,
    enrolled: BTreeMap<Who, (u64, Enrolment)>,
    /// Whose photos were erased, by the newest record that says so.
    erased: BTreeMap<Who, u64>,
    /// Records that do not verify: what hangs on them cannot be judged.
    bad: BTreeSet<u64>,
}

impl People {
    /// Takes the next record; `None` when it does not verify.
    pub fn take(&mut self, seq: u64, record: Option<&Record>) {
        let Some(record) = record else {
            self.bad.insert(seq);
            return;
        };
        let who = |class: &String, person: &String| (class.clone(), person.clone());
        match &record.data {
            Data::Plan(plan) => {
                self.closed.remove(&plan.class);
                self.plans.insert(plan.class.clone(), (seq, plan.clone()));
            }
            Data::Closing(closing) => {
                self.closed.insert(closing.class.clone(), seq);
            }
            Data::Consent(consent) => {
                let at = who(&consent.class, &consent.person);
                self.consents.insert(at, (seq, record.time.clone(), consent.clone()));
            }
            Data::Enrolment(enrolment) => {
                self.enrolled.insert(who(&enrolment.class, &enrolment.person), (seq, enrolment.clone()));
            }
            Data::Erasure(erasure) => {
                let who = who(&erasure.class, &erasure.person);
                self.enrolled.remove(&who);
                if erasure.photos {
                    self.erased.insert(who, seq);
                }
            }
            _ => {}
        }
    }

    /// Compares them with the rows of this snapshot; tells how many templates there are.
    pub fn compare(&self, reader: &Reader<'_>, found: &mut Found) -> u64 {
        match reader.all_classes() {
            Ok(classes) => self.classes(&classes, found),
            Err(error) => found.fail("unreadable", "classes", None, error.to_string()),
        }
        match reader.consents() {
            Ok(consents) => self.consents(&consents, found),
            Err(error) => found.fail("unreadable", "consents", None, error.to_string()),
        }
        match reader.all_templates() {
            Ok(templates) => {
                self.templates(&templates, found);
                templates.len() as u64
            }
            Err(error) => {
                found.fail("unreadable", "templates", None, error.to_string());
                0
            }
        }
    }

    /// Holds the photos that are missing, and those that are there, against the erasures.
    pub fn photos(&self, reader: &Reader<'_>, missing: &[(u64, Who)], found: &mut Found) {
        let mut wrong = |seq: u64, message: String| found.fail("wrong_photo", "captures", Some(seq), message);
        for (seq, who) in missing {
            if self.erased.get(who).is_none_or(|erasure| erasure < seq) {
                wrong(*seq, format!("the photo of record {seq} is missing"));
            }
        }
        for ((class, number), seq) in &self.erased {
            match reader.captures_of(class, number, *seq) {
                Ok(0) => {}
                Ok(kept) => wrong(
                    *seq,
                    format!("{kept} photos of {number} of class {class} are kept, though record {seq} erased them"),
                ),
                Err(error) => wrong(*seq, format!("the photos of {number} of class {class}: {error}")),
            }
        }
    }

    fn classes(&self, rows: &[ClassRow], found: &mut Found) {
        let mut wrong = |seq: u64, message: String| found.fail("wrong_row", "classes", Some(seq), message);
        for row in rows.iter().filter(|row| !self.bad.contains(&row.seq)) {
            let id = row.class.id.as_str();
            match self.plans.get(id) {
                Some((seq, plan)) if *seq == row.seq && plan.sha256 == row.sha256 => {
                    let counts = (row.class.trainees.len(), row.class.teachers.len(), row.class.lessons.len());
                    let told = (plan.trainees as usize, plan.teachers as usize, plan.lessons as usize);
                    if counts != told {
                        wrong(*seq, format!("class {id} has not the people and lessons that record {seq} counts"));
                    }
                }
                _ => wrong(row.seq, format!("class {id} is not as the newest record of its plan says")),
            }
        }
        for row in rows.iter().filter(|_| self.bad.is_empty()) {
            let id = row.class.id.as_str();
            match (&row.closed, self.closed.get(id)) {
                (Some(_), None) => wrong(row.seq, format!("class {id} is closed, but no record says so")),
                (None, Some(seq)) => wrong(*seq, format!("class {id} is open, though record {seq} closed it")),
                _ => {}
            }
        }
        for (id, (seq, _)) in &self.plans {
            if !rows.iter().any(|row| row.class.id.as_str() == id) {
                wrong(*seq, format!("class {id} of record {seq} is missing"));
            }
        }
    }

    fn consents(&self, rows: &[ConsentRow], found: &mut Found) {
        let mut wrong = |seq: u64, message: String| found.fail("wrong_row", "consents", Some(seq), message);
        let mut kept = BTreeSet::new();
        for row in rows {
            let who = (row.class.to_string(), row.number.clone());
            let fits = self.consents.get(&who).is_some_and(|(seq, time, consent)| {
                (*seq, time, consent.given, &consent.notice) == (row.seq, &row.time, row.given, &row.notice)
            });
            if !fits && !self.bad.contains(&row.seq) {
                let message = format!("the consent of {} in class {} is not what the newest record says", who.1, who.0);
                wrong(row.seq, message);
            }
            kept.insert(who);
        }
        for (who, (seq, _, _)) in self.consents.iter().filter(|(who, _)| !kept.contains(*who)) {
            // Who left the roster, or whose number is another's now, is forgotten by a newer plan.
            if self.plans.get(&who.0).is_none_or(|(plan, _)| plan < seq) {
                wrong(*seq, format!("the consent of {} in class {} is missing", who.1, who.0));
            }
        }
    }

    fn templates(&self, rows: &[Template], found: &mut Found) {
        let mut wrong = |seq: u64, message: String| found.fail("wrong_row", "templates", Some(seq), message);
        let mut kept: BTreeMap<Who, Vec<&Template>> = BTreeMap::new();
        for row in rows {
            kept.entry((row.class.to_string(), row.number.clone())).or_default().push(row);
        }
        for (who, templates) in &kept {
            let seq = templates[0].seq;
            let (class, number) = who;
            match self.enrolled.get(who) {
                _ if templates.iter().any(|template| self.bad.contains(&template.seq)) => {}
                None => wrong(
                    seq,
                    format!("{number} of class {class} has templates, but no record says so, or says they were erased"),
                ),
                Some((seq, enrolment)) => {
                    let fits = templates.len() == enrolment.photos.len()
                        && templates.iter().all(|template| {
                            template.seq == *seq
                                && template.model == enrolment.model
                                && enrolment.photos.contains(&template.photo)
                        });
                    if !fits {
                        wrong(
                            *seq,
                            format!("the templates of {number} of class {class} are not those of record {seq}"),
                        );
                    }
                    if !self.consents.get(who).is_some_and(|(_, _, consent)| consent.given) {
                        wrong(*seq, format!("{number} of class {class} has templates without consent"));
                    }
                }
            }
        }
        for ((class, number), (seq, _)) in &self.enrolled {
            if !kept.contains_key(&(class.clone(), number.clone())) {
                wrong(*seq, format!("the templates of {number} of class {class} are missing"));
            }
        }
    }
}
