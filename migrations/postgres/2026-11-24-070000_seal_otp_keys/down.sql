DROP TABLE master_keys;
ALTER TABLE otp_devices RENAME COLUMN sealed_key TO otp_key;
