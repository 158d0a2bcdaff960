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
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A QR code waits this long for the teacher's PIN.
const PIN_PATIENCE: Duration = Duration::from_secs(60);

/// A code that has been shown, and waits.
pub(super) struct Waiting {
    id: u64,
    class: ClassId,
    number: String,
    since: Instant,
}

impl Worker {
    /// Looks whether a QR code has been shown: decides at once, or waits for the teacher's PIN.
    pub(super) fn look_at_qr(&mut self) {
        let token = self.token.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let Some(token) = token else { return };
        if self.waiting.is_some() || self.session.is_some() || self.troubles.holds() {
            return;
        }
        if let Err(error) = self.qr(&token) {
            self.troubles.cannot_save(&error);
        }
    }

    fn qr(&mut self, token: &QrToken) -> Result<(), JournalError> {
        let Some((class, number)) = self.journal.store().read()?.person_of_qr(token)? else { return Ok(()) };
        let now = self.now();
        let directory = self.people.directory(&now)?;
        let Some(member) = directory.member_here(&class, &number) else {
            let decision = Decision {
                member: directory.member_elsewhere(&class, &number),
                ..Decision::of(CheckinOutcome::NotInClass)
            };
            let evidence = Evidence::Qr(None);
            if !self.recorder.is_repeat(&decision, &evidence) {
                self.record(&decision, &evidence, &now, Instant::now())?;
            }
            return Ok(());
        };
        let decision = decide_member(std::slice::from_ref(&member), directory, &now);
        if decision.outcome != CheckinOutcome::Accepted {
            let evidence = Evidence::Qr(None);
            if !self.recorder.is_repeat(&decision, &evidence) {
                self.record(&decision, &evidence, &now, Instant::now())?;
            }
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
        self.waiting = Some(Waiting { id, class, number, since: Instant::now() });
        Ok(())
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
            _ => self.live.wait_for_pin(None),
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
