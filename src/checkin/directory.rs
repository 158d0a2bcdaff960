//! Who may check in here today: the classes in front of this camera, everybody else who is enrolled, and who has
//! been accepted already. A view in memory, rebuilt when the store or the date changes.
//!
//! Two galleries: `here` (classes with a lesson today in this room) decides; `elsewhere` (every other class) only
//! ever says "you are not in this class".

use crate::class::{self, Class, ClassId, Person, Window, WindowPolicy};
use crate::config::DecisionConfig;
use crate::vision::{Embedding, Gallery};
use evidence::record::{Role, WindowKind};
use jiff::ZonedDateTime;
use jiff::civil::Date;
use std::collections::{HashMap, HashSet};

/// One person in one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The class.
    pub class: ClassId,
    /// Roster number (编号).
    pub number: String,
    /// Full name; stays on the appliance.
    pub name: String,
    /// Trainee or teacher.
    pub role: Role,
}

/// Whose face it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Identity {
    /// Somebody of a class that has a lesson here today; all classes of that kind that the person is in.
    Here(Vec<Member>, Likeness),
    /// Somebody enrolled, but in no class that has a lesson here today.
    Elsewhere(Vec<Member>, Likeness),
    /// Nobody enrolled is like enough; how like the nearest was.
    Nobody(Likeness),
}

/// How like a face is to the best person, and by how much that person leads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Cosine with the best person's best template, −1 to 1.
    pub score: f32,
    /// Lead over the second best person; the score itself when there is no second.
    pub margin: f32,
}

/// A template as the store holds it.
pub struct StoredTemplate {
    /// The class that it was enrolled for.
    pub class: ClassId,
    /// Roster number in that class.
    pub number: String,
    /// The face.
    pub embedding: Embedding,
}

/// What the store knows of people.
pub struct Known<'a> {
    /// The classes that are not closed.
    pub classes: &'a [Class],
    /// Faces.
    pub templates: &'a [StoredTemplate],
    /// Who has said no to face recognition, in the class in which it was said.
    pub declined: &'a HashSet<(ClassId, String)>,
}

#[derive(Default)]
struct Human {
    here: Vec<Member>,
    /// Those of `here` in which the face may be used.
    by_face: Vec<Member>,
    elsewhere: Vec<Member>,
}

/// See the module's head.
pub struct Directory {
    /// The local date that this view is of.
    pub date: Date,
    classes: Vec<(Class, Vec<Window>)>,
    humans: Vec<Human>,
    here: Gallery,
    elsewhere: Gallery,
    accepted: HashSet<(ClassId, String, WindowKind)>,
}

impl Directory {
    /// Builds the view of `now`'s date for `room`.
    ///
    /// `accepted` holds the check-ins accepted on that date. Whoever declines face recognition in a class is not
    /// recognised for it, even by a face enrolled for another.
    pub fn build(
        known: &Known,
        accepted: impl IntoIterator<Item = (ClassId, String, WindowKind)>,
        now: &ZonedDateTime,
        room: &str,
        policy: &WindowPolicy,
        dimensions: usize,
    ) -> Directory {
        let date = now.date();
        let mut humans = Vec::new();
        let mut human_of: HashMap<(ClassId, String), usize> = HashMap::new();
        let mut by_id_number: HashMap<String, usize> = HashMap::new();
        let mut today = Vec::new();
        for class in known.classes {
            let is_here = class.is_in(room, date);
            for person in class.people() {
                let at = match person.id_number.as_ref().map(|id| id.as_str().to_owned()) {
                    Some(id_number) => *by_id_number.entry(id_number).or_insert(humans.len()),
                    None => humans.len(),
                };
                if at == humans.len() {
                    humans.push(Human::default());
                }
                let (member, human) = (member(class, person), &mut humans[at]);
                let key = (member.class.clone(), member.number.clone());
                if is_here && !known.declined.contains(&key) {
                    human.by_face.push(member.clone());
                }
                human_of.insert(key, at);
                if is_here { human.here.push(member) } else { human.elsewhere.push(member) }
            }
            if is_here {
                let windows = class::windows(class, date, room, now.time_zone(), policy);
                today.push((class.clone(), windows));
            }
        }
        let mut here = Gallery::new(dimensions);
        let mut elsewhere = Gallery::new(dimensions);
        for template in known.templates {
            if let Some(&at) = human_of.get(&(template.class.clone(), template.number.clone())) {
                match &humans[at] {
                    human if !human.by_face.is_empty() => here.add(at as u32, &template.embedding),
                    human if human.here.is_empty() => elsewhere.add(at as u32, &template.embedding),
                    _ => {}
                }
            }
        }
        Directory { date, classes: today, humans, here, elsewhere, accepted: accepted.into_iter().collect() }
    }

