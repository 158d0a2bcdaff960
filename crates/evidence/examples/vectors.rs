//! Writes the test vectors: `cargo run -p evidence --example vectors > crates/evidence/tests/vectors/vectors.json`.
//!
//! Keys are made of fixed seeds and Ed25519 is deterministic, so the bytes are the same every time.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use evidence::checkpoint::{Checkpoint, Signed};
use evidence::hex;
use evidence::jws::SignedRecord;
use evidence::key::SigningKey;
use evidence::record::*;
use evidence::tree::{Frontier, Hash, Nodes, consistency_proof, inclusion_proof};
use serde_json::{Value, json};

const SEED: [u8; 32] = [7; 32];
const OTHER_SEED: [u8; 32] = [8; 32];
const BUREAU_SEED: [u8; 32] = [9; 32];
const BUREAU: &str = "bureau/test";
const COSIGNED_AT: u64 = 1_795_478_400;

struct Tree(Vec<Vec<Hash>>);

impl Nodes for Tree {
    type Error = std::convert::Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        Ok(self.0[(((index + 1) << level) - 1) as usize][level as usize])
    }
}

fn facts() -> Vec<Data> {
    let hash = |text: &str| evidence::sha256_hex(text.as_bytes());
    let (class, person) = ("TJNK-2026-0138".to_owned(), "001".to_owned());
    let event = |event: &str| {
        Data::Appliance(ApplianceEvent {
            event: event.into(),
            version: "0.1.0".into(),
            boot: "b5d0d3f0-6f1c-4a53-9a55-2c0f1a5a6a11".into(),
            site: "南开区实训基地".into(),
            room: "301".into(),
            cameras: Vec::new(),
            limits: Default::default(),
        })
    };
    let accepted = Checkin {
        outcome: CheckinOutcome::Accepted,
        class: Some(class.clone()),
        person: Some(person.clone()),
        role: Some(Role::Trainee),
        date: "2026-11-24".into(),
        window: Some(WindowKind::Arrival),
        opens: Some("2026-11-24T08:00:00.000+08:00".into()),
        closes: Some("2026-11-24T08:40:00.000+08:00".into()),
        method: Method::Face,
        confirmed_by: None,
        confirmed_class: None,
        site: "南开区实训基地".into(),
        room: "301".into(),
        camera: "front".into(),
        likeness: Some(Match { score: 0.8036, margin: 0.5012, frames: 3, threshold: 0.64, model: hash("model") }),
        quality: Some(FaceQuality {
            pupil_distance_px: 78.4,
            yaw: -3.1,
            pitch: 5.0,
            roll: 0.4,
            sharpness: 412.7,
            brightness: 121.9,
        }),
        liveness: Liveness::NotChecked,
        photo: Some(hash("photo")),
    };
    let by_qr = Checkin {
        person: Some("002".into()),
        method: Method::Qr,
        confirmed_by: Some("T01".into()),
        confirmed_class: None,
        likeness: None,
        quality: None,
        photo: None,
        ..accepted.clone()
    };
    let unknown = Checkin {
        outcome: CheckinOutcome::Unknown,
        class: None,
        person: None,
        role: None,
        window: None,
        opens: None,
        closes: None,
        photo: None,
        ..accepted.clone()
    };
    vec![
        event("initialised"),
        Data::Plan(Plan {
            class: class.clone(),
            sha256: hash("plan"),
            trainees: 3,
            teachers: 2,
            lessons: 3,
            first_day: "2026-11-23".into(),
            last_day: "2026-11-24".into(),
            source: "file".into(),
        }),
        Data::Consent(Consent {
            class: class.clone(),
            person: person.clone(),
            given: true,
            notice: hash("notice"),
            by: "cli".into(),
        }),
        Data::Enrolment(Enrolment {
            class: class.clone(),
            person: person.clone(),
            role: Role::Trainee,
            photos: vec![hash("enrolment photo")],
            model: hash("model"),
            by: "cli".into(),
            consent_seq: 2,
        }),
        Data::Checkin(accepted),
        Data::Checkin(by_qr),
        Data::Checkin(unknown),
        Data::Clock(ClockStep {
            expected: "2026-11-24T08:30:00.000+08:00".into(),
            observed: "2026-11-24T07:30:00.000+08:00".into(),
        }),
        Data::Erasure(Erasure { class: class.clone(), person, reason: "request".into(), photos: true }),
        Data::Lesson(Lesson {
            class: class.clone(),
            plan: 1,
            start: "2026-11-24T08:30:00.000+08:00".into(),
            end: "2026-11-24T11:30:00.000+08:00".into(),
            kind: LessonKind::Practice,
            teacher: "T01".into(),
            elsewhere: false,
            cameras: vec!["前".into(), "后".into()],
            workstations: vec!["01".into(), "02".into()],
            sound_consent: None,
        }),
        Data::Closing(Closing { class, reason: "over".into() }),
        Data::Export(Export { what: "log".into(), size: 12, claim: None }),
    ]
}

