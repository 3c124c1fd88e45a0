-- Sessions a day: how many, how long, how busy
--
-- A session is all events of one player with one session_id; it lasts from its first event to its last
-- one by event_time and belongs to the UTC day of its first. Exposures that the server logged itself, for a player
-- whose session it was not told, are none.
--
-- columns: day, sessions, users (players with a session that began that day), median_seconds, mean_seconds,
-- events_per_session
WITH session AS (
    SELECT user_id, session_id, CAST(min(event_time) AS DATE) AS day,
        CAST(epoch_us(max(event_time)) - epoch_us(min(event_time)) AS DOUBLE) / 1000000 AS seconds,
        count(*) AS events
    FROM events
    WHERE NOT (event_name = 'experiment_exposure' AND session_id = 'ofrep')
    GROUP BY user_id, session_id
)
SELECT CAST(day AS VARCHAR) AS day, count(*) AS sessions, count(DISTINCT user_id) AS users,
    median(seconds) AS median_seconds, avg(seconds) AS mean_seconds,
    CAST(sum(events) AS DOUBLE) / count(*) AS events_per_session
FROM session
GROUP BY day
ORDER BY day
