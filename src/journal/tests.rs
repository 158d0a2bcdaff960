use super::testing::{checkin, class};
use super::*;
use crate::class::{Class, ClassId};
use crate::clock::{SystemClock, TestClock};
use evidence::record::Checkin;
use std::time::Duration;
use tempfile::TempDir;

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").expect("bundled")
}

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::at("2026-11-23T00:00:00Z".parse().expect("a time")))
}

fn fresh() -> (TempDir, Arc<TestClock>, Journal) {
    let (folder, clock) = (tempfile::tempdir().expect("a folder"), clock());
    let journal = Journal::initialise(folder.path(), "site", "301", clock.clone(), zone()).expect("made");
    (folder, clock, journal)
}

fn again(folder: &TempDir, clock: &Arc<TestClock>) -> Journal {
    Journal::open_state(folder.path(), clock.clone(), zone()).expect("opened")
}

/// Reads the whole log as the bureau would.
fn verify(journal: &Journal, checkpoints: Vec<Checkpoint>) -> evidence::verdict::Verdict {
    let mut verifier = evidence::verdict::LogVerifier::new(journal.log().key, &[], checkpoints);
    for row in journal.store().read().expect("open").log_rows(0, usize::MAX >> 1).expect("readable") {
        verifier.push(row.record.as_str());
    }
    verifier.finish()
}

fn record(journal: &Journal, seq: u64) -> Record {
    let signed = journal.store().read().expect("open").record(seq).expect("readable").expect("there");
    jws::read_unverified(signed.as_str()).expect("a record")
}

#[test]
fn a_log_survives_reopening_and_verifies_under_its_checkpoints() {
    let (folder, clock, journal) = fresh();
    let mut checkpoints = Vec::new();
    for number in 0..40 {
        clock.advance(Duration::from_secs(1));
        journal.check_in(checkin("c", &number.to_string(), "2026-11-23"), None).expect("appended");
        checkpoints.push(journal.checkpoint(number + 2).expect("signed").checkpoint().clone());
    }
    assert_eq!(record(&journal, 3).time, "2026-11-23T08:00:03.000+08:00");
    drop(journal);
    let journal = again(&folder, &clock);
    assert_eq!(journal.size(), 41);
    assert_eq!(journal.append_event("started", "site", "301").expect("appended").seq, 41);
    let verdict = verify(&journal, checkpoints);
    assert!(verdict.verified && verdict.findings.is_empty(), "{verdict}");
    assert_eq!(verdict.covered, 41);
    assert!(matches!(
        Journal::initialise(folder.path(), "site", "301", clock, zone()),
        Err(JournalError::AlreadyInitialised(_))
    ));
}

#[test]
fn two_processes_append_to_one_log() {
    let (folder, clock, here) = fresh();
    let there = again(&folder, &clock);
    std::thread::scope(|scope| {
        for journal in [&here, &there] {
            scope.spawn(move || {
                for _ in 0..50 {
                    journal.append_event("started", "site", "301").expect("appended");
                }
            });
        }
    });
    assert_eq!(here.look().expect("open"), 101);
    let verdict = verify(&here, vec![there.checkpoint(101).expect("signed").checkpoint().clone()]);
    assert!(verdict.findings.is_empty() && verdict.covered == 101, "{verdict}");
}

#[test]
fn a_photo_and_its_record_come_together_or_not_at_all() {
    let (_folder, _, journal) = fresh();
    let appended = journal.check_in(checkin("c", "1", "2026-11-23"), Some(b"jpeg")).expect("appended");
    let Data::Checkin(Checkin { photo: Some(sha256), .. }) = record(&journal, appended.seq).data else {
        panic!("a check-in with a photo");
    };
    assert_eq!(journal.store().read().expect("open").capture(&sha256).expect("readable"), Some(b"jpeg".to_vec()));

    let size = journal.size();
    let failed = journal.append_with(Data::Checkin(checkin("c", "2", "2026-11-23")), |_, _| {
        Err(StoreError::Value { what: "a test", problem: "it fails".into() })
    });
    assert!(failed.is_err());
    assert_eq!((journal.size(), journal.look().expect("open")), (size, size));
    assert_eq!(journal.append_event("started", "s", "r").expect("appended").seq, size, "the place is not used up");
}

