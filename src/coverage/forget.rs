//! What was seen moment by moment is forgotten a while after the accounts that were made of it: with three cameras and
//! twenty workstations, looks for people alone are some 40,000 rows a day.

use crate::journal::Journal;
use crate::recording::Plan;
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};

/// Sights and looks are kept for this long, and in any case until their lesson's account is made.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Forgets the sights and looks that are old enough; tells how many that were.
pub(super) fn forget(journal: &Journal, plan: &mut Plan, now: Timestamp) -> Result<usize, StoreError> {
    let waiting = plan.over(journal, Timestamp::MAX)?.into_iter().map(|lesson| lesson.span.from).min();
    let before = (now - KEPT_FOR).min(waiting.unwrap_or(Timestamp::MAX));
    let write = journal.store().begin()?;
    let forgotten = write.forget_seen(before)?;
    write.commit()?;
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::config::Config;
    use crate::journal::{PlanSource, testing};
    use crate::store::{LookRow, Sight, SightRow};
    use jiff::tz::TimeZone;
    use std::sync::Arc;

    #[test]
    fn what_was_seen_is_kept_for_a_month_and_until_its_lessons_account_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        let text = "[appliance]\nsite = \"site\"\nroom = \"301\"\n\
                    [[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1/camera\"\n";
        std::fs::write(&file, text).expect("written");
        let mut plan = Plan::new(&Config::load(&file).expect("a config"));
        let time = |text: &str| -> Timestamp { text.parse().expect("a time") };
        let clock = Arc::new(TestClock::at(time("2026-11-01T00:00:00Z")));
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let journal = Journal::initialise(&folder.path().join("state"), "site", "301", clock, zone);
        let journal = journal.expect("initialised");
        // A lesson on 23 November that has no account.
        let class = testing::class("2026-001", &["1"], &["T1"]);
        journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
        let write = journal.store().begin().expect("begins");
        for day in ["2026-11-10T00:00:00Z", "2026-11-23T01:00:00Z"].map(time) {
            let (workstation, camera) = ("1".to_owned(), "back".to_owned());
            let end = day + SignedDuration::from_secs(10);
            write
                .put_sights(&[SightRow { workstation, camera: camera.clone(), start: day, end, sight: Sight::Visible }])
                .expect("put");
            write.put_looks(&[LookRow { camera, at: day, workstation: None, people: Some(3) }]).expect("put");
        }
        write.commit().expect("committed");
        let mut forgotten = |now: &str| forget(&journal, &mut plan, time(now)).expect("forgets");
        assert_eq!(forgotten("2026-12-09T00:00:00Z"), 0);
        assert_eq!(forgotten("2026-12-11T00:00:00Z"), 2);
        assert_eq!(forgotten("2027-12-11T00:00:00Z"), 0, "the lesson has no account");
    }
}
