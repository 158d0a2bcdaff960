//! The roll calls that a log tells of, for the accounts that name one.

use crate::record::{RollCallSpan, Rollcall, RollcallEvent};
use jiff::Timestamp;
use std::collections::HashMap;

/// A class, and when a lesson of it begins by its plan, ms.
type Lesson = (String, i64);

/// Takes roll calls as they begin and end. One begins and ends at its records' times.
#[derive(Default)]
pub(super) struct RollCalls {
    /// Lesson and beginning → end, ms.
    taken: HashMap<(Lesson, i64), Option<i64>>,
    /// The one that goes on: lesson → beginning, ms.
    open: HashMap<Lesson, i64>,
}

impl RollCalls {
    /// Takes a record of this time.
    pub fn take(&mut self, time: Timestamp, rollcall: &Rollcall) {
        let Some(start) = ms(&rollcall.lesson) else { return };
        let (lesson, time) = ((rollcall.class.clone(), start), time.as_millisecond());
        match rollcall.event {
            RollcallEvent::Started => {
                self.taken.insert((lesson.clone(), time), None);
                self.open.insert(lesson, time);
            }
            RollcallEvent::Ended => {
                if let Some(begun) = self.open.remove(&lesson) {
                    // A clock that was put back ends none before it began.
                    self.taken.insert((lesson, begun), Some(time.max(begun)));
                }
            }
        }
    }

    /// Whether this roll call of the lesson that begins at `start` was taken. An account may have been made before the roll
    /// call's end was told.
    pub fn has(&self, class: &str, start: &str, roll_call: &RollCallSpan) -> bool {
        let Some((lesson, begun)) = ms(start).zip(ms(&roll_call.start)) else { return false };
        let taken = self.taken.get(&((class.to_owned(), lesson), begun));
        taken.is_some_and(|end| roll_call.end.as_ref().is_none_or(|told| end.is_some() && ms(told) == *end))
    }
}

fn ms(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(|time| time.as_millisecond())
}
