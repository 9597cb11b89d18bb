-- Who did what. No reference to instances: an event outlives its instance.
CREATE TABLE audit_events (
    serial INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    happened_at INTEGER NOT NULL, -- seconds since the epoch
    instance_id TEXT NOT NULL,
    actor TEXT NOT NULL, -- unknown, operator, password or token
    actor_serial INTEGER, -- of the token
    actor_scope TEXT, -- of the token
    address TEXT, -- of the client; NULL: not known
    operation TEXT NOT NULL,
    device_id TEXT, -- the device that it was done to
    access_token INTEGER, -- the serial of the token that was issued or revoked
    outcome TEXT NOT NULL,
    unrecorded INTEGER NOT NULL -- refusals before it that are in no event
) STRICT;

CREATE INDEX audit_events_by_instance ON audit_events (instance_id, happened_at, serial);

-- Append only; the oldest are removed when their time is over.
CREATE TRIGGER audit_events_are_not_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are not changed');
END;
