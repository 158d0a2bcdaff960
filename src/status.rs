//! What the appliance is doing, for `rollcall status`, `/api/status` and the staff page. Counts only: no name, no ID
//! number.

use crate::alarm::{Alarm, Undelivered};
use crate::attention::{Attention, attention, of_account};
use crate::camera::{Camera, CameraStatus};
use crate::class::lessons_in;
use crate::clock::local;
use crate::config::Config;
use crate::coverage::{CameraWatch, LessonWatch};
use crate::journal::{Journal, JournalError};
pub use crate::recording::DiskStatus;
use crate::recording::{CameraRecording, Keeping, accounts_made};
use crate::store::{FindingRow, StoreError, View};
use crate::sync::{Link, SyncStatus};
use evidence::jws::read_unverified;
use evidence::record::{ClockQuality, WindowKind};
use jiff::{ToSpan, ZonedDateTime};
use serde::{Deserialize, Serialize};

/// The whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The appliance's id.
    pub device: String,
    /// The contracted place.
    pub site: String,
    /// The room.
    pub room: String,
    /// Now, RFC 3339.
    pub time: String,
    /// How good that is.
    pub clock: ClockQuality,
    /// The classes that are not closed.
    pub classes: Vec<ClassStatus>,
    /// The cameras; empty when the appliance does not run.
    pub cameras: Vec<CameraStatus>,
    /// How each camera's recording stands; empty when the appliance does not run.
    #[serde(default)]
    pub recordings: Vec<CameraRecording>,
    /// How the watch over each camera's picture stands; empty when the appliance does not run.
    #[serde(default)]
    pub coverage: Vec<CameraWatch>,
    /// How the workstations stand that lessons need, which go on or begin within a day; empty when the appliance does not
    /// run.
    #[serde(default)]
    pub lessons: Vec<LessonWatch>,
    /// What needed attention since the appliance started, newest first.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// The log, and how far the bureau has countersigned it.
    pub log: SyncStatus,
    /// The disk that the state is on; absent when it cannot be asked.
    pub disk: Option<DiskStatus>,
    /// What is kept of the recordings; absent when the appliance does not run.
    #[serde(default)]
    pub keeping: Option<Keeping>,
    /// Why the database cannot be read; of what it tells (classes, findings, accounts) nothing is known then.
    #[serde(default)]
    pub unknown: Option<String>,
    /// What needs attention.
    pub attention: Vec<Attention>,
}

/// One class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClassStatus {
    /// 班期编号
    pub class: String,
    /// 班期名称
    pub name: String,
    /// Whether it has a lesson in this room today.
    pub today: bool,
    /// Of today's lessons in this room, those of practice for which the plan names no workstations.
    #[serde(default)]
    pub without_workstations: usize,
    /// Trainees on the roster.
    pub trainees: usize,
    /// Teachers on the roster.
    pub teachers: usize,
    /// Of both, those whose face is enrolled with the embedding model that is in use.
    pub enrolled: usize,
    /// Of both, those whose face is enrolled with other models only: nothing recognises them.
    #[serde(default)]
    pub other_model: usize,
    /// Of both, those who declined face recognition: they check in by QR code.
    #[serde(default)]
    pub qr_only: usize,
    /// Trainees accepted on arrival today.
    pub arrived: usize,
    /// Trainees accepted on departure today.
    pub departed: usize,
}

/// What only the running appliance knows; of one that does not run, the model alone.
#[derive(Default)]
pub struct Running<'a> {
    /// Its cameras.
    pub cameras: &'a [Camera],
    /// How their recordings stand.
    pub recordings: Vec<CameraRecording>,
    /// How the watches over their pictures stand.
    pub coverage: Vec<CameraWatch>,
    /// How the workstations stand that lessons need.
    pub lessons: Vec<LessonWatch>,
    /// Alarms since start.
    pub alarms: Vec<Alarm>,
    /// Who could not be told of them.
    pub undelivered: Vec<Undelivered>,
    /// What is kept of them.
    pub keeping: Option<Keeping>,
    /// SHA-256 (hex) of the embedding model in use; without, a face enrolled with any counts.
    pub model: Option<String>,
}

/// Looks at everything.
pub fn gather(
    config: &Config,
    journal: &Journal,
    running: Option<Running<'_>>,
    log: SyncStatus,
    trouble: Option<String>,
) -> Result<Status, JournalError> {
    let running = running.unwrap_or_default();
    let now = local(&**journal.clock(), journal.zone());
    let told = Told::read(config, journal, &now, running.model.as_deref(), log.countersigned)?;
    Ok(put_together(config, journal, &now, running, log, trouble, told))
}

