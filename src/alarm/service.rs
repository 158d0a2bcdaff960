//! Looks every second or two at what needs attention, and tells the targets what has begun and ended.

use super::deliver::{Target, Undelivered};
use super::message::{Message, Sender};
use super::watch::{Alarm, Alarms, Event};
use crate::config::Config;
use crate::attention::Attention;
use crate::journal::Journal;
use crate::lasting::Lasting;
use crate::status::Status;
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
        let (mut asked, mut trouble) = (None, Lasting::default());
        loop {
            ticks.tick().await;
            // One that hangs is not asked for once more.
            let answer = asked.get_or_insert_with(|| {
                let source = source.clone();
                tokio::task::spawn_blocking(move || source())
            });
            let known = match tokio::time::timeout(self.answer, answer).await {
                Ok(answer) => {
                    asked = None;
                    answer.map_err(|error| error.to_string())
                }
                Err(_) => Err(format!("the status is not told within {} s", self.answer.as_secs())),
            };
            let problem = match known {
                Ok(status) => {
                    self.look(&status.attention);
                    status.unknown
                }
                Err(problem) => {
                    let attention = self.lock().unknown(&problem);
                    self.look(&attention);
                    Some(problem)
                }
            };
            if let Some(problem) = trouble.due(problem.map_or(Ok(()), Err)) {
                tracing::error!(problem, "nobody knows all that needs attention; looking again");
            }
        }
    }

    fn look(&self, attention: &[Attention]) {
        let now = self.journal.clock().now();
        let events = self.lock().take(now, attention);
        for event in events {
            match &event {
                Event::Begun(attention) => tracing::warn!(%attention, "alarm"),
                Event::Ended(attention) => tracing::info!(%attention, "no longer an alarm"),
            }
            let message = Message { event: Some(event), time: self.journal.time_text(now), more: 0 };
            self.targets.iter().for_each(|target| target.put(message.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::status::{Running, gather};
    use crate::sync::SyncStatus;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_status_that_hangs_is_an_alarm_and_ends_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        let (state, clock) = (&config.appliance.state_dir, Arc::new(SystemClock::default()));
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        let mut status =
            gather(&config, &journal, Some(Running::default()), SyncStatus::unknown(), None).expect("gathered");
        status.attention = vec![Attention::WatchHangs];
        let mut service = Service::new(&config, Arc::new(journal));
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
