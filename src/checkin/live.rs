//! What the kiosk shows: the newest picture with a frame round each face, and each outcome as it happens.
//!
//! Carries masked names only (张*), never a full name, an ID number or a template. A slow page misses
//! pictures, never delays the camera; outcomes are also kept for a page that has just been opened.

use evidence::record::{CheckinOutcome, Method, Role, WindowKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, watch};

/// One picture for the kiosk, not mirrored.
#[derive(Debug, Clone)]
pub struct LivePicture {
    /// The camera's frame number.
    pub number: u64,
    /// When the frame reached the appliance: milliseconds since the Unix epoch.
    pub captured_unix_ms: i64,
    /// Baseline JPEG, `web.kiosk_width` px wide.
    pub jpeg: Arc<[u8]>,
    /// The faces in it.
    pub faces: Vec<LiveFace>,
}

/// A face on the kiosk's picture; coordinates are fractions of the picture's width and height, from the top left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveFace {
    /// Stays the same while one face is followed.
    pub track: u64,
    /// Left edge, 0–1.
    pub x: f32,
    /// Top edge, 0–1.
    pub y: f32,
    /// Width, 0–1.
    pub width: f32,
    /// Height, 0–1.
    pub height: f32,
    /// What the kiosk says about it.
    pub state: FaceState,
    /// Masked name once decided (张*).
    pub name: Option<String>,
    /// For `outside_window`: too early or too late.
    #[serde(default)]
    pub outside: Option<Outside>,
    /// Arrival or departure, when decided in an open window.
    #[serde(default)]
    pub window: Option<WindowKind>,
}

/// What an attempt outside every window comes too early or too late for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// The arrival window is yet to open.
    BeforeArrival,
    /// The person has arrived, and the departure window is yet to open.
    BeforeDeparture,
    /// The arrival window has closed without the person.
    AfterArrival,
    /// The departure window has closed without the person.
    AfterDeparture,
    /// The person has checked in, and nothing more is expected today.
    Done,
}

/// What is known of a face so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "outcome", rename_all = "snake_case")]
pub enum FaceState {
    /// Good frames are being gathered.
    Looking,
    /// This frame cannot be used; the outcome says what to change (`too_small`, `turned`, …).
    Hint(CheckinOutcome),
    /// Decided.
    Decided(CheckinOutcome),
}

/// One decision, as the kiosk says it and as the demo prints it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The record's place in the log.
    pub seq: u64,
    /// RFC 3339, the record's time.
    pub time: String,
    /// What was decided.
    pub outcome: CheckinOutcome,
    /// Face or QR code.
    pub method: Method,
    /// Arrival or departure, when a window is open.
    pub window: Option<WindowKind>,
    /// Trainee or teacher, when known.
    pub role: Option<Role>,
    /// Masked name (张*), when known.
    pub name: Option<String>,
    /// Roster number, when known.
    pub person: Option<String>,
    /// Class, when known.
    pub class: Option<String>,
    /// For `outside_window`: when the next window opens, `HH:MM`, if it does so today.
    pub next_opens: Option<String>,
    /// For `outside_window`: which window the person came too early or too late for.
    #[serde(default)]
    pub outside: Option<Outside>,
    /// For `outside_window`: when the window closed that the person has missed, `HH:MM`.
    #[serde(default)]
    pub last_closed: Option<String>,
    /// Milliseconds from the frame that completed the decision to the record being on disk.
    pub latency_ms: f64,
}

/// The counts beside the picture, of a class whose window is open or next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// The class.
    pub class: String,
    /// Its name.
    pub class_name: String,
    /// The open window.
    pub window: Option<WindowKind>,
    /// When the open window closes, or the next one opens, `HH:MM`.
    pub until: String,
    /// Persons expected in this window.
    pub expected: u32,
    /// Of those, accepted.
    pub arrived: u32,
}

/// A QR code that was shown and waits for a teacher's PIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingQr {
    /// Names it in the confirmation.
    pub id: u64,
    /// Masked name (张*).
    pub name: String,
    /// Roster number.
    pub person: String,
    /// Class.
    pub class: String,
    /// The teachers who can confirm: roster number, masked name and class.
    pub teachers: Vec<(String, String, String)>,
    /// Seconds until it is forgotten.
    pub expires_in_seconds: u64,
}

