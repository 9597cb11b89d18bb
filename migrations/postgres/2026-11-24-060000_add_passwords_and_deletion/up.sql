ALTER TABLE instances ADD COLUMN password_hash TEXT; -- a PHC string; NULL: no password
ALTER TABLE instances ADD COLUMN deleted BOOLEAN NOT NULL DEFAULT FALSE; -- TRUE: kept but unusable
