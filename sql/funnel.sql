-- How many players get from step to step, in order and in time
--
-- A player reaches step K when there is a chain of their events, one of each step from the first
-- to K, each strictly after the one before by event_time, then seq, and the last one at most
-- `within` after the first. Any event of the first step may begin a chain, not only the
-- earliest. The same event name may stand for several steps; one event serves one step of a chain.
--
-- param steps = session_start,level_start,level_end,purchase: event names in order, separated by commas
-- param within = 7 days: the longest time from the first step to any other
--
-- columns: step (from 1), event_name, users, rate_from_first, rate_from_previous (0 to 1)
--
-- Method: pass K gives every event of step K the latest time at which a chain that ends there can have
-- begun: the latest of all begins of step K - 1 before it. The latest is enough, for it leaves
-- most time. So each step costs one sort, not a join of events with events. Times are whole
-- microseconds here: differences of timestamps were measured at half of the cost.
WITH RECURSIVE step AS (
    SELECT step, trim(event_name) AS event_name,
        epoch_us(CAST($within AS INTERVAL)) AS within_us
    FROM (SELECT generate_subscripts(string_split($steps, ','), 1) AS step,
        unnest(string_split($steps, ',')) AS event_name)
),
relevant AS (
    SELECT user_id, epoch_us(event_time) AS at_us, coalesce(seq, -1) AS seq, event_id, event_name
    FROM events
    WHERE event_name IN (SELECT event_name FROM step)
),
chain AS (
    SELECT 1 AS step, r.*,
        CASE WHEN r.event_name = s.event_name THEN r.at_us END AS begun_us
    FROM relevant r JOIN step s ON s.step = 1
    UNION ALL
    SELECT p.step, p.user_id, p.at_us, p.seq, p.event_id, p.event_name,
        CASE WHEN p.event_name = s.event_name AND p.at_us - p.before_us <= s.within_us
            THEN p.before_us END AS begun_us
    FROM (
        SELECT step + 1 AS step, user_id, at_us, seq, event_id, event_name,
            max(begun_us) OVER (PARTITION BY user_id ORDER BY at_us, seq, event_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_us
        FROM chain
        WHERE step < (SELECT max(step) FROM step)
    ) p JOIN step s ON s.step = p.step
),
reached AS (
    SELECT step, count(DISTINCT user_id) AS users
    FROM chain
    WHERE begun_us IS NOT NULL
    GROUP BY step
),
counted AS (
    SELECT s.step, s.event_name, coalesce(r.users, 0) AS users
    FROM step s LEFT JOIN reached r ON r.step = s.step
)
SELECT step, event_name, users,
    CAST(users AS DOUBLE) / nullif(first_value(users) OVER (ORDER BY step), 0) AS rate_from_first,
    CAST(users AS DOUBLE) / nullif(coalesce(lag(users) OVER (ORDER BY step), users), 0)
        AS rate_from_previous
FROM counted
ORDER BY step
