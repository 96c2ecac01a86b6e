-- What a batch costs the database whatever its size. Nothing here changes what is stored.
--
-- The functions that these replace stay: workers of the version before call them until they are stopped. Both take the
-- same locks in the same order.

-- As rights.coupons_of, but as json: the text is written at once, not a tree that becomes one.
CREATE FUNCTION rights.usable_coupons(
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

-- As rights.load_batch; what is taken and moved of budgets, quotas and pools is read by the statement that reads the rest:
-- [[tenant, kind, id, taken, moved], ...], in the first command's row.
CREATE FUNCTION rights.open_batch(
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

-- Takes from budgets, quotas and pools, or gives back to them, and tells of those that become low by it. Answers how
-- many refused, since they have not so much left. p_budgets: [[tenant, kind, id, used, held, cap of the rulebook,
-- [basis points of an alert, ...]], ...], in the order of the primary key.
--
-- The rows are locked as they are updated: in that order, whichever way the array is joined by the index. What an amount
-- is compared with is the row as it is when its lock is had.
CREATE FUNCTION rights.take_budgets(p_recorded_ms bigint, p_budgets jsonb) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    written bigint;
    watched json;
BEGIN
    WITH changed AS (
        UPDATE rights.budget b
        SET used = b.used + u.used, held = b.held + u.held,
            cap = CASE WHEN u.used + u.held > 0 THEN u.cap ELSE b.cap END
        FROM (SELECT (c ->> 0) COLLATE "C" AS tenant_id, (c ->> 1) COLLATE "C" AS kind, (c ->> 2) COLLATE "C" AS budget_id,
                     (c -> 3)::bigint AS used, (c -> 4)::bigint AS held, (c -> 5)::bigint AS cap, c -> 6 AS alerts
              FROM jsonb_array_elements(p_budgets) AS c ORDER BY 1, 2, 3) AS u
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
                 AS c (tenant_id text, kind text, budget_id text, cap bigint, now bigint, before bigint, alerts jsonb),
             jsonb_array_elements(c.alerts) a,
             LATERAL (SELECT greatest(1, ceil(c.cap::numeric * a.value::int / 10000)) AS amount) AS due
        WHERE c.before < due.amount AND c.now >= due.amount
        GROUP BY c.tenant_id;
    END IF;
    RETURN jsonb_array_length(p_budgets) - written;
END $$;

-- The same kinds, as one constant: PostgreSQL reads a CHECK anew for every statement that writes to its table, and a
-- list of expressions takes it longer than all of the row's other checks.
ALTER TABLE rights.journal
    DROP CONSTRAINT journal_kind_check,
    ADD CONSTRAINT journal_kind_check CHECK (kind = ANY (
        '{settle,reserve,confirm,cancel,lapse,refund,reverse,deliver,release,credit,top_up,grant,expire,tier,transfer,'
        'redeem_code,activity,claim,enrol,take_task,errand,merge,use_benefit,return_benefit,subscribe,renew,unsubscribe,'
        'upgrade,allowance,plan_end,close}'::text[]));

-- Books a decided batch. Answers whether claims (1) and how many budgets refused; anything but (0, 0) must be rolled
-- back and decided again. Budgets come last, because everyone waits for them: the hot row is locked for the shortest
-- time, and in one global order.
--
-- A batch comes as a document for each table, null where nothing is written to it: arrays of rows, which are arrays.
CREATE FUNCTION rights.commit_batch(
    p_recorded_ms bigint,
    -- [tenant, member, entry, kind, caller, key, digest in hex, order, settlement, version, rejection, postings, usages,
    -- coupons, facts, order that it takes]; and what each was asked and answered, one after the other, with where each
    -- begins in it, and then its end
    p_entries jsonb, p_request bytea, p_request_at int[], p_response bytea, p_response_at int[],
    p_freed jsonb,   -- orders free again: [tenant, order]
    p_wallets jsonb, -- [tenant, member, lots, counters, holds, pending, debts, membership, due_ms]
    p_granted jsonb, -- coupons: [tenant, member, coupon, template, starts_ms, expires_ms]
    p_coupons jsonb, -- coupons whose state changed: [tenant, member, coupon, state, redeemed_by]
    p_states jsonb,  -- of settlements: [tenant, member, settlement, state, changed_by, expires_ms, kept]
    p_events jsonb,  -- [tenant, [event, ...]]
    p_budgets jsonb  -- see rights.take_budgets
) RETURNS TABLE (claims_refused bigint, budgets_refused bigint) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    written bigint;
BEGIN
    IF p_freed IS NOT NULL THEN
        DELETE FROM rights.claim c USING jsonb_array_elements(p_freed) AS f
        WHERE c.tenant_id = f ->> 0 AND c.scope = 'order' AND c.claim_key = f ->> 1;
    END IF;
    BEGIN
        -- Not ON CONFLICT DO NOTHING, which searches the index twice and logs each row twice: one refusal suffices.
        INSERT INTO rights.claim (tenant_id, scope, claim_key, member_id, entry_id, digest)
        SELECT * FROM (
            SELECT (e ->> 0) COLLATE "C", ('key/' || (e ->> 4)) COLLATE "C", (e ->> 5) COLLATE "C", e ->> 1, e ->> 2,
                   decode(e ->> 6, 'hex')
            FROM jsonb_array_elements(p_entries) AS e WHERE e ->> 5 IS NOT NULL
            UNION ALL
            SELECT e ->> 0, 'order', e ->> 15, e ->> 1, e ->> 2, NULL
            FROM jsonb_array_elements(p_entries) AS e WHERE e ->> 15 IS NOT NULL
        ) AS claims ORDER BY 1, 2, 3;
    EXCEPTION WHEN unique_violation THEN
        RETURN QUERY SELECT 1::bigint, 0::bigint;
        RETURN;
    END;

    INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, caller,
        idempotency_key, order_id, settlement_id, rulebook_version, rejection, postings, usages, coupons,
        facts, request, response)
    SELECT e ->> 0, e ->> 1, e ->> 2, e ->> 3, p_recorded_ms, e ->> 4, e ->> 5, e ->> 7, e ->> 8, (e -> 9)::bigint,
           e ->> 10, e -> 11, e -> 12, e -> 13, nullif(e -> 14, 'null'),
           substring(p_request, p_request_at[i], p_request_at[i + 1] - p_request_at[i]),
           substring(p_response, p_response_at[i], p_response_at[i + 1] - p_response_at[i])
    FROM jsonb_array_elements(p_entries) WITH ORDINALITY AS j (e, i);

    IF p_wallets IS NOT NULL THEN
        UPDATE rights.member m
        SET lots = w -> 2, counters = w -> 3, holds = w -> 4, pending = w -> 5, debts = w -> 6, membership = w -> 7,
            due_ms = (w ->> 8)::bigint
        FROM jsonb_array_elements(p_wallets) AS w
        WHERE m.tenant_id = w ->> 0 AND m.member_id = w ->> 1;
    END IF;

    IF p_granted IS NOT NULL THEN
        INSERT INTO rights.coupon (tenant_id, member_id, coupon_id, template_id, starts_ms, expires_ms)
        SELECT g ->> 0, g ->> 1, g ->> 2, g ->> 3, (g -> 4)::bigint, (g ->> 5)::bigint
        FROM jsonb_array_elements(p_granted) AS g;
    END IF;

    IF p_coupons IS NOT NULL THEN
        UPDATE rights.coupon k SET state = c ->> 3, redeemed_by = c ->> 4
        FROM jsonb_array_elements(p_coupons) AS c
        WHERE k.tenant_id = c ->> 0 AND k.member_id = c ->> 1 AND k.coupon_id = c ->> 2
          AND (k.state, k.redeemed_by) IS DISTINCT FROM (c ->> 3, c ->> 4);
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> jsonb_array_length(p_coupons) THEN
            -- The member's lock makes this impossible; a broken invariant must not be booked.
            RAISE EXCEPTION 'coupon state changed under the lock of its member';
        END IF;
    END IF;

    IF p_states IS NOT NULL THEN
        INSERT INTO rights.settlement_state (
            tenant_id, member_id, settlement_id, state, changed_by, expires_ms, kept)
        SELECT s ->> 0, s ->> 1, s ->> 2, s ->> 3, s ->> 4, (s ->> 5)::bigint, nullif(s -> 6, 'null')
        FROM jsonb_array_elements(p_states) AS s
        ON CONFLICT (tenant_id, member_id, settlement_id)
        DO UPDATE SET state = excluded.state, changed_by = excluded.changed_by,
                      expires_ms = excluded.expires_ms, kept = excluded.kept;
    END IF;

    IF p_events IS NOT NULL THEN
        INSERT INTO rights.outbox (tenant_id, recorded_ms, events)
        SELECT e ->> 0, p_recorded_ms, e -> 1 FROM jsonb_array_elements(p_events) AS e;
    END IF;

    IF p_budgets IS NOT NULL THEN
        RETURN QUERY SELECT 0::bigint, rights.take_budgets(p_recorded_ms, p_budgets);
    ELSE
        RETURN QUERY SELECT 0::bigint, 0::bigint;
    END IF;
END $$;
