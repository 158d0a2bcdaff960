//! `rollcall demo`: a throw-away appliance and bureau on loopback, and real faces before its camera.

mod bureau;
#[doc(hidden)]
pub mod class;
#[doc(hidden)]
pub mod film;
mod report;

use super::appliance::Models;
use super::enrol::enrol_person;
use crate::appliance::Appliance;
use crate::checkin::live::Outcome;
use crate::class::ClassId;
use crate::clock::{SystemClock, local};
use crate::config::Config;
use crate::journal::Journal;
use crate::sync;
use crate::vision::Vision;
use anyhow::{Context, Result};
use bureau::Bureau;
use evidence::record::CheckinOutcome;
use film::{Portrait, Scene, shoot};
use report::{Report, print_outcome};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// `rollcall demo`
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Photos for the demonstration's own film: obama.jpg, obama2.jpg, obama3.jpg, biden.jpg
    #[arg(long, default_value = "target/demo/photos", conflicts_with_all = ["enrol", "clip"])]
    photos: PathBuf,
    /// Enrol these photos instead; may be given again
    #[arg(long, value_name = "PHOTO=NAME", num_args = 1.., requires = "clip")]
    enrol: Vec<String>,
    /// Enrol these photos in another class; may be given again
    #[arg(long, value_name = "PHOTO=NAME", num_args = 1.., requires = "clip")]
    other: Vec<String>,
    /// Play these videos to the camera instead, one after another; may be given again
    #[arg(long, value_name = "FILE", num_args = 1..)]
    clip: Vec<PathBuf>,
    /// End when the film has ended and the bureau has countersigned everything
    #[arg(long)]
    once: bool,
    /// Print what happened as JSON, with --once
    #[arg(long, requires = "once")]
    json: bool,
    /// The `bureau` program; by default the one beside this one
    #[arg(long)]
    bureau: Option<PathBuf>,
    /// Keep the appliance's and the bureau's folders here instead of throwing them away
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Address of the kiosk and staff pages
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

const ROOM: &str = "301";
const CLASS: &str = "DEMO-A";
const OTHER_CLASS: &str = "DEMO-B";
const PIN: &str = "2580";
/// How long a countersignature may take before the demonstration calls it missing.
const COUNTERSIGNING: Duration = Duration::from_secs(20);

/// Who is enrolled, from which photo.
struct Cast {
    here: Vec<(PathBuf, String)>,
    elsewhere: Vec<(PathBuf, String)>,
    /// Enrolled in the other class only after the camera has called them unknown.
    later: Vec<(PathBuf, String)>,
}

impl DemoArgs {
    /// Runs it.
    pub fn run(self) -> Result<ExitCode> {
        let folder = Folder::make(self.keep.as_deref())?;
        let state = folder.path.join("appliance");
        std::fs::create_dir_all(&state)?;
        let config = self.config(&state)?;
        let models = Models::load(&config)?;
        let mut eyes = models.vision()?;
        let cast = self.cast()?;
        self.say("preparing the film …");
        let config = match self.clip.as_slice() {
            [] => {
                let file = state.join("film.mkv");
                self.shoot(&mut eyes, &file)?;
                with_camera(config, &file, !self.once)
            }
            [clip] => with_camera(config, clip, !self.once),
            clips => {
                let file = state.join("film.mkv");
                join(clips, &file)?;
                with_camera(config, &file, !self.once)
            }
        };
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(self.play(config, &state, &folder.path, cast, models, eyes))
    }

    fn say(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }

    fn config(&self, state: &Path) -> Result<Config> {
        let file = state.join("rollcall.toml");
        let text = format!(
            "[appliance]\nsite = \"示范实训基地\"\nroom = \"{ROOM}\"\nstate_dir = \"state\"\n\n[web]\nlisten = \"{}\"\n",
            self.listen
        );
        std::fs::write(&file, text)?;
        Ok(Config::load(&file)?)
    }

    fn cast(&self) -> Result<Cast> {
        let named = |pairs: &[String]| -> Result<Vec<(PathBuf, String)>> {
            let pair = |pair: &String| {
                let (photo, name) = pair.rsplit_once('=').with_context(|| format!("{pair:?} is not PHOTO=NAME"))?;
                Ok((PathBuf::from(photo), name.to_owned()))
            };
            pairs.iter().map(pair).collect()
        };
        if !self.clip.is_empty() {
            return Ok(Cast { here: named(&self.enrol)?, elsewhere: named(&self.other)?, later: Vec::new() });
        }
        let photo = |name: &str| self.photos.join(name);
        Ok(Cast {
            here: vec![(photo("obama.jpg"), "欧巴马".into())],
            elsewhere: Vec::new(),
            later: vec![(photo("biden.jpg"), "白登".into())],
        })
    }

