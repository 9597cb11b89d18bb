-- The default collation, BINARY, compares texts byte for byte.

CREATE TABLE instances (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- With AUTOINCREMENT a serial is never reused, even after its row is deleted.
CREATE TABLE access_tokens (
    serial INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    digest BLOB NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL, -- seconds since the epoch
    expires_at INTEGER, -- seconds since the epoch; NULL: never
    description TEXT NOT NULL
) STRICT;

CREATE INDEX access_tokens_by_instance ON access_tokens (instance_id, serial);

CREATE TABLE otp_devices (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL,
    description TEXT NOT NULL,
    otp_key BLOB NOT NULL,
    algorithm INTEGER NOT NULL, -- otp_algorithm of the protocol: 0, 1 or 2
    counter INTEGER NOT NULL,
    PRIMARY KEY (instance_id, device_id)
) STRICT, WITHOUT ROWID;
