-- What batches wait for. Nothing here changes what is stored.
--
-- A batch does not wait for a member whom another worker's batch has locked: of two batches of 250, drawn from 200,000
-- members, one in four would wait for the whole of the other one. The commands of such a member are left for the next
-- batch, and then for one more; that one waits for them, if it still has to.
--
-- p_waiting: positions in the arrays whose member is waited for, null for all. Of others who are locked there is no row.
-- First those that are waited for, in the order of the primary key. A batch that waits has locked nobody yet whom it has
-- not waited for in that order, so none can wait for each other.
CREATE FUNCTION rights.open_batch(
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
           s.kept, CASE WHEN c.i = 1 THEN (
               SELECT json_agg(json_build_array(b.tenant_id, b.kind, b.budget_id, b.used + b.held, b.moved))
               FROM rights.budget b WHERE b.tenant_id = ANY (p_tenant)) END
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

-- Workers of the version before wait for all.
CREATE OR REPLACE FUNCTION rights.open_batch(
    p_tenant text[], p_member text[], p_key_scope text[], p_key text[], p_order text[], p_settlement text[],
    p_settlement_member text[], p_coupons text[], p_now_ms bigint, p_lock_budgets boolean
) RETURNS TABLE (
    "position" bigint, tenant_id text, member_id text, tier int, tags text[], lots jsonb, counters jsonb,
    holds jsonb, pending jsonb, debts jsonb, due_ms bigint, membership jsonb,
    revision bigint, coupons json, key_digest bytea, key_response bytea, order_entry text, order_held_until_ms bigint,
    settlement_state text, settlement_changed_by text, settlement_kept jsonb, budgets json
) LANGUAGE sql VOLATILE AS $$
    SELECT * FROM rights.open_batch(p_tenant, p_member, p_key_scope, p_key, p_order, p_settlement, p_settlement_member,
                                    p_coupons, p_now_ms, p_lock_budgets, NULL)
$$;

-- As rights.take_budgets, for a statement that is sent together with COMMIT: so a budget that all batches take from is
-- locked for as long as the log is written, and not until a worker has read one answer and sent the next statement.
-- Raises RB001, and how many refused.
CREATE FUNCTION rights.require_budgets(p_recorded_ms bigint, p_budgets jsonb) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    refused bigint := rights.take_budgets(p_recorded_ms, p_budgets);
BEGIN
    IF refused > 0 THEN
        RAISE EXCEPTION '%', refused USING ERRCODE = 'RB001';
    END IF;
END $$;

-- What only workers of two versions ago call: the functions that 0012 replaced.
DROP FUNCTION rights.load_batch, rights.coupons_of;
DO $$
DECLARE
    old regprocedure;
BEGIN
    FOR old IN SELECT p.oid::regprocedure FROM pg_proc p
               WHERE p.pronamespace = 'rights'::regnamespace
                 AND ((p.proname = 'commit_batch' AND p.pronargs = 60) OR (p.proname = 'take_budgets' AND p.pronargs <> 2))
    LOOP
        EXECUTE format('DROP FUNCTION %s', old);
    END LOOP;
END $$;
