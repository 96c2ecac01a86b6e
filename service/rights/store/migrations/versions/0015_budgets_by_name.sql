-- What a batch reads, in the form in which it is quickest to take in. Nothing here changes what is stored.
--
-- Every batch reads all budgets, quotas and pools of its tenants. As rows of texts, a batch of one order took a tenth of its
-- time to read seventy of them and to look each up; as an object, a name is one text, which the reader knows from last time.
--
-- As rights.open_batch of 0013, which workers of the version before call, but for `budgets`, with the first command of each
-- tenant: [{"kind/id": used + held} | null, {"kind/id": moved by transfers, where that is not 0} | null].
--
-- p_waiting: positions in the arrays whose member is waited for, null for all. Of others who are locked there is no row.
CREATE FUNCTION rights.load_batch(
    p_tenant text[], p_member text[], p_key_scope text[], p_key text[], p_order text[], p_settlement text[],
    p_settlement_member text[], p_coupons text[], p_now_ms bigint, p_lock_budgets boolean, p_waiting int[]
) RETURNS TABLE (
    "position" bigint, tenant_id text, member_id text, tier int, tags text[], lots jsonb, counters jsonb,
    holds jsonb, pending jsonb, debts jsonb, due_ms bigint, membership jsonb,
    revision bigint, coupons json, key_digest bytea, key_response bytea, order_entry text, order_held_until_ms bigint,
    settlement_state text, settlement_changed_by text, settlement_kept jsonb, budgets json
) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    IF p_waiting IS NULL OR p_waiting <> '{}' THEN
        RETURN QUERY
        SELECT NULL::bigint, m.tenant_id, m.member_id, m.tier, m.tags, m.lots, m.counters, m.holds, m.pending,
               m.debts, m.due_ms, m.membership,
               NULL::bigint, NULL::json, NULL::bytea, NULL::bytea, NULL::text, NULL::bigint, NULL::text,
               NULL::text, NULL::jsonb, NULL::json
        FROM (SELECT c.tenant_id COLLATE "C" AS tenant_id, p_member[c.i] COLLATE "C" AS member_id
              FROM unnest(p_tenant) WITH ORDINALITY AS c (tenant_id, i) GROUP BY 1, 2
              HAVING p_waiting IS NULL OR bool_or(c.i = ANY (p_waiting)) ORDER BY 1, 2) AS n
        CROSS JOIN LATERAL (
            SELECT * FROM rights.member m WHERE m.tenant_id = n.tenant_id AND m.member_id = n.member_id
            FOR NO KEY UPDATE) AS m;
    END IF;
    IF p_waiting IS NOT NULL THEN
        RETURN QUERY
        SELECT NULL::bigint, m.tenant_id, m.member_id, m.tier, m.tags, m.lots, m.counters, m.holds, m.pending,
               m.debts, m.due_ms, m.membership,
               NULL::bigint, NULL::json, NULL::bytea, NULL::bytea, NULL::text, NULL::bigint, NULL::text,
               NULL::text, NULL::jsonb, NULL::json
        FROM (SELECT c.tenant_id COLLATE "C" AS tenant_id, p_member[c.i] COLLATE "C" AS member_id
              FROM unnest(p_tenant) WITH ORDINALITY AS c (tenant_id, i) GROUP BY 1, 2
              HAVING NOT bool_or(c.i = ANY (p_waiting)) ORDER BY 1, 2) AS n
        CROSS JOIN LATERAL (
            SELECT * FROM rights.member m WHERE m.tenant_id = n.tenant_id AND m.member_id = n.member_id
            FOR NO KEY UPDATE SKIP LOCKED) AS m;
    END IF;
    IF p_lock_budgets THEN
        PERFORM 1 FROM rights.budget b WHERE b.tenant_id = ANY (p_tenant)
        ORDER BY b.tenant_id, b.kind, b.budget_id FOR NO KEY UPDATE;
        -- Others take claims before budgets. Where two members contest one key or order, this batch,
        -- which has its budgets already, gives way at once instead of waiting for the deadlock check.
        PERFORM set_config('lock_timeout', '50ms', true);
    END IF;
    RETURN QUERY
    SELECT c.i, NULL::text, NULL::text, NULL::int, NULL::text[], NULL::jsonb, NULL::jsonb, NULL::jsonb,
           NULL::jsonb, NULL::jsonb, NULL::bigint, NULL::jsonb,
           t.revision, h.coupons, k.digest, k.response, o.entry_id, o.expires_ms, s.state, s.changed_by,
           s.kept, CASE WHEN array_position(p_tenant, c.tenant_id) = c.i THEN (
               SELECT json_build_array(
                   json_object_agg(b.kind || '/' || b.budget_id, b.used + b.held),
                   json_object_agg(b.kind || '/' || b.budget_id, b.moved) FILTER (WHERE b.moved <> 0))
               FROM rights.budget b WHERE b.tenant_id = c.tenant_id) END
    FROM unnest(p_tenant) WITH ORDINALITY AS c (tenant_id, i)
    LEFT JOIN rights.tenant t ON t.tenant_id = c.tenant_id
    LEFT JOIN LATERAL rights.usable_coupons(c.tenant_id, p_member[c.i], p_coupons, p_now_ms) h ON true
    LEFT JOIN LATERAL (
        SELECT k.digest, (SELECT j.response FROM rights.journal j
                          WHERE j.tenant_id = k.tenant_id AND j.member_id = k.member_id AND j.entry_id = k.entry_id)
        FROM rights.claim k
        WHERE k.tenant_id = c.tenant_id AND k.scope = p_key_scope[c.i] AND k.claim_key = p_key[c.i] LIMIT 1) AS k ON true
    LEFT JOIN LATERAL (
        SELECT o.entry_id, (SELECT r.expires_ms FROM rights.settlement_state r
                            WHERE r.tenant_id = o.tenant_id AND r.member_id = o.member_id AND r.settlement_id = o.entry_id)
        FROM rights.claim o
        WHERE o.tenant_id = c.tenant_id AND o.scope = 'order' AND o.claim_key = p_order[c.i] LIMIT 1) AS o ON true
    LEFT JOIN LATERAL (
        SELECT s.state, s.changed_by, s.kept FROM rights.settlement_state s
        WHERE s.tenant_id = c.tenant_id AND s.member_id = p_settlement_member[c.i] AND s.settlement_id = p_settlement[c.i]
        LIMIT 1) AS s ON true
    ORDER BY c.i;
END $$;

-- What only workers of two versions ago call.
DROP FUNCTION rights.commit_batch, rights.require_budgets;
