//! Faults of a live network camera's picture, one after another: found, named, told and accounted for. Loops are shown
//! with films (scripts/coverage-faults): here, pictures are sampled at moments that have nothing to do with the loop.

use crate::camera::{Server, free_port};
use crate::coverage::{
    Receiver, all_findings, assert_adds_up, findings, minutes, room, runtime, wait_coverage, wait_for,
};
use crate::pace::at_most;
use evidence::record::{FindingKind, HiddenCause};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn each_fault_of_a_live_camera_is_found_named_and_accounted_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, receiver) = (free_port(), Receiver::start());
    let Some(mut server) = Server::start_with(port, "h264", &["--scene"]) else { return };
    let mut room = room(folder.path(), port, receiver.port, minutes(1), SignedDuration::from_secs(190));
    let runtime = runtime();
    let _guard = runtime.enter();
    let appliance = room.start_with_reference();
    let journal = appliance.journal.clone();
    // The camera's usual noise is known after a dozen samples.
    wait_for("samples", 60, || (appliance.coverage().expect("begun").status()[0].samples > 14).then_some(()));

    let mut lasted = BTreeMap::new();
    for (fault, what, cause) in [
        ("frozen", FindingKind::Frozen, Some(HiddenCause::Frozen)),
        ("blurred", FindingKind::Blurred, Some(HiddenCause::Blurred)),
        ("dark", FindingKind::Dark, Some(HiddenCause::Dark)),
        ("moved 10", FindingKind::Moved, None),
        ("moved 2", FindingKind::Moved, None),
        // Workstation 1.
        ("block 0.05 0.1 0.4 0.7", FindingKind::WorkstationHidden, Some(HiddenCause::Obstructed)),
    ] {
        let known = findings(&journal, what).len();
        server.fail(fault);
        let (begun, samples) = (Instant::now(), appliance.coverage().expect("begun").status()[0].samples);
        while findings(&journal, what).len() == known {
            let all = || (all_findings(&journal), appliance.coverage().expect("begun").status());
            assert!(begun.elapsed() < Duration::from_secs(90), "{fault} is not found: {:?}", all());
            std::thread::sleep(Duration::from_millis(50));
        }
        let (took, samples) = (begun.elapsed(), appliance.coverage().expect("begun").status()[0].samples - samples);
        assert!(
            took < at_most(10.0),
            "{fault}: found after {took:?}, with {samples} samples: {:#?}",
            all_findings(&journal)
        );
        std::thread::sleep(Duration::from_secs(2));
        server.fail("normal");
        let length = begun.elapsed();
        wait_for("end", 60, || (findings(&journal, what).len() > known + 1).then_some(()));
        let finding = findings(&journal, what).pop().expect("its end");
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let told = time(finding.end.as_deref().expect("an end")).duration_since(time(&finding.start));
        let differs = (told - SignedDuration::try_from(length).expect("short")).unsigned_abs();
        eprintln!(
            "{fault}: found after {:.1} s and {samples} samples, lasted {:.1} s, told {:.1} s",
            took.as_secs_f32(),
            length.as_secs_f32(),
            told.as_secs_f32()
        );
        // A sample each 2 s at its beginning and its end.
        assert!(differs < at_most(4.0), "{fault}: lasted {length:?}, told {told:?}: {:#?}", all_findings(&journal));
        if let Some(cause) = cause {
            lasted.insert(cause, told.as_millis() as u64);
        }
    }
    let coverage = wait_coverage(&journal, 240);
    assert_adds_up(&coverage);
    let [left, right, ..] = &coverage.workstations[..] else { panic!("{coverage:?}") };
    for (cause, told) in lasted {
        let hidden = left.hidden_ms.get(&cause).copied().unwrap_or_default();
        assert!(hidden + 100 > told, "{cause:?}: {hidden} in the account, {told} in the finding");
    }
    assert_eq!(right.hidden_ms.get(&HiddenCause::Obstructed), None, "something stood before the other one");
    runtime.block_on(appliance.stop()).expect("stops");
}
