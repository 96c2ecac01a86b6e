-- What the service asks of its tables, by name. `-- name: x` begins one; the comment after it says what for.

-- name: load_batch
-- Locks a batch's members, but those whom others have and it does not wait for, and reads all that deciding needs.
SELECT position, tenant_id, member_id, tier, tags, lots::text, counters::text, holds::text, pending::text,
       debts::text, due_ms, membership::text, revision, coupons::text, key_digest, key_response, order_entry, order_held_until_ms,
       settlement_state, settlement_changed_by, settlement_kept::text, budgets::text
FROM rights.load_batch(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'),
                       string_to_array($4, E'\x1f', E'\x1e'), string_to_array($5, E'\x1f', E'\x1e'),
                       string_to_array($6, E'\x1f', E'\x1e'), string_to_array($7, E'\x1f'),
                       string_to_array($8, E'\x1f'), $9, $10, string_to_array($11, E'\x1f')::int[])

-- name: load_codes
-- Locks the codes that the commands of a batch try, and reads what is known of each try.
SELECT position, pool_id, template_id, asset, units, origin, expire_days, lot_expires_ms, redeem_until_ms, is_revoked,
       member_id, redeemed_by, failures
FROM rights.load_codes($1, $2, $3, $4)

-- name: lock_due
-- Locks some members for whom something is due, soonest first, but for those left out. One whom others have locked is
-- passed over: they do what is due themselves.
SELECT tenant_id, member_id, due_ms FROM rights.member
WHERE due_ms <= $1 AND (tenant_id, member_id) NOT IN (SELECT * FROM unnest($3::text[], $4::text[]))
ORDER BY due_ms LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED

-- name: book_batch
-- Books a decided batch; it is sent together with COMMIT. What refuses is an error: see rights.book_batch.
CALL rights.book_batch($1, $2, $3, string_to_array($4, E'\x1f')::int[], $5, string_to_array($6, E'\x1f')::int[],
                       $7, $8, $9, $10, $11, $12, $13, $14)

-- name: pair_entries
-- Notes which entries of a batch are the two sides of one operation on two members.
INSERT INTO rights.entry_pair (tenant_id, member_id, entry_id, other_member_id, other_entry_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])

-- name: unlink_identity
-- Unlinks an account, unless its member has been merged with another one.
DELETE FROM rights.identity i WHERE i.tenant_id = $1 AND i.business_line = $2 AND i.external_id = $3
  AND cardinality(rights.merged_members($1, i.member_id)) = 1
RETURNING i.member_id

-- name: tag_members
-- Puts a tag on members until a time, or (0) takes it away, and makes what depends on it due. Locked in the order in
-- which batches lock. A member has at most 200 such tags. One who was merged while the lock was waited for is left as
-- it is, and `merged` is true: the one it was merged into is only seen by a statement that begins later.
WITH named AS (
    SELECT i.member_id AS name, 1 AS times FROM unnest($4::text[]) AS i (member_id) WHERE i.member_id <> ''
    UNION ALL
    SELECT i.member_id, 1 FROM unnest($5::text[], $6::text[]) AS a (business_line, external_id)
    JOIN rights.identity i ON i.tenant_id = $1 AND i.business_line = a.business_line AND i.external_id = a.external_id
), meant AS (
    SELECT coalesce(p.person_id, n.name) AS member_id, count(*) AS times
    FROM named n LEFT JOIN rights.person p ON p.tenant_id = $1 AND p.member_id = n.name GROUP BY 1
), locked AS (
    SELECT m.member_id, m.membership, meant.times, m.membership ? 'merged_into' AS merged,
           $3::bigint = 0 OR m.membership -> 'tags' ? $2::text
               OR (SELECT count(*) FROM jsonb_object_keys(m.membership -> 'tags')) < 200 AS fits
    FROM rights.member m JOIN meant USING (member_id) WHERE m.tenant_id = $1
    ORDER BY m.member_id FOR NO KEY UPDATE OF m
), changed AS (
    UPDATE rights.member m
    SET membership = l.membership || '{"due_ms": 0}' || jsonb_build_object('tags', CASE WHEN $3::bigint = 0
            THEN coalesce(l.membership -> 'tags', '{}') - $2::text
            ELSE coalesce(l.membership -> 'tags', '{}') || jsonb_build_object($2::text, $3::bigint) END),
        due_ms = 0
    FROM locked l WHERE m.tenant_id = $1 AND m.member_id = l.member_id AND l.fits AND NOT l.merged
    RETURNING l.times
)
SELECT coalesce((SELECT sum(times) FROM changed), 0)::bigint AS tagged,
       coalesce((SELECT sum(times) FROM locked WHERE NOT fits), 0)::bigint AS refused,
       EXISTS (SELECT FROM locked WHERE merged) AS merged

