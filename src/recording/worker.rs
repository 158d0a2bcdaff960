//! One camera's recorder at work: a thread that takes what the camera sends, asks the plan what is wanted, and passes on
//! what the recorder tells. It never waits for the database: what it tells is journalled by another thread.

use super::accounts::account_of;
use super::fact::{Fact, Now, Wanted};
use super::file::Written;
use super::follow::{Jump, PULSE, Shared, lock};
use super::recorder::{Recorder, TOLERANCE};
use super::relative;
use crate::camera::{Camera, EncodedUnits, Unit};
use crate::class::{Span, rest_of};
use crate::lasting::Lasting;
use crate::store::{StoreError, UnfinishedRow};
use evidence::record::GapCause;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// Units that are taken before it is looked what time it is.
const AT_ONCE: usize = 3000;
/// Pictures are encoded from this long before a span begins.
const ENCODE_AHEAD: SignedDuration = SignedDuration::from_secs(4);
/// A span that is wanted only after it has begun by this much came late.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// Where a camera's coded pictures come from.
pub(super) enum Units {
    /// It sends them.
    Sent(Receiver<Unit>),
    /// They are encoded here.
    Encoded(EncodedUnits),
}

impl Units {
    fn receiver(&self) -> &Receiver<Unit> {
        match self {
            Units::Sent(units) => units,
            Units::Encoded(encoded) => encoded.units(),
        }
    }
}

pub(super) struct Worker {
    shared: Arc<Shared>,
    /// Its place among the recorders.
    index: usize,
    /// Its camera's place among the cameras.
    camera: usize,
    cameras: Arc<Vec<Camera>>,
    units: Units,
    recorder: Recorder,
    /// Up to when an earlier run has told of the span that was wanted at the start …
    told: Option<Timestamp>,
    /// … and why nothing was recorded from then on.
    off: GapCause,
    /// What was wanted when that was looked at last.
    seen: Option<Wanted>,
    /// When that was.
    looked: Option<Now>,
    trouble: Lasting,
}

impl Worker {
    pub fn new(
        shared: Arc<Shared>,
        index: usize,
        (camera, cameras): (usize, Arc<Vec<Camera>>),
        units: Units,
        recorder: Recorder,
        (told, off): (Option<Timestamp>, GapCause),
    ) -> Worker {
        Worker {
            shared,
            index,
            camera,
            cameras,
            units,
            recorder,
            told,
            off,
            seen: None,
            looked: None,
            trouble: Lasting::default(),
        }
    }

    pub fn run(mut self) {
        let mut ticked = None;
        let mut is_first = true;
        while !self.shared.stop.load(Ordering::Relaxed) {
            // First what has come meanwhile: a disk that was slow is no camera that stands still. At the start, what the
            // run before has told goes first.
            for _ in 0..if is_first { 0 } else { AT_ONCE } {
                let Ok(unit) = self.units.receiver().try_recv() else { break };
                self.take(unit);
            }
            if ticked.is_none_or(|ticked: Instant| ticked.elapsed() >= PULSE / 2) {
                ticked = Some(Instant::now());
                self.tick(is_first);
                is_first = false;
            }
            match self.units.receiver().recv_timeout(PULSE / 4) {
                Ok(unit) => self.take(unit),
                Err(RecvTimeoutError::Timeout) => {}
                // The camera is gone for good; time still has to be told of.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(PULSE / 4),
            }
        }
        // What has come by now is shown.
        for _ in 0..AT_ONCE {
            let Ok(unit) = self.units.receiver().try_recv() else { break };
            self.take(unit);
        }
        let facts = self.recorder.stop(self.shared.now());
        self.shared.tell(self.index, facts, None);
    }

    /// A coded picture, or a piece of sound.
    pub fn take(&mut self, unit: Unit) {
        let now = self.shared.now();
        // Looked at for each unit: at a border between spans, sound ends with the very first after it.
        let wanted = self.shared.wanted(self.index, now.wall);
        let is_on_time = |wanted: Wanted| now.wall.duration_since(wanted.from) <= LATE;
        let (mut facts, begun) = (Vec::new(), self.recorder.begun());
        if wanted.is_some_and(|wanted| self.recorder.goes_on_in(wanted) || is_on_time(wanted)) {
            facts.extend(self.recorder.set_wanted(wanted, None, now));
        }
        facts.extend(self.recorder.take(unit, now));
        // A segment that has just begun is noted down: the next start recovers no other.
        let unfinished = if self.recorder.begun() == begun { None } else { self.unfinished() };
        self.shared.tell(self.index, facts, unfinished);
    }

    fn unfinished(&self) -> Option<UnfinishedRow> {
        let Written { path, bytes, sha256 } = self.recorder.unfinished()?;
        Some(UnfinishedRow {
            path: relative(&self.shared.root, &path),
            bytes,
            sha256,
            at: self.shared.journal.clock().now(),
        })
    }

