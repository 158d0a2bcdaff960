//! `bureau backup`: everything that another machine needs to be this bureau, while the server runs.

use crate::folder::*;
use std::path::Path;

/// Copies keys, certificates, settings and database into a new `folder`, for its owner alone.
pub(crate) fn backup(bureau: &Bureau, folder: &Path) -> Result<(), FolderError> {
    new_folder(folder)?;
    for (name, is_secret) in [(KEY, true), (TOKEN, true), (CA_KEY, true), (CERTIFICATE_KEY, true)]
        .into_iter()
        .chain([(CA, false), (CERTIFICATE, false)])
    {
        write_new(&folder.join(name), &read(&bureau.path(name))?, is_secret)?;
    }
    bureau.database.copy_to(&folder.join(DATABASE))?;
    // Last: a folder with settings is complete.
    write_new(&folder.join(SETTINGS), &read(&bureau.path(SETTINGS))?, false)?;
    sync_folder(folder)
}
