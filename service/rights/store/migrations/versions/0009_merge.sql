-- Two members who turn out to be one person become one.
--
-- Everything that can still change moves to the one that stays: wallet, coupons, counts, identities. What has
-- happened stays where it was booked: journal entries, settlements and their states keep the member they were made
-- for. A member who was merged is told by `merged_into` in membership, and everything that names one is for the other.

ALTER TABLE rights.journal
    DROP CONSTRAINT journal_kind_check,
    ADD CONSTRAINT journal_kind_check CHECK (kind IN (
        'settle', 'reserve', 'confirm', 'cancel', 'lapse', 'refund', 'reverse', 'deliver', 'release',
        'credit', 'top_up', 'grant', 'expire', 'tier', 'transfer', 'redeem_code',
        'activity', 'claim', 'enrol', 'take_task', 'errand', 'merge'));

CREATE INDEX member_merged ON rights.member (tenant_id, (membership ->> 'merged_into'))
    WHERE membership ? 'merged_into';

-- A member with all who were merged into it, directly or through others.
CREATE FUNCTION rights.merged_members(p_tenant text, p_member text) RETURNS text[] LANGUAGE sql STABLE AS $$
    WITH RECURSIVE one (member_id) AS (
        SELECT p_member COLLATE "C"
        UNION
        SELECT m.member_id FROM one JOIN rights.member m
            ON m.tenant_id = p_tenant AND m.membership ->> 'merged_into' = one.member_id AND m.membership ? 'merged_into')
    SELECT array_agg(member_id) FROM one
$$;

-- Who a member is now, for those who were merged into others. And what was booked, by that member: for checks and
-- reports that compare what happened with where it has come to.
CREATE VIEW rights.person AS
WITH RECURSIVE merged (tenant_id, member_id, person_id) AS (
    SELECT m.tenant_id, m.member_id, m.membership ->> 'merged_into' FROM rights.member m WHERE m.membership ? 'merged_into'
    UNION
    SELECT g.tenant_id, g.member_id, m.membership ->> 'merged_into'
    FROM merged g JOIN rights.member m ON m.tenant_id = g.tenant_id AND m.member_id = g.person_id
    WHERE m.membership ? 'merged_into')
SELECT g.tenant_id, g.member_id, g.person_id COLLATE "C" AS person_id
FROM merged g JOIN rights.member m ON m.tenant_id = g.tenant_id AND m.member_id = g.person_id
WHERE NOT m.membership ? 'merged_into';

CREATE VIEW rights.person_journal AS
SELECT j.tenant_id, coalesce(p.person_id, j.member_id) AS member_id, j.entry_id, j.kind, j.recorded_ms, j.caller,
       j.idempotency_key, j.order_id, j.settlement_id, j.rulebook_version, j.rejection, j.postings, j.usages, j.coupons,
       j.facts, j.request, j.response
FROM rights.journal j LEFT JOIN rights.person p USING (tenant_id, member_id);

CREATE VIEW rights.person_posting AS
SELECT o.tenant_id, coalesce(p.person_id, o.member_id) AS member_id, o.entry_id, o.kind, o.leg, o.account, o.asset,
       o.amount, o.expires_ms, o.origin, o.recorded_ms
FROM rights.posting o LEFT JOIN rights.person p USING (tenant_id, member_id);

CREATE VIEW rights.person_usage AS
SELECT u.tenant_id, coalesce(p.person_id, u.member_id) AS member_id, u.entry_id, u.entry_kind, u.kind, u.id, u.amount
FROM rights.usage u LEFT JOIN rights.person p USING (tenant_id, member_id);

CREATE VIEW rights.person_coupon_move AS
SELECT c.tenant_id, coalesce(p.person_id, c.member_id) AS member_id, c.entry_id, c.kind, c.settlement_id, c.coupon_id, c.move
FROM rights.coupon_move c LEFT JOIN rights.person p USING (tenant_id, member_id);

CREATE VIEW rights.person_settlement_state AS
SELECT s.tenant_id, coalesce(p.person_id, s.member_id) AS member_id, s.settlement_id, s.state, s.changed_by, s.expires_ms,
       s.kept
FROM rights.settlement_state s LEFT JOIN rights.person p USING (tenant_id, member_id);

CREATE VIEW rights.person_claim AS
SELECT c.tenant_id, c.scope, c.claim_key, coalesce(p.person_id, c.member_id) AS member_id, c.entry_id, c.digest
FROM rights.claim c LEFT JOIN rights.person p USING (tenant_id, member_id);

CREATE VIEW rights.person_entry_pair AS
SELECT e.tenant_id, coalesce(p.person_id, e.member_id) AS member_id, e.entry_id,
       coalesce(o.person_id, e.other_member_id) AS other_member_id, e.other_entry_id
