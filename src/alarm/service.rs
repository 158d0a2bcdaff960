//! Looks every second or two at what needs attention, and tells the targets what has begun and ended.

use super::deliver::{Target, Undelivered};
use super::message::{Message, Sender};
use super::watch::{Alarm, Alarms, Event};
use crate::attention::Attention;
use crate::config::Config;
use crate::journal::Journal;
use crate::lasting::Lasting;
use crate::status::Status;
use crate::store::{FindingRow, StoreError};
use evidence::jws::read_unverified;
use evidence::record::{Data, FindingEnding};
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);
/// A status that takes longer hangs, as on a disk that does not answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Where the appliance's status comes from.
pub type Source = Arc<dyn Fn() -> Status + Send + Sync>;

/// Alarms of a running appliance.
pub struct Service {
    journal: Arc<Journal>,
    alarms: Mutex<Alarms>,
    targets: Vec<Arc<Target>>,
    /// Targets that cannot even be tried.
    broken: Vec<Undelivered>,
    answer: Duration,
}

impl Service {
    /// Knows the targets, and sends nothing yet.
    pub fn new(config: &Config, journal: Arc<Journal>) -> Service {
        let place = &config.appliance;
        let device = journal.log().origin.clone();
        let sender = Sender { device, site: place.site.clone(), room: place.room.clone() };
        let (mut targets, mut broken) = (Vec::new(), Vec::new());
        for target in &config.alarm.targets {
            match Target::new(target, &config.alarm, &sender) {
                Ok(target) => targets.push(Arc::new(target)),
                Err(error) => {
                    let problem = error.without_url().to_string();
                    broken.push(Undelivered { target: target.name.clone(), problem });
                }
            }
        }
        Service { journal, alarms: Mutex::default(), targets, broken, answer: ANSWER }
    }

    /// Alarms since start, newest first.
    pub fn list(&self) -> Vec<Alarm> {
        self.lock().list(|time| self.journal.time_text(time))
    }

    /// The targets that could not be told.
    pub fn undelivered(&self) -> Vec<Undelivered> {
        self.broken.iter().cloned().chain(self.targets.iter().filter_map(|target| target.undelivered())).collect()
    }