-- name: surviving_member
-- Whom a member was merged into, in the end.
WITH RECURSIVE one (member_id, merged_into, step) AS (
    SELECT m.member_id, m.membership ->> 'merged_into', 0 FROM rights.member m
    WHERE m.tenant_id = $1 AND m.member_id = $2
    UNION ALL
    SELECT m.member_id, m.membership ->> 'merged_into', one.step + 1 FROM one JOIN rights.member m
        ON m.tenant_id = $1 AND m.member_id = one.merged_into)
SELECT member_id FROM one ORDER BY step DESC LIMIT 1
-- name: redeem_codes
-- Marks the codes that a batch redeems; it has locked them and seen that they are unused.
UPDATE rights.code c SET member_id = r.member_id, redeemed_by = r.entry_id
FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[]) AS r (tenant_id, code_hash, member_id, entry_id)
WHERE c.tenant_id = r.tenant_id AND c.code_hash = r.code_hash AND c.redeemed_by IS NULL

-- name: note_code_failures
-- How many unknown codes members have tried by now in an hour; their rows are locked.
INSERT INTO rights.code_failure (tenant_id, member_id, hour, failures)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[])
ON CONFLICT (tenant_id, member_id) DO UPDATE SET hour = excluded.hour, failures = excluded.failures

-- name: member_state
-- One member as a quote needs it: without a lock.
SELECT t.revision, m.tier, m.tags, m.lots::text, m.counters::text, m.holds::text, m.pending::text, m.debts::text,
       m.due_ms, m.membership::text, h.coupons::text
FROM rights.member m
JOIN rights.tenant t ON t.tenant_id = m.tenant_id
LEFT JOIN LATERAL rights.usable_coupons(m.tenant_id, m.member_id, $3::text[], $4::bigint) h ON true
WHERE m.tenant_id = $1 AND m.member_id = $2

-- name: limit_states
-- What is used, held and was moved of a tenant's budgets, quotas and pools.
SELECT kind, budget_id, cap, moved, used, held FROM rights.budget WHERE tenant_id = $1 ORDER BY kind, budget_id

-- name: lock_operators
-- Lets one operator of the tenant after the other write; what they see then stays as it is.
SELECT 1 FROM rights.tenant WHERE tenant_id = $1 FOR NO KEY UPDATE

-- name: transfer_of_key
SELECT digest, response FROM rights.budget_transfer WHERE tenant_id = $1 AND caller = $2 AND idempotency_key = $3

-- name: lock_limits
-- Locks some budgets and pools, in the order in which batches lock them.
SELECT kind, budget_id, cap, moved, used, held FROM rights.budget
WHERE tenant_id = $1 AND (kind, budget_id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
ORDER BY tenant_id, kind, budget_id FOR NO KEY UPDATE

-- name: move_budget
-- Moves an amount to a budget, or, negative, from it; then the cap is that of the rulebook which allowed it.
UPDATE rights.budget
SET moved = moved + $3, cap = CASE WHEN $3 < 0 THEN $4 ELSE cap END
WHERE tenant_id = $1 AND kind = 'budget' AND budget_id = $2

-- name: add_transfer
INSERT INTO rights.budget_transfer (
    tenant_id, caller, idempotency_key, digest, pool_id, from_budget, to_budget, amount, response, moved_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, timestamptz 'epoch' + $10::bigint * interval '1 millisecond'

-- name: tenant_revisions
-- Which tenants there are, and which of their rules are no longer the ones cached.
SELECT tenant_id, revision FROM rights.tenant

-- name: tenant_rules
-- What is in force for a tenant, and from when; and what is paused. One snapshot.
SELECT t.revision,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(
                   floor(extract(epoch FROM a.activates_at) * 1000)::bigint, a.activation_id, a.version)), '[]')
        FROM rights.activation a WHERE a.tenant_id = t.tenant_id)::text AS activations,
       ARRAY(SELECT p.campaign_id FROM rights.pause p WHERE p.tenant_id = t.tenant_id) AS paused
