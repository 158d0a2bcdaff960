//! What staff are told needs attention, and what they are not bothered with.

use rollcall::attention::Attention;
use rollcall::clock::TestClock;
use rollcall::config::Config;
use rollcall::journal::testing::class;
use rollcall::journal::{Journal, PlanSource};
use rollcall::status::gather;
use rollcall::sync::SyncStatus;
use std::sync::Arc;

#[test]
fn who_declined_face_recognition_is_not_listed_as_needing_enrolment() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
    let config = Config::load(&file).expect("a config");
    let roster = class("2026-001", &["1", "2"], &["T1"]);
    let lesson = roster.lessons.first().expect("a lesson").date;
    let clock = Arc::new(TestClock::at(format!("{lesson}T04:00:00Z").parse().expect("a time")));
    let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, jiff::tz::TimeZone::UTC)
        .expect("initialised");
    journal.import_class(&roster, &"00".repeat(32), PlanSource::File).expect("imported");
    let unenrolled = || {
        let status = gather(&config, &journal, None, SyncStatus::unknown(), None).expect("gathered");
        let of_class = |attention: &Attention| match attention {
            Attention::NotEnrolled { people, .. } => Some(*people),
            _ => None,
        };
        (status.attention.iter().find_map(of_class), status.classes[0].qr_only)
    };
    assert_eq!(unenrolled(), (Some(3), 0));
    journal.give_consent(&roster.id, "1", &"11".repeat(32), "cli").expect("consented");
    assert_eq!(unenrolled(), (Some(3), 0), "consent alone recognises nobody");
    journal.withdraw_consent(&roster.id, "1", "cli").expect("withdrawn");
    assert_eq!(unenrolled(), (Some(2), 1));
}
