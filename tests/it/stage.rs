//! A stage for whole-system tests: an appliance with a class of today, real faces enrolled, and a film for its camera.

use rollcall::class::{Class, IdNumber};
use rollcall::clock::{SystemClock, local};
use rollcall::commands::appliance::Models;
use rollcall::commands::enrol::enrol_person;
use rollcall::config::Config;
use rollcall::journal::{Journal, PlanSource, testing};
use rollcall::picture::Picture;
use rollcall::vision::{Face, Vision};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
const FPS: u32 = 20;

/// Two ID-card numbers that are well formed: whoever has one is the same person in every class.
pub const ID_NUMBERS: [&str; 2] = ["110105198503150019", "110105198503150027"];

/// A zone in which it is about noon now, so that no test crosses midnight. `Etc/GMT+5` is five hours *behind* UTC.
pub fn noon_zone() -> String {
    let utc_hour = jiff::Timestamp::now().as_second().rem_euclid(86_400) / 3600;
    format!("Etc/GMT{:+}", utc_hour - 12)
}

/// Somebody who can be put before the camera: the head, cut out of a photo.
pub struct Actor {
    head: Picture,
    eyes: (f32, f32),
    pupil_distance_px: f32,
}

impl Actor {
    pub fn open(photo: &Path, vision: &mut Vision) -> Actor {
        let photo = Picture::open(photo).expect("a photo");
        let faces = vision.faces(&photo).expect("looked at");
        let size = |face: &Face| face.quality.pupil_distance_px;
        let face = faces.iter().max_by(|a, b| size(a).total_cmp(&size(b))).expect("a face");
        Actor::cut(&photo, face)
    }

    pub fn cut(photo: &Picture, face: &Face) -> Actor {
        let (x, y) = face.bounds.centre();
        let side = face.bounds.width.max(face.bounds.height) * 1.7;
        let (left, top) = ((x - side / 2.0).max(0.0).floor(), (y - side / 2.0).max(0.0).floor());
        let eyes = face.points[0].middle(face.points[1]);
        Actor {
            head: photo.crop(left as i64, top as i64, side as u32, side as u32),
            eyes: (eyes.x - left, eyes.y - top),
            pupil_distance_px: face.quality.pupil_distance_px,
        }
    }

    /// A flat thing, whose middle is where the eyes would be.
    pub fn flat(picture: Picture) -> Actor {
        let eyes = (picture.width as f32 / 2.0, picture.height as f32 / 2.0);
        Actor { head: picture, eyes, pupil_distance_px: 1.0 }
    }

    /// With the eyes at this point of the film; pupils this far apart; in so much light, 1 being the photo's own.
    pub fn at(&self, x: f32, y: f32, pupil_distance_px: f32, light: f32) -> Placed<'_> {
        Placed { actor: self, x, y, pupil_distance_px, light }
    }
}

pub struct Placed<'a> {
    actor: &'a Actor,
    x: f32,
    y: f32,
    pupil_distance_px: f32,
    light: f32,
}

impl Placed<'_> {
    /// Puts the head into a picture.
    pub fn draw(&self, frame: &mut Picture) {
        let (width, height) = (frame.width as usize, i64::from(frame.height));
        let scale = self.pupil_distance_px / self.actor.pupil_distance_px;
        let size = |length: u32| ((length as f32 * scale) as u32).max(1);
        let head = self.actor.head.scaled(size(self.actor.head.width), size(self.actor.head.height));
        let (left, top) = (self.x - self.actor.eyes.0 * scale, self.y - self.actor.eyes.1 * scale);
        for (line, row) in head.rgb.chunks_exact(head.width as usize * 3).enumerate() {
            for (column, pixel) in row.chunks_exact(3).enumerate() {
                let (x, y) = (left as i64 + column as i64, top as i64 + line as i64);
                if (0..width as i64).contains(&x) && (0..height).contains(&y) {
                    let at = (y as usize * width + x as usize) * 3;
                    for (to, from) in frame.rgb[at..at + 3].iter_mut().zip(pixel) {
                        *to = (f32::from(*from) * self.light) as u8;
                    }
                }
            }
        }
    }
}

/// What is seen for some seconds. The room is as light as the faces in it.
pub struct Shot<'a> {
    pub faces: Vec<Placed<'a>>,
    pub seconds: f32,
}

