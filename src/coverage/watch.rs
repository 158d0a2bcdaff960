//! The watch over one camera's picture: samples → findings and sights → journal and database.
//!
//! What cannot be written down waits, in order, and is tried again. A step of the wall clock, a camera that sends no
//! pictures and the end of a lesson each end what goes on; what still holds begins anew.

use super::findings::{Change, Findings};
use super::picture::{Judge, unusable};
use super::progress::Standing;
use super::service::{CameraWatch, Current};
use super::sights::{LONGEST_PAUSE, Sights};
use crate::camera::{Camera, CameraState, Frame};
use crate::class::ClassId;
use crate::config::CoverageConfig;
use crate::journal::{Journal, JournalError, NewFinding};
use crate::lasting::Lasting;
use crate::picture::Picture;
use crate::store::{FindingRow, StoreError};
use evidence::record::FindingKind;
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often sights are written down.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// Good pictures in a row, of which the last becomes the reference of a camera that has none.
const GOOD_FOR_REFERENCE: u32 = 3;
/// Widths of what is kept, px.
const THUMBNAIL_WIDTH: u32 = 320;
const REFERENCE_WIDTH: u32 = 1280;
/// So long after a lesson has begun, or a camera has come back, its pictures are expected to be judged …
pub(super) const GRACE: Duration = Duration::from_secs(35);
/// … and for so long without a pause, or else it is blind.
const STEADY: Duration = Duration::from_secs(15);
/// Wall and monotonic time may drift apart by this much between two samples: slewing, not a step.
const TOLERANCE: SignedDuration = SignedDuration::from_millis(500);

/// See the module.
pub(super) struct Watch {
    index: usize,
    name: String,
    limits: CoverageConfig,
    begun: Instant,
    lesson: Option<(ClassId, Timestamp)>,
    judge: Option<(Option<u64>, Judge)>,
    findings: Findings,
    sights: Sights,
    /// Findings that are journalled and go on.
    open: Vec<FindingRow>,
    waiting: VecDeque<Waiting>,
    trouble: Lasting,
    /// Sights cannot be written down.
    unwritten: Lasting,
    /// What it has left is not all written down.
    owes: bool,
    last: Option<Last>,
    /// Since when pictures are to be expected.
    expected: Instant,
    /// The first and the last of the samples that have come without a pause and could be judged.
    steady: Option<(Instant, Instant)>,
    good: u32,
    samples: u64,
    /// When sights were last written down; `None`: they are to be written now.
    written: Option<Instant>,
}

/// A change that is yet to be journalled, with what belongs to it.
struct Waiting {
    change: Change,
    class: Option<ClassId>,
    thumbnail: Option<Vec<u8>>,
}

/// The last sample.
#[derive(Clone, Copy)]
struct Last {
    number: u64,
    captured: Instant,
    wall: Timestamp,
}

impl Watch {
    pub fn new(index: usize, name: &str, limits: &CoverageConfig) -> Watch {
        Watch {
            index,
            name: name.into(),
            limits: limits.clone(),
            begun: Instant::now(),
            lesson: None,
            judge: None,
            findings: Findings::new(limits),
            sights: Sights::new(name),
            open: Vec::new(),
            waiting: VecDeque::new(),
            trouble: Lasting::default(),
            unwritten: Lasting::default(),
            owes: false,
            last: None,
            expected: Instant::now(),
            steady: None,
            good: 0,
            samples: 0,
            written: None,
        }
    }

    /// The camera's place among all cameras.
    pub fn index(&self) -> usize {
        self.index
    }

    pub fn status(&self, lessons: Option<&[Current]>) -> CameraWatch {
        CameraWatch {
            camera: self.name.clone(),
            watching: lessons.is_some() && self.lesson.is_some(),
            has_reference: self.judge.as_ref().is_some_and(|(reference, _)| reference.is_some()),
            samples: self.samples,
            workstations: self.sights.now().map(|(name, state)| (name.to_owned(), state.to_owned())).collect(),
            seconds: self.sights.seconds().map(|(name, state, s)| (name.to_owned(), state.to_owned(), s)).collect(),
            waiting: self.waiting.len(),
            blind: lessons.is_some() && self.lesson.is_some() && self.is_blind(),
            steady: self.is_steady(),
            idle_seconds: 0.0,
        }
    }

    /// How far it has come, for who makes the lessons' accounts.
    pub fn standing(&self) -> (String, Standing) {
        (self.name.clone(), Standing { lesson: self.lesson.clone(), owes: self.owes })
    }

    /// Whether the camera has sent pictures for long enough, but too few that can be judged.
    fn is_blind(&self) -> bool {
        self.expected.elapsed() > GRACE && !self.is_steady()
    }

