-- The statements of reports, by name.
--
-- $1 is the tenant. A range of entries is one of their ids, which sort by time: from $2 on, before $3.

-- name: begin_report
-- Settings of a transaction: no statement takes longer than $1 milliseconds, none goes on for a report process
-- that is gone, and none takes more than one core. No two entries have the same postings: remembering what is
-- in them would only cost.
SELECT set_config('statement_timeout', $1, true), set_config('client_connection_check_interval', '1s', true),
       set_config('max_parallel_workers_per_gather', '0', true), set_config('enable_memoize', 'off', true)

-- name: read_tables
-- More of them, for statements that read tables of a tenant as a whole: the service's own may not.
SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),
       set_config('enable_mergejoin', 'on', true), set_config('work_mem', '64MB', true)

-- name: slice_end
-- The id of the entry $4 entries after the first of a range, if there is one.
SELECT entry_id FROM rights.journal WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3
ORDER BY entry_id OFFSET $4 LIMIT 1

-- name: leg_sums
-- All postings of a range, added up by what reports tell apart. Only lots have an expiry, only accounts of the
-- member an origin.
SELECT kind, account, asset, coalesce(origin, '') AS issuer, coalesce(expires_ms <= recorded_ms, false) AS past,
       sum(amount) AS amount
FROM rights.posting WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3
GROUP BY kind, account, asset, origin, coalesce(expires_ms <= recorded_ms, false), amount < 0

-- name: settled_sales
-- Settlements of a range: what was asked for, and the receipt.
SELECT request, response FROM rights.journal
WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3 AND kind = 'settle' AND rejection IS NULL

-- name: confirmed_sales
-- Reservations confirmed in a range: what was asked for when they were made, and the receipt. The range is read
-- first, by its ids: the index of settlements would be read as a whole for each.
WITH confirmed AS MATERIALIZED (
    SELECT settlement_id, response FROM rights.journal
    WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3 AND kind = 'confirm' AND rejection IS NULL
)
SELECT r.request, c.response
FROM confirmed c JOIN rights.journal r ON r.tenant_id = $1 AND r.entry_id = c.settlement_id

-- name: refunded_sales
-- Refunds and reversals of a range: their answers, the settlement (or reservation) they are about, whenever
-- that was, and the refunds made of it before, in order.
WITH refunded AS MATERIALIZED (
    SELECT entry_id, settlement_id, kind, response FROM rights.journal
    WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3 AND kind IN ('refund', 'reverse')
      AND rejection IS NULL
)
SELECT f.kind, f.response, s.kind AS sale_kind, s.request AS sale_request, s.response AS sale_response,
       ARRAY(SELECT e.response FROM rights.journal e
             WHERE e.tenant_id = $1 AND e.settlement_id = f.settlement_id AND e.entry_id < f.entry_id
               AND e.kind = 'refund' AND e.rejection IS NULL
             ORDER BY e.entry_id) AS earlier
FROM refunded f JOIN rights.journal s ON s.tenant_id = $1 AND s.entry_id = f.settlement_id

-- name: claims
-- Claims of a range with which money moved: their answers.
SELECT response FROM rights.journal
WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3 AND kind = 'claim' AND rejection IS NULL
  AND jsonb_path_exists(postings, 'strict $[*] ? (@[1] like_regex "^[A-Z]{3}$")')

-- name: holdings_now
-- What members hold, as their wallets are; past: at the time $2. A month is that of the last instant before the
-- expiry, in the zone $3: what expires at the end of November expires when December begins.
WITH holding AS (
    SELECT 'member' AS account, asset, origin, expires_ms, amount FROM rights.lot WHERE tenant_id = $1
    UNION ALL
    SELECT 'held', asset, origin, expires_ms, amount FROM rights.held_lot WHERE tenant_id = $1
    UNION ALL
    SELECT 'pending', asset, origin, NULL, amount FROM rights.pending_lot WHERE tenant_id = $1
    UNION ALL
    SELECT 'debt', asset, origin, NULL, -amount FROM rights.debt WHERE tenant_id = $1
)
SELECT account, asset, coalesce(origin, '') AS issuer,
       coalesce(to_char(to_timestamp((expires_ms - 1) / 1000.0) AT TIME ZONE $3, 'YYYY-MM'), '') AS month,
       coalesce(expires_ms <= $2, false) AS past, sum(amount) AS units
