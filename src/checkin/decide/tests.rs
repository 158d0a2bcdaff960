use super::*;
use crate::checkin::testing::*;
use crate::config::CheckinConfig;
use crate::vision::RefusalReason;
use evidence::record::Role;
use evidence::record::WindowKind::{Arrival, Departure};

fn member(directory: &Directory, class: &str, number: &str) -> Member {
    let class = crate::class::ClassId::new(class).expect("a number");
    directory.member_here(&class, number).expect("on the roster")
}

/// What comes of trainee 1 of class A, whose lesson is from 8 to 11, at this time.
fn at_time(now: ZonedDateTime) -> (CheckinOutcome, Option<WindowKind>, Option<String>) {
    let directory = directory(&[class("A", 8, 11, "301")], &[], &[], &now);
    let decision = decide_member(&[member(&directory, "A", "1")], &directory, &now);
    (decision.outcome, decision.window, decision.next_opens)
}

#[test]
fn a_window_is_open_from_its_first_second_up_to_but_not_including_its_last() {
    let outside = |next: Option<&str>| (CheckinOutcome::OutsideWindow, None, next.map(str::to_owned));
    let accepted = |window| (CheckinOutcome::Accepted, Some(window), None);
    assert_eq!(at_time(at(7, 29, 59)), outside(Some("07:30")));
    assert_eq!(at_time(at(7, 30, 0)), accepted(Arrival));
    assert_eq!(at_time(at(8, 9, 59)), accepted(Arrival));
    assert_eq!(at_time(at(8, 10, 0)), outside(Some("11:00")));
    assert_eq!(at_time(at(10, 59, 59)), outside(Some("11:00")));
    assert_eq!(at_time(at(11, 0, 0)), accepted(Departure));
    assert_eq!(at_time(at(11, 29, 59)), accepted(Departure));
    assert_eq!(at_time(at(11, 30, 0)), outside(None));
}

