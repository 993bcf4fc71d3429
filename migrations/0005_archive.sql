-- The archive of orders: runs, batches (one commit in the lake each), and a receipt for every archived version.

CREATE TABLE archive_runs (
  run_id      text PRIMARY KEY,
  source      text NOT NULL,
  state       text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
  fence       bigint NOT NULL,
  started_at  timestamptz NOT NULL,
  finished_at timestamptz,
  counts      jsonb,
  error       text
);

CREATE INDEX archive_runs_by_start ON archive_runs (started_at DESC);

-- A batch goes one way only: committed (in the lake, nothing proven) -> verified (read back, root signed and
-- published; from here orders may be removed) -> finished (every order's removal has an outcome). `rejected`: what was
-- read back differs; its rows were taken out of the table again and nothing was removed.
CREATE TABLE archive_batches (
  batch_id     text PRIMARY KEY, -- also the commit id in the lake
  run_id       text NOT NULL REFERENCES archive_runs (run_id),
  interval_id  bigint NOT NULL REFERENCES intervals (id),
  source       text NOT NULL,
  area_id      text NOT NULL,
  month        date NOT NULL,
  state        text NOT NULL CHECK (state IN ('committed', 'verified', 'finished', 'rejected')),
  orders       integer NOT NULL CHECK (orders > 0),
  bytes        bigint NOT NULL,
  -- Where the rows lay at the commit; compaction moves them.
  files        text[] NOT NULL,
  snapshot_id  text NOT NULL,
  archived_at  timestamptz NOT NULL,
  root         bytea,
  -- The signed root, as it was published under `published_key`, once.
  statement    text,
  published_key text,
  verified_at  timestamptz,
  remove_after timestamptz,
  finished_at  timestamptz,
  detail       jsonb,
  CHECK (state IN ('committed', 'rejected') OR (root IS NOT NULL AND statement IS NOT NULL AND verified_at IS NOT NULL))
);

CREATE INDEX archive_batches_open ON archive_batches (source, archived_at) WHERE state IN ('committed', 'verified');
CREATE INDEX archive_batches_by_window ON archive_batches (source, area_id, month);

CREATE TABLE archive_receipts (
  batch_id     text NOT NULL REFERENCES archive_batches (batch_id),
  -- Place of the leaf in the batch's tree.
  position     integer NOT NULL,
  leaf         bytea NOT NULL CHECK (length(leaf) = 32),
  -- These three are emptied when the order is erased: the leaf stays, so that the others' proofs hold, and says nothing.
  ordem_id     text,
  version_hash bytea,
  salt         bytea,
  versao       bigint,
  outcome      text NOT NULL DEFAULT 'pending'
    CHECK (outcome IN ('pending', 'removing', 'removed', 'gone', 'changed', 'unprovable', 'erased')),
  outcome_at   timestamptz,
  PRIMARY KEY (batch_id, position),
  CHECK ((ordem_id IS NULL) = (outcome = 'erased') AND (ordem_id IS NULL) = (salt IS NULL)
     AND (ordem_id IS NULL) = (version_hash IS NULL))
);

-- No version is archived twice, whatever runs beside whatever: the second commit fails.
CREATE UNIQUE INDEX archive_receipts_version ON archive_receipts (ordem_id, version_hash);
CREATE INDEX archive_receipts_open ON archive_receipts (batch_id, position) WHERE outcome IN ('pending', 'removing');

-- Orders that were put back: not archived again before `keep_until`.
CREATE TABLE archive_restores (
  ordem_id    text PRIMARY KEY,
  batch_id    text NOT NULL,
  restored_at timestamptz NOT NULL,
  restored_by text NOT NULL,
  keep_until  timestamptz NOT NULL
);

-- How far a scan of the whole table has come, where there is no index: a later run goes on from there.
CREATE TABLE archive_scans (
  source     text PRIMARY KEY,
  segments   jsonb NOT NULL,
  updated_at timestamptz NOT NULL
);

-- An area's own rules. An area without a row has the defaults of the settings.
CREATE TABLE archive_areas (
  area_id          text PRIMARY KEY,
  older_than       text,
  retention_months integer CHECK (retention_months > 0),
  -- Legal hold: nothing of the area is erased while it stands.
  hold_reason      text,
  hold_since       timestamptz,
  hold_by          text,
  updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((hold_reason IS NULL) = (hold_since IS NULL))
);
