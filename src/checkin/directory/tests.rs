use super::*;
use crate::checkin::testing::*;

fn limits() -> DecisionConfig {
    DecisionConfig::default()
}

/// Whom a face is taken for: `here A 1`, `elsewhere B 2`, or `nobody`.
fn identified(directory: &Directory, face: &Embedding) -> String {
    let names = |members: Vec<Member>| {
        members.iter().map(|member| format!(" {} {}", member.class, member.number)).collect::<String>()
    };
    match directory.identify(face, &limits()) {
        Identity::Here(members, _) => format!("here{}", names(members)),
        Identity::Elsewhere(members, _) => format!("elsewhere{}", names(members)),
        Identity::Nobody(_) => "nobody".into(),
    }
}

#[test]
fn a_face_below_the_threshold_is_nobodys() {
    let directory = directory(&[class("A", 8, 11, "301")], &[template("A", "1", face_at(0.0))], &[], &at(8, 0, 0));
    // The cosine of 43° is 0.731, that of 44° is 0.719; the threshold is 0.73.
    assert_eq!(identified(&directory, &face_at(43.0)), "here A 1");
    assert_eq!(identified(&directory, &face_at(44.0)), "nobody");
}

#[test]
fn a_face_that_is_no_direction_is_nobodys() {
    let classes = [class("A", 8, 11, "301"), class("B", 8, 11, "205")];
    let broken = face([f32::NAN, 1.0, 0.0]);
    let templates =
        [template("A", "1", face_at(0.0)), template("A", "2", broken.clone()), template("B", "2", face_at(90.0))];
    let directory = directory(&classes, &templates, &[], &at(8, 0, 0));
    let nobody = Identity::Nobody(Likeness { score: 0.0, margin: 0.0 });
    assert_eq!(directory.identify(&broken, &limits()), nobody, "with likenesses that a record can hold");
    // A template that is none makes nobody else unknown.
    assert_eq!(identified(&directory, &face_at(3.0)), "here A 1");
}

#[test]
fn a_face_between_two_people_is_nobodys_whichever_class_they_are_in() {
    let now = at(8, 0, 0);
    let classes = [class("A", 8, 11, "301"), class("B", 8, 11, "205")];
    for other in [template("A", "2", face_at(40.0)), template("B", "2", face_at(40.0))] {
        let name = format!("{} {}", other.class, other.number);
        let place = if other.class.as_str() == "A" { "here" } else { "elsewhere" };
        let directory = directory(&classes, &[template("A", "1", face_at(0.0)), other], &[], &now);
        // Both are over the threshold everywhere between them; only the lead differs.
        assert_eq!(identified(&directory, &face_at(10.0)), "here A 1", "against {name}");
        assert_eq!(identified(&directory, &face_at(18.0)), "nobody", "against {name}");
        assert_eq!(identified(&directory, &face_at(22.0)), "nobody", "against {name}");
        assert_eq!(identified(&directory, &face_at(30.0)), format!("{place} {name}"));
    }
}

#[test]
fn one_persons_faces_in_two_classes_are_no_rivals() {
    let now = at(8, 0, 0);
    let (mut here, mut elsewhere) = (class("A", 8, 11, "301"), class("B", 8, 11, "205"));
    same_person(&mut here, 0);
    same_person(&mut elsewhere, 1);
    let templates = [template("A", "1", face_at(0.0)), template("B", "2", face_at(5.0))];
    let directory = directory(&[here, elsewhere], &templates, &[], &now);
    assert_eq!(identified(&directory, &face_at(3.0)), "here A 1");
}

#[test]
fn who_was_enrolled_for_another_class_is_known_in_todays_as_well() {
    let now = at(8, 0, 0);
    let (mut here, mut elsewhere) = (class("A", 8, 11, "301"), class("B", 8, 11, "205"));
    same_person(&mut here, 0);
    same_person(&mut elsewhere, 1);
    let directory = directory(&[here, elsewhere], &[template("B", "2", face_at(0.0))], &[], &now);
    assert_eq!(identified(&directory, &face_at(3.0)), "here A 1");
}

#[test]
fn who_declines_in_a_class_is_not_recognised_for_it_by_a_face_enrolled_for_another() {
    let now = at(8, 0, 0);
    let classes = ["A", "B", "C"].map(|id| {
        let mut class = class(id, 8, 11, if id == "A" { "205" } else { "301" });
        same_person(&mut class, 0);
        class
    });
    let templates = [template("A", "1", face_at(0.0))];
    let seen = |declined: &[(&str, &str)]| {
        identified(&directory_where(&classes, &templates, declined, &[], &now), &face_at(3.0))
    };
    assert_eq!(seen(&[]), "here B 1 C 1");
    assert_eq!(seen(&[("B", "1")]), "here C 1");
    assert_eq!(seen(&[("B", "1"), ("C", "1")]), "nobody", "not even as somebody of another class");
    assert_eq!(seen(&[("B", "2")]), "here B 1 C 1");
}

#[test]
fn a_class_without_a_lesson_here_today_is_elsewhere() {
    let templates = [template("A", "1", face_at(0.0))];
    let mut yesterday = class("A", 8, 11, "301");
    yesterday.lessons[0].date = jiff::civil::date(2026, 11, 22);
    for (class, whose) in [
        (class("A", 8, 11, "301"), "here A 1"),
        (class("A", 8, 11, ""), "here A 1"),
        (class("A", 8, 11, "205"), "elsewhere A 1"),
        (yesterday, "elsewhere A 1"),
    ] {
        let directory = directory(&[class], &templates, &[], &at(8, 0, 0));
        assert_eq!(identified(&directory, &face_at(3.0)), whose);
    }
}

#[test]
fn an_empty_gallery_knows_nobody() {
    let directory = directory(&[class("A", 8, 11, "301")], &[], &[], &at(8, 0, 0));
    assert_eq!(identified(&directory, &face_at(0.0)), "nobody");
}

#[test]
fn check_ins_accepted_before_a_restart_stay_accepted() {
    let accepted = [("A", "1", WindowKind::Arrival)];
    let directory = directory(&[class("A", 8, 11, "301")], &[], &accepted, &at(8, 0, 0));
    let one = directory.member_here(&ClassId::new("A").expect("a number"), "1").expect("on the roster");
    assert!(directory.is_accepted(&one, WindowKind::Arrival));
    assert!(!directory.is_accepted(&one, WindowKind::Departure));
}