FROM rights.tenant t WHERE t.tenant_id = $1

-- name: add_tenant
INSERT INTO rights.tenant (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING tenant_id

-- name: raise_revision
-- Makes every worker read the tenant's rules again; also serializes operators of one tenant.
UPDATE rights.tenant SET revision = revision + 1 WHERE tenant_id = $1 RETURNING revision

-- name: rulebook
SELECT version, name, content, publisher, published_at FROM rights.rulebook
WHERE tenant_id = $1 AND version = $2

-- name: activated_rulebooks
-- Those that are, were or will be in force, but for known ones; some at a time, since each may be large.
SELECT version, content FROM rights.rulebook
WHERE tenant_id = $1 AND version <> ALL ($2::bigint[])
  AND version IN (SELECT a.version FROM rights.activation a WHERE a.tenant_id = $1)
ORDER BY version LIMIT 20

-- name: rulebook_by_digest
SELECT version FROM rights.rulebook WHERE tenant_id = $1 AND digest = $2

-- name: add_rulebook
-- Numbered by the tenant's order of publishing; the caller holds the tenant's row.
INSERT INTO rights.rulebook (tenant_id, version, name, content, digest, publisher, published_at)
SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, timestamptz 'epoch' + $6::bigint * interval '1 millisecond'
FROM rights.rulebook WHERE tenant_id = $1
RETURNING version

-- name: add_budgets
-- Rows of budgets, quotas and pools exist before anything uses them, so that they can be locked.
INSERT INTO rights.budget (tenant_id, kind, budget_id, cap)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[])
ON CONFLICT DO NOTHING

-- name: list_rulebooks
SELECT version, name, publisher, published_at FROM rights.rulebook
WHERE tenant_id = $1 AND version < $2 ORDER BY version DESC LIMIT $3

-- name: add_activation
INSERT INTO rights.activation (tenant_id, version, activates_at)
SELECT $1, $2, timestamptz 'epoch' + $3::bigint * interval '1 millisecond'

-- name: pause
INSERT INTO rights.pause (tenant_id, campaign_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING campaign_id

-- name: resume
DELETE FROM rights.pause WHERE tenant_id = $1 AND campaign_id = $2 RETURNING campaign_id

-- name: add_admin_action
INSERT INTO rights.admin_action (tenant_id, caller, action, subject, acted_at)
SELECT $1, $2, $3, $4, timestamptz 'epoch' + $5::bigint * interval '1 millisecond'

-- name: add_member
INSERT INTO rights.member (tenant_id, member_id, tier, tags, membership)
SELECT $1, $2, $3, $4, CASE WHEN $5::int > 0 THEN jsonb_build_object('birth_month', $5::int) ELSE '{}' END
ON CONFLICT DO NOTHING RETURNING member_id

-- name: lock_member
-- A member's tier, and whom it was merged into; no one changes either before this transaction ends.
SELECT member_id, tier, membership ->> 'merged_into' AS merged_into
FROM rights.member WHERE tenant_id = $1 AND member_id = $2 FOR NO KEY UPDATE

-- name: update_member
-- What depends on tags is due to be looked at again.
UPDATE rights.member
SET tier = $3, tags = $4, due_ms = 0, membership = membership - 'birth_month' || '{"due_ms": 0}'
    || CASE WHEN $5::int > 0 THEN jsonb_build_object('birth_month', $5::int) ELSE '{}' END
WHERE tenant_id = $1 AND member_id = $2

-- name: add_events
-- Events that no batch writes; the last thing of a transaction that has its locks.
INSERT INTO rights.outbox (tenant_id, recorded_ms, events) VALUES ($1, $2, $3::jsonb)

-- name: member_exists
SELECT EXISTS (SELECT 1 FROM rights.member WHERE tenant_id = $1 AND member_id = $2)

-- name: may_refer
SELECT EXISTS (SELECT FROM rights.member WHERE tenant_id = $1 AND member_id = $2),
       EXISTS (SELECT FROM rights.journal
               WHERE tenant_id = $1 AND member_id = ANY (rights.merged_members($1, $3)) AND kind IN ('settle', 'confirm')
                 AND rejection IS NULL)

-- name: add_errands
-- What an order brings other members.
INSERT INTO rights.errand (
    tenant_id, member_id, errand_id, to_member_id, grant_id, rulebook_version, recorded_ms)
SELECT *, $7::bigint
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])

