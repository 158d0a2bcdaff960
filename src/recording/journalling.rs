//! What the recorders tell is journalled by a thread of its own: pictures go on to the disk whatever the database does.
//!
//! Of each recorder in the order in which it told it; what fails is tried again a second later. Signs of life and the
//! lessons' accounts come from the same thread, after what they rest on.

use super::accounts::close_lessons;
use super::fact::Fact;
use super::follow::{PULSE, Shared, State, lock};
use super::journal_fact;
use super::plan::{Lesson, Plan};
use crate::journal::JournalError;
use crate::lasting::Lasting;
use crate::store::{AliveRow, StoreError, UnfinishedRow};
use evidence::record::GapCause;
use jiff::Timestamp;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Every so many pulses it is looked whether a lesson is over.
const ACCOUNT_EVERY: u64 = 5;
/// What has not been journalled for so long waits: staff are told.
const PATIENCE: Duration = Duration::from_secs(3);

/// The plan was followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Followed {
    pub at: Timestamp,
    /// All steps of the clock up to then are left to the recorders to tell of.
    pub is_told: bool,
}

impl State {
    /// The recorder has something to tell.
    pub fn tell(&mut self, facts: Vec<Fact>) {
        if self.facts.is_empty() {
            self.waits_since = Instant::now();
        }
        self.facts.extend(facts);
    }

    /// The segment that is being written now, if one is.
    pub fn set_unfinished(&mut self, unfinished: Option<UnfinishedRow>) {
        let path = |row: &Option<UnfinishedRow>| row.as_ref().map(|row| row.path.clone());
        let is_another = path(&unfinished) != path(&self.unfinished);
        self.has_begun = unfinished.is_some() && (self.has_begun || is_another);
        self.unfinished = unfinished;
    }

    /// Facts that cannot be journalled, or not soon.
    pub fn waiting(&self) -> usize {
        if self.waits_since.elapsed() < PATIENCE { 0 } else { self.facts.len() }
    }
}

impl Shared {
    /// A recorder has something to tell; `begun`: it has just begun a segment.
    pub fn tell(&self, index: usize, facts: Vec<Fact>, begun: Option<UnfinishedRow>) {
        if facts.is_empty() && begun.is_none() {
            return;
        }
        let mut states = lock(&self.recorders);
        let state = &mut states[index];
        state.tell(facts);
        if begun.is_some() {
            state.set_unfinished(begun);
        }
        drop(states);
        self.told.notify_one();
    }

    /// Journals what the recorders tell until they have ended, and then the rest, if it can be.
    pub fn journal_all(&self, mut plan: Plan) {
        let mut pulses = 0;
        let [mut untold, mut unbegun, mut unmade, mut unnoted] = [(); 4].map(|()| Lasting::default());
        loop {
            let is_end = self.has_ended.load(Ordering::Acquire);
            let journalled = self.journal_facts();
            let begun = self.note_begun();
            self.journalling.beat();
            let has_failed = journalled.is_err() || begun.is_err();
            if let Some((camera, error)) = untold.due(journalled) {
                tracing::error!(%error, camera, "a segment or gap could not be journalled; trying again");
            }
            if let Some(error) = unbegun.due(begun) {
                tracing::error!(%error, "a segment's beginning could not be noted down; trying again");
            }
            if let Some(Followed { at, is_told }) = lock(&self.followed).take() {
                if pulses % ACCOUNT_EVERY == 0
                    && is_told
                    && let Some(error) = unmade.due(self.close_lessons(&mut plan, at))
                {
                    tracing::error!(%error, "a lesson's account could not be made; trying again");
                }
                pulses += 1;
                self.journalling.beat();
                let noted = self.give_sign_of_life(at, is_told);
                lock(&self.lateness).note(noted.is_ok(), Instant::now());
                if let Some(error) = unnoted.due(noted) {
                    tracing::error!(%error, "no sign of life could be noted down");
                }
                self.journalling.beat();
            }
            if is_end {
                return;
            }
            let states = lock(&self.recorders);
            let is_idle = |states: &mut Vec<State>| {
                let has_news = states.iter().any(|state| state.has_begun || !state.facts.is_empty());
                !(has_news && !has_failed || self.has_ended.load(Ordering::Acquire))
            };
            // What has failed is not tried again at once.
            let pause = if has_failed { PULSE } else { PULSE / 4 };
            drop(self.told.wait_timeout_while(states, pause, is_idle));
        }
    }

