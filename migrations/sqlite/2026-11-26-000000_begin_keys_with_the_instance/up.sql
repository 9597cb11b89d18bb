-- Every primary key begins with the instance and every unique key contains it, as on PostgreSQL,
-- where the tables can be distributed by instance.

-- The last assigned serial of each table: a serial is never reused, even after its row is deleted.
-- SQLite ensures this by itself only for a key of one column.
CREATE TABLE serials (
    name TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO serials (name, last) VALUES
    ('instances', (SELECT count(*) FROM instances)),
    ('access_tokens', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'access_tokens'), 0)),
    ('audit_events', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit_events'), 0));

-- Never reused: an instance that later gets the same id has another serial.
ALTER TABLE instances ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
UPDATE instances SET serial = numbered.serial
FROM (SELECT id, row_number() OVER (ORDER BY id) AS serial FROM instances) AS numbered
WHERE numbered.id = instances.id;

CREATE TABLE new_access_tokens (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    serial INTEGER NOT NULL, -- unique in the whole database
    digest BLOB NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL, -- seconds since the epoch
    expires_at INTEGER, -- seconds since the epoch; NULL: never
    description TEXT NOT NULL,
    PRIMARY KEY (instance_id, serial),
    UNIQUE (instance_id, digest)
) STRICT, WITHOUT ROWID;

INSERT INTO new_access_tokens
    (instance_id, serial, digest, scope, created_at, expires_at, description)
SELECT instance_id, serial, digest, scope, created_at, expires_at, description
FROM access_tokens ORDER BY instance_id, serial;

DROP TABLE access_tokens;
ALTER TABLE new_access_tokens RENAME TO access_tokens;

CREATE TABLE new_audit_events (
    instance_id TEXT NOT NULL,
    happened_at INTEGER NOT NULL, -- seconds since the epoch
    serial INTEGER NOT NULL, -- unique in the whole database
    actor TEXT NOT NULL, -- unknown, operator, password or token
    actor_serial INTEGER, -- of the token
    actor_scope TEXT, -- of the token
    address TEXT, -- of the client; NULL: unknown
    operation TEXT NOT NULL,
    device_id TEXT, -- the device of the operation
    access_token INTEGER, -- the serial of the token that was issued or revoked
    outcome TEXT NOT NULL,
    unrecorded INTEGER NOT NULL, -- refusals before this event that were not recorded
    PRIMARY KEY (instance_id, happened_at, serial)
) STRICT, WITHOUT ROWID;

INSERT INTO new_audit_events
    (instance_id, happened_at, serial, actor, actor_serial, actor_scope, address, operation, device_id,
     access_token, outcome, unrecorded)
SELECT instance_id, happened_at, serial, actor, actor_serial, actor_scope, address, operation, device_id,
       access_token, outcome, unrecorded
FROM audit_events ORDER BY instance_id, happened_at, serial;

DROP TABLE audit_events;
ALTER TABLE new_audit_events RENAME TO audit_events;

-- Append-only; events are removed after the retention period.
CREATE TRIGGER audit_events_are_not_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are not changed');
END;