/// Likewise of an appliance that runs: when the database cannot be read, the status says so, and tells the rest.
pub fn gather_what_is_known(
    config: &Config,
    journal: &Journal,
    running: Running<'_>,
    log: SyncStatus,
    trouble: Option<String>,
) -> Status {
    let now = local(&**journal.clock(), journal.zone());
    let told = Told::read(config, journal, &now, running.model.as_deref(), log.countersigned);
    let told = told.unwrap_or_else(|error| Told { unknown: Some(error.to_string()), ..Told::default() });
    put_together(config, journal, &now, running, log, trouble, told)
}

/// What the database tells.
#[derive(Default)]
struct Told {
    classes: Vec<ClassStatus>,
    /// Findings that go on, and lessons that are not complete.
    attention: Vec<Attention>,
    /// When the oldest record was made that the bureau has not countersigned: Unix time, s.
    waiting_since: Option<i64>,
    /// Why it tells nothing.
    unknown: Option<String>,
}

impl Told {
    fn read(
        config: &Config,
        journal: &Journal,
        now: &ZonedDateTime,
        model: Option<&str>,
        countersigned: u64,
    ) -> Result<Told, JournalError> {
        let reader = journal.store().read()?;
        let oldest = reader.record(countersigned)?.and_then(|record| read_unverified(record.as_str()).ok());
        let waiting_since = oldest.and_then(|record| record.time.parse().ok()).map(jiff::Timestamp::as_second);
        let classes = classes(config, &reader, now, model)?;
        let finding = |row: FindingRow| Attention::Finding {
            what: row.what,
            class: row.class.filter(|_| row.camera.is_none()),
            camera: row.camera,
            workstation: row.workstation,
            since: journal.time_text(row.start),
        };
        let mut attention: Vec<Attention> = reader.open_findings()?.into_iter().map(finding).collect();
        let yesterday = now.saturating_sub(1.day()).start_of_day().map_or(now.timestamp(), |day| day.timestamp());
        attention.extend(accounts_made(&reader, yesterday, now.timestamp())?.into_iter().filter_map(of_account));
        Ok(Told { classes, attention, waiting_since, unknown: None })
    }
}

/// How the classes stand that are not closed.
fn classes(
    config: &Config,
    reader: &View,
    now: &ZonedDateTime,
    model: Option<&str>,
) -> Result<Vec<ClassStatus>, StoreError> {
    let accepted = reader.accepted_on(now.date())?;
    let mut classes = Vec::new();
    for row in reader.classes()? {
        let class = row.class;
        let count = |kind| {
            let of_trainee = |number: &String| class.trainees.iter().any(|trainee| &trainee.number == number);
            accepted
                .iter()
                .filter(|(id, number, window)| *id == class.id && *window == kind && of_trainee(number))
                .count()
        };
        let enrolled = reader.enrolled_with(&class.id, model)?;
        let other_model = reader.enrolled(&class.id)?.difference(&enrolled).count();
        let mut qr_only = 0;
        for person in class.people().filter(|person| !enrolled.contains(&person.number)) {
            let has_declined = reader.consent(&class.id, &person.number)?.is_some_and(|consent| !consent.given);
            qr_only += usize::from(has_declined);
        }
        classes.push(ClassStatus {
            class: class.id.to_string(),
            today: class.is_in(&config.appliance.room, now.date()),
            without_workstations: lessons_in(&class, now.date(), &config.appliance.room)
                .filter(|lesson| lesson.lacks_workstations())
                .count(),
            trainees: class.trainees.len(),
            teachers: class.teachers.len(),
            enrolled: enrolled.len(),
            other_model,
            qr_only,
            arrived: count(WindowKind::Arrival),
            departed: count(WindowKind::Departure),
            name: class.name.clone(),
        });
    }
    Ok(classes)
}

