//! After a crash or a power cut: half-written segments are closed and journalled, and the time in between is told of.
//!
//! Nothing is recorded before that is done, so it looks at what can be left only, not at all that is kept.

use super::accounts::account_from;
use super::file::{PART, hash_beginning, hash_file, sync_folder};
use super::plan::Plan;
use super::{Described, RecordingError, files, journal_gap, journal_segment, mp4, relative};
use crate::class::Span;
use crate::journal::Journal;
use crate::store::{AliveRow, SegmentRow, StoreError, UnfinishedRow, View};
use evidence::record::GapCause;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What comes after the last bytes that were noted down is no longer than this: a group of pictures, and a sign of life
/// that is late.
const MORE: SignedDuration = SignedDuration::from_secs(15);

/// A recorder writes into the folder of today: what it had just begun when the power failed is in one of the newest days'
/// folders of its camera.
const NEWEST_DAYS: usize = 2;

/// What became of a file.
enum Became {
    /// Nothing: it is journalled, or shows nothing.
    Left,
    Recovered,
    Foreign,
}

/// Closes and journals what an earlier run has left below `root`; tells how many segments that were. What nobody had begun
/// is left to whoever looks at all files (see [`super::stray`]).
pub(super) fn recover_segments(journal: &Journal, root: &Path) -> Result<u64, RecordingError> {
    let (mut recovered, unfinished) = (0, journal.store().read()?.all_unfinished()?);
    let known = unfinished.iter().flat_map(|row| {
        let whole = root.join(&row.path);
        [whole.with_added_extension(PART), whole]
    });
    let left: BTreeSet<PathBuf> = known.chain(newest_parts(root)).collect();
    for path in left.iter().filter(|path| !is_gone(path)) {
        match recover_segment(journal, root, path) {
            Ok(Became::Left | Became::Foreign) => {}
            Ok(Became::Recovered) => recovered += 1,
            // A bad sector in one file must not keep the appliance from starting.
            Err(RecordingError::Io { path, source }) => {
                tracing::error!(file = %path.display(), error = %source, "it cannot be recovered now; left as it is");
            }
            Err(error) => return Err(error),
        }
    }
    for row in journal.store().read()?.all_unfinished()? {
        let whole = root.join(&row.path);
        if is_gone(&whole) && is_gone(&whole.with_added_extension(PART)) {
            tracing::error!(file = row.path, bytes = row.bytes, "a segment that was being written is gone");
            forget(journal, &row.path)?;
        }
    }
    Ok(recovered)
}

/// Whether it is certain that there is no such file.
fn is_gone(path: &Path) -> bool {
    path.try_exists().is_ok_and(|is_there| !is_there)
}

/// The parts of segments in each camera's newest folders.
fn newest_parts(root: &Path) -> Vec<PathBuf> {
    let mut parts = Vec::new();
    for camera in files::entries(root).into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let is_day = |name: &str| name.parse::<jiff::civil::Date>().is_ok();
        let days = files::entries(&camera).into_iter().filter(|entry| entry.file_name().to_str().is_some_and(is_day));
        let days: BTreeSet<PathBuf> = days.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        for day in days.iter().rev().take(NEWEST_DAYS) {
            parts.extend(files::entries(day).into_iter().map(|entry| entry.path()).filter(|path| is_part(path)));
        }
    }
    parts
}

/// Whether a file that is not journalled is none that a recorder had begun, or does not begin as that was.
pub(crate) fn is_foreign(view: &View, root: &Path, path: &Path) -> Result<bool, RecordingError> {
    Ok(begun(view, root, path)?.is_none())
}

/// What was noted down of a file that a recorder had begun and that begins as it was.
fn begun(view: &View, root: &Path, path: &Path) -> Result<Option<UnfinishedRow>, RecordingError> {
    let Some(known) = view.unfinished(&relative(root, &whole(path)))? else { return Ok(None) };
    let named = |source| RecordingError::Io { path: path.to_owned(), source };
    let (bytes, sha256) = hash_beginning(path, known.bytes).map_err(named)?;
    Ok(Some(known).filter(|known| (bytes, &sha256) == (known.bytes, &known.sha256)))
}

/// What a segment is called once it is closed.
fn whole(path: &Path) -> PathBuf {
    if is_part(path) { path.with_extension("") } else { path.to_owned() }
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == PART)
}