-- name: oldest_errand
SELECT coalesce(min(recorded_ms), 0) FROM rights.errand WHERE NOT done

-- name: take_errand_turn
-- One worker at a time does errands; the others would only find them done.
SELECT pg_try_advisory_xact_lock(hashtext('rights.errand'))

-- name: errands_to_do
SELECT tenant_id, member_id, errand_id, to_member_id, grant_id, rulebook_version
FROM rights.errand WHERE NOT done ORDER BY recorded_ms, errand_id LIMIT $1

-- name: errands_done
UPDATE rights.errand e SET done = true
FROM unnest($1::text[], $2::text[], $3::text[]) AS d (tenant_id, member_id, errand_id)
WHERE e.tenant_id = d.tenant_id AND e.member_id = d.member_id AND e.errand_id = d.errand_id

-- name: link_identity
-- Links an account to a member, or tells whose it is: the update of one that is there changes nothing.
INSERT INTO rights.identity AS i (tenant_id, business_line, external_id, member_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, business_line, external_id) DO UPDATE SET member_id = i.member_id
RETURNING i.member_id, i.xmax = 0 AS created

-- name: identity_member
SELECT member_id FROM rights.identity WHERE tenant_id = $1 AND business_line = $2 AND external_id = $3

-- name: member_identities
SELECT business_line, external_id FROM rights.identity WHERE tenant_id = $1 AND member_id = $2
ORDER BY business_line, external_id

-- name: member_coupons
-- A member's coupons, those that can be used first; used, revoked and expired ones only when asked for.
SELECT coupon_id, template_id, starts_ms, expires_ms, state, redeemed_by FROM rights.coupon
WHERE tenant_id = $1 AND member_id = $2
  AND ($3 OR state = 'reserved' OR (state = 'held' AND (expires_ms IS NULL OR expires_ms > $4)))
ORDER BY state NOT IN ('held', 'reserved'), coupon_id DESC LIMIT $5

-- name: settlement_by_id
-- A settlement or reservation, and how far it has come.
SELECT j.member_id, j.entry_id, j.kind, j.recorded_ms, j.order_id, j.rulebook_version, j.postings::text,
       j.usages::text, j.facts::text, j.request, j.response, s.state, s.changed_by, s.kept::text
FROM rights.journal j
LEFT JOIN rights.settlement_state s
     ON s.tenant_id = j.tenant_id AND s.member_id = j.member_id AND s.settlement_id = j.entry_id
WHERE j.tenant_id = $1 AND j.entry_id = $2 AND j.kind IN ('settle', 'reserve') AND j.rejection IS NULL

-- name: benefit_use
-- A use of a benefit outside of any order.
SELECT member_id, response FROM rights.journal
WHERE tenant_id = $1 AND entry_id = $2 AND kind = 'use_benefit' AND rejection IS NULL

-- name: members_of_program
-- Members, after one, who have a plan of some or units of some assets.
SELECT member_id FROM rights.member
WHERE tenant_id = $1 AND member_id > $2
  AND (membership -> 'plans' ?| $3::text[] OR EXISTS (
      SELECT FROM jsonb_array_elements(lots) l WHERE l ->> 0 = ANY ($4::text[]) AND coalesce((l ->> 2)::bigint > $5, true)))
ORDER BY member_id LIMIT $6

