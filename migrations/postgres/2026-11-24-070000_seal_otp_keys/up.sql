-- From this version on, the application seals keys, and SQL cannot seal the existing ones. If there
-- are any devices, this fails, and the name of the table in the error says what to do.
CREATE TABLE remove_the_devices_whose_keys_are_not_sealed (devices BIGINT CHECK (devices = 0));
INSERT INTO remove_the_devices_whose_keys_are_not_sealed SELECT count(*) FROM otp_devices;
DROP TABLE remove_the_devices_whose_keys_are_not_sealed;

ALTER TABLE otp_devices RENAME COLUMN otp_key TO sealed_key; -- master key id, nonce, ciphertext, tag

-- Key check values. They show at start whether all master keys in use are present.
CREATE TABLE master_keys (
    id BYTEA NOT NULL PRIMARY KEY,
    sample BYTEA NOT NULL -- the key check value, sealed by the master key
);
