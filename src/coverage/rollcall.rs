//! A lesson without a roll call in its first minutes is a finding, until one begins or the lesson is over.

use crate::journal::{Journal, JournalError, NewFinding};
use crate::recording::Plan;
use evidence::record::FindingKind;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Looks at the lessons that go on, and at the findings that do.
pub(super) fn look(journal: &Journal, plan: &mut Plan, minutes: i64, now: Timestamp) -> Result<(), JournalError> {
    let day = |time: Timestamp| time.to_zoned_datetime(journal.zone().clone()).date();
    let patience = SignedDuration::from_mins(minutes);
    let mut open = journal.store().read()?.open_findings()?;
    open.retain(|row| row.what == FindingKind::NoRollCall);
    for row in &open {
        let lessons = plan.lessons_on(journal, day(row.start - patience))?;
        let is_its = |class: &str| row.class.as_deref() == Some(class);
        let lesson =
            lessons.iter().find(|lesson| is_its(lesson.class.as_str()) && lesson.start + patience == row.start);
        let taken = match lesson {
            None => Vec::new(),
            Some(lesson) => journal.store().read()?.rollcalls(&lesson.class, lesson.start)?,
        };
        // Without a lesson: the plan was changed, and there is no such lesson any more.
        let until = lesson.map_or(now, |lesson| lesson.span.until);
        if let Some(taken) = taken.first() {
            journal.end_finding(row, taken.start, BTreeMap::new())?;
        } else if until <= now {
            journal.leave_finding(row, until, BTreeMap::new())?;
        }
    }
    for lesson in plan.lessons_at(journal, now)? {
        let due = lesson.start + patience;
        let is_due = due <= now;
        let is_told = open.iter().any(|row| row.start == due && row.class.as_deref() == Some(lesson.class.as_str()));
        if !is_due || is_told || !journal.store().read()?.rollcalls(&lesson.class, lesson.start)?.is_empty() {
            continue;
        }
        journal.begin_finding(
            NewFinding {
                what: FindingKind::NoRollCall,
                camera: None,
                workstation: None,
                class: Some(lesson.class.clone()),
                start: due,
                measured: BTreeMap::new(),
            },
            None,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::ClassId;
    use crate::clock::TestClock;
    use crate::config::Config;
    use crate::journal::{PlanSource, testing};
    use evidence::record::FindingEnding;
    use jiff::tz::TimeZone;
    use std::sync::Arc;

    #[test]
    fn a_lesson_without_a_roll_call_is_a_finding_until_one_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\n").expect("written");
        let mut plan = Plan::new(&Config::load(&file).expect("a config"));
        let time = |text: &str| -> Timestamp { text.parse().expect("a time") };
        let clock = Arc::new(TestClock::at(time("2026-11-23T00:00:00Z")));
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let journal = Journal::initialise(&folder.path().join("state"), "site", "301", clock.clone(), zone);
        let journal = journal.expect("initialised");
        let class = testing::class("2026-001", &["1"], &["T1"]);
        journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
        let mut open_at = |text: &str| {
            clock.step_to(time(text));
            look(&journal, &mut plan, 15, time(text)).expect("looks");
            journal.store().read().expect("reads").open_findings().expect("reads").len()
        };
        assert_eq!(open_at("2026-11-23T00:14:59Z"), 0);
        assert_eq!(open_at("2026-11-23T00:15:00Z"), 1);
        assert_eq!(open_at("2026-11-23T00:15:01Z"), 1, "told once");
        let id = ClassId::new("2026-001").expect("valid");
        journal.begin_rollcall(&id, time("2026-11-23T00:00:00Z"), "T1").expect("begins");
        assert_eq!(open_at("2026-11-23T00:15:02Z"), 0);
        assert_eq!(open_at("2026-11-23T03:00:00Z"), 0);
    }

    #[test]
    fn the_lessons_end_leaves_it_and_a_roll_call_ends_it() {
        let ending = |is_taken: bool| {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("rollcall.toml");
            std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\n").expect("written");
            let mut plan = Plan::new(&Config::load(&file).expect("a config"));
            let time = |text: &str| -> Timestamp { format!("2026-11-23T{text}Z").parse().expect("a time") };
            let clock = Arc::new(TestClock::at(time("00:00:00")));
            let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
            let journal = Journal::initialise(&folder.path().join("state"), "site", "301", clock.clone(), zone);
            let journal = journal.expect("initialised");
            let class = testing::class("2026-001", &["1"], &["T1"]);
            journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
            let mut look_at = |text: &str| {
                clock.step_to(time(text));
                look(&journal, &mut plan, 15, time(text)).expect("looks");
            };
            look_at("00:20:00");
            if is_taken {
                journal.begin_rollcall(&class.id, time("00:00:00"), "T1").expect("begins");
            }
            look_at("03:30:00");
            let records = journal.store().read().expect("reads").records(0, 100, usize::MAX).expect("reads");
            let data = |record: &evidence::jws::SignedRecord| match evidence::jws::read_unverified(record.as_str()) {
                Ok(record) => Some(record.data),
                Err(_) => None,
            };
            let endings = records.iter().filter_map(data).filter_map(|data| match data {
                evidence::record::Data::Finding(finding) => finding.ending,
                _ => None,
            });
            endings.collect::<Vec<_>>()
        };
        assert_eq!(ending(true), [FindingEnding::Over]);
        assert_eq!(ending(false), [FindingEnding::Unwatched]);
    }
}
