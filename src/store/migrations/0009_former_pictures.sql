-- Reference pictures (JPEG) in the place of which others were set, by their SHA-256 (hex): each reference's record has its.

CREATE TABLE former_pictures (
    sha256 TEXT PRIMARY KEY,
    jpeg   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The first reference of a camera whose picture is kept; those before it were overwritten. A camera that is not here has
-- kept all.
CREATE TABLE pictures_since (
    camera TEXT PRIMARY KEY,
    seq    INTEGER NOT NULL REFERENCES log (seq)
) STRICT, WITHOUT ROWID;
INSERT INTO pictures_since SELECT camera, seq FROM camera_references;
