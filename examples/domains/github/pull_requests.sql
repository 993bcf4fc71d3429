-- The last state of each pull request that a day's events tell of.
-- key: day, pull_request_id
-- feedback: changes
SELECT
  day,
  CAST(payload ->> '$.pull_request.id' AS BIGINT) AS pull_request_id,
  payload ->> '$.repository.full_name' AS repository,
  CAST(payload ->> '$.pull_request.number' AS INTEGER) AS number,
  payload ->> '$.pull_request.title' AS title,
  payload ->> '$.pull_request.user.login' AS author,
  payload ->> '$.pull_request.state' AS state,
  CAST(payload ->> '$.pull_request.merged' AS BOOLEAN) AS merged,
  payload ->> '$.action' AS last_action,
  CAST(payload ->> '$.pull_request.updated_at' AS TIMESTAMPTZ) AS updated_at,
  object_key
FROM events
WHERE payload ->> '$.pull_request.id' IS NOT NULL
QUALIFY row_number() OVER (
  PARTITION BY day, pull_request_id
  -- Several events may carry one update: the key of the object decides, so that a rebuild gives the same row.
  ORDER BY updated_at DESC NULLS LAST, object_key DESC, position DESC
) = 1

-- test: every pull request has an author
SELECT * FROM result WHERE author IS NULL

-- test: a pull request is open or closed
SELECT * FROM result WHERE state NOT IN ('open', 'closed') OR state IS NULL
