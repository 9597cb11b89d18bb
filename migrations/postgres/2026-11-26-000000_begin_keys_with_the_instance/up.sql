-- Every primary key begins with the instance and every unique key contains it, so that the tables
-- can be distributed by instance. One subcommand per ALTER TABLE, because a distributed table
-- accepts no more.

-- Never reused: an instance that later gets the same id has another serial.
ALTER TABLE instances ADD COLUMN serial BIGINT GENERATED ALWAYS AS IDENTITY;

ALTER TABLE access_tokens DROP CONSTRAINT access_tokens_pkey;
ALTER TABLE access_tokens ADD PRIMARY KEY (instance_id, serial);
ALTER TABLE access_tokens DROP CONSTRAINT access_tokens_digest_key;
ALTER TABLE access_tokens ADD UNIQUE (instance_id, digest);
DROP INDEX access_tokens_by_instance;

ALTER TABLE audit_events DROP CONSTRAINT audit_events_pkey;
ALTER TABLE audit_events ADD PRIMARY KEY (instance_id, happened_at, serial);
DROP INDEX audit_events_by_instance;
