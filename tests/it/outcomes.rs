//! What the check-in makes of real faces before a real camera's film: each outcome, end to end, to its record.

use crate::demo::photos;
use crate::disk::Small;
use crate::stage::{Actor, Shot, Stage, shoot};
use evidence::jws::read_unverified;
use evidence::record::{CheckinOutcome, Data};
use rollcall::appliance::Appliance;
use rollcall::checkin::live::{Outcome, Outside};
use rollcall::checkin::{DeskError, EnrolRequest, Staff};
use rollcall::class::Class;
use rollcall::config::QualityConfig;
use rollcall::picture::Picture;
use rollcall::vision::{RefusalReason, judge};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Plays the film to the appliance; what the kiosk was told, after holding each against its record.
fn play(stage: Stage) -> Vec<Arc<Outcome>> {
    let Stage { config, journal, vision, turn: _turn, .. } = stage;
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let appliance = Appliance::start(config, journal, Some(vision), None).expect("started");
        let end = Instant::now() + Duration::from_secs(60);
        while !appliance.cameras[0].has_ended() {
            assert!(Instant::now() < end, "the film does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (told, journal) = (appliance.live.recent(), appliance.journal.clone());
        appliance.stop().await.expect("stopped");
        let reader = journal.store().read().expect("open");
        for outcome in &told {
            let record = reader.record(outcome.seq).expect("readable").expect("told, so it is there");
            let Data::Checkin(made) = read_unverified(record.as_str()).expect("a record").data else {
                panic!("a check-in at {}", outcome.seq);
            };
            assert_eq!((made.outcome, &made.person, &made.class), (outcome.outcome, &outcome.person, &outcome.class));
        }
        told
    })
}

/// Outcomes with the numbers of those they are about.
fn brief(told: &[Arc<Outcome>]) -> Vec<(CheckinOutcome, Option<&str>)> {
    told.iter().map(|outcome| (outcome.outcome, outcome.person.as_deref())).collect()
}

#[test]
fn two_people_side_by_side_check_in_together_and_who_cannot_be_seen_well_is_told_why() {
    let Some(photos) = photos() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(folder.path(), "");
    let class = stage.class("A", 0);
    stage.enrol(&class, "01", &photos.join("obama.jpg"));
    stage.enrol(&class, "02", &photos.join("biden.jpg"));
    let first = Actor::open(&photos.join("obama2.jpg"), &mut stage.vision);
    let second = Actor::open(&photos.join("biden.jpg"), &mut stage.vision);
    let nobody = || Shot { faces: vec![], seconds: 1.5 };
    let shots = [
        nobody(),
        Shot { faces: vec![first.at(400.0, 300.0, 70.0, 1.0), second.at(880.0, 300.0, 70.0, 1.0)], seconds: 4.0 },
        nobody(),
        Shot { faces: vec![first.at(640.0, 300.0, 18.0, 1.0)], seconds: 5.0 },
        nobody(),
        Shot { faces: vec![first.at(640.0, 300.0, 90.0, 0.25)], seconds: 5.0 },
    ];
    shoot(&shots, &stage.film());
    let told = play(stage);
    let mut together = brief(&told);
    assert_eq!(together.len(), 4, "{together:?}");
    together[..2].sort_by_key(|(_, person)| person.map(str::to_owned));
    use CheckinOutcome::{Accepted, TooDark, TooSmall};
    assert_eq!(together, [(Accepted, Some("01")), (Accepted, Some("02")), (TooSmall, None), (TooDark, None)]);
}

