CREATE TABLE old_access_tokens (
    serial INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    digest BLOB NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    description TEXT NOT NULL
) STRICT;
INSERT INTO old_access_tokens
    (serial, instance_id, digest, scope, created_at, expires_at, description)
SELECT serial, instance_id, digest, scope, created_at, expires_at, description
FROM access_tokens ORDER BY serial;
DROP TABLE access_tokens;
ALTER TABLE old_access_tokens RENAME TO access_tokens;
CREATE INDEX access_tokens_by_instance ON access_tokens (instance_id, serial);

CREATE TABLE old_audit_events (
    serial INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    happened_at INTEGER NOT NULL,
    instance_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_serial INTEGER,
    actor_scope TEXT,
    address TEXT,
    operation TEXT NOT NULL,
    device_id TEXT,
    access_token INTEGER,
    outcome TEXT NOT NULL,
    unrecorded INTEGER NOT NULL
) STRICT;
INSERT INTO old_audit_events
    (serial, happened_at, instance_id, actor, actor_serial, actor_scope, address, operation, device_id,
     access_token, outcome, unrecorded)
SELECT serial, happened_at, instance_id, actor, actor_serial, actor_scope, address, operation, device_id,
       access_token, outcome, unrecorded
FROM audit_events ORDER BY serial;
DROP TABLE audit_events;
ALTER TABLE old_audit_events RENAME TO audit_events;
CREATE INDEX audit_events_by_instance ON audit_events (instance_id, happened_at, serial);
CREATE TRIGGER audit_events_are_not_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are not changed');
END;

-- Serials are not reused after the downgrade either.
DELETE FROM sqlite_sequence WHERE name IN ('access_tokens', 'audit_events');
INSERT INTO sqlite_sequence (name, seq)
SELECT name, last FROM serials WHERE name IN ('access_tokens', 'audit_events');

ALTER TABLE instances DROP COLUMN serial;
DROP TABLE serials;
