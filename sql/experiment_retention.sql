-- Day-N retention of an experiment's players, counted from their first exposure
--
-- A player is retained when there is any event of them on the UTC day N days after the day of their first exposure. Players
-- whose day N has not fully passed at `as_of` are left out, and so are players seen in several
-- variants.
--
-- param experiment = : the experiment's name
-- param day = 1: which day N
-- param as_of = : the time from which one looks back; without it, the newest receipt of an event
--
-- columns: variant, units (players whose day N has passed), conversions (the retained ones)
WITH exposures AS (
    SELECT user_id, epoch_us(event_time) AS time_us,
        nullif(json_extract_string(attributes, '$.variant'), '') AS variant
    FROM events
    WHERE event_name = 'experiment_exposure'
        AND json_extract_string(attributes, '$.experiment') = $experiment
),
units AS (
    SELECT user_id, min(variant) AS variant, min(time_us) AS first_us
    FROM exposures
    WHERE variant IS NOT NULL
    GROUP BY user_id
    HAVING count(DISTINCT variant) = 1
),
horizon AS (
    SELECT CAST($day AS BIGINT) AS day,
        epoch_us(coalesce(CAST($as_of AS TIMESTAMPTZ), (SELECT max(received_at) FROM events))) AS as_of_us
),
mature AS (
    SELECT user_id, variant, first_us // 86400000000 + day AS target_day
    FROM units CROSS JOIN horizon
    WHERE (first_us // 86400000000 + day + 1) * 86400000000 <= as_of_us
),
returned AS (
    SELECT DISTINCT user_id
    FROM mature JOIN events USING (user_id)
    WHERE epoch_us(event_time) // 86400000000 = target_day
)
SELECT variant, count(*) AS units, count(returned.user_id) AS conversions
FROM mature LEFT JOIN returned USING (user_id)
GROUP BY variant
ORDER BY variant
