//! Bodies that are too long, too slow or no push at all get a clear answer, and hold nobody else up.

use crate::appliance::Appliance;
use crate::server::{Server, client};
use bureau::{Bureau, Limits};
use reqwest::StatusCode;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test]
async fn bodies_that_are_no_push_get_a_clear_answer() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).expect("packed");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let checkpoint = appliance.checkpoint(&[]);
    let packed = zstd(appliance.push_body(0, &[]).to_string().as_bytes());
    for (what, body, encoding) in [
        ("nothing", Vec::new(), None),
        ("noise", vec![0xff; 1000], None),
        ("a list", b"[]".to_vec(), None),
        ("a field is missing", br#"{"first":0,"records":[]}"#.to_vec(), None),
        ("an unknown field", json!({"first":0,"records":[],"checkpoint":checkpoint,"x":1}).to_string().into(), None),
        ("a field twice", format!(r#"{{"first":0,"first":0,"records":[],"checkpoint":{checkpoint:?}}}"#).into(), None),
        ("a negative place", json!({"first":-1,"records":[],"checkpoint":checkpoint}).to_string().into(), None),
        ("a fractional place", json!({"first":0.5,"records":[],"checkpoint":checkpoint}).to_string().into(), None),
        ("a place past 64 bits", r#"{"first":18446744073709551616,"records":[],"checkpoint":""}"#.into(), None),
        ("numbers for records", json!({"first":0,"records":[1],"checkpoint":checkpoint}).to_string().into(), None),
        ("a lone surrogate", r#"{"first":0,"records":["\ud800"],"checkpoint":""}"#.into(), None),
        ("no UTF-8", b"{\"first\":0,\"records\":[\"\xff\"],\"checkpoint\":\"\"}".to_vec(), None),
        ("endless nesting", deep.clone().into_bytes(), None),
        ("endless nesting, packed", zstd(deep.as_bytes()), Some("zstd")),
        ("something after it", format!("{}x", appliance.push_body(0, &[])).into(), None),
        ("noise said to be zstd", vec![0xff; 1000], Some("zstd")),
        ("JSON said to be zstd", appliance.push_body(0, &[]).to_string().into(), Some("zstd")),
        ("zstd that breaks off", packed[..packed.len() - 5].to_vec(), Some("zstd")),
        ("zstd that nobody announced", packed.clone(), None),
    ] {
        let answer = server.post(&appliance.path(), body, encoding).await;
        assert_eq!(answer.refusal(), StatusCode::BAD_REQUEST, "{what}: {answer:?}");
    }
    for encoding in ["br", "gzip", "zstd, zstd", ""] {
        let answer = server.post(&appliance.path(), packed.clone(), Some(encoding)).await;
        assert_eq!(answer.refusal(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding:?}");
    }
    appliance.receipt(&server, 0, &appliance.records(0..1)).await;
}

#[tokio::test]
async fn more_than_32_mib_are_not_taken_packed_or_not() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let long = vec![b' '; (32 << 20) + 1];
    assert_eq!(server.post(&appliance.path(), long, None).await.refusal(), StatusCode::PAYLOAD_TOO_LARGE);
    let bomb = zstd::bulk::compress(&vec![b' '; 1 << 30], 3).expect("packed");
    assert!(bomb.len() < 1 << 20);
    let answer = server.post(&appliance.path(), bomb.clone(), Some("zstd")).await;
    assert_eq!(answer.refusal(), StatusCode::PAYLOAD_TOO_LARGE);
    // Frame after frame.
    let frames = zstd::bulk::compress(&vec![b' '; 1 << 20], 3).expect("packed").repeat(100);
    let answer = server.post(&appliance.path(), frames, Some("zstd")).await;
    assert_eq!(answer.refusal(), StatusCode::PAYLOAD_TOO_LARGE);
    // A frame that only asks for a window of 2 GiB.
    let window = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8][..], &[0x01, 0x00, 0x00]].concat();
    assert_eq!(server.post(&appliance.path(), window, Some("zstd")).await.refusal(), StatusCode::BAD_REQUEST);
    assert!(memory_mib(&server) < 200, "{} MiB", memory_mib(&server));
    appliance.receipt(&server, 0, &appliance.records(0..1)).await;
}

#[tokio::test]
async fn millions_of_empty_records_are_counted_not_kept() {
    let server = Server::start();
    let appliance = Appliance::registered(1, &server).await;
    let body = format!(r#"{{"first":0,"records":[""{}],"checkpoint":""}}"#, r#","""#.repeat(10_000_000));
    let packed = zstd::bulk::compress(body.as_bytes(), 1).expect("packed");
    let answer = server.post(&appliance.path(), packed, Some("zstd")).await;
    assert_eq!(answer.refusal(), StatusCode::PAYLOAD_TOO_LARGE, "{answer:?}");
    assert!(answer.text.contains("10000001"), "{answer:?}");
    assert!(memory_mib(&server) < 150, "{} MiB", memory_mib(&server));
}

#[tokio::test]
async fn a_strangers_body_is_answered_and_not_held() {
    let server = Server::start();
    let stranger = Appliance::new(9);
    for path in [
        stranger.path(),
        "/v1/appliances/..%2f..%2fetc%2fpasswd/log".into(),
        "/v1/appliances/'%20OR%201=1--/log".into(),
        "/v1/appliances/%00/log".into(),
        "/v1/appliances/%ff%fe/log".into(),
        format!("/v1/appliances/{}/log", "a".repeat(5000)),
    ] {
        let answer = server.post(&path, vec![b'x'; 20 << 20], None).await;
        assert_eq!(answer.refusal(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(memory_mib(&server) < 60, "{} MiB", memory_mib(&server));
    let answer = server.post("/v1/register", vec![b' '; 1 << 20], None).await;
    assert_eq!(answer.refusal(), StatusCode::PAYLOAD_TOO_LARGE, "registration needs no such body");
}

#[tokio::test]
async fn every_wrong_address_and_method_is_answered_in_json() {
    let server = Server::start();
    for path in ["/v1", "/v2/register", "/v1/appliances/x", "/.git/config", "/%2e%2e/bureau.key", "//"] {
        assert_eq!(server.get(path).await.refusal(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(server.get("/v1/register").await.refusal(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(server.post("/v1/appliances", vec![], None).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

/// Most memory that the server's process ever held.
fn memory_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") / 1024
}

/// A server in this process, with limits that a test can wait for.
fn strict(limits: Limits) -> (tempfile::TempDir, String, reqwest::Client) {
    let folder = tempfile::tempdir().expect("a folder");
    bureau::init(folder.path(), "bureau/test", &[]).expect("set up");
    let bureau = Arc::new(Bureau::open(folder.path()).expect("just set up"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move { bureau::serve(bureau, listener, &limits).await });
    let client = client(folder.path());
    (folder, address, client)
}

/// A TLS connection that does as it pleases.
fn connect(folder: &std::path::Path, address: &str) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    let ca = rustls::pki_types::CertificateDer::from_pem_file(folder.join("ca.pem")).expect("a CA");
    roots.add(ca).expect("a CA");
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = rustls::ClientConnection::new(Arc::new(tls), "localhost".try_into().expect("a name"));
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    rustls::StreamOwned::new(connection.expect("a connection"), stream)
}

/// What the server says before it closes the connection, and after how long.
fn dribble(folder: &std::path::Path, address: &str, head: &str) -> (String, Duration) {
    let mut stream = connect(folder, address);
    let start = Instant::now();
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    stream.sock.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    while start.elapsed() < Duration::from_secs(10) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
        if answer.is_empty() && stream.write_all(b"x").is_err() {
            break;
        }
    }
    (String::from_utf8_lossy(&answer).into_owned(), start.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_bodies_that_dribble_are_cut_off() {
    let limits = Limits { head: Duration::from_secs(1), body: Duration::from_secs(1), ..Limits::default() };
    let (folder, address, _client) = strict(limits);
    let folder = folder.path().to_owned();
    let cut = tokio::task::spawn_blocking(move || {
        let nothing = dribble(&folder, &address, "");
        let head = dribble(&folder, &address, "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
        let body = "POST /v1/register HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000\r\n\r\n";
        let body = dribble(&folder, &address, body);
        let chunked = "POST /v1/appliances/x/log HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000000\r\n\r\n";
        (nothing, head, body, dribble(&folder, &address, chunked))
    });
    let (nothing, head, body, stranger) = cut.await.expect("no panic");
    for (what, (answer, time)) in
        [("nothing", &nothing), ("a head", &head), ("a body", &body), ("a stranger", &stranger)]
    {
        assert!(*time < Duration::from_secs(8), "{what} took {time:?}: {answer}");
    }
    assert!(body.0.contains("408") && body.0.contains("took too long"), "{}", body.0);
    assert!(stranger.0.contains("404"), "{}", stranger.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_bodies_hold_together_is_bounded_and_given_back() {
    let limits = Limits { memory: 4 << 20, body: Duration::from_secs(2), ..Limits::default() };
    let (folder, address, client) = strict(limits);
    let url = format!("https://{address}/v1/register");
    // A body that holds nearly all of it stalls.
    let path = folder.path().to_owned();
    let (started, waiting) = std::sync::mpsc::channel();
    let holder = {
        let address = address.clone();
        std::thread::spawn(move || {
            let mut streams: Vec<_> = (0..1100).map(|_| ()).collect();
            streams.truncate(1);
            let mut open = Vec::new();
            // Each takes at least one KiB of the budget, and 4 MiB are 4096 of those.
            for _ in 0..40 {
                let mut stream = connect(&path, &address);
                let head = "POST /v1/register HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4096\r\n\r\n";
                stream.write_all(head.as_bytes()).expect("sent");
                for _ in 0..120 {
                    stream.write_all(b" ").expect("sent");
                    stream.flush().expect("sent");
                }
                open.push(stream);
            }
            started.send(()).expect("waited for");
            std::thread::sleep(Duration::from_millis(200));
            drop(open);
        })
    };
    tokio::task::spawn_blocking(move || waiting.recv()).await.expect("no panic").expect("sent");
    let answer = client.post(&url).body("{}").send().await.expect("an answer");
    assert!(matches!(answer.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_REQUEST));
    holder.join().expect("no panic");
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let answer = client.post(&url).body("{}").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "there is room again");
}
