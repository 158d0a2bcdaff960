//! From an identity and the hour to an outcome. Pure: what was seen and what time it is go in, a decision comes out.

use super::directory::{Directory, Identity, Likeness, Member};
use super::record::outcome_of;
use super::track::Track;
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
    /// How like the face was; absent for a QR code.
    pub likeness: Option<Likeness>,
    /// When the person's next window opens, `HH:MM`, for an attempt outside every window.
    pub next_opens: Option<String>,
}

/// Decides about a recognised (or unrecognised) face.
pub fn decide(identity: Identity, directory: &Directory, now: &ZonedDateTime) -> Decision {
    match identity {
        Identity::Here(members, likeness) => {
            Decision { likeness: Some(likeness), ..decide_member(&members, directory, now) }
        }
        Identity::Elsewhere(members, likeness) => Decision {
            outcome: CheckinOutcome::NotInClass,
            member: members.into_iter().next(),
            window: None,
            likeness: Some(likeness),
            next_opens: None,
        },
        Identity::Nobody(likeness) => Decision {
            outcome: CheckinOutcome::Unknown,
            member: None,
            window: None,
            likeness: Some(likeness),
            next_opens: None,
        },
    }
}

/// Decides about a known person, whatever told who it is. `members` lists the person's classes of today, never empty.
///
/// An open window in which the person is still expected goes before one already used, and that before none.
pub fn decide_member(members: &[Member], directory: &Directory, now: &ZonedDateTime) -> Decision {
    let open = |member: &Member| directory.open_window(&member.class, now).map(|window| window.kind);
    let expected = members.iter().find_map(|member| {
        open(member).filter(|kind| !directory.is_accepted(member, *kind)).map(|kind| (member, kind))
    });
    let used = || members.iter().find_map(|member| open(member).map(|kind| (member, kind)));
    let decision = |outcome, member: &Member, window| Decision {
        outcome,
        member: Some(member.clone()),
        window,
        likeness: None,
        next_opens: None,
    };
    if let Some((member, kind)) = expected {
        return decision(CheckinOutcome::Accepted, member, Some(kind));
    }
    if let Some((member, kind)) = used() {
        return decision(CheckinOutcome::AlreadyCheckedIn, member, Some(kind));
    }
    let next = members
        .iter()
        .filter_map(|member| directory.next_window(&member.class, now).map(|window| (member, window)))
        .min_by_key(|(_, window)| window.opens.timestamp());
    let member = next.as_ref().map_or(&members[0], |(member, _)| member);
    Decision {
        next_opens: next.map(|(_, window)| window.opens.strftime("%H:%M").to_string()),
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
    Some(Decision { outcome: outcome_of(reason), member: None, window: None, likeness: None, next_opens: None })
}

#[cfg(test)]
mod tests;
