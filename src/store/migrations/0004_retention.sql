-- What became of the segments' files. Times: ms since the Unix epoch.

-- Segments that an archive holds, read back and found whole.
CREATE TABLE archived (
    segment INTEGER PRIMARY KEY REFERENCES segments (seq),
    -- the `archive` record
    seq INTEGER NOT NULL REFERENCES log (seq)
) STRICT;

-- Segments whose file has been deleted, or is about to be: the record comes first.
CREATE TABLE deleted (
    segment INTEGER PRIMARY KEY REFERENCES segments (seq),
    -- the `deletion` record
    seq INTEGER NOT NULL REFERENCES log (seq)
) STRICT;
