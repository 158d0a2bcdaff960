//! People at the workstations: who is where in a picture, what looks add up to, and when too few are seen for too long.
//!
//! Pure: boxes, polygons and counts in; rows, sums and the beginnings and ends of findings out. What cannot be told
//! stays unknown: it neither proves that somebody is there nor that nobody is.

use super::findings::Change;
use super::polygon::contains;
use crate::class::Span;
use crate::store::{LookRow, Sight, Workstation};
use crate::vision::PersonBox;
use evidence::record::{FindingKind, HiddenCause, PeopleSeen};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two looks for people.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Fewer people than have checked in, seen in each look for this long, are a finding.
pub const FEW_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Looks with enough people, one after another, that end it.
pub const ENOUGH_LOOKS: u32 = 2;
/// Looks farther apart than this tell nothing about the time between them.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(90);

/// Points across and down a person's box at which it is looked whether they lie in a polygon.
const GRID: usize = 8;
/// Share of a box's lower half, or of its middle, that must lie in the workstation's polygon.
const SHARE_AT: f64 = 0.35;

/// Whether a person is at the workstation with this polygon.
///
/// They are when at least 35 % of the lower half of their box (legs, or a seated person's lap and chair), or of
/// its middle half (the trunk of somebody behind a bench that hides the legs), lies in the polygon.
pub fn is_at(person: &PersonBox, polygon: &[[f64; 2]]) -> bool {
    share_at(person, polygon) >= SHARE_AT
}

/// How much of a person is at a workstation, 0 to 1.
fn share_at(person: &PersonBox, polygon: &[[f64; 2]]) -> f64 {
    share_inside(person, 0.5, 1.0, polygon).max(share_inside(person, 0.25, 0.75, polygon))
}

/// The share of a box between two heights (0 top, 1 bottom) that lies in a polygon.
fn share_inside(person: &PersonBox, from: f64, to: f64, polygon: &[[f64; 2]]) -> f64 {
    let [x, y, width, height] = [person.x, person.y, person.width, person.height].map(f64::from);
    let at = |index: usize| (index as f64 + 0.5) / GRID as f64;
    let points = (0..GRID * GRID).map(|point| {
        let (across, down) = (at(point % GRID), from + (to - from) * at(point / GRID));
        [x + width * across, y + height * down]
    });
    points.filter(|point| contains(polygon, *point)).count() as f64 / (GRID * GRID) as f64
}

/// People at a workstation, as one look at one camera tells; `None` when it cannot tell.
///
/// `sight` is how the workstation was last known to be seen in this picture. Somebody who is seen at it is there, also
/// when they are what stands before it; that nobody is there can be told only of a workstation that is visible.
pub fn people_at(people: &[PersonBox], polygon: &[[f64; 2]], sight: Option<Sight>) -> Option<u32> {
    let count = people.iter().filter(|person| is_at(person, polygon)).count() as u32;
    match sight {
        Some(Sight::Visible) => Some(count),
        None | Some(Sight::Hidden(HiddenCause::Obstructed)) => (count > 0).then_some(count),
        Some(Sight::Hidden(_)) => None,
    }
}

/// The rows of one look at one camera. `people` is `None` when the picture is none, or one in which nothing can be told.
pub fn look_rows(
    camera: &str,
    at: Timestamp,
    people: Option<&[PersonBox]>,
    workstations: &[Workstation],
    sight: impl Fn(&str) -> Option<Sight>,
) -> Vec<LookRow> {
    let row = |workstation: Option<&str>, people| LookRow {
        camera: camera.into(),
        at,
        workstation: workstation.map(str::to_owned),
        people,
    };
    let whole = row(None, people.map(|people| people.len() as u32));
    let of = |marked: &Workstation| {
        let name = &marked.workstation;
        row(Some(name), people.and_then(|people| people_at(people, &marked.polygon, sight(name))))
    };
    std::iter::once(whole).chain(workstations.iter().map(of)).collect()
}

/// The people in the room as one look at each of its cameras tells: the most that any of them shows, for cameras show
/// the same people. `None` when none can tell.
pub fn in_room(counts: impl IntoIterator<Item = Option<u32>>) -> Option<u32> {
    counts.into_iter().flatten().max()
}

