-- How many players an experiment was shown to, by variant
--
-- An exposure is an event experiment_exposure with attributes {"experiment":…,"variant":…}; a player's
-- first one is the anchor of the experiment's metrics. A player seen in several variants belongs
-- to none of them.
--
-- param experiment = : the experiment's name
--
-- columns: kind, variant, units, first_us, last_us (first exposures, microseconds since 1970), received_us
--   variant: players of one variant; several: players seen in several variants; unnamed: exposures (not
--   players) that name no variant; total: players of any kind, and the newest receipt of any event
WITH exposures AS (
    SELECT user_id, epoch_us(event_time) AS time_us,
        nullif(json_extract_string(attributes, '$.variant'), '') AS variant
    FROM events
    WHERE event_name = 'experiment_exposure'
        AND json_extract_string(attributes, '$.experiment') = $experiment
),
units AS (
    SELECT user_id, min(variant) AS variant, count(DISTINCT variant) AS variant_count,
        min(time_us) FILTER (WHERE variant IS NOT NULL) AS first_us
    FROM exposures
    GROUP BY user_id
),
counted AS (
    SELECT 'variant' AS kind, variant, count(*) AS units, min(first_us) AS first_us,
        max(first_us) AS last_us, NULL AS received_us
    FROM units
    WHERE variant_count = 1
    GROUP BY variant
    UNION ALL
    SELECT 'several', NULL, count(*), min(first_us), max(first_us), NULL
    FROM units
    WHERE variant_count > 1
    UNION ALL
    SELECT 'unnamed', NULL, count(*), NULL, NULL, NULL
    FROM exposures
    WHERE variant IS NULL
    UNION ALL
    SELECT 'total', NULL, count(*), min(first_us), max(first_us),
        (SELECT max(epoch_us(received_at)) FROM events)
    FROM units
    WHERE variant_count > 0
)
SELECT kind, variant, units, first_us, last_us, CAST(received_us AS BIGINT) AS received_us
FROM counted
ORDER BY kind DESC, variant
