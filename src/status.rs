//! What the appliance is doing, for `rollcall status`, `/api/status` and the staff page. Counts only: no name, no ID
//! number.

use crate::alarm::{Alarm, Undelivered};
use crate::camera::{Camera, CameraState, CameraStatus};
use crate::clock::local;
use crate::config::Config;
use crate::coverage::CameraWatch;
use crate::journal::{Journal, JournalError};
pub use crate::recording::DiskStatus;
use crate::recording::{CameraRecording, Keeping};
use crate::store::FindingRow;
use crate::sync::{SyncState, SyncStatus};
use evidence::record::{ClockQuality, FindingKind, GapCause, WindowKind};
use serde::{Deserialize, Serialize};

/// Below this share of free space the disk is called low.
const LOW_DISK: f64 = 0.05;
/// … and below this many bytes.
const LOW_DISK_BYTES: u64 = 2 << 30;
/// Records may wait this long for the bureau before staff are told.
const UNSENT_SECONDS: i64 = 24 * 3600;

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
    /// Trainees on the roster.
    pub trainees: usize,
    /// Teachers on the roster.
    pub teachers: usize,
    /// Of both, those whose face is enrolled.
    pub enrolled: usize,
    /// Of both, those who declined face recognition: they check in by QR code.
    #[serde(default)]
    pub qr_only: usize,
    /// Trainees accepted on arrival today.
    pub arrived: usize,
    /// Trainees accepted on departure today.
    pub departed: usize,
}

/// Something that staff should look after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Attention {
    /// A camera does not deliver frames.
    Camera {
        /// Its name.
        camera: String,
        /// What it does instead.
        state: CameraState,
        /// What is wrong, if known.
        problem: Option<String>,
    },
    /// A lesson goes on and a camera is not recorded.
    NotRecorded {
        /// The camera.
        camera: String,
        /// Since when, RFC 3339.
        since: String,
        /// Why.
        cause: GapCause,
    },
    /// A lesson goes on and a camera is recorded, but its pictures cannot be judged.
    NotWatched {
        /// The camera.
        camera: String,
    },
    /// Sending has stopped until staff have acted.
    SyncAlarm {
        /// What happened, and what to do.
        message: String,
    },
    /// No bureau receives this appliance's records.
    NotRegistered,
    /// The bureau has countersigned nothing for a day, and records wait.
    Unsent {
        /// Records that wait.
        records: u64,
    },
    /// Records carry a time that nobody vouches for.
    ClockUnset,
    /// The disk is nearly full.
    DiskLow {
        /// Bytes left.
        free_bytes: u64,
    },
    /// The disk cannot be asked how full it is.
    DiskUnknown,
    /// The recordings' disk cannot be asked how full it is.
    RecordingsDiskUnknown,
    /// The recordings' disk is full up to its reserve: nothing is recorded.
    RecordingsDiskFull {
        /// Bytes left.
        free_bytes: u64,
        /// Bytes that are to stay free.
        reserve_bytes: u64,
    },
    /// Recordings should be deleted and may not be.
    CannotDelete {
        /// Why, and what to do.
        message: String,
    },
    /// Recordings cannot be archived.
    NotArchived {
        /// Why, and what to do.
        message: String,
    },
    /// People of a class can be recognised by nothing yet.
    NotEnrolled {
        /// The class.
        class: String,
        /// How many.
        people: usize,
    },
    /// There is no class.
    NoClass,
    /// Something is wrong with what a recording shows, or with a lesson.
    Finding {
        /// What.
        what: FindingKind,
        /// The camera, when it is about one.
        camera: Option<String>,
        /// The workstation, when it is about one.
        workstation: Option<String>,
        /// The class, when it is about no camera.
        class: Option<String>,
        /// Since when, RFC 3339.
        since: String,
    },
    /// Somebody who is to be told of alarms cannot be.
    AlarmUndelivered {
        /// The target's name in the config.
        target: String,
        /// Why.
        problem: String,
    },
    /// Check-ins cannot be written down.
    Trouble {
        /// Why.
        message: String,
    },
}

/// What only the running appliance knows.
#[derive(Default)]
pub struct Running<'a> {
    /// Its cameras.
    pub cameras: &'a [Camera],
    /// How their recordings stand.
    pub recordings: Vec<CameraRecording>,
    /// How the watches over their pictures stand.
    pub coverage: Vec<CameraWatch>,
    /// Alarms since start.
    pub alarms: Vec<Alarm>,
    /// Who could not be told of them.
    pub undelivered: Vec<Undelivered>,
    /// What is kept of them.
    pub keeping: Option<Keeping>,
}

