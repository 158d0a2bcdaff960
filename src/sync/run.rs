//! When to push: at once while records wait, again later when it fails, for as many days as it takes.

use super::push::{Pushed, Pusher};
use super::{Link, SyncError, SyncState, SyncStatus, blocking};
use crate::config::SyncConfig;
use crate::journal::Journal;
use crate::lasting::Lasting;
use crate::store::Receipt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a bureau that has everything is asked to say so again.
const REPEAT: Duration = Duration::from_secs(3600);
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Sends the log for as long as the appliance runs; ends when `stop` turns true or its sender is gone.
///
/// A registration, or the end of an alarm, that another process writes is noticed by itself.
pub async fn run(
    journal: Arc<Journal>,
    config: SyncConfig,
    status: watch::Sender<SyncStatus>,
    mut stop: watch::Receiver<bool>,
) {
    let mut sending = Sending::new(journal, config, status);
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = sending.run() => {}
    }
}

/// What [`once`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// Records that the bureau had countersigned before.
    pub before: u64,
    /// The receipt for everything.
    pub receipt: Receipt,
    /// What staff should know nevertheless.
    pub warning: Option<String>,
}

/// Pushes until the bureau has countersigned every record; fails at the first failure, and may be called again.
pub async fn once(journal: Arc<Journal>, config: &SyncConfig) -> Result<Drained, SyncError> {
    let config = Arc::new(config.clone());
    let before = look(&journal, &config).await?.countersigned;
    let mut pusher = Pusher::new(journal.clone(), config.clone());
    let mut warning = None;
    let mut resumes = 0;
    loop {
        match pusher.push().await? {
            Pushed::Receipt(receipt) => {
                resumes = 0;
                if receipt.size >= look(&journal, &config).await?.log_size {
                    return Ok(Drained { before, receipt, warning });
                }
            }
            Pushed::Resume => resumes = resumed(resumes)?,
        }
        warning = pusher.warning().or(warning);
    }
}

/// Counts answers that ask to begin elsewhere: a bureau that never stops asking is no bureau.
fn resumed(turns: u32) -> Result<u32, SyncError> {
    // 5000 records, the most in a push, are halved 12 times before one is left.
    const MOST: u32 = 16;
    if turns >= MOST {
        let problem = format!("{MOST} times in a row it has asked to begin elsewhere");
        return Err(SyncError::Refused { status: 409, problem });
    }
    Ok(turns + 1)
}

/// What the database tells now, whoever wrote it.
async fn look(journal: &Arc<Journal>, config: &Arc<SyncConfig>) -> Result<SyncStatus, SyncError> {
    let config = config.clone();
    blocking(journal, move |journal| {
        journal.look()?;
        SyncStatus::of(journal, Some(&config))
    })
    .await
}

struct Sending {
    journal: Arc<Journal>,
    config: Arc<SyncConfig>,
    status: watch::Sender<SyncStatus>,
    pusher: Pusher,
    failures: u32,
    resumes: u32,
    last_receipt: Option<Instant>,
    /// What the last exchange with the bureau came to.
    link: Link,
    /// When it is next asked whether it is there.
    next_ask: Instant,
    unanswered: Lasting,
}

impl Sending {
    fn new(journal: Arc<Journal>, config: SyncConfig, status: watch::Sender<SyncStatus>) -> Sending {
        let config = Arc::new(config);
        let pusher = Pusher::new(journal.clone(), config.clone());
        Sending {
            journal,
            config,
            status,
            pusher,
            failures: 0,
            resumes: 0,
            last_receipt: None,
            link: Link::NotYet,
            next_ask: Instant::now(),
            unanswered: Lasting::default(),
        }
    }

    /// Notes what an exchange with the bureau came to; the next question can wait.
    fn exchanged(&mut self, link: Link) {
        self.link = link;
        let pause = Duration::from_secs(self.config.ask_seconds.max(1));
        self.next_ask = Instant::now() + pause.mul_f64(0.75 + rand::random::<f64>() / 2.0);
    }

    /// Asks whether the bureau is there, if it is time to. Nothing waits to be sent.
    async fn ask(&mut self) {
        if Instant::now() < self.next_ask {
            return;
        }
        let asked = self.pusher.ask().await;
        self.exchanged(if asked.is_ok() { Link::Online } else { Link::Offline });
        let error = asked.as_ref().err().map(|error| format!("{error}. Nothing waits to be sent"));
        if let Some(error) = self.unanswered.due(asked) {
            tracing::warn!(%error, "the bureau does not answer");
        }
        let (link, warning) = (self.link, self.pusher.warning());
        self.tell(|status| (status.link, status.error) = (link, error.or(warning)));
    }

