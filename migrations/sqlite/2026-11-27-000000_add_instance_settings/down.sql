ALTER TABLE instances DROP COLUMN settings;