/// Looks at everything.
pub fn gather(
    config: &Config,
    journal: &Journal,
    running: Option<Running<'_>>,
    log: SyncStatus,
    trouble: Option<String>,
) -> Result<Status, JournalError> {
    let now = local(&**journal.clock(), journal.zone());
    let reader = journal.store().read()?;
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
        let room = &config.appliance.room;
        let enrolled = reader.enrolled(&class.id)?;
        let mut qr_only = 0;
        for person in class.people().filter(|person| !enrolled.contains(&person.number)) {
            let has_declined = reader.consent(&class.id, &person.number)?.is_some_and(|consent| !consent.given);
            qr_only += usize::from(has_declined);
        }
        classes.push(ClassStatus {
            class: class.id.to_string(),
            today: class
                .lessons
                .iter()
                .any(|lesson| lesson.date == now.date() && (lesson.room.is_empty() || &lesson.room == room)),
            trainees: class.trainees.len(),
            teachers: class.teachers.len(),
            enrolled: enrolled.len(),
            qr_only,
            arrived: count(WindowKind::Arrival),
            departed: count(WindowKind::Departure),
            name: class.name.clone(),
        });
    }
    let finding = |row: FindingRow| Attention::Finding {
        what: row.what,
        class: row.class.filter(|_| row.camera.is_none()),
        camera: row.camera,
        workstation: row.workstation,
        since: journal.time_text(row.start),
    };
    let findings = reader.open_findings()?.into_iter().map(finding);
    let findings: Vec<Attention> = findings.collect();
    drop(reader);
    let Running { cameras, recordings, coverage, alarms, undelivered, keeping } = running.unwrap_or_default();
    let mut status = Status {
        version: env!("CARGO_PKG_VERSION").into(),
        device: journal.log().origin.clone(),
        site: config.appliance.site.clone(),
        room: config.appliance.room.clone(),
        time: now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        clock: journal.clock().quality(),
        classes,
        cameras: cameras.iter().map(Camera::status).collect(),
        recordings,
        coverage,
        alarms,
        log,
        disk: crate::recording::disk(&config.appliance.state_dir).ok(),
        keeping,
        attention: Vec::new(),
    };
    status.attention = attention(&status, now.timestamp().as_second(), trouble);
    status.attention.extend(findings);
    let undelivered = undelivered.into_iter();
    status
        .attention
        .extend(undelivered.map(|Undelivered { target, problem }| Attention::AlarmUndelivered { target, problem }));
    Ok(status)
}

fn attention(status: &Status, now: i64, trouble: Option<String>) -> Vec<Attention> {
    let mut found: Vec<Attention> = trouble.map(|message| Attention::Trouble { message }).into_iter().collect();
    if status.log.state == SyncState::Alarm {
        found.push(Attention::SyncAlarm { message: status.log.error.clone().unwrap_or_default() });
    }
    for camera in &status.cameras {
        if !matches!(camera.state, CameraState::Live | CameraState::Unknown) {
            let (camera, state, problem) = (camera.name.clone(), camera.state, camera.problem.clone());
            found.push(Attention::Camera { camera, state, problem });
        }
    }
    for recording in &status.recordings {
        if let Some((since, cause)) = &recording.gap {
            let (camera, since) = (recording.camera.clone(), since.clone());
            found.push(Attention::NotRecorded { camera, since, cause: *cause });
        }
    }
    for watch in status.coverage.iter().filter(|watch| watch.blind) {
        let is_live = |camera: &&CameraStatus| camera.name == watch.camera && camera.state == CameraState::Live;
        if status.cameras.iter().any(|camera| is_live(&camera)) {
            found.push(Attention::NotWatched { camera: watch.camera.clone() });
        }
    }
    match status.disk {
        None => found.push(Attention::DiskUnknown),
        Some(disk) => {
            let limit = ((disk.total_bytes as f64 * LOW_DISK) as u64).min(LOW_DISK_BYTES);
            if disk.free_bytes < limit {
                found.push(Attention::DiskLow { free_bytes: disk.free_bytes });
            }
        }
    }
    if let Some(keeping) = &status.keeping {
        found.extend(of_keeping(keeping));
    }
    if status.clock == ClockQuality::Unset {
        found.push(Attention::ClockUnset);
    }
    let waiting = status.log.log_size.saturating_sub(status.log.countersigned);
    if status.log.state == SyncState::NotRegistered {
        found.push(Attention::NotRegistered);
    } else if waiting > 0 && status.log.countersigned_at.is_none_or(|at| now - at > UNSENT_SECONDS) {
        found.push(Attention::Unsent { records: waiting });
    }
    if status.classes.is_empty() {
        found.push(Attention::NoClass);
    }
    for class in status.classes.iter().filter(|class| class.today) {
        let people = (class.trainees + class.teachers).saturating_sub(class.enrolled + class.qr_only);
        if people > 0 {
            found.push(Attention::NotEnrolled { class: class.class.clone(), people });
        }
    }
    found
}

