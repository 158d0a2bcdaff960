//! The check-in's own thread: newest frame → faces → tracks → decisions → records.
//!
//! The camera never waits for it. What cannot be written down (a full disk) is not told as done and is tried again.

use super::decide::{Decision, decide, refuse};
use super::desk::{Command, DeskError, Reason};
use super::directory::{Directory, Identity, Member};
use super::enrol::Session;
use super::live::{Expectation, FaceState, Live, LiveFace, Outcome, Outside};
use super::people::People;
use super::preview::Faces;
use super::qr::{Answered, Waiting};
use super::record::{Evidence, Recorder, outcome_of};
use super::track::{Observation, Track, Tracker};
use super::trouble::Troubles;
use crate::camera::{Frame, LatestFrame};
use crate::class::{Class, Window, mask};
use crate::clock::local;
use crate::config::Config;
use crate::journal::{Journal, JournalError};
use crate::store::{QrToken, StoreError};
use crate::vision::{Face, Rect, Search, Vision, VisionError, judge};
use evidence::record::{CheckinOutcome, WindowKind};
use jiff::ZonedDateTime;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Faces of one frame that are looked at, the largest first.
const MAX_FACES: usize = 8;
/// A decision about a track is reconsidered this long after: the window may have opened, the face may have turned.
const RECONSIDER: Duration = Duration::from_secs(1);
/// How long the worker waits for a frame before it looks after everything else.
const PATIENCE: Duration = Duration::from_millis(200);
/// Frames that fail in inference, one after another, before the appliance gives itself up and is started anew.
const MAX_FAILURES: u32 = 30;

