//! The bureau's folder: settings, keys, certificates and the database.

use crate::database::{Database, DatabaseError};
use evidence::key::SigningKey;
use evidence::note::is_key_name;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Names of the files in the folder.
pub(crate) const SETTINGS: &str = "bureau.toml";
pub(crate) const KEY: &str = "bureau.key";
pub(crate) const CA: &str = "ca.pem";
pub(crate) const CA_KEY: &str = "ca.key";
pub(crate) const CERTIFICATE: &str = "server.pem";
pub(crate) const CERTIFICATE_KEY: &str = "server.key";
pub(crate) const TOKEN: &str = "staff.token";
pub(crate) const DATABASE: &str = "bureau.db";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not say what it should.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Certificates or TLS.
    #[error("TLS: {0}")]
    Tls(String),
}

/// `bureau.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The name that countersignatures carry, such as `bureau/tianjin-nankai`.
    pub name: String,
    /// The time zone of the staff's page.
    #[serde(default = "shanghai")]
    pub timezone: String,
}

pub(crate) fn shanghai() -> String {
    "Asia/Shanghai".into()
}

/// A bureau that has been set up.
pub struct Bureau {
    /// Its name in countersignatures.
    pub name: String,
    /// What it countersigns with.
    pub key: SigningKey,
    /// Of the staff's page.
    pub(crate) zone: TimeZone,
    /// SHA-256 of the staff's token.
    pub(crate) token_sha256: String,
    /// What it has received.
    pub database: Database,
    pub(crate) folder: PathBuf,
}

impl Bureau {
    /// Opens what [`crate::init`] made.
    pub fn open(folder: &Path) -> Result<Bureau, FolderError> {
        let text = read(&folder.join(SETTINGS))?;
        let settings: Settings =
            toml::from_str(&text).map_err(|error| content(folder, SETTINGS, &error.to_string()))?;
        check_name(&settings.name).map_err(|problem| content(folder, SETTINGS, &problem))?;
        let zone = TimeZone::get(&settings.timezone).map_err(|error| content(folder, SETTINGS, &error.to_string()))?;
        for name in [KEY, TOKEN, CA_KEY, CERTIFICATE_KEY] {
            check_secret(&folder.join(name))?;
        }
        let key = read(&folder.join(KEY))?;
        let seed = seed(key.trim()).ok_or_else(|| content(folder, KEY, "must be 64 hexadecimal digits"))?;
        let token = read(&folder.join(TOKEN))?;
        if token.trim().len() < 20 {
            return Err(content(folder, TOKEN, "is shorter than 20 characters"));
        }
        Ok(Bureau {
            name: settings.name,
            key: SigningKey::from_seed(&seed),
            zone,
            token_sha256: evidence::sha256_hex(token.trim().as_bytes()),
            database: Database::open(&folder.join(DATABASE))?,
            folder: folder.to_owned(),
        })
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Whether a name can stand in a countersignature.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if is_key_name(name) && name.len() <= 100 {
        return Ok(());
    }
    Err(format!("{name:?} cannot be a bureau's name: no spaces and no plus sign, such as bureau/tianjin-nankai"))
}

fn seed(hex: &str) -> Option<[u8; 32]> {
    let mut seed = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(seed)
}

pub(crate) fn content(folder: &Path, name: &str, problem: &str) -> FolderError {
    FolderError::Content { path: folder.join(name), problem: problem.into() }
}

pub(crate) fn read(path: &Path) -> Result<String, FolderError> {
    std::fs::read_to_string(path).map_err(|source| FolderError::File { path: path.to_owned(), source })
}

/// Whether nobody but its owner can read a secret. The CA's key may be kept elsewhere.
fn check_secret(path: &Path) -> Result<(), FolderError> {
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(FolderError::File { path: path.to_owned(), source }),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let problem =
        format!("others may read it (mode {mode:o}); whoever has, is the bureau: chmod 600, or make a new one");
    Err(FolderError::Content { path: path.to_owned(), problem })
}

/// Makes a folder for its owner alone; it may be there already, if it is empty.
pub(crate) fn new_folder(folder: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError::File { path: folder.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    match std::fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(FolderError::Content {
            path: folder.to_owned(),
            problem: "is not empty; if something was interrupted here, remove the folder and begin again".into(),
        }),
    }
}

/// Makes sure that the names of new files in `folder` are on disk.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), FolderError> {
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| FolderError::File { path: folder.to_owned(), source })
}

/// Writes a new file, on disk when this returns; `secret` files are for their owner alone.
pub(crate) fn write_new(path: &Path, text: &str, secret: bool) -> Result<(), FolderError> {
    let failed = |source| FolderError::File { path: path.to_owned(), source };
    let mode = if secret { 0o600 } else { 0o644 };
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}
