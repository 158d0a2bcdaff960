//! A TLS server that answers whatever a test wants, one answer a request: what may stand where a bureau should be.

use evidence::checkpoint::{Checkpoint, Log, Signed};
use evidence::key::SigningKey;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rollcall::config::SyncConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

pub const BUREAU: &str = "bureau.example/test";

pub fn bureau_key() -> SigningKey {
    SigningKey::from_seed(&[5; 32])
}

/// A request as it came in, unpacked.
pub struct Request {
    pub path: String,
    pub body: serde_json::Value,
}

impl Request {
    pub fn first(&self) -> u64 {
        self.body["first"].as_u64().expect("a number")
    }

    pub fn records(&self) -> usize {
        self.body["records"].as_array().expect("a list").len()
    }

    /// The checkpoint of a push, countersigned as an honest bureau would.
    pub fn countersigned(&self, log: &Log) -> String {
        let signed = Signed::parse(self.body["checkpoint"].as_str().expect("a note"), log).expect("well signed");
        signed.countersign(BUREAU, &bureau_key(), 1_790_000_000).expect("a good name").to_text()
    }
}

/// What to answer.
pub enum Answer {
    Status(u16, String),
    /// Says that so many bytes come, sends half of them and hangs up.
    Cut(String),
    /// Never stops.
    Endless,
    /// Hangs up without a word.
    Nothing,
}

pub fn ok(text: impl Into<String>) -> Answer {
    Answer::Status(200, text.into())
}

pub struct Server {
    pub config: SyncConfig,
    /// `first` and the number of records of every push, in order.
    pub pushes: Receiver<(u64, usize)>,
}

/// Serves on loopback until the test's process ends.
pub fn serve(folder: &Path, mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Server {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, cert.pem()).expect("written");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("supported")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a good key");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let (told, pushes) = channel();
    let told = Mutex::new(told);
    let tls = Arc::new(tls);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(tls.clone()).expect("set up");
            let mut stream = BufReader::new(StreamOwned::new(connection, stream));
            // A client that hangs up, or refuses the certificate, is none of the server's business.
            while let Ok(Some(request)) = read(&mut stream) {
                if request.body.get("first").is_some() {
                    let _ = told.lock().expect("whole").send((request.first(), request.records()));
                }
                let is_question = request.path == "/healthz";
                if write(stream.get_mut(), if is_question { ok("ok\n") } else { answer(&request) }).is_err() {
                    break;
                }
            }
        }
    });
    let config = format!(
        "bureau = \"https://localhost:{port}\"\nca = \"{}\"\nmax_backoff_seconds = 1\nbatch_records = 10\n",
        ca.display()
    );
    Server { config: toml::from_str(&config).expect("a config"), pushes }
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

fn read(stream: &mut BufReader<Stream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut is_zstd) = (0, false);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().expect("a number");
        }
        is_zstd |= header == "content-encoding: zstd";
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if is_zstd {
        body = zstd::decode_all(&body[..])?;
    }
    let body = if body.is_empty() { serde_json::Value::Null } else { serde_json::from_slice(&body).expect("JSON") };
    Ok(Some(Request { path, body }))
}

/// Fails when the connection is to be closed.
fn write(stream: &mut Stream, answer: Answer) -> std::io::Result<()> {
    let over = || Err(std::io::ErrorKind::ConnectionAborted.into());
    match answer {
        Answer::Status(status, text) => {
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}", text.len())?;
            stream.flush()
        }
        Answer::Cut(text) => {
            let half = &text.as_bytes()[..text.len() / 2];
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len())?;
            stream.write_all(half)?;
            stream.flush()?;
            over()
        }
        Answer::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[b'a'; 4096])?;
            }
        }
        Answer::Nothing => over(),
    }
}

/// A checkpoint of this log that was never its own: another root, well signed by the appliance's key.
pub fn forked(key: &SigningKey, size: u64) -> String {
    let log = Log::of(key.verifying_key());
    let signed = Signed::sign(Checkpoint { origin: log.origin, size, root: [7; 32] }, key).expect("signed");
    signed.countersign(BUREAU, &bureau_key(), 1_790_000_000).expect("countersigned").to_text()
}