#[test]
fn who_is_in_two_classes_at_once_is_checked_in_to_both_at_one_visit() {
    let Some(photos) = photos() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(folder.path(), "");
    let class = stage.class("A", 0);
    stage.class("B", 0);
    stage.enrol(&class, "01", &photos.join("obama.jpg"));
    let actor = Actor::open(&photos.join("obama2.jpg"), &mut stage.vision);
    let nobody = || Shot { faces: vec![], seconds: 1.5 };
    let shots = [nobody(), Shot { faces: vec![actor.at(640.0, 300.0, 70.0, 1.0)], seconds: 4.0 }, nobody()];
    shoot(&shots, &stage.film());
    let told = play(stage);
    let of = |outcome: &Arc<Outcome>| (outcome.outcome, outcome.class.clone(), outcome.person.clone());
    let told: Vec<_> = told.iter().map(of).collect();
    let accepted = |class: &str| (CheckinOutcome::Accepted, Some(class.to_owned()), Some("01".to_owned()));
    assert_eq!(told, [accepted("A"), accepted("B")], "each once, however long the person stays");
}

#[test]
fn a_check_in_that_cannot_be_saved_is_not_told_as_done_and_is_saved_when_there_is_room_again() {
    let Some(photos) = photos() else { return };
    let Some(disk) = Small::mount("300m") else { return };
    let folder = disk.folder.path();
    let mut stage = Stage::new(folder, "");
    let class = stage.class("A", 0);
    stage.enrol(&class, "01", &photos.join("obama.jpg"));
    let actor = Actor::open(&photos.join("obama2.jpg"), &mut stage.vision);
    let nobody = Shot { faces: vec![], seconds: 3.0 };
    shoot(&[nobody, Shot { faces: vec![actor.at(640.0, 300.0, 70.0, 1.0)], seconds: 12.0 }], &stage.film());
    let Stage { config, journal, vision, turn: _turn, .. } = stage;
    let filler = folder.join("filler");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let appliance = Appliance::start(config, journal, Some(vision), None).expect("started");
        let mut file = std::fs::File::create(&filler).expect("created");
        while file.write_all(&[0; 4096]).is_ok() {}
        let end = Instant::now() + Duration::from_secs(30);
        let trouble = appliance.live.troubles();
        while trouble.borrow().is_none() {
            assert!(Instant::now() < end && appliance.live.recent().is_empty(), "nobody is told that the disk is full");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(trouble.borrow().as_ref().is_some_and(|trouble| trouble.contains("full")), "{:?}", *trouble.borrow());
        assert_eq!(appliance.live.recent().len(), 0, "nothing is told as done");
        std::fs::remove_file(&filler).expect("removed");
        drop(file);
        while appliance.live.recent().is_empty() {
            assert!(Instant::now() < end, "it is not tried again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(brief(&appliance.live.recent()), [(CheckinOutcome::Accepted, Some("01"))]);
        assert_eq!(*trouble.borrow(), None, "it is over");
        appliance.stop().await.expect("stopped");
    });
}

#[test]
fn trouble_with_the_disk_ends_by_itself_when_whoever_met_it_has_gone() {
    let Some(photos) = photos() else { return };
    let Some(disk) = Small::mount("300m") else { return };
    let folder = disk.folder.path();
    let mut stage = Stage::new(folder, "");
    let class = stage.class("A", 0);
    stage.enrol(&class, "01", &photos.join("obama.jpg"));
    let actor = Actor::open(&photos.join("obama2.jpg"), &mut stage.vision);
    let nobody = Shot { faces: vec![], seconds: 2.0 };
    shoot(&[nobody, Shot { faces: vec![actor.at(640.0, 300.0, 70.0, 1.0)], seconds: 4.0 }], &stage.film());
    let Stage { config, journal, vision, turn: _turn, .. } = stage;
    let filler = folder.join("filler");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let appliance = Appliance::start(config, journal, Some(vision), None).expect("started");
        let mut file = std::fs::File::create(&filler).expect("created");
        while file.write_all(&[0; 4096]).is_ok() {}
        let end = Instant::now() + Duration::from_secs(40);
        let trouble = appliance.live.troubles();
        while trouble.borrow().is_none() || !appliance.cameras[0].has_ended() {
            assert!(Instant::now() < end, "nobody is told that the disk is full");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(trouble.borrow().is_some(), "it is still full");
        std::fs::remove_file(&filler).expect("removed");
        drop(file);
        while trouble.borrow().is_some() {
            assert!(Instant::now() < end, "the kiosk says so for ever");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(appliance.live.recent().len(), 0, "nobody is there to be checked in");
        appliance.stop().await.expect("stopped");
    });
}

#[test]
fn an_enrolment_whose_camera_is_gone_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::new(folder.path(), "");
    let class = stage.class("A", 0);
    shoot(&[Shot { faces: vec![], seconds: 1.0 }], &stage.film());
    let Stage { config, journal, vision, turn: _turn, .. } = stage;
    journal.store().set_pin(&class.id, "T1", "2580").expect("set");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let appliance = Appliance::start(config, journal, Some(vision), None).expect("started");
        let desk = appliance.checkin.as_ref().expect("a camera").desk().clone();
        let staff = Staff { class: class.id.to_string(), number: "T1".into(), pin: "2580".into() };
        let asked = desk.enrol(EnrolRequest { staff, person: "01".into(), consents: true });
        let answer = tokio::time::timeout(Duration::from_secs(15), asked).await.expect("answered");
        assert!(matches!(answer, Err(DeskError::NoCamera)), "{answer:?}");
        appliance.stop().await.expect("stopped");
    });
}