    /// Journals what each recorder tells, in order, up to what fails; tells of which camera that is, and why.
    fn journal_facts(&self) -> Result<(), (String, JournalError)> {
        let mut failed = Ok(());
        let recorders = lock(&self.recorders).len();
        for index in 0..recorders {
            loop {
                let next = {
                    let state = &lock(&self.recorders)[index];
                    state.facts.front().map(|fact| (state.camera.clone(), fact.clone()))
                };
                let Some((camera, fact)) = next else { break };
                if let Err(error) = journal_fact(&self.journal, &self.root, &camera, &fact) {
                    // What keeps all from writing needs no trying for each camera.
                    let is_locked = matches!(error, JournalError::Store(StoreError::Busy(_)));
                    failed = Err((camera, error));
                    if is_locked {
                        return failed;
                    }
                    break;
                }
                let state = &mut lock(&self.recorders)[index];
                state.facts.pop_front();
                state.waits_since = Instant::now();
                self.journalling.beat();
            }
        }
        failed
    }

    /// Notes down the segments that have just begun: the next start recovers no others.
    fn note_begun(&self) -> Result<(), StoreError> {
        let begun = lock(&self.recorders).iter().filter(|state| state.has_begun).count();
        if begun == 0 {
            return Ok(());
        }
        let write = self.journal.store().begin()?;
        let rows: Vec<UnfinishedRow> = lock(&self.recorders)
            .iter()
            .filter(|state| state.has_begun)
            .filter_map(|state| state.unfinished.clone())
            .collect();
        rows.iter().try_for_each(|row| write.put_unfinished(row))?;
        write.commit()?;
        for state in &mut *lock(&self.recorders) {
            let is_unnoted = |known: &UnfinishedRow| rows.iter().all(|row| row.path != known.path);
            state.has_begun &= state.unfinished.as_ref().is_some_and(is_unnoted);
        }
        Ok(())
    }

    fn close_lessons(&self, plan: &mut Plan, now: Timestamp) -> Result<(), JournalError> {
        let cameras: Vec<String> = lock(&self.recorders).iter().map(|state| state.camera.clone()).collect();
        let (share, minutes) = (self.required_share, self.rollcall_minutes);
        let is_told = |lesson: &Lesson| self.is_told(lesson);
        close_lessons(&self.journal, plan, &cameras, is_told, share, minutes, now)
    }

    /// The recorders are at work at `at`. `is_told`: up to then the next start has nothing to tell but what is in a
    /// recorder's gap. Of a recorder of which something is yet to be journalled that is not said.
    pub fn give_sign_of_life(&self, at: Timestamp, is_told: bool) -> Result<(), StoreError> {
        let (mut alive, mut unfinished) = (Vec::new(), Vec::new());
        for state in &*lock(&self.recorders) {
            if is_told && state.jumps.is_empty() && state.facts.is_empty() {
                alive.push(AliveRow { camera: state.camera.clone(), at, gap: state.gap });
            }
            unfinished.extend(state.unfinished.clone());
        }
        let write = self.journal.store().begin()?;
        unfinished.iter().try_for_each(|row| write.put_unfinished(row))?;
        write.set_alive(&alive)?;
        write.commit()
    }

