-- Players a day that an experiment could be shown to
--
-- The mean over the last full UTC days of the table, at most `days`: a day is full when there are events after it. New players are those
-- whose first event lies on the day.
--
-- param days = 28: how many days one looks back
--
-- columns: days (full days looked at), new_users, active_users (both a day, on average)
WITH active AS (
    SELECT DISTINCT user_id, epoch_us(event_time) // 86400000000 AS day
    FROM events
),
bounds AS (
    SELECT greatest(min(day), max(day) - CAST($days AS BIGINT)) AS first_day, max(day) AS end_day
    FROM active
),
newcomers AS (
    SELECT min(day) AS day
    FROM active
    GROUP BY user_id
)
SELECT end_day - first_day AS days,
    (SELECT count(*) FROM newcomers WHERE day >= first_day AND day < end_day)
        / nullif(CAST(end_day - first_day AS DOUBLE), 0) AS new_users,
    (SELECT count(*) FROM active WHERE day >= first_day AND day < end_day)
        / nullif(CAST(end_day - first_day AS DOUBLE), 0) AS active_users
FROM bounds