FROM rights.entry_pair e LEFT JOIN rights.person p USING (tenant_id, member_id)
LEFT JOIN rights.person o ON o.tenant_id = e.tenant_id AND o.member_id = e.other_member_id;

-- Moves the rows of merged members that are not part of the batch's own statement, one merge after the other: who
-- stays in one may go in the next, and several may go to one. The members are locked.
CREATE FUNCTION rights.move_member_rows(p_tenant text[], p_from text[], p_to text[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_tenant) LOOP
        UPDATE rights.coupon SET member_id = p_to[i] WHERE tenant_id = p_tenant[i] AND member_id = p_from[i];
        UPDATE rights.identity SET member_id = p_to[i] WHERE tenant_id = p_tenant[i] AND member_id = p_from[i];
        UPDATE rights.member t
        SET tier = greatest(t.tier, f.tier),
            tags = ARRAY(SELECT DISTINCT tag FROM unnest(t.tags || f.tags) AS tag ORDER BY tag)
        FROM rights.member f
        WHERE f.tenant_id = p_tenant[i] AND f.member_id = p_from[i] AND t.tenant_id = p_tenant[i] AND t.member_id = p_to[i];
        UPDATE rights.member SET tier = 0, tags = '{}' WHERE tenant_id = p_tenant[i] AND member_id = p_from[i];
    END LOOP;
END $$;

-- As before, but a settlement's state is that of the member it was made for.
DROP FUNCTION rights.load_batch;
CREATE FUNCTION rights.load_batch(
    p_tenant text[], p_member text[], p_key_scope text[], p_key text[], p_order text[], p_settlement text[],
    p_settlement_member text[], p_coupons text[], p_now_ms bigint, p_lock_budgets boolean
) RETURNS TABLE (
    "position" bigint, tenant_id text, member_id text, tier int, tags text[], lots jsonb, counters jsonb,
    holds jsonb, pending jsonb, debts jsonb, due_ms bigint, membership jsonb,
    revision bigint, coupons jsonb, key_digest bytea, key_response bytea, order_entry text, order_held_until_ms bigint,
    settlement_state text, settlement_changed_by text, settlement_kept jsonb, budgets jsonb
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    budget_state jsonb;
BEGIN
    RETURN QUERY
    SELECT NULL::bigint, m.tenant_id, m.member_id, m.tier, m.tags, m.lots, m.counters, m.holds, m.pending,
           m.debts, m.due_ms, m.membership,
           NULL::bigint, NULL::jsonb, NULL::bytea, NULL::bytea, NULL::text, NULL::bigint, NULL::text,
           NULL::text, NULL::jsonb, NULL::jsonb
    FROM rights.member m
    WHERE (m.tenant_id, m.member_id) IN (SELECT * FROM unnest(p_tenant, p_member))
    ORDER BY m.tenant_id, m.member_id FOR NO KEY UPDATE;
    budget_state := rights.budgets_of(p_tenant, p_lock_budgets);
    RETURN QUERY
    SELECT c.position, NULL::text, NULL::text, NULL::int, NULL::text[], NULL::jsonb, NULL::jsonb, NULL::jsonb,
           NULL::jsonb, NULL::jsonb, NULL::bigint, NULL::jsonb,
           t.revision, h.coupons, k.digest, j.response, o.entry_id, r.expires_ms, s.state, s.changed_by,
           s.kept, CASE WHEN c.position = 1 THEN budget_state END
    FROM unnest(p_tenant, p_member, p_key_scope, p_key, p_order, p_settlement, p_settlement_member) WITH ORDINALITY
         AS c (tenant_id, member_id, key_scope, key, order_id, settlement_id, settlement_member, position)
    LEFT JOIN rights.tenant t ON t.tenant_id = c.tenant_id
    LEFT JOIN LATERAL rights.coupons_of(c.tenant_id, c.member_id, p_coupons, p_now_ms) h ON true
    LEFT JOIN rights.claim k
         ON k.tenant_id = c.tenant_id AND k.scope = c.key_scope AND k.claim_key = c.key
    LEFT JOIN rights.journal j
         ON j.tenant_id = c.tenant_id AND j.member_id = k.member_id AND j.entry_id = k.entry_id
    LEFT JOIN rights.claim o
         ON o.tenant_id = c.tenant_id AND o.scope = 'order' AND o.claim_key = c.order_id
    LEFT JOIN rights.settlement_state r
         ON r.tenant_id = o.tenant_id AND r.member_id = o.member_id AND r.settlement_id = o.entry_id
    LEFT JOIN rights.settlement_state s
         ON s.tenant_id = c.tenant_id AND s.member_id = c.settlement_member AND s.settlement_id = c.settlement_id
    ORDER BY c.position;
END $$;
