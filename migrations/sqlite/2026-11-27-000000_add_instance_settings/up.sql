-- The settings of the protocol that the service does not use: a JSON object, as it was written.
ALTER TABLE instances ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
