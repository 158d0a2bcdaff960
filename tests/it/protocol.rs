//! The bureau's side of the protocol against a hostile appliance: what does not verify is refused, with its place, and
//! changes nothing.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bureau::Bureau;
use evidence::checkpoint::{Checkpoint, Countersigned, Log, Signed, Witness};
use evidence::key::SigningKey;
use evidence::record::{ClockQuality, Data, Export, Record};
use evidence::tree::{Frontier, leaf_hash};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;

/// A bureau that serves on loopback, without its TLS, which other tests have.
struct Server {
    folder: TempDir,
    address: String,
    client: Client,
}

impl Server {
    async fn start() -> Server {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        bureau::init(folder.path(), "bureau/test", &[]).expect("set up");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let bureau = Arc::new(Bureau::open(folder.path()).expect("just set up"));
        tokio::spawn(async move { axum::serve(listener, bureau::router(bureau)).await });
        Server { folder, address, client: Client::builder().no_proxy().build().expect("a client") }
    }

    async fn post(&self, path: &str, body: Vec<u8>, encoding: Option<&str>) -> (StatusCode, String) {
        let mut request = self.client.post(format!("{}{path}", self.address)).body(body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    }

    async fn json(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let (status, text) = self.post(path, body.to_string().into_bytes(), None).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (StatusCode, String) {
        let mut request = self.client.get(format!("{}{path}", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("staff.token")).expect("made").trim().to_owned()
    }

    fn invite(&self) -> String {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_rollcall")).with_file_name("bureau");
        let invited = std::process::Command::new(program).args(["invite", "--dir"]).arg(self.folder.path()).output();
        String::from_utf8(invited.expect("cargo build --workspace").stdout).expect("text").trim().to_owned()
    }
}

/// An appliance that can lie.
struct Appliance {
    key: SigningKey,
    log: Log,
}

impl Appliance {
    fn new(seed: u8) -> Appliance {
        let key = SigningKey::from_seed(&[seed; 32]);
        Appliance { log: Log::of(key.verifying_key()), key }
    }

    async fn register(&self, server: &Server, code: &str) -> (StatusCode, Value) {
        let proof = self.key.sign(format!("rollcall-register/v1\n{code}\n{}", self.log.origin).as_bytes());
        let proof = BASE64_URL_SAFE_NO_PAD.encode(proof);
        let body = json!({ "code": code, "device": self.log.origin, "key": self.log.key, "proof": proof });
        server.json("/v1/register", &body).await
    }

    /// Record `seq`; `what` makes one differ from another in the same place.
    fn record(&self, seq: u64, what: &str) -> String {
        let record = Record {
            device: self.log.origin.clone(),
            seq,
            time: "2026-11-24T08:00:00.000+08:00".into(),
            clock: ClockQuality::Synced,
            data: Data::Export(Export { what: what.into(), size: seq, claim: None }),
        };
        record.sign(&self.key).expect("a good record").into_text()
    }

    fn records(&self, seqs: std::ops::Range<u64>) -> Vec<String> {
        seqs.map(|seq| self.record(seq, "log")).collect()
    }

    fn checkpoint(&self, records: &[String]) -> String {
        let mut frontier = Frontier::new();
        records.iter().for_each(|record| drop(frontier.push(leaf_hash(record.as_bytes()))));
        let checkpoint = Checkpoint { origin: self.log.origin.clone(), size: frontier.size(), root: frontier.root() };
        Signed::sign(checkpoint, &self.key).expect("a good checkpoint").to_text()
    }

    /// Pushes `records[first..]`, under a checkpoint over all of them.
    async fn push(&self, server: &Server, first: usize, records: &[String]) -> (StatusCode, Value) {
        let body = json!({ "first": first, "records": records[first..], "checkpoint": self.checkpoint(records) });
        server.json(&self.path(), &body).await
    }

    fn path(&self) -> String {
        format!("/v1/appliances/{}/log", self.log.origin)
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(test);
}

#[test]
fn a_code_registers_one_appliance_that_proves_its_key() {
    run(async {
        let server = Server::start().await;
        let (first, second) = (Appliance::new(1), Appliance::new(2));
        let code = server.invite();
        let stolen = json!({ "code": code, "device": first.log.origin, "key": first.log.key,
            "proof": BASE64_URL_SAFE_NO_PAD.encode(second.key.sign(b"rollcall-register/v1\n")) });
        assert_eq!(server.json("/v1/register", &stolen).await.0, StatusCode::BAD_REQUEST);
        let other_name = json!({ "code": code, "device": second.log.origin, "key": first.log.key, "proof": "" });
        assert_eq!(server.json("/v1/register", &other_name).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(first.register(&server, "WRONG").await.0, StatusCode::FORBIDDEN);
        let (status, reply) = first.register(&server, &code).await;
        assert_eq!((status, reply["bureau"].as_str()), (StatusCode::OK, Some("bureau/test")));
        assert_eq!(first.register(&server, &code).await, (StatusCode::OK, reply), "a repeat is answered the same");
        assert_eq!(second.register(&server, &code).await.0, StatusCode::FORBIDDEN);
        let (status, _) = second.push(&server, 0, &second.records(0..1)).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn what_verifies_is_countersigned_and_a_repeat_is_answered_the_same_way() {
    run(async {
        let server = Server::start().await;
        let appliance = Appliance::new(1);
        let (_, reply) = appliance.register(&server, &server.invite()).await;
        let key = reply["bureau_key"].as_str().expect("a key").parse().expect("a key");
        let witness = Witness { name: "bureau/test".into(), key };
        let records = appliance.records(0..12);
        let countersigned = |answer: &(StatusCode, Value)| {
            assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
            let note = answer.1.as_str().expect("a note");
            Countersigned::parse(note, &appliance.log, &witness).expect("a receipt").checkpoint().size
        };
        assert_eq!(countersigned(&appliance.push(&server, 0, &[]).await), 0);
        assert_eq!(countersigned(&appliance.push(&server, 0, &records[..5]).await), 5);
        let (status, gap) = appliance.push(&server, 7, &records).await;
        assert_eq!((status, gap["size"].as_u64()), (StatusCode::CONFLICT, Some(5)));
        assert_eq!(countersigned(&appliance.push(&server, 0, &records[..5]).await), 5);
        assert_eq!(countersigned(&appliance.push(&server, 2, &records[..9]).await), 9);
        assert_eq!(countersigned(&appliance.push(&server, 0, &records[..3]).await), 3);
        assert_eq!(countersigned(&appliance.push(&server, 9, &records[..9]).await), 9);
        let json = json!({ "first": 9, "records": records[9..], "checkpoint": appliance.checkpoint(&records) });
        let packed = zstd::bulk::compress(json.to_string().as_bytes(), 3).expect("packed");
        let (status, _) = server.post(&appliance.path(), packed, Some("zstd")).await;
        assert_eq!(status, StatusCode::OK);

        let token = server.token();
        let path = format!("/v1/appliances/{}/records?first=10", appliance.log.origin);
        assert_eq!(server.get(&path, None).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(server.get(&path, Some("guess")).await.0, StatusCode::UNAUTHORIZED);
        let (_, text) = server.get(&path, Some(&token)).await;
        let listed: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(listed["records"], json!(records[10..]));
        let (_, page) = server.get("/", Some(&token)).await;
        assert!(page.contains(&appliance.log.origin) && page.contains("正常"), "{page}");
    });
}

#[test]
fn what_does_not_verify_is_refused_with_its_place_and_changes_nothing() {
    run(async {
        let server = Server::start().await;
        let (appliance, other) = (Appliance::new(1), Appliance::new(2));
        appliance.register(&server, &server.invite()).await;
        other.register(&server, &server.invite()).await;
        let records = appliance.records(0..6);
        appliance.push(&server, 0, &records[..4]).await;
        let with = |at: usize, record: String| {
            let mut changed = records.clone();
            changed[at] = record;
            changed
        };
        let mut flipped = records[5].clone().into_bytes();
        let last = flipped.len() - 10;
        flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).expect("ASCII");
        for (what, first, records, index) in [
            ("a fork of what is countersigned", 2, with(3, appliance.record(3, "another")), Some(3)),
            ("a bad signature", 4, with(5, flipped), Some(5)),
            ("a record of another appliance", 4, with(4, other.record(4, "log")), Some(4)),
            ("a record out of its place", 4, with(4, appliance.record(9, "log")), Some(4)),
            ("no record at all", 4, with(5, "<script>alert(1)</script>".into()), Some(5)),
        ] {
            let (status, answer) = appliance.push(&server, first, &records).await;
            assert_eq!(
                (status, answer["index"].as_u64()),
                (StatusCode::UNPROCESSABLE_ENTITY, index),
                "{what}: {answer}"
            );
        }
        let wrong = |checkpoint: String| json!({ "first": 4, "records": records[4..], "checkpoint": checkpoint });
        for (what, checkpoint) in [
            ("another root", appliance.checkpoint(&with(1, appliance.record(1, "another")))),
            ("another size", appliance.checkpoint(&records[..5])),
            ("another appliance's checkpoint", other.checkpoint(&records)),
            ("no checkpoint", "checkpoint".into()),
        ] {
            let (status, answer) = server.json(&appliance.path(), &wrong(checkpoint)).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {answer}");
        }
        // A log that is as good but not the one that is kept.
        let fork: Vec<String> = (0..6).map(|seq| appliance.record(seq, "fork")).collect();
        let (status, answer) = appliance.push(&server, 4, &fork).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        assert_eq!(appliance.push(&server, 4, &records).await.0, StatusCode::OK, "nothing of all that was kept");
        let (_, page) = server.get("/", Some(&server.token())).await;
        assert!(page.contains("未通过核验") && !page.contains("<script>alert"), "{page}");
    });
}

#[test]
fn bodies_that_are_no_push_get_a_clear_answer() {
    run(async {
        let server = Server::start().await;
        let appliance = Appliance::new(1);
        appliance.register(&server, &server.invite()).await;
        let path = appliance.path();
        let bomb = zstd::bulk::compress(&vec![b' '; 200 << 20], 3).expect("packed");
        assert!(bomb.len() < 1 << 20);
        for (what, body, encoding, expected) in [
            ("nothing", Vec::new(), None, StatusCode::BAD_REQUEST),
            ("noise", vec![0xff; 1000], None, StatusCode::BAD_REQUEST),
            ("noise said to be zstd", vec![0xff; 1000], Some("zstd"), StatusCode::BAD_REQUEST),
            ("another encoding", b"{}".to_vec(), Some("br"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (
                "an unknown field",
                br#"{"first":0,"records":[],"checkpoint":"","x":1}"#.to_vec(),
                None,
                StatusCode::BAD_REQUEST,
            ),
            (
                "a negative place",
                br#"{"first":-1,"records":[],"checkpoint":""}"#.to_vec(),
                None,
                StatusCode::BAD_REQUEST,
            ),
            ("much from little", bomb, Some("zstd"), StatusCode::PAYLOAD_TOO_LARGE),
        ] {
            let (status, text) = server.post(&path, body, encoding).await;
            assert_eq!(status, expected, "{what}: {text}");
            let json: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: no JSON: {text}"));
            assert!(json["error"].is_string(), "{what}");
        }
        let records = vec!["x"; 5001];
        let (status, answer) = server.json(&path, &json!({ "first": 0, "records": records, "checkpoint": "" })).await;
        assert_eq!((status, answer["most"].as_u64()), (StatusCode::PAYLOAD_TOO_LARGE, Some(5000)));
        let huge = json!({ "first": u64::MAX, "records": ["x"], "checkpoint": appliance.checkpoint(&[]) });
        assert_eq!(server.json(&path, &huge).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        for path in ["/v1/appliances/..%2f..%2fetc/log", "/v1/appliances/'%20OR%201=1--/log"] {
            let body = json!({ "first": 0, "records": [], "checkpoint": "" });
            assert_eq!(server.json(path, &body).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    });
}
