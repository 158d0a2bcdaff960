use super::*;
use crate::checkin::testing::{class, directory, face_at, good, refused, track};
use crate::class::{ClassId, Span};
use crate::clock::SystemClock;
use evidence::record::WindowKind;

/// What is told of this; nothing leaves the test's folder.
fn recorder(folder: &std::path::Path) -> Recorder {
    let file = folder.join("rollcall.toml");
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
    let config = Arc::new(Config::load(&file).expect("a config"));
    let clock = Arc::new(SystemClock::default());
    let zone = jiff::tz::TimeZone::UTC;
    let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, zone).expect("initialised");
    Recorder::new(Arc::new(journal), Arc::new(Live::default()), config, "front", &"5c".repeat(32))
}

fn decision(outcome: CheckinOutcome, class_of_one: Option<&str>) -> Decision {
    let now = crate::checkin::testing::at(8, 0, 0);
    let member = class_of_one.and_then(|id| {
        directory(&[class(id, 8, 11, "301")], &[], &[], &now).member_here(&ClassId::new(id).expect("a number"), "1")
    });
    let window = (outcome == CheckinOutcome::Accepted).then_some(WindowKind::Arrival);
    let moment = |hour, minute| crate::checkin::testing::at(hour, minute, 0).timestamp();
    let span = window.map(|_| Span { from: moment(7, 30), until: moment(8, 10) });
    Decision { member, window, span, ..Decision::of(outcome) }
}

fn record(recorder: &mut Recorder, decision: &Decision, evidence: &Evidence) -> Arc<Outcome> {
    let now = crate::checkin::testing::at(8, 0, 0);
    recorder.record(decision, evidence, &now, Instant::now()).expect("recorded")
}

#[test]
fn a_stranger_who_stays_is_recorded_once_and_another_stranger_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = recorder(folder.path());
    let unknown = decision(CheckinOutcome::Unknown, None);
    track([good(100.0, &face_at(0.0))], 100, |track| {
        assert!(!recorder.is_repeat(&unknown, &Evidence::Face(track)));
        record(&mut recorder, &unknown, &Evidence::Face(track));
        assert!(recorder.is_repeat(&unknown, &Evidence::Face(track)));
    });
    track([good(100.0, &face_at(50.0))], 100, |track| {
        assert!(recorder.is_repeat(&unknown, &Evidence::Face(track)), "the same head, turned");
    });
    track([good(100.0, &face_at(90.0))], 100, |track| {
        assert!(!recorder.is_repeat(&unknown, &Evidence::Face(track)), "somebody else");
    });
}

#[test]
fn a_stranger_who_comes_back_later_is_recorded_again_and_one_who_never_left_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = recorder(folder.path());
    let unknown = decision(CheckinOutcome::Unknown, None);
    track([good(100.0, &face_at(0.0))], 100, |track| {
        let seen = Evidence::Face(track);
        record(&mut recorder, &unknown, &seen);
        let now = Instant::now();
        for seconds in [20, 40, 60] {
            assert!(
                recorder.is_repeat_at(&unknown, &seen, now + Duration::from_secs(seconds)),
                "{seconds} s, still here"
            );
        }
        assert!(!recorder.is_repeat_at(&unknown, &seen, now + Duration::from_secs(91)), "gone for half a minute");
    });
}

#[test]
fn who_was_accepted_and_stays_has_not_come_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = recorder(folder.path());
    track([good(100.0, &face_at(0.0))], 100, |track| {
        let seen = Evidence::Face(track);
        let outcome = record(&mut recorder, &decision(CheckinOutcome::Accepted, Some("A")), &seen);
        assert_eq!((outcome.person.as_deref(), outcome.name.as_deref()), (Some("1"), Some("张*")));
        let again = decision(CheckinOutcome::AlreadyCheckedIn, Some("A"));
        assert!(recorder.is_repeat(&again, &seen));
        assert!(!recorder.is_repeat(&decision(CheckinOutcome::AlreadyCheckedIn, Some("B")), &seen), "another class");
        let now = Instant::now();
        for seconds in [7, 14, 21] {
            let later = now + Duration::from_secs(seconds);
            assert!(recorder.is_repeat_at(&again, &seen, later), "{seconds} s, still in sight");
        }
        assert!(!recorder.is_repeat_at(&again, &seen, now + Duration::from_secs(30)), "came back after 9 s");
    });
}