/// Why the worker stopped.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The models, again and again.
    #[error("the check-in has stopped: {0}")]
    Vision(#[from] VisionError),
    /// The database, at the start.
    #[error("the check-in cannot start: {0}")]
    Store(#[from] StoreError),
}

/// What the worker has done, for `/metrics` and the watchdog.
#[derive(Debug, Default)]
pub struct Progress {
    /// Turns of the loop; stands still only when the worker hangs.
    pub turns: AtomicU64,
    /// Frames looked at.
    pub frames: AtomicU64,
    /// Microseconds spent on the last frame.
    pub frame_micros: AtomicU64,
}

/// What has been decided about a track, and when that was last looked at.
struct Verdict {
    outcome: CheckinOutcome,
    member: Option<Member>,
    window: Option<WindowKind>,
    outside: Option<Outside>,
    at: Instant,
}

impl Verdict {
    fn of(decision: &Decision) -> Verdict {
        let Decision { outcome, member, window, outside, .. } = decision.clone();
        Verdict { outcome, member, window, outside, at: Instant::now() }
    }

    fn is_of(&self, decision: &Decision) -> bool {
        let class = |member: &Option<Member>| member.as_ref().map(|member| member.class.clone());
        class(&self.member) == class(&decision.member) && self.window == decision.window
    }
}

pub(super) struct Worker {
    pub(super) config: Arc<Config>,
    pub(super) journal: Arc<Journal>,
    pub(super) live: Arc<Live>,
    pub(super) frames: Arc<LatestFrame>,
    pub(super) faces: Arc<Faces>,
    pub(super) progress: Arc<Progress>,
    pub(super) commands: Receiver<Command>,
    pub(super) tokens: Arc<Mutex<Vec<QrToken>>>,
    pub(super) stop: Arc<AtomicBool>,
    vision: Vision,
    pub(super) people: People,
    pub(super) recorder: Recorder,
    tracker: Tracker,
    verdicts: HashMap<u64, Verdict>,
    near: Vec<Rect>,
    pub(super) session: Option<Session>,
    /// When the last frame came; at first, the start.
    seen: Instant,
    /// Without a frame for this long, nobody can be enrolled.
    stall: Duration,
    pub(super) waiting: Option<Waiting>,
    pub(super) answered: Answered,
    pub(super) next_qr: u64,
    /// Frames looked at.
    looked: u64,
    pub(super) troubles: Troubles,
}

/// What the worker shares with others.
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) journal: Arc<Journal>,
    pub(super) live: Arc<Live>,
    pub(super) frames: Arc<LatestFrame>,
    pub(super) faces: Arc<Faces>,
    pub(super) progress: Arc<Progress>,
    pub(super) commands: Receiver<Command>,
    pub(super) tokens: Arc<Mutex<Vec<QrToken>>>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Worker {
    pub(super) fn new(shared: Shared, vision: Vision, camera: &str) -> Result<Worker, WorkerError> {
        let Shared { config, journal, live, frames, faces, progress, commands, tokens, stop } = shared;
        let now = local(&**journal.clock(), journal.zone());
        let people = People::load(journal.clone(), config.clone(), vision.model(), vision.dimensions(), &now)?;
        let settings = config.cameras.iter().find(|known| known.name == camera);
        let stall = Duration::from_secs_f64(settings.map_or(3.0, |known| known.stall_seconds));
        let troubles = Troubles::new(live.clone());
        let recorder = Recorder::new(journal.clone(), live.clone(), config.clone(), camera, vision.model());
        Ok(Worker {
            config,
            journal,
            live,
            frames,
            faces,
            progress,
            commands,
            tokens,
            stop,
            vision,
            people,
            recorder,
            tracker: Tracker::default(),
            verdicts: HashMap::new(),
            near: Vec::new(),
            session: None,
            seen: Instant::now(),
            stall,
            waiting: None,
            answered: Answered::default(),
            next_qr: 1,
            looked: 0,
            troubles,
        })
    }

    pub(super) fn run(mut self) -> Result<(), WorkerError> {
        let (mut last, mut failures) = (0, 0);
        let mut housekeeping = Instant::now();
        self.show_expectation();
        while !self.stop.load(Ordering::Relaxed) {
            self.progress.turns.fetch_add(1, Ordering::Relaxed);
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            self.look_at_qr();
            self.look_at_session();
            match self.frames.take_newer(last, PATIENCE) {
                Some(frame) => {
                    last = frame.number;
                    self.seen = Instant::now();
                    match self.frame(&frame) {
                        Ok(()) => failures = 0,
                        Err(error) if failures >= MAX_FAILURES => return Err(error.into()),
                        Err(error) => {
                            failures += 1;
                            tracing::error!(%error, frame = frame.number, "a frame could not be looked at");
                        }
                    }
                    self.progress.frames.fetch_add(1, Ordering::Relaxed);
                    let micros = frame.captured.elapsed().as_micros() as u64;
                    self.progress.frame_micros.store(micros, Ordering::Relaxed);
                }
                None => self.faces.set(Vec::new()),
            }
            if housekeeping.elapsed() >= Duration::from_millis(500) {
                housekeeping = Instant::now();
                self.show_expectation();
                self.troubles.look(self.journal.store());
            }
        }
        if let Some(mut session) = self.session.take() {
            session.abandon();
        }
        Ok(())
    }

    pub(super) fn now(&self) -> ZonedDateTime {
        local(&**self.journal.clock(), self.journal.zone())
    }

    fn frame(&mut self, frame: &Arc<Frame>) -> Result<(), VisionError> {
        let faces = self.look(frame)?;
        self.looked += 1;
        if let Some(session) = &mut self.session {
            let over = session.frame(frame, &faces, &mut self.vision, &self.journal, &self.config.checkin)?;
            self.live.show_enrolling((!over).then(|| session.progress()));
            if over {
                self.session = None;
                self.people.refresh();
            }
            self.faces.set(faces.iter().map(|face| shown(0, frame, &face.bounds, FaceState::Looking, None)).collect());
            return Ok(());
        }
        let mut observations = Vec::with_capacity(faces.len());
        for face in faces {
            let usable = match judge(&face, &self.config.checkin.quality) {
                Ok(()) => Ok(self.vision.embed_frame(&frame.picture, &face, self.looked)?),
                Err(refusal) => Err(refusal),
            };
            observations.push(Observation { face, usable });
        }
        let (ids, ended) = self.tracker.update(observations, frame);
        for track in ended {
            self.verdicts.remove(&track.id);
        }
        if !self.troubles.holds() {
            let mut tracks = std::mem::take(&mut self.tracker);
            for id in &ids {
                if let Some(track) = tracks.track_mut(*id)
                    && let Err(error) = self.consider(track, frame)
                {
                    self.troubles.cannot_save(&error);
                    break;
                }
            }
            self.tracker = tracks;
        }
        let shown = ids
            .iter()
            .filter_map(|id| self.tracker.track_mut(*id).map(|track| (*id, track.bounds, track.hint.clone())));
        let shown: Vec<_> = shown.collect();
        let shown = shown.into_iter().map(|(id, bounds, hint)| {
            let verdict = self.verdicts.get(&id);
            let state = match (verdict, hint) {
                (Some(verdict), _) => FaceState::Decided(verdict.outcome),
                (None, Some(hint)) => FaceState::Hint(outcome_of(hint.reason)),
                (None, None) => FaceState::Looking,
            };
            shown_face(id, frame, &bounds, state, verdict)
        });
        self.faces.set(shown.collect());
        Ok(())
    }

    /// The faces of a frame, largest first.
    fn look(&mut self, frame: &Frame) -> Result<Vec<Face>, VisionError> {
        let picture = &frame.picture;
        let search = Search::Frame { near: &self.near, turn: frame.number };
        let mut faces: Vec<Face> = Vec::new();
        for detection in self.vision.find(picture, search)? {
            if let Some(face) = self.vision.measure(picture, &detection)?
                && faces.iter().all(|other| other.bounds.overlap(&face.bounds) < 0.4)
            {
                faces.push(face);
            }
        }
        let size = |face: &Face| face.bounds.width * face.bounds.height;
        faces.sort_by(|a, b| size(b).total_cmp(&size(a)));
        faces.truncate(MAX_FACES);
        self.near = faces.iter().map(|face| face.bounds).collect();
        Ok(faces)
    }

    /// Decides about a track, if it is time to, and records it. Whoever is in two classes whose windows are open
    /// together is checked in to both, before they walk off.
    fn consider(&mut self, track: &Track, frame: &Frame) -> Result<(), JournalError> {
        let is_due = self.verdicts.get(&track.id).is_none_or(|verdict| verdict.at.elapsed() >= RECONSIDER);
        if is_due {
            while self.decide_about(track, frame)? {}
        }
        Ok(())
    }

    /// Decides about a track as it is now; tells whether a check-in was accepted.
    fn decide_about(&mut self, track: &Track, frame: &Frame) -> Result<bool, JournalError> {
        let before = self.verdicts.get(&track.id);
        let limits = self.config.checkin.decision.clone();
        let now = local(&**self.journal.clock(), self.journal.zone());
        let directory = self.people.directory(&now)?;
        let enough = track.hint.is_none() && track.good_frames >= limits.min_frames;
        let mean = if enough { track.mean() } else { None };
        let (decision, evidence, is_settled) = match mean {
            Some(mean) => {
                let identity = directory.identify(&mean, &limits);
                if matches!(identity, Identity::Nobody(_)) && track.good_frames < limits.unknown_frames {
                    return Ok(false);
                }
                let is_same = before.is_some_and(|before| is_among(&identity, before.member.as_ref()));
                let decision = decide(identity, directory, &now);
                let is_settled = before.is_some_and(|before| !changes(before, &decision, is_same));
                (decision, Evidence::Face(track), is_settled)
            }
            None => match refuse(track, &self.config.checkin) {
                Some(decision) if before.is_none() => (decision, Evidence::Unusable(track), false),
                _ => return Ok(false),
            },
        };
        if is_settled {
            self.recorder.stays(&decision, &evidence);
            if let Some(verdict) = self.verdicts.get_mut(&track.id) {
                verdict.at = Instant::now();
                // The window that somebody waits for may have closed meanwhile.
                verdict.outside = if verdict.outcome == decision.outcome { decision.outside } else { verdict.outside };
            }
            return Ok(false);
        }
        let mut recorded = None;
        if !self.recorder.is_repeat(&decision, &evidence) {
            recorded = self.record(&decision, &evidence, &now, frame.captured)?;
        }
        self.verdicts.insert(track.id, Verdict::of(&decision));
        Ok(recorded.is_some_and(|told| told.outcome == CheckinOutcome::Accepted))
    }

    pub(super) fn record(
        &mut self,
        decision: &Decision,
        evidence: &Evidence,
        now: &ZonedDateTime,
        began: Instant,
    ) -> Result<Option<Arc<Outcome>>, JournalError> {
        let outcome = match self.recorder.record(decision, evidence, now, began) {
            // Another process accepted the person since the directory was read.
            Err(JournalError::AlreadyAccepted { .. }) => {
                self.people.refresh();
                return Ok(None);
            }
            result => result?,
        };
        self.troubles.saved();
        if let (CheckinOutcome::Accepted, Some(member), Some(window)) =
            (decision.outcome, &decision.member, decision.window)
        {
            self.people.accept(member, window);
            self.show_expectation();
        }
        Ok(Some(outcome))
    }

    fn show_expectation(&mut self) {
        let now = self.now();
        match self.people.directory(&now) {
            Ok(directory) => {
                self.live.expect(expectations(directory, &now));
                self.troubles.read(Ok(()));
            }
            Err(error) => self.troubles.read(Err(&error)),
        }
        self.expire_qr();
    }

    /// An enrolment ends in time, also when no frame comes.
    fn look_at_session(&mut self) {
        let has_picture = self.seen.elapsed() < self.stall;
        if self.session.as_mut().is_some_and(|session| session.look(has_picture)) {
            self.session = None;
            self.live.show_enrolling(None);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Enrol { class, person, consents, by, reply } => {
                if self.session.is_some() {
                    let _ = reply.send(Err(DeskError::Refused(Reason::Busy)));
                    return;
                }
                self.session = Session::begin(&self.journal, class, &person, consents, by, reply);
                self.live.show_enrolling(self.session.as_ref().map(Session::progress));
            }
            Command::Confirm { id, teacher, reply } => {
                self.confirm_qr(id, teacher, reply);
            }
        }
    }
}

