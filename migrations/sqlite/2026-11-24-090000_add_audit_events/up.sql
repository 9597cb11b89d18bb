-- The audit trail. It does not reference instances, because an event outlives its instance.
CREATE TABLE audit_events (
    serial INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    happened_at INTEGER NOT NULL, -- seconds since the epoch
    instance_id TEXT NOT NULL,
    actor TEXT NOT NULL, -- unknown, operator, password or token
    actor_serial INTEGER, -- of the token
    actor_scope TEXT, -- of the token
    address TEXT, -- of the client; NULL: unknown
    operation TEXT NOT NULL,
    device_id TEXT, -- the device of the operation
    access_token INTEGER, -- the serial of the token that was issued or revoked
    outcome TEXT NOT NULL,
    unrecorded INTEGER NOT NULL -- refusals before this event that were not recorded
) STRICT;

CREATE INDEX audit_events_by_instance ON audit_events (instance_id, happened_at, serial);

-- Append-only; events are removed after the retention period.
CREATE TRIGGER audit_events_are_not_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are not changed');
END;