#[test]
fn nobody_is_accepted_twice_in_one_window() {
    let (folder, clock, journal) = fresh();
    journal.check_in(checkin("c", "1", "2026-11-23"), None).expect("appended");
    let twice = again(&folder, &clock).check_in(checkin("c", "1", "2026-11-23"), None);
    assert!(matches!(twice, Err(JournalError::AlreadyAccepted { .. })), "{twice:?}");
    journal.check_in(checkin("c", "1", "2026-11-24"), None).expect("another day");
    let accepted =
        journal.store().read().expect("open").accepted_on(jiff::civil::date(2026, 11, 23)).expect("readable");
    assert_eq!(accepted.len(), 1);
}

#[test]
fn a_clock_that_jumps_leaves_a_record_and_time_never_goes_back_without_one() {
    let (folder, clock, journal) = fresh();
    clock.advance(Duration::from_secs(100));
    journal.append_event("started", "s", "r").expect("appended");
    clock.step_to("2026-11-22T23:00:00Z".parse().expect("a time"));
    journal.watch_clock().expect("journalled");
    let Data::Clock(step) = record(&journal, 2).data else { panic!("a clock record") };
    assert_eq!(step.expected, "2026-11-23T08:01:40.000+08:00");
    assert_eq!(step.observed, "2026-11-23T07:00:00.000+08:00");
    journal.watch_clock().expect("nothing to say");
    assert_eq!(journal.size(), 3);

    // Restarted with a clock that forgot the time.
    drop(journal);
    clock.step_to("2026-01-01T00:00:00Z".parse().expect("a time"));
    let journal = again(&folder, &clock);
    journal.append_event("started", "s", "r").expect("appended");
    assert!(matches!(record(&journal, 3).data, Data::Clock(_)));
    let verdict = verify(&journal, Vec::new());
    let found: Vec<_> = verdict.findings.iter().map(|finding| (finding.code, finding.seq)).collect();
    assert_eq!(found, [("clock_stepped", Some(2)), ("clock_stepped", Some(3))], "{verdict}");
}

#[test]
fn another_appliances_key_or_a_cut_log_is_refused() {
    let (folder, clock, journal) = fresh();
    let store = journal.store().clone();
    let stranger = SigningKey::from_seed(&[9; 32]);
    let refused = Journal::open(store, stranger, clock.clone(), zone()).map(|_| ());
    assert!(matches!(refused, Err(JournalError::OtherDevice { .. })), "{refused:?}");
    drop(journal);
    std::fs::remove_file(folder.path().join("keys/device.key")).expect("ours");
    assert!(matches!(Journal::open_state(folder.path(), clock, zone()), Err(JournalError::Key(_))));
}

#[test]
fn a_receipt_is_kept_only_when_it_is_for_this_very_log() {
    let (_folder, _, journal) = fresh();
    let bureau = SigningKey::from_seed(&[5; 32]);
    let witness = Witness { name: "bureau.example".into(), key: bureau.verifying_key() };
    let receipt =
        journal.checkpoint(1).and_then(|signed| Ok(signed.countersign(&witness.name, &bureau, 1_790_000_000)?));
    let note = receipt.expect("signed").to_text();
    assert_eq!(journal.keep_receipt(&note, &witness).expect("kept").size, 1);
    journal.keep_receipt(&note, &witness).expect("a repeat is fine");
    let newest = journal.store().read().expect("open").newest_receipt().expect("readable").expect("one");
    assert_eq!((newest.size, newest.countersigned_at), (1, 1_790_000_000));

    let stranger = Witness { key: SigningKey::from_seed(&[6; 32]).verifying_key(), ..witness.clone() };
    assert!(matches!(journal.keep_receipt(&note, &stranger), Err(JournalError::Checkpoint(_))));
    let forked = Checkpoint { origin: journal.log().origin.clone(), size: 1, root: [0; 32] };
    let forked = Signed::sign(forked, &journal.key).and_then(|signed| signed.countersign(&witness.name, &bureau, 1));
    let forked = journal.keep_receipt(&forked.expect("signed").to_text(), &witness);
    assert!(matches!(forked, Err(JournalError::Receipt(_))), "{forked:?}");
}