/// The enrolment of 01 at the kiosk, before a camera that sees somebody else as well, whose pupils are this far apart; and
/// how many pictures were taken.
fn enrol_before(other_pupils_px: f32, photos: &Path) -> (Result<usize, DeskError>, u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(folder.path(), "");
    let class = stage.class("A", 0);
    let trainee = Actor::open(&photos.join("obama.jpg"), &mut stage.vision);
    let other = Actor::open(&photos.join("biden.jpg"), &mut stage.vision);
    let faces = vec![trainee.at(500.0, 350.0, 120.0, 1.0), other.at(1080.0, 200.0, other_pupils_px, 1.0)];
    shoot(&[Shot { faces, seconds: 6.0 }], &stage.film());
    let Stage { config, journal, vision, turn: _turn, .. } = stage;
    journal.store().set_pin(&class.id, "T1", "2580").expect("set");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let appliance = Appliance::start(config, journal, Some(vision), None).expect("started");
        let desk = appliance.checkin.as_ref().expect("a camera").desk().clone();
        let staff = Staff { class: class.id.to_string(), number: "T1".into(), pin: "2580".into() };
        let (mut progress, mut taken) = (appliance.live.enrolling(), 0);
        let asked = desk.enrol(EnrolRequest { staff, person: "01".into(), consents: true });
        let asked = tokio::time::timeout(Duration::from_secs(20), asked);
        tokio::pin!(asked);
        let answer = loop {
            tokio::select! {
                answer = &mut asked => break answer.expect("answered"),
                Ok(()) = progress.changed() => {
                    let good = progress.borrow_and_update().as_ref().map_or(0, |enrolling| enrolling.good);
                    taken = taken.max(good);
                }
            }
        };
        appliance.stop().await.expect("stopped");
        (answer.map(|enrolled| enrolled.photos), taken)
    })
}

#[test]
fn who_is_far_behind_does_not_hinder_an_enrolment_at_the_kiosk_and_who_stands_beside_does() {
    let Some(photos) = photos() else { return };
    let (enrolled, _) = enrol_before(35.0, &photos);
    assert!(matches!(enrolled, Ok(5)), "{enrolled:?}");
    // The film ends before anybody is alone.
    let (refused, taken) = enrol_before(60.0, &photos);
    assert!(matches!(refused, Err(DeskError::NoCamera)) && taken == 0, "{refused:?}, {taken} pictures");
}