/// Whether this person is the one who has been recognised.
fn is_among(identity: &Identity, member: Option<&Member>) -> bool {
    let members = match identity {
        Identity::Here(members, _) | Identity::Elsewhere(members, _) => members,
        Identity::Nobody(_) => return false,
    };
    member.is_some_and(|member| members.contains(member))
}

/// Whether a decision about a track says more than the one before. What has not changed has been recorded; someone who
/// was recognised stays so while the head turns; and who was accepted has only another class or window to be accepted
/// for (`is_same`: it is still the same person).
fn changes(before: &Verdict, decision: &Decision, is_same: bool) -> bool {
    if before.outcome == CheckinOutcome::Accepted {
        return decision.outcome == CheckinOutcome::Accepted && is_same && !before.is_of(decision);
    }
    let is_worse = is_known(before.outcome) && decision.outcome == CheckinOutcome::Unknown;
    before.outcome != decision.outcome && !is_worse
}

fn is_known(outcome: CheckinOutcome) -> bool {
    use CheckinOutcome::{Accepted, AlreadyCheckedIn, NotInClass, OutsideWindow};
    matches!(outcome, Accepted | AlreadyCheckedIn | NotInClass | OutsideWindow)
}

/// The counts of every class whose window is open, else those of the class that is next.
fn expectations(directory: &Directory, now: &ZonedDateTime) -> Vec<Expectation> {
    let of = |(class, window): (&Class, &Window)| {
        let is_open = window.opens <= *now;
        let until = if is_open { &window.closes } else { &window.opens };
        Expectation {
            class: class.id.to_string(),
            class_name: class.name.clone(),
            window: is_open.then_some(window.kind),
            until: until.strftime("%H:%M").to_string(),
            expected: class.trainees.len() as u32,
            arrived: directory.accepted_trainees(class, window.kind) as u32,
        }
    };
    directory.current(now).into_iter().map(of).collect()
}

