//! `bureau backup`: everything that another machine needs to be this bureau, while the server runs.

use crate::folder::*;
use std::path::Path;

/// Copies keys, certificates, settings and database into a new `folder`, for its owner alone; tells whether the CA's
/// key is among them, which may be kept elsewhere.
pub(crate) fn backup(bureau: &Bureau, folder: &Path) -> Result<bool, FolderError> {
    // Before there is a folder: one that a missing file has stopped halfway would be left with copies of secrets.
    let mut files = Vec::new();
    for (name, is_secret) in
        [(KEY, true), (TOKEN, true), (CA_KEY, true), (CERTIFICATE_KEY, true), (CA, false), (CERTIFICATE, false)]
    {
        match read(&bureau.path(name)) {
            Err(error) if name == CA_KEY && is_missing(&error) => {}
            text => files.push((name, text?, is_secret)),
        }
    }
    let settings = read(&bureau.path(SETTINGS))?;
    new_folder(folder)?;
    for (name, text, is_secret) in &files {
        write_new(&folder.join(name), text, *is_secret)?;
    }
    bureau.database.copy_to(&folder.join(DATABASE))?;
    // Last: a folder with settings is complete.
    write_new(&folder.join(SETTINGS), &settings, false)?;
    sync_folder(folder)?;
    Ok(files.iter().any(|(name, ..)| *name == CA_KEY))
}

fn is_missing(error: &FolderError) -> bool {
    matches!(error, FolderError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}
