//! A code registers one appliance, once, and only one that holds its key.

use crate::appliance::Appliance;
use crate::server::Server;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_code_and_a_proof_register_and_the_answer_names_the_bureau() {
    let server = Server::start();
    let appliance = Appliance::new(1);
    let code = server.invite();
    let answer = appliance.register(&server, &code).await;
    assert_eq!(answer.status, StatusCode::OK);
    let expected = json!({ "device": appliance.id(), "bureau": "bureau/test", "bureau_key": server.bureau_key() });
    assert_eq!(answer.json(), expected);
    // An appliance that has lost the answer asks again.
    assert_eq!(appliance.register(&server, &code).await, answer);
    // And one that registers anew, with another code, is the same appliance still.
    assert_eq!(appliance.register(&server, &server.invite()).await, answer);
    assert_eq!(server.get("/v1/appliances").await.json().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_code_is_good_for_one_appliance_and_a_wrong_one_for_none() {
    let server = Server::start();
    let (first, second) = (Appliance::new(1), Appliance::new(2));
    let code = server.invite();
    for wrong in ["", "AAAAA-AAAAA-AAAAA-AAAAA", "' OR '1'='1", &code[..22], &format!("{code} ")] {
        assert_eq!(first.register(&server, wrong).await.refusal(), StatusCode::FORBIDDEN, "{wrong:?}");
    }
    assert_eq!(first.register(&server, &code).await.status, StatusCode::OK);
    assert_eq!(second.register(&server, &code).await.refusal(), StatusCode::FORBIDDEN);
    assert_eq!(second.push(&server, 0, &second.records(0..1)).await.refusal(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn two_that_race_for_a_code_do_not_both_get_it() {
    let server = Server::start();
    let code = server.invite();
    let appliances: Vec<Appliance> = (1..=8).map(Appliance::new).collect();
    let mut answers = Vec::new();
    for appliance in &appliances {
        let request = server.client.post(server.url("/v1/register")).body(appliance.registration(&code).to_string());
        answers.push(tokio::spawn(async move { request.send().await.expect("an answer").status() }));
    }
    let mut good = 0;
    for answer in answers {
        match answer.await.expect("no panic") {
            StatusCode::OK => good += 1,
            status => assert_eq!(status, StatusCode::FORBIDDEN),
        }
    }
    assert_eq!(good, 1);
}

#[tokio::test]
async fn whoever_does_not_hold_the_key_uses_up_no_code() {
    let server = Server::start();
    let (appliance, thief) = (Appliance::new(1), Appliance::new(2));
    let code = server.invite();
    let with = |field: &str, value: serde_json::Value| {
        let mut request = appliance.registration(&code);
        request[field] = value;
        request
    };
    let signed =
        |key: &Appliance, statement: String| json!(BASE64_URL_SAFE_NO_PAD.encode(key.key.sign(statement.as_bytes())));
    let statement = format!("rollcall-register/v1\n{code}\n{}", appliance.id());
    for (what, request) in [
        ("another key's signature", with("proof", signed(&thief, statement.clone()))),
        ("a proof for another code", with("proof", signed(&appliance, statement.replace(&code, "OTHER")))),
        ("a proof for another id", with("proof", signed(&appliance, statement.replace(appliance.id(), thief.id())))),
        ("no proof", with("proof", json!(""))),
        ("half a proof", with("proof", json!("AAAA"))),
        ("another appliance's id", with("device", json!(thief.id()))),
        ("another appliance's key", with("key", json!(thief.log.key))),
        ("a key that anybody can sign for", with("key", json!(BASE64_URL_SAFE_NO_PAD.encode([0; 32])))),
        ("no key", with("key", json!("key"))),
        ("an id to inject", with("device", json!("'; DROP TABLE appliances; --"))),
        ("an unknown field", with("admin", json!(true))),
    ] {
        let answer = server.post_json("/v1/register", &request).await;
        assert_eq!(answer.refusal(), StatusCode::BAD_REQUEST, "{what}: {answer:?}");
    }
    assert_eq!(appliance.register(&server, &code).await.status, StatusCode::OK, "the code is still good");
}

#[tokio::test]
async fn a_code_expires_and_a_wrong_clock_makes_none_that_is_good_for_ever() {
    let server = Server::start();
    let appliance = Appliance::new(1);
    let week = 7 * 24 * 3600;
    for age in [week + 60, -(week + 60)] {
        let code = server.invite();
        let aged = server.database().execute("UPDATE invites SET created = created - ?1", [age]);
        assert!(aged.is_ok());
        let answer = appliance.register(&server, &code).await;
        assert_eq!(answer.refusal(), StatusCode::FORBIDDEN, "{age}");
        assert!(answer.text.contains("expired"), "{answer:?}");
    }
    // One that was used in time is answered for ever.
    let code = server.invite();
    assert_eq!(appliance.register(&server, &code).await.status, StatusCode::OK);
    server.database().execute("UPDATE invites SET created = 0", []).expect("aged");
    assert_eq!(appliance.register(&server, &code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_key_under_a_known_id_is_refused() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    // As if somebody had found a second key for this id.
    let other = Appliance::new(2).log.key.to_string();
    server.database().execute("UPDATE appliances SET key = ?1", [other]).expect("changed");
    let answer = appliance.register(&server, &server.invite()).await;
    assert_eq!(answer.refusal(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn codes_are_kept_as_hashes_only() {
    let server = Server::start();
    let code = server.invite();
    assert_eq!((code.len(), code.matches('-').count()), (23, 3), "{code}");
    for name in ["bureau.db", "bureau.db-wal"] {
        let bytes = std::fs::read(server.folder.path().join(name)).unwrap_or_default();
        assert!(!bytes.windows(code.len()).any(|window| window == code.as_bytes()), "{name}");
    }
}
