-- What users called a request that creates something (the header Idempotency-Key), with its answer, written in the transaction of what it
-- created: whoever sends the request again gets the answer again, and nothing is created twice. Kept for a day.
CREATE TABLE idempotency_keys (
  company_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
  -- SHA-256 of the path and the body, base64url: the same key with another request is refused.
  fingerprint TEXT NOT NULL,
  -- JSON.
  answer TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (company_id, user_id, key)
) STRICT;

-- The newest of a user, of which so many are kept; and those of everybody that are old enough to go.
CREATE INDEX idempotency_keys_user_created ON idempotency_keys (company_id, user_id, created_at, key);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