#[test]
fn faces_are_kept_only_with_consent_and_only_as_long_as_it_holds() {
    let (_folder, _, journal) = fresh();
    let roster = class("2026-001", &["1", "2"], &["T1"]);
    let id = &roster.id;
    journal.import_class(&roster, "00", PlanSource::File, "301").expect("imported");
    let face = EnrolledFace { photo: "ab".repeat(32), embedding: vec![0; 768] };
    let enrol = |number: &str| {
        journal.enrol(id, number, std::slice::from_ref(&face), "model", "cli", |_| Ok::<_, JournalError>(()))
    };
    assert!(matches!(enrol("1"), Err(JournalError::Refused(_))));
    for number in ["1", "2", "T1"] {
        journal.give_consent(id, number, "notice", "cli").expect("consented");
        enrol(number).expect("enrolled");
    }
    let templates = |model: &str| journal.store().read().expect("open").templates(model).expect("readable").len();
    enrol("1").expect("again, in the place of the first");
    assert_eq!((templates("model"), templates("another")), (3, 0));
    let refuse = |_: &crate::store::View| Err(JournalError::Refused("taken".into()));
    let refused = journal.enrol(id, "2", std::slice::from_ref(&face), "another", "cli", refuse);
    assert!(matches!(refused, Err(JournalError::Refused(_))));
    assert_eq!((templates("model"), templates("another")), (3, 0), "what was enrolled before is still there");

    journal.withdraw_consent(id, "1", "cli").expect("withdrawn");
    assert_eq!(templates("model"), 2);
    assert!(matches!(enrol("1"), Err(JournalError::Refused(_))));

    // Number 2 is somebody else now: the old face must not be theirs.
    let mut changed = roster.clone();
    changed.trainees[1].name = "李二".into();
    journal.import_class(&changed, "01", PlanSource::File, "301").expect("imported");
    assert_eq!(templates("model"), 1);
    assert!(matches!(enrol("2"), Err(JournalError::Refused(_))), "their consent was another's");

    journal.close_class(id).expect("closed");
    let reader = journal.store().read().expect("open");
    assert!(reader.classes().expect("readable").is_empty());
    assert!(reader.all_templates().expect("readable").is_empty());
    assert_eq!(reader.all_classes().expect("readable").len(), 1);
    assert!(matches!(
        journal.give_consent(&ClassId::new("other").expect("valid"), "1", "n", "cli"),
        Err(JournalError::Refused(_))
    ));
    assert!(verify(&journal, Vec::new()).verified);
}

#[test]
fn a_class_that_is_over_is_closed_by_itself_and_its_faces_are_erased() {
    let (_folder, clock, journal) = fresh();
    let roster = class("2026-001", &["1"], &["T1"]);
    journal.import_class(&roster, "00", PlanSource::File, "301").expect("imported");
    journal.give_consent(&roster.id, "1", "notice", "cli").expect("consented");
    let face = EnrolledFace { photo: "ab".repeat(32), embedding: vec![0; 768] };
    let admitted = |_: &crate::store::View| Ok::<_, JournalError>(());
    journal.enrol(&roster.id, "1", &[face], "model", "cli", admitted).expect("enrolled");
    let faces = || journal.store().read().expect("open").all_templates().expect("readable").len();
    // Its only day is that on which this begins, 8:00.
    clock.advance(Duration::from_secs(7 * 86_400));
    assert!(journal.close_what_is_over(7).expect("looked").is_empty() && faces() == 1);
    clock.advance(Duration::from_secs(86_400));
    clock.set_quality(evidence::record::ClockQuality::Unset);
    assert!(journal.close_what_is_over(7).expect("looked").is_empty(), "a wrong clock closes nothing");
    clock.set_quality(evidence::record::ClockQuality::Synced);
    assert_eq!((journal.close_what_is_over(7).expect("closed"), faces()), (vec![roster.id], 0));
    assert!(journal.close_what_is_over(7).expect("looked").is_empty());
}

