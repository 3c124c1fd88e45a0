-- Share of an experiment's players with an event soon after their first exposure
--
-- The window is [first exposure, first exposure + days * 24 h). Players whose window has not fully
-- passed at `as_of` are left out, and so are players seen in several variants.
--
-- param experiment = : the experiment's name
-- param event = purchase: the event's name
-- param days = 7: the window, in days of 24 hours
-- param as_of = : the time from which one looks back; without it, the newest receipt of an event
--
-- columns: variant, units (players whose window has passed), conversions (those with the event)
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
    SELECT CAST($days AS BIGINT) * 86400000000 AS window_us,
        epoch_us(coalesce(CAST($as_of AS TIMESTAMPTZ), (SELECT max(received_at) FROM events))) AS as_of_us
),
mature AS (
    SELECT user_id, variant, first_us, first_us + window_us AS end_us
    FROM units CROSS JOIN horizon
    WHERE first_us + window_us <= as_of_us
),
converted AS (
    SELECT DISTINCT user_id
    FROM mature JOIN events USING (user_id)
    WHERE event_name = $event
        AND epoch_us(event_time) >= first_us
        AND epoch_us(event_time) < end_us
)
SELECT variant, count(*) AS units, count(converted.user_id) AS conversions
FROM mature LEFT JOIN converted USING (user_id)
GROUP BY variant
ORDER BY variant