/// Closes and journals one file if that is yet to be done.
fn recover_segment(journal: &Journal, root: &Path, path: &Path) -> Result<Became, RecordingError> {
    let named = |source| RecordingError::Io { path: path.to_owned(), source };
    let (is_part, whole) = (is_part(path), whole(path));
    let name = relative(root, &whole);
    if !is_part && journal.store().read()?.is_segment(&name)? {
        return Ok(Became::Left);
    }
    let known = begun(&*journal.store().read()?, root, path)?;
    if known.is_none() && !is_part {
        return Ok(Became::Foreign);
    }
    let camera = name.split('/').next().unwrap_or_default().to_owned();
    let (mut file, sure) =
        (BufReader::new(File::open(path).map_err(named)?), known.as_ref().map_or(0, |row| row.bytes));
    let contents = mp4::contents(&mut file, sure, MORE.as_secs_f64()).map_err(named)?;
    let (Some(contents), Some(start)) = (contents, start_of(&whole)) else {
        // Not one picture is whole in it.
        tracing::warn!(file = %path.display(), "nothing in this segment can be recovered");
        if is_part {
            fs::remove_file(path).map_err(named)?;
        }
        forget(journal, &name)?;
        return Ok(Became::Left);
    };
    // What holds no picture was begun at the very last moment.
    let Some(known) = known else { return Ok(Became::Foreign) };
    let file = OpenOptions::new().write(true).open(path).map_err(named)?;
    let written = file.metadata().and_then(|metadata| metadata.modified()).map_err(named)?;
    file.set_len(contents.bytes).and_then(|()| file.sync_all()).map_err(named)?;
    if is_part {
        fs::rename(path, &whole).map_err(named)?;
        sync_folder(whole.parent().unwrap_or(root)).map_err(named)?;
    }
    let (bytes, sha256) = hash_file(&whole).map_err(named)?;
    let written = Timestamp::try_from(written).unwrap_or(start);
    let end = end_of(start, contents.seconds, written).min(known.at + MORE).max(start);
    let row = SegmentRow { seq: 0, camera, start, end, path: name, bytes, sha256 };
    let described = Described {
        frames: contents.frames,
        lost_packets: None,
        codec: contents.codec,
        width: contents.width,
        height: contents.height,
        sound: contents.sound,
        recovered: true,
    };
    journal_segment(journal, row, described)?;
    Ok(Became::Recovered)
}

fn forget(journal: &Journal, name: &str) -> Result<(), StoreError> {
    let write = journal.store().begin()?;
    write.forget_unfinished(name)?;
    write.commit()
}

/// When a segment ends that shows so many seconds by its camera's clock and was last written at `written`: a camera whose
/// clock runs fast shows nothing of what comes later. A file whose time was lost tells nothing.
fn end_of(start: Timestamp, seconds: f64, written: Timestamp) -> Timestamp {
    let end = start.checked_add(SignedDuration::from_millis((seconds * 1000.0) as i64)).unwrap_or(written);
    if written > start { end.min(written) } else { end }
}

/// Tells of the time since `camera`'s recorder was last alive, up to `now`; what lies right before `now` stays open,
/// and its beginning and its cause are told to the caller. One that never was should have recorded the lessons that have
/// no account. From `full_since` on it was a full disk that kept it from recording.
pub(super) fn account_for_absence(
    journal: &Journal,
    plan: &mut Plan,
    camera: &str,
    full_since: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Option<Timestamp>, GapCause), RecordingError> {
    let known = journal.store().read()?.alive()?.into_iter().find(|row| row.camera == camera);
    let is_new = known.is_none();
    let alive = known.unwrap_or(AliveRow { camera: camera.into(), at: now, gap: None });
    let is_meant = alive.gap == Some((alive.at, GapCause::OperatorStop));
    let off = if is_meant { GapCause::OperatorStop } else { GapCause::ApplianceOff };
    let last = if full_since.is_some() { GapCause::DiskFull } else { off };
    let mut open = None;
    let spans = if is_new {
        let lessons = plan.over(journal, now)?.into_iter().chain(plan.lessons_at(journal, now)?);
        lessons.filter(|lesson| lesson.cameras.iter().any(|name| name == camera)).map(|lesson| lesson.span).collect()
    } else {
        plan.untold(journal, camera, Span { from: alive.at, until: now })?
    };
    for (span, past) in spans.iter().filter_map(|span| Some((span, span.overlap(Span { until: now, ..*span })?))) {
        let reader = journal.store().read()?;
        let segments = reader.segments(camera, past.from, past.until)?;
        let mut gaps = reader.gaps(camera, past.from, past.until)?;
        drop(reader);
        // What the clock had jumped over before it was put back may have come after all, and nothing was recorded of it.
        // Up to the last sign of life that is told of already.
        for row in gaps.iter_mut().filter(|row| row.cause == GapCause::ClockStep) {
            row.end = row.end.min(alive.at);
        }
        gaps.retain(|row| row.start < row.end);
        for mut missing in account_from(past, &segments, gaps).unexplained {
            // What was open when the appliance was last alive keeps its cause as far as that reaches.
            if let Some((since, cause)) = alive.gap
                && let Some(known) = missing.overlap(Span { from: since, until: alive.at })
            {
                if missing.from < known.from {
                    journal_gap(journal, camera, missing.from, known.from, off)?;
                }
                journal_gap(journal, camera, known.from, known.until, cause)?;
                missing.from = known.until;
            }
            if let Some(full) = full_since.map(|moment| moment.min(missing.until))
                && missing.from < full
            {
                journal_gap(journal, camera, missing.from, full, off)?;
                missing.from = full;
            }
            if missing.until == now && now < span.until {
                open = Some(missing.from);
            } else if missing.from < missing.until {
                journal_gap(journal, camera, missing.from, missing.until, last)?;
            }
        }
    }
    Ok((Some(open.unwrap_or(now)), last))
}

/// When a segment begins, which is its name.
fn start_of(path: &Path) -> Option<Timestamp> {
    let name = path.file_stem()?.to_str()?;
    jiff::ZonedDateTime::strptime("%Y-%m-%dT%H-%M-%S.%f%z", name).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests;
