-- Consolidation of small files into a table of the lake: runs, what they took, and the feedback they owe.

-- One row a run of `lastro consolidate`, of a replay or of a rollback. `counts` is what `--json` prints.
CREATE TABLE consolidate_runs (
  run_id      text PRIMARY KEY,
  table_name  text NOT NULL,
  kind        text NOT NULL CHECK (kind IN ('consolidate', 'replay')),
  source      text NOT NULL,
  state       text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'rolled_back')),
  fence       bigint NOT NULL,
  started_at  timestamptz NOT NULL,
  finished_at timestamptz,
  counts      jsonb,
  snapshot_id text,
  error       text
);

CREATE INDEX consolidate_runs_by_table ON consolidate_runs (table_name, started_at DESC);

-- One row a commit: the books of the batch, balanced. `commit_id` finds its snapshots in the lake's tables.
CREATE TABLE consolidate_batches (
  run_id       text NOT NULL REFERENCES consolidate_runs (run_id),
  batch        integer NOT NULL,
  commit_id    text NOT NULL UNIQUE,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  documents    bigint NOT NULL,
  rows         bigint NOT NULL,
  quarantined  bigint NOT NULL,
  duplicates   bigint NOT NULL,
  snapshot_id  text,
  counts       jsonb NOT NULL,
  PRIMARY KEY (run_id, batch),
  -- Nothing lost, nothing twice: the database refuses a commit that does not add up.
  CHECK (documents = rows + quarantined + duplicates)
);

-- The objects taken, a row for each folder of a batch with lists inside: 70,000 objects in hourly folders are a
-- hundred rows and 3 MB, written in 60 ms; as rows of their own they would be 10 MB and an index to keep. Only
-- the folders that a listing shows are read back.
CREATE TABLE consolidate_objects (
  table_name text NOT NULL,
  -- URL of the folder, with `/` at the end.
  folder     text NOT NULL,
  run_id     text NOT NULL REFERENCES consolidate_runs (run_id),
  batch      integer NOT NULL,
  names      text[] NOT NULL,
  -- As the listing shows it (ETag, or size and time): equal means not written since.
  versions   text[] NOT NULL,
  -- Of the content (SHA-256, 24 characters of base64url): equal means the same content.
  hashes     text[] NOT NULL,
  PRIMARY KEY (table_name, folder, run_id, batch),
  CHECK (cardinality(names) = cardinality(versions) AND cardinality(names) = cardinality(hashes))
);

CREATE INDEX consolidate_objects_by_run ON consolidate_objects (run_id);

-- For people: which run took an object.
CREATE VIEW consolidated_objects AS
  SELECT table_name, folder || name AS object, version, hash, run_id
  FROM consolidate_objects, unnest(names, versions, hashes) AS o (name, version, hash);

-- The Kafka offsets that each run took: merged over the runs they give gaps and possible duplicates.
CREATE TABLE consolidate_offsets (
  table_name      text NOT NULL,
  topic           text NOT NULL,
  kafka_partition integer NOT NULL,
  run_id          text NOT NULL REFERENCES consolidate_runs (run_id),
  batch           integer NOT NULL,
  offsets         int8multirange NOT NULL,
  PRIMARY KEY (table_name, topic, kafka_partition, run_id, batch)
);

CREATE INDEX consolidate_offsets_by_run ON consolidate_offsets (run_id);

-- Quarantined pieces that were replayed: the key makes it exactly once, whoever replays at the same time.
CREATE TABLE consolidate_replays (
  quarantine_id text PRIMARY KEY,
  table_name    text NOT NULL,
  run_id        text NOT NULL REFERENCES consolidate_runs (run_id),
  at            timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX consolidate_replays_by_run ON consolidate_replays (run_id);

-- Partitions of the events that a domain has yet to process, written by the commit that changed them.
CREATE TABLE consolidate_domain_changes (
  table_name text NOT NULL,
  domain     text NOT NULL,
  -- Day of ingestion, UTC.
  day        date NOT NULL,
  run_id     text NOT NULL REFERENCES consolidate_runs (run_id),
  PRIMARY KEY (table_name, domain, day, run_id)
);

-- The model that a domain's table was last built with: another one builds it anew, over all days.
CREATE TABLE consolidate_domains (
  table_name text NOT NULL,
  domain     text NOT NULL,
  model_hash text NOT NULL,
  built_at   timestamptz NOT NULL,
  PRIMARY KEY (table_name, domain)
);

-- Messages to the event layer, stored by the commit that they tell of and sent afterwards. `message_id` is the
-- Kafka key's idempotent part: consumers drop what they have seen.
CREATE TABLE consolidate_feedback (
  message_id      text PRIMARY KEY,
  seq             bigint GENERATED ALWAYS AS IDENTITY,
  run_id          text NOT NULL REFERENCES consolidate_runs (run_id),
  topic           text NOT NULL,
  key             text NOT NULL,
  schema          text NOT NULL,
  -- As text: what is sent has every digit of its numbers.
  body            json NOT NULL,
  state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'dead')),
  attempts        integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  error           text,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  sent_at         timestamptz
);

CREATE INDEX consolidate_feedback_pending ON consolidate_feedback (seq) WHERE state = 'pending';