#[test]
fn who_sits_before_the_camera_during_a_lesson_is_recorded_as_outside_the_window_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = recorder(folder.path());
    let gap =
        |next: &str| Decision { next_opens: Some(next.into()), ..decision(CheckinOutcome::OutsideWindow, Some("A")) };
    track([good(100.0, &face_at(0.0))], 100, |track| {
        let (seen, early) = (Evidence::Face(track), gap("07:30"));
        record(&mut recorder, &early, &seen);
        let during = gap("11:00");
        assert!(!recorder.is_repeat(&during, &seen), "another gap between the windows");
        record(&mut recorder, &during, &seen);
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        // Each time the head is lifted again after a while.
        for minutes in [1, 5, 9, 13] {
            assert!(recorder.is_repeat_at(&during, &seen, now + minute * minutes), "{minutes} min, still here");
        }
        let code = Evidence::Qr(None);
        assert!(!recorder.is_repeat_at(&during, &code, now + minute * 13), "who holds up a code asks");
        assert!(!recorder.is_repeat_at(&during, &seen, now + minute * 18 + Duration::from_secs(1)), "came back");
    });
}

#[test]
fn a_qr_code_that_stays_in_view_is_recorded_once_and_another_outdated_one_soon() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = recorder(folder.path());
    let (again, code) = (decision(CheckinOutcome::AlreadyCheckedIn, Some("A")), Evidence::Qr(None));
    record(&mut recorder, &again, &code);
    let now = Instant::now();
    let after = |seconds| now + Duration::from_secs(seconds);
    for seconds in [7, 14, 21] {
        assert!(recorder.is_repeat_at(&again, &code, after(seconds)), "{seconds} s, still in view");
    }
    assert!(!recorder.is_repeat_at(&again, &code, after(30)), "gone for 9 s");
    let outdated = decision(CheckinOutcome::Unknown, None);
    record(&mut recorder, &outdated, &code);
    assert!(recorder.is_repeat_at(&outdated, &code, Instant::now() + Duration::from_secs(4)));
    assert!(!recorder.is_repeat_at(&outdated, &code, Instant::now() + Duration::from_secs(6)), "somebody else's");
}

#[test]
fn a_reason_to_refuse_is_recorded_once_in_twenty_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = recorder(folder.path());
    let (dark, turned) = (decision(CheckinOutcome::TooDark, None), decision(CheckinOutcome::Turned, None));
    track([refused(100.0, RefusalReason::TooDark)], 100, |track| {
        let seen = Evidence::Unusable(track);
        record(&mut recorder, &dark, &seen);
        assert!(recorder.is_repeat(&dark, &seen));
        assert!(!recorder.is_repeat(&turned, &seen), "another reason");
        assert!(recorder.is_repeat_at(&dark, &seen, Instant::now() + Duration::from_secs(19)));
        assert!(!recorder.is_repeat_at(&dark, &seen, Instant::now() + Duration::from_secs(21)));
    });
}

#[test]
fn only_an_accepted_face_keeps_a_photo_and_only_its_hash_is_in_the_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = recorder(folder.path());
    track([good(100.0, &face_at(0.0))], 100, |track| {
        let seen = Evidence::Face(track);
        let accepted = record(&mut recorder, &decision(CheckinOutcome::Accepted, Some("A")), &seen);
        let unknown = record(&mut recorder, &decision(CheckinOutcome::Unknown, None), &seen);
        let reader = recorder.journal.store().read().expect("open");
        let (_, photo) = reader.capture_of(accepted.seq).expect("readable").expect("kept");
        assert_eq!(reader.capture_of(unknown.seq).expect("readable"), None, "no photo of who is not known");
        let made =
            |seq| match reader.record(seq).expect("readable").map(|jws| evidence::jws::read_unverified(jws.as_str())) {
                Some(Ok(evidence::record::Record { data: evidence::record::Data::Checkin(made), .. })) => made,
                other => panic!("a check-in at {seq}, not {other:?}"),
            };
        assert_eq!(made(accepted.seq).photo, Some(evidence::sha256_hex(&photo)));
        // The test's clock is UTC, the day's in Shanghai.
        let bounds = (made(accepted.seq).opens, made(accepted.seq).closes);
        let moment = |text: &str| Some(format!("2026-11-{text}:00.000+00:00"));
        assert_eq!(bounds, (moment("22T23:30"), moment("23T00:10")), "the window that was open");
        assert_eq!((made(unknown.seq).opens, made(unknown.seq).closes), (None, None));
        assert_eq!(made(unknown.seq).photo, None);
    });
}

#[test]
fn what_is_no_number_is_left_out_of_the_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorder = recorder(folder.path());
    let mut seen = good(100.0, &face_at(0.0));
    seen.face.pose.yaw = f32::NAN;
    let likeness = Some(Likeness { score: f32::NAN, margin: 0.1 });
    let unknown = Decision { likeness, ..decision(CheckinOutcome::Unknown, None) };
    track([seen], 100, |track| {
        let seq = record(&mut recorder, &unknown, &Evidence::Face(track)).seq;
        let rows = recorder.journal.store().read().expect("open").records(seq, 1, usize::MAX).expect("readable");
        let written = evidence::jws::read_unverified(rows[0].as_str()).expect("a record that can be read");
        let evidence::record::Data::Checkin(checkin) = written.data else { panic!("{written:?}") };
        assert_eq!((checkin.likeness, checkin.quality), (None, None));
    });
}
