//! What needs attention, in English, and what to do about it.

use super::Attention;
use evidence::record::{FindingKind, GapCause};

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
            Attention::StatusUnknown { message } => write!(
                f,
                "what the appliance knows cannot be read, so nobody knows of classes, lessons and findings; look at the disk, and \
                 at the log: {message}"
            ),
            Attention::Camera { camera, state, problem } => {
                write!(f, "camera {camera} is {}", format!("{state:?}").to_lowercase())?;
                problem.as_ref().map_or(Ok(()), |problem| write!(f, ": {problem}"))
            }
            Attention::NotRecorded { camera, since, cause } => {
                write!(f, "the lesson is not recorded by camera {camera} since {since}: {}", cause_text(*cause))
            }
            Attention::RecorderHangs { camera } => {
                write!(f, "the recorder of camera {camera} hangs: look at the recordings' disk")
            }
            Attention::WatchHangs => write!(
                f,
                "the watch over the pictures hangs: nobody looks at what the cameras show; look at the disk, and at the log"
            ),
            Attention::CleanerHangs => {
                write!(f, "whoever deletes recordings hangs: look at the recordings' disk")
            }
            Attention::ArchiveHangs => write!(
                f,
                "whoever archives recordings hangs: look at the archive's disk, share or store, and at the log"
            ),
            Attention::NotJournalled { camera, facts } => {
                write!(f, "{facts} facts about camera {camera} cannot be journalled: look at the disk, and at the log")
            }
            Attention::NotWatched { camera } => write!(
                f,
                "camera {camera} is recorded, but its pictures cannot be judged: set its key frame interval to 2 s, and take \
                 a new reference picture if its format has changed, or if nothing in the old one can be told apart"
            ),
            Attention::WorkstationsUnseen { class, workstations } => write!(
                f,
                "class {class}: a lesson goes on, and no camera's picture tells anything of workstations {}: mark them, by \
                 the plan's numbers, on a camera's page, or turn a camera",
                workstations.join(", ")
            ),
            Attention::WorkstationsUnmarked { class, workstations } => write!(
                f,
                "class {class}: a lesson is to come, and no camera's picture marks workstations {}: mark them, by the plan's \
                 numbers, on a camera's page",
                workstations.join(", ")
            ),
            Attention::LessonIncomplete {
                class,
                lesson,
                cameras,
                workstations,
                no_roll_call,
                no_camera,
                no_workstations,
            } => {
                let time = lesson.get(..16).unwrap_or(lesson).replace('T', " ");
                write!(f, "class {class}, lesson of {time}: its recording is not complete")?;
                let named = |what: &str, names: &[String], why: &str| {
                    (!names.is_empty()).then(|| format!("{what} {} {why}", names.join(", ")))
                };
                let causes = [
                    named("camera", cameras, "shows too little of it"),
                    named("workstation", workstations, "is not to be seen for long enough"),
                    no_roll_call.then(|| "no roll call is recorded".into()),
                    no_camera.then(|| "no camera records here".into()),
                    no_workstations
                        .then(|| "its plan names no workstations that the pictures could be held against".into()),
                ];
                let causes: Vec<String> = causes.into_iter().flatten().collect();
                write!(f, "{}{}; see the recordings", if causes.is_empty() { "" } else { ": " }, causes.join("; "))
            }
            Attention::KeyFramesRare { camera, milliseconds } => write!(
                f,
                "camera {camera} is recorded, and its key frames come {:.1} s apart: what is wrong with its picture is found \
                 late; set its key frame interval (GOP, I-frame interval) to 2 s or less",
                *milliseconds as f64 / 1000.0
            ),
            Attention::SyncAlarm { message } => write!(f, "sending to the bureau has stopped: {message}"),
            Attention::NotRegistered => write!(f, "not registered with a bureau; `rollcall register CODE`"),
            Attention::Unsent { records } => write!(f, "{records} records have waited for the bureau for over a day"),
            Attention::ClockUnset => write!(f, "nothing vouches for the clock; check the network time (NTP)"),
            Attention::DiskLow { free_bytes } => write!(f, "the disk is nearly full: {} MB left", free_bytes >> 20),
            Attention::DiskUnknown => write!(f, "the disk cannot be asked how full it is"),
            Attention::RecordingsDiskUnknown => write!(
                f,
                "the recordings' disk is not mounted, or cannot be asked how full it is; nothing is deleted from it"
            ),
            Attention::RecordingsDiskFull { free_bytes, reserve_bytes } => write!(
                f,
                "the recordings' disk is full: {} MB are left, {} MB are to stay free; nothing is recorded",
                free_bytes >> 20,
                reserve_bytes >> 20
            ),
            Attention::CannotDelete { message } => write!(f, "recordings cannot be deleted: {message}"),
            Attention::ForeignRecordings { files, first } => write!(
                f,
                "{files} files among the recordings were written by no recorder, or not so, and are not vouched for; the first is \
                 {first}: find out who put them there, and take them away"
            ),
            Attention::NotArchived { message } => write!(f, "recordings cannot be archived: {message}"),
            Attention::ArchiveLate { days } => write!(
                f,
                "recordings of {days} days ago are not archived yet: the line to the archive may be slower than what is recorded; \
                 look at the network, and at max_bytes_per_second of [archive]"
            ),
            Attention::NotArchivable { segments, first } => write!(
                f,
                "{segments} segments that no archive holds are gone, or not what was recorded; the first is {first}: look with \
                 `rollcall check`; what cannot be found again is given up with `rollcall recording give-up`"
            ),
            Attention::NotEnrolled { class, people, other_model: 0 } => {
                write!(f, "{people} people of class {class} are not enrolled; `rollcall enrol`, or a QR code")
            }
            Attention::NotEnrolled { class, people, other_model } => write!(
                f,
                "the face model has changed: {other_model} people of class {class} are enrolled with another, by which nobody is \
                 recognised, {people} in all are not enrolled; enrol them again (`rollcall enrol`), or QR codes"
            ),
            Attention::NothingRecorded => write!(
                f,
                "no camera is recorded: today's lessons will have no video, and none of them is complete; give the config a \
                 [[camera]] that is recorded"
            ),
            Attention::NoWorkstations { class, lessons } => write!(
                f,
                "the plan of class {class} names no workstations for {lessons} of today's practice lessons: nothing can show \
                 that all were in the picture, and they will not be complete; fill in 工位 and import the plan again"
            ),
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