#[test]
fn pictures_out_of_focus_in_glaring_light_and_of_half_a_face_are_refused_for_that() {
    let Some(photos) = photos() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(folder.path(), "");
    let photo = Picture::open(&photos.join("obama2.jpg")).expect("a photo");
    let mut refused = |picture: &Picture| {
        let face = stage.vision.faces(picture).expect("looked at").into_iter().next().expect("a face");
        (judge(&face, &QualityConfig::default()).err().map(|refusal| refusal.reason), face)
    };
    let (reason, face) = refused(&photo);
    assert_eq!(reason, None, "the photo itself is good");
    let blurred = photo.scaled(photo.width / 12, photo.height / 12).scaled(photo.width, photo.height);
    assert_eq!(refused(&blurred).0, Some(RefusalReason::Blurred));
    let mut bright = photo.clone();
    bright.rgb.iter_mut().for_each(|value| *value = 190 + *value / 4);
    assert_eq!(refused(&bright).0, Some(RefusalReason::TooBright));
    // A little more than the eyes and the mouth are left.
    let left = face.bounds.x as usize + face.bounds.width as usize / 8;
    let mut half = Picture::black(photo.width - left as u32, photo.height);
    let row = |picture: &Picture| picture.width as usize * 3;
    for (to, from) in
        half.rgb.chunks_exact_mut((photo.width as usize - left) * 3).zip(photo.rgb.chunks_exact(row(&photo)))
    {
        to.copy_from_slice(&from[left * 3..]);
    }
    assert_eq!(refused(&half).0, Some(RefusalReason::CutOff));
}

#[test]
fn who_comes_hours_early_is_told_when_to_come_again() {
    let Some(photos) = photos() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(folder.path(), "");
    let class = stage.class("A", 3);
    stage.enrol(&class, "01", &photos.join("obama.jpg"));
    let actor = Actor::open(&photos.join("obama2.jpg"), &mut stage.vision);
    shoot(&[Shot { faces: vec![actor.at(640.0, 300.0, 70.0, 1.0)], seconds: 4.0 }], &stage.film());
    let told = play(stage);
    assert_eq!(brief(&told), [(CheckinOutcome::OutsideWindow, Some("01"))]);
    let opens = class.lessons[0].start.checked_sub(jiff::SignedDuration::from_mins(30)).expect("after midnight");
    assert_eq!(told[0].next_opens, Some(opens.strftime("%H:%M").to_string()));
    assert_eq!((told[0].outside, &told[0].last_closed), (Some(Outside::BeforeArrival), &None));
}

/// A QR code as it is held before a camera.
fn code(text: &str) -> Picture {
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::Q).expect("a code");
    let (modules, scale) = (code.width(), 9);
    let mut picture = Picture::black(400, 400);
    picture.rgb.fill(235);
    let margin = (400 - modules * scale) / 2;
    for (at, colour) in code.to_colors().into_iter().enumerate() {
        for (x, y) in (0..scale * scale).map(|pixel| (pixel % scale, pixel / scale)) {
            let pixel = (margin + at / modules * scale + y) * 400 + margin + at % modules * scale + x;
            picture.rgb[pixel * 3..pixel * 3 + 3].fill(colour.select(20, 235));
        }
    }
    picture
}

/// What the code of somebody on the roster says.
fn code_of(stage: &Stage, class: &Class, number: &str) -> String {
    let token = stage.journal.store().read().expect("open").qr_token(&class.id, number).expect("readable");
    token.expect("on the roster").to_text()
}

/// Plays a film of codes, with a teacher who confirms none. Gives whom the kiosk asked for a PIN about, and what it
/// told, in their order.
fn dismiss_all(stage: Stage) -> (Vec<String>, Vec<Arc<Outcome>>) {
    let Stage { config, journal, vision, turn: _turn, .. } = stage;
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let appliance = Appliance::start(config, journal, Some(vision), None).expect("started");
        let desk = appliance.checkin.as_ref().expect("a camera").desk().clone();
        let (mut pending, mut asked) = (appliance.live.pending_qr(), Vec::new());
        while !appliance.cameras[0].has_ended() {
            let waiting = tokio::time::timeout(Duration::from_millis(100), pending.changed()).await;
            let shown = pending.borrow_and_update().clone().filter(|_| waiting.is_ok());
            if let Some(shown) = shown {
                asked.push(shown.person);
                desk.dismiss_qr(shown.id).await.expect("dismissed");
            }
        }
        let told = appliance.live.recent();
        appliance.stop().await.expect("stopped");
        (asked, told)
    })
}

