ALTER TABLE instances ADD COLUMN password_hash TEXT; -- a PHC string; NULL: no password
ALTER TABLE instances ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0; -- 1: kept but unusable
