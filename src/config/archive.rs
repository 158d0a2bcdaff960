//! `[archive]`: where closed days are copied to.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The archive: a folder (`archive.folder`, such as a NAS that is mounted), or an S3-compatible store (`[archive.s3]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// What it is called in records and messages.
    #[serde(default = "default_name")]
    pub name: String,
    /// The folder; `rollcall recording archive --init` marks it once.
    pub folder: Option<PathBuf>,
    /// The store.
    pub s3: Option<S3Config>,
    /// What copying and reading back may take of the line, bytes a second; absent means as much as there is.
    pub max_bytes_per_second: Option<u64>,
}

/// `[archive.s3]`: a bucket in a store that speaks S3.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Base address; the bucket is a part of the path.
    pub endpoint: url::Url,
    /// The bucket, which exists.
    pub bucket: String,
    /// The region, which is part of each signature.
    #[serde(default = "default_region")]
    pub region: String,
    /// Stands before the name of each object.
    #[serde(default)]
    pub prefix: String,
    /// TOML file, mode 0600, with `access_key_id` and `secret_access_key`.
    pub credentials: PathBuf,
    /// PEM file with the CA that vouches for the store, besides the system's.
    pub ca: Option<PathBuf>,
}

fn default_name() -> String {
    "archive".into()
}
fn default_region() -> String {
    "us-east-1".into()
}

impl ArchiveConfig {
    /// Relative paths are taken from the config file's folder.
    pub(super) fn anchor(&mut self, folder: &Path) {
        let s3 = self.s3.as_mut().map(|s3| (&mut s3.credentials, s3.ca.as_mut()));
        let (credentials, ca) = s3.unzip();
        for path in [self.folder.as_mut(), credentials, ca.flatten()].into_iter().flatten() {
            if path.is_relative() {
                *path = folder.join(&*path);
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, message: &str| Err((format!("archive{key}"), message.to_owned()));
        if self.name.trim().is_empty() {
            return wrong(".name", "must not be empty: records name the archive");
        }
        if self.folder.is_some() == self.s3.is_some() {
            return wrong("", "needs either `folder` or `[archive.s3]`, one of them");
        }
        if self.max_bytes_per_second.is_some_and(|limit| limit < 1000) {
            return wrong(".max_bytes_per_second", "is less than 1000: nothing would ever be archived");
        }
        let Some(s3) = &self.s3 else { return Ok(()) };
        let is_here = matches!(s3.endpoint.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if s3.endpoint.scheme() != "https" && !(s3.endpoint.scheme() == "http" && is_here) {
            return wrong(".s3.endpoint", "is not https; recordings are only sent over TLS");
        }
        if s3.bucket.trim().is_empty() {
            return wrong(".s3.bucket", "must not be empty");
        }
        Ok(())
    }
}