#[test]
fn a_qr_code_that_stays_in_view_is_answered_once_and_an_outdated_one_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::new(folder.path(), "");
    let class = stage.class("A", 0);
    let outdated = ["0", "1"].map(|digit| format!("ROLLCALL:{}", digit.repeat(32)));
    let actors = [&outdated[0], &outdated[1], &code_of(&stage, &class, "01")].map(|text| Actor::flat(code(text)));
    let shown = [(Some(0), 2.0), (Some(1), 8.0), (Some(2), 10.0), (None, 6.0), (Some(2), 4.0)];
    let shots = shown.map(|(which, seconds)| {
        let held = which.map(|which: usize| actors[which].at(640.0, 360.0, 1.0, 1.0));
        Shot { faces: held.into_iter().collect(), seconds }
    });
    shoot(&shots, &stage.film());
    let (asked, told) = dismiss_all(stage);
    use CheckinOutcome::{Unconfirmed, Unknown};
    let (unknown, unconfirmed) = ((Unknown, None), (Unconfirmed, Some("01")));
    assert_eq!(brief(&told), [unknown, unknown, unconfirmed, unconfirmed], "each outdated code has its answer");
    assert_eq!(asked, ["01", "01"], "it is asked for again only when the code has been put away");
    assert!(told.iter().all(|outcome| outcome.method == evidence::record::Method::Qr));
}

#[test]
fn of_two_qr_codes_held_up_at_once_each_has_its_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::new(folder.path(), "");
    let class = stage.class("A", 0);
    let [left, right] = ["01", "02"].map(|number| Actor::flat(code(&code_of(&stage, &class, number))));
    let faces = vec![left.at(400.0, 360.0, 1.0, 1.0), right.at(900.0, 360.0, 1.0, 1.0)];
    shoot(&[Shot { faces, seconds: 8.0 }], &stage.film());
    let (mut asked, told) = dismiss_all(stage);
    asked.sort();
    assert_eq!(asked, ["01", "02"]);
    assert!(told.iter().all(|outcome| outcome.outcome == CheckinOutcome::Unconfirmed));
}

/// Frames of a real clip in which somebody turns the head; skipped where ../shared is absent.
#[test]
fn who_looks_away_is_asked_to_face_the_camera() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clip = "shared/data/clips/tdp_live_621ea6f51185323cad2533b8.mp4";
    let Some(clip) = source.ancestors().map(|folder| folder.join(clip)).find(|clip| clip.is_file()) else {
        eprintln!("skipped: no ../shared/data");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(folder.path(), "");
    stage.class("A", 0);
    let frames = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(&clip)
        .args(["-vf", "fps=3", "-q:v", "2"])
        .arg(folder.path().join("%03d.jpg"))
        .status();
    assert!(frames.expect("ffmpeg is installed").success());
    let limits = QualityConfig::default();
    let turned = (1..).map(|number| folder.path().join(format!("{number:03}.jpg"))).take_while(|path| path.is_file());
    let actor = turned.into_iter().find_map(|path| {
        let photo = Picture::open(&path).expect("just written");
        let face = stage.vision.faces(&photo).expect("looked at").into_iter().next()?;
        let is_turned = judge(&face, &limits).is_err_and(|refusal| refusal.reason == RefusalReason::Turned);
        (is_turned && face.pose.yaw.abs() < 50.0).then(|| Actor::cut(&photo, &face))
    });
    let actor = actor.expect("a clip in which somebody turns the head");
    shoot(&[Shot { faces: vec![actor.at(640.0, 300.0, 60.0, 1.0)], seconds: 4.5 }], &stage.film());
    assert_eq!(brief(&play(stage)), [(CheckinOutcome::Turned, None)]);
}
