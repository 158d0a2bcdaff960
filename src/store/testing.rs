//! For tests: the database in other hands.

use super::FILE_NAME;
use rusqlite::Connection;
use std::path::Path;

/// The database in the state directory `state` as somebody has it who holds the key, and none of our rules.
pub(crate) fn with_key(state: &Path) -> Connection {
    let key = std::fs::read_to_string(state.join("keys/store.key")).expect("the key");
    let connection = Connection::open(state.join(FILE_NAME)).expect("opened");
    connection.pragma_update(None, "key", format!("x'{}'", key.trim())).expect("keyed");
    connection
}