FROM holding GROUP BY 1, 2, 3, 4, 5

-- name: holdings_moved
-- What a range of entries changed of it, from their postings; past: at the time $4, months in the zone $5.
SELECT account, asset, coalesce(origin, '') AS issuer,
       coalesce(to_char(to_timestamp((expires_ms - 1) / 1000.0) AT TIME ZONE $5, 'YYYY-MM'), '') AS month,
       coalesce(expires_ms <= $4, false) AS past, sum(amount) AS units
FROM rights.posting
WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3 AND account IN ('member', 'held', 'pending', 'debt')
GROUP BY 1, 2, 3, 4, 5

-- name: codes_unused
-- Codes that can be redeemed at the time $2 or later, after the entries before the id $3.
SELECT p.pool_id, coalesce(p.template_id, '') AS template_id, coalesce(p.asset, '') AS asset,
       coalesce(p.origin, '') AS issuer, coalesce(p.units, 0) AS units, g.codes - r.codes AS codes
FROM rights.code_pool p,
     LATERAL (SELECT coalesce(sum(stored), 0)::bigint AS codes FROM rights.code_generation g
              WHERE g.tenant_id = p.tenant_id AND g.pool_id = p.pool_id AND g.started_ms <= $2) g,
     LATERAL (SELECT count(*) AS codes FROM rights.code c
              WHERE c.tenant_id = p.tenant_id AND c.pool_id = p.pool_id AND c.redeemed_by < $3) r
WHERE p.tenant_id = $1 AND g.codes > r.codes AND coalesce(p.redeem_until_ms > $2, true)
  AND coalesce(p.lot_expires_ms > $2, true) AND coalesce(p.revoked_ms > $2, true)
ORDER BY p.pool_id

-- name: coupons_now
-- Coupons that can be used at the time $2 or later, or that a reservation holds.
SELECT template_id,
       coalesce(to_char(to_timestamp((expires_ms - 1) / 1000.0) AT TIME ZONE $3, 'YYYY-MM'), '') AS month,
       state, count(*) AS coupons
FROM rights.coupon
WHERE tenant_id = $1 AND (state = 'reserved' OR state = 'held' AND (expires_ms IS NULL OR expires_ms > $2))
GROUP BY 1, 2, 3

-- name: coupons_then
-- The same after the entries before the id $4: a coupon is what the last of them made of it.
WITH latest AS (
    SELECT DISTINCT ON (member_id, coupon_id) member_id, coupon_id, move
    FROM rights.person_coupon_move WHERE tenant_id = $1 AND entry_id < $4
    ORDER BY member_id, coupon_id, entry_id DESC
), open AS (
    SELECT k.template_id, k.expires_ms, CASE l.move WHEN 'reserve' THEN 'reserved' ELSE 'held' END AS state
    FROM latest l JOIN rights.coupon k
      ON k.tenant_id = $1 AND k.member_id = l.member_id AND k.coupon_id = l.coupon_id
    WHERE l.move IN ('grant', 'release', 'return', 'restore', 'reserve')
)
SELECT template_id,
       coalesce(to_char(to_timestamp((expires_ms - 1) / 1000.0) AT TIME ZONE $3, 'YYYY-MM'), '') AS month,
       state, count(*) AS coupons
FROM open WHERE state = 'reserved' OR expires_ms IS NULL OR expires_ms > $2
GROUP BY 1, 2, 3