#[test]
fn who_comes_outside_every_window_is_told_whether_it_is_too_early_or_too_late() {
    let told = |accepted: &[WindowKind], now: ZonedDateTime| {
        let accepted: Vec<_> = accepted.iter().map(|kind| ("A", "1", *kind)).collect();
        let directory = directory(&[class("A", 8, 11, "301")], &[], &accepted, &now);
        let decision = decide_member(&[member(&directory, "A", "1")], &directory, &now);
        (decision.outside, decision.last_closed, decision.next_opens)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(told(&[], at(7, 0, 0)), (Some(Outside::BeforeArrival), None, text("07:30")));
    assert_eq!(told(&[], at(8, 10, 0)), (Some(Outside::AfterArrival), text("08:10"), text("11:00")));
    assert_eq!(told(&[Arrival], at(8, 10, 0)), (Some(Outside::BeforeDeparture), None, text("11:00")));
    assert_eq!(told(&[Arrival], at(12, 0, 0)), (Some(Outside::AfterDeparture), text("11:30"), None));
    assert_eq!(told(&[Arrival, Departure], at(12, 0, 0)), (Some(Outside::Done), None, None));
    assert_eq!(told(&[], at(8, 0, 0)), (None, None, None), "a window is open");
    // A morning class that was left without a word, and one in the afternoon.
    let now = at(13, 0, 0);
    let directory = directory(&[class("A", 14, 16, "301"), class("B", 8, 10, "301")], &[], &[], &now);
    let both = [member(&directory, "A", "1"), member(&directory, "B", "1")];
    let decision = decide_member(&both, &directory, &now);
    assert_eq!((decision.outside, decision.last_closed), (Some(Outside::BeforeArrival), None));
}

#[test]
fn who_was_accepted_in_this_window_has_already_checked_in_but_not_for_the_next_one() {
    let now = at(7, 45, 0);
    let mut directory = directory(&[class("A", 8, 11, "301")], &[], &[], &now);
    let one = member(&directory, "A", "1");
    assert_eq!(decide_member(std::slice::from_ref(&one), &directory, &now).outcome, CheckinOutcome::Accepted);
    directory.accept(&one, Arrival);
    let again = decide_member(std::slice::from_ref(&one), &directory, &now);
    assert_eq!((again.outcome, again.window), (CheckinOutcome::AlreadyCheckedIn, Some(Arrival)));
    let bounds = again.span.map(|span| (span.from, span.until));
    assert_eq!(bounds, Some((at(7, 30, 0).timestamp(), at(8, 10, 0).timestamp())), "as the record will tell");
    let two = member(&directory, "A", "2");
    assert_eq!(decide_member(&[two], &directory, &now).outcome, CheckinOutcome::Accepted, "another person");
    let leaving = decide_member(&[one], &directory, &at(11, 5, 0));
    assert_eq!((leaving.outcome, leaving.window), (CheckinOutcome::Accepted, Some(Departure)));
}

#[test]
fn who_is_in_two_classes_at_once_is_accepted_in_each_in_turn() {
    let now = at(7, 45, 0);
    let mut directory = directory(&[class("A", 8, 11, "301"), class("B", 8, 10, "301")], &[], &[], &now);
    let both = [member(&directory, "A", "1"), member(&directory, "B", "1")];
    let mut seen = Vec::new();
    for _ in 0..3 {
        let decision = decide_member(&both, &directory, &now);
        let member = decision.member.expect("known");
        if let (CheckinOutcome::Accepted, Some(window)) = (decision.outcome, decision.window) {
            directory.accept(&member, window);
        }
        seen.push((decision.outcome, member.class.to_string()));
    }
    let a = || "A".to_owned();
    let (accepted, already) = (CheckinOutcome::Accepted, CheckinOutcome::AlreadyCheckedIn);
    assert_eq!(seen, [(accepted, a()), (accepted, "B".to_owned()), (already, a())]);
}

#[test]
fn of_two_classes_the_one_whose_window_is_open_counts_and_else_the_one_that_opens_first() {
    let classes = [class("A", 14, 16, "301"), class("B", 8, 10, "301")];
    let directory = directory(&classes, &[], &[], &at(7, 0, 0));
    let both = [member(&directory, "A", "1"), member(&directory, "B", "1")];
    let decided = |now| {
        let decision = decide_member(&both, &directory, &now);
        (decision.outcome, decision.member.expect("known").class.to_string(), decision.next_opens)
    };
    let outside = CheckinOutcome::OutsideWindow;
    assert_eq!(decided(at(7, 0, 0)), (outside, "B".into(), Some("07:30".into())));
    assert_eq!(decided(at(7, 40, 0)), (CheckinOutcome::Accepted, "B".into(), None));
    assert_eq!(decided(at(13, 0, 0)), (outside, "A".into(), Some("13:30".into())));
    assert_eq!(decided(at(13, 40, 0)), (CheckinOutcome::Accepted, "A".into(), None));
}

#[test]
fn lessons_in_another_room_open_no_window_here_and_nobody_is_missing_for_them() {
    let mut class = class("A", 8, 10, "205");
    let mut afternoon = class.lessons[0].clone();
    (afternoon.room, afternoon.start, afternoon.end) =
        ("301".into(), jiff::civil::time(13, 30, 0, 0), jiff::civil::time(16, 30, 0, 0));
    class.lessons.push(afternoon);
    let mut directory = directory(&[class], &[], &[], &at(8, 0, 0));
    let one = member(&directory, "A", "1");
    let decided = |directory: &Directory, now| {
        let decision = decide_member(std::slice::from_ref(&one), directory, &now);
        (decision.outcome, decision.window, decision.outside, decision.next_opens)
    };
    let outside = CheckinOutcome::OutsideWindow;
    let early = (outside, None, Some(Outside::BeforeArrival), Some("13:00".to_owned()));
    assert_eq!(decided(&directory, at(8, 0, 0)), early, "they are in the other room");
    assert_eq!(decided(&directory, at(10, 5, 0)), early, "and leave that one");
    assert_eq!(decided(&directory, at(13, 10, 0)), (CheckinOutcome::Accepted, Some(Arrival), None, None));
    directory.accept(&one, Arrival);
    assert_eq!(decided(&directory, at(13, 10, 0)), (CheckinOutcome::AlreadyCheckedIn, Some(Arrival), None, None));
    assert_eq!(decided(&directory, at(16, 40, 0)), (CheckinOutcome::Accepted, Some(Departure), None, None));
}

#[test]
fn a_teacher_checks_in_like_a_trainee_and_the_decision_says_that_it_is_one() {
    let now = at(8, 5, 0);
    let templates = [template("A", "T1", face_at(0.0))];
    let directory = directory(&[class("A", 8, 11, "301")], &templates, &[], &now);
    let decision = decide(directory.identify(&face_at(10.0), &limits()), &directory, &now);
    let teacher = decision.member.expect("known");
    assert_eq!((decision.outcome, &*teacher.number, teacher.role), (CheckinOutcome::Accepted, "T1", Role::Teacher));
}

#[test]
fn in_no_class_of_today_and_in_no_class_at_all_are_told_apart() {
    let now = at(7, 45, 0);
    let classes = [class("A", 8, 11, "301"), class("B", 8, 11, "205")];
    let templates = [template("A", "1", face_at(0.0)), template("B", "2", face_at(90.0))];
    let directory = directory(&classes, &templates, &[], &now);
    let decided = |degrees: f32| {
        let decision = decide(directory.identify(&face_at(degrees), &limits()), &directory, &now);
        (decision.outcome, decision.member.map(|member| format!("{} {}", member.class, member.number)))
    };
    assert_eq!(decided(5.0), (CheckinOutcome::Accepted, Some("A 1".into())));
    assert_eq!(decided(85.0), (CheckinOutcome::NotInClass, Some("B 2".into())), "a class in another room");
    assert_eq!(decided(200.0), (CheckinOutcome::Unknown, None));
}

fn limits() -> crate::config::DecisionConfig {
    crate::config::DecisionConfig::default()
}

/// The outcome of a track of frames, one every 100 ms, that were all refused for this reason.
fn refusal(frames: usize, observation: impl Fn() -> super::super::track::Observation) -> Option<CheckinOutcome> {
    let mut outcome = None;
    track((0..frames).map(|_| observation()), 100, |track| {
        outcome = refuse(track, &CheckinConfig::default()).map(|decision| decision.outcome);
    });
    outcome
}

#[test]
fn a_face_that_cannot_be_used_is_refused_after_two_and_a_half_seconds_and_not_before() {
    for (reason, outcome) in [
        (RefusalReason::TooSmall, CheckinOutcome::TooSmall),
        (RefusalReason::TooDark, CheckinOutcome::TooDark),
        (RefusalReason::TooBright, CheckinOutcome::TooBright),
        (RefusalReason::Turned, CheckinOutcome::Turned),
        (RefusalReason::Blurred, CheckinOutcome::Blurred),
        (RefusalReason::CutOff, CheckinOutcome::CutOff),
    ] {
        assert_eq!(refusal(25, || refused(100.0, reason)), None, "2.4 s");
        assert_eq!(refusal(26, || refused(100.0, reason)), Some(outcome), "2.5 s");
    }
}

#[test]
fn a_face_that_was_good_once_is_not_refused() {
    let frames = (0..40).map(|number| match number {
        3 => good(100.0, &face_at(0.0)),
        _ => refused(100.0, RefusalReason::TooDark),
    });
    track(frames, 100, |track| assert_eq!(refuse(track, &CheckinConfig::default()), None));
}

#[test]
fn who_only_passes_by_in_the_background_is_not_told_to_come_closer() {
    let far = |pupil_distance_px, yaw| {
        move || {
            let mut observation = refused(100.0, RefusalReason::TooSmall);
            observation.face.quality.pupil_distance_px = pupil_distance_px;
            observation.face.pose.yaw = yaw;
            observation
        }
    };
    assert_eq!(refusal(30, far(20.0, 0.0)), Some(CheckinOutcome::TooSmall));
    assert_eq!(refusal(30, far(8.0, 0.0)), None, "too far away to mean it");
    assert_eq!(refusal(30, far(20.0, 60.0)), None, "looks elsewhere");
}