    fn is_steady(&self) -> bool {
        self.steady
            .is_some_and(|(first, last)| last.elapsed() <= LONGEST_PAUSE.unsigned_abs() && first.elapsed() >= STEADY)
    }

    /// Judges the newest picture if one is due. `lesson` is the one that goes on, if one does.
    pub fn turn(&mut self, journal: &Journal, camera: &Camera, lesson: Option<&Current>) {
        let lesson = lesson.map(|lesson| (lesson.class.clone(), lesson.start));
        if lesson != self.lesson {
            // What cannot be judged in one lesson is no better for a moment because the next begins.
            let stays_blind = self.lesson.is_some() && lesson.is_some() && self.is_blind();
            self.close(journal.clock().now());
            if let Some((_, judge)) = &mut self.judge {
                judge.forget();
            }
            self.lesson = lesson;
            self.last = None;
            if !stays_blind {
                self.expected = Instant::now();
            }
        }
        if camera.status().state != CameraState::Live {
            // That it sends nothing is told already.
            self.expected = Instant::now();
        }
        if self.lesson.is_some() {
            self.look(journal, camera);
        }
        self.write(journal);
    }

    /// The end of all of it.
    pub fn end(&mut self, journal: &Journal) {
        self.close(journal.clock().now());
        self.lesson = None;
        self.write(journal);
        if !self.waiting.is_empty() {
            tracing::error!(camera = self.name, "findings could not be journalled before the end");
        }
    }

    fn look(&mut self, journal: &Journal, camera: &Camera) {
        let frame = camera.frames().get();
        let is_new = |frame: &Frame| self.last.is_none_or(|last| last.number < frame.number);
        let pause = LONGEST_PAUSE.unsigned_abs();
        // Key frames that are meant to come at this pace do not come to the millisecond.
        let every = Duration::from_secs_f64(self.limits.sample_seconds).mul_f64(0.9);
        match (frame.filter(|frame| is_new(frame)), self.last) {
            (Some(frame), Some(last)) if frame.captured.saturating_duration_since(last.captured) < every => {}
            // A picture from before the lesson, or from a camera that has long been silent, shows nothing of now.
            (Some(frame), _) if frame.captured.elapsed() < pause => self.sample(journal, &frame),
            (_, Some(last)) if last.captured.elapsed() > pause => {
                self.close(last.wall);
                self.last = None;
            }
            _ => {}
        }
    }

    fn sample(&mut self, journal: &Journal, frame: &Frame) {
        let age = SignedDuration::try_from(frame.captured.elapsed()).unwrap_or_default();
        let wall = journal.clock().now() - age;
        if let Some(last) = self.last {
            let lived = SignedDuration::try_from(frame.captured.duration_since(last.captured)).unwrap_or_default();
            let shown = wall.duration_since(last.wall);
            if (shown - lived).abs() > TOLERANCE {
                tracing::warn!(camera = self.name, "the clock was stepped; findings end and begin anew");
                self.close(last.wall);
            }
        }
        if let Err(error) = self.refresh(journal) {
            tracing::error!(%error, camera = self.name, "the reference picture cannot be read");
        }
        let Some((reference, judge)) = &mut self.judge else { return };
        let has_reference = reference.is_some();
        let at = frame.captured.saturating_duration_since(self.begun);
        let sample = judge.look(&frame.picture, at);
        let changes = self.findings.take(wall, at, &sample);
        self.sights.take(wall, &sample, &changes);
        self.queue(changes, Some(&frame.picture));
        self.last = Some(Last { number: frame.number, captured: frame.captured, wall });
        let pause = LONGEST_PAUSE.unsigned_abs();
        let before = self.steady.filter(|(_, last)| frame.captured.saturating_duration_since(*last) <= pause);
        let first = before.map_or(frame.captured, |(first, _)| first);
        self.steady = (!sample.cannot_be_judged).then_some((first, frame.captured));
        self.samples += 1;
        self.good = if sample.conditions.is_empty() { self.good + 1 } else { 0 };
        if !has_reference && self.good >= GOOD_FOR_REFERENCE {
            self.good = 0;
            if let Err(error) = self.set_reference(journal, &frame.picture) {
                tracing::error!(%error, camera = self.name, "its reference picture could not be kept; trying again");
            }
        }
    }