#[test]
fn the_number_of_somebody_who_has_checked_in_passes_to_nobody_else() {
    let (_folder, _, journal) = fresh();
    let with = |name: &str, id_number: &str| {
        let mut class = class("c", &["1"], &["T1"]);
        class.trainees[0].name = name.into();
        class.trainees[0].id_number = Some(crate::class::IdNumber::new(id_number).expect("well formed"));
        class
    };
    let (one, other) = ("110105198503150019", "110105198503150027");
    let import = |class: &Class| journal.import_class(class, "00", PlanSource::File, "301");
    import(&with("张三", one)).expect("imported");
    import(&with("李四", other)).expect("nobody has checked in");
    journal.check_in(checkin("c", "1", "2026-11-23"), None).expect("appended");
    let refused = import(&with("张三", one)).expect_err("somebody else").to_string();
    assert!(refused.contains("number 1 of class c has checked in as 李四"), "{refused}");
    import(&with("李四四", other)).expect("a name is corrected");
    import(&with("李四四", one)).expect("an ID-card number is corrected");

    // Nor does it once they have left the roster, until they are back.
    let mut without = class("c", &["2"], &["T1"]);
    import(&without).expect("they leave");
    let refused = import(&with("张三", other)).expect_err("somebody else").to_string();
    assert!(refused.contains("number 1 of class c has checked in as 李四四"), "{refused}");
    import(&with("李四四", one)).expect("they are back");
    import(&with("李四", one)).expect("and their name is corrected");

    // A teacher without an ID-card number is told by the 备案号.
    journal.check_in(checkin("c", "T1", "2026-11-23"), None).expect("appended");
    let mut teacher = |name: &str, registration: Option<&str>| {
        without.teachers[0].name = name.into();
        without.teachers[0].registration = registration.map(str::to_owned);
        import(&without).map(|_| ())
    };
    teacher("陈老师", None).expect_err("nothing tells that it is the same person");
    teacher("张T1", Some("津教-1")).expect("a 备案号 is added");
    teacher("陈老师", Some("津教-2")).expect_err("that is somebody else's");
    teacher("陈老师", Some("津教-1")).expect("a name is corrected");
}

#[test]
fn a_teacher_whose_name_is_corrected_stays_the_same_by_registration() {
    let (_folder, _, journal) = fresh();
    let with = |name: &str, registration: Option<&str>| {
        let mut class = class("c", &["1"], &["T1"]);
        class.teachers[0].name = name.into();
        class.teachers[0].registration = registration.map(str::to_owned);
        class
    };
    let import = |class: &Class| drop(journal.import_class(class, "00", PlanSource::File, "301").expect("imported"));
    let id = ClassId::new("c").expect("valid");
    let has_consent = || {
        let reader = journal.store().read().expect("open");
        reader.consent(&id, "T1").expect("readable").is_some_and(|consent| consent.given)
    };
    import(&with("王国", Some("R1")));
    journal.give_consent(&id, "T1", "n", "cli").expect("given");
    import(&with("王國", Some("R1")));
    assert!(has_consent(), "one registration is one person");
    import(&with("王國", Some("R2")));
    assert!(has_consent(), "and so is one name");
    import(&with("王国", Some("R1")));
    assert!(!has_consent(), "neither is the same");
    journal.give_consent(&id, "T1", "n", "cli").expect("given");
    import(&with("王国", None));
    import(&with("王國", None));
    assert!(!has_consent(), "no registration is nobody's");
}

#[test]
fn an_id_card_number_never_gets_into_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(SystemClock::default());
    let journal = Journal::initialise(folder.path(), "site", "301", clock, zone()).expect("made");
    for number in ["11010519491231002X", "11010519491231002X-1"] {
        let refused = journal.check_in(checkin("c", number, "2026-11-23"), None);
        assert!(matches!(refused, Err(JournalError::Record(_))), "{number}");
    }
    assert_eq!(journal.size(), 1);
}

#[test]
fn who_declines_is_on_record_with_the_notice_and_only_a_consent_can_be_withdrawn() {
    let (_folder, _, journal) = fresh();
    let roster = class("2026-001", &["1"], &["T1"]);
    journal.import_class(&roster, "00", PlanSource::File, "301").expect("imported");
    let (id, notice) = (&roster.id, "11".repeat(32));
    let error = journal.withdraw_consent(id, "1", "cli").expect_err("nothing was given");
    assert!(error.to_string().contains("no consent that could be withdrawn"), "{error}");
    let declined = journal.decline_consent(id, "1", &notice, "kiosk:T1").expect("declined");
    let record = journal.store().read().expect("open").record(declined.seq).expect("readable").expect("there");
    let Data::Consent(consent) = jws::read_unverified(record.as_str()).expect("a record").data else {
        panic!("a consent record")
    };
    assert_eq!((consent.given, consent.notice, &*consent.by), (false, notice.clone(), "kiosk:T1"));
    assert!(journal.decline_consent(id, "1", &notice, "cli").is_err(), "it is on record already");
    assert!(journal.withdraw_consent(id, "1", "cli").is_err(), "a refusal is no consent");
    journal.give_consent(id, "1", &notice, "cli").expect("after all");
    let error = journal.decline_consent(id, "1", &notice, "cli").expect_err("consent stands");
    assert!(error.to_string().contains("consent withdraw"), "{error}");
    journal.withdraw_consent(id, "1", "cli").expect("withdrawn");
}
