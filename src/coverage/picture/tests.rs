//! A drawn workshop, before and after something happened to its camera.

use super::*;

const WIDTH_PX: usize = 1280;
const HEIGHT_PX: usize = 720;

/// A room of benches, tools and a window, seen with noise; `shift` moves the camera, px.
fn room(noise: u64, shift: (i64, i64)) -> Picture {
    let mut picture = Picture::black(WIDTH_PX as u32, HEIGHT_PX as u32);
    let mut random = noise.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for y in 0..HEIGHT_PX {
        for x in 0..WIDTH_PX {
            let (sx, sy) = (x as i64 + shift.0, y as i64 + shift.1);
            let mut level = 90 + sy / 12;
            // A pattern of rectangles of many sizes that repeats nowhere.
            let mut hash = ((sx.div_euclid(46) * 73_856_093) ^ (sy.div_euclid(38) * 19_349_663)) as u64;
            hash ^= hash >> 13;
            hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
            hash ^= hash >> 29;
            let inside = sx.rem_euclid(46) > (hash % 17) as i64 && sy.rem_euclid(38) > (hash / 17 % 13) as i64;
            if inside {
                level += (hash / 1000 % 90) as i64 - 45;
            }
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let level = (level + (random % 5) as i64 - 2).clamp(0, 255) as u8;
            picture.rgb[(y * WIDTH_PX + x) * 3..][..3].fill(level);
        }
    }
    picture
}

fn each(mut picture: Picture, change: impl Fn(usize, usize, u8) -> u8) -> Picture {
    for (at, pixel) in picture.rgb.chunks_exact_mut(3).enumerate() {
        let level = change(at % WIDTH_PX, at / WIDTH_PX, pixel[0]);
        pixel.fill(level);
    }
    picture
}

/// Another place.
fn rings(x: usize, y: usize, noise: u8) -> u8 {
    let squared = ((x * x + y * y) as f32 / 9000.0).sin();
    (125.0 + 55.0 * squared) as u8 + noise % 3
}

fn blurred(picture: &Picture) -> Picture {
    picture.scaled(160, 90).scaled(WIDTH_PX as u32, HEIGHT_PX as u32)
}

fn station(name: &str, left: f64, top: f64) -> Workstation {
    let (right, bottom) = (left + 0.2, top + 0.3);
    let polygon = vec![[left, top], [right, top], [right, bottom], [left, bottom]];
    Workstation { workstation: name.into(), polygon }
}

fn judge() -> Judge {
    let stations = vec![station("A1", 0.1, 0.5), station("A2", 0.7, 0.5)];
    Judge::new(&CoverageConfig::default(), Some(&room(1, (0, 0))), stations)
}

fn looked(picture: &Picture) -> Sample {
    judge().look(picture, Duration::ZERO)
}

fn named(sample: &Sample) -> Vec<FindingKind> {
    sample.conditions.iter().map(|condition| condition.what).collect()
}

fn sights(sample: &Sample) -> Vec<Option<Sight>> {
    sample.sights.iter().map(|(_, sight)| *sight).collect()
}

#[test]
fn the_room_as_it_was_is_well_in_whatever_light() {
    for (gain, offset) in [(1.0, 0.0), (0.5, 0.0), (0.7, 60.0), (1.3, -10.0)] {
        let light = |_, _, level: u8| (f32::from(level) * gain + offset).clamp(0.0, 255.0) as u8;
        let sample = looked(&each(room(2, (0, 0)), light));
        assert_eq!(named(&sample), [], "{gain} {offset}: {sample:?}");
        assert_eq!(sights(&sample), [Some(Sight::Visible); 2], "{gain} {offset}");
    }
}

#[test]
fn each_fault_is_named_rightly() {
    let plain = room(2, (0, 0));
    let faults = [
        (FindingKind::Dark, each(plain.clone(), |_, _, level| level / 12)),
        (FindingKind::OverExposed, each(plain.clone(), |_, _, level| level.saturating_mul(4).saturating_add(40))),
        (FindingKind::Blurred, blurred(&plain)),
        (FindingKind::Covered, each(plain.clone(), |x, y, _| (70 + x / 60 + y / 80) as u8)),
        (FindingKind::Covered, each(plain.clone(), |_, _, _| 3)),
        (FindingKind::Replaced, each(plain.clone(), rings)),
    ];
    for (what, picture) in faults {
        let sample = looked(&picture);
        assert_eq!(named(&sample), [what], "{sample:?}");
        assert_eq!(sights(&sample), [Some(Sight::Hidden(what.hides().expect("hides"))); 2]);
    }
}

