//! From a decision to its record on disk, and from there to the kiosk. What was recorded a moment ago is not
//! recorded again: it is shown, but it would only fill the log.

use super::decide::Decision;
use super::desk::Confirmer;
use super::directory::Likeness;
use super::live::{Live, Outcome};
use super::track::Track;
use crate::camera::Frame;
use crate::class::mask;
use crate::config::Config;
use crate::journal::{Journal, JournalError};
use crate::picture::Picture;
use crate::vision::{Embedding, Face, RefusalReason};
use evidence::record::{Checkin, CheckinOutcome, FaceQuality, Liveness, Match, Method};
use jiff::ZonedDateTime;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The same person's same outcome is not recorded again until the person has been out of sight for this long.
const REPEAT_AFTER: Duration = Duration::from_secs(8);
/// Nor, of a face seen between two windows, "outside the window": whoever has a lesson in the camera's sight looks up and down.
const OUTSIDE_AFTER: Duration = Duration::from_secs(300);
/// The same stranger is not recorded again for this long.
const STRANGER_AFTER: Duration = Duration::from_secs(30);
/// The same reason to refuse a face is not recorded again for this long.
const REFUSAL_AFTER: Duration = Duration::from_secs(20);
/// Nor is another QR code that is nobody's.
const CODE_AFTER: Duration = Duration::from_secs(5);
/// Least cosine at which two strangers are the same; lower than the threshold, so that one person turning the head
/// stays one person, and higher than two people who are alike (docs/faces.md, "One face, followed").
const SAME_STRANGER: f32 = 0.6;

/// Width of the capture photo, px, at most.
const CAPTURE_WIDTH: u32 = 400;
const CAPTURE_QUALITY: u8 = 85;

/// The outcome that a reason to refuse a face is recorded as.
pub(super) fn outcome_of(reason: RefusalReason) -> CheckinOutcome {
    match reason {
        RefusalReason::TooSmall => CheckinOutcome::TooSmall,
        RefusalReason::CutOff => CheckinOutcome::CutOff,
        RefusalReason::Turned => CheckinOutcome::Turned,
        RefusalReason::TooDark => CheckinOutcome::TooDark,
        RefusalReason::TooBright => CheckinOutcome::TooBright,
        RefusalReason::Blurred => CheckinOutcome::Blurred,
    }
}

