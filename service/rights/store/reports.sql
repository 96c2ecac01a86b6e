-- The statements of reports, by name. They read whole tables of a tenant where the service's own read single
-- rows by key, so they run in a transaction with settings of its own (begin_report).
--
-- A period is a range of entry ids, which sort by time: $2 is the first possible id of its first millisecond,
-- $3 that of the first millisecond after it.

-- name: begin_report
-- The transaction's own settings. Reading whole tables is what a report is for; but on one core at most, never
-- longer than $1 milliseconds a statement, and not on behalf of a report process that is gone. Rows come
-- through cursors, of which all are wanted, not the first ones soon. No two entries have the same postings:
-- remembering what is in them would only cost.
SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),
       set_config('enable_mergejoin', 'on', true), set_config('enable_memoize', 'off', true),
       set_config('max_parallel_workers_per_gather', '0', true),
       set_config('cursor_tuple_fraction', '1', true), set_config('work_mem', '64MB', true),
       set_config('statement_timeout', $1, true), set_config('client_connection_check_interval', '1s', true)

-- name: leg_sums
-- All postings of a period, added up by what reports tell apart. Only lots have an expiry, only accounts of
-- the member an origin.
SELECT kind, account, asset, coalesce(origin, '') AS issuer, coalesce(expires_ms <= recorded_ms, false) AS past,
       sum(amount) AS amount
FROM rights.posting WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3
GROUP BY kind, account, asset, origin, coalesce(expires_ms <= recorded_ms, false), amount < 0

-- name: settled_sales
-- Settlements of a period: what was asked for, and the receipt.
SELECT request, response FROM rights.journal
WHERE tenant_id = $1 AND entry_id >= $2 AND entry_id < $3 AND kind = 'settle' AND rejection IS NULL

-- name: confirmed_sales
-- Reservations confirmed in a period: what was asked for when they were made, and the receipt.
SELECT r.request, j.response
FROM rights.journal j
JOIN rights.journal r ON r.tenant_id = j.tenant_id AND r.entry_id = j.settlement_id
WHERE j.tenant_id = $1 AND j.entry_id >= $2 AND j.entry_id < $3 AND j.kind = 'confirm' AND j.rejection IS NULL

-- name: refunded_sales
-- Refunds and reversals of a period: their answers, the settlement (or reservation) they are about, whenever
-- that was, and the refunds made of it before, in order.
SELECT j.kind, j.response, s.kind AS sale_kind, s.request AS sale_request, s.response AS sale_response,
       ARRAY(SELECT e.response FROM rights.journal e
             WHERE e.tenant_id = j.tenant_id AND e.settlement_id = j.settlement_id AND e.entry_id < j.entry_id
               AND e.kind = 'refund' AND e.rejection IS NULL
             ORDER BY e.entry_id) AS earlier
FROM rights.journal j
JOIN rights.journal s ON s.tenant_id = j.tenant_id AND s.entry_id = j.settlement_id
WHERE j.tenant_id = $1 AND j.entry_id >= $2 AND j.entry_id < $3 AND j.kind IN ('refund', 'reverse')
  AND j.rejection IS NULL

-- name: holdings_now
-- What members hold, as their wallets are. A month is that of the last instant before the expiry, in zone $3:
-- what expires at the end of November expires when December begins.
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

-- name: holdings_then
-- The same at an earlier time: from the postings of all entries before the id $4.
SELECT account, asset, coalesce(origin, '') AS issuer,
       coalesce(to_char(to_timestamp((expires_ms - 1) / 1000.0) AT TIME ZONE $3, 'YYYY-MM'), '') AS month,
       coalesce(expires_ms <= $2, false) AS past, sum(amount) AS units
FROM rights.posting
WHERE tenant_id = $1 AND entry_id < $4 AND account IN ('member', 'held', 'pending', 'debt')
GROUP BY 1, 2, 3, 4, 5 HAVING sum(amount) <> 0

-- name: coupons_now
-- Coupons that can still be used, or that a reservation holds.
SELECT template_id,
       coalesce(to_char(to_timestamp((expires_ms - 1) / 1000.0) AT TIME ZONE $3, 'YYYY-MM'), '') AS month,
       state, count(*) AS coupons
FROM rights.coupon
WHERE tenant_id = $1 AND (state = 'reserved' OR state = 'held' AND (expires_ms IS NULL OR expires_ms > $2))
GROUP BY 1, 2, 3

-- name: coupons_then
-- The same at an earlier time: a coupon is what the last entry before the id $4 made of it.
WITH latest AS (
    SELECT DISTINCT ON (member_id, coupon_id) member_id, coupon_id, move
    FROM rights.coupon_move WHERE tenant_id = $1 AND entry_id < $4
    ORDER BY member_id, coupon_id, entry_id DESC
), open AS (
    SELECT k.template_id, k.expires_ms, CASE l.move WHEN 'reserve' THEN 'reserved' ELSE 'held' END AS state
    FROM latest l JOIN rights.coupon k
      ON k.tenant_id = $1 AND k.member_id = l.member_id AND k.coupon_id = l.coupon_id
    WHERE l.move IN ('grant', 'release', 'return', 'reserve')
)
SELECT template_id,
       coalesce(to_char(to_timestamp((expires_ms - 1) / 1000.0) AT TIME ZONE $3, 'YYYY-MM'), '') AS month,
       state, count(*) AS coupons
FROM open WHERE state = 'reserved' OR expires_ms IS NULL OR expires_ms > $2
GROUP BY 1, 2, 3
