-- What was recorded and what was not, derived from the records of the same number. Times: ms since the Unix epoch.

CREATE TABLE segments (
    seq INTEGER PRIMARY KEY REFERENCES log (seq),
    camera TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    -- below the folder of the recordings
    path TEXT NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;
CREATE INDEX segments_by_time ON segments (camera, start_ms);

CREATE TABLE gaps (
    seq INTEGER PRIMARY KEY REFERENCES log (seq),
    camera TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    cause TEXT NOT NULL
) STRICT;
CREATE INDEX gaps_by_time ON gaps (camera, start_ms);

-- The last sign of life of each recorder: after a power cut, the only thing that tells when it was.
CREATE TABLE alive (
    camera TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    -- a gap that was open then
    gap_start_ms INTEGER,
    gap_cause TEXT
) STRICT, WITHOUT ROWID;

-- Lessons whose account has been made.
CREATE TABLE coverages (
    seq INTEGER PRIMARY KEY REFERENCES log (seq),
    class TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    UNIQUE (class, start_ms)
) STRICT;
