-- From this version on, the application seals keys, and SQL cannot seal the existing ones. If there
-- are any devices, this fails, and the name of the constraint in the error says what to do.
CREATE TABLE sealing (
    devices INTEGER CONSTRAINT remove_the_devices_whose_keys_are_not_sealed CHECK (devices = 0)
) STRICT;
INSERT INTO sealing SELECT count(*) FROM otp_devices;
DROP TABLE sealing;

ALTER TABLE otp_devices RENAME COLUMN otp_key TO sealed_key; -- master key id, nonce, ciphertext, tag

-- Key check values. They show at start whether all master keys in use are present.
CREATE TABLE master_keys (
    id BLOB NOT NULL PRIMARY KEY,
    sample BLOB NOT NULL -- the key check value, sealed by the master key
) STRICT, WITHOUT ROWID;