    /// Makes the judge anew when the reference is another one.
    fn refresh(&mut self, journal: &Journal) -> Result<(), StoreError> {
        let reader = journal.store().read()?;
        let seq = reader.reference_seq(&self.name)?;
        if self.judge.as_ref().is_some_and(|(known, _)| *known == seq) {
            return Ok(());
        }
        let row = reader.reference(&self.name)?;
        let workstations = row.as_ref().map(|row| row.workstations.clone()).unwrap_or_default();
        let picture = row.and_then(|row| match Picture::decode(&row.picture) {
            Ok(picture) => Some(picture),
            Err(error) => {
                tracing::error!(%error, camera = self.name, "its reference picture cannot be decoded; set it anew");
                None
            }
        });
        let mut judge = Judge::new(&self.limits, picture.as_ref(), workstations);
        if let Some((_, before)) = self.judge.take() {
            judge.succeed(before);
        }
        self.judge = Some((seq, judge));
        Ok(())
    }

    /// The first good picture of the first lesson is how the picture should be, until staff say otherwise.
    fn set_reference(&self, journal: &Journal, picture: &Picture) -> Result<(), JournalError> {
        let Some(jpeg) = jpeg(picture, REFERENCE_WIDTH, 90) else { return Ok(()) };
        if let Some(why) = unusable(picture, &[]) {
            // That its pictures cannot be judged is told already.
            tracing::debug!(%why, camera = self.name, "its picture cannot be its reference; trying another");
            return Ok(());
        }
        journal.set_reference(&self.name, &jpeg, &[], "appliance")?;
        tracing::info!(camera = self.name, "its first good picture is its reference now; staff can mark workstations");
        Ok(())
    }

    /// Ends what goes on: nobody looks any more.
    fn close(&mut self, at: Timestamp) {
        let at = self.last.map_or(at, |last| last.wall);
        let changes = self.findings.close(at);
        self.sights.close(&changes);
        self.queue(changes, None);
        self.findings = Findings::new(&self.limits);
        self.good = 0;
        (self.written, self.owes) = (None, true);
    }

    fn queue(&mut self, changes: Vec<Change>, picture: Option<&Picture>) {
        for change in changes {
            let is_begun = matches!(change, Change::Begun { .. });
            let thumbnail = picture.filter(|_| is_begun).and_then(|picture| jpeg(picture, THUMBNAIL_WIDTH, 70));
            let class = self.lesson.as_ref().map(|(class, _)| class.clone());
            self.waiting.push_back(Waiting { change, class, thumbnail });
        }
    }

    /// Journals what waits, in order, and writes sights down. What fails is tried again at the next turn.
    fn write(&mut self, journal: &Journal) {
        while let Some(next) = self.waiting.front() {
            match journal_change(journal, &self.name, &mut self.open, next) {
                Ok(()) => {
                    self.trouble.end();
                    self.waiting.pop_front();
                }
                Err(error) => {
                    if self.trouble.is_due() {
                        tracing::error!(%error, camera = self.name, "a finding could not be journalled; trying again");
                    }
                    return;
                }
            }
        }
        if self.written.is_some_and(|written| written.elapsed() < WRITE_EVERY) {
            return;
        }
        let rows = self.sights.take_rows();
        let write = || {
            let write = journal.store().begin()?;
            write.put_sights(&rows)?;
            write.commit()
        };
        let written = if rows.is_empty() { Ok(()) } else { write() };
        if written.is_ok() {
            (self.written, self.owes) = (Some(Instant::now()), false);
        } else {
            self.written = None;
            self.sights.put_back(rows);
        }
        if let Some(error) = self.unwritten.due::<StoreError>(written) {
            tracing::error!(%error, camera = self.name, "sights could not be written down; trying again");
        }
    }
}

fn journal_change(
    journal: &Journal,
    camera: &str,
    open: &mut Vec<FindingRow>,
    waiting: &Waiting,
) -> Result<(), JournalError> {
    let is = |row: &FindingRow, what: FindingKind, workstation: Option<&String>| {
        row.what == what && row.workstation.as_ref() == workstation
    };
    match &waiting.change {
        Change::Begun { what, workstation, since, measured } => {
            let workstation = workstation.as_ref().map(|(name, _)| name.clone());
            let new = NewFinding {
                what: *what,
                camera: Some(camera.to_owned()),
                workstation: workstation.clone(),
                class: waiting.class.clone(),
                start: *since,
                measured: measured.clone(),
            };
            let row = journal.begin_finding(new, waiting.thumbnail.as_deref())?;
            tracing::warn!(camera, ?what, workstation, "a finding has begun");
            open.push(row);
        }
        Change::Ended { what, workstation, end, is_left, measured } => {
            let Some(at) = open.iter().position(|row| is(row, *what, workstation.as_ref())) else { return Ok(()) };
            let ended = match *is_left {
                true => journal.leave_finding(&open[at], *end, measured.clone()),
                false => journal.end_finding(&open[at], *end, measured.clone()),
            };
            match ended {
                Ok(_) => tracing::info!(camera, ?what, workstation, "a finding has ended"),
                Err(JournalError::FindingEnded(seq)) => tracing::warn!(camera, seq, "a finding had ended already"),
                Err(error) => return Err(error),
            }
            open.swap_remove(at);
        }
    }
    Ok(())
}

