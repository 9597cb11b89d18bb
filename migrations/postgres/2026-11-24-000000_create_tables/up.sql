-- COLLATE "C" compares and orders texts byte for byte, regardless of the database's locale.

CREATE TABLE instances (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
);

-- The serial comes from a sequence, so it is never reused, even after its row is deleted.
CREATE TABLE access_tokens (
    serial BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id TEXT COLLATE "C" NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    digest BYTEA NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL, -- seconds since the epoch
    expires_at BIGINT, -- seconds since the epoch; NULL: never
    description TEXT NOT NULL
);

CREATE INDEX access_tokens_by_instance ON access_tokens (instance_id, serial);

CREATE TABLE otp_devices (
    instance_id TEXT COLLATE "C" NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    device_id TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    otp_key BYTEA NOT NULL,
    algorithm SMALLINT NOT NULL, -- otp_algorithm of the protocol: 0, 1 or 2
    counter BIGINT NOT NULL,
    PRIMARY KEY (instance_id, device_id)
);