    /// Whose face this is, as far as the templates tell.
    pub fn identify(&self, face: &Embedding, limits: &DecisionConfig) -> Identity {
        let here = self.here.search(face);
        let elsewhere = self.elsewhere.search(face);
        let score = |found: &Option<crate::vision::Match>| found.as_ref().map_or(-1.0, |found| found.score);
        let is_here = score(&here) >= score(&elsewhere);
        let rival = if is_here { score(&elsewhere) } else { score(&here) };
        let Some(best) = (if is_here { here } else { elsewhere }) else {
            return Identity::Nobody(Likeness { score: 0.0, margin: 0.0 });
        };
        let second = best.second.map_or(-1.0, |(_, score)| score).max(rival).max(0.0);
        let likeness = Likeness { score: best.score, margin: best.score - second };
        // A face whose likeness is no number is like nobody, and is never sure.
        if likeness.score.is_nan() {
            return Identity::Nobody(Likeness { score: 0.0, margin: 0.0 });
        }
        let is_sure = likeness.score >= limits.threshold && likeness.margin >= limits.margin;
        if !is_sure {
            return Identity::Nobody(likeness);
        }
        let human = &self.humans[best.person as usize];
        if is_here {
            Identity::Here(human.by_face.clone(), likeness)
        } else {
            Identity::Elsewhere(human.elsewhere.clone(), likeness)
        }
    }

    /// The member with this number in a class that has a lesson here today.
    pub fn member_here(&self, class: &ClassId, number: &str) -> Option<Member> {
        self.classes
            .iter()
            .find(|(known, _)| &known.id == class)
            .and_then(|(known, _)| known.people().find(|person| person.number == number).map(|p| member(known, p)))
    }

    /// The window of `class` that is open at `now`.
    pub fn open_window(&self, class: &ClassId, now: &ZonedDateTime) -> Option<&Window> {
        self.windows(class).iter().find(|window| window.opens <= *now && *now < window.closes)
    }

    /// The next window of `class` today.
    pub fn next_window(&self, class: &ClassId, now: &ZonedDateTime) -> Option<&Window> {
        self.windows(class).iter().filter(|window| *now < window.opens).min_by_key(|window| window.opens.timestamp())
    }

    /// The window of `class` that closed last today.
    pub fn last_window(&self, class: &ClassId, now: &ZonedDateTime) -> Option<&Window> {
        self.windows(class).iter().filter(|window| window.closes <= *now).max_by_key(|window| window.closes.timestamp())
    }

    fn windows(&self, class: &ClassId) -> &[Window] {
        self.classes.iter().find(|(known, _)| &known.id == class).map_or(&[], |(_, windows)| windows)
    }

    /// Whether this person's check-in in this window was accepted already.
    pub fn is_accepted(&self, member: &Member, window: WindowKind) -> bool {
        self.accepted.contains(&(member.class.clone(), member.number.clone(), window))
    }

    /// Notes an accepted check-in.
    pub fn accept(&mut self, member: &Member, window: WindowKind) {
        self.accept_number(member.class.clone(), member.number.clone(), window);
    }

    /// Notes an accepted check-in of whoever has this number.
    pub fn accept_number(&mut self, class: ClassId, number: String, window: WindowKind) {
        self.accepted.insert((class, number, window));
    }

    /// The classes whose window is open, with that window; where there is none, the class whose window opens next today.
    pub fn current(&self, now: &ZonedDateTime) -> Vec<(&Class, &Window)> {
        let ahead = |window: &&Window| *now < window.closes;
        let mut current: Vec<(&Class, &Window)> = self
            .classes
            .iter()
            .filter_map(|(class, windows)| {
                windows.iter().filter(ahead).min_by_key(|w| w.opens.timestamp()).map(|w| (class, w))
            })
            .collect();
        current.sort_by_key(|(_, window)| window.opens.timestamp());
        let open = current.iter().take_while(|(_, window)| window.opens <= *now).count();
        current.truncate(open.max(1));
        current
    }

    /// The teachers who can confirm the QR code of this person: the other teachers of the class; where it has none (its
    /// only teacher's own code), those of the other classes with a lesson here today; where there are none either, any
    /// other teacher on this appliance. Nobody confirms their own code, in whatever class they teach.
    pub fn confirmers(&self, class: &ClassId, number: &str) -> Vec<Member> {
        let is_self = |human: &&Human| {
            human.here.iter().chain(&human.elsewhere).any(|member| &member.class == class && member.number == number)
        };
        let others = || self.humans.iter().filter(|human| !is_self(human));
        let teaches = |member: &&Member| member.role == Role::Teacher;
        let here: Vec<Member> = others().flat_map(|human| &human.here).filter(teaches).cloned().collect();
        let own: Vec<Member> = here.iter().filter(|member| &member.class == class).cloned().collect();
        if !own.is_empty() {
            return own;
        }
        if !here.is_empty() {
            return here;
        }
        others().flat_map(|human| &human.elsewhere).filter(teaches).cloned().collect()
    }

    /// Where the person of this QR code or roster entry is known, for one who is in no class of today.
    pub fn member_elsewhere(&self, class: &ClassId, number: &str) -> Option<Member> {
        let mut elsewhere = self.humans.iter().flat_map(|human| &human.elsewhere);
        elsewhere.find(|member| &member.class == class && member.number == number).cloned()
    }

    /// How many trainees of `class` have been accepted in `window`.
    pub fn accepted_trainees(&self, class: &Class, window: WindowKind) -> usize {
        let accepted = |person: &&Person| self.accepted.contains(&(class.id.clone(), person.number.clone(), window));
        class.trainees.iter().filter(accepted).count()
    }
}

fn member(class: &Class, person: &Person) -> Member {
    Member { class: class.id.clone(), number: person.number.clone(), name: person.name.clone(), role: person.role }
}

#[cfg(test)]
mod confirming;
#[cfg(test)]
mod tests;
