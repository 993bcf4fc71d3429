-- The archive: orders that were put back, and erasures under the LGPD.

-- Null: marked, and perhaps not put yet. Only from here on the order counts as live again.
ALTER TABLE archive_restores ADD COLUMN put_at timestamptz;

-- What was erased or made anonymous, for whom it was asked, and on what ground; nothing here names the person.
CREATE TABLE archive_erasures (
  erasure_id   text PRIMARY KEY,
  -- The request's number in the bank's own register.
  reference    text NOT NULL,
  mode         text NOT NULL CHECK (mode IN ('erase', 'anonymise')),
  requested_by text NOT NULL,
  begun_at     timestamptz NOT NULL,
  -- Null: rows have left the current table; old snapshots may still hold them. The next run of it ends that.
  finished_at  timestamptz,
  orders       integer NOT NULL,
  files        integer NOT NULL,
  -- Ids of issued reports that held one of the orders.
  reports      text[] NOT NULL DEFAULT '{}'
);
