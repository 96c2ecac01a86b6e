-- What a batch costs the database whatever its size. Nothing here changes what is stored.

-- As before, but as json: the text is written at once, not a tree that becomes one.
DROP FUNCTION rights.coupons_of;
CREATE FUNCTION rights.coupons_of(
    p_tenant text, p_member text, p_named text[], p_now_ms bigint
) RETURNS TABLE (coupons json) LANGUAGE sql STABLE AS $$
    SELECT json_agg(json_build_array(
               k.coupon_id, k.template_id, k.starts_ms, k.expires_ms, k.state, k.redeemed_by))
    FROM rights.coupon k
    WHERE k.tenant_id = p_tenant AND k.member_id = p_member
      AND ((k.state IN ('held', 'reserved')
            AND (k.state = 'reserved' OR k.expires_ms IS NULL OR k.expires_ms > p_now_ms))
           OR k.coupon_id = ANY (p_named))
$$;

-- As before; what is taken and moved of budgets, quotas and pools is read by the statement that reads the rest:
-- [[tenant, kind, id, taken, moved], ...], in the first command's row.
DROP FUNCTION rights.load_batch;
DROP FUNCTION rights.budgets_of;
CREATE FUNCTION rights.load_batch(
    p_tenant text[], p_member text[], p_key_scope text[], p_key text[], p_order text[], p_settlement text[],
    p_settlement_member text[], p_coupons text[], p_now_ms bigint, p_lock_budgets boolean
) RETURNS TABLE (
    "position" bigint, tenant_id text, member_id text, tier int, tags text[], lots jsonb, counters jsonb,
    holds jsonb, pending jsonb, debts jsonb, due_ms bigint, membership jsonb,
    revision bigint, coupons json, key_digest bytea, key_response bytea, order_entry text, order_held_until_ms bigint,
    settlement_state text, settlement_changed_by text, settlement_kept jsonb, budgets json
) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT NULL::bigint, m.tenant_id, m.member_id, m.tier, m.tags, m.lots, m.counters, m.holds, m.pending,
           m.debts, m.due_ms, m.membership,
           NULL::bigint, NULL::json, NULL::bytea, NULL::bytea, NULL::text, NULL::bigint, NULL::text,
           NULL::text, NULL::jsonb, NULL::json
    FROM (SELECT DISTINCT c.tenant_id COLLATE "C" AS tenant_id, p_member[c.i] COLLATE "C" AS member_id
          FROM unnest(p_tenant) WITH ORDINALITY AS c (tenant_id, i) ORDER BY 1, 2) AS n
    CROSS JOIN LATERAL (
        SELECT * FROM rights.member m WHERE m.tenant_id = n.tenant_id AND m.member_id = n.member_id
        FOR NO KEY UPDATE) AS m;
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
    LEFT JOIN LATERAL rights.coupons_of(c.tenant_id, p_member[c.i], p_coupons, p_now_ms) h ON true
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

-- As before, in one statement less: the rows are locked as they are updated, which is in the order of the subquery,
-- whichever way it is joined by the index. What an amount is compared with is the row as it is when its lock is had.
CREATE OR REPLACE FUNCTION rights.take_budgets(
    p_recorded_ms bigint, p_tenant text[], p_kind text[], p_id text[], p_used bigint[], p_held bigint[],
    p_cap bigint[], p_alerts text[]
) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    written bigint;
    watched json;
BEGIN
    IF cardinality(p_id) = 0 THEN
        RETURN 0;
    END IF;
    WITH changed AS (
        UPDATE rights.budget b
        SET used = b.used + u.used, held = b.held + u.held,
            cap = CASE WHEN u.used + u.held > 0 THEN u.cap ELSE b.cap END
        FROM (SELECT * FROM unnest(p_tenant, p_kind, p_id, p_used, p_held, p_cap, p_alerts)
                  AS u (tenant_id, kind, budget_id, used, held, cap, alerts)
              ORDER BY u.tenant_id COLLATE "C", u.kind COLLATE "C", u.budget_id COLLATE "C") AS u
        WHERE b.tenant_id = u.tenant_id AND b.kind = u.kind AND b.budget_id = u.budget_id
          AND (u.used + u.held <= 0 OR b.used + b.held + u.used + u.held <= u.cap + b.moved)
        RETURNING b.tenant_id, b.kind, b.budget_id, b.cap + b.moved AS cap, b.used + b.held AS now,
                  b.used + b.held - u.used - u.held AS before, u.alerts
    )
    SELECT count(*), json_agg(c) FILTER (WHERE c.alerts <> '[]') INTO written, watched FROM changed c;
    IF watched IS NOT NULL THEN
        -- An alert is due once at least its share is taken: the amount is rounded up, and never 0.
        INSERT INTO rights.outbox (tenant_id, recorded_ms, events)
        SELECT c.tenant_id, p_recorded_ms, jsonb_agg(jsonb_build_object(
                   'kind', 'budget_low', 'budget_kind', c.kind, 'budget', c.budget_id, 'cap', c.cap,
                   'taken', c.now, 'alert_bps', a.value::int))
        FROM json_to_recordset(watched)
                 AS c (tenant_id text, kind text, budget_id text, cap bigint, now bigint, before bigint, alerts text),
             jsonb_array_elements(c.alerts::jsonb) a,
             LATERAL (SELECT greatest(1, ceil(c.cap::numeric * a.value::int / 10000)) AS amount) AS due
        WHERE c.before < due.amount AND c.now >= due.amount
        GROUP BY c.tenant_id;
    END IF;
    RETURN cardinality(p_id) - written;
END $$;

-- The same kinds, as one constant: PostgreSQL reads a CHECK anew for every statement that writes to its table, and a
-- list of expressions takes it longer than all of the row's other checks.
ALTER TABLE rights.journal
    DROP CONSTRAINT journal_kind_check,
    ADD CONSTRAINT journal_kind_check CHECK (kind = ANY (
        '{settle,reserve,confirm,cancel,lapse,refund,reverse,deliver,release,credit,top_up,grant,expire,tier,transfer,'
        'redeem_code,activity,claim,enrol,take_task,errand,merge,use_benefit,return_benefit,subscribe,renew,unsubscribe,'
        'upgrade,allowance,plan_end,close}'::text[]));