fn jpeg(picture: &Picture, width: u32, quality: u8) -> Option<Vec<u8>> {
    let width = width.min(picture.width).max(1);
    let height = (picture.height * width / picture.width.max(1)).max(1);
    match picture.scaled(width, height).to_jpeg(quality) {
        Ok(jpeg) => Some(jpeg),
        Err(error) => {
            tracing::error!(%error, "a small picture cannot be made");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::coverage::picture::{Condition, Sample};
    use crate::coverage::progress::Progress;
    use crate::store::Sight;
    use crate::store::testing::with_key;
    use evidence::jws::read_unverified;
    use evidence::record::{Data, FindingEnding};
    use jiff::tz::TimeZone;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[test]
    fn what_is_closed_is_left_and_not_known_to_be_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |second: i64| Timestamp::from_second(second).expect("in range");
        let clock = Arc::new(TestClock::at(at(1_800_000_000)));
        let journal = Journal::initialise(folder.path(), "site", "301", clock, TimeZone::UTC).expect("initialised");
        let endings = |is_over: bool| {
            let mut watch = Watch::new(0, "back", &CoverageConfig::default());
            watch.lesson = Some((ClassId::new("2026-001").expect("valid"), at(0)));
            let dark = Condition::new(FindingKind::Dark, BTreeMap::new());
            let dark = Sample { conditions: vec![dark], ..Sample::default() };
            let good = Sample::default();
            for (second, sample) in [(0, &dark), (2, &dark), (4, &dark), (6, if is_over { &good } else { &dark })] {
                let changes = watch.findings.take(at(second), Duration::from_secs(second as u64), sample);
                watch.queue(changes, None);
            }
            let changes = watch.findings.take(at(10), Duration::from_secs(10), if is_over { &good } else { &dark });
            watch.queue(changes, None);
            watch.close(at(12));
            watch.write(&journal);
            let records = journal.store().read().expect("reads").records(0, 100, usize::MAX).expect("reads");
            let last = records.last().map(|record| read_unverified(record.as_str()).expect("a record").data);
            match last {
                Some(Data::Finding(finding)) => finding.ending,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(endings(true), Some(FindingEnding::Over));
        assert_eq!(endings(false), Some(FindingEnding::Unwatched));
    }

    #[test]
    fn what_cannot_be_written_down_is_owed_after_the_lesson_and_written_as_soon_as_it_can_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |second: i64| Timestamp::from_second(second).expect("in range");
        let clock = Arc::new(TestClock::at(at(1_800_000_000)));
        let journal = Journal::initialise(folder.path(), "site", "301", clock, TimeZone::UTC).expect("initialised");
        let (class, start) = (ClassId::new("2026-001").expect("valid"), at(0));
        let mut watch = Watch::new(0, "back", &CoverageConfig::default());
        let progress = Progress::default();
        let is_behind = |watch: &Watch| {
            progress.tell([watch.standing()]);
            progress.is_behind("back", &class, start)
        };
        assert!(!progress.is_behind("back", &class, start), "nobody watches it");
        watch.lesson = Some((class.clone(), start));
        assert!(is_behind(&watch) && !progress.is_behind("back", &class, at(7200)), "it watches this one");
        // Written at the usual pace a moment ago; then the database cannot be written, and the lesson ends.
        watch.write(&journal);
        let key = with_key(folder.path());
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON sights BEGIN SELECT RAISE(ABORT, 'no room'); END";
        key.execute_batch(refuse).expect("made");
        let sample = Sample { sights: vec![("1".into(), Some(Sight::Visible))], ..Sample::default() };
        for second in [0, 2, 4] {
            watch.sights.take(at(second), &sample, &[]);
        }
        watch.close(at(4));
        watch.lesson = None;
        watch.write(&journal);
        assert!(is_behind(&watch));
        watch.write(&journal);
        assert!(is_behind(&watch), "it is tried again at each turn");
        key.execute_batch("DROP TRIGGER refuse").expect("dropped");
        watch.write(&journal);
        assert!(!is_behind(&watch), "and written at the first turn at which it can be");
        let rows = journal.store().read().expect("reads").sights("1", Timestamp::MIN, Timestamp::MAX).expect("reads");
        assert_eq!(rows.iter().map(|row| (row.start, row.end)).collect::<Vec<_>>(), [(at(0), at(4))]);
    }
}
