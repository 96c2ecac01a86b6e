-- What a replay reads: settlements of a period in the order in which they were decided, and what their
-- members had then. Entry ids begin with the time of the decision, so a period is a range of ids.

-- name: count_settlements
-- How many settlements a period has.
SELECT count(*) FROM rights.journal j
WHERE j.tenant_id = $1 AND j.entry_id >= $2 AND j.entry_id < $3 AND j.rejection IS NULL
  AND (j.kind = 'settle' OR (j.kind = 'reserve' AND EXISTS (
       SELECT 1 FROM rights.settlement_state s
       WHERE s.tenant_id = j.tenant_id AND s.member_id = j.member_id AND s.settlement_id = j.entry_id
         AND s.state IN ('settled', 'refunded', 'reversed'))))

-- name: stream_settlements
-- The settlements of a period: those settled at once, and the reservations that were confirmed. `facts` is the
-- member as the settlement was decided on; of entries that are older than that column, the member as it is.
SELECT j.entry_id, j.member_id, j.kind, j.recorded_ms, j.rulebook_version,
       coalesce(j.facts, (SELECT jsonb_build_array(m.tier, m.tags) FROM rights.member m
                          WHERE m.tenant_id = j.tenant_id AND m.member_id = j.member_id))::text AS facts,
       j.usages::text AS usages, j.request, j.response
FROM rights.journal j
WHERE j.tenant_id = $1 AND j.entry_id >= $2 AND j.entry_id < $3 AND j.rejection IS NULL
  AND (j.kind = 'settle' OR (j.kind = 'reserve' AND EXISTS (
       SELECT 1 FROM rights.settlement_state s
       WHERE s.tenant_id = j.tenant_id AND s.member_id = j.member_id AND s.settlement_id = j.entry_id
         AND s.state IN ('settled', 'refunded', 'reversed'))))
ORDER BY j.entry_id

-- name: coupons_of_members
-- Every coupon that some members ever had.
SELECT member_id, coupon_id, template_id, starts_ms, expires_ms FROM rights.coupon
WHERE tenant_id = $1 AND member_id = ANY ($2::text[])

-- name: merged_members
-- Members who were merged into another one, and by which of their entries, their last one of that kind.
SELECT m.member_id, m.membership ->> 'merged_into' AS merged_into, max(j.entry_id) AS entry_id
FROM rights.member m
JOIN rights.journal j ON j.tenant_id = m.tenant_id AND j.member_id = m.member_id AND j.kind = 'merge'
WHERE m.tenant_id = $1 AND m.membership ? 'merged_into'
GROUP BY 1, 2

-- name: coupon_moves_of_members
-- What was ever done to the coupons of some members, in order.
SELECT member_id, entry_id, coupons::text FROM rights.journal
WHERE tenant_id = $1 AND member_id = ANY ($2::text[]) AND coupons <> '[]'
ORDER BY member_id, entry_id

-- name: uses_of_members
-- What some members had used of their own limits before a point of the journal.
SELECT j.member_id, u.value ->> 1 AS counter, sum((u.value ->> 2)::bigint)::bigint AS used
FROM rights.journal j, jsonb_array_elements(j.usages) u
WHERE j.tenant_id = $1 AND j.member_id = ANY ($2::text[]) AND j.entry_id < $3 AND u.value ->> 0 = 'counter'
GROUP BY 1, 2 HAVING sum((u.value ->> 2)::bigint) > 0

-- name: rulebook_contents
-- Versions with their content.
SELECT version, content FROM rights.rulebook WHERE tenant_id = $1 AND version = ANY ($2::bigint[])
