//! Folders that are handed on, and what somebody has put into them.

use crate::appliance::Appliance;
use crate::server::Server;
use bureau::{Bureau, export_class, verify};
use evidence::record::{Closing, Data};

/// Of a class's records no recordings are judged: a `class.json` must not make a disc verify whose recordings do not.
#[tokio::test]
async fn a_folder_that_is_a_class_and_a_disc_at_once_does_not_verify() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let closing = Data::Closing(Closing { class: "A".into(), reason: "staff".into() });
    let records = [appliance.signed(0, "2026-11-24T08:00:00.000+08:00", closing)];
    appliance.receipt(&server, 0, &records).await;
    let (folder, key) = (tempfile::tempdir().expect("a folder"), server.bureau_key());
    let out = folder.path().join("class");
    let bureau = Bureau::open(server.folder.path()).expect("a bureau");
    export_class(&bureau, appliance.id(), "A", &out).expect("exported");
    assert!(verify(&out, Some(key)).expect("readable").verified);
    let is_mixed = || {
        let verdict = verify(&out, Some(key)).expect("readable");
        !verdict.verified && verdict.findings.iter().any(|finding| finding.code == "mixed_folder")
    };
    std::fs::create_dir(out.join("recordings")).expect("made");
    assert!(is_mixed());
    std::fs::remove_dir(out.join("recordings")).expect("removed");
    std::fs::write(out.join("disc.json"), "{}").expect("written");
    assert!(is_mixed());
}
