//! Where an archive is: a folder that is marked as one, or a bucket.
//!
//! What `put` returns for is there whole: in a folder under its name only after it was written and fsynced, in a store
//! when the store has acknowledged it. Secrets are read from a file that only its owner can read, and never shown.

use super::{ArchiveError, Pace};
use crate::config::{ArchiveConfig, S3Config};
use evidence::hex;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{Certificate, ClientOptions, ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A folder with a file of this name is an archive: what is not mounted does not have one.
pub(super) const MARKER: &str = "rollcall-archive";
const MARKER_TEXT: &str =
    "Recordings of the training classroom are archived here by Rollcall.\n本文件夹存放培训教室的教学录像归档。\n";
/// Ends the name of a file that is being copied.
const PART: &str = "part";
/// What is read and written at once, bytes.
const CHUNK: usize = 1 << 20;
/// Parts of an upload or download, bytes; S3 takes none under 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// For one request, that is one part: a line of 15 kB/s is enough.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An archive.
pub enum Target {
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Box<Bucket>),
}

/// A bucket, and the runtime that talks to it.
pub struct Bucket {
    store: AmazonS3,
    prefix: String,
    runtime: tokio::runtime::Runtime,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
}

impl Target {
    /// Reads the credentials; asks nobody yet.
    pub fn open(config: &ArchiveConfig) -> Result<Target, ArchiveError> {
        match (&config.folder, &config.s3) {
            (Some(folder), _) => Ok(Target::Folder(folder.clone())),
            (None, Some(s3)) => Ok(Target::Bucket(Box::new(Bucket::open(s3)?))),
            (None, None) => Err(settings("archive", "needs either `folder` or `[archive.s3]`")),
        }
    }

    /// Marks it as an archive. A bucket is shown to take and give back the mark.
    pub(super) fn init(&self) -> Result<(), ArchiveError> {
        match self {
            Target::Folder(root) => {
                let path = root.join(MARKER);
                if !path.exists() {
                    // The folder must be there: made here, it could be the mount point of what is not mounted.
                    write_file(&path, MARKER_TEXT.as_bytes()).map_err(|source| ArchiveError::Io { path, source })?;
                }
                self.check()
            }
            Target::Bucket(_) => self.put_text(MARKER, MARKER_TEXT),
        }
    }

    /// Whether it is there at all.
    pub(super) fn check(&self) -> Result<(), ArchiveError> {
        match self {
            Target::Folder(root) if !root.join(MARKER).is_file() => Err(ArchiveError::Unmarked(root.clone())),
            _ => Ok(()),
        }
    }

