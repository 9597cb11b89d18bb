-- Keys are sealed by the application from here on. A key that is not cannot be sealed by SQL: this
-- fails, and says so by its name, if there is one.
CREATE TABLE sealing (
    devices INTEGER CONSTRAINT remove_the_devices_whose_keys_are_not_sealed CHECK (devices = 0)
) STRICT;
INSERT INTO sealing SELECT count(*) FROM otp_devices;
DROP TABLE sealing;

ALTER TABLE otp_devices RENAME COLUMN otp_key TO sealed_key; -- master key id, nonce, ciphertext, tag

-- What shows at the start whether the master keys are there that sealed something.
CREATE TABLE master_keys (
    id BLOB NOT NULL PRIMARY KEY,
    sample BLOB NOT NULL -- sealed by the master key
) STRICT, WITHOUT ROWID;
