//! The account of a workstation: for every moment of a lesson, shown by a recording, hidden for a reason, or unknown.
//! Pure, and exact to the millisecond: the three add up to the span.

use crate::class::Span;
use crate::store::Sight;
use evidence::moments::Moments;
use evidence::record::{FindingKind, HiddenCause};
use std::collections::BTreeMap;

/// What one camera, in whose picture the workstation is marked, knows of it.
#[derive(Debug, Clone, Default)]
pub struct CameraView {
    /// When the camera's recording shows anything.
    pub segments: Vec<Span>,
    /// How the workstation was to be seen in its picture. What no span tells of is unknown.
    pub sights: Vec<(Span, Sight)>,
}

/// One workstation's account of one span. All figures in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkstationAccount {
    /// The whole span.
    pub required_ms: i64,
    /// Shown by the recording of at least one camera.
    pub visible_ms: i64,
    /// Shown by none, by the cause of the camera that came nearest.
    pub hidden_ms: BTreeMap<HiddenCause, i64>,
    /// Recorded, but nobody knows whether it is to be seen; or marked in no picture at all.
    pub unknown_ms: i64,
}

/// Causes from the one that comes nearest to showing a workstation to the one that is farthest from it.
const NEAREST: [HiddenCause; 9] = [
    HiddenCause::Obstructed,
    HiddenCause::Blurred,
    HiddenCause::OverExposed,
    HiddenCause::Dark,
    HiddenCause::OutsidePicture,
    HiddenCause::Looped,
    HiddenCause::Frozen,
    HiddenCause::Covered,
    HiddenCause::Replaced,
];

/// Accounts for `span`. Any camera that shows the workstation, in a recording that is there, is enough. Where one
/// recorded it and nobody knows what that shows, the moment is unknown, whatever other cameras say. Where sights of one
/// camera overlap, as after a clock that was put back, the better one counts.
pub fn workstation_account(span: Span, cameras: &[CameraView]) -> WorkstationAccount {
    let required_ms = span.until.as_millisecond() - span.from.as_millisecond();
    let mut account = WorkstationAccount { required_ms, ..WorkstationAccount::default() };
    let mut open = moments([span]);
    if cameras.is_empty() {
        account.unknown_ms = open.length();
        return account;
    }
    let recorded: Vec<Moments> = cameras.iter().map(|camera| moments(camera.segments.iter().copied())).collect();
    let seen = |camera: &CameraView, wanted: &dyn Fn(Sight) -> bool| {
        moments(camera.sights.iter().filter(|(_, sight)| wanted(*sight)).map(|(span, _)| *span))
    };
    for (camera, recorded) in cameras.iter().zip(&recorded) {
        let visible = seen(camera, &|sight| sight == Sight::Visible);
        account.visible_ms += open.take(&visible.common(recorded));
    }
    for (camera, recorded) in cameras.iter().zip(&recorded) {
        let judged = seen(camera, &|_| true);
        account.unknown_ms += open.take(&recorded.without(&judged));
    }
    for cause in NEAREST {
        for (camera, recorded) in cameras.iter().zip(&recorded) {
            let hidden = seen(camera, &|sight| sight == Sight::Hidden(cause));
            let taken = open.take(&hidden.common(recorded));
            if taken > 0 {
                *account.hidden_ms.entry(cause).or_default() += taken;
            }
        }
    }
    let rest = open.length();
    if rest > 0 {
        // `NotRecorded`, and the only sight that can be left, one that says so itself.
        account.hidden_ms.insert(HiddenCause::NotRecorded, rest);
    }
    account
}

/// How long what was recorded does not show the lesson, ms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impaired {
    /// By what was found then. Where findings overlap, the first given counts.
    pub found: BTreeMap<FindingKind, i64>,
    /// Of the rest: nobody could judge what it shows.
    pub unwatched: i64,
}

/// Of what `segments` show of `span`: how long the picture could not show the lesson, or nobody knows whether it did.
/// `findings`: those by which it shows nothing of it; `watched`: when its pictures could be judged.
pub fn impaired(span: Span, segments: &[Span], findings: &[(Span, FindingKind)], watched: &[Span]) -> Impaired {
    let mut open = moments([span]).common(&moments(segments.iter().copied()));
    let mut impaired = Impaired::default();
    for (during, what) in findings {
        let taken = open.take(&moments([*during]));
        if taken > 0 {
            *impaired.found.entry(*what).or_default() += taken;
        }
    }
    impaired.unwatched = open.without(&moments(watched.iter().copied())).length();
    impaired
}

/// Of `segments`, what shows the lesson: while a finding of [`impaired`] went on, or nobody could judge the picture, it may
/// not.
pub fn showing(segments: &[Span], findings: &[(Span, FindingKind)], watched: &[Span]) -> Vec<Span> {
    let found = moments(findings.iter().map(|(span, _)| *span));
    let watched = moments(watched.iter().copied());
    let showing = moments(segments.iter().copied()).common(&watched).without(&found);
    showing.spans().into_iter().map(|span| Span { from: span.start, until: span.end }).collect()
}

