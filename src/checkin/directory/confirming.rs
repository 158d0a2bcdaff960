//! Who may confirm a QR code.

use super::*;
use crate::class::IdNumber;
use crate::journal::testing::class;

/// Who confirms the code of `number` in `of`, with these classes on the appliance, in room 301 on their day.
fn confirmers(classes: &[Class], of: &str, number: &str) -> Vec<(String, String)> {
    let now = "2026-11-23T08:00:00+08:00[Asia/Shanghai]".parse().expect("a time");
    let known = Known { classes, templates: &[], declined: &HashSet::new() };
    let directory = Directory::build(&known, [], &now, "301", &policy(), 8);
    let of = ClassId::new(of).expect("a class number");
    directory.confirmers(&of, number).into_iter().map(|who| (who.class.to_string(), who.number)).collect()
}

fn policy() -> WindowPolicy {
    WindowPolicy { arrival_before_minutes: 30, arrival_after_minutes: 10, departure_after_minutes: 30 }
}

fn elsewhere(mut class: Class) -> Class {
    class.lessons[0].room = "999".into();
    class
}

fn known(classes: &[(&str, &str)]) -> Vec<(String, String)> {
    classes.iter().map(|(class, number)| (class.to_string(), number.to_string())).collect()
}

#[test]
fn a_code_is_confirmed_by_the_class_and_a_lone_teachers_by_the_nearest_other_teacher() {
    let (one, two) = (class("A", &["1"], &["T1"]), class("A", &["1"], &["T1", "T2"]));
    let (beside, away) = (class("B", &["1"], &["T1"]), elsewhere(class("C", &[], &["T9"])));
    assert_eq!(confirmers(&[one.clone(), beside.clone()], "A", "1"), known(&[("A", "T1")]));
    assert_eq!(confirmers(&[two, beside.clone()], "A", "T1"), known(&[("A", "T2")]));
    assert_eq!(confirmers(&[one.clone(), beside, away.clone()], "A", "T1"), known(&[("B", "T1")]));
    assert_eq!(confirmers(&[one.clone(), away], "A", "T1"), known(&[("C", "T9")]));
    assert_eq!(confirmers(&[one], "A", "T1"), []);
}

#[test]
fn nobody_confirms_their_own_code_as_the_teacher_of_another_class() {
    let id_number = IdNumber::new("110101198003070017");
    let same = |mut class: Class| {
        class.teachers[0].id_number = id_number.clone().ok();
        class
    };
    assert!(id_number.is_ok());
    let (here, beside) = (same(class("A", &[], &["T1"])), same(class("B", &[], &["T5"])));
    assert_eq!(confirmers(&[here, beside], "A", "T1"), []);
}
