-- Leases and the interval ledger: what every part that moves data in steps is guarded by and recorded in.

-- A trusted extension (no superuser needed): equality inside the exclusion constraint below.
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- One row a name, never deleted: the fencing token must rise over the whole life of the name, also after a release.
CREATE TABLE leases (
  name        text PRIMARY KEY,
  token       bigint NOT NULL CHECK (token > 0),
  -- NULL: released. An expired holder keeps its name here until it is replaced.
  holder      text,
  acquired_at timestamptz NOT NULL,
  renewed_at  timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL
);

CREATE TABLE intervals (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline     text NOT NULL CHECK (pipeline <> ''),
  source       text NOT NULL CHECK (source <> ''),
  -- [window_from, window_to)
  window_from  timestamptz NOT NULL,
  window_to    timestamptz NOT NULL,
  state        text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'running', 'done', 'failed', 'hole')),
  attempts     integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  max_attempts integer NOT NULL CHECK (max_attempts > 0),
  run_id       text,
  -- The lease under which the last run began, and its token.
  lease_name   text,
  fence        bigint,
  input_hash   text,
  output       jsonb,
  watermark    text,
  error        text,
  planned_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at   timestamptz,
  finished_at  timestamptz,
  CHECK (window_from < window_to),
  CHECK (state <> 'running' OR (run_id IS NOT NULL AND lease_name IS NOT NULL AND fence IS NOT NULL)),
  CHECK (state <> 'done' OR finished_at IS NOT NULL),
  -- Windows of one source never overlap: an instant belongs to exactly one interval, whichever code wrote it.
  EXCLUDE USING gist (pipeline WITH =, source WITH =, tstzrange(window_from, window_to) WITH &&)
);

-- The exclusion's index answers overlaps; this one finds the oldest window that waits and pages the listing.
CREATE INDEX intervals_by_window ON intervals (pipeline, source, window_from);
CREATE INDEX intervals_unfinished ON intervals (pipeline, source, window_from) WHERE state <> 'done';

-- Every transition, in the transaction that made it. Append-only: the interval keeps only its latest state.
CREATE TABLE interval_history (
  interval_id bigint NOT NULL REFERENCES intervals (id),
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  from_state  text,
  to_state    text NOT NULL,
  run_id      text,
  fence       bigint,
  attempts    integer NOT NULL,
  detail      text,
  output      jsonb
);

CREATE INDEX interval_history_by_interval ON interval_history (interval_id, at);
