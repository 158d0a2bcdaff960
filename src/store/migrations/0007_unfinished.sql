-- Files of segments that are begun and not journalled yet. Nothing else is recovered at a start. path: below the folder of
-- the recordings, as it will be called; bytes, sha256: of what was certainly written of it at that moment (ms since the Unix
-- epoch).

DROP TABLE pulses;

CREATE TABLE unfinished (
    path   TEXT PRIMARY KEY,
    bytes  INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    at_ms  INTEGER NOT NULL
) STRICT;
