-- Who has checked in and is no longer on the roster: records go on to tell of them by their number.

CREATE TABLE former_people (
    class  TEXT NOT NULL REFERENCES classes (id),
    number TEXT NOT NULL,
    -- as on the last roster that had them (class::Person)
    json   TEXT NOT NULL,
    PRIMARY KEY (class, number)
) STRICT;