/// All that lies in any of `spans`.
fn moments(spans: impl IntoIterator<Item = Span>) -> Moments {
    Moments::of(spans.into_iter().map(|span| span.from..span.until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn span(from: i64, until: i64) -> Span {
        let at = |ms| Timestamp::from_millisecond(ms).expect("in range");
        Span { from: at(from), until: at(until) }
    }

    #[test]
    fn any_camera_that_records_it_is_enough_and_the_nearest_cause_is_told() {
        let hidden = |from, until, cause| (span(from, until), Sight::Hidden(cause));
        let back = CameraView {
            segments: vec![span(0, 800)],
            sights: vec![(span(0, 300), Sight::Visible), hidden(300, 900, HiddenCause::Covered)],
        };
        let front = CameraView {
            segments: vec![span(0, 500), span(600, 800)],
            sights: vec![
                hidden(0, 400, HiddenCause::Dark),
                hidden(400, 450, HiddenCause::Obstructed),
                (span(500, 600), Sight::Visible),
                hidden(600, 700, HiddenCause::Blurred),
            ],
        };
        let found = workstation_account(span(0, 1000), &[back, front]);
        assert_eq!(found.visible_ms, 300, "what is to be seen but not recorded, 500 to 600, does not count");
        assert_eq!(found.unknown_ms, 50 + 100, "450 to 500 and 700 to 800: recorded, and nobody knows");
        let causes: Vec<_> = found.hidden_ms.into_iter().collect();
        let expected = [
            (HiddenCause::NotRecorded, 200),
            (HiddenCause::Dark, 100),
            (HiddenCause::Blurred, 100),
            (HiddenCause::Covered, 100),
            (HiddenCause::Obstructed, 50),
        ];
        assert_eq!(causes, expected);
    }

    #[test]
    fn a_workstation_that_is_marked_nowhere_is_unknown_all_the_time() {
        let found = workstation_account(span(0, 1000), &[]);
        assert_eq!((found.visible_ms, found.unknown_ms, found.hidden_ms.len()), (0, 1000, 0));
    }

    #[test]
    fn a_recording_of_a_covered_camera_shows_nothing_while_it_is_covered() {
        let findings = [(span(100, 300), FindingKind::Covered), (span(200, 400), FindingKind::Dark)];
        let Impaired { found, unwatched } = impaired(span(0, 1000), &[span(150, 350)], &findings, &[span(0, 300)]);
        assert_eq!(unwatched, 0);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(FindingKind::Dark, 50), (FindingKind::Covered, 150)]);
        let shows = |watched| showing(&[span(150, 450)], &findings, &[watched]);
        assert_eq!(shows(span(0, 1000)), [span(400, 450)]);
        assert_eq!(shows(span(0, 420)), [span(400, 420)]);
    }

    #[test]
    fn what_was_recorded_and_nobody_could_judge_is_unwatched() {
        let covered = [(span(100, 300), FindingKind::Covered)];
        let found = impaired(span(0, 1000), &[span(0, 800)], &covered, &[span(0, 150), span(400, 500)]);
        assert_eq!(found.unwatched, 400);
        assert_eq!(impaired(span(0, 1000), &[span(0, 800)], &[], &[]).unwatched, 800);
    }

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((-100i64..600, 0i64..200).prop_map(|(from, length)| span(from, from + length)), 0..8)
    }

    fn sights() -> impl Strategy<Value = Vec<(Span, Sight)>> {
        let sight = prop::sample::select(vec![
            Sight::Visible,
            Sight::Hidden(HiddenCause::Dark),
            Sight::Hidden(HiddenCause::Obstructed),
            Sight::Hidden(HiddenCause::Replaced),
        ]);
        let one = (-100i64..600, 0i64..200, sight);
        prop::collection::vec(one.prop_map(|(from, length, sight)| (span(from, from + length), sight)), 0..10)
    }

    proptest! {
        #[test]
        fn visible_hidden_and_unknown_add_up_and_are_right_at_each_moment(
            cameras in prop::collection::vec(
                (spans(), sights()).prop_map(|(segments, sights)| CameraView { segments, sights }), 0..4),
            end in 1i64..700,
        ) {
            let found = workstation_account(span(0, end), &cameras);
            let hidden: i64 = found.hidden_ms.values().sum();
            prop_assert_eq!(found.visible_ms + hidden + found.unknown_ms, end);
            prop_assert_eq!(found.required_ms, end);
            let mut expected = WorkstationAccount { required_ms: end, ..WorkstationAccount::default() };
            for ms in 0..end {
                let within = |span: &Span| span.from.as_millisecond() <= ms && ms < span.until.as_millisecond();
                let recording = cameras.iter().filter(|camera| camera.segments.iter().any(within));
                let mut now: Vec<Vec<Sight>> = Vec::new();
                for camera in recording {
                    let sights = camera.sights.iter().filter(|(span, _)| within(span));
                    now.push(sights.map(|(_, sight)| *sight).collect());
                }
                if now.iter().flatten().any(|sight| *sight == Sight::Visible) {
                    expected.visible_ms += 1;
                } else if cameras.is_empty() || now.iter().any(Vec::is_empty) {
                    expected.unknown_ms += 1;
                } else {
                    let nearest = NEAREST.into_iter().find(|cause| now.iter().flatten().any(|s| *s == Sight::Hidden(*cause)));
                    *expected.hidden_ms.entry(nearest.unwrap_or(HiddenCause::NotRecorded)).or_default() += 1;
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