/// Films the shots, with the grain that a sensor has.
pub fn shoot(shots: &[Shot], file: &Path) {
    let mut encoder = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-s", &format!("{WIDTH}x{HEIGHT}"), "-r", &FPS.to_string(), "-i", "-"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-pix_fmt", "yuv420p"])
        .arg(file)
        .stdin(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    let mut pipe = encoder.stdin.take().expect("piped");
    let (mut drawn, mut frame) = (Picture::black(WIDTH, HEIGHT), Picture::black(WIDTH, HEIGHT));
    let mut grain = 1u32;
    for shot in shots {
        let light = shot.faces.iter().map(|face| face.light).fold(1.0, f32::min);
        drawn.rgb.fill((150.0 * light) as u8);
        shot.faces.iter().for_each(|face| face.draw(&mut drawn));
        for _ in 0..(shot.seconds * FPS as f32).round() as u32 {
            frame.rgb.copy_from_slice(&drawn.rgb);
            for value in frame.rgb.iter_mut().step_by(5) {
                grain ^= grain << 13;
                grain ^= grain >> 17;
                grain ^= grain << 5;
                *value = value.saturating_add((grain & 7) as u8).saturating_sub(3);
            }
            pipe.write_all(&frame.rgb).expect("taken");
        }
    }
    drop(pipe);
    assert!(encoder.wait().expect("ended").success(), "ffmpeg could not write {}", file.display());
}

/// An appliance that has been set up in a folder, and what it sees with.
pub struct Stage {
    pub config_file: PathBuf,
    pub config: Config,
    pub journal: Journal,
    pub vision: Vision,
    /// One stage is played on at a time.
    pub turn: MutexGuard<'static, ()>,
}

static MODELS: OnceLock<Models> = OnceLock::new();
static TURN: Mutex<()> = Mutex::new(());

impl Stage {
    /// `more`: what else the settings say. Without models there is nothing to test with, so that is an error.
    pub fn new(folder: &Path, more: &str) -> Stage {
        let config_file = folder.join("rollcall.toml");
        let zone = noon_zone();
        let text = format!(
            "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\ntimezone = \"{zone}\"\n{more}\n\
             [[camera]]\nname = \"front\"\nkind = \"file\"\npath = \"film.mkv\"\n"
        );
        std::fs::write(&config_file, text).expect("written");
        let config = Config::load(&config_file).expect("a config");
        let state = &config.appliance.state_dir;
        let clock = Arc::new(SystemClock::default());
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        // ONNX Runtime allows one environment a process; and what is seen in time must not wait for another film.
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let models = MODELS.get_or_init(|| Models::load(&config).expect("the models are in the source"));
        let vision = models.vision().expect("sessions");
        Stage { config_file, config, journal, vision, turn }
    }

    /// A class here whose only lesson begins so many hours from now; 01 and 02 are the same two people in every class.
    pub fn class(&self, id: &str, begins_in_hours: i64) -> Class {
        let mut class = testing::class(id, &["01", "02"], &["T1"]);
        let start =
            &local(&**self.journal.clock(), self.journal.zone()) + jiff::SignedDuration::from_hours(begins_in_hours);
        class.lessons[0].date = start.date();
        class.lessons[0].start = jiff::civil::time(start.hour(), start.minute(), 0, 0);
        class.lessons[0].end = jiff::civil::time(start.hour() + 2, start.minute(), 0, 0);
        class.lessons[0].room = "301".into();
        for (person, number) in class.trainees.iter_mut().zip(ID_NUMBERS) {
            person.id_number = Some(IdNumber::new(number).expect("well formed"));
        }
        self.journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
        class
    }

    /// Gives consent and enrols from a photo, as the desk does.
    pub fn enrol(&mut self, class: &Class, number: &str, photo: &Path) {
        let notice = rollcall::checkin::notice_sha256();
        self.journal.give_consent(&class.id, number, &notice, "cli").expect("given");
        let photos = [photo.to_owned()];
        enrol_person(&self.journal, &self.config, &mut self.vision, &class.id, number, &photos).expect("enrolled");
    }

    pub fn film(&self) -> PathBuf {
        self.config_file.with_file_name("film.mkv")
    }
}