    /// Looks and tells, for ever.
    pub async fn run(self: Arc<Service>, source: Source) {
        // They end when this does.
        let mut deliveries = tokio::task::JoinSet::new();
        for target in &self.targets {
            deliveries.spawn(target.clone().run());
        }
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut looking, mut trouble) = (None, Lasting::default());
        loop {
            ticks.tick().await;
            // A look that hangs is not begun once more.
            let look = looking.get_or_insert_with(|| {
                let (service, source) = (self.clone(), source.clone());
                tokio::task::spawn_blocking(move || service.look(&source()))
            });
            let problem = match tokio::time::timeout(self.answer, look).await {
                Ok(looked) => {
                    looking = None;
                    looked.unwrap_or_else(|error| Some(self.look_in_vain(error.to_string())))
                }
                Err(_) => {
                    let problem = format!("the status is not told within {} s", self.answer.as_secs());
                    Some(self.look_in_vain(problem))
                }
            };
            if let Some(problem) = trouble.due(problem.map_or(Ok(()), Err)) {
                tracing::error!(problem, "nobody knows all that needs attention; looking again");
            }
        }
    }

    /// Tells what has begun and ended; returns why not all is known.
    fn look(&self, status: &Status) -> Option<String> {
        let now = self.journal.clock().now();
        let events = self.lock().take(now, &status.attention);
        let ended = |event| match event {
            Event::Ended(attention) if self.is_left(&attention, status) => Event::Left(attention),
            event => event,
        };
        self.tell(now, events.into_iter().map(ended));
        status.unknown.clone()
    }

    /// Nobody knows what needs attention: that does, and nothing is over.
    fn look_in_vain(&self, problem: String) -> String {
        let now = self.journal.clock().now();
        let mut alarms = self.lock();
        let attention = alarms.unknown(&problem);
        let events = alarms.take(now, &attention);
        drop(alarms);
        self.tell(now, events);
        problem
    }

    fn tell(&self, now: Timestamp, events: impl IntoIterator<Item = Event>) {
        for event in events {
            match &event {
                Event::Begun(attention) => tracing::warn!(%attention, "alarm"),
                Event::Ended(attention) => tracing::info!(%attention, "no longer an alarm"),
                Event::Left(attention) => tracing::info!(%attention, "an alarm that nobody looks at any more"),
            }
            let message = Message { event: Some(event), time: self.journal.time_text(now), more: 0 };
            self.targets.iter().for_each(|target| target.put(message.clone()));
        }
    }

    /// Whether what no longer needs attention is not known to be over: nobody looks any more.
    fn is_left(&self, attention: &Attention, status: &Status) -> bool {
        match attention {
            Attention::NotRecorded { camera, .. } => {
                !status.recordings.iter().any(|recording| recording.camera == *camera && recording.wanted)
            }
            Attention::NotWatched { camera } => {
                !status.coverage.iter().any(|watch| watch.camera == *camera && watch.watching && watch.steady)
            }
            Attention::WorkstationsUnseen { class, workstations } => {
                let goes_on = status.lessons.iter().any(|lesson| lesson.has_begun && lesson.class == *class);
                let told = status.coverage.iter().flat_map(|watch| &watch.workstations);
                let is_told = |name: &String| told.clone().any(|(one, state)| one == name && state != "unknown");
                !goes_on || !workstations.iter().all(is_told)
            }
            Attention::Finding { .. } => {
                self.ending(attention).unwrap_or_else(|error| {
                    tracing::error!(%error, "how a finding ended cannot be read");
                    Some(FindingEnding::Unwatched)
                }) == Some(FindingEnding::Unwatched)
            }
            _ => false,
        }
    }

    /// How a finding has ended, as its record says.
    fn ending(&self, finding: &Attention) -> Result<Option<FindingEnding>, StoreError> {
        let Attention::Finding { what, camera, workstation, class, since } = finding else { return Ok(None) };
        let Ok(start) = since.parse::<Timestamp>() else { return Ok(None) };
        let reader = self.journal.store().read()?;
        let is_it = |row: &FindingRow| {
            let is_about = row.camera == *camera && row.workstation == *workstation;
            row.start == start && row.what == *what && is_about && (camera.is_some() || row.class == *class)
        };
        let rows = reader.findings(start, start + SignedDuration::from_millis(1))?;
        let Some((_, seq)) = rows.into_iter().rfind(is_it).and_then(|row| row.end) else { return Ok(None) };
        let record = reader.record(seq)?.and_then(|record| read_unverified(record.as_str()).ok());
        Ok(record.and_then(|record| match record.data {
            Data::Finding(finding) => finding.ending,
            _ => None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::ClassId;
    use crate::clock::SystemClock;
    use crate::coverage::{CameraWatch, LessonWatch};
    use crate::journal::NewFinding;
    use crate::status::{Running, gather};
    use crate::sync::SyncStatus;
    use evidence::record::{FindingKind, GapCause};
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[test]
    fn what_nobody_looks_at_any_more_is_not_said_to_be_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let (service, mut status) = service(folder.path());
        let journal = service.journal.clone();
        let covered = |second: i64| NewFinding {
            what: FindingKind::Covered,
            camera: Some("back".into()),
            workstation: None,
            class: Some(ClassId::new("2026-001").expect("valid")),
            start: Timestamp::from_second(1_800_000_000 + second).expect("in range"),
            measured: BTreeMap::new(),
        };
        let attention = |row: &FindingRow| Attention::Finding {
            what: row.what,
            camera: row.camera.clone(),
            workstation: None,
            class: None,
            since: journal.time_text(row.start),
        };
        let over = journal.begin_finding(covered(0), None).expect("begins");
        journal.end_finding(&over, over.start, BTreeMap::new()).expect("ends");
        assert!(!service.is_left(&attention(&over), &status));
        let left = journal.begin_finding(covered(1), None).expect("begins");
        journal.leave_finding(&left, left.start, BTreeMap::new()).expect("ends");
        assert!(service.is_left(&attention(&left), &status));

        let class = || "2026-001".to_owned();
        let unseen = Attention::WorkstationsUnseen { class: class(), workstations: vec!["17".into()] };
        assert!(service.is_left(&unseen, &status), "no lesson goes on");
        status.lessons = vec![LessonWatch { class: class(), has_begun: true, unseen: Vec::new() }];
        assert!(service.is_left(&unseen, &status), "the cameras that mark it have died");
        let blind = Attention::NotWatched { camera: "back".into() };
        assert!(service.is_left(&blind, &status));
        status.coverage = vec![CameraWatch { camera: "back".into(), watching: true, ..CameraWatch::default() }];
        assert!(service.is_left(&blind, &status), "it sends nothing, or a lesson has just begun");
        status.coverage[0].steady = true;
        assert!(!service.is_left(&blind, &status));
        status.coverage[0].workstations = vec![("17".into(), "unknown".into())];
        assert!(service.is_left(&unseen, &status));
        status.coverage[0].workstations = vec![("17".into(), "hidden".into())];
        assert!(!service.is_left(&unseen, &status), "it is known of");
        let gap = Attention::NotRecorded { camera: "back".into(), since: String::new(), cause: GapCause::Network };
        assert!(service.is_left(&gap, &status));
        let recording = serde_json::json!({
            "camera": "back", "wanted": true, "recording": true, "gap": null, "waiting": 0
        });
        status.recordings = vec![serde_json::from_value(recording).expect("a recording")];
        assert!(!service.is_left(&gap, &status));
        assert!(!service.is_left(&Attention::WatchHangs, &status));
    }

    /// Alarms without a target, and a status in which nothing goes on.
    fn service(folder: &std::path::Path) -> (Service, Status) {
        let file = folder.join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        let (state, clock) = (&config.appliance.state_dir, Arc::new(SystemClock::default()));
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        let status = gather(&config, &journal, Some(Running::default()), SyncStatus::unknown(), None);
        (Service::new(&config, Arc::new(journal)), status.expect("gathered"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_status_that_hangs_is_an_alarm_and_ends_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut service, mut status) = service(folder.path());
        status.attention = vec![Attention::WatchHangs];
        service.answer = Duration::from_millis(50);
        let service = Arc::new(service);
        let (go_on, held) = mpsc::channel();
        let (held, asked) = (Mutex::new(held), AtomicUsize::new(0));
        let source = Arc::new(move || {
            // The second time it is asked, it hangs until the test lets it go on.
            if asked.fetch_add(1, Ordering::Relaxed) == 1 {
                let _ = held.lock().expect("nobody panics").recv();
            }
            status.clone()
        });
        let running = tokio::spawn(service.clone().run(source));
        let is_unknown = |alarm: &Alarm| matches!(alarm.attention, Attention::StatusUnknown { .. });
        let wait_for = async |what: &str, is_so: &dyn Fn(&[Alarm]) -> bool| {
            let end = std::time::Instant::now() + Duration::from_secs(60);
            while !is_so(&service.list()) {
                assert!(std::time::Instant::now() < end, "never {what}: {:?}", service.list());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let goes_on = |alarms: &[Alarm]| alarms.iter().any(|alarm| is_unknown(alarm) && alarm.ended.is_none());
        wait_for("unknown", &goes_on).await;
        assert!(service.list().iter().all(|alarm| alarm.ended.is_none()), "{:?}", service.list());
        assert!(service.list().iter().any(|alarm| alarm.attention == Attention::WatchHangs));
        go_on.send(()).expect("it waits for this");
        wait_for("known again", &|alarms| alarms.iter().all(|alarm| is_unknown(alarm) == alarm.ended.is_some())).await;
        running.abort();
    }
}
