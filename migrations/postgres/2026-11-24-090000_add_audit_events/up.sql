-- The audit trail. It does not reference instances, because an event outlives its instance.
CREATE TABLE audit_events (
    serial BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at BIGINT NOT NULL, -- seconds since the epoch
    instance_id TEXT COLLATE "C" NOT NULL,
    actor TEXT NOT NULL, -- unknown, operator, password or token
    actor_serial BIGINT, -- of the token
    actor_scope TEXT, -- of the token
    address TEXT, -- of the client; NULL: unknown
    operation TEXT NOT NULL,
    device_id TEXT, -- the device of the operation
    access_token BIGINT, -- the serial of the token that was issued or revoked
    outcome TEXT NOT NULL,
    unrecorded BIGINT NOT NULL -- refusals before this event that were not recorded
);

CREATE INDEX audit_events_by_instance ON audit_events (instance_id, happened_at, serial);

-- Append-only; events are removed after the retention period.
CREATE FUNCTION refuse_to_change_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are not changed';
END
$$;

CREATE TRIGGER audit_events_are_not_changed BEFORE UPDATE OR TRUNCATE ON audit_events
    EXECUTE FUNCTION refuse_to_change_audit_events();
