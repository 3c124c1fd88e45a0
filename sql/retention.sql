-- Share of new players who come back on day N (classic retention)
--
-- A player's cohort is the UTC day of the first event the table has of them, ever. A player is
-- retained on day N when there is an event of them on the UTC day N days after it. Cohorts whose day N has
-- not fully passed at `as_of` are left out of day N, so a rate never grows later by waiting. The row
-- `all` of a day adds up the cohorts listed for that day.
--
-- param days = 1,7: which days N, separated by commas; 0 is the first day itself
-- param as_of = : the time from which one looks back; without it, the newest event_time in the table
--
-- columns: cohort_day (or 'all'), cohort_size (players), day, retained (players), rate (0 to 1)
WITH first_day AS (
    SELECT user_id, CAST(min(event_time) AS DATE) AS cohort_day
    FROM events
    GROUP BY user_id
),
active_day AS (
    SELECT DISTINCT user_id, CAST(event_time AS DATE) AS active_day
    FROM events
),
today AS (
    SELECT CAST(coalesce(CAST($as_of AS TIMESTAMPTZ), (SELECT max(event_time) FROM events)) AS DATE)
        AS today
),
horizon AS (
    SELECT DISTINCT CAST(unnest(string_split($days, ',')) AS INTEGER) AS day
),
cohort AS (
    SELECT cohort_day, count(*) AS cohort_size
    FROM first_day
    GROUP BY cohort_day
),
mature AS (
    SELECT cohort_day, cohort_size, day
    FROM cohort CROSS JOIN horizon CROSS JOIN today
    WHERE today > cohort_day + day
),
returned AS (
    SELECT f.cohort_day, a.active_day - f.cohort_day AS day, count(*) AS retained
    FROM first_day f JOIN active_day a ON a.user_id = f.user_id
    WHERE a.active_day - f.cohort_day IN (SELECT day FROM horizon)
    GROUP BY f.cohort_day, a.active_day - f.cohort_day
),
cohort_rows AS (
    SELECT CAST(m.cohort_day AS VARCHAR) AS cohort_day, m.cohort_size, m.day,
        coalesce(r.retained, 0) AS retained
    FROM mature m LEFT JOIN returned r ON r.cohort_day = m.cohort_day AND r.day = m.day
),
all_rows AS (
    SELECT cohort_day, cohort_size, day, retained FROM cohort_rows
    UNION ALL
    SELECT 'all', CAST(sum(cohort_size) AS BIGINT), day, CAST(sum(retained) AS BIGINT)
    FROM cohort_rows
    GROUP BY day
)
SELECT cohort_day, cohort_size, day, retained,
    CAST(retained AS DOUBLE) / cohort_size AS rate
FROM all_rows
ORDER BY day, cohort_day
