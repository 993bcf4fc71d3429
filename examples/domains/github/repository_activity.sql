-- What happened in each repository, by day and action.
-- key: day, repository, action
SELECT
  day,
  payload ->> '$.repository.full_name' AS repository,
  coalesce(payload ->> '$.action', 'none') AS action,
  count(*) AS events,
  count(DISTINCT payload ->> '$.sender.login') AS people
FROM events
WHERE payload ->> '$.repository.full_name' IS NOT NULL
GROUP BY ALL

-- test: every action was somebody's
SELECT * FROM result WHERE people > events
