//! The alternative to the face: a personal QR code, shown to the same camera and confirmed by a teacher's PIN.

use super::decide::{Decision, decide_member};
use super::desk::{Confirmer, DeskError, Reply};
use super::live::{Outcome, PendingQr};
use super::record::Evidence;
use super::worker::Worker;
use crate::class::{ClassId, mask};
use crate::journal::JournalError;
use crate::store::QrToken;
use evidence::record::CheckinOutcome;
use jiff::ZonedDateTime;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A QR code waits this long for the teacher's PIN.
const PIN_PATIENCE: Duration = Duration::from_secs(60);

/// A code that has been answered is not answered again before it has been out of sight for this long.
const OUT_OF_SIGHT: Duration = Duration::from_secs(5);

/// Codes that have been answered and are still in sight, and when each was last seen.
#[derive(Default)]
pub(super) struct Answered(Vec<(QrToken, Instant)>);

impl Answered {
    /// Whether this code, which is seen `now`, was answered and has stayed in sight since.
    fn holds(&mut self, token: &QrToken, now: Instant) -> bool {
        self.0.retain(|(_, seen)| now.duration_since(*seen) < OUT_OF_SIGHT);
        let known = self.0.iter_mut().find(|(known, _)| known == token);
        known.map(|(_, seen)| *seen = now).is_some()
    }

    fn add(&mut self, token: QrToken, now: Instant) {
        self.0.push((token, now));
    }
}

/// A code that has been shown, and waits.
pub(super) struct Waiting {
    id: u64,
    token: QrToken,
    class: ClassId,
    number: String,
    since: Instant,
}

impl Worker {
    /// Looks whether QR codes have been shown: decides on each at once, or waits for the teacher's PIN.
    pub(super) fn look_at_qr(&mut self) {
        let mut tokens = std::mem::take(&mut *self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let now = Instant::now();
        tokens.retain(|token| !self.answered.holds(token, now));
        for token in tokens {
            if self.waiting.is_some() || self.session.is_some() || self.troubles.holds() {
                return;
            }
            if let Err(error) = self.qr(&token) {
                self.troubles.cannot_save(&error);
            }
        }
    }

    fn qr(&mut self, token: &QrToken) -> Result<(), JournalError> {
        let now = self.now();
        let owner = self.journal.store().read()?.person_of_qr(token)?;
        let Some((class, number)) = owner else {
            // It was renewed, or its owner has left.
            if self.refuse_qr(&Decision::of(CheckinOutcome::Unknown), &now)? {
                self.answered.add(token.clone(), Instant::now());
            }
            return Ok(());
        };
        let directory = self.people.directory(&now)?;
        let Some(member) = directory.member_here(&class, &number) else {
            let member = directory.member_elsewhere(&class, &number);
            self.refuse_qr(&Decision { member, ..Decision::of(CheckinOutcome::NotInClass) }, &now)?;
            return Ok(());
        };
        let decision = decide_member(std::slice::from_ref(&member), directory, &now);
        if decision.outcome != CheckinOutcome::Accepted {
            self.refuse_qr(&decision, &now)?;
            return Ok(());
        }
        let teachers = directory.confirmers(&class, &number).into_iter();
        let teachers = teachers.map(|known| (known.number, mask(&known.name), known.class.to_string())).collect();
        let (id, name) = (self.next_qr, mask(&member.name));
        self.next_qr += 1;
        self.live.wait_for_pin(Some(PendingQr {
            id,
            name,
            person: number.clone(),
            class: class.to_string(),
            teachers,
            expires_in_seconds: PIN_PATIENCE.as_secs(),
        }));
        self.waiting = Some(Waiting { id, token: token.clone(), class, number, since: Instant::now() });
        Ok(())
    }

    /// Records that a code is of no use now, unless that was recorded a moment ago; tells whether it was recorded now.
    fn refuse_qr(&mut self, decision: &Decision, now: &ZonedDateTime) -> Result<bool, JournalError> {
        let evidence = Evidence::Qr(None);
        if self.recorder.is_repeat(decision, &evidence) {
            return Ok(false);
        }
        Ok(self.record(decision, &evidence, now, Instant::now())?.is_some())
    }

    /// Ends the wait for a PIN: with a teacher who confirmed, or without.
    fn settle(&mut self, teacher: Option<Confirmer>, reply: Option<Reply<Arc<Outcome>>>) {
        let Some(waiting) = self.waiting.take() else { return };
        let settled = self.settled(&waiting, teacher);
        match &settled {
            // The PIN was right, but nothing is on disk: the same code can be confirmed again.
            Err(DeskError::Journal(error)) => {
                self.troubles.cannot_save(error);
                self.waiting = Some(waiting);
            }
            _ => {
                self.live.wait_for_pin(None);
                self.answered.add(waiting.token, Instant::now());
            }
        }
        if let Some(reply) = reply {
            let _ = reply.send(settled);
        }
    }

    fn settled(&mut self, waiting: &Waiting, teacher: Option<Confirmer>) -> Result<Arc<Outcome>, DeskError> {
        let (now, began) = (self.now(), Instant::now());
        let directory = self.people.directory(&now)?;
        let member = directory.member_here(&waiting.class, &waiting.number).ok_or(DeskError::Gone)?;
        let mut decision = decide_member(std::slice::from_ref(&member), directory, &now);
        if teacher.is_none() {
            decision.outcome = CheckinOutcome::Unconfirmed;
        }
        self.record(&decision, &Evidence::Qr(teacher), &now, began)?.ok_or(DeskError::Gone)
    }

    /// A teacher has confirmed the code with this id; `None`: nobody does.
    pub(super) fn confirm_qr(&mut self, id: u64, teacher: Option<Confirmer>, reply: Reply<Arc<Outcome>>) {
        if self.waiting.as_ref().is_some_and(|waiting| waiting.id == id) {
            self.settle(teacher, Some(reply));
        } else {
            let _ = reply.send(Err(DeskError::Gone));
        }
    }

    /// Ends a wait that has lasted too long.
    pub(super) fn expire_qr(&mut self) {
        let is_over = self.waiting.as_ref().is_some_and(|waiting| waiting.since.elapsed() > PIN_PATIENCE);
        if is_over && !self.troubles.holds() {
            self.settle(None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_was_answered_is_answered_again_only_when_it_has_been_out_of_sight() {
        let token = |digit: &str| QrToken::from_text(&format!("ROLLCALL:{}", digit.repeat(32))).expect("well formed");
        let (mut answered, start) = (Answered::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!answered.holds(&token("1"), start), "not answered yet");
        answered.add(token("1"), start);
        for seconds in [4, 8, 12] {
            assert!(answered.holds(&token("1"), at(seconds)), "{seconds} s, still in sight");
        }
        assert!(!answered.holds(&token("2"), at(12)), "another code");
        assert!(!answered.holds(&token("1"), at(17)), "shown again");
    }
}
