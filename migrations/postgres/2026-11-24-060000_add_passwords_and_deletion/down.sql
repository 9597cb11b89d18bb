ALTER TABLE instances DROP COLUMN deleted;
ALTER TABLE instances DROP COLUMN password_hash;
