//! From samples and findings to spans of sight. What passes by without becoming a finding counts as visible; what
//! becomes one is hidden from its first sample on. What nobody has looked at stays unknown. Pure.

use super::findings::Change;
use super::picture::Sample;
use crate::store::{Sight, SightRow};
use evidence::record::{FindingKind, HiddenCause};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Between two samples that are farther apart than this, nobody knows.
pub(super) const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Stands for a workstation's name where a row tells that the picture as a whole could be judged; no workstation has it.
pub(super) const WHOLE_PICTURE: &str = "";

/// One camera's sights of its workstations, and of the picture as a whole.
pub(super) struct Sights {
    camera: String,
    runs: BTreeMap<String, Run>,
    /// Findings about the whole picture that go on and hide all that is in it.
    over_all: Vec<FindingKind>,
    /// Findings about a workstation that go on.
    hidden: BTreeMap<String, HiddenCause>,
    /// What is to be written down, in order.
    rows: Vec<SightRow>,
    /// How long each workstation was in each state, as judged at the time.
    seconds: BTreeMap<(String, &'static str), f64>,
}

/// A workstation's present state, and since when.
#[derive(Clone, Copy)]
struct Run {
    from: Timestamp,
    until: Timestamp,
    sight: Option<Sight>,
}

impl Sights {
    pub fn new(camera: &str) -> Sights {
        Sights {
            camera: camera.into(),
            runs: BTreeMap::new(),
            over_all: Vec::new(),
            hidden: BTreeMap::new(),
            rows: Vec::new(),
            seconds: BTreeMap::new(),
        }
    }

    /// Takes a sample and what the findings made of it.
    pub fn take(&mut self, at: Timestamp, sample: &Sample, changes: &[Change]) {
        let mut runs = std::mem::take(&mut self.runs);
        runs.retain(|workstation, run| {
            let pause = at.duration_since(run.until);
            if pause <= LONGEST_PAUSE && !pause.is_negative() {
                let seconds = self.seconds.entry((workstation.clone(), state(run.sight))).or_default();
                *seconds += pause.as_secs_f64();
                run.until = at;
                true
            } else {
                self.write(workstation, run.from, run.until, run.sight);
                false
            }
        });
        for (workstation, run) in &mut runs {
            // What follows may correct it.
            self.write(workstation, run.from, run.until, run.sight);
            run.from = run.until;
        }
        for change in changes {
            self.apply(change);
            let (since, of) = match change {
                Change::Begun { since, workstation, .. } => (*since, workstation.as_ref().map(|(name, _)| name)),
                Change::Ended { end, workstation, .. } => (*end, workstation.as_ref()),
            };
            for (workstation, seen) in sample.sights.iter().filter(|(name, _)| of.is_none_or(|of| of == name)) {
                self.write(workstation, since, at, self.sight(workstation, *seen));
            }
        }
        for (workstation, seen) in &sample.sights {
            let run = Run { from: at, until: at, sight: self.sight(workstation, *seen) };
            self.runs.insert(workstation.clone(), run);
        }
        if !sample.cannot_be_judged {
            let away = Sight::Hidden(HiddenCause::OutsidePicture);
            let sight = Some(if sample.has_turned_away { away } else { Sight::Visible });
            let run = Run { from: at, until: at, sight };
            self.runs.insert(WHOLE_PICTURE.into(), run);
        }
    }

    /// Findings have ended without a sample: nobody looks any more.
    pub fn close(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply(change);
        }
        for (workstation, run) in std::mem::take(&mut self.runs) {
            self.write(&workstation, run.from, run.until, run.sight);
        }
    }

    /// What is to be written down, in order; to be given back to [`Sights::put_back`] if that fails.
    pub fn take_rows(&mut self) -> Vec<SightRow> {
        std::mem::take(&mut self.rows)
    }

    /// Keeps what could not be written down.
    pub fn put_back(&mut self, mut rows: Vec<SightRow>) {
        rows.append(&mut self.rows);
        self.rows = rows;
    }

