//! The test vectors, byte for byte, and what must hold for every tree and every input.

mod mutations;
#[path = "../../examples/vectors.rs"]
mod vectors;

use evidence::checkpoint::{Countersigned, Log, Signed, Witness};
use evidence::jws::{JwsError, MAX_LENGTH, Verifier, read_unverified};
use evidence::key::{SigningKey, VerifyingKey};
use evidence::record::{Checkin, Data, Record, RecordError};
use evidence::tree::*;
use evidence::verdict::LogVerifier;
use proptest::prelude::*;
use serde_json::Value;

fn file() -> Value {
    serde_json::from_str(include_str!("../vectors/vectors.json")).expect("JSON")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is missing"))
}

fn hash(value: &Value) -> Hash {
    let text = value.as_str().expect("hex");
    std::array::from_fn(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hex"))
}

fn path(value: &Value) -> Vec<Hash> {
    value["path"].as_array().expect("a list").iter().map(hash).collect()
}

#[test]
fn the_vectors_are_what_this_code_makes() {
    assert_eq!(file(), vectors::vectors(), "cargo run -p evidence --example vectors writes them anew");
}

#[test]
fn good_vectors_verify_and_bad_ones_fail_as_they_say() {
    let vectors = file();
    let key: VerifyingKey = text(&vectors, "key").parse().expect("a key");
    let log = Log::of(key);
    assert_eq!((key.kid().as_str(), log.origin.as_str()), (text(&vectors, "kid"), text(&vectors, "device")));
    let bureau = &vectors["bureau"];
    let witness = Witness { name: text(bureau, "name").into(), key: text(bureau, "key").parse().expect("a key") };
    let receipt = Countersigned::parse(text(&vectors, "receipt"), &log, &witness).expect("a receipt");
    assert_eq!(Some(receipt.unix_seconds()), bureau["time"].as_u64());
    let mut verifier = LogVerifier::new(key, std::slice::from_ref(&receipt), Vec::new());
    let mut frontier = Frontier::new();
    let records = vectors["records"].as_array().expect("a list");
    for (seq, record) in records.iter().enumerate() {
        verifier.push(text(record, "jws"));
        let leaf = leaf_hash(text(record, "jws").as_bytes());
        assert_eq!(leaf, hash(&record["leaf"]));
        frontier.push(leaf);
        assert_eq!(frontier.root(), hash(&vectors["roots"][seq + 1]));
    }
    let verdict = verifier.finish();
    assert!(verdict.verified && verdict.covered == records.len() as u64, "{verdict}");
    let size = records.len() as u64;
    for proof in vectors["inclusion"].as_array().expect("a list") {
        let index = proof["index"].as_u64().expect("a number");
        let leaf = hash(&records[index as usize]["leaf"]);
        assert!(verify_inclusion(&leaf, index, size, &path(proof), &frontier.root()));
    }
    for proof in vectors["consistency"].as_array().expect("a list") {
        let old = proof["old"].as_u64().expect("a number");
        let old_root = hash(&vectors["roots"][old as usize]);
        assert!(verify_consistency(old, size, &old_root, &frontier.root(), &path(proof)));
    }
    let signatures = Verifier::new(key);
    for bad in vectors["bad_records"].as_array().expect("a list") {
        let error = match signatures.verify(text(bad, "jws")).expect_err(text(bad, "what")) {
            JwsError::Form(_) => "form",
            JwsError::Header(_) => "header",
            JwsError::Signature => "signature",
            JwsError::Record(_) => "record",
        };
        assert_eq!(error, text(bad, "error"), "{}", text(bad, "what"));
    }
    for bad in vectors["bad_checkpoints"].as_array().expect("a list") {
        match (Signed::parse(text(bad, "note"), &log), text(bad, "error")) {
            (Ok(signed), "wrong_root") => assert_ne!(signed.checkpoint().root, frontier.root()),
            (Ok(_), _) => panic!("{} is taken", text(bad, "what")),
            (Err(_), error) => assert_ne!(error, "wrong_root"),
        }
    }
}

/// The records of the vectors, as they were before they were signed.
fn good_records() -> Vec<Record> {
    let vectors = file();
    let records = vectors["records"].as_array().expect("a list").iter();
    records.map(|record| read_unverified(text(record, "jws")).expect("a record")).collect()
}

#[test]
fn what_would_not_read_back_is_never_signed() {
    let key = SigningKey::from_seed(&[1; 32]);
    let verifier = Verifier::new(key.verifying_key());
    let problem = |record: &Record| match record.sign(&key) {
        Err(RecordError::Unreadable { kind, problem }) => {
            assert_eq!(kind, record.data.kind());
            problem
        }
        other => panic!("{other:?}"),
    };
    let records = good_records();
    let with = |data: Data| Record { data, ..records[0].clone() };
    let checkins = records.iter().filter_map(|record| match &record.data {
        Data::Checkin(checkin) => Some(checkin.clone()),
        _ => None,
    });
    let checkin = checkins.into_iter().find(|checkin| checkin.likeness.is_some() && checkin.quality.is_some());
    let checkin = checkin.expect("a check-in by face");
    for not_a_number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut wrong = checkin.clone();
        wrong.likeness.as_mut().expect("by face").margin = not_a_number;
        assert!(problem(&with(Data::Checkin(wrong))).contains("null"), "{not_a_number}");
        let mut wrong = checkin.clone();
        wrong.quality.as_mut().expect("by face").yaw = not_a_number;
        assert!(problem(&with(Data::Checkin(wrong))).contains("null"), "{not_a_number}");
    }
    let of_no_time = Checkin { closes: Some("08:40".into()), ..checkin.clone() };
    assert_eq!(with(Data::Checkin(of_no_time)).sign(&key), Err(RecordError::Time("08:40".into())));
    // A kind that is known reads back as that kind.
    let other =
        Data::Other { kind: "erasure".into(), data: serde_json::json!({"class": "A", "person": "1", "reason": ""}) };
    assert_eq!(problem(&with(other)), "it reads back as another record");
    let long = Data::Other { kind: "long".into(), data: "a".repeat(MAX_LENGTH).into() };
    assert!(problem(&with(long)).contains("at most 65536"));

    // Fractions of any length are signed, and read back.
    for score in [0.1 + 0.2, 1.0 / 3.0, f64::MIN_POSITIVE, 5e-324, 1.7976931348623157e308, 123456789.12345679, -0.0] {
        let mut good = checkin.clone();
        good.likeness.as_mut().expect("by face").score = score;
        let signed = with(Data::Checkin(good)).sign(&key).expect("signed");
        assert!(verifier.verify(signed.as_str()).is_ok(), "{score}");
    }
}

