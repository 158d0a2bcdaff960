//! What does not verify is refused with its place, changes nothing, and is held against an appliance only when its
//! own signature proves it.

use crate::appliance::Appliance;
use crate::server::{Answer, Server};
use evidence::checkpoint::Signed;
use evidence::jws::Verifier;
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn refusals(server: &Server, appliance: &Appliance) -> Vec<Value> {
    let answer = server.get(&format!("/v1/appliances/{}/refusals", appliance.id())).await;
    answer.json().as_array().cloned().expect("a list")
}

fn place(answer: &Answer) -> Option<u64> {
    assert_eq!(answer.refusal(), StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    answer.json()["index"].as_u64()
}

fn with(records: &[String], at: usize, record: String) -> Vec<String> {
    let mut changed = records.to_vec();
    changed[at] = record;
    changed
}

fn flipped(text: &str, from_the_end: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = bytes.len() - from_the_end;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII")
}

#[tokio::test]
async fn records_that_do_not_verify_are_refused_with_their_place_and_nothing_is_kept() {
    let server = Server::start();
    let (appliance, other) = (Appliance::registered(1, &server).await, Appliance::registered(2, &server).await);
    let records = appliance.records(0..8);
    appliance.receipt(&server, 0, &records[..4]).await;
    let parts: Vec<&str> = records[6].split('.').collect();
    for (what, records, expected) in [
        ("a changed signature", with(&records, 6, flipped(&records[6], 10)), 6),
        ("a changed payload", with(&records, 6, records[6].replacen(&parts[1][50..54], "AAAA", 1)), 6),
        ("no signature", with(&records, 6, format!("{}.{}.", parts[0], parts[1])), 6),
        ("alg none", with(&records, 6, format!("eyJhbGciOiJub25lIn0.{}.", parts[1])), 6),
        ("two parts", with(&records, 6, format!("{}.{}", parts[0], parts[1])), 6),
        ("padding", with(&records, 6, format!("{}=", records[6])), 6),
        ("a line break", with(&records, 6, format!("{}\n", records[6])), 6),
        ("another appliance's record", with(&records, 4, other.record(4, "log")), 4),
        ("a later place", with(&records, 4, appliance.record(5, "log")), 4),
        ("a record twice", with(&records, 5, records[4].clone()), 5),
        ("nothing", with(&records, 7, String::new()), 7),
        ("markup", with(&records, 7, "<script>alert(1)</script>".into()), 7),
        ("a very long record", with(&records, 7, "A".repeat(100_000)), 7),
        ("two that are wrong", with(&with(&records, 7, "x".into()), 5, "y".into()), 5),
    ] {
        assert_eq!(place(&appliance.push(&server, 4, &records).await), Some(expected), "{what}");
    }
    assert_eq!(appliance.receipt(&server, 4, &records).await.checkpoint().size, 8, "nothing of all that was kept");
    // Anybody who reaches the server could have sent that: none of it is held against the appliance.
    let row = server.get("/v1/appliances").await.json()[0].clone();
    assert_eq!((&row["contradictions"], row["refusals"].as_u64() >= Some(14)), (&json!(0), true), "{row}");
}

#[tokio::test]
async fn a_record_signed_in_another_appliances_name_is_refused() {
    let server = Server::start();
    let (appliance, other) = (Appliance::registered(1, &server).await, Appliance::new(2));
    // Signed by this appliance's key, but naming the other.
    let liar = Appliance { log: other.log.clone(), key: evidence::key::SigningKey::from_seed(&[1; 32]) };
    let answer = appliance.push(&server, 0, &[liar.record(0, "log")]).await;
    assert_eq!(place(&answer), Some(0));
    assert!(answer.text.contains(other.id()), "{answer:?}");
}

#[tokio::test]
async fn a_fork_is_refused_and_its_proof_is_kept() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..6);
    appliance.receipt(&server, 0, &records[..4]).await;
    let forged = appliance.record(2, "another");
    let fork = with(&records, 2, forged.clone());
    for (first, size) in [(0, 4), (2, 6), (1, 3)] {
        assert_eq!(place(&appliance.push(&server, first, &fork[..size]).await), Some(2), "{first}");
    }
    // Only the part that is new is sent, so nothing differs but the root.
    let answer = appliance.push(&server, 4, &fork).await;
    assert_eq!(place(&answer), None);
    assert!(answer.text.contains("root"), "{answer:?}");
    let proofs = refusals(&server, &appliance).await;
    assert_eq!(proofs.iter().map(|row| row["times"].as_u64()).sum::<Option<u64>>(), Some(4), "{proofs:?}");
    let fork_row = proofs.iter().find(|row| row["index"] == 2).expect("the fork");
    assert_eq!((&fork_row["proof"], &fork_row["times"]), (&json!(forged), &json!(3)));
    let root_row = proofs.iter().find(|row| row["index"].is_null()).expect("the root");
    // Both proofs stand on their own: they are signed by the appliance.
    assert!(Verifier::new(appliance.log.key).verify(&forged).is_ok());
    let proof = Signed::parse(root_row["proof"].as_str().expect("a note"), &appliance.log).expect("signed");
    assert_eq!(proof.checkpoint().size, 6);
    assert_eq!(server.get("/v1/appliances").await.json()[0]["contradictions"], json!(4));
    assert_eq!(appliance.receipt(&server, 4, &records).await.checkpoint().size, 6, "the first log goes on");
}