/// How far an enrolment at the kiosk is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolling {
    /// Masked name (张*).
    pub name: String,
    /// Good pictures so far.
    pub good: u32,
    /// Good pictures that are wanted.
    pub wanted: u32,
    /// Why the last picture could not be used.
    pub hint: Option<CheckinOutcome>,
}

/// What keeps check-ins from being written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The appliance's start could not be recorded.
    Starting,
    /// A record could not be written.
    Saving,
    /// The store cannot be read.
    Reading,
}

/// Where the check-in worker publishes and the kiosk's pages listen.
pub struct Live {
    picture: watch::Sender<Option<Arc<LivePicture>>>,
    expectations: watch::Sender<Vec<Expectation>>,
    pending_qr: watch::Sender<Option<PendingQr>>,
    enrolling: watch::Sender<Option<Enrolling>>,
    trouble: watch::Sender<Option<String>>,
    /// Why, of each kind of trouble.
    troubles: Mutex<BTreeMap<Trouble, String>>,
    outcomes: broadcast::Sender<Arc<Outcome>>,
    recent: Mutex<VecDeque<Arc<Outcome>>>,
}

const RECENT: usize = 50;

impl Default for Live {
    fn default() -> Self {
        Live {
            picture: watch::Sender::new(None),
            expectations: watch::Sender::new(Vec::new()),
            pending_qr: watch::Sender::new(None),
            enrolling: watch::Sender::new(None),
            trouble: watch::Sender::new(None),
            troubles: Mutex::default(),
            outcomes: broadcast::Sender::new(256),
            recent: Mutex::new(VecDeque::with_capacity(RECENT)),
        }
    }
}

impl Live {
    /// Whether any kiosk page is open; pictures need not be encoded when none is.
    pub fn is_watched(&self) -> bool {
        self.picture.receiver_count() > 0
    }

    /// Shows a picture; the one before is forgotten.
    pub fn show(&self, picture: LivePicture) {
        self.picture.send_replace(Some(Arc::new(picture)));
    }

    /// Updates the counts; listeners wake only when they changed.
    pub fn expect(&self, expectations: Vec<Expectation>) {
        self.expectations.send_if_modified(|old| {
            let changed = *old != expectations;
            *old = expectations;
            changed
        });
    }

    /// Shows a QR code that waits for a teacher's PIN, or that none does.
    pub fn wait_for_pin(&self, pending: Option<PendingQr>) {
        self.pending_qr.send_replace(pending);
    }

    /// Shows how far an enrolment is, or that none is under way.
    pub fn show_enrolling(&self, enrolling: Option<Enrolling>) {
        self.enrolling.send_if_modified(|old| {
            let changed = *old != enrolling;
            *old = enrolling;
            changed
        });
    }

    /// Says why check-ins cannot be written down; or that this kind of trouble is over. One kind does not end another.
    pub fn trouble(&self, kind: Trouble, why: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match why {
            Some(why) => troubles.insert(kind, why),
            None => troubles.remove(&kind),
        };
        let first = troubles.values().next().cloned();
        self.trouble.send_if_modified(|old| {
            let changed = *old != first;
            *old = first;
            changed
        });
    }

    /// Tells an outcome whose record is on disk.
    pub fn tell(&self, outcome: Arc<Outcome>) {
        let mut recent = self.recent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(outcome.clone());
        let _ = self.outcomes.send(outcome);
    }

    /// Pictures from now on.
    pub fn pictures(&self) -> watch::Receiver<Option<Arc<LivePicture>>> {
        self.picture.subscribe()
    }

    /// Counts, now and from now on.
    pub fn expectations(&self) -> watch::Receiver<Vec<Expectation>> {
        self.expectations.subscribe()
    }

    /// The QR code that waits for a teacher's PIN.
    pub fn pending_qr(&self) -> watch::Receiver<Option<PendingQr>> {
        self.pending_qr.subscribe()
    }

    /// Why check-ins cannot be written down, if they cannot.
    pub fn troubles(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// The enrolment that is under way.
    pub fn enrolling(&self) -> watch::Receiver<Option<Enrolling>> {
        self.enrolling.subscribe()
    }

    /// Outcomes from now on.
    pub fn outcomes(&self) -> broadcast::Receiver<Arc<Outcome>> {
        self.outcomes.subscribe()
    }

    /// The last outcomes, oldest first.
    pub fn recent(&self) -> Vec<Arc<Outcome>> {
        self.recent.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter().cloned().collect()
    }
}