/// The people at workstations as one look at each camera tells, by the workstations that its picture marks. Each person that
/// a camera shows counts at the one workstation that they are at most; at each workstation the camera counts that shows
/// most people there. So people are counted whom no camera shows all at once, and none twice who are at the same workstation
/// in all pictures; somebody between two may count at one of them for one camera and at the other for another.
pub fn at_workstations<'a>(looks: impl IntoIterator<Item = (&'a [PersonBox], &'a [Workstation])>) -> u32 {
    let mut most: BTreeMap<&str, u32> = BTreeMap::new();
    for (people, workstations) in looks {
        let mut here: BTreeMap<&str, u32> = BTreeMap::new();
        for person in people {
            let share = |marked: &&Workstation| share_at(person, &marked.polygon);
            let nearest = workstations.iter().max_by(|one, other| share(one).total_cmp(&share(other)));
            if let Some(marked) = nearest.filter(|marked| share(marked) >= SHARE_AT) {
                *here.entry(&marked.workstation).or_default() += 1;
            }
        }
        for (workstation, count) in here {
            let most = most.entry(workstation).or_default();
            *most = count.max(*most);
        }
    }
    most.into_values().sum()
}

/// How often somebody was seen at a workstation within a span. Looks of several cameras at one moment are one look:
/// somebody is there when one camera shows it, nobody when one could tell and none shows anybody.
pub fn people_seen(looks: &[LookRow], workstation: &str, span: Span) -> PeopleSeen {
    let mut moments: BTreeMap<Timestamp, Option<u32>> = BTreeMap::new();
    let in_span = |look: &&LookRow| span.from <= look.at && look.at < span.until;
    for look in looks.iter().filter(|look| look.workstation.as_deref() == Some(workstation)).filter(in_span) {
        let moment = moments.entry(look.at).or_default();
        *moment = in_room([*moment, look.people]);
    }
    let mut seen = PeopleSeen::default();
    for people in moments.into_values() {
        match people {
            None => seen.unknown += 1,
            Some(0) => seen.absent += 1,
            Some(_) => seen.present += 1,
        }
    }
    seen
}

/// The rule for too few people in one lesson.
#[derive(Debug, Clone, Default)]
pub struct FewPeople {
    /// The first of the looks, without interruption, that showed too few; and the newest.
    few: Option<(Timestamp, Timestamp)>,
    is_open: bool,
    /// Looks with enough people since the newest with too few.
    enough: u32,
    first_enough: Option<Timestamp>,
    /// Of the look that missed most: seen, expected.
    worst: Option<(u32, u32)>,
}

impl FewPeople {
    /// With a finding that an earlier run has begun.
    pub fn resumed() -> FewPeople {
        FewPeople { is_open: true, ..FewPeople::default() }
    }

    /// Whether a finding goes on.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes the next look; tells whether a finding begins or ends.
    pub fn take(&mut self, at: Timestamp, seen: Option<u32>, expected: u32) -> Option<Change> {
        let Some(seen) = seen else {
            // Nobody knows: neither "without interruption" nor "enough, one look after another" holds across it.
            (self.few, self.enough, self.first_enough) = (None, 0, None);
            return None;
        };
        if seen >= expected {
            self.few = None;
            self.enough += 1;
            let first = *self.first_enough.get_or_insert(at);
            if !self.is_open {
                self.worst = None;
                return None;
            }
            return (self.enough >= ENOUGH_LOOKS).then(|| self.end(first, false));
        }
        (self.enough, self.first_enough) = (0, None);
        let since = match self.few {
            Some((since, newest)) if at.duration_since(newest) <= LONGEST_PAUSE => since,
            _ => {
                if !self.is_open {
                    self.worst = None;
                }
                at
            }
        };
        self.few = Some((since, at));
        let missing = |(seen, expected): (u32, u32)| expected.saturating_sub(seen);
        if self.worst.is_none_or(|worst| missing((seen, expected)) > missing(worst)) {
            self.worst = Some((seen, expected));
        }
        if self.is_open || at.duration_since(since) < FEW_FOR {
            return None;
        }
        self.is_open = true;
        let measured = measured((seen, expected));
        Some(Change::Begun { what: FindingKind::FewPeople, workstation: None, since, measured })
    }

    /// The lesson is over: ends what goes on.
    pub fn close(&mut self, at: Timestamp) -> Option<Change> {
        self.is_open.then(|| self.end(at, true))
    }

