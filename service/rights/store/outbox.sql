-- Every statement about events, by name.

-- name: seen
-- How far the outbox is complete, or will be when the transactions that run now have ended.
SELECT drawn, oldest_xid, next_xid FROM rights.outbox_seen()

-- name: page
-- A tenant's next events after ($2, $3), up to and with batch $4, of the kinds $5 (null: all): at most $6 of them,
-- at most $7 bytes (one in any case), out of at most $8 rows; each with the entry it tells about. There is always
-- one row, which tells what was looked through and what retention has dropped.
SELECT t.rows_seen, t.last_batch, f.batch_id AS floor_batch, f.item AS floor_item, p.*
FROM (SELECT count(*) AS rows_seen, max(batch_id) AS last_batch
      FROM (SELECT batch_id FROM rights.outbox
            WHERE tenant_id = $1 AND batch_id >= $2 AND batch_id <= $4 ORDER BY batch_id LIMIT $8) r) t
LEFT JOIN rights.event_floor f ON f.tenant_id = $1
LEFT JOIN (
    SELECT w.*, count(*) OVER () AS matched,
           sum(coalesce(octet_length(w.response), 0)) OVER (ORDER BY w.batch_id, w.item) AS bytes_so_far
    FROM (SELECT m.batch_id, m.item, m.recorded_ms, m.event::text, j.kind AS entry_kind, j.order_id, j.settlement_id,
                 CASE WHEN m.event ->> 'kind' <> 'coupon_granted' THEN j.response END AS response
          FROM (SELECT o.batch_id, e.ordinality - 1 AS item, o.recorded_ms, e.value AS event
                FROM (SELECT batch_id, recorded_ms, events FROM rights.outbox
                      WHERE tenant_id = $1 AND batch_id >= $2 AND batch_id <= $4 ORDER BY batch_id LIMIT $8) o
                CROSS JOIN LATERAL jsonb_array_elements(o.events) WITH ORDINALITY e
                WHERE (o.batch_id > $2 OR e.ordinality > $3::bigint + 1)
                  AND ($5::text[] IS NULL OR e.value ->> 'kind' = ANY ($5))
                ORDER BY o.batch_id, e.ordinality LIMIT $6) m
          LEFT JOIN rights.journal j
               ON j.tenant_id = $1 AND j.member_id = m.event ->> 'member' AND j.entry_id = m.event ->> 'entry') w
) p ON p.bytes_so_far - coalesce(octet_length(p.response), 0) < $7
ORDER BY p.batch_id, p.item

-- name: floor
SELECT batch_id, item FROM rights.event_floor WHERE tenant_id = $1

-- name: add_consumer
INSERT INTO rights.event_consumer (tenant_id, consumer_id, batch_id, item, created_at)
SELECT $1, $2, $3, $4, timestamptz 'epoch' + $6::bigint * interval '1 millisecond'
WHERE (SELECT count(*) FROM rights.event_consumer WHERE tenant_id = $1) < $5
ON CONFLICT DO NOTHING

-- name: consumer_position
SELECT batch_id, item FROM rights.event_consumer WHERE tenant_id = $1 AND consumer_id = $2

-- name: ack
-- Never goes back.
UPDATE rights.event_consumer SET batch_id = $3, item = $4, acked_at = timestamptz 'epoch' + $5::bigint * interval '1 millisecond'
WHERE tenant_id = $1 AND consumer_id = $2 AND (batch_id, item) < ($3, $4)

-- name: delete_consumer
-- Noted among what operators did.
WITH gone AS (
    DELETE FROM rights.event_consumer WHERE tenant_id = $1 AND consumer_id = $2 RETURNING consumer_id
)
INSERT INTO rights.admin_action (tenant_id, caller, action, subject, acted_at)
SELECT $1, $3, 'delete_consumer', consumer_id, timestamptz 'epoch' + $4::bigint * interval '1 millisecond' FROM gone
RETURNING subject

