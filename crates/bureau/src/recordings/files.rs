//! What is in the folder: the claim, and the files of recordings and pictures with their hashes.

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

/// What is in a folder and those below it.
pub(super) struct Listed {
    /// How the names of those end that belong there.
    extension: &'static str,
    /// Those that may belong there.
    pub files: Vec<PathBuf>,
    /// Files and folders that computers and network storage leave beside them.
    pub foreign: Vec<PathBuf>,
}

impl Listed {
    /// Nothing yet of files with this extension.
    pub(super) fn of(extension: &'static str) -> Listed {
        Listed { extension, files: Vec::new(), foreign: Vec::new() }
    }

    /// Adds what is in `folder`, and in folders below it as far as `depth`. What is neither file nor folder is not followed,
    /// and told of.
    pub(super) fn list(&mut self, folder: &Path, depth: usize, found: &mut Vec<Finding>) {
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
                Ok((path, kind)) if kind.is_file() => match self.is_its(&path) {
                    true => self.files.push(path),
                    false => self.foreign.push(path),
                },
                Ok((path, kind)) if kind.is_dir() && is_foreign_folder(&path) => self.foreign.push(path),
                Ok((path, kind)) if kind.is_dir() && depth > 1 => folders.push(path),
                Ok((path, _)) => fail(&path, "is neither a file nor a folder that belongs here".into()),
                Err(error) => fail(folder, error.to_string()),
            }
        }
        folders.iter().for_each(|folder| self.list(folder, depth - 1, found));
    }

    /// Whether a file may belong here. Desk computers leave others in the folders that they show: `Thumbs.db`, `.DS_Store`,
    /// and with each file that they copy one named `._` and its name.
    fn is_its(&self, path: &Path) -> bool {
        let is_its = path.extension().is_some_and(|its| its.eq_ignore_ascii_case(self.extension));
        is_its && !begins_with(path, b"._")
    }
}

/// Whether network storage or a desk computer has made a folder for itself: `@eaDir`, `#recycle`, `.thumbnails`. No camera
/// and no day is called like that.
fn is_foreign_folder(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "@eaDir" || name == "#recycle") || begins_with(path, b".")
}

fn begins_with(path: &Path, prefix: &[u8]) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(prefix))
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
