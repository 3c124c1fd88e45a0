-- Purchases and revenue a day, ARPDAU and ARPPU
--
-- A purchase is an event named `event`; its price is the number under `price_key` in its attributes
-- (a purchase without one counts, with revenue 0), its currency the text under `currency_key`. Days are
-- UTC days of event_time. Amounts of different currencies are never added: a day has one row for each
-- currency that occurs in the table. Prices are added as decimals with four places, so sums are exact.
--
-- param event = purchase: name of the event that is a purchase
-- param price_key = price: where the price stands in its attributes (a key, or a path such as $.item.price)
-- param currency_key = currency: where the currency stands
--
-- columns: day, currency, payers (players who bought), purchases, revenue, active_users (players with any
-- event), arpdau (revenue by active user), arppu (revenue by payer; null without payers)
WITH purchase AS (
    SELECT CAST(event_time AS DATE) AS day,
        coalesce(attributes ->> $currency_key, '') AS currency,
        user_id,
        coalesce(TRY_CAST(attributes ->> $price_key AS DECIMAL(18, 4)), 0) AS price
    FROM events
    WHERE event_name = $event
),
active AS (
    SELECT CAST(event_time AS DATE) AS day, count(DISTINCT user_id) AS active_users
    FROM events
    GROUP BY CAST(event_time AS DATE)
),
currencies AS (
    SELECT DISTINCT currency FROM purchase
    UNION ALL
    SELECT '' WHERE NOT EXISTS (SELECT 1 FROM purchase)
),
sold AS (
    SELECT day, currency, count(DISTINCT user_id) AS payers, count(*) AS purchases,
        CAST(sum(price) AS DOUBLE) AS revenue
    FROM purchase
    GROUP BY day, currency
)
SELECT CAST(a.day AS VARCHAR) AS day, nullif(c.currency, '') AS currency,
    coalesce(s.payers, 0) AS payers, coalesce(s.purchases, 0) AS purchases,
    coalesce(s.revenue, 0.0) AS revenue, a.active_users,
    coalesce(s.revenue, 0.0) / a.active_users AS arpdau,
    s.revenue / s.payers AS arppu
FROM active a CROSS JOIN currencies c
    LEFT JOIN sold s ON s.day = a.day AND s.currency = c.currency
ORDER BY a.day, c.currency