fn put_together(
    config: &Config,
    journal: &Journal,
    now: &ZonedDateTime,
    running: Running<'_>,
    log: SyncStatus,
    trouble: Option<String>,
    told: Told,
) -> Status {
    let Running { cameras, recordings, coverage, lessons, alarms, undelivered, keeping, model: _ } = running;
    let mut status = Status {
        version: env!("CARGO_PKG_VERSION").into(),
        device: journal.log().origin.clone(),
        site: config.appliance.site.clone(),
        room: config.appliance.room.clone(),
        time: now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        clock: journal.clock().quality(),
        classes: told.classes,
        cameras: cameras.iter().map(Camera::status).collect(),
        recordings,
        coverage,
        lessons,
        alarms,
        log,
        disk: crate::recording::disk(&config.appliance.state_dir).ok(),
        keeping,
        unknown: told.unknown,
        attention: Vec::new(),
    };
    status.attention = attention(&status, now.timestamp().as_second(), trouble, told.waiting_since);
    status.attention.extend(told.attention);
    let undelivered = undelivered.into_iter();
    status
        .attention
        .extend(undelivered.map(|Undelivered { target, problem }| Attention::AlarmUndelivered { target, problem }));
    status
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "appliance   {}  (rollcall {})", self.device, self.version)?;
        writeln!(f, "place       {}, room {}", self.site, self.room)?;
        let clock = match self.clock {
            ClockQuality::Synced => "synchronised".into(),
            ClockQuality::Holdover { seconds } => format!("not synchronised for {seconds} s"),
            ClockQuality::Unset => "never synchronised".into(),
        };
        writeln!(f, "time        {}  ({clock})", self.time)?;
        for class in &self.classes {
            let today = if class.today { "today" } else { "not today" };
            writeln!(
                f,
                "class       {}  {}  {today}: {} of {} arrived, {} departed; {} enrolled",
                class.class, class.name, class.arrived, class.trainees, class.departed, class.enrolled
            )?;
        }
        for camera in &self.cameras {
            let age =
                camera.last_frame_age_seconds.map_or("no frame yet".into(), |age| format!("last frame {age:.1} s ago"));
            let state = format!("{:?}", camera.state).to_lowercase();
            writeln!(
                f,
                "camera      {}  {state}, {age}, {}×{} at {:.0}/s",
                camera.name, camera.width, camera.height, camera.fps
            )?;
        }
        for recording in &self.recordings {
            let state = match (recording.wanted, recording.recording) {
                (true, true) => "recording",
                (true, false) => "NOT recording, though a lesson goes on",
                _ => "no lesson to record",
            };
            writeln!(f, "recording   {}  {state}", recording.camera)?;
        }
        let receipt = self.log.countersigned_at.and_then(|at| jiff::Timestamp::from_second(at).ok());
        let receipt = receipt.map_or("never".into(), |time| time.to_string());
        let link = match self.log.link {
            Link::NotYet => "",
            Link::Online => "; the bureau answers",
            Link::Offline => "; the bureau does not answer",
        };
        writeln!(
            f,
            "log         {} records, {} countersigned, last {receipt}{link}",
            self.log.log_size, self.log.countersigned
        )?;
        if let Some(disk) = self.disk {
            writeln!(f, "disk        {} of {} GB free", disk.free_bytes >> 30, disk.total_bytes >> 30)?;
        }
        if let Some(keeping) = &self.keeping {
            for kept in &keeping.cameras {
                let (segments, megabytes) = (kept.amount.segments, kept.amount.bytes >> 20);
                writeln!(f, "kept        {}  {segments} segments, {megabytes} MB", kept.camera)?;
            }
            if let Some(archive) = &keeping.archive {
                let until = archive.archived_until.as_deref().unwrap_or("nothing yet");
                writeln!(f, "archive     {}  up to {until}; {} segments wait", archive.name, archive.waiting.segments)?;
            }
        }
        for attention in &self.attention {
            writeln!(f, "attention   {attention}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::store::FILE_NAME;
    use std::sync::Arc;

    #[test]
    fn a_database_that_cannot_be_read_is_told_and_so_is_all_that_is_known_without_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        let clock = Arc::new(TestClock::at("2026-11-24T01:00:00Z".parse().expect("a time")));
        let state = &config.appliance.state_dir;
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        let told = || {
            let watch = CameraWatch { camera: "back".into(), idle_seconds: 60.0, ..CameraWatch::default() };
            let running = Running { coverage: vec![watch], keeping: Some(Keeping::default()), ..Running::default() };
            let status = gather_what_is_known(&config, &journal, running, SyncStatus::unknown(), None);
            let is_about_it = |one: &&Attention| {
                matches!(one, Attention::StatusUnknown { .. } | Attention::WatchHangs | Attention::NoClass)
            };
            let found: Vec<Attention> = status.attention.iter().filter(is_about_it).cloned().collect();
            (found, status.unknown)
        };
        assert_eq!(told(), (vec![Attention::WatchHangs, Attention::NoClass], None));
        let key = std::fs::read_to_string(state.join("keys/store.key")).expect("the key");
        let database = rusqlite::Connection::open(state.join(FILE_NAME)).expect("opened");
        database.pragma_update(None, "key", format!("x'{}'", key.trim())).expect("keyed");
        database.execute_batch("ALTER TABLE findings RENAME TO lost").expect("renamed");
        let (found, unknown) = told();
        let message = unknown.expect("it cannot be read");
        assert_eq!(found, [Attention::StatusUnknown { message }, Attention::WatchHangs], "who knows of classes?");
        database.execute_batch("ALTER TABLE lost RENAME TO findings").expect("renamed");
        assert_eq!(told(), (vec![Attention::WatchHangs, Attention::NoClass], None));
    }
}