    /// Each workstation's present state.
    pub fn now(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let workstations = self.runs.iter().filter(|(name, _)| *name != WHOLE_PICTURE);
        workstations.map(|(workstation, run)| (workstation.as_str(), state(run.sight)))
    }

    /// Seconds of each workstation in each state.
    pub fn seconds(&self) -> impl Iterator<Item = (&str, &'static str, f64)> {
        let workstations = self.seconds.iter().filter(|((name, _), _)| name != WHOLE_PICTURE);
        workstations.map(|((workstation, state), seconds)| (workstation.as_str(), *state, *seconds))
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Begun { workstation: Some((workstation, cause)), .. } => {
                self.hidden.insert(workstation.clone(), *cause);
            }
            Change::Begun { what, .. } if what.hides().is_some() => self.over_all.push(*what),
            Change::Begun { .. } => {}
            Change::Ended { workstation: Some(workstation), .. } => {
                self.hidden.remove(workstation);
            }
            Change::Ended { what, .. } => self.over_all.retain(|open| open != what),
        }
    }

    fn sight(&self, workstation: &str, seen: Option<Sight>) -> Option<Sight> {
        let finding = self.hidden.get(workstation).copied();
        let finding = finding.or_else(|| self.over_all.first().and_then(|what| what.hides()));
        finding.map(Sight::Hidden).or(seen.map(|_| Sight::Visible))
    }

    fn write(&mut self, workstation: &str, start: Timestamp, end: Timestamp, sight: Option<Sight>) {
        let Some(sight) = sight.filter(|_| start < end) else { return };
        let same = |last: &&mut SightRow| {
            last.workstation == workstation && last.sight == sight && last.end == start && last.start < start
        };
        match self.rows.last_mut().filter(same) {
            Some(last) => last.end = end,
            None => {
                let (workstation, camera) = (workstation.to_owned(), self.camera.clone());
                self.rows.push(SightRow { workstation, camera, start, end, sight });
            }
        }
    }
}

