//! Looks every second or two at what needs attention, and tells the targets what has begun and ended.

use super::deliver::{Target, Undelivered};
use super::message::{Message, Sender};
use super::watch::{Alarm, Alarms, Event};
use crate::config::Config;
use crate::journal::Journal;
use crate::status::Status;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

/// Where the appliance's status comes from.
pub type Source = Arc<dyn Fn() -> Option<Status> + Send + Sync>;

/// Alarms of a running appliance.
pub struct Service {
    journal: Arc<Journal>,
    alarms: Mutex<Alarms>,
    targets: Vec<Arc<Target>>,
    /// Targets that cannot even be tried.
    broken: Vec<Undelivered>,
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
        Service { journal, alarms: Mutex::default(), targets, broken }
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
        loop {
            ticks.tick().await;
            let source = source.clone();
            let Ok(Some(status)) = tokio::task::spawn_blocking(move || source()).await else {
                tracing::error!("what needs attention cannot be told");
                continue;
            };
            self.look(&status);
        }
    }

    fn look(&self, status: &Status) {
        let now = self.journal.clock().now();
        let events = self.lock().take(now, &status.attention);
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