    async fn run(&mut self) {
        let mut sizes = self.journal.sizes();
        loop {
            match self.turn().await {
                Ok(Turn::More) => (),
                Ok(Turn::Idle) => {
                    self.failures = 0;
                    let interval = Duration::from_secs(self.config.interval_seconds.max(1));
                    // A new record ends the interval.
                    let _ = tokio::time::timeout(interval, sizes.changed()).await;
                }
                Err(SyncError::Alarm(_)) => {
                    // It has answered.
                    self.exchanged(Link::Online);
                    self.failures = 0;
                }
                Err(SyncError::NotRegistered) => self.failures = 0,
                Err(error) => {
                    let pause = self.failed(error).await;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// One push, if there is something to send or to ask.
    async fn turn(&mut self) -> Result<Turn, SyncError> {
        let mut now = look(&self.journal, &self.config).await?;
        let is_quiet = match now.state {
            SyncState::NotRegistered | SyncState::Alarm => true,
            SyncState::UpToDate => !self.pusher.is_resuming() && !self.should_ask_again(now.countersigned_at),
            SyncState::Sending | SyncState::Waiting { .. } => false,
        };
        now.error = now.error.or_else(|| self.pusher.warning());
        now.link = self.link;
        if is_quiet {
            let is_up_to_date = now.state == SyncState::UpToDate;
            self.tell(|status| {
                // So does that of a question without an answer.
                now.error =
                    now.error.or_else(|| status.error.take().filter(|_| is_up_to_date && now.link == Link::Offline));
                *status = now;
            });
            if is_up_to_date {
                self.ask().await;
            }
            return Ok(Turn::Idle);
        }
        now.state = SyncState::Sending;
        self.tell(|status| {
            // The last failure stays in sight until a push succeeds.
            now.error = now.error.or_else(|| status.error.take());
            *status = now;
        });
        match self.pusher.push().await? {
            Pushed::Receipt(receipt) => {
                tracing::debug!(size = receipt.size, "countersigned");
                (self.failures, self.resumes) = (0, 0);
                self.exchanged(Link::Online);
                self.last_receipt = Some(Instant::now());
                let (error, link) = (self.pusher.warning(), self.link);
                self.tell(|status| {
                    (status.error, status.link) = (error, link);
                    status.countersigned = receipt.size.max(status.countersigned);
                    status.countersigned_at = i64::try_from(receipt.repeated_at).ok();
                });
            }
            Pushed::Resume => {
                self.exchanged(Link::Online);
                self.resumes = resumed(self.resumes)?;
            }
        }
        Ok(Turn::More)
    }

    /// Whether the bureau has not been heard of for an hour, although nothing waits.
    fn should_ask_again(&self, countersigned_at: Option<i64>) -> bool {
        match (self.last_receipt, countersigned_at) {
            (Some(last), _) => last.elapsed() >= REPEAT,
            (None, Some(at)) => self.journal.clock().now().as_second().abs_diff(at) >= REPEAT.as_secs(),
            (None, None) => false,
        }
    }

    /// Tells a failure, and how long to wait.
    async fn failed(&mut self, error: SyncError) -> Duration {
        let most = Duration::from_secs(self.config.max_backoff_seconds);
        let pause = pause(self.failures, most, rand::random());
        self.failures = self.failures.saturating_add(1);
        self.resumes = 0;
        // What fails here says nothing about the bureau.
        if !matches!(error, SyncError::Journal(_)) {
            self.exchanged(Link::Offline);
        }
        let retry_in_seconds = pause.as_secs_f64().ceil() as u64;
        tracing::warn!(%error, retry_in_seconds, "not sent to the bureau");
        let mut text = format!("{error}. Tried again in {retry_in_seconds} s; nothing is lost meanwhile");
        if let Some(warning) = self.pusher.warning() {
            text = format!("{text}. {warning}");
        }
        let (now, link) = (look(&self.journal, &self.config).await.ok(), self.link);
        self.tell(|status| {
            if let Some(now) = now {
                *status = now;
            }
            (status.state, status.error) = (SyncState::Waiting { retry_in_seconds }, Some(text));
            status.link = link;
        });
        pause
    }

    fn tell(&self, change: impl FnOnce(&mut SyncStatus)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        });
    }
}

enum Turn {
    /// Look again at once.
    More,
    /// Nothing to do.
    Idle,
}

/// The pause after so many failures before: doubled each time up to `most`, and shortened by up to half at random,
/// so that a bureau that comes back does not meet all its appliances in one second.
fn pause(failures: u32, most: Duration, random: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(failures.min(20)));
    doubled.min(most.max(FIRST_PAUSE)).mul_f64(1.0 - random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_differ() {
        let most = Duration::from_secs(300);
        assert_eq!(pause(0, most, 0.0), Duration::from_secs(1));
        assert_eq!(pause(3, most, 0.0), Duration::from_secs(8));
        assert_eq!(pause(3, most, 1.0), Duration::from_secs(4));
        assert_eq!(pause(u32::MAX, most, 0.0), most);
        assert_eq!(pause(5, Duration::ZERO, 0.0), FIRST_PAUSE);
    }
}
