-- Two regions, each with a Redis of its own, share this database: one Redis at a time is believed, the one whose run_id this is. The active
-- region counts up while it believes its own; the other one steps in when it has seen it stand still.
ALTER TABLE redis_fence ADD COLUMN beat INTEGER NOT NULL DEFAULT 0;
