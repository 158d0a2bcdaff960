//! What lies among the recordings and should not: files whose deletion is on record, and files that no recorder has written.
//!
//! All files are looked at, which takes minutes where a year is kept: while cameras are recorded, by whoever deletes.

use super::files::Files;
use super::recover::is_foreign;
use super::{RecordingError, relative};
use crate::journal::Journal;
use crate::pulse::Pulse;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// Files that are looked at in one snapshot of the database.
const BATCH: usize = 500;

#[derive(Debug, Default)]
pub(super) struct Stray {
    /// Their deletion is on record, and not done.
    pub doomed: Vec<PathBuf>,
    /// Below the folder of the recordings, in order: no recorder has written them, or not so. They are not vouched for.
    pub foreign: Vec<String>,
}

/// Looks at every file below `root`. What was written after `begun` may be a recorder's that has not noted it down yet.
/// Ends early with `stop`.
pub(super) fn look(
    journal: &Journal,
    root: &Path,
    begun: SystemTime,
    pulse: &Pulse,
    stop: &AtomicBool,
) -> Result<Stray, RecordingError> {
    let named = |source| RecordingError::Io { path: root.to_owned(), source };
    let (mut files, mut stray) = (Files::below(root).map_err(named)?, Stray::default());
    loop {
        let batch: Vec<PathBuf> = files.by_ref().take(BATCH).inspect(|_| pulse.beat()).collect();
        if batch.is_empty() || stop.load(Ordering::Relaxed) {
            break;
        }
        // Read after they were found: what has been journalled or noted down by then is known.
        let reader = journal.store().read()?;
        for path in batch {
            pulse.beat();
            let name = relative(root, &path);
            if reader.deletion_of(&name)?.is_some() {
                tracing::warn!(file = name, "its deletion is on record; it is removed now");
                stray.doomed.push(path);
            } else if !reader.is_segment(&name)? && was_written_before(&path, begun) {
                match is_foreign(&reader, root, &path) {
                    Ok(false) => {}
                    Ok(true) => {
                        tracing::error!(
                            file = name,
                            "no recorder has written this, or not so; it is left as it is, and not vouched for"
                        );
                        stray.foreign.push(name);
                    }
                    // A bad sector in one file must not keep anything from being deleted.
                    Err(RecordingError::Io { path, source }) => {
                        tracing::error!(file = %path.display(), error = %source, "it cannot be read; left as it is");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    stray.foreign.sort_unstable();
    Ok(stray)
}

fn was_written_before(path: &Path, moment: SystemTime) -> bool {
    path.metadata().and_then(|file| file.modified()).is_ok_and(|written| written < moment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use std::fs;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn what_a_recorder_may_have_begun_meanwhile_is_not_foreign_and_a_stop_ends_the_look() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, clock) = (folder.path().join("recordings"), Arc::new(SystemClock::default()));
        let journal = Journal::initialise(&folder.path().join("state"), "site", "301", clock, jiff::tz::TimeZone::UTC);
        let journal = journal.expect("initialised");
        fs::create_dir_all(root.join("back/2026-11-23")).expect("made");
        let name = "back/2026-11-23/a.mp4.part";
        fs::write(root.join(name), b"film").expect("written");
        let foreign = |begun, is_stopped| {
            let stop = AtomicBool::new(is_stopped);
            look(&journal, &root, begun, &Pulse::default(), &stop).expect("looks").foreign
        };
        let now = SystemTime::now();
        assert_eq!(foreign(now - Duration::from_secs(60), false), [""; 0]);
        assert_eq!(foreign(now + Duration::from_secs(60), false), [name]);
        assert_eq!(foreign(now + Duration::from_secs(60), true), [""; 0]);
    }
}
