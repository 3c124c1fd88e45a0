-- bare.sql - the yardstick of `analyze`: what ten metrics need of the table, as one would write it by hand
--
-- First exposure and variant of each player, sums of each player within the windows, and for each variant
-- the count, means and variances. It leaves out what makes a readout of it: players of two variants, unknown
-- variants, epochs, days, whether a window has passed, the 99.9 % cap, and values that are no number.
WITH exposed AS MATERIALIZED (
    SELECT user_id, min(attributes ->> '$.variant') AS variant, min(epoch_us(event_time)) AS first_us
    FROM events
    WHERE event_name = 'experiment_exposure' AND (attributes ->> '$.experiment') = 'bench'
    GROUP BY user_id
), aged AS (
    SELECT user_id, event_name, attributes, epoch_us(event_time) - first_us AS age,
        epoch_us(event_time) // 86400000000 - first_us // 86400000000 AS day
    FROM events JOIN exposed USING (user_id)
), sums AS (
    SELECT user_id,
        max(CASE WHEN day = 7 THEN 1 END) AS day_7,
        max(CASE WHEN day = 1 THEN 1 END) AS day_1,
        max(CASE WHEN event_name = 'purchase' AND age BETWEEN 0 AND 604799999999 THEN 1 END) AS bought,
        sum(CASE WHEN event_name = 'purchase' AND age BETWEEN 0 AND 604799999999
            THEN CAST(attributes ->> '$.price_cents' AS DOUBLE) END) AS revenue,
        count(CASE WHEN event_name = 'purchase' AND age BETWEEN 0 AND 604799999999 THEN 1 END) AS purchases,
        count(CASE WHEN event_name = 'level_end' AND age BETWEEN 0 AND 604799999999 THEN 1 END) AS levels,
        sum(CASE WHEN event_name = 'level_end' AND age BETWEEN 0 AND 259199999999
            THEN CAST(attributes ->> '$.score' AS DOUBLE) END) AS score,
        count(CASE WHEN event_name = 'ad_view' AND age BETWEEN 0 AND 604799999999 THEN 1 END) AS adverts,
        sum(CASE WHEN event_name = 'session_end' AND age BETWEEN 0 AND 604799999999
            THEN CAST(attributes ->> '$.seconds' AS DOUBLE) END) AS play_time
    FROM aged
    GROUP BY user_id
), filled AS (
    SELECT variant, coalesce(day_7, 0) AS day_7, coalesce(day_1, 0) AS day_1, coalesce(bought, 0) AS bought,
        coalesce(revenue, 0) AS revenue, coalesce(purchases, 0) AS purchases, coalesce(levels, 0) AS levels,
        coalesce(score, 0) AS score, coalesce(adverts, 0) AS adverts, coalesce(play_time, 0) AS play_time
    FROM exposed LEFT JOIN sums USING (user_id)
)
SELECT variant, count(*) AS players,
    avg(day_7) AS day_7, avg(day_1) AS day_1, avg(bought) AS bought,
    avg(revenue) AS revenue, var_samp(revenue) AS revenue_var,
    avg(purchases) AS purchases, var_samp(purchases) AS purchases_var,
    avg(levels) AS levels, var_samp(levels) AS levels_var,
    avg(score) AS score, var_samp(score) AS score_var,
    avg(adverts) AS adverts, var_samp(adverts) AS adverts_var,
    avg(play_time) AS play_time, var_samp(play_time) AS play_time_var,
    covar_samp(revenue, purchases) AS price_covar
FROM filled
GROUP BY variant
ORDER BY variant
