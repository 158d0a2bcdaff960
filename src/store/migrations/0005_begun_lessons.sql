-- Lessons that had begun when their plan was replaced or their class closed, and had no account: they stay due.

CREATE TABLE begun_lessons (
    class    TEXT NOT NULL REFERENCES classes (id),
    -- when it begins by the plan; ms since the Unix epoch
    start_ms INTEGER NOT NULL,
    -- as it was planned (class::Lesson)
    json     TEXT NOT NULL,
    PRIMARY KEY (class, start_ms)
) STRICT;