/// What an attempt was made with.
pub(super) enum Evidence<'a> {
    /// A face that was compared.
    Face(&'a Track),
    /// A face that could not be compared.
    Unusable(&'a Track),
    /// A QR code; the teacher who confirmed it.
    Qr(Option<Confirmer>),
}

#[derive(PartialEq)]
enum Subject {
    /// Class, number, and what came of it.
    Person(String, String, CheckinOutcome),
    /// Class and number of a face outside the windows, and when the next one opens.
    Waiting(String, String, Option<String>),
    Reason(CheckinOutcome),
}

/// Writes check-ins.
pub(super) struct Recorder {
    journal: Arc<Journal>,
    live: Arc<Live>,
    config: Arc<Config>,
    camera: String,
    model: String,
    recent: Vec<(Subject, Instant)>,
    strangers: Vec<(Embedding, Instant)>,
}

impl Recorder {
    pub(super) fn new(
        journal: Arc<Journal>,
        live: Arc<Live>,
        config: Arc<Config>,
        camera: &str,
        model: &str,
    ) -> Recorder {
        let (camera, model) = (camera.to_owned(), model.to_owned());
        Recorder { journal, live, config, camera, model, recent: Vec::new(), strangers: Vec::new() }
    }

    /// Whether this was recorded a moment ago. Being seen again keeps the moment of a person and of a stranger going, by face or
    /// by QR code.
    pub(super) fn is_repeat(&mut self, decision: &Decision, evidence: &Evidence) -> bool {
        self.is_repeat_at(decision, evidence, Instant::now())
    }

    fn is_repeat_at(&mut self, decision: &Decision, evidence: &Evidence, now: Instant) -> bool {
        self.strangers.retain(|(_, at)| now.duration_since(*at) < STRANGER_AFTER);
        self.recent.retain(|(subject, at)| now.duration_since(*at) < after(subject));
        if let (CheckinOutcome::Unknown, Evidence::Face(track)) = (decision.outcome, evidence) {
            let Some(mean) = track.mean() else { return false };
            let known = self.strangers.iter_mut().find(|(face, _)| face.cosine(&mean) >= SAME_STRANGER);
            return known.map(|(_, at)| *at = now).is_some();
        }
        let subject = subject(decision, evidence);
        let Some((_, at)) = self.recent.iter_mut().find(|(known, _)| *known == subject) else { return false };
        // A reason is nobody's: one face does not keep it going for the next.
        if !matches!(subject, Subject::Reason(_)) {
            *at = now;
        }
        true
    }

    /// Notes that whom this is about, recorded or not, is still seen.
    pub(super) fn stays(&mut self, decision: &Decision, evidence: &Evidence) {
        self.is_repeat(decision, evidence);
    }

    /// Records an attempt: its record is on disk, fsynced, when this returns. Then the kiosk is told.
    ///
    /// `began`: when the frame (or the PIN) that settled it arrived.
    pub(super) fn record(
        &mut self,
        decision: &Decision,
        evidence: &Evidence,
        now: &ZonedDateTime,
        began: Instant,
    ) -> Result<Arc<Outcome>, JournalError> {
        let checkin = self.checkin(decision, evidence, now);
        let jpeg = match (decision.outcome, evidence) {
            (CheckinOutcome::Accepted, Evidence::Face(track)) => capture(track),
            _ => None,
        };
        let method = checkin.method;
        let appended = self.journal.check_in(checkin, jpeg.as_deref())?;
        self.remember(decision, evidence);
        let member = decision.member.as_ref();
        let outcome = Arc::new(Outcome {
            seq: appended.seq,
            time: appended.time,
            outcome: decision.outcome,
            method,
            window: decision.window,
            role: member.map(|member| member.role),
            name: member.map(|member| mask(&member.name)),
            person: member.map(|member| member.number.clone()),
            class: member.map(|member| member.class.to_string()),
            next_opens: decision.next_opens.clone(),
            outside: decision.outside,
            last_closed: decision.last_closed.clone(),
            latency_ms: began.elapsed().as_secs_f64() * 1e3,
        });
        self.live.tell(outcome.clone());
        Ok(outcome)
    }

    fn checkin(&self, decision: &Decision, evidence: &Evidence, now: &ZonedDateTime) -> Checkin {
        let track = match evidence {
            Evidence::Face(track) | Evidence::Unusable(track) => Some(track),
            Evidence::Qr(_) => None,
        };
        let face = track.map(|track| track.best.as_ref().map_or(&track.face, |best| &best.face));
        let limits = &self.config.checkin.decision;
        let likeness = |likeness: Likeness| Match {
            score: rounded(likeness.score, 4),
            margin: rounded(likeness.margin, 4),
            frames: track.map_or(0, |track| track.good_frames),
            threshold: rounded(limits.threshold, 4),
            model: self.model.clone(),
        };
        let member = decision.member.as_ref();
        let confirmer = match evidence {
            Evidence::Qr(teacher) => teacher.as_ref(),
            _ => None,
        };
        Checkin {
            outcome: decision.outcome,
            class: member.map(|member| member.class.to_string()),
            person: member.map(|member| member.number.clone()),
            role: member.map(|member| member.role),
            date: now.date().to_string(),
            window: decision.window,
            opens: decision.span.map(|span| self.journal.time_text(span.from)),
            closes: decision.span.map(|span| self.journal.time_text(span.until)),
            method: if track.is_some() { Method::Face } else { Method::Qr },
            confirmed_by: confirmer.map(|teacher| teacher.number.clone()),
            confirmed_class: confirmer
                .filter(|teacher| member.is_none_or(|member| member.class != teacher.class))
                .map(|teacher| teacher.class.to_string()),
            site: self.config.appliance.site.clone(),
            room: self.config.appliance.room.clone(),
            camera: self.camera.clone(),
            // What is no number cannot stand in a record, and is left out.
            likeness: decision
                .likeness
                .map(likeness)
                .filter(|found| found.score.is_finite() && found.margin.is_finite()),
            quality: face.map(face_quality).filter(is_measured),
            liveness: Liveness::NotChecked,
            photo: None,
        }
    }

    fn remember(&mut self, decision: &Decision, evidence: &Evidence) {
        let now = Instant::now();
        match (decision.outcome, evidence) {
            (CheckinOutcome::Unknown, Evidence::Face(track)) => {
                self.strangers.extend(track.mean().map(|mean| (mean, now)));
            }
            // Whoever was accepted a moment ago and stays in front of the camera has not come again.
            (CheckinOutcome::Accepted, _) => {
                let again = Decision { outcome: CheckinOutcome::AlreadyCheckedIn, ..decision.clone() };
                self.recent.push((subject(&again, evidence), now));
            }
            _ => self.recent.push((subject(decision, evidence), now)),
        }
    }
}

fn after(subject: &Subject) -> Duration {
    match subject {
        Subject::Person(..) => REPEAT_AFTER,
        Subject::Waiting(..) => OUTSIDE_AFTER,
        Subject::Reason(CheckinOutcome::Unknown) => CODE_AFTER,
        Subject::Reason(_) => REFUSAL_AFTER,
    }
}

fn subject(decision: &Decision, evidence: &Evidence) -> Subject {
    let Some(member) = &decision.member else { return Subject::Reason(decision.outcome) };
    let (class, number) = (member.class.to_string(), member.number.clone());
    match (decision.outcome, evidence) {
        (CheckinOutcome::OutsideWindow, Evidence::Face(_)) => {
            Subject::Waiting(class, number, decision.next_opens.clone())
        }
        (outcome, _) => Subject::Person(class, number, outcome),
    }
}

fn face_quality(face: &Face) -> FaceQuality {
    FaceQuality {
        pupil_distance_px: rounded(face.quality.pupil_distance_px, 1),
        yaw: rounded(face.pose.yaw, 1),
        pitch: rounded(face.pose.pitch, 1),
        roll: rounded(face.pose.roll, 1),
        sharpness: rounded(face.quality.sharpness, 1),
        brightness: rounded(face.quality.brightness, 1),
    }
}

fn is_measured(quality: &FaceQuality) -> bool {
    let FaceQuality { pupil_distance_px, yaw, pitch, roll, sharpness, brightness } = quality;
    [pupil_distance_px, yaw, pitch, roll, sharpness, brightness].into_iter().all(|value| value.is_finite())
}

/// Rounded for people; a record has no use for f32's noise.
fn rounded(value: f32, digits: i32) -> f64 {
    let factor = 10f64.powi(digits);
    (f64::from(value) * factor).round() / factor
}

/// The capture photo: the face and what is round it, out of the best frame.
fn capture(track: &Track) -> Option<Vec<u8>> {
    let best = track.best.as_ref()?;
    let portrait = portrait(&best.frame, &best.face);
    let encoded = portrait.to_jpeg(CAPTURE_QUALITY);
    encoded.map_err(|error| tracing::error!(%error, "no capture photo")).ok()
}

/// The face with half its size round it, at most [`CAPTURE_WIDTH`] px wide.
pub(super) fn portrait(frame: &Frame, face: &Face) -> Picture {
    let (bounds, picture) = (&face.bounds, &frame.picture);
    let side = bounds.width.max(bounds.height) * 2.0;
    let (x, y) = bounds.centre();
    let left = (x - side / 2.0).max(0.0) as u32;
    let top = (y - side / 2.0).max(0.0) as u32;
    let width = ((x + side / 2.0).min(picture.width as f32) as u32).saturating_sub(left).max(1);
    let height = ((y + side / 2.0).min(picture.height as f32) as u32).saturating_sub(top).max(1);
    let cut = picture.crop(i64::from(left), i64::from(top), width, height);
    if width <= CAPTURE_WIDTH {
        return cut;
    }
    cut.scaled(CAPTURE_WIDTH, (height * CAPTURE_WIDTH / width).max(1))
}

#[cfg(test)]
mod tests;
