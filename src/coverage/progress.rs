//! How far the watch over the pictures has come: a lesson's account waits for what it has to tell of the lesson.

use crate::class::ClassId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Mutex;

/// How far the watch has come, for each camera. One thread tells; anybody may ask.
#[derive(Default)]
pub struct Progress(Mutex<HashMap<String, Standing>>);

/// How far it has come with one camera.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Standing {
    /// The lesson that it watches.
    pub lesson: Option<(ClassId, Timestamp)>,
    /// Something of what it has left, as a lesson that is over, is not written down yet.
    pub owes: bool,
}

impl Progress {
    /// Takes how it stands now.
    pub(crate) fn tell(&self, standings: impl IntoIterator<Item = (String, Standing)>) {
        let mut known = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.extend(standings);
    }

    /// Whether it has yet to leave the lesson of `class` that begins at `start`, or to write down what it saw before. Of a
    /// camera that nobody watches nothing is to come.
    pub(crate) fn is_behind(&self, camera: &str, class: &ClassId, start: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get(camera).is_some_and(|standing| {
            let is_in_it = standing.lesson.as_ref().is_some_and(|(of, at)| of == class && *at == start);
            is_in_it || standing.owes
        })
    }
}
