-- How far the rows of a table reach, for the targets that pipelines declare: measured when the table changes, so that
-- status, metrics and alerts read no data file.
CREATE TABLE pipeline_freshness (
  -- `silver.bcb_sgs`, `gold.selic_mensal`
  table_name  text NOT NULL,
  -- A value of the target's `by` column; empty: the whole table.
  part        text NOT NULL,
  -- The newest value; of a date the end of the day. Null: no row has one.
  newest      timestamptz,
  -- What was measured, of which snapshot: another one is measured anew.
  measure     text NOT NULL,
  snapshot_id text NOT NULL,
  PRIMARY KEY (table_name, part)
);