    /// The recorders have told of everything up to now, and are stopped on purpose.
    pub fn note_stop(&self) -> Result<(), StoreError> {
        let at = self.journal.clock().now();
        for state in &mut *lock(&self.recorders) {
            state.gap = Some((at, GapCause::OperatorStop));
        }
        self.give_sign_of_life(at, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{Camera, Decode, Track, Unit};
    use crate::clock::SystemClock;
    use crate::config::Config;
    use crate::journal::Journal;
    use crate::recording::fact::Wanted;
    use crate::recording::recorder::tests::format;
    use crate::recording::recorder::{Recorder, Settings};
    use crate::recording::worker::{Units, Worker};
    use crate::recording::{Reserve, mark};
    use crate::store::testing::with_key;
    use jiff::SignedDuration;
    use jiff::tz::TimeZone;
    use std::sync::{Arc, mpsc};

    #[test]
    fn a_segment_that_has_begun_is_news_until_it_is_noted_down_or_has_ended() {
        let unfinished = |path: &str, bytes: u64| {
            Some(UnfinishedRow { path: path.into(), bytes, sha256: String::new(), at: Timestamp::UNIX_EPOCH })
        };
        let mut state = State::new("back");
        state.set_unfinished(unfinished("1", 0));
        assert!(state.has_begun);
        state.has_begun = false;
        state.set_unfinished(unfinished("1", 1000));
        assert!(!state.has_begun, "it has been noted down, and has grown");
        state.set_unfinished(unfinished("2", 0));
        assert!(state.has_begun);
        state.set_unfinished(None);
        assert!(!state.has_begun, "there is nothing to note down");
    }

    #[test]
    fn pictures_go_on_to_the_disk_while_the_database_is_locked_and_are_journalled_when_it_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        let text = "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n\
                    [retention]\nreserve_bytes = 1048576\nstate_reserve_bytes = 1048576\n\
                    [[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1:1/camera\"\n";
        std::fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("a config");
        let (state, clock) = (&config.appliance.state_dir, Arc::new(SystemClock::default()));
        let journal = Arc::new(Journal::initialise(state, "site", "301", clock, TimeZone::UTC).expect("initialised"));
        mark(&config.recordings()).expect("marked");
        let (now, seconds) = (Timestamp::now(), SignedDuration::from_secs);
        let (from, until) = (now - seconds(1), now + seconds(3600));
        let wanted = Wanted { from, until, sound: true, after_quiet: false };
        let shared = Arc::new(Shared::new(&config, journal.clone(), vec![State::new("back")], vec![vec![wanted]]));
        let settings = Settings {
            folder: config.recordings().join("back"),
            zone: TimeZone::UTC,
            segment: Duration::from_secs(10),
            stall: Duration::from_secs(3),
            reserve: Reserve::new(&config),
        };
        let mut recorder = Recorder::new(settings, GapCause::ApplianceOff);
        // However long it takes from here to the first picture.
        assert_eq!(recorder.set_wanted(Some(wanted), None, shared.now()), []);
        let cameras = Arc::new(vec![Camera::start(&config.cameras[0], Decode::Nothing)]);
        let (_sender, units) = mpsc::channel();
        let units = Units::Sent(units);
        let mut worker = Worker::new(shared.clone(), 0, (0, cameras), units, recorder, (None, GapCause::ApplianceOff));

        let before = journal.size();
        let key = with_key(state);
        key.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
        let told = || lock(&shared.recorders)[0].facts.iter().map(Fact::span).collect::<Vec<_>>();
        let begun = Instant::now();
        let (told, size) = std::thread::scope(|scope| {
            scope.spawn(|| shared.journal_all(Plan::new(&config)));
            // A key frame a second, for a hundred seconds. Waiting for the database takes ten seconds each time.
            for second in 0..100 {
                worker.take(Unit {
                    format: format(),
                    connection: 1,
                    track: Track::Video,
                    is_key: true,
                    time: second * 90_000,
                    data: vec![0, 0, 0, 1, 0x65],
                    lost: 0,
                    skipped: 0,
                    arrived: begun + Duration::from_secs(second as u64),
                });
            }
            let (told, size) = (told(), journal.size());
            key.execute_batch("ROLLBACK").expect("given back");
            let end = Instant::now() + Duration::from_secs(120);
            while !lock(&shared.recorders)[0].facts.is_empty() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
            // Before anything is asserted: the other thread is waited for.
            shared.has_ended.store(true, Ordering::Release);
            (told, size)
        });
        assert!(told.len() >= 10, "the segments are closed, and the time before them is told of: {told:?}");
        assert_eq!(size, before, "nothing can be journalled meanwhile");
        assert!(lock(&shared.recorders)[0].facts.is_empty(), "never journalled");
        let (reader, all) = (journal.store().read().expect("reads"), (Timestamp::MIN, Timestamp::MAX));
        let segments = reader.segments("back", all.0, all.1).expect("reads");
        let gaps = reader.gaps("back", all.0, all.1).expect("reads");
        let causes: Vec<_> = gaps.iter().map(|gap| gap.cause).collect();
        assert_eq!(causes, [GapCause::ApplianceOff], "before the first picture; no picture is lost");
        let ms = |time: Timestamp| time.as_millisecond();
        let journalled = segments.iter().map(|row| (ms(row.start), ms(row.end)));
        let spans = told.iter().skip(1).map(|span| (ms(span.from), ms(span.until)));
        assert_eq!(journalled.collect::<Vec<_>>(), spans.collect::<Vec<_>>(), "each of them, in order");
        assert!(segments.iter().all(|row| config.recordings().join(&row.path).is_file()));
        // Of the segment that is being written its beginning at least is noted down.
        assert_eq!(reader.all_unfinished().expect("reads").len(), 1);
    }
}