    /// The length of what is there under `key`, if anything is.
    pub(super) fn length(&self, key: &str) -> Result<Option<u64>, ArchiveError> {
        match self {
            Target::Folder(root) => {
                let path = root.join(key);
                match path.metadata() {
                    Ok(metadata) => Ok(Some(metadata.len())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(ArchiveError::Io { path, source }),
                }
            }
            Target::Bucket(bucket) => match bucket.runtime.block_on(bucket.store.head(&bucket.path(key))) {
                Ok(meta) => Ok(Some(meta.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(remote(key, &error)),
            },
        }
    }

    /// Copies the file `from` there, replacing what was there.
    pub(super) fn put(&self, key: &str, from: &Path, pace: &mut Pace<'_>) -> Result<(), ArchiveError> {
        let failed = |path: &Path, source| ArchiveError::Io { path: path.to_owned(), source };
        let mut file = File::open(from).map_err(|source| failed(from, source))?;
        match self {
            Target::Folder(root) => {
                // Asked each time: a share can go away between two files.
                self.check()?;
                let path = root.join(key);
                make_folder(root, &path).map_err(|source| failed(&path, source))?;
                let part = path.with_added_extension(PART);
                let mut out = File::create(&part).map_err(|source| failed(&part, source))?;
                let mut buffer = vec![0; CHUNK];
                loop {
                    let length = file.read(&mut buffer).map_err(|source| failed(from, source))?;
                    if length == 0 {
                        break;
                    }
                    pace.take(length as u64)?;
                    out.write_all(&buffer[..length]).map_err(|source| failed(&part, source))?;
                }
                out.sync_all()
                    .and_then(|()| fs::rename(&part, &path))
                    .and_then(|()| sync_folder(&path))
                    .map_err(|source| failed(&path, source))
            }
            Target::Bucket(bucket) => bucket.put(key, from, &mut file, pace),
        }
    }

    /// Writes a small text and reads it back.
    pub(super) fn put_text(&self, key: &str, text: &str) -> Result<(), ArchiveError> {
        let back = match self {
            Target::Folder(root) => {
                self.check()?;
                let path = root.join(key);
                let written = make_folder(root, &path).and_then(|()| write_file(&path, text.as_bytes()));
                written.and_then(|()| fs::read(&path)).map_err(|source| ArchiveError::Io { path, source })?
            }
            Target::Bucket(bucket) => bucket.runtime.block_on(async {
                let path = bucket.path(key);
                bucket.store.put(&path, text.as_bytes().to_vec().into()).await.map_err(|error| remote(key, &error))?;
                let got = bucket.store.get(&path).await.map_err(|error| remote(key, &error))?;
                got.bytes().await.map(|bytes| bytes.to_vec()).map_err(|error| remote(key, &error))
            })?,
        };
        if back == text.as_bytes() { Ok(()) } else { Err(ArchiveError::NotWhole { key: key.into() }) }
    }

    /// Reads what is there; tells its length and SHA-256 (hex).
    pub(super) fn hash(&self, key: &str, pace: &mut Pace<'_>) -> Result<(u64, String), ArchiveError> {
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        match self {
            Target::Folder(root) => {
                let path = root.join(key);
                let failed = |source| ArchiveError::Io { path: path.clone(), source };
                let mut file = File::open(&path).map_err(failed)?;
                forget_cached(&file);
                let mut buffer = vec![0; CHUNK];
                loop {
                    let length = file.read(&mut buffer).map_err(failed)?;
                    if length == 0 {
                        break;
                    }
                    pace.take(length as u64)?;
                    hash.update(&buffer[..length]);
                    bytes += length as u64;
                }
            }
            Target::Bucket(bucket) => {
                let path = bucket.path(key);
                let length = self.length(key)?.unwrap_or(0);
                while bytes < length {
                    let end = length.min(bytes + PART_BYTES as u64);
                    pace.take(end - bytes)?;
                    let part = bucket.runtime.block_on(bucket.store.get_range(&path, bytes..end));
                    let part = part.map_err(|error| remote(key, &error))?;
                    if part.is_empty() {
                        return Err(ArchiveError::NotWhole { key: key.into() });
                    }
                    hash.update(&part);
                    bytes += part.len() as u64;
                }
            }
        }
        Ok((bytes, hex(&hash.finalize())))
    }
}

impl Bucket {
    fn open(config: &S3Config) -> Result<Bucket, ArchiveError> {
        // reqwest wants one; it only fails when there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Credentials { access_key_id, secret_access_key } = credentials(&config.credentials)?;
        let mut options = ClientOptions::new()
            .with_allow_http(config.endpoint.scheme() == "http")
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(REQUEST_TIMEOUT);
        if let Some(ca) = &config.ca {
            let wrong = |problem: String| settings(&ca.display().to_string(), &problem);
            let pem = fs::read(ca).map_err(|error| wrong(error.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
            options = certificates.into_iter().fold(options, ClientOptions::with_root_certificate);
        }
        let store = AmazonS3Builder::new()
            .with_endpoint(config.endpoint.as_str().trim_end_matches('/'))
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_virtual_hosted_style_request(false)
            .with_access_key_id(access_key_id)
            .with_secret_access_key(secret_access_key)
            .with_client_options(options)
            // The archive's own pauses are longer; here only a hiccup is passed over.
            .with_retry(object_store::RetryConfig {
                max_retries: 3,
                retry_timeout: Duration::from_secs(60),
                ..object_store::RetryConfig::default()
            })
            .build()
            .map_err(|error| settings("archive.s3", &error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| settings("archive.s3", &error.to_string()))?;
        Ok(Bucket { store, prefix: config.prefix.trim_matches('/').to_owned(), runtime })
    }

    fn path(&self, key: &str) -> object_store::path::Path {
        if self.prefix.is_empty() { key.into() } else { format!("{}/{key}", self.prefix).into() }
    }

    fn put(&self, key: &str, from: &Path, file: &mut File, pace: &mut Pace<'_>) -> Result<(), ArchiveError> {
        self.runtime.block_on(async {
            let upload = self.store.put_multipart(&self.path(key)).await.map_err(|error| remote(key, &error))?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            let mut buffer = vec![0; CHUNK];
            let sent = loop {
                let length = match file.read(&mut buffer) {
                    Ok(0) => break Ok(()),
                    Ok(length) => length,
                    Err(source) => break Err(ArchiveError::Io { path: from.to_owned(), source }),
                };
                if let Err(error) = pace.take(length as u64) {
                    break Err(error);
                }
                // One part on its way while the next is read: memory stays at two parts.
                if let Err(error) = upload.wait_for_capacity(1).await {
                    break Err(remote(key, &error));
                }
                upload.write(&buffer[..length]);
            };
            match sent {
                Ok(()) => upload.finish().await.map(drop).map_err(|error| remote(key, &error)),
                Err(error) => {
                    // Parts of an upload that is not finished cost space that nobody sees.
                    if let Err(error) = upload.abort().await {
                        tracing::warn!(%error, key, "a half upload could not be withdrawn");
                    }
                    Err(error)
                }
            }
        })
    }
}

fn credentials(path: &Path) -> Result<Credentials, ArchiveError> {
    let wrong = |problem: &str| settings(&path.display().to_string(), problem);
    let mode = fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(wrong(&format!("others may read it (mode {mode:o}): chmod 600, and think of new credentials")));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    // The parser's message would quote the line, and with it the secret.
    toml::from_str(&text).map_err(|_| wrong("needs the two lines access_key_id = \"…\" and secret_access_key = \"…\""))
}

fn settings(path: &str, problem: &str) -> ArchiveError {
    ArchiveError::Settings { path: path.into(), problem: problem.into() }
}

fn remote(key: &str, error: &object_store::Error) -> ArchiveError {
    let mut problem = error.to_string();
    // The store's own words are at the end of the chain.
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if !problem.contains(&text) {
            problem = format!("{problem}: {text}");
        }
        source = inner.source();
    }
    ArchiveError::Remote { key: key.into(), problem }
}

/// Makes the folder of `path`, durable up to `root`, which must be there.
fn make_folder(root: &Path, path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(root);
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    folder.ancestors().take_while(|made| made.starts_with(root) && *made != root).try_for_each(sync_folder)
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_added_extension(PART);
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_folder(path)
}

/// Makes the name `path` durable, as far as its file system can: some network shares cannot sync a folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// What is read next comes from the disk or share, not from this machine's memory, as far as the system heeds it.
fn forget_cached(file: &File) {
    // SAFETY: the descriptor is open for the length of the call; the call only gives advice.
    #[allow(unsafe_code)]
    unsafe {
        libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED);
    }
}