-- name: count_members_of_program
SELECT count(*) FROM rights.member
WHERE tenant_id = $1
  AND (membership -> 'plans' ?| $2::text[] OR EXISTS (
      SELECT FROM jsonb_array_elements(lots) l WHERE l ->> 0 = ANY ($3::text[]) AND coalesce((l ->> 2)::bigint > $4, true)))

-- name: key_used
SELECT EXISTS (SELECT 1 FROM rights.claim WHERE tenant_id = $1 AND scope = $2 AND claim_key = $3)

-- name: settlement_by_order
-- The settlement or reservation that has an order.
SELECT j.member_id, j.entry_id, j.kind, j.recorded_ms, j.order_id, j.rulebook_version, j.postings::text,
       j.usages::text, j.facts::text, j.request, j.response, s.state, s.changed_by, s.kept::text
FROM rights.claim c JOIN rights.journal j USING (tenant_id, member_id, entry_id)
LEFT JOIN rights.settlement_state s
     ON s.tenant_id = j.tenant_id AND s.member_id = j.member_id AND s.settlement_id = j.entry_id
WHERE c.tenant_id = $1 AND c.scope = 'order' AND c.claim_key = $2

-- name: list_settlements
-- The settlements and reservations of a member and of those merged into it, newest first.
SELECT j.member_id, j.entry_id, j.kind, j.recorded_ms, j.order_id, j.rulebook_version, j.postings::text,
       j.usages::text, j.facts::text, j.request, j.response, s.state, s.changed_by, s.kept::text
FROM unnest(rights.merged_members($1, $2)) AS o (member_id)
CROSS JOIN LATERAL (
    SELECT * FROM rights.journal j
    WHERE j.tenant_id = $1 AND j.member_id = o.member_id AND j.entry_id < $3 AND j.kind IN ('settle', 'reserve')
      AND j.rejection IS NULL
    ORDER BY j.entry_id DESC LIMIT $4) AS j
LEFT JOIN rights.settlement_state s
     ON s.tenant_id = j.tenant_id AND s.member_id = j.member_id AND s.settlement_id = j.entry_id
ORDER BY j.entry_id DESC LIMIT $4

-- name: settlement_entries
-- What happened to some settlements, oldest first.
SELECT settlement_id, entry_id, kind, recorded_ms, order_id, postings::text, usages::text, response FROM rights.journal
WHERE tenant_id = $1 AND settlement_id = ANY ($2::text[]) AND rejection IS NULL ORDER BY entry_id

-- name: statement
-- The entries of a member, and of those merged into it, that moved an asset, newest first, with the requests that can
-- have a note. A lax path would look into the legs, not at them.
SELECT j.entry_id, j.kind, j.recorded_ms, j.order_id, j.settlement_id, j.postings::text,
       CASE WHEN j.kind IN ('credit', 'top_up', 'cancel', 'refund', 'reverse') THEN j.request END AS request
FROM unnest(rights.merged_members($1, $2)) AS o (member_id)
CROSS JOIN LATERAL (
    SELECT * FROM rights.journal j
    WHERE j.tenant_id = $1 AND j.member_id = o.member_id AND j.entry_id < $3
      AND jsonb_path_exists(j.postings, 'strict $[*] ? (@[1] == $asset)', jsonb_build_object('asset', $4::text))
    ORDER BY j.entry_id DESC LIMIT $5) AS j
ORDER BY j.entry_id DESC LIMIT $5

-- name: list_entries
-- The journal of a member and of those merged into it, newest first, with the requests that can have a note.
SELECT j.entry_id, j.kind, j.recorded_ms, j.order_id, j.postings::text,
       CASE WHEN j.kind IN ('credit', 'top_up', 'cancel', 'refund', 'reverse') THEN j.request END AS request
FROM unnest(rights.merged_members($1, $2)) AS o (member_id)
CROSS JOIN LATERAL (
    SELECT * FROM rights.journal j
    WHERE j.tenant_id = $1 AND j.member_id = o.member_id AND j.entry_id < $3
    ORDER BY j.entry_id DESC LIMIT $4) AS j
ORDER BY j.entry_id DESC LIMIT $4

-- name: quote_key
SELECT key FROM rights.quote_key
