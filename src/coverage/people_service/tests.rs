use super::*;
use crate::clock::{Clock, TestClock};
use crate::coverage::close_left_open;
use crate::journal::{PlanSource, testing};
use evidence::record::Data;

#[test]
fn a_finding_that_somebody_else_has_ended_does_not_end_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
    let config = Config::load(&file).expect("a config");
    let clock = Arc::new(TestClock::at("2026-11-23T01:00:00Z".parse().expect("a time")));
    let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock.clone(), config.timezone());
    let journal = Arc::new(journal.expect("initialised"));
    let class = testing::class("2026-001", &["1"], &["T1"]);
    journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    let new = NewFinding {
        what: FindingKind::FewPeople,
        camera: None,
        workstation: None,
        class: Some(class.id.clone()),
        start: clock.now(),
        measured: BTreeMap::new(),
    };
    journal.begin_finding(new, None).expect("begins");
    // An earlier run's, which the start ends after the look has learnt of it.
    let mut looker = Looker::new(&config, journal.clone());
    looker.resume().expect("reads");
    close_left_open(&journal).expect("ended");
    looker.take(clock.now(), &[]).expect("nothing is left to end");
    let records = journal.store().read().expect("reads").records(0, 100, usize::MAX).expect("reads");
    let ends = records.iter().filter(|record| {
        let data = evidence::jws::read_unverified(record.as_str()).expect("a record").data;
        matches!(data, Data::Finding(finding) if finding.end.is_some())
    });
    assert_eq!(ends.count(), 1);
}

/// A practice lesson before two cameras, and two trainees who have checked in.
struct Room {
    _folder: tempfile::TempDir,
    journal: Arc<Journal>,
    looker: Looker,
}

fn room() -> Room {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
    let config = Config::load(&file).expect("a config");
    let clock = Arc::new(TestClock::at(at(0)));
    let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, config.timezone());
    let journal = Arc::new(journal.expect("initialised"));
    let mut class = testing::class("2026-001", &["1", "2"], &["T1"]);
    let lesson = &mut class.lessons[0];
    lesson.kind = LessonKind::Practice;
    (lesson.cameras, lesson.workstations) = (vec!["back".into(), "front".into()], vec!["1".into(), "2".into()]);
    journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    for person in ["1", "2"] {
        journal.check_in(testing::checkin("2026-001", person, "2026-11-23"), None).expect("checked in");
    }
    let looker = Looker::new(&config, journal.clone());
    Room { _folder: folder, journal, looker }
}

/// So many seconds into the lesson.
fn at(seconds: i64) -> Timestamp {
    "2026-11-23T00:10:00Z".parse::<Timestamp>().expect("a time") + SignedDuration::from_secs(seconds)
}

fn person(x: f32) -> PersonBox {
    PersonBox { x, y: 0.3, width: 0.1, height: 0.4, score: 0.9 }
}

impl Room {
    fn find(&self, what: FindingKind, camera: &str) {
        let (camera, class) = (Some(camera.to_owned()), None);
        let new = NewFinding { what, camera, workstation: None, class, start: at(0), measured: BTreeMap::new() };
        self.journal.begin_finding(new, None).expect("begins");
    }

    /// Whether too few people are found when each look of a quarter of an hour shows these.
    fn finds_few(&mut self, back: &[PersonBox], front: Option<&[PersonBox]>) -> bool {
        let seen = |camera: &str, people: Option<&[PersonBox]>| Seen {
            camera: camera.into(),
            people: people.map(<[_]>::to_vec),
            thumbnail: None,
        };
        for look in 0..30 {
            let seen = [seen("back", Some(back)), seen("front", front)];
            self.looker.take(at(look * 30), &seen).expect("taken");
        }
        let open = self.journal.store().read().expect("reads").open_findings().expect("reads");
        open.iter().any(|row| row.what == FindingKind::FewPeople)
    }
}

#[test]
fn fewer_than_have_checked_in_are_found() {
    assert!(room().finds_few(&[person(0.1)], None));
    assert!(!room().finds_few(&[person(0.1), person(0.5)], None));
}

#[test]
fn an_old_picture_proves_nobody_to_be_there() {
    let mut room = room();
    room.find(FindingKind::Looped, "back");
    assert!(room.finds_few(&[person(0.1), person(0.5)], Some(&[person(0.1)])));
}

#[test]
fn a_picture_that_shows_nothing_proves_nobody_to_be_missing() {
    let mut room = room();
    room.find(FindingKind::Covered, "back");
    assert!(!room.finds_few(&[], None));
}

#[test]
fn cameras_that_show_another_half_of_the_workshop_each_count_together() {
    let marked = |room: &Room, camera: &str, workstation: &str| {
        let polygon = vec![[0.1, 0.5], [0.4, 0.5], [0.4, 0.8], [0.1, 0.8]];
        let marks = [Workstation { workstation: workstation.into(), polygon }];
        let jpeg = Picture::black(64, 36).to_jpeg(90).expect("encodes");
        room.journal.set_reference(camera, &jpeg, &marks, "staff:T1").expect("set");
    };
    let halves = |what: Option<FindingKind>| {
        let mut room = room();
        marked(&room, "back", "1");
        marked(&room, "front", "2");
        what.into_iter().for_each(|what| room.find(what, "front"));
        room.finds_few(&[person(0.2)], Some(&[person(0.2)]))
    };
    assert!(!halves(None));
    assert!(halves(Some(FindingKind::Moved)), "its workstations lie somewhere else now");
}
