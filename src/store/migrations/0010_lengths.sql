-- So that no query looks at more the longer the appliance has run.

-- What shows anything of a span begins no earlier before it than the longest is long.
CREATE INDEX segments_by_length ON segments (camera, end_ms - start_ms);
CREATE INDEX gaps_by_length ON gaps (camera, end_ms - start_ms);
CREATE INDEX findings_by_length ON findings (end_ms - start_ms);
-- By record: which of a camera's segments was journalled last.
CREATE INDEX segments_of_camera ON segments (camera);
CREATE INDEX rollcalls_by_time ON rollcalls (start_ms);

-- Segments whose files are here and that no archive holds.
CREATE TABLE unarchived (
    segment INTEGER PRIMARY KEY REFERENCES segments (seq)
) STRICT;
INSERT INTO unarchived SELECT seq FROM segments
    WHERE seq NOT IN (SELECT segment FROM archived) AND seq NOT IN (SELECT segment FROM deleted);
CREATE TRIGGER segments_are_unarchived AFTER INSERT ON segments
    BEGIN INSERT INTO unarchived (segment) VALUES (NEW.seq); END;
CREATE TRIGGER archived_segments_are_not AFTER INSERT ON archived
    BEGIN DELETE FROM unarchived WHERE segment = NEW.segment; END;
CREATE TRIGGER deleted_segments_are_not AFTER INSERT ON deleted
    BEGIN DELETE FROM unarchived WHERE segment = NEW.segment; END;