    fn end(&mut self, end: Timestamp, is_left: bool) -> Change {
        let measured = self.worst.map(measured).unwrap_or_default();
        *self = FewPeople::default();
        Change::Ended { what: FindingKind::FewPeople, workstation: None, end, is_left, measured }
    }
}

fn measured((seen, expected): (u32, u32)) -> BTreeMap<String, f64> {
    BTreeMap::from([("seen".into(), f64::from(seen)), ("expected".into(), f64::from(expected))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(x: f32, y: f32, width: f32, height: f32) -> PersonBox {
        PersonBox { x, y, width, height, score: 0.9 }
    }

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    const BENCH: [[f64; 2]; 4] = [[0.3, 0.5], [0.5, 0.5], [0.5, 0.8], [0.3, 0.8]];

    #[test]
    fn somebody_standing_at_sitting_at_or_behind_a_workstation_is_at_it() {
        assert!(is_at(&person(0.35, 0.2, 0.1, 0.55), &BENCH), "standing, feet in it");
        assert!(is_at(&person(0.35, 0.45, 0.1, 0.3), &BENCH), "sitting");
        assert!(is_at(&person(0.35, 0.3, 0.1, 0.35), &BENCH), "behind the bench, legs hidden");
    }

    #[test]
    fn somebody_passing_by_is_not() {
        assert!(!is_at(&person(0.55, 0.2, 0.1, 0.6), &BENCH), "beside it");
        assert!(!is_at(&person(0.35, 0.0, 0.1, 0.4), &BENCH), "far behind it");
        assert!(!is_at(&person(0.0, 0.0, 1.0, 1.0), &BENCH), "right before the camera");
        assert!(!is_at(&person(0.4, 0.5, 0.1, 0.3), &[]), "nothing is marked");
    }

    #[test]
    fn absence_is_told_only_of_what_is_visible() {
        let (there, nobody) = ([person(0.35, 0.3, 0.1, 0.4)], []);
        let hidden = |cause| Some(Sight::Hidden(cause));
        assert_eq!(people_at(&there, &BENCH, Some(Sight::Visible)), Some(1));
        assert_eq!(people_at(&nobody, &BENCH, Some(Sight::Visible)), Some(0));
        assert_eq!(people_at(&there, &BENCH, None), Some(1));
        assert_eq!(people_at(&nobody, &BENCH, None), None);
        assert_eq!(people_at(&there, &BENCH, hidden(HiddenCause::Obstructed)), Some(1), "they are what stands there");
        assert_eq!(people_at(&nobody, &BENCH, hidden(HiddenCause::Obstructed)), None);
        assert_eq!(people_at(&there, &BENCH, hidden(HiddenCause::OutsidePicture)), None, "it is another place");
        assert_eq!(people_at(&nobody, &BENCH, hidden(HiddenCause::Dark)), None);
    }

    #[test]
    fn people_whom_no_camera_shows_all_at_once_are_counted_by_their_workstations_and_nobody_twice() {
        let marked = |workstation: &str, x: f64| Workstation {
            workstation: workstation.into(),
            polygon: vec![[x, 0.5], [x + 0.2, 0.5], [x + 0.2, 0.8], [x, 0.8]],
        };
        let (left, both) = ([marked("1", 0.0), marked("2", 0.3)], [marked("2", 0.1), marked("3", 0.4)]);
        // Three people at three workstations: 1 and 2 in one picture, 2 and 3 in the other.
        let one = [person(0.05, 0.3, 0.1, 0.4), person(0.35, 0.3, 0.1, 0.4)];
        let other = [person(0.15, 0.3, 0.1, 0.4), person(0.45, 0.3, 0.1, 0.4)];
        assert_eq!(at_workstations([(&one[..], &left[..]), (&other[..], &both[..])]), 3);
        // Between two workstations that overlap, and at none.
        let overlapping = [marked("1", 0.0), marked("2", 0.1)];
        let somebody = [person(0.08, 0.3, 0.1, 0.4), person(0.8, 0.3, 0.1, 0.4)];
        assert!(overlapping.iter().all(|marked| is_at(&somebody[0], &marked.polygon)));
        assert_eq!(at_workstations([(&somebody[..], &overlapping[..])]), 1);
        assert_eq!(at_workstations([(&somebody[..], &[][..])]), 0);
    }

    #[test]
    fn looks_of_several_cameras_at_one_moment_are_one() {
        let look = |camera: &str, at, workstation: &str, people| LookRow {
            camera: camera.into(),
            at: time(at),
            workstation: Some(workstation.into()),
            people,
        };
        let looks = [
            look("a", 0, "1", Some(0)),
            look("b", 0, "1", Some(1)),
            look("a", 30, "1", Some(0)),
            look("b", 30, "1", None),
            look("a", 60, "1", None),
            look("b", 60, "1", None),
            look("a", 0, "2", Some(1)),
            look("a", 90, "1", Some(1)),
        ];
        let span = Span { from: time(0), until: time(90) };
        assert_eq!(people_seen(&looks, "1", span), PeopleSeen { present: 1, absent: 1, unknown: 1 });
        assert_eq!(people_seen(&looks, "3", span), PeopleSeen::default());
        assert_eq!(in_room([Some(2), None, Some(3)]), Some(3));
        assert_eq!(in_room([None, None]), None);
    }

    /// What changed, after looks every 30 s: `s` sees too few, `e` enough, `?` cannot tell.
    fn changes(looks: &str) -> Vec<(usize, Change)> {
        let mut rule = FewPeople::default();
        let seen = |look| match look {
            's' => Some(3),
            'e' => Some(5),
            _ => None,
        };
        let looks = looks.chars().enumerate();
        looks.filter_map(|(at, look)| Some((at, rule.take(time(at as i64 * 30), seen(look), 5)?))).collect()
    }

    #[test]
    fn too_few_for_ten_minutes_are_a_finding_that_two_good_looks_end() {
        let found = changes(&format!("e{}sseseeee", "s".repeat(21)));
        let [(begun, Change::Begun { since, measured, .. }), (ended, Change::Ended { end, .. })] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((*begun, *since), (21, time(30)), "it began with the first of the looks");
        assert_eq!((measured["seen"], measured["expected"]), (3.0, 5.0));
        assert_eq!((*ended, *end), (27, time(26 * 30)), "it ended with the first of the two");
    }

    #[test]
    fn what_is_interrupted_is_no_finding() {
        let almost = "s".repeat(20);
        assert_eq!(changes(&format!("{almost}e{almost}e{almost}")), []);
        assert_eq!(changes(&format!("{almost}?{almost}?{almost}")), [], "nobody knows is no proof");
        assert_eq!(changes(&"?".repeat(100)), []);
    }

    #[test]
    fn not_knowing_does_not_end_a_finding() {
        let found = changes(&format!("{}????????e?e?e", "s".repeat(21)));
        assert!(matches!(&found[..], [(20, Change::Begun { .. })]), "{found:?}");
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let mut rule = FewPeople::default();
        assert_eq!(rule.take(time(0), Some(0), 5), None);
        assert_eq!(rule.take(time(3600), Some(0), 5), None);
        assert_eq!(rule.take(time(3630), Some(0), 5), None);
    }

    #[test]
    fn the_end_of_the_lesson_ends_it() {
        assert!(matches!(FewPeople::resumed().close(time(9)), Some(Change::Ended { end, .. }) if end == time(9)));
        assert_eq!(FewPeople::default().close(time(9)), None);
    }

    /// Whatever is seen: beginnings and ends take turns, and no finding begins before ten minutes of too few.
    #[test]
    fn beginnings_and_ends_take_turns_whatever_is_seen() {
        let mut random = 12345_u64;
        for _ in 0..300 {
            let mut looks = String::new();
            while looks.len() < 200 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let look = ["s", "s", "e", "?"][(random >> 60) as usize % 4];
                looks += &look.repeat(1 + (random >> 33) as usize % 40);
            }
            let mut is_open = false;
            for (at, change) in changes(&looks) {
                match change {
                    Change::Begun { .. } => {
                        assert!(!is_open && at >= 20 && looks[at - 20..=at].chars().all(|look| look == 's'), "{looks}");
                        is_open = true;
                    }
                    Change::Ended { .. } => {
                        assert!(is_open && &looks[at - 1..=at] == "ee", "{looks}");
                        is_open = false;
                    }
                }
            }
        }
    }
}