-- name: consumers
-- A tenant's consumers ($2: only this one), with a sample of $3 rows of what each has not acknowledged.
SELECT c.consumer_id, c.batch_id, c.item, c.created_at, c.acked_at, f.batch_id AS floor_batch, f.item AS floor_item,
       s.rows, s.events, s.first_batch, s.last_batch, s.oldest_ms, n.newest_batch
FROM rights.event_consumer c
LEFT JOIN rights.event_floor f ON f.tenant_id = c.tenant_id
CROSS JOIN LATERAL (
    SELECT count(*) AS rows, coalesce(sum(o.left_over), 0)::bigint AS events, min(o.batch_id) AS first_batch,
           max(o.batch_id) AS last_batch, min(o.recorded_ms) FILTER (WHERE o.left_over > 0) AS oldest_ms
    FROM (SELECT o.batch_id, o.recorded_ms,
                 greatest(0, jsonb_array_length(o.events)
                             - CASE WHEN o.batch_id = c.batch_id THEN c.item::bigint + 1 ELSE 0 END) AS left_over
          FROM rights.outbox o
          WHERE o.tenant_id = c.tenant_id AND o.batch_id >= c.batch_id ORDER BY o.batch_id LIMIT $3) o
) s
CROSS JOIN LATERAL (SELECT max(o.batch_id) AS newest_batch FROM rights.outbox o WHERE o.tenant_id = c.tenant_id) n
WHERE c.tenant_id = $1 AND ($2::text IS NULL OR c.consumer_id = $2)
ORDER BY c.consumer_id

-- name: lags
-- Of every consumer the time of the oldest event that it has not acknowledged; null: there is none.
SELECT c.tenant_id, c.consumer_id,
       (SELECT o.recorded_ms FROM rights.outbox o
        WHERE o.tenant_id = c.tenant_id AND o.batch_id >= c.batch_id
          AND (o.batch_id > c.batch_id OR jsonb_array_length(o.events) > c.item::bigint + 1)
        ORDER BY o.batch_id LIMIT 1) AS oldest_ms
FROM rights.event_consumer c

-- name: size
-- About how many rows there are, and the time of the oldest.
SELECT pg_stat_get_live_tuples('rights.outbox'::regclass) AS rows,
       (SELECT min(recorded_ms) FROM rights.outbox) AS oldest_ms

-- name: take_turn
-- One worker of all drops at a time; the turn ends with the transaction.
SELECT pg_try_advisory_xact_lock(hashtext('rights.outbox.retention'))

-- name: drop_before
-- Drops at most $2 of the rows recorded before $1 and notes how far. Rows that no reader may have seen yet, since a
-- transaction from before them still runs, stay. An xid to come is one of the server that the rows were dumped from.
-- Answers how many rows and events are gone.
WITH seen AS MATERIALIZED (
    SELECT oldest_xid, next_xid FROM rights.outbox_seen()
), dropped AS (
    DELETE FROM rights.outbox o
    USING (SELECT tenant_id, batch_id FROM rights.outbox, seen
           WHERE recorded_ms < $1 AND (xid::text::bigint < oldest_xid OR xid::text::bigint >= next_xid)
           ORDER BY recorded_ms LIMIT $2) AS old
    WHERE o.tenant_id = old.tenant_id AND o.batch_id = old.batch_id
    RETURNING o.tenant_id, o.batch_id, jsonb_array_length(o.events) AS events
), noted AS (
    INSERT INTO rights.event_floor AS f (tenant_id, batch_id, item)
    SELECT DISTINCT ON (tenant_id) tenant_id, batch_id, events - 1 FROM dropped ORDER BY tenant_id, batch_id DESC
    ON CONFLICT (tenant_id) DO UPDATE SET batch_id = excluded.batch_id, item = excluded.item
    WHERE (f.batch_id, f.item) < (excluded.batch_id, excluded.item)
)
SELECT count(*) AS rows, coalesce(sum(events), 0)::bigint AS events FROM dropped