/// A record with other bytes in one of its three parts.
fn with_part(jws: &str, part: usize, bytes: &[u8]) -> String {
    let mut parts: Vec<String> = jws.split('.').map(str::to_owned).collect();
    parts[part] = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    parts.join(".")
}

/// All vectors.
pub fn vectors() -> Value {
    let (key, other, bureau) =
        (SigningKey::from_seed(&SEED), SigningKey::from_seed(&OTHER_SEED), SigningKey::from_seed(&BUREAU_SEED));
    let device = key.verifying_key().device_id();
    let facts = facts();
    let record = |seq: u64, data: Data| Record {
        device: device.clone(),
        seq,
        time: format!("2026-11-24T08:{seq:02}:00.000+08:00"),
        clock: match seq {
            0 => ClockQuality::Unset,
            1 => ClockQuality::Holdover { seconds: 90 },
            _ => ClockQuality::Synced,
        },
        data,
    };
    let sign = |record: &Record, key: &SigningKey| record.sign(key).expect("a good record");
    let mut tree = Tree(Vec::new());
    let (mut frontier, mut roots, mut records) = (Frontier::new(), vec![hex(&Frontier::new().root())], Vec::new());
    for (seq, data) in facts.iter().enumerate() {
        let signed: SignedRecord = sign(&record(seq as u64, data.clone()), &key);
        tree.0.push(frontier.push(signed.leaf_hash()));
        roots.push(hex(&frontier.root()));
        records.push(json!({ "kind": data.kind(), "jws": signed.as_str(), "leaf": hex(&signed.leaf_hash()) }));
    }
    let size = frontier.size();
    let path = |path: Vec<Hash>| path.iter().map(|hash| hex(hash)).collect::<Vec<_>>();
    let inclusion = (0..size).map(|index| {
        let Ok(proof) = inclusion_proof(&tree, index, size);
        json!({ "index": index, "size": size, "path": path(proof) })
    });
    let consistency = (1..size).map(|old| {
        let Ok(proof) = consistency_proof(&tree, old, size);
        json!({ "old": old, "new": size, "path": path(proof) })
    });
    let checkpoint = Checkpoint { origin: device.clone(), size, root: frontier.root() };
    let signed = Signed::sign(checkpoint.clone(), &key).expect("a good checkpoint");
    let receipt = signed.countersign(BUREAU, &bureau, COSIGNED_AT).expect("a good name");

    let good = sign(&record(4, facts[4].clone()), &key);
    let payload =
        BASE64_URL_SAFE_NO_PAD.decode(good.as_str().split('.').nth(1).expect("three parts")).expect("base64url");
    let altered = String::from_utf8(payload).expect("JSON").replace("accepted", "accEpted");
    let none = with_part(good.as_str(), 0, br#"{"alg":"none"}"#);
    let none = format!("{}.", none.rsplit_once('.').expect("three parts").0);
    let of_other = Signed::sign(Checkpoint { origin: other.verifying_key().device_id(), ..checkpoint.clone() }, &other);
    let wrong_root = Signed::sign(Checkpoint { root: [1; 32], ..checkpoint }, &key).expect("a good checkpoint");
    let bad_records = [
        ("another key", sign(&record(4, facts[4].clone()), &other).as_str().to_owned(), "header"),
        ("altered payload", with_part(good.as_str(), 1, altered.as_bytes()), "signature"),
        ("altered signature", with_part(good.as_str(), 2, &[0; 64]), "signature"),
        ("alg none", none, "header"),
        ("two parts", good.as_str().rsplit_once('.').expect("three parts").0.to_owned(), "form"),
    ];
    json!({
        "seed": hex(&SEED), "key": key.verifying_key(), "kid": key.verifying_key().kid(), "device": device,
        "bureau": { "name": BUREAU, "seed": hex(&BUREAU_SEED), "key": bureau.verifying_key(), "time": COSIGNED_AT },
        "records": records,
        "roots": roots,
        "inclusion": inclusion.collect::<Vec<_>>(),
        "consistency": consistency.collect::<Vec<_>>(),
        "checkpoint": signed.to_text(),
        "receipt": receipt.to_text(),
        "bad_records": bad_records.map(|(what, jws, error)| json!({ "what": what, "jws": jws, "error": error })),
        "bad_checkpoints": [
            { "what": "of another appliance", "note": of_other.expect("a good checkpoint").to_text(), "error": "origin" },
            { "what": "another root, well signed", "note": wrong_root.to_text(), "error": "wrong_root" },
            { "what": "cut off", "note": signed.to_text().trim_end_matches('\n'), "error": "note" },
        ],
    })
}

#[allow(dead_code)]
fn main() {
    println!("{}", serde_json::to_string_pretty(&vectors()).expect("JSON"));
}