#[test]
fn a_camera_that_was_turned_is_moved_by_so_much() {
    for (percent, shift) in [(2.0, (26, 0)), (10.0, (128, 0)), (2.0, (0, -26)), (10.0, (-110, 66)), (25.0, (320, 0))] {
        let sample = looked(&room(2, shift));
        assert_eq!(named(&sample), [FindingKind::Moved], "{shift:?}: {sample:?}");
        let measured = sample.conditions[0].measured["shift_percent"];
        assert!((measured - percent).abs() < 0.4, "{shift:?}: {measured}");
    }
    assert_eq!(named(&looked(&room(2, (5, 3)))), [], "less than half a percent");
    let sample = looked(&room(2, (320, 0)));
    assert_eq!(sights(&sample), [Some(Sight::Hidden(HiddenCause::OutsidePicture)), Some(Sight::Visible)]);
}

#[test]
fn a_camera_that_shows_too_little_of_its_place_has_turned_away() {
    for (shift, has_turned_away) in [((128, 0), false), ((0, 120), false), ((420, 0), true), ((-260, 160), true)] {
        let sample = looked(&room(2, shift));
        assert_eq!(named(&sample), [FindingKind::Moved], "{shift:?}");
        assert_eq!(sample.has_turned_away, has_turned_away, "{shift:?}: {:?}", sample.conditions);
    }
}

#[test]
fn a_reference_without_structure_judges_nothing() {
    let smooth = each(room(1, (0, 0)), |x, y, _| (70 + x / 60 + y / 80) as u8);
    let mut judge = Judge::new(&CoverageConfig::default(), Some(&smooth), Vec::new());
    assert!(judge.look(&smooth, Duration::ZERO).cannot_be_judged && unusable(&smooth, &[]).is_some());
    assert!(!looked(&room(2, (0, 0))).cannot_be_judged);
}

#[test]
fn something_before_a_workstation_hides_that_one_only() {
    let person = |left: f64, right: f64| {
        each(room(2, (0, 0)), move |x, y, level| {
            let x = x as f64 / WIDTH_PX as f64;
            if x > left && x < right && y > HEIGHT_PX * 2 / 5 {
                (40 + y % 7 + (x * 900.0) as usize % 11) as u8
            } else {
                level
            }
        })
    };
    let sample = looked(&person(0.08, 0.32));
    assert_eq!(named(&sample), []);
    assert_eq!(sights(&sample), [Some(Sight::Hidden(HiddenCause::Obstructed)), Some(Sight::Visible)]);
    // Who works at it hides half of it.
    assert_eq!(sights(&looked(&person(0.1, 0.2))), [Some(Sight::Visible); 2]);
}

#[test]
fn a_picture_that_stands_still_is_frozen_and_nothing_else() {
    let mut judge = judge();
    for second in 0..3 {
        let sample = judge.look(&room(2 + second, (0, 0)), Duration::from_secs(2 * second));
        assert_eq!(named(&sample), []);
    }
    let sample = judge.look(&room(4, (0, 0)), Duration::from_secs(6));
    assert_eq!(named(&sample), [FindingKind::Frozen]);
    assert_eq!(sights(&sample), [Some(Sight::Hidden(HiddenCause::Frozen)); 2]);
}

#[test]
fn without_a_reference_only_what_needs_none_is_told() {
    let mut judge = Judge::new(&CoverageConfig::default(), None, vec![station("A1", 0.1, 0.5)]);
    let sample = judge.look(&room(2, (300, 0)), Duration::ZERO);
    assert_eq!((named(&sample), sights(&sample)), (vec![], vec![None]));
    assert!(sample.cannot_be_judged);
    let sample = judge.look(&each(room(2, (0, 0)), |_, _, level| level / 12), Duration::from_secs(2));
    assert_eq!(named(&sample), [FindingKind::Dark]);
    let sample = judge.look(&each(room(2, (0, 0)), |_, _, _| 80), Duration::from_secs(4));
    assert_eq!(named(&sample), [FindingKind::Covered]);
}

#[test]
fn what_shows_nothing_is_no_reference_and_what_is_too_small_is_no_workstation() {
    let stations = [station("A1", 0.1, 0.5), station("A2", 0.7, 0.5)];
    let room = room(1, (0, 0));
    assert_eq!(unusable(&room, &stations), None);
    let flat = |level: u8| each(room.clone(), move |_, _, _| level);
    let tracing_paper = room.scaled(4, 3).scaled(WIDTH_PX as u32, HEIGHT_PX as u32);
    for picture in [flat(0), flat(128), flat(255), tracing_paper, each(room.clone(), |_, _, level| 8 + level % 3)] {
        assert_eq!(unusable(&picture, &stations), Some(Unusable::NoStructure));
    }
    // Between the cells that are looked at.
    let sliver = vec![[0.101, 0.1], [0.111, 0.1], [0.111, 0.9], [0.101, 0.9]];
    let sliver = Workstation { workstation: "A3".into(), polygon: sliver };
    assert_eq!(unusable(&room, &[sliver]), Some(Unusable::TooSmall("A3".into())));
}
