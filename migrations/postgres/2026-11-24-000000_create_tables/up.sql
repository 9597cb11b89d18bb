-- COLLATE "C": texts are compared and ordered byte for byte, whatever the locale of the database.

CREATE TABLE instances (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
);

-- A sequence: a serial is never used again, not even after its row is gone.
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
