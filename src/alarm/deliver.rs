//! Delivery to one target: in order, with time-outs, tried again with longer pauses, never more than the cap a minute.

use super::message::{Message, Sender, sign};
use crate::config::{AlarmConfig, AlarmKind, AlarmTarget, check_url};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause after a failure; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Messages that wait, at most; of more, only the number is told.
const MOST_WAITING: usize = 100;
/// Longest answer that is read, bytes.
const MAX_ANSWER: usize = 64 << 10;
const MINUTE: Duration = Duration::from_secs(60);

/// A target that could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The target.
    pub target: String,
    /// Why; never contains its address.
    pub problem: String,
}

/// One target's queue.
pub(super) struct Target {
    config: AlarmTarget,
    sender: Sender,
    most_a_minute: usize,
    http: reqwest::Client,
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// Messages that found no room.
    more: usize,
    problem: Option<String>,
}

impl Target {
    pub fn new(config: &AlarmTarget, alarm: &AlarmConfig, sender: &Sender) -> Result<Target, reqwest::Error> {
        // It only fails when there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Target {
            config: config.clone(),
            sender: sender.clone(),
            most_a_minute: alarm.messages_a_minute as usize,
            http,
            queue: Mutex::default(),
            arrived: Notify::new(),
        })
    }

    /// Puts a message into the queue.
    pub fn put(&self, message: Message) {
        let mut queue = self.lock();
        if queue.messages.len() < MOST_WAITING {
            queue.messages.push_back(message);
        } else {
            queue.more += 1;
        }
        drop(queue);
        self.arrived.notify_one();
    }

    /// What is wrong, while the last try has failed.
    pub fn undelivered(&self) -> Option<Undelivered> {
        let problem = self.lock().problem.clone()?;
        Some(Undelivered { target: self.config.name.clone(), problem })
    }

    /// Sends what is in the queue, for ever.
    pub async fn run(self: Arc<Target>) {
        let mut sent: VecDeque<Instant> = VecDeque::new();
        loop {
            let room = room(&mut sent, self.most_a_minute, Instant::now());
            let next = self.lock().next(room);
            match (next, room) {
                (Some(message), _) => {
                    self.send_until_sent(&message).await;
                    sent.push_back(Instant::now());
                }
                (None, 0) => tokio::time::sleep(Duration::from_secs(1)).await,
                (None, _) => self.arrived.notified().await,
            }
        }
    }

    async fn send_until_sent(&self, message: &Message) {
        let mut pause = FIRST_PAUSE;
        while let Err(problem) = self.send(message).await {
            let target = &self.config.name;
            tracing::warn!(target, problem, retry_seconds = pause.as_secs(), "an alarm could not be delivered");
            self.lock().problem = Some(problem);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.lock().problem = None;
    }

    /// Sends one message, once. The problem never contains the address.
    pub async fn send(&self, message: &Message) -> Result<(), String> {
        let AlarmTarget { kind, language, secret_file, .. } = &self.config;
        let mut url = match (&self.config.url, &self.config.url_file) {
            (Some(url), _) => check_url(url.expose())?,
            (None, Some(file)) => {
                check_url(&read(file)?).map_err(|problem| format!("{}: {problem}", file.display()))?
            }
            (None, None) => return Err("it has no address".into()),
        };
        if let Some(file) = secret_file {
            sign(&mut url, read(file)?.trim(), Timestamp::now());
        }
        let body = message.body(*kind, &self.sender, *language);
        let failed = |error: reqwest::Error| words(&error.without_url());
        let mut answer = self.http.post(url).json(&body).send().await.map_err(failed)?;
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_ANSWER {
                break;
            }
        }
        if !status.is_success() {
            return Err(format!("it answers {status}"));
        }
        // Robots answer 200 and say in the body that they have refused.
        let is_robot = matches!(kind, AlarmKind::Wecom | AlarmKind::Dingtalk);
        let said: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
        match said.as_ref().and_then(|said| said["errcode"].as_i64()) {
            Some(code) if is_robot && code != 0 => Err(format!("it refuses with errcode {code}")),
            None if is_robot => Err("its answer has no errcode".into()),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Queue {
    /// The next message when so many may be sent now. The last one that may tells how many more there are.
    fn next(&mut self, room: usize) -> Option<Message> {
        if room == 0 {
            return None;
        }
        let mut message = self.messages.pop_front()?;
        if room == 1 {
            message.more = self.messages.len() + self.more;
            self.messages.clear();
            self.more = 0;
        }
        Some(message)
    }
}

/// How many messages may be sent now.
fn room(sent: &mut VecDeque<Instant>, most: usize, now: Instant) -> usize {
    while sent.front().is_some_and(|first| now.saturating_duration_since(*first) >= MINUTE) {
        sent.pop_front();
    }
    most.saturating_sub(sent.len())
}

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn read(file: &std::path::Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Sends a test message to each target, once; tells each one's name and what came of it.
pub async fn test(
    alarm: &AlarmConfig,
    place: &crate::config::ApplianceConfig,
    device: &str,
    time: String,
) -> Vec<(String, Result<(), String>)> {
    let sender = Sender { device: device.into(), site: place.site.clone(), room: place.room.clone() };
    let message = Message { event: None, time, more: 0 };
    let mut results = Vec::new();
    for config in &alarm.targets {
        let result = match Target::new(config, alarm, &sender) {
            Ok(target) => target.send(&message).await,
            Err(error) => Err(words(&error)),
        };
        results.push((config.name.clone(), result));
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_a_few_messages_and_a_number() {
        let message = |time: usize| Message { event: None, time: time.to_string(), more: 0 };
        let mut queue = Queue { messages: (0..30).map(message).collect(), ..Queue::default() };
        let (mut sent, start) = (VecDeque::new(), Instant::now());
        let mut told = Vec::new();
        while let Some(message) = queue.next(room(&mut sent, 3, start)) {
            sent.push_back(start);
            told.push((message.time, message.more));
        }
        let expected = [("0", 0), ("1", 0), ("2", 27)].map(|(time, more)| (time.to_owned(), more));
        assert_eq!(told, expected, "each of the 30 is told, or counted");
        assert_eq!(room(&mut sent, 3, start + Duration::from_secs(59)), 0);
        assert_eq!(room(&mut sent, 3, start + Duration::from_secs(60)), 3);
    }
}
