//! From an identity and the hour to an outcome. Pure: what was seen and what time it is go in, a decision comes out.

use super::directory::{Directory, Identity, Likeness, Member};
use super::live::Outside;
use super::record::outcome_of;
use super::track::Track;
use crate::class::{Span, Window};
use crate::config::CheckinConfig;
use crate::vision::RefusalReason;
use evidence::record::{CheckinOutcome, WindowKind};
use jiff::ZonedDateTime;

/// What is to be said and recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The outcome.
    pub outcome: CheckinOutcome,
    /// Whom it is about, when known.
    pub member: Option<Member>,
    /// The window that was open.
    pub window: Option<WindowKind>,
    /// When that window opens and closes.
    pub span: Option<Span>,
    /// How like the face was; absent for a QR code.
    pub likeness: Option<Likeness>,
    /// When the person's next window opens, `HH:MM`, for an attempt outside every window.
    pub next_opens: Option<String>,
    /// For such an attempt, which window it came too early or too late for.
    pub outside: Option<Outside>,
    /// When the window closed that the person has missed, `HH:MM`.
    pub last_closed: Option<String>,
}

/// Decides about a recognised (or unrecognised) face.
pub fn decide(identity: Identity, directory: &Directory, now: &ZonedDateTime) -> Decision {
    match identity {
        Identity::Here(members, likeness) => {
            Decision { likeness: Some(likeness), ..decide_member(&members, directory, now) }
        }
        Identity::Elsewhere(members, likeness) => Decision {
            member: members.into_iter().next(),
            likeness: Some(likeness),
            ..Decision::of(CheckinOutcome::NotInClass)
        },
        Identity::Nobody(likeness) => Decision { likeness: Some(likeness), ..Decision::of(CheckinOutcome::Unknown) },
    }
}

impl Decision {
    /// An outcome of which nothing more is known.
    pub fn of(outcome: CheckinOutcome) -> Decision {
        Decision {
            outcome,
            member: None,
            window: None,
            span: None,
            likeness: None,
            next_opens: None,
            outside: None,
            last_closed: None,
        }
    }
}

/// Decides about a known person, whatever told who it is. `members` lists the person's classes of today, never empty.
///
/// An open window in which the person is still expected goes before one already used, and that before none.
pub fn decide_member(members: &[Member], directory: &Directory, now: &ZonedDateTime) -> Decision {
    let open = |member: &Member| directory.open_window(&member.class, now);
    let expected = members.iter().find_map(|member| {
        open(member).filter(|window| !directory.is_accepted(member, window.kind)).map(|window| (member, window))
    });
    let used = || members.iter().find_map(|member| open(member).map(|window| (member, window)));
    let decision = |outcome, member: &Member, window: Option<&Window>| Decision {
        member: Some(member.clone()),
        window: window.map(|window| window.kind),
        span: window.map(|window| Span { from: window.opens.timestamp(), until: window.closes.timestamp() }),
        ..Decision::of(outcome)
    };
    if let Some((member, window)) = expected {
        return decision(CheckinOutcome::Accepted, member, Some(window));
    }
    if let Some((member, window)) = used() {
        return decision(CheckinOutcome::AlreadyCheckedIn, member, Some(window));
    }
    let next = members
        .iter()
        .filter_map(|member| directory.next_window(&member.class, now).map(|window| (member, window)))
        .min_by_key(|(_, window)| window.opens.timestamp());
    let last = members
        .iter()
        .filter_map(|member| directory.last_window(&member.class, now).map(|window| (member, window)))
        .max_by_key(|(_, window)| window.closes.timestamp());
    // What was missed in one class no longer counts where another is waited for.
    let is_of_next = |member: &Member| next.is_none_or(|(expected, _)| expected.class == member.class);
    let missed = last.filter(|(member, window)| !directory.is_accepted(member, window.kind) && is_of_next(member));
    let member = next.or(last).map_or(&members[0], |(member, _)| member);
    let outside = match (missed, next) {
        (Some((_, window)), _) if window.kind == WindowKind::Arrival => Outside::AfterArrival,
        (Some(_), _) => Outside::AfterDeparture,
        (None, Some((_, window))) if window.kind == WindowKind::Arrival => Outside::BeforeArrival,
        (None, Some(_)) => Outside::BeforeDeparture,
        (None, None) => Outside::Done,
    };
    let minute = |moment: &ZonedDateTime| moment.strftime("%H:%M").to_string();
    Decision {
        next_opens: next.map(|(_, window)| minute(&window.opens)),
        outside: Some(outside),
        last_closed: missed.map(|(_, window)| minute(&window.closes)),
        ..decision(CheckinOutcome::OutsideWindow, member, None)
    }
}

/// A face below this part of the least pupil distance is somebody in the background, not somebody who checks in.
const PASSER_BY: f32 = 0.4;

/// Whether a track that cannot be compared has lasted long enough for that to be recorded.
pub fn refuse(track: &Track, limits: &CheckinConfig) -> Option<Decision> {
    if track.good_frames > 0 || track.age().as_secs_f64() < limits.decision.refuse_after_seconds {
        return None;
    }
    let reason = track.main_refusal()?.reason;
    let facing = track.face.pose.yaw.abs() <= limits.quality.max_yaw_degrees;
    let size = track.face.quality.pupil_distance_px / limits.quality.min_pupil_distance_px;
    if reason == RefusalReason::TooSmall && (!facing || size < PASSER_BY) {
        return None;
    }
    Some(Decision::of(outcome_of(reason)))
}

#[cfg(test)]
mod tests;
