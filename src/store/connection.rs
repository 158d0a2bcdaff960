//! Opening the encrypted database: key, pragmas, schema version.

use super::StoreError;
use super::error::BUSY_SECONDS;
use super::keys::StoreKey;
use super::wal;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

/// One step per file; a database's `user_version` is the number of steps that it has taken.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_log_and_classes.sql"),
    include_str!("migrations/0002_recording.sql"),
    include_str!("migrations/0003_coverage.sql"),
    include_str!("migrations/0004_retention.sql"),
    include_str!("migrations/0005_begun_lessons.sql"),
    include_str!("migrations/0006_pulses.sql"),
    include_str!("migrations/0007_unfinished.sql"),
    include_str!("migrations/0008_former_people.sql"),
    include_str!("migrations/0009_former_pictures.sql"),
    include_str!("migrations/0010_lengths.sql"),
];

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The one writer.
    Write,
    /// Queries.
    Read,
}

/// Makes a new, empty database.
pub(super) fn create(path: &Path, key: &StoreKey) -> Result<Connection, StoreError> {
    if path.exists() {
        return Err(StoreError::Exists(path.to_owned()));
    }
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    // For the owner only, before SQLite writes anything; its -wal and -shm files inherit the mode.
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    file.sync_all().map_err(io)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    let mut connection = connect(path, key, Access::Write)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// Opens the writer's connection of an existing database, after a look at what a plain open would hide.
pub(super) fn open(path: &Path, key: &StoreKey) -> Result<Connection, StoreError> {
    match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing(path.to_owned())),
        Err(source) => return Err(StoreError::Io { path: path.to_owned(), source }),
        Ok(mut file) => {
            let mut start = [0u8; 16];
            if file.read_exact(&mut start).is_ok() && &start == b"SQLite format 3\0" {
                return Err(StoreError::NotEncrypted(path.to_owned()));
            }
        }
    }
    wal::refuse_damaged(path)?;
    let mut connection = connect(path, key, Access::Write)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// A further connection to a database that is open already.
pub(super) fn connect(path: &Path, key: &StoreKey, access: Access) -> Result<Connection, StoreError> {
    // SQLCipher makes itself ready with the program's first connection. A thread that opens one meanwhile would find it half
    // ready, and its key refused.
    static READY: Once = Once::new();
    READY.call_once(|| drop(Connection::open_in_memory()));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "key", key.pragma().as_str())?;
    // Not the whole heap: only key material is locked and wiped, which SQLCipher does in any case.
    connection.pragma_update(None, "cipher_memory_security", "OFF")?;
    // Errors are returned and told there; SQLCipher's own lines on stderr would only repeat them.
    connection.pragma_update(None, "cipher_log_level", "NONE")?;
    connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(
        |error| match StoreError::from(error) {
            StoreError::Damaged(_) => StoreError::WrongKey(path.to_owned()),
            other => other,
        },
    )?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    if access == Access::Read {
        connection.pragma_update(None, "query_only", "ON")?;
    }
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).map_err(StoreError::from)
    };
    let known = MIGRATIONS.len() as u32;
    let found = version(connection)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for step in found..known {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have taken the step while this one waited.
        if version(&transaction)? == step {
            transaction.execute_batch(MIGRATIONS[step as usize])?;
            transaction.pragma_update(None, "user_version", step + 1)?;
        }
        transaction.commit()?;
    }
    Ok(())
}
