//! The two secrets of an appliance, as files: `keys/device.key` signs records, `keys/store.key` encrypts the database.
//!
//! 32 bytes in hex each, mode 0600, made once by `rollcall init` and never overwritten. A key that others can read
//! is refused: what it protected has to be considered known.

use evidence::key::SigningKey;
use rand::TryRng;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// The key that encrypts the database. Erased from memory when dropped.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

/// Both keys of an appliance.
pub struct Keys {
    /// Signs records and checkpoints.
    pub device: SigningKey,
    /// Encrypts the database.
    pub store: StoreKey,
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is not there.
    #[error("{0} is missing; `rollcall init` makes the keys of a new appliance. A lost key cannot be made again")]
    Missing(PathBuf),
    /// Others can read it.
    #[error("{path} can be read by others (mode {mode:03o}); run `chmod 600 {path}`, and think about who read it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else owns it.
    #[error("{path} belongs to user {owner}, not to user {me} who runs this; run rollcall as its own user")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who asks.
        me: u32,
    },
    /// Not 64 hexadecimal digits.
    #[error("{0} is not a key: expected 64 hexadecimal digits. Restore it from your backup of the keys")]
    Form(PathBuf),
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel gave no random bytes.
    #[error("the kernel gives no random bytes for a key: {0}")]
    Random(String),
}

impl StoreKey {
    /// A key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> StoreKey {
        StoreKey(Zeroizing::new(bytes))
    }

    /// `x'…'`, SQLCipher's form of a raw key.
    pub(super) fn pragma(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("x'{}'", *hex(&self.0)))
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey")
    }
}

impl Keys {
    /// The folder of the keys in a state directory.
    pub fn folder(state: &Path) -> PathBuf {
        state.join("keys")
    }

    /// Makes the keys that are not there yet; those that are there stay.
    pub fn create(state: &Path) -> Result<Keys, KeyFileError> {
        let folder = Keys::folder(state);
        let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder);
        made.map_err(|source| KeyFileError::Io { path: folder.clone(), source })?;
        for name in ["device.key", "store.key"] {
            create(&folder.join(name))?;
        }
        sync_folder(&folder)?;
        sync_folder(state)?;
        Keys::load(state)
    }

    /// Reads both keys.
    pub fn load(state: &Path) -> Result<Keys, KeyFileError> {
        let folder = Keys::folder(state);
        let device = load(&folder.join("device.key"))?;
        let store = load(&folder.join("store.key"))?;
        Ok(Keys { device: SigningKey::from_seed(&device), store: StoreKey(store) })
    }
}

fn create(path: &Path) -> Result<(), KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new([0u8; 32]);
    let random = rand::rngs::SysRng.try_fill_bytes(bytes.as_mut_slice());
    random.map_err(|error| KeyFileError::Random(error.to_string()))?;
    // Written under another name and linked into place whole: a key file is complete or not there.
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(io)?;
    file.write_all(hex(&bytes).as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(io)?;
    file.sync_all().map_err(io)?;
    // A link, unlike a rename, never replaces a key that is there.
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh).map_err(io)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.map_err(io),
    }
}

fn load(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
        _ => io(source),
    })?;
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    let me = effective_user();
    if metadata.uid() != me && me != 0 {
        return Err(KeyFileError::Owner { path: path.to_owned(), owner: metadata.uid(), me });
    }
    let mut text = Zeroizing::new(String::with_capacity(128));
    file.take(100).read_to_string(&mut text).map_err(io)?;
    from_hex(text.trim_end()).ok_or_else(|| KeyFileError::Form(path.to_owned()))
}

#[allow(unsafe_code)]
fn effective_user() -> u32 {
    // SAFETY: `geteuid` takes nothing, touches no memory and cannot fail.
    unsafe { libc::geteuid() }
}

fn sync_folder(path: &Path) -> Result<(), KeyFileError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|source| KeyFileError::Io { path: path.to_owned(), source })
}

fn hex(bytes: &[u8; 32]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn from_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits: [u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = Zeroizing::new([0u8; 32]);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    let mut digits = digits;
    digits.zeroize();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_made_once_and_are_for_their_owner_only() {
        let state = tempfile::tempdir().expect("a folder");
        let first = Keys::create(state.path()).expect("made");
        let again = Keys::create(state.path()).expect("kept");
        assert_eq!(first.device.verifying_key(), again.device.verifying_key());
        assert_eq!(*first.store.pragma(), *again.store.pragma());
        let path = Keys::folder(state.path()).join("store.key");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
        let error = Keys::load(state.path()).map(|_| ()).expect_err("readable by the group");
        assert!(error.to_string().contains("chmod 600"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        fs::write(&path, "not a key").expect("ours");
        assert!(matches!(Keys::load(state.path()), Err(KeyFileError::Form(_))));
        fs::remove_file(&path).expect("ours");
        assert!(matches!(Keys::load(state.path()), Err(KeyFileError::Missing(_))));
    }
}
