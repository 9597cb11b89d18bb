CREATE INDEX audit_events_by_instance ON audit_events (instance_id, happened_at, serial);
ALTER TABLE audit_events DROP CONSTRAINT audit_events_pkey;
ALTER TABLE audit_events ADD PRIMARY KEY (serial);

CREATE INDEX access_tokens_by_instance ON access_tokens (instance_id, serial);
ALTER TABLE access_tokens DROP CONSTRAINT access_tokens_instance_id_digest_key;
ALTER TABLE access_tokens ADD UNIQUE (digest);
ALTER TABLE access_tokens DROP CONSTRAINT access_tokens_pkey;
ALTER TABLE access_tokens ADD PRIMARY KEY (serial);

ALTER TABLE instances DROP COLUMN serial;