/// The nodes that each leaf completes, as a store would keep them.
struct Rows(Vec<Vec<Hash>>);

impl Nodes for Rows {
    type Error = std::convert::Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        Ok(self.0[(((index + 1) << level) - 1) as usize][level as usize])
    }
}

/// RFC 6962 §2.1, as it is written there.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_proof_verifies_and_none_that_was_changed_does(
        leaves in prop::collection::vec(any::<[u8; 32]>(), 1..70),
        choice in any::<(prop::sample::Index, prop::sample::Index)>(),
        flip in any::<(prop::sample::Index, u8)>(),
    ) {
        let (mut frontier, mut rows) = (Frontier::new(), Rows(Vec::new()));
        for leaf in &leaves {
            rows.0.push(frontier.push(*leaf));
        }
        let size = leaves.len() as u64;
        prop_assert_eq!(frontier.root(), root_by_definition(&leaves));
        let index = choice.0.index(leaves.len());
        let Ok(proof) = inclusion_proof(&rows, index as u64, size);
        prop_assert!(verify_inclusion(&leaves[index], index as u64, size, &proof, &frontier.root()));
        let old = choice.1.index(leaves.len()) + 1;
        let old_root = root_by_definition(&leaves[..old]);
        let Ok(consistency) = consistency_proof(&rows, old as u64, size);
        prop_assert!(verify_consistency(old as u64, size, &old_root, &frontier.root(), &consistency));
        let at = Ok::<_, ()>(frontier_at(&rows, old as u64).expect("infallible"));
        prop_assert_eq!(at.map(|frontier| frontier.root()), Ok(old_root));
        // One bit changed somewhere.
        let bit = 1u8 << (flip.1 % 8);
        if !proof.is_empty() {
            let mut changed = proof.clone();
            changed[flip.0.index(proof.len())][usize::from(flip.1) % 32] ^= bit;
            prop_assert!(!verify_inclusion(&leaves[index], index as u64, size, &changed, &frontier.root()));
            prop_assert!(!verify_inclusion(&leaves[index], index as u64, size, &proof[1..], &frontier.root()));
        }
        if !consistency.is_empty() {
            let mut changed = consistency.clone();
            changed[flip.0.index(consistency.len())][usize::from(flip.1) % 32] ^= bit;
            prop_assert!(!verify_consistency(old as u64, size, &old_root, &frontier.root(), &changed));
        }
    }

    #[test]
    fn no_input_makes_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>()) {
        let noise = String::from_utf8_lossy(&bytes).into_owned();
        let vectors = file();
        let key: VerifyingKey = text(&vectors, "key").parse().expect("a key");
        let log = Log::of(key);
        let _ = Record::from_payload(&bytes);
        let splice = |good: &str| {
            let at = (0..=good.len()).rev().find(|at| *at <= cut.index(good.len() + 1) && good.is_char_boundary(*at));
            let at = at.unwrap_or(0);
            format!("{}{noise}{}", &good[..at], &good[at..])
        };
        let jws = text(&vectors["records"][4], "jws");
        for text in [noise.clone(), splice(jws)] {
            let verified = Verifier::new(key).verify(&text);
            prop_assert!(text == jws || verified.is_err());
        }
        let _ = Signed::parse(&noise, &log);
        let _ = Signed::parse(&splice(text(&vectors, "receipt")), &log);
    }
}
