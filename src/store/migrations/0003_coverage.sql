-- What the recordings show. Times: ms since the Unix epoch.

-- Each camera's picture as it should be, and where its workstations are.
CREATE TABLE camera_references (
    camera TEXT PRIMARY KEY,
    seq INTEGER NOT NULL REFERENCES log (seq),
    -- JPEG
    picture BLOB NOT NULL,
    -- JSON: [{"workstation": …, "polygon": [[x, y] …]} …], x and y 0 to 1
    workstations TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Findings, derived from their records: seq is that of the beginning, end_seq that of the end.
CREATE TABLE findings (
    seq INTEGER PRIMARY KEY REFERENCES log (seq),
    what TEXT NOT NULL,
    camera TEXT,
    workstation TEXT,
    class TEXT,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER,
    end_seq INTEGER REFERENCES log (seq),
    thumbnail TEXT
) STRICT;
CREATE INDEX findings_by_time ON findings (start_ms);
CREATE INDEX findings_open ON findings (end_ms) WHERE end_ms IS NULL;

-- Small pictures (JPEG) that findings refer to by their SHA-256 (hex).
CREATE TABLE thumbnails (
    sha256 TEXT PRIMARY KEY,
    jpeg BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- How a workstation was to be seen in a camera's picture: spans of one state. What no span tells of is unknown.
CREATE TABLE sights (
    workstation TEXT NOT NULL,
    camera TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    -- visible, or a cause of being hidden
    state TEXT NOT NULL,
    PRIMARY KEY (workstation, camera, start_ms)
) STRICT, WITHOUT ROWID;

-- Looks for people. A row with a workstation tells whether somebody is at it, one without how many are in the picture.
CREATE TABLE looks (
    camera TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    workstation TEXT NOT NULL,
    -- people seen; absent when it could not be told
    people INTEGER,
    PRIMARY KEY (camera, at_ms, workstation)
) STRICT, WITHOUT ROWID;
CREATE INDEX looks_by_time ON looks (at_ms);

-- Roll calls, derived from their records.
CREATE TABLE rollcalls (
    seq INTEGER PRIMARY KEY REFERENCES log (seq),
    class TEXT NOT NULL,
    lesson_ms INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER,
    end_seq INTEGER REFERENCES log (seq)
) STRICT;
CREATE INDEX rollcalls_by_lesson ON rollcalls (class, lesson_ms);
