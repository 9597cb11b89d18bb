-- Each log-in counts the valid tokens of its instance, and removes those that expired long ago.
CREATE INDEX access_tokens_expires_at ON access_tokens (instance_id, expires_at);
