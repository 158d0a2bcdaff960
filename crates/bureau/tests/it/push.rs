//! What verifies is kept and countersigned, and can be sent again.

use crate::appliance::Appliance;
use crate::server::Server;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn kept(server: &Server, appliance: &Appliance) -> Vec<String> {
    let answer = server.get(&format!("/v1/appliances/{}/records", appliance.id())).await;
    let records = answer.json()["records"].as_array().cloned().expect("a list");
    records.iter().map(|record| record.as_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn batches_are_kept_in_order_and_each_is_countersigned() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..40);
    for (first, size) in [(0, 0), (0, 1), (1, 7), (7, 8), (8, 8), (8, 40)] {
        let receipt = appliance.receipt(&server, first, &records[..size]).await;
        assert_eq!(receipt.checkpoint().size, size as u64);
    }
    assert_eq!(kept(&server, &appliance).await, records);
}

#[tokio::test]
async fn plain_and_zstd_are_the_same() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..20);
    let mut first = 0;
    for (size, encoding) in [(5, "zstd"), (10, "ZSTD"), (15, "identity")] {
        let body = appliance.push_body(first, &records[..size]).to_string().into_bytes();
        let packed = zstd::bulk::compress(&body, 3).expect("packed");
        let body = if encoding == "identity" { body } else { packed };
        let answer = server.post(&appliance.path(), body, Some(encoding)).await;
        assert_eq!(appliance.read_receipt(&answer, server.bureau_key()).checkpoint().size, size as u64);
        first = size;
    }
}

#[tokio::test]
async fn a_repeat_and_an_overlap_are_answered_the_same_way() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..30);
    appliance.receipt(&server, 0, &records[..10]).await;
    let older = appliance.push(&server, 0, &records[..10]).await;
    // What is not the newest any more is answered as it was.
    appliance.receipt(&server, 10, &records[..20]).await;
    assert_eq!(appliance.push(&server, 0, &records[..10]).await, older);
    // All of it, a part, and parts that were never batches.
    for (first, size) in [(0, 20), (5, 20), (19, 20), (20, 20), (3, 13), (0, 1), (5, 25), (24, 30), (0, 0)] {
        let receipt = appliance.receipt(&server, first, &records[..size]).await;
        assert_eq!(receipt.checkpoint().size, size as u64, "{first}");
    }
    assert_eq!(kept(&server, &appliance).await, records);
}

#[tokio::test]
async fn an_empty_push_gets_a_fresh_receipt_and_the_first_one_stays() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..3);
    let first = appliance.receipt(&server, 0, &records).await;
    // Two seconds ago, as far as the bureau is concerned.
    let past = first.unix_seconds() - 2;
    server.database().execute("UPDATE clock SET newest = ?1", [past as i64]).expect("changed");
    while appliance.receipt(&server, 3, &records).await.unix_seconds() == first.unix_seconds() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let note = |column: &str| -> String {
        let query = format!("SELECT {column} FROM receipts WHERE size = 3");
        server.database().query_row(&query, [], |row| row.get(0)).expect("a receipt")
    };
    assert_eq!(note("note"), first.to_text(), "the tightest bound on when the records were there");
    let checkpoint = server.get(&format!("/v1/appliances/{}/checkpoint", appliance.id())).await;
    assert_eq!(note("renewed_note"), checkpoint.text);
}

/// Whoever has seen a checkpoint can add lines to it, as many as a note may have; the receipt must still be one.
#[tokio::test]
async fn lines_that_somebody_adds_to_a_checkpoint_are_not_kept() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..3);
    appliance.receipt(&server, 0, &records).await;
    let junk = format!("\u{2014} {} {}\n", appliance.id(), BASE64_STANDARD.encode([7; 68]));
    let checkpoint = appliance.checkpoint(&records) + &junk.repeat(63);
    let body = json!({ "first": 3, "records": [], "checkpoint": checkpoint });
    let answer = server.post_json(&appliance.path(), &body).await;
    assert_eq!(appliance.read_receipt(&answer, server.bureau_key()).checkpoint().size, 3);
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("log");
    bureau::export(&bureau::Bureau::open(server.folder.path()).expect("a bureau"), appliance.id(), &out)
        .expect("exported");
    let verdict = bureau::verify(&out, Some(server.bureau_key())).expect("readable");
    assert!(verdict.verified, "{verdict}");
}

