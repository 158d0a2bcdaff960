//! What is in the folder: the claim, and the recordings' files with their hashes.

use super::finding;
use evidence::disc::Claim;
use evidence::hex;
use evidence::verdict::{Finding, Severity};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest `disc.json`, bytes.
const MAX_CLAIM: u64 = 1 << 20;

/// `disc.json` as it was read.
pub(super) struct Claimed {
    pub claim: Claim,
    pub sha256: String,
}

pub(super) fn claim(path: &Path) -> Result<Option<Claimed>, String> {
    let file = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(metadata) if !metadata.is_file() => return Err("is not a file".into()),
        Ok(_) => File::open(path).map_err(|error| error.to_string())?,
    };
    let mut text = String::new();
    file.take(MAX_CLAIM).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let claim = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(Some(Claimed { claim, sha256: evidence::sha256_hex(text.as_bytes()) }))
}

/// All files below `folder`. What is neither file nor folder is not followed, and told of.
pub(super) fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, found: &mut Vec<Finding>) {
    let mut fail = |path: &Path, problem: String| {
        found.push(finding(Severity::Failure, "unreadable", None, format!("{}: {problem}", path.display())));
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return fail(folder, error.to_string()),
    };
    let mut folders = Vec::new();
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
            Ok((path, kind)) if kind.is_file() => files.push(path),
            Ok((path, kind)) if kind.is_dir() && depth > 1 => folders.push(path),
            Ok((path, _)) => fail(&path, "is neither a recording nor a camera's or day's folder".into()),
            Err(error) => fail(folder, error.to_string()),
        }
    }
    folders.iter().for_each(|folder| list(folder, depth - 1, files, found));
}

/// Whether a file may be taken for a recording. Desk computers leave others in the folders that they show: `Thumbs.db`,
/// `.DS_Store`, and with each file that they copy one named `._` and its name.
pub(super) fn is_recording(path: &Path) -> bool {
    let is_film = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mp4"));
    is_film && !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"))
}

pub(super) fn hash(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            length => hash.update(&buffer[..length]),
        }
    }
}
