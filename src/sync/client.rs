//! HTTPS to one bureau: its own CA and no other, no redirects, no proxy; time and size of every answer are bounded.

use super::SyncError;
use super::error::quoted;
use crate::config::SyncConfig;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Longest answer that is read. A receipt measures under 1 kB.
const MAX_ANSWER: usize = evidence::note::MAX_LENGTH;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole request. Slow lines are met with smaller batches, not with longer waits.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// For the question whether anybody is there.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer, whole.
pub(super) struct Answer {
    pub url: String,
    pub status: StatusCode,
    pub text: String,
}

/// A connection pool to the configured bureau.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    /// Reads the CA file.
    pub fn new(config: &SyncConfig) -> Result<Client, SyncError> {
        let ca = |problem: String| SyncError::Ca { path: config.ca.clone(), problem };
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(&config.ca).map_err(|error| ca(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| ca(format!("not PEM: {error}")))?;
            roots.add(certificate).map_err(|error| ca(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(ca("no certificate in it".into()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SyncError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SyncError::Tls(chain(&error)))?;
        Ok(Client { http, base: config.bureau.clone() })
    }

    /// Posts JSON, compressed with zstd when `is_zstd`, to a path below the bureau's address.
    pub async fn post(&self, path: &[&str], body: Vec<u8>, is_zstd: bool) -> Result<Answer, SyncError> {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("https addresses have a path").pop_if_empty().extend(path);
        let text = url.to_string();
        let mut request = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        if is_zstd {
            request = request.header(CONTENT_ENCODING, "zstd");
        }
        answer(text, request).await
    }

    /// Whether a bureau answers at that address: asks for its `/healthz`.
    pub async fn ask(&self) -> Result<(), SyncError> {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("https addresses have a path").pop_if_empty().push("healthz");
        let answer = answer(url.to_string(), self.http.get(url).timeout(ASK_TIMEOUT)).await?;
        match (answer.status, answer.text.trim()) {
            (StatusCode::OK, "ok") => Ok(()),
            (StatusCode::OK, _) => Err(answer.garbage("it should be `ok`")),
            _ => Err(answer.refusal()),
        }
    }
}

/// Sends a request, and reads the answer.
async fn answer(text: String, request: RequestBuilder) -> Result<Answer, SyncError> {
    let failed = |error: reqwest::Error| SyncError::Unreachable { url: text.clone(), problem: chain(&error) };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let bytes = read(&mut response).await.map_err(failed)?;
    let wrong = |problem: String| SyncError::Answer { url: text.clone(), status: status.as_u16(), problem };
    let bytes = bytes.ok_or_else(|| wrong(format!("it is longer than {MAX_ANSWER} bytes")))?;
    let body = String::from_utf8(bytes).map_err(|_| wrong("it is not text".into()))?;
    Ok(Answer { url: text, status, text: body })
}

/// The body; `None` when it is too long.
async fn read(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// An error with its causes: "error sending request: …" alone does not tell a refused connection from a wrong CA.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if error.is_timeout() {
        return format!("timed out ({})", if text.is_empty() { "no answer".into() } else { text });
    }
    if text.is_empty() { error.to_string() } else { text }
}

impl Answer {
    /// What the bureau's JSON says is wrong; `None` when the answer is not its JSON.
    pub fn error(&self) -> Option<ErrorBody> {
        let mut body: ErrorBody = serde_json::from_str(&self.text).ok()?;
        body.error = quoted(&body.error);
        Some(body)
    }

    /// This answer as an error: the bureau's own words, or that it is not a bureau's answer at all.
    pub fn refusal(&self) -> SyncError {
        match self.error() {
            Some(body) => SyncError::Refused { status: self.status.as_u16(), problem: body.error },
            None => self.garbage("it is not a bureau's JSON"),
        }
    }

    /// An answer that makes no sense here.
    pub fn garbage(&self, what: &str) -> SyncError {
        SyncError::Answer {
            url: self.url.clone(),
            status: self.status.as_u16(),
            problem: format!("{what}, but {:?}", quoted(&self.text)),
        }
    }
}

/// A bureau's JSON error.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(super) struct ErrorBody {
    /// In words.
    #[serde(default)]
    pub error: String,
    /// 409: records that the bureau has.
    pub size: Option<u64>,
    /// 422: the record that does not verify.
    pub index: Option<u64>,
}