fn shown_face(track: u64, frame: &Frame, bounds: &Rect, state: FaceState, verdict: Option<&Verdict>) -> LiveFace {
    let outside = verdict.and_then(|verdict| verdict.outside);
    let name = verdict.and_then(|verdict| verdict.member.as_ref()).map(|member| mask(&member.name));
    let window = verdict.and_then(|verdict| verdict.window);
    LiveFace { outside, window, ..shown(track, frame, bounds, state, name) }
}

fn shown(track: u64, frame: &Frame, bounds: &Rect, state: FaceState, name: Option<String>) -> LiveFace {
    let (width, height) = (frame.picture.width.max(1) as f32, frame.picture.height.max(1) as f32);
    LiveFace {
        track,
        x: bounds.x / width,
        y: bounds.y / height,
        width: bounds.width / width,
        height: bounds.height / height,
        state,
        name,
        outside: None,
        window: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkin::directory::Likeness;
    use crate::checkin::testing::{Film, at, class, directory, seen_at};

    #[test]
    fn the_missing_of_every_class_whose_window_is_open_are_counted() {
        let classes = [class("A", 8, 11, "301"), class("B", 8, 10, "301"), class("C", 14, 16, "301")];
        let counted = |hour, minute| {
            let now = at(hour, minute, 0);
            let directory = directory(&classes, &[], &[("B", "1", WindowKind::Arrival)], &now);
            let brief = |one: Expectation| (one.class, one.window, one.until, one.arrived, one.expected);
            expectations(&directory, &now).into_iter().map(brief).collect::<Vec<_>>()
        };
        let of = |class: &str, window, until: &str, arrived| (class.to_owned(), window, until.to_owned(), arrived, 2);
        let (arrival, departure) = (Some(WindowKind::Arrival), Some(WindowKind::Departure));
        assert_eq!(counted(7, 0), [of("A", None, "07:30", 0)], "the next one");
        assert_eq!(counted(7, 45), [of("A", arrival, "08:10", 0), of("B", arrival, "08:10", 1)]);
        assert_eq!(counted(10, 15), [of("B", departure, "10:30", 0)]);
        assert_eq!(counted(13, 0), [of("C", None, "13:30", 0)]);
        assert_eq!(counted(17, 0), []);
    }

    #[test]
    fn the_face_of_who_leaves_is_told_to_leave() {
        let now = at(11, 5, 0);
        let directory = directory(&[class("A", 8, 11, "301")], &[], &[], &now);
        let member = directory.member_here(&crate::class::ClassId::new("A").expect("a number"), "1");
        let decision = decide(
            Identity::Here(vec![member.expect("on the roster")], Likeness { score: 0.9, margin: 0.5 }),
            &directory,
            &now,
        );
        let (verdict, state) = (Verdict::of(&decision), FaceState::Decided(decision.outcome));
        let face = shown_face(1, &Film::begin().frame(0), &seen_at(100.0).bounds, state, Some(&verdict));
        assert_eq!(
            (face.state, face.window),
            (FaceState::Decided(CheckinOutcome::Accepted), Some(WindowKind::Departure))
        );
        assert_eq!(face.name.as_deref(), Some("张*"));
    }
}
