-- The signed log. A row is written once: nodes holds the hashes of the perfect subtrees that this record completes,
-- 32 bytes each, the leaf first. docs/storage.md explains every table.
CREATE TABLE log (
    seq   INTEGER PRIMARY KEY,
    jws   TEXT NOT NULL,
    nodes BLOB NOT NULL
) STRICT;

CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_never_cut BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

-- Checkpoints that the bureau has countersigned: the first note for each size, and when it last repeated it.
CREATE TABLE receipts (
    size             INTEGER PRIMARY KEY,
    note             TEXT NOT NULL,
    countersigned_at INTEGER NOT NULL,
    repeated_at      INTEGER NOT NULL
) STRICT;

-- Every attempt to check in, as its record says: what queries need, derived from the log in the same transaction.
CREATE TABLE checkins (
    seq     INTEGER PRIMARY KEY REFERENCES log (seq),
    date    TEXT NOT NULL,
    outcome TEXT NOT NULL,
    class   TEXT,
    person  TEXT,
    window  TEXT,
    method  TEXT NOT NULL,
    time    TEXT NOT NULL
) STRICT;

-- Nobody is accepted twice in one window, whoever writes.
CREATE UNIQUE INDEX accepted_checkins ON checkins (date, class, person, window) WHERE outcome = 'accepted';

-- Capture photos (JPEG); a record holds the hash of its own.
CREATE TABLE captures (
    seq    INTEGER PRIMARY KEY REFERENCES log (seq),
    sha256 TEXT NOT NULL,
    jpeg   BLOB NOT NULL
) STRICT;

CREATE INDEX captures_by_hash ON captures (sha256);

-- Plan and roster as imported (json: class::Class).
CREATE TABLE classes (
    id       TEXT PRIMARY KEY,
    json     TEXT NOT NULL,
    sha256   TEXT NOT NULL,
    imported TEXT NOT NULL,
    seq      INTEGER NOT NULL REFERENCES log (seq),
    closed   TEXT
) STRICT;

-- What the appliance keeps for a person of a roster beside it: QR secret, teacher's PIN (argon2id).
CREATE TABLE persons (
    class            TEXT NOT NULL REFERENCES classes (id),
    number           TEXT NOT NULL,
    qr_token         BLOB NOT NULL UNIQUE,
    pin_hash         TEXT,
    pin_failures     INTEGER NOT NULL DEFAULT 0,
    pin_locked_until INTEGER,
    PRIMARY KEY (class, number)
) STRICT;

-- The newest consent record of each person.
CREATE TABLE consents (
    class  TEXT NOT NULL,
    number TEXT NOT NULL,
    given  INTEGER NOT NULL,
    notice TEXT NOT NULL,
    time   TEXT NOT NULL,
    seq    INTEGER NOT NULL REFERENCES log (seq),
    PRIMARY KEY (class, number)
) STRICT;

-- Face templates; seq is the enrolment's record.
CREATE TABLE templates (
    id           INTEGER PRIMARY KEY,
    class        TEXT NOT NULL,
    number       TEXT NOT NULL,
    photo_sha256 TEXT NOT NULL,
    model        TEXT NOT NULL,
    embedding    BLOB NOT NULL,
    seq          INTEGER NOT NULL REFERENCES log (seq),
    FOREIGN KEY (class, number) REFERENCES persons (class, number)
) STRICT;

CREATE INDEX templates_of_person ON templates (class, number);

-- Small facts by name: the bureau's registration, the sync alarm …
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
