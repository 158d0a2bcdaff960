//! A bureau in a folder of its own, and its server as a process that can be killed.

use reqwest::{Client, RequestBuilder, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

pub const NAME: &str = "bureau/test";

/// The `bureau` program.
pub fn bureau(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bureau")).args(arguments).output().expect("the program runs")
}

pub fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).expect("text")
}

pub struct Server {
    pub folder: TempDir,
    process: Option<Child>,
    pub address: String,
    pub client: Client,
}

/// An answer, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status, when the body is the protocol's error; panics when it is not.
    pub fn refusal(&self) -> StatusCode {
        assert!(!self.status.is_success() && self.json()["error"].is_string(), "{self:?}");
        self.status
    }
}

/// A client that trusts the CA in `folder`, and no other.
pub fn client(folder: &Path) -> Client {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).expect("a CA")).expect("a CA");
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder().tls_backend_preconfigured(tls).https_only(true).no_proxy().build().expect("a client")
}

impl Server {
    pub fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        bureau::init(folder.path(), NAME, &[]).expect("set up");
        Server::start_in(folder)
    }

    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    pub fn start_in(folder: TempDir) -> Server {
        let client = client(folder.path());
        let mut server = Server { folder, process: None, address: "127.0.0.1:0".into(), client };
        server.serve();
        server
    }

    /// Starts the process, where it listened before.
    pub fn serve(&mut self) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_bureau"))
            .args(["serve", "--listen", &self.address, "--dir", self.dir()])
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let listening = lines.find_map(|line| line.strip_prefix("listening on https://").map(str::to_owned));
        self.address = listening.expect("listening");
        self.process = Some(process);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("gone");
        }
    }

    pub fn dir(&self) -> &str {
        self.folder.path().to_str().expect("plain letters")
    }

    /// Runs a command on the server's folder; panics when it fails.
    pub fn command(&self, command: &str, arguments: &[&str]) -> String {
        let output = bureau(&[&[command, "--dir", self.dir()], arguments].concat());
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    pub fn invite(&self) -> String {
        self.command("invite", &[])
    }

    pub fn token(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("staff.token")).expect("made").trim().to_owned()
    }

    pub fn bureau_key(&self) -> evidence::key::VerifyingKey {
        bureau::Bureau::open(self.folder.path()).expect("a bureau").key.verifying_key()
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.expect("an answer");
        Answer { status: answer.status(), text: answer.text().await.expect("text") }
    }

    pub async fn post(&self, path: &str, body: Vec<u8>, encoding: Option<&str>) -> Answer {
        let mut request = self.client.post(self.url(path)).body(body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        self.send(request).await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, body.to_string().into_bytes(), None).await
    }

    /// As the bureau's staff.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path)).bearer_auth(self.token())).await
    }

    /// The database, behind the server's back.
    pub fn database(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.folder.path().join("bureau.db")).expect("there");
        connection.busy_timeout(std::time::Duration::from_secs(10)).expect("set");
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
