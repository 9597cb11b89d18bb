DROP TABLE otp_devices;
DROP TABLE access_tokens;
DROP TABLE instances;