    /// The demonstration's own film; each scene is meant to end in another outcome.
    fn shoot(&self, eyes: &mut Vision, file: &Path) -> Result<()> {
        let mut open = |name: &str| {
            let path = self.photos.join(name);
            Portrait::open(&path, eyes)
                .with_context(|| "`make demo` fetches the photos; --clip FILE plays a video instead")
        };
        let (second, third, stranger) = (open("obama2.jpg")?, open("obama3.jpg")?, open("biden.jpg")?);
        let scene = |photo, pupil_distance_px, seconds| Scene { photo, pupil_distance_px, seconds };
        let pause = || scene(None, 0.0, 2.0);
        shoot(
            &[
                scene(None, 0.0, 1.0),
                scene(Some(&second), 17.0, 5.0),
                pause(),
                scene(Some(&second), 78.0, 4.0),
                pause(),
                scene(Some(&stranger), 72.0, 5.0),
                pause(),
                scene(Some(&third), 70.0, 4.0),
                pause(),
                scene(Some(&stranger), 80.0, 4.0),
                pause(),
            ],
            file,
        )
    }

    async fn play(
        self,
        mut config: Config,
        state: &Path,
        folder: &Path,
        cast: Cast,
        models: Models,
        mut eyes: Vision,
    ) -> Result<ExitCode> {
        let bureau = Bureau::start(self.bureau.as_deref(), &folder.join("bureau"))?;
        config.sync = Some(toml::from_str(&format!("bureau = {:?}\nca = {:?}\n", bureau.url, bureau.ca()))?);
        let clock = Arc::new(SystemClock::default());
        let zone = config.timezone();
        let journal =
            Journal::initialise(&state.join("state"), &config.appliance.site, ROOM, clock.clone(), zone.clone())?;
        let now = local(&*clock, &zone);
        let (class, other) = enrol_cast(&journal, &config, &mut eyes, &cast, &now)?;
        if let Some(sync) = &config.sync {
            let journal = Arc::new(journal);
            sync::register(journal.clone(), sync, &config.appliance, &bureau.invite()?).await?;
            drop(journal);
        }
        let journal = Journal::open_state(&config.appliance.state_dir, clock, zone)?;
        let later_config = config.clone();
        let started = Instant::now();
        let listener = tokio::net::TcpListener::bind(self.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}; --listen names another", self.listen))?;
        let pages = listener.local_addr()?;
        let appliance = Appliance::start(config, journal, Some(eyes), Some(listener))?;
        let mut outcomes = appliance.live.outcomes();
        self.say(&format!("appliance   {}", appliance.journal.log().origin));
        self.say(&format!("class       {class} in room {ROOM}; {other} is the other class"));
        self.say(&format!("kiosk       http://{pages}/kiosk"));
        self.say(&format!("staff page  http://{pages}/"));
        self.say(&format!("bureau      {}  (any user, password {})", bureau.url, bureau.token()));
        self.say(&format!("teacher     T1 of class {class}, PIN {PIN}"));
        self.say(if self.once { "" } else { "Ctrl-C ends it\n" });

        let mut told: Vec<Arc<Outcome>> = Vec::new();
        let mut later = cast.later;
        let cameras = appliance.cameras.clone();
        let camera_ended = async move {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if cameras.iter().all(|camera| camera.has_ended()) {
                    return;
                }
            }
        };
        let mut ended = std::pin::pin!(camera_ended);
        loop {
            let outcome = tokio::select! {
                outcome = outcomes.recv() => match outcome {
                    Ok(outcome) => outcome,
                    Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                () = &mut ended, if self.once => break,
                _ = tokio::signal::ctrl_c() => break,
            };
            if !self.json {
                print_outcome(&outcome);
            }
            if outcome.outcome == CheckinOutcome::Unknown && !later.is_empty() {
                let people = std::mem::take(&mut later);
                enrol_later(appliance.journal.clone(), later_config.clone(), models.clone(), other.clone(), people)
                    .await?;
                self.say("          (now the stranger is enrolled in the other class)");
            }
            told.push(outcome);
        }
        // What was decided while the film ended.
        tokio::time::sleep(Duration::from_millis(300)).await;
        while let Ok(outcome) = outcomes.try_recv() {
            if !self.json {
                print_outcome(&outcome);
            }
            told.push(outcome);
        }
        let frames = appliance
            .checkin
            .as_ref()
            .map_or(0, |checkin| checkin.progress().frames.load(std::sync::atomic::Ordering::Relaxed));
        let mut sync = appliance.sync.clone();
        let journal = appliance.journal.clone();
        let signed = sync.wait_for(|status| status.countersigned >= journal.size());
        let signed = tokio::time::timeout(COUNTERSIGNING, signed).await.is_ok_and(|waited| waited.is_ok());
        let report = Report::of(&journal, &told, frames)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            report.print();
            println!("time          {:.0} s", started.elapsed().as_secs_f64());
        }
        if !signed {
            let error = sync.borrow().error.clone().unwrap_or_else(|| "no receipt came".into());
            eprintln!("rollcall: the bureau has not countersigned everything: {error}");
        }
        appliance.stop().await?;
        Ok(if signed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn enrol_cast(
    journal: &Journal,
    config: &Config,
    eyes: &mut Vision,
    cast: &Cast,
    now: &jiff::ZonedDateTime,
) -> Result<(ClassId, ClassId)> {
    let names = |people: &[(PathBuf, String)]| people.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>();
    let mut here = names(&cast.here);
    here.extend(["张三丰", "李四光"].map(String::from));
    let here = class::players(here);
    let elsewhere = class::players(names(&cast.elsewhere).into_iter().chain(names(&cast.later)).chain(["赵六".into()]));
    let class = class::import(journal, CLASS, "电工五级示范班", ROOM, &here, now)?.id;
    let other = class::import(journal, OTHER_CLASS, "焊工五级示范班", "205", &elsewhere, now)?.id;
    class::consent(journal, &class)?;
    class::consent(journal, &other)?;
    journal.store().set_pin(&class, "T1", PIN)?;
    for (people, players, class) in [(&cast.here, &here, &class), (&cast.elsewhere, &elsewhere, &other)] {
        for ((photo, name), player) in people.iter().zip(players) {
            enrol_person(journal, config, eyes, class, &player.number, std::slice::from_ref(photo))
                .with_context(|| format!("cannot enrol {name}"))?;
        }
    }
    Ok((class, other))
}

/// Enrols people beside the running check-in, as `rollcall enrol` would.
async fn enrol_later(
    journal: Arc<Journal>,
    config: Config,
    models: Models,
    class: ClassId,
    people: Vec<(PathBuf, String)>,
) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        let mut eyes = models.vision()?;
        for ((photo, name), player) in people.iter().zip(class::players(people.iter().map(|(_, name)| name.clone()))) {
            enrol_person(&journal, &config, &mut eyes, &class, &player.number, std::slice::from_ref(photo))
                .with_context(|| format!("cannot enrol {name}"))?;
        }
        Ok(())
    })
    .await?
}