fn of_keeping(keeping: &Keeping) -> Vec<Attention> {
    let mut found = Vec::new();
    match keeping.disk {
        None => found.push(Attention::RecordingsDiskUnknown),
        Some(DiskStatus { free_bytes, .. }) if free_bytes < keeping.reserve_bytes => {
            found.push(Attention::RecordingsDiskFull { free_bytes, reserve_bytes: keeping.reserve_bytes });
        }
        Some(_) => {}
    }
    found.extend(keeping.cannot_delete.clone().map(|message| Attention::CannotDelete { message }));
    let problem = keeping.archive.as_ref().and_then(|archive| archive.problem.clone());
    found.extend(problem.map(|message| Attention::NotArchived { message }));
    found
}

/// A finding in words.
pub fn finding_text(what: FindingKind) -> &'static str {
    match what {
        FindingKind::Dark => "the picture is too dark",
        FindingKind::OverExposed => "the picture is over-exposed",
        FindingKind::Blurred => "the picture is blurred",
        FindingKind::Frozen => "the picture stands still",
        FindingKind::Looped => "the picture repeats itself",
        FindingKind::Covered => "the lens is covered",
        FindingKind::Moved => "the camera was moved",
        FindingKind::Replaced => "the picture shows another place",
        FindingKind::WorkstationHidden => "it is not to be seen",
        FindingKind::FewPeople => "fewer people are seen than have checked in",
        FindingKind::NoRollCall => "no roll call was taken",
    }
}

/// A gap's cause in words.
pub fn cause_text(cause: GapCause) -> &'static str {
    match cause {
        GapCause::CameraAbsent => "the camera is not there",
        GapCause::CameraStalled => "the camera sends no pictures",
        GapCause::Network => "the camera cannot be reached over the network",
        GapCause::DiskFull => "the disk is full",
        GapCause::WriteFailed => "it cannot be written to the disk",
        GapCause::ApplianceOff => "the appliance was off",
        GapCause::ClockStep => "the clock was stepped over it",
        GapCause::OperatorStop => "staff stopped the recording",
        GapCause::PlanLate => "the plan came after it had begun",
    }
}

impl std::fmt::Display for Attention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Attention::Camera { camera, state, problem } => {
                write!(f, "camera {camera} is {}", format!("{state:?}").to_lowercase())?;
                problem.as_ref().map_or(Ok(()), |problem| write!(f, ": {problem}"))
            }
            Attention::NotRecorded { camera, since, cause } => {
                write!(f, "the lesson is not recorded by camera {camera} since {since}: {}", cause_text(*cause))
            }
            Attention::NotWatched { camera } => write!(
                f,
                "camera {camera} is recorded, but its pictures cannot be judged: set its key frame interval to 2 s, and take \
                 a new reference picture if its format has changed"
            ),
            Attention::SyncAlarm { message } => write!(f, "sending to the bureau has stopped: {message}"),
            Attention::NotRegistered => write!(f, "not registered with a bureau; `rollcall register CODE`"),
            Attention::Unsent { records } => write!(f, "{records} records have waited for the bureau for over a day"),
            Attention::ClockUnset => write!(f, "nothing vouches for the clock; check the network time (NTP)"),
            Attention::DiskLow { free_bytes } => write!(f, "the disk is nearly full: {} MB left", free_bytes >> 20),
            Attention::DiskUnknown => write!(f, "the disk cannot be asked how full it is"),
            Attention::RecordingsDiskUnknown => write!(f, "the recordings' disk cannot be asked how full it is"),
            Attention::RecordingsDiskFull { free_bytes, reserve_bytes } => write!(
                f,
                "the recordings' disk is full: {} MB are left, {} MB are to stay free; nothing is recorded",
                free_bytes >> 20,
                reserve_bytes >> 20
            ),
            Attention::CannotDelete { message } => write!(f, "recordings cannot be deleted: {message}"),
            Attention::NotArchived { message } => write!(f, "recordings cannot be archived: {message}"),
            Attention::NotEnrolled { class, people } => {
                write!(f, "{people} people of class {class} are not enrolled; `rollcall enrol`, or a QR code")
            }
            Attention::NoClass => write!(f, "no class; `rollcall class template`, then `rollcall class import`"),
            Attention::Finding { what, camera, workstation, class, since } => {
                match (camera, workstation, class) {
                    (Some(camera), Some(workstation), _) => write!(f, "camera {camera}, workstation {workstation}: ")?,
                    (Some(camera), None, _) => write!(f, "camera {camera}: ")?,
                    (None, _, Some(class)) => write!(f, "class {class}: ")?,
                    (None, _, None) => {}
                }
                write!(f, "{} since {since}", finding_text(*what))
            }
            Attention::AlarmUndelivered { target, problem } => {
                write!(f, "alarms do not reach {target}: {problem}; `rollcall alarm test`")
            }
            Attention::Trouble { message } => write!(f, "check-ins cannot be written down: {message}"),
        }
    }
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
        writeln!(
            f,
            "log         {} records, {} countersigned, last {receipt}",
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