#[tokio::test]
async fn nobody_else_can_have_an_appliance_marked_as_a_forger() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..6);
    appliance.receipt(&server, 0, &records).await;
    // Whoever has seen an export has records and checkpoints, but not the key.
    let stolen = appliance.checkpoint(&records);
    for (what, records) in [
        ("noise", with(&records, 2, "noise".into())),
        ("a record from elsewhere", with(&records, 2, records[3].clone())),
        ("a record of his own", with(&records, 2, Appliance::new(9).record(2, "log"))),
        ("a changed record", with(&records, 2, flipped(&records[2], 10))),
    ] {
        let body = json!({ "first": 0, "records": records, "checkpoint": stolen });
        assert_eq!(place(&server.post_json(&appliance.path(), &body).await), Some(2), "{what}");
    }
    let body = json!({ "first": 3, "records": &records[4..], "checkpoint": stolen });
    assert_eq!(place(&server.post_json(&appliance.path(), &body).await), None);
    let row = server.get("/v1/appliances").await.json()[0].clone();
    assert_eq!((&row["contradictions"], &row["refusals"]), (&json!(0), &json!(5)), "{row}");
}

#[tokio::test]
async fn checkpoints_that_are_not_this_logs_are_refused() {
    let server = Server::start();
    let (appliance, other) = (Appliance::registered(1, &server).await, Appliance::registered(2, &server).await);
    let records = appliance.records(0..6);
    appliance.receipt(&server, 0, &records[..4]).await;
    let good = appliance.checkpoint(&records);
    // The other appliance signs a checkpoint that names this one as its origin.
    let claimed = {
        let liar = Appliance { log: appliance.log.clone(), key: evidence::key::SigningKey::from_seed(&[2; 32]) };
        liar.checkpoint(&records)
    };
    for (what, checkpoint) in [
        ("a wrong root", appliance.sign(6, [7; 32])),
        ("a smaller size", appliance.checkpoint(&records[..5])),
        ("a larger size", appliance.sign(7, [7; 32])),
        ("a size beyond all bounds", appliance.sign(u64::MAX, [7; 32])),
        ("another origin", other.checkpoint(&records)),
        ("another key under this origin", claimed),
        ("no signature", good.split_inclusive('\n').take(4).collect()),
        ("a changed signature", flipped(&good, 10)),
        ("another note's text", good.replacen("\n6\n", "\n06\n", 1)),
        ("an extension line", good.replacen("=\n\n", "=\nmore\n\n", 1)),
        ("line ends of another system", good.replace('\n', "\r\n")),
        ("nothing", String::new()),
        ("noise", "checkpoint".into()),
        ("a megabyte", "A".repeat(1 << 20)),
    ] {
        let body = json!({ "first": 4, "records": records[4..], "checkpoint": checkpoint });
        let answer = server.post_json(&appliance.path(), &body).await;
        assert_eq!(place(&answer), None, "{what}: {answer:?}");
    }
    for first in [u64::MAX, u64::MAX - 1, i64::MAX as u64, 1 << 53] {
        let body = json!({ "first": first, "records": ["x"], "checkpoint": good });
        assert_eq!(place(&server.post_json(&appliance.path(), &body).await), None, "{first}");
    }
    assert_eq!(appliance.receipt(&server, 4, &records).await.checkpoint().size, 6);
}

#[tokio::test]
async fn a_flood_of_refusals_is_bounded_and_does_not_wash_away_a_proof() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..2);
    appliance.receipt(&server, 0, &records).await;
    let forged = appliance.record(1, "another");
    appliance.push(&server, 0, &with(&records, 1, forged.clone())).await;
    for number in 0..130 {
        let body = json!({ "first": 0, "records": [], "checkpoint": appliance.sign(number + 10, [0; 32]) });
        assert_eq!(place(&server.post_json(&appliance.path(), &body).await), None);
    }
    let kept = refusals(&server, &appliance).await;
    assert_eq!(kept.len(), 101, "the newest 100 without proof, and the proof");
    assert_eq!(kept[0]["proof"], json!(forged), "first");
    assert!(kept.iter().all(|row| row["problem"].as_str().is_some_and(|problem| problem.len() < 1300)));
}

#[tokio::test]
async fn settled_refusals_stay_on_record_and_the_next_one_counts_again() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..2);
    appliance.receipt(&server, 0, &records).await;
    let fork = with(&records, 1, appliance.record(1, "another"));
    appliance.push(&server, 0, &fork).await;
    assert_eq!(server.command("settle", &[appliance.id()]), "1 settled");
    assert_eq!(server.get("/v1/appliances").await.json()[0]["contradictions"], json!(0));
    let kept = refusals(&server, &appliance).await;
    assert!(kept.len() == 1 && kept[0]["settled"].is_string() && kept[0]["proof"].is_string(), "{kept:?}");
    appliance.push(&server, 0, &fork).await;
    assert_eq!(server.get("/v1/appliances").await.json()[0]["contradictions"], json!(1));
    assert_eq!(refusals(&server, &appliance).await.len(), 2);
}

#[tokio::test]
async fn the_bureaus_own_damage_accuses_nobody() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..5);
    appliance.receipt(&server, 0, &records[..4]).await;
    for damage in [
        "UPDATE records SET jws = 'x' WHERE seq = 2",
        "UPDATE records SET nodes = zeroblob(length(nodes)) WHERE seq = 3",
        "DELETE FROM records WHERE seq = 1",
    ] {
        server.database().execute(damage, []).expect("damaged");
        let answer = appliance.push(&server, 0, &records).await;
        assert_eq!(answer.refusal(), StatusCode::INTERNAL_SERVER_ERROR, "{damage}: {answer:?}");
        assert!(!answer.text.contains("SELECT") && !answer.text.contains("damaged"), "{answer:?}");
    }
    assert_eq!(refusals(&server, &appliance).await.len(), 0);
}
