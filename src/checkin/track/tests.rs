use super::*;
use crate::checkin::testing::{Film, face_at, good, refused, track};
use crate::vision::RefusalReason;

#[test]
fn a_face_that_moves_a_little_stays_one_track_and_each_good_frame_counts() {
    let (film, mut tracker) = (Film::begin(), Tracker::default());
    let first = tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(0)).0[0];
    for number in 1..5u64 {
        let ids = tracker.update(vec![good(100.0 + number as f32 * 30.0, &face_at(0.0))], &film.frame(number * 100)).0;
        assert_eq!(ids, [first]);
    }
    assert_eq!(tracker.track_mut(first).expect("followed").good_frames, 5);
}

#[test]
fn two_people_who_swap_places_keep_their_own_tracks() {
    let (film, mut tracker) = (Film::begin(), Tracker::default());
    let (one, two) = (face_at(0.0), face_at(90.0));
    let before = tracker.update(vec![good(100.0, &one), good(160.0, &two)], &film.frame(0)).0;
    let after = tracker.update(vec![good(100.0, &two), good(160.0, &one)], &film.frame(100)).0;
    assert_eq!(after, [before[1], before[0]], "a track follows the face, not the place");
    for (id, face) in before.iter().zip([one, two]) {
        let mean = tracker.track_mut(*id).expect("followed").mean().expect("two good frames");
        assert!(mean.cosine(&face) > 0.999, "neither has anything of the other");
    }
}

#[test]
fn who_steps_into_anothers_place_inherits_nothing() {
    let (film, mut tracker) = (Film::begin(), Tracker::default());
    let first = tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(0)).0[0];
    let second = tracker.update(vec![good(100.0, &face_at(90.0))], &film.frame(100)).0[0];
    assert_ne!(first, second);
    assert_eq!(tracker.track_mut(second).expect("followed").good_frames, 1);
}

/// The most alike of two people in the data at hand have a cosine of 0.55, which is that of 57°; the least alike frames
/// of one person 0.68, which is that of 47°.
#[test]
fn two_people_who_are_alike_have_a_track_each_and_one_who_turns_has_one() {
    for (degrees, same) in [(57.0, false), (47.0, true)] {
        let (film, mut tracker) = (Film::begin(), Tracker::default());
        for number in 0..3 {
            tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(number * 100));
        }
        let id = tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(300)).0[0];
        let next = tracker.update(vec![good(100.0, &face_at(degrees))], &film.frame(400)).0[0];
        assert_eq!(id == next, same, "{degrees}°");
    }
}

#[test]
fn frames_that_fail_a_limit_keep_a_track_alive_and_add_nothing_to_it() {
    let (film, mut tracker) = (Film::begin(), Tracker::default());
    let id = tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(0)).0[0];
    for number in 1..30 {
        let (ids, ended) = tracker.update(vec![refused(100.0, RefusalReason::Turned)], &film.frame(number * 100));
        assert_eq!((ids, ended.len()), (vec![id], 0));
    }
    let track = tracker.track_mut(id).expect("alive");
    assert_eq!(track.good_frames, 1);
    assert_eq!(track.hint.as_ref().map(|hint| hint.reason), Some(RefusalReason::Turned));
    assert!(track.mean().expect("one good frame").cosine(&face_at(0.0)) > 0.999);
}

#[test]
fn a_track_ends_when_nothing_was_seen_of_it_for_longer_than_a_blink() {
    let (film, mut tracker) = (Film::begin(), Tracker::default());
    let id = tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(0)).0[0];
    assert!(tracker.update(vec![], &film.frame(1200)).1.is_empty());
    let ended = tracker.update(vec![], &film.frame(1201)).1;
    assert_eq!(ended.iter().map(|track| track.id).collect::<Vec<_>>(), [id]);
    let again = tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(1300)).0[0];
    assert_ne!(again, id, "who comes back is looked at anew");
}

#[test]
fn after_a_pause_of_the_camera_nobody_goes_on_with_a_track_of_before() {
    // Whoever cannot be compared yet could be anybody; and somebody alike must not add to the mean.
    for next in [refused(100.0, RefusalReason::Turned), good(100.0, &face_at(0.0))] {
        let (film, mut tracker) = (Film::begin(), Tracker::default());
        let before = tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(0)).0[0];
        let mut frame = Arc::into_inner(film.frame(1201)).expect("nobody else has it");
        frame.connection += 1;
        let (ids, ended) = tracker.update(vec![next], &Arc::new(frame));
        assert_eq!(ended.iter().map(|track| track.id).collect::<Vec<_>>(), [before]);
        assert_ne!(ids[0], before);
        assert!(tracker.track_mut(ids[0]).expect("followed").good_frames <= 1, "it begins with nothing");
    }
}

#[test]
fn a_face_far_from_every_track_begins_its_own() {
    let (film, mut tracker) = (Film::begin(), Tracker::default());
    let first = tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(0)).0[0];
    let ids = tracker.update(vec![good(100.0, &face_at(0.0)), good(300.0, &face_at(0.0))], &film.frame(100)).0;
    assert_eq!(ids[0], first);
    assert_ne!(ids[1], first);
}

#[test]
fn the_reason_that_spoiled_most_frames_is_the_one_that_is_told() {
    let frames = [RefusalReason::Turned, RefusalReason::TooDark, RefusalReason::TooDark, RefusalReason::Turned];
    let frames = frames.into_iter().chain([RefusalReason::TooDark, RefusalReason::Blurred]);
    track(frames.map(|reason| refused(100.0, reason)), 100, |track| {
        assert_eq!(track.main_refusal().map(|refusal| refusal.reason), Some(RefusalReason::TooDark));
        assert_eq!(track.age(), Duration::from_millis(500));
    });
}

#[test]
fn a_machine_that_is_slow_still_follows_a_face() {
    let (film, mut tracker) = (Film::begin(), Tracker::default());
    let mut ids = (0..4).map(|at| tracker.update(vec![good(100.0, &face_at(0.0))], &film.frame(9000 * at)).0[0]);
    let first = ids.next().expect("four");
    assert!(ids.all(|id| id == first));
}