fn with_camera(mut config: Config, film: &Path, repeat: bool) -> Config {
    config.cameras = vec![crate::config::CameraConfig {
        name: "front".into(),
        source: crate::config::CameraSource::File {
            path: film.to_owned(),
            pace: crate::config::FilePace::Camera,
            repeat,
        },
        stall_seconds: 3.0,
        record: false,
    }];
    config
}

/// Joins clips of any size and rate into one film, one second of nothing between them.
fn join(clips: &[PathBuf], file: &Path) -> Result<()> {
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-y"]);
    let mut filter = String::new();
    for (at, clip) in clips.iter().enumerate() {
        anyhow::ensure!(clip.is_file(), "{}: no such file", clip.display());
        ffmpeg.arg("-i").arg(clip);
        filter += &format!(
            "[{at}:v]fps=25,scale=1280:720:force_original_aspect_ratio=decrease,pad=1280:720:-1:-1,setsar=1,\
             tpad=stop_duration=2:color=gray[v{at}];"
        );
    }
    filter += &(0..clips.len()).map(|at| format!("[v{at}]")).collect::<String>();
    filter += &format!("concat=n={}:v=1:a=0[v]", clips.len());
    let status = ffmpeg
        .args(["-filter_complex", &filter, "-map", "[v]", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18"])
        .arg(file)
        .status()
        .context("the program ffmpeg is needed to join clips; `make setup` installs it")?;
    anyhow::ensure!(status.success(), "ffmpeg could not join the clips");
    Ok(())
}

/// Where the demonstration lives; removed at its end unless it is to be kept.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make(keep: Option<&Path>) -> Result<Folder> {
        let path = match keep {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("rollcall-demo-{}", std::process::id())),
        };
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Folder { path: path.canonicalize()?, keep: keep.is_some() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
