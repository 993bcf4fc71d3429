-- Pipelines: what was captured of each source, what was made of it, and what still has to be made.

-- A set is one complete reading of a window (all slices, all pages). It survives the run that began it: the next
-- run goes on from `progress`.
CREATE TABLE pipeline_sets (
  set_id       text PRIMARY KEY,
  pipeline     text NOT NULL,
  -- As in the ledger: `daily`, `hourly`, `full`.
  source       text NOT NULL,
  window_from  timestamptz NOT NULL,
  window_to    timestamptz NOT NULL,
  -- open: pages are missing; complete: waits for silver; merged: silver has it; left: given up for a newer set, or
  -- rolled back. Its captures stay in bronze.
  state        text NOT NULL CHECK (state IN ('open', 'complete', 'merged', 'left')),
  -- Which request of the window is next, and what finds its next page.
  progress     jsonb NOT NULL,
  -- The highest value of the source that the set has seen, in the source's own terms.
  watermark    text,
  opened_at    timestamptz NOT NULL,
  -- When its last page was fetched: absences (deletions of full snapshots) hold from then on.
  completed_at timestamptz,
  merged_by    text
);

-- At most one reading of a window is under way.
CREATE UNIQUE INDEX pipeline_sets_open ON pipeline_sets (pipeline, source, window_from, window_to) WHERE state = 'open';
CREATE INDEX pipeline_sets_waiting ON pipeline_sets (pipeline, state) WHERE state IN ('open', 'complete');

-- The index of bronze: one row for every answer, written with the commit that has its body.
CREATE TABLE pipeline_captures (
  capture_id   text NOT NULL,
  pipeline     text NOT NULL,
  set_id       text NOT NULL REFERENCES pipeline_sets (set_id),
  -- Of the set's requests, and the page of it.
  request      integer NOT NULL,
  page         integer NOT NULL,
  -- Of method, address and body, without secrets: the same request has the same hash.
  request_hash text NOT NULL,
  slice        jsonb NOT NULL,
  range_from   timestamptz NOT NULL,
  range_to     timestamptz NOT NULL,
  fetched_at   timestamptz NOT NULL,
  status       integer,
  body_hash    text NOT NULL,
  bytes        bigint NOT NULL,
  records      integer,
  -- NULL: taken. Else why it was refused: server_error, throttled, not_json, truncated, …
  refused      text,
  -- The bronze file that has it; NULL where the answer was the same as that of `same_as`, which has the body.
  file         text,
  same_as      text,
  PRIMARY KEY (set_id, capture_id),
  CHECK ((file IS NULL) = (same_as IS NOT NULL))
);

CREATE INDEX pipeline_captures_by_id ON pipeline_captures (capture_id) WHERE file IS NOT NULL;
CREATE INDEX pipeline_captures_by_request ON pipeline_captures (pipeline, request_hash, fetched_at DESC);

-- One row for every attempt to move a pipeline on. `run_id` comes from source, window, code and inputs: an attempt
-- with the id of one that is done already has nothing to do.
CREATE TABLE pipeline_runs (
  attempt_id  text PRIMARY KEY,
  seq         bigint GENERATED ALWAYS AS IDENTITY,
  run_id      text,
  pipeline    text NOT NULL,
  kind        text NOT NULL CHECK (kind IN ('window', 'rebuild', 'replay', 'gold')),
  source      text NOT NULL,
  window_from timestamptz,
  window_to   timestamptz,
  state       text NOT NULL CHECK (state IN ('running', 'captured', 'done', 'skipped', 'failed', 'rolled_back')),
  fence       bigint NOT NULL,
  code_hash   text NOT NULL,
  input_hash  text,
  started_at  timestamptz NOT NULL,
  finished_at timestamptz,
  -- Rows in, out, quarantined, restated; calls; bytes; seconds.
  report      jsonb,
  -- Snapshots of the tables after it, and what rollback puts back.
  snapshots   jsonb,
  error       text
);

CREATE INDEX pipeline_runs_by_pipeline ON pipeline_runs (pipeline, seq DESC);
CREATE INDEX pipeline_runs_by_run ON pipeline_runs (pipeline, run_id) WHERE run_id IS NOT NULL;

-- What silver was last made with, and the newest capture in it: a capture that is older makes it anew.
CREATE TABLE pipeline_silver (
  pipeline  text PRIMARY KEY,
  code_hash text NOT NULL,
  seen_to   timestamptz,
  -- The newest capture that changed it: one that repeats what was seen since then changes nothing.
  changed_to timestamptz,
  built_at  timestamptz NOT NULL
);

CREATE TABLE pipeline_gold (
  gold       text PRIMARY KEY,
  pipeline   text NOT NULL,
  code_hash  text NOT NULL,
  built_at   timestamptz NOT NULL
);

-- Gold tables that have yet to follow silver, written by the commit that changed it.
CREATE TABLE pipeline_gold_changes (
  change_id  text NOT NULL,
  gold       text NOT NULL,
  -- NULL: all of it. Else the groups that changed.
  groups     text[],
  noted_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (gold, change_id)
);

-- Quarantined rows and values that a later run took: the key makes it exactly once.
CREATE TABLE pipeline_replays (
  quarantine_id text NOT NULL,
  pipeline      text NOT NULL,
  attempt_id    text NOT NULL REFERENCES pipeline_runs (attempt_id),
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (pipeline, quarantine_id)
);

CREATE INDEX pipeline_replays_by_attempt ON pipeline_replays (attempt_id);