#[tokio::test]
async fn a_gap_is_answered_with_the_size_to_resume_at() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..10);
    for (first, size) in [(1, 0), (10, 0), (5, 4)] {
        appliance.receipt(&server, 0, &records[..size]).await;
        let answer = appliance.push(&server, first, &records).await;
        assert_eq!((answer.refusal(), &answer.json()["size"]), (StatusCode::CONFLICT, &json!(size)));
    }
    // Not even an empty one may leave records out.
    let answer = appliance.push(&server, 10, &records).await;
    assert_eq!((answer.refusal(), &answer.json()["size"]), (StatusCode::CONFLICT, &json!(4)));
    assert_eq!(appliance.receipt(&server, 4, &records).await.checkpoint().size, 10);
}

#[tokio::test]
async fn five_thousand_records_are_taken_and_one_more_is_not() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..5001);
    let answer = appliance.push(&server, 0, &records).await;
    assert_eq!((answer.refusal(), &answer.json()["most"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!(5000)));
    assert_eq!(appliance.receipt(&server, 0, &records[..5000]).await.checkpoint().size, 5000);
    assert_eq!(appliance.receipt(&server, 5000, &records).await.checkpoint().size, 5001);
}

#[tokio::test]
async fn two_that_push_the_same_at_once_both_get_a_receipt_and_nothing_is_doubled() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let records = appliance.records(0..200);
    let mut pushes = Vec::new();
    for (first, size) in [(0, 100), (0, 200), (0, 50), (0, 200), (0, 150), (0, 100)] {
        let body = appliance.push_body(first, &records[..size]).to_string();
        let request = server.client.post(server.url(&appliance.path())).body(body);
        pushes.push(tokio::spawn(async move { request.send().await.expect("an answer").status() }));
    }
    for push in pushes {
        assert_eq!(push.await.expect("no panic"), StatusCode::OK);
    }
    assert_eq!(kept(&server, &appliance).await, records);
}

#[tokio::test]
async fn of_two_logs_that_are_pushed_at_once_one_wins_and_the_other_is_a_fork() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let logs: Vec<Vec<String>> =
        (0..6).map(|log| (0..100).map(|seq| appliance.record(seq, &format!("log {log}"))).collect()).collect();
    let mut pushes = Vec::new();
    for log in &logs {
        let body = appliance.push_body(0, log).to_string();
        let request = server.client.post(server.url(&appliance.path())).body(body);
        pushes.push(tokio::spawn(async move { request.send().await.expect("an answer").status() }));
    }
    let mut winners = Vec::new();
    for (log, push) in pushes.into_iter().enumerate() {
        match push.await.expect("no panic") {
            StatusCode::OK => winners.push(log),
            status => assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(kept(&server, &appliance).await, logs[winners[0]]);
}

#[tokio::test]
async fn appliances_do_not_come_into_each_others_way() {
    let server = Server::start();
    let mut all = Vec::new();
    for seed in 1..=4 {
        let appliance = Appliance::registered(seed, &server).await;
        appliance.receipt(&server, 0, &appliance.records(0..u64::from(seed))).await;
        all.push(appliance);
    }
    for (appliance, size) in all.iter().zip(1..) {
        assert_eq!(kept(&server, appliance).await, appliance.records(0..size));
    }
    let listed = server.get("/v1/appliances").await.json();
    let sizes: Vec<Value> = listed.as_array().expect("a list").iter().map(|row| row["records"].clone()).collect();
    assert_eq!(sizes, [1, 2, 3, 4]);
}
