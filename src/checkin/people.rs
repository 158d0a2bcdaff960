//! The directory, kept in step with the store: rebuilt when the date, the people or somebody's check-ins changed.

use super::directory::{Directory, Known, Member, StoredTemplate};
use crate::class::WindowPolicy;
use crate::config::Config;
use crate::journal::Journal;
use crate::store::StoreError;
use crate::vision::Embedding;
use evidence::record::WindowKind;
use jiff::ZonedDateTime;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the store is asked whether something has changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) struct People {
    journal: Arc<Journal>,
    config: Arc<Config>,
    model: String,
    dimensions: usize,
    directory: Directory,
    people_version: u64,
    /// The log's size when check-ins were last read.
    log_size: u64,
    looked: Instant,
}

impl People {
    pub(super) fn load(
        journal: Arc<Journal>,
        config: Arc<Config>,
        model: &str,
        dimensions: usize,
        now: &ZonedDateTime,
    ) -> Result<People, StoreError> {
        let reader = journal.store().read()?;
        let people_version = reader.people_version()?;
        let log_size = reader.log_size()?;
        drop(reader);
        let directory = build(&journal, &config, model, dimensions, now)?;
        let model = model.to_owned();
        Ok(People { journal, config, model, dimensions, directory, people_version, log_size, looked: Instant::now() })
    }

    /// The view of now. Reads the store twice a second at most.
    pub(super) fn directory(&mut self, now: &ZonedDateTime) -> Result<&mut Directory, StoreError> {
        if self.looked.elapsed() >= LOOK_EVERY || self.directory.date != now.date() {
            let reader = self.journal.store().read()?;
            let (people_version, log_size) = (reader.people_version()?, reader.log_size()?);
            // The log grows by this worker's own check-ins too; those are in the directory already, and reading the
            // day's check-ins once more is cheaper than telling them apart.
            let others_wrote = log_size != self.log_size;
            if people_version != self.people_version || self.directory.date != now.date() {
                drop(reader);
                self.directory = build(&self.journal, &self.config, &self.model, self.dimensions, now)?;
            } else if others_wrote {
                for (class, number, window) in reader.accepted_on(now.date())? {
                    self.directory.accept_number(class, number, window);
                }
            }
            (self.people_version, self.log_size) = (people_version, log_size);
            // A store that could not be read is asked again at once.
            self.looked = Instant::now();
        }
        Ok(&mut self.directory)
    }

    /// Notes a check-in of now that has just been recorded. It is on disk, so nothing may fail here any more: the store is
    /// not asked.
    pub(super) fn accept(&mut self, member: &Member, window: WindowKind) {
        self.directory.accept(member, window);
    }

    /// Looks at the store before the next use.
    pub(super) fn refresh(&mut self) {
        self.looked = Instant::now().checked_sub(LOOK_EVERY).unwrap_or(self.looked);
    }
}

fn build(
    journal: &Journal,
    config: &Config,
    model: &str,
    dimensions: usize,
    now: &ZonedDateTime,
) -> Result<Directory, StoreError> {
    let reader = journal.store().read()?;
    let classes: Vec<_> = reader.classes()?.into_iter().map(|row| row.class).collect();
    let mut templates = Vec::new();
    for template in reader.templates(model)? {
        match Embedding::from_bytes(&template.embedding).filter(|face| face.values().len() == dimensions) {
            Some(embedding) => {
                templates.push(StoredTemplate { class: template.class, number: template.number, embedding })
            }
            None => tracing::error!(seq = template.seq, "a template in the store is damaged; run `rollcall check`"),
        }
    }
    let accepted = reader.accepted_on(now.date())?;
    let refusals = reader.consents()?.into_iter().filter(|consent| !consent.given);
    let declined = refusals.map(|consent| (consent.class, consent.number)).collect();
    let known = Known { classes: &classes, templates: &templates, declined: &declined };
    Ok(Directory::build(&known, accepted, now, &config.appliance.room, &policy(config), dimensions))
}

/// The windows as the config has them.
pub(crate) fn policy(config: &Config) -> WindowPolicy {
    let windows = &config.checkin.windows;
    WindowPolicy {
        arrival_before_minutes: windows.arrival_before_minutes,
        arrival_after_minutes: windows.arrival_after_minutes,
        departure_after_minutes: windows.departure_after_minutes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, local};
    use crate::journal::{PlanSource, testing};
    use std::fs::OpenOptions;

    #[test]
    fn a_check_in_that_is_on_disk_counts_though_the_store_cannot_be_read_any_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Arc::new(Config::load(&file).expect("a config"));
        let (clock, zone) = (Arc::new(SystemClock::default()), jiff::tz::TimeZone::UTC);
        let state = &config.appliance.state_dir;
        let journal = Arc::new(Journal::initialise(state, "site", "301", clock, zone).expect("initialised"));
        let now = local(&**journal.clock(), journal.zone());
        let mut class = testing::class("A", &["1"], &["T1"]);
        class.lessons[0].date = now.date();
        journal.import_class(&class, "00", PlanSource::File, "301").expect("imported");
        let mut people = People::load(journal.clone(), config, "model", 3, &now).expect("readable");
        let member = people.directory(&now).expect("readable").member_here(&class.id, "1").expect("on the roster");
        // Whoever reads next has to look at the file.
        journal.store().try_write().expect("writable");
        let store = journal.store().path().to_owned();
        for suffix in ["", "-wal"] {
            let mut path = store.clone().into_os_string();
            path.push(suffix);
            let opened = OpenOptions::new().write(true).open(&path);
            opened.and_then(|file| file.set_len(0)).expect("cut off");
        }
        people.refresh();
        assert!(people.directory(&now).is_err(), "the store is gone");
        people.accept(&member, WindowKind::Arrival);
        assert!(people.directory.is_accepted(&member, WindowKind::Arrival));
    }
}