    fn tick(&mut self, is_first: bool) {
        let now = self.shared.now();
        let expected = self.looked.replace(now).map_or(now.wall, |before| before.at(now.monotonic));
        let has_stepped = now.wall.duration_since(expected).unsigned_abs() > TOLERANCE;
        let mut facts = Vec::new();
        if has_stepped {
            facts.extend(self.recorder.stepped(expected, now));
        }
        let jumps = self.tell_of_jumps(&mut facts);
        let wanted = self.shared.wanted(self.index, now.wall);
        let mut told = self.told.take().filter(|_| is_first);
        if let (Some(before), Some(wanted)) = (&mut told, wanted) {
            // Up to here it was off, whatever the camera does from now on.
            let (start, end) = ((*before).max(wanted.from), now.wall);
            if start < end {
                facts.push(Fact::Gap { start, end, cause: self.off });
                *before = end;
            }
        }
        let known = std::mem::replace(&mut self.seen, wanted);
        if let Some(wanted) = wanted.filter(|_| !is_first && known != wanted)
            && now.wall.duration_since(wanted.from) > LATE
        {
            // What was recorded for another lesson, or has been told of, needs no telling; nor does what the clock has
            // jumped over, which is told of by itself.
            let past = Span { from: wanted.from, until: now.wall };
            let is_forward = has_stepped && expected < now.wall;
            let is_jumped_over =
                is_forward || jumps.iter().flat_map(|jump| &jump.spans).any(|span| span.overlap(past).is_some());
            let until = self.recorder.since().filter(|_| !has_stepped && !is_jumped_over).unwrap_or(now.wall);
            if !is_jumped_over {
                let cause = if has_stepped { GapCause::ClockStep } else { GapCause::PlanLate };
                self.tell_late(Span { until, ..past }, cause, &mut facts);
            }
            told = Some(until);
        }
        facts.extend(self.recorder.set_wanted(wanted, told, now));
        if let Units::Encoded(encoded) = &self.units {
            // A little before it begins, so that its first moment is shown.
            let soon = self.shared.wanted(self.index, now.wall + ENCODE_AHEAD);
            encoded.set_wanted(wanted.or(soon).is_some());
        }
        let can_encode = match &self.units {
            Units::Sent(_) => true,
            Units::Encoded(encoded) => !encoded.has_failed(),
        };
        facts.extend(self.recorder.tick(now, &self.cameras[self.camera].status(), can_encode));
        let border = lock(&self.shared.recorders)[self.index].border.take();
        facts.extend(border.and_then(|border| self.recorder.tell_until(border)));
        let unfinished = self.unfinished();
        let mut states = lock(&self.shared.recorders);
        let state = &mut states[self.index];
        state.wanted = wanted.is_some();
        state.begun = self.recorder.begun();
        state.gap = self.recorder.pending();
        state.tell(facts);
        state.turned = Instant::now();
        state.told = self.recorder.told();
        state.set_unfinished(unfinished);
        drop(states);
        self.shared.told.notify_one();
    }

    /// Tells what the clock has jumped over, and what passed until the recorder knew, as far as nothing else is told of
    /// it. Returns the jumps that were not all told of before.
    fn tell_of_jumps(&mut self, facts: &mut Vec<Fact>) -> Vec<Jump> {
        let (jumps, is_waiting) = {
            let state = &lock(&self.shared.recorders)[self.index];
            (state.jumps.clone(), !state.facts.is_empty())
        };
        // What is known must be journalled before it can be seen what is not.
        if jumps.is_empty() || is_waiting || !facts.is_empty() {
            return jumps;
        }
        // A recorder that has told up to about the end of the step goes on from there.
        let told = self.recorder.told();
        for jump in jumps.iter().filter(|jump| told.is_none_or(|told| jump.to <= told + 2 * PULSE)) {
            match self.unexplained(jump, told.unwrap_or(jump.to)) {
                Ok(missing) if missing.is_empty() => {
                    lock(&self.shared.recorders)[self.index].jumps.retain(|known| known != jump);
                }
                Ok(missing) => {
                    let gap = |span: Span| Fact::Gap { start: span.from, end: span.until, cause: GapCause::ClockStep };
                    facts.extend(missing.into_iter().map(gap));
                }
                Err(error) => {
                    if self.trouble.is_due() {
                        tracing::error!(%error, "what the clock jumped over cannot be told yet; trying again");
                    }
                }
            }
        }
        jumps
    }

    fn unexplained(&self, jump: &Jump, until: Timestamp) -> Result<Vec<Span>, StoreError> {
        let camera = self.cameras[self.camera].name();
        let mut missing = Vec::new();
        for span in &jump.spans {
            if let Some(past) = span.overlap(Span { until, ..*span }) {
                missing.extend(account_of(&self.shared.journal, camera, past)?.unexplained);
            }
        }
        Ok(missing)
    }

    /// `span` is wanted only now that it has begun, or is over.
    fn tell_late(&mut self, span: Span, cause: GapCause, facts: &mut Vec<Fact>) {
        if span.until.duration_since(span.from) <= LATE {
            return;
        }
        let camera = self.cameras[self.camera].name();
        // First what waits: what is journalled meanwhile is found in one of the two.
        let waiting: Vec<Span> = lock(&self.shared.recorders)[self.index].facts.iter().map(Fact::span).collect();
        let missing = account_of(&self.shared.journal, camera, span).map(|account| account.unexplained);
        for missing in missing.unwrap_or_else(|_| vec![span]) {
            let untold = rest_of(missing, waiting.iter().copied());
            facts.extend(untold.into_iter().map(|Span { from, until }| Fact::Gap { start: from, end: until, cause }));
        }
    }
}
