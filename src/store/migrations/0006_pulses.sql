-- When each camera's recorder was last at work, told also while the time before is yet to be told of. Nothing that begins
-- later is its own. Times: ms since the Unix epoch.

CREATE TABLE pulses (
    camera TEXT PRIMARY KEY,
    at_ms  INTEGER NOT NULL
) STRICT;