fn state(sight: Option<Sight>) -> &'static str {
    match sight {
        Some(Sight::Visible) => "visible",
        Some(Sight::Hidden(_)) => "hidden",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::journal::Journal;
    use jiff::tz::TimeZone;
    use std::sync::Arc;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn sample(seen: Option<Sight>) -> Sample {
        Sample { sights: vec![("1".into(), seen)], ..Sample::default() }
    }

    /// What the database tells after all of it, as `from–until state`.
    fn written(sights: &mut Sights) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(SystemClock::default());
        let journal = Journal::initialise(folder.path(), "site", "301", clock, TimeZone::UTC).expect("initialised");
        for row in sights.take_rows() {
            // One by one, as if each had been written when it came.
            let write = journal.store().begin().expect("begins");
            write.put_sights(&[row]).expect("written");
            write.commit().expect("committed");
        }
        let rows = journal.store().read().expect("reads").sights("1", Timestamp::MIN, Timestamp::MAX).expect("reads");
        let text = |row: &SightRow| format!("{}–{} {:?}", row.start.as_second(), row.end.as_second(), row.sight);
        rows.iter().map(text).collect()
    }

    fn begun(second: i64) -> Change {
        let workstation = Some(("1".to_owned(), HiddenCause::Obstructed));
        Change::Begun {
            what: FindingKind::WorkstationHidden,
            workstation,
            since: at(second),
            measured: BTreeMap::new(),
        }
    }

    #[test]
    fn a_passer_by_hides_nothing_and_a_finding_hides_from_its_first_sample() {
        let mut sights = Sights::new("back");
        let hidden = Some(Sight::Hidden(HiddenCause::Obstructed));
        for second in (0..20).step_by(2) {
            sights.take(at(second), &sample(if second == 8 { hidden } else { Some(Sight::Visible) }), &[]);
        }
        for second in (20..40).step_by(2) {
            let changes = if second == 26 { vec![begun(20)] } else { Vec::new() };
            sights.take(at(second), &sample(hidden), &changes);
        }
        for second in (40..50).step_by(2) {
            let what = FindingKind::WorkstationHidden;
            let (workstation, measured) = (Some("1".into()), BTreeMap::new());
            let ended = Change::Ended { what, workstation, end: at(40), is_left: false, measured };
            let changes = if second == 44 { vec![ended] } else { Vec::new() };
            sights.take(at(second), &sample(Some(Sight::Visible)), &changes);
        }
        sights.close(&[]);
        assert_eq!(written(&mut sights), ["0–20 Visible", "20–40 Hidden(Obstructed)", "40–48 Visible"]);
    }

    #[test]
    fn what_nobody_has_looked_at_or_could_tell_is_unknown() {
        let mut sights = Sights::new("back");
        let visible = sample(Some(Sight::Visible));
        sights.take(at(0), &visible, &[]);
        sights.take(at(4), &visible, &[]);
        sights.take(at(30), &visible, &[]);
        sights.take(at(32), &sample(None), &[]);
        sights.take(at(34), &visible, &[]);
        sights.take(at(36), &visible, &[]);
        // The clock is put back.
        sights.take(at(10), &visible, &[]);
        sights.take(at(12), &visible, &[]);
        sights.close(&[]);
        assert_eq!(written(&mut sights), ["0–4 Visible", "10–12 Visible", "30–32 Visible", "34–36 Visible"]);
    }

    #[test]
    fn when_the_picture_could_be_judged_is_told_whatever_was_found() {
        let mut sights = Sights::new("back");
        let covered =
            Change::Begun { what: FindingKind::Covered, workstation: None, since: at(2), measured: BTreeMap::new() };
        sights.take(at(0), &Sample::default(), &[]);
        sights.take(at(2), &Sample::default(), &[]);
        sights.take(at(4), &Sample::default(), &[covered]);
        sights.take(at(6), &Sample { cannot_be_judged: true, ..Sample::default() }, &[]);
        for second in [8, 20, 32] {
            sights.take(at(second), &Sample { cannot_be_judged: second == 8, ..Sample::default() }, &[]);
        }
        sights.take(at(34), &Sample::default(), &[]);
        sights.close(&[]);
        assert_eq!((sights.now().count(), sights.seconds().count()), (0, 0), "it is no workstation");
        let rows = sights.take_rows();
        let mut spans: Vec<_> = rows.iter().map(|row| (row.start.as_second(), row.end.as_second())).collect();
        spans.dedup();
        assert_eq!(spans, [(0, 6), (32, 34)], "key frames that come too seldom, or in another shape, show nothing");
        assert!(rows.iter().all(|row| row.workstation == WHOLE_PICTURE && row.sight == Sight::Visible));
        for second in [40, 42] {
            sights.take(at(second), &Sample { has_turned_away: true, ..Sample::default() }, &[]);
        }
        sights.close(&[]);
        let away = sights.take_rows().pop().expect("one");
        assert_eq!((away.start, away.end), (at(40), at(42)));
        assert_eq!(away.sight, Sight::Hidden(HiddenCause::OutsidePicture));
    }

    #[test]
    fn a_covered_camera_hides_every_workstation_since_it_was_covered() {
        let mut sights = Sights::new("back");
        let covered = |since| Change::Begun {
            what: FindingKind::Covered,
            workstation: None,
            since: at(since),
            measured: BTreeMap::new(),
        };
        sights.take(at(0), &sample(Some(Sight::Visible)), &[]);
        sights.take(at(2), &sample(None), &[]);
        sights.take(at(4), &sample(None), &[covered(2)]);
        sights.take(at(6), &sample(None), &[]);
        sights.close(&[]);
        assert_eq!(written(&mut sights), ["0–2 Visible", "2–6 Hidden(Covered)"]);
    }
}
