//! What is nearly good: the vectors with bytes flipped, cut, inserted, swapped and repeated, at every level that a
//! reader takes apart. Nothing panics, and nothing that differs verifies.

use super::{file, hash, path, text};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use evidence::checkpoint::{Countersigned, Log, Signed, Witness};
use evidence::inclusion::Inclusion;
use evidence::jws::{Verifier, read_unverified};
use evidence::key::{SigningKey, VerifyingKey};
use evidence::note::Note;
use evidence::tree::Hash;
use evidence::verdict::LogVerifier;
use proptest::prelude::*;
use proptest::sample::Index;

/// One change of some bytes.
#[derive(Debug, Clone)]
enum Edit {
    Flip(Index, u8),
    Cut(Index, usize),
    Insert(Index, Vec<u8>),
    /// Two stretches of so many bytes change places.
    Swap(Index, Index, usize),
    Repeat(Index, usize),
    /// A stretch is that of another text of its kind.
    Graft(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let inserted = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..6),
        // What readers take texts apart by, and what stands in them.
        prop::sample::select(vec![
            ".",
            "..",
            "=",
            "-",
            "+",
            " ",
            "\n",
            "\n\n",
            "\u{2014} ",
            "\0",
            "{",
            "}",
            "\"",
            "\\u0000",
            ",",
            "[",
            "null",
            "1e999",
            "-1",
            "\"v\":1,",
            "\u{feff}",
            "AAAA",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        3 => (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        2 => (any::<Index>(), 1..40usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        2 => (any::<Index>(), inserted).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        1 => (any::<Index>(), any::<Index>(), 1..40usize).prop_map(|(one, other, length)| Edit::Swap(one, other, length)),
        1 => (any::<Index>(), 1..40usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
        1 => (any::<Index>(), 1..200usize).prop_map(|(at, length)| Edit::Graft(at, length)),
    ]
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec(edit(), 1..4)
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let size = bytes.len();
        match self {
            Edit::Flip(at, bit) => bytes[at.index(size)] ^= 1 << bit,
            Edit::Cut(at, length) => {
                let at = at.index(size);
                drop(bytes.drain(at..size.min(at + length)));
            }
            Edit::Insert(at, inserted) => {
                let at = at.index(size + 1);
                drop(bytes.splice(at..at, inserted.iter().copied()));
            }
            Edit::Swap(one, two, length) => {
                let (one, two) = (one.index(size), two.index(size));
                for step in 0..*length {
                    if one.max(two) + step < size {
                        bytes.swap(one + step, two + step);
                    }
                }
            }
            Edit::Repeat(at, length) => {
                let at = at.index(size);
                let again = bytes[at..size.min(at + length)].to_vec();
                drop(bytes.splice(at..at, again));
            }
            Edit::Graft(at, length) => {
                let at = at.index(size);
                let end = size.min(at + length);
                let grafted = other.get(at..other.len().min(end)).unwrap_or_default().to_vec();
                drop(bytes.splice(at..end, grafted));
            }
        }
    }
}

fn changed(bytes: &[u8], edits: &[Edit], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    edits.iter().for_each(|edit| edit.apply(&mut bytes, other));
    bytes
}

fn changed_text(good: &str, edits: &[Edit], other: &str) -> String {
    String::from_utf8_lossy(&changed(good.as_bytes(), edits, other.as_bytes())).into_owned()
}

/// The vectors, read once.
struct Good {
    key: SigningKey,
    log: Log,
    witness: Witness,
    records: Vec<String>,
    leaves: Vec<Hash>,
    root: Hash,
    receipt: String,
    checkpoint: String,
    /// Each with the leaf that it proves.
    proofs: Vec<(Inclusion, Hash)>,
}

fn good() -> &'static Good {
    static GOOD: std::sync::LazyLock<Good> = std::sync::LazyLock::new(|| {
        let vectors = file();
        let seed = hash(&vectors["seed"]);
        let public: VerifyingKey = text(&vectors, "key").parse().expect("a key");
        let (records, bureau) = (vectors["records"].as_array().expect("a list"), &vectors["bureau"]);
        let leaves: Vec<Hash> = records.iter().map(|record| hash(&record["leaf"])).collect();
        let proof = |proof: &serde_json::Value| {
            let seq = proof["index"].as_u64().expect("a number");
            let size = proof["size"].as_u64().expect("a number");
            (Inclusion { seq, size, path: path(proof) }, leaves[seq as usize])
        };
        Good {
            key: SigningKey::from_seed(&seed),
            log: Log::of(public),
            witness: Witness { name: text(bureau, "name").into(), key: text(bureau, "key").parse().expect("a key") },
            records: records.iter().map(|record| text(record, "jws").to_owned()).collect(),
            root: hash(&vectors["roots"][records.len()]),
            receipt: text(&vectors, "receipt").into(),
            checkpoint: text(&vectors, "checkpoint").into(),
            proofs: vectors["inclusion"].as_array().expect("a list").iter().map(proof).collect(),
            leaves,
        }
    });
    &GOOD
}

fn parts(jws: &str) -> (&str, &str, &str) {
    let (header, rest) = jws.split_once('.').expect("three parts");
    let (payload, signature) = rest.split_once('.').expect("three parts");
    (header, payload, signature)
}

/// Neither checkpoint nor receipt is read out of a changed note, unless it says the same: order and number of signature
/// lines are free, and strangers may sign too.
fn says_nothing_else(note: &str) -> Result<(), TestCaseError> {
    let good = good();
    let (signed, receipt) = (Signed::parse(note, &good.log), Countersigned::parse(note, &good.log, &good.witness));
    let known = Countersigned::parse(&good.receipt, &good.log, &good.witness).expect("a receipt");
    if let Ok(signed) = signed {
        prop_assert_eq!(signed.checkpoint(), known.checkpoint());
        let again = Signed::parse(&signed.to_text(), &good.log);
        prop_assert_eq!(again.as_ref(), Ok(&signed), "what was read is written so that it can be read");
    }
    if let Ok(receipt) = receipt {
        prop_assert_eq!((receipt.checkpoint(), receipt.unix_seconds()), (known.checkpoint(), known.unix_seconds()));
    }
    if let Ok(note) = Note::parse(note) {
        prop_assert_eq!(Note::parse(&note.to_string()), Ok(note));
    }
    Ok(())
}

#[test]
fn no_record_verifies_with_a_bit_flipped_or_cut_short() {
    let good = good();
    let verifier = Verifier::new(good.log.key);
    let jws = good.records.iter().min_by_key(|jws| jws.len()).expect("records");
    assert!(verifier.verify(jws).is_ok());
    for at in 0..jws.len() {
        assert!(verifier.verify(&jws[..at]).is_err() && verifier.verify(&jws[at + 1..]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut bytes = jws.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let text = String::from_utf8_lossy(&bytes);
            assert!(verifier.verify(&text).is_err(), "bit {bit} of byte {at}: {text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_changed_record_never_verifies(which in any::<(Index, Index)>(), edits in edits()) {
        let good = good();
        let (jws, other) = (which.0.get(&good.records), which.1.get(&good.records));
        let text = changed_text(jws, &edits, other);
        let verified = Verifier::new(good.log.key).verify(&text);
        prop_assert_eq!(verified.is_ok(), good.records.contains(&text), "{}", text);
        let _ = read_unverified(&text);
    }

    #[test]
    fn a_changed_payload_does_not_verify_and_one_that_is_signed_reads_back(
        which in any::<(Index, Index)>(),
        edits in edits(),
    ) {
        let good = good();
        let verifier = Verifier::new(good.log.key);
        let (jws, other) = (which.0.get(&good.records), which.1.get(&good.records));
        let (header, payload, signature) = parts(jws);
        let decode = |text| BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let bytes = changed(&decode(payload), &edits, &decode(parts(other).1));
        let signed = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(&bytes));
        let old_signature = format!("{signed}.{signature}");
        prop_assert!(&old_signature == jws || verifier.verify(&old_signature).is_err());
        let new_signature = BASE64_URL_SAFE_NO_PAD.encode(good.key.sign(signed.as_bytes()));
        // Whoever has the key can sign anything; what is then taken for a record is one that can be signed and read.
        if let Ok(record) = verifier.verify(&format!("{signed}.{new_signature}"))
            && let Ok(again) = record.sign(&good.key)
        {
            prop_assert!(verifier.verify(again.as_str()).is_ok(), "{record:?}");
        }
        let header = changed(&decode(header), &edits, b"{\"alg\":\"none\"}");
        let text = format!("{}.{payload}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(&header));
        prop_assert!(&text == jws || verifier.verify(&text).is_err(), "{}", text);
        let text = format!("{}.{payload}.{}", parts(jws).0, BASE64_URL_SAFE_NO_PAD.encode(changed(&decode(signature), &edits, &[0; 64])));
        prop_assert!(&text == jws || verifier.verify(&text).is_err(), "{}", text);
    }

    #[test]
    fn a_changed_note_says_nothing_else(edits in edits(), whole in any::<bool>()) {
        let good = good();
        let (note, other) = match whole {
            true => (&good.receipt, &good.checkpoint),
            false => (&good.checkpoint, &good.receipt),
        };
        says_nothing_else(&changed_text(note, &edits, other))?;
        // A line changed as a whole: the text's, the signatures'.
        let mut lines: Vec<&str> = note.split('\n').collect();
        let at = edits.len() * 7919 % lines.len();
        let line = changed_text(lines[at], &edits, other.lines().last().unwrap_or_default());
        lines[at] = &line;
        says_nothing_else(&lines.join("\n"))?;
    }

    #[test]
    fn a_changed_proof_proves_nothing(which in any::<(Index, Index)>(), edits in edits()) {
        let good = good();
        let ((proof, leaf), (other, _)) = (which.0.get(&good.proofs), which.1.get(&good.proofs));
        prop_assert!(proof.proves(leaf, &good.root));
        // The size is the checkpoint's: another one has another root.
        if let Some(changed) = Inclusion::parse(&changed_text(&proof.to_line(), &edits, &other.to_line()))
            && changed.size == proof.size
            && changed != *proof
        {
            prop_assert!(!changed.proves(leaf, &good.root), "{}", changed.to_line());
        }
    }

    #[test]
    fn a_log_with_a_changed_record_does_not_verify(which in any::<(Index, Index)>(), edits in edits()) {
        let good = good();
        let at = which.0.index(good.records.len());
        let other = &good.records[which.1.index(good.records.len())];
        let text = changed_text(&good.records[at], &edits, other);
        prop_assume!(text != good.records[at]);
        let receipt = Countersigned::parse(&good.receipt, &good.log, &good.witness).expect("a receipt");
        let mut verifier = LogVerifier::new(good.log.key, std::slice::from_ref(&receipt), Vec::new());
        for (seq, jws) in good.records.iter().enumerate() {
            // Signatures of the others are known to be good.
            match seq == at {
                true => verifier.push(&text),
                false => drop(verifier.push_leaf(good.leaves[seq], read_unverified(jws))),
            }
        }
        let verdict = verifier.finish();
        prop_assert!(!verdict.verified && verdict.findings.iter().any(|found| found.code == "wrong_root"), "{}", verdict);
    }
}
