-- What a batch costs the database. Nothing here changes what is stored.
--
-- Columns of a batch come as arrays. `unnest` of several writes each to a tuplestore of its own before it puts a row
-- together. A function's array argument is held taken apart instead, so that p_column[i] is one step: one array is
-- unnested, WITH ORDINALITY, and the others are read by its numbers. Only a generic plan does so; in one made for the
-- arguments the arrays are constants, and p_column[i] walks through the array to its i-th text.

-- What is unique is the same. With the key first, one comparison tells most claims apart; tenant and scope are alike.
ALTER TABLE rights.claim DROP CONSTRAINT claim_pkey, ADD PRIMARY KEY (claim_key, scope, tenant_id);

-- As before. Members are put in order by their names, and locked in it, before they are read: no wide rows are sorted.
-- What is looked up for a command is looked up by its key, however few rows there were when the plan was made.
CREATE OR REPLACE FUNCTION rights.load_batch(
    p_tenant text[], p_member text[], p_key_scope text[], p_key text[], p_order text[], p_settlement text[],
    p_settlement_member text[], p_coupons text[], p_now_ms bigint, p_lock_budgets boolean
) RETURNS TABLE (
    "position" bigint, tenant_id text, member_id text, tier int, tags text[], lots jsonb, counters jsonb,
    holds jsonb, pending jsonb, debts jsonb, due_ms bigint, membership jsonb,
    revision bigint, coupons jsonb, key_digest bytea, key_response bytea, order_entry text, order_held_until_ms bigint,
    settlement_state text, settlement_changed_by text, settlement_kept jsonb, budgets jsonb
) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    budget_state jsonb;
BEGIN
    RETURN QUERY
    SELECT NULL::bigint, m.tenant_id, m.member_id, m.tier, m.tags, m.lots, m.counters, m.holds, m.pending,
           m.debts, m.due_ms, m.membership,
           NULL::bigint, NULL::jsonb, NULL::bytea, NULL::bytea, NULL::text, NULL::bigint, NULL::text,
           NULL::text, NULL::jsonb, NULL::jsonb
    FROM (SELECT DISTINCT c.tenant_id COLLATE "C" AS tenant_id, p_member[c.i] COLLATE "C" AS member_id
          FROM unnest(p_tenant) WITH ORDINALITY AS c (tenant_id, i) ORDER BY 1, 2) AS n
    CROSS JOIN LATERAL (
        SELECT * FROM rights.member m WHERE m.tenant_id = n.tenant_id AND m.member_id = n.member_id
        FOR NO KEY UPDATE) AS m;
    budget_state := rights.budgets_of(p_tenant, p_lock_budgets);
    RETURN QUERY
    SELECT c.i, NULL::text, NULL::text, NULL::int, NULL::text[], NULL::jsonb, NULL::jsonb, NULL::jsonb,
           NULL::jsonb, NULL::jsonb, NULL::bigint, NULL::jsonb,
           t.revision, h.coupons, k.digest, k.response, o.entry_id, o.expires_ms, s.state, s.changed_by,
           s.kept, CASE WHEN c.i = 1 THEN budget_state END
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

-- As before; but where claims refuse, it says 1, however many they are.
CREATE OR REPLACE FUNCTION rights.commit_batch(
    -- journal
    p_tenant text[], p_member text[], p_entry text[], p_kind text[], p_recorded_ms bigint,
    p_caller text[], p_key text[], p_digest bytea[], p_order text[], p_settlement text[],
    p_version bigint[], p_rejection text[], p_postings text[], p_usages text[], p_coupons text[],
    p_facts text[], p_request bytea[], p_response bytea[],
    -- orders free again, then orders taken
    p_freed_tenant text[], p_freed_order text[],
    p_taken_tenant text[], p_taken_order text[], p_taken_member text[], p_taken_entry text[],
    -- wallets
    p_wallet_tenant text[], p_wallet_member text[], p_wallet_lots text[], p_wallet_counters text[],
    p_wallet_holds text[], p_wallet_pending text[], p_wallet_debts text[], p_wallet_membership text[],
    p_wallet_due_ms bigint[],
    -- coupons granted, then coupons whose state changed
    p_grant_tenant text[], p_grant_member text[], p_grant_id text[], p_grant_template text[],
    p_grant_starts_ms bigint[], p_grant_expires_ms bigint[],
    p_coupon_tenant text[], p_coupon_member text[], p_coupon_id text[], p_coupon_state text[],
    p_coupon_redeemed_by text[],
    -- settlements whose state changed
    p_state_tenant text[], p_state_member text[], p_state_settlement text[], p_state text[],
    p_state_changed_by text[], p_state_expires_ms bigint[], p_state_kept text[],
    -- events, a row per tenant
    p_event_tenant text[], p_events text[],
    -- budgets; alerts: [basis points, ...]
    p_budget_tenant text[], p_budget_kind text[], p_budget_id text[], p_budget_used bigint[],
    p_budget_held bigint[], p_budget_cap bigint[], p_budget_alerts text[]
) RETURNS TABLE (claims_refused bigint, budgets_refused bigint) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    written bigint;
BEGIN
    IF cardinality(p_freed_order) > 0 THEN
        DELETE FROM rights.claim c USING unnest(p_freed_tenant, p_freed_order) AS f (tenant_id, claim_key)
        WHERE c.tenant_id = f.tenant_id AND c.scope = 'order' AND c.claim_key = f.claim_key;
    END IF;
    BEGIN
        -- Not ON CONFLICT DO NOTHING, which searches the index twice and logs each row twice: one refusal suffices.
        INSERT INTO rights.claim (tenant_id, scope, claim_key, member_id, entry_id, digest)
        SELECT * FROM (
            SELECT p_tenant[c.i] COLLATE "C", 'key/' || p_caller[c.i] COLLATE "C", c.claim_key COLLATE "C", p_member[c.i],
                   p_entry[c.i], p_digest[c.i]
            FROM unnest(p_key) WITH ORDINALITY AS c (claim_key, i) WHERE c.claim_key IS NOT NULL
            UNION ALL
            SELECT p_taken_tenant[t.i], 'order', t.claim_key, p_taken_member[t.i], p_taken_entry[t.i], NULL
            FROM unnest(p_taken_order) WITH ORDINALITY AS t (claim_key, i)
        ) AS claims ORDER BY 1, 2, 3;
    EXCEPTION WHEN unique_violation THEN
        RETURN QUERY SELECT 1::bigint, 0::bigint;
        RETURN;
    END;

    INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, caller,
        idempotency_key, order_id, settlement_id, rulebook_version, rejection, postings, usages, coupons,
        facts, request, response)
    SELECT p_tenant[j.i], p_member[j.i], j.entry_id, p_kind[j.i], p_recorded_ms, p_caller[j.i], p_key[j.i], p_order[j.i],
           p_settlement[j.i], p_version[j.i], p_rejection[j.i], p_postings[j.i]::jsonb, p_usages[j.i]::jsonb,
           p_coupons[j.i]::jsonb, p_facts[j.i]::jsonb, p_request[j.i], p_response[j.i]
    FROM unnest(p_entry) WITH ORDINALITY AS j (entry_id, i);

    UPDATE rights.member m
    SET lots = p_wallet_lots[w.i]::jsonb, counters = p_wallet_counters[w.i]::jsonb, holds = p_wallet_holds[w.i]::jsonb,
        pending = p_wallet_pending[w.i]::jsonb, debts = p_wallet_debts[w.i]::jsonb,
        membership = p_wallet_membership[w.i]::jsonb, due_ms = p_wallet_due_ms[w.i]
    FROM unnest(p_wallet_member) WITH ORDINALITY AS w (member_id, i)
    WHERE m.tenant_id = p_wallet_tenant[w.i] AND m.member_id = w.member_id;

    IF cardinality(p_grant_id) > 0 THEN
        INSERT INTO rights.coupon (tenant_id, member_id, coupon_id, template_id, starts_ms, expires_ms)
        SELECT * FROM unnest(p_grant_tenant, p_grant_member, p_grant_id, p_grant_template,
                             p_grant_starts_ms, p_grant_expires_ms);
    END IF;

    IF cardinality(p_coupon_id) > 0 THEN
        UPDATE rights.coupon k SET state = p_coupon_state[c.i], redeemed_by = p_coupon_redeemed_by[c.i]
        FROM unnest(p_coupon_id) WITH ORDINALITY AS c (coupon_id, i)
        WHERE k.tenant_id = p_coupon_tenant[c.i] AND k.member_id = p_coupon_member[c.i] AND k.coupon_id = c.coupon_id
          AND (k.state, k.redeemed_by) IS DISTINCT FROM (p_coupon_state[c.i], p_coupon_redeemed_by[c.i]);
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(p_coupon_id) THEN
            -- The member's lock makes this impossible; a broken invariant must not be booked.
            RAISE EXCEPTION 'coupon state changed under the lock of its member';
        END IF;
    END IF;

    IF cardinality(p_state) > 0 THEN
        INSERT INTO rights.settlement_state (
            tenant_id, member_id, settlement_id, state, changed_by, expires_ms, kept)
        SELECT p_state_tenant[s.i], p_state_member[s.i], s.settlement_id, p_state[s.i], p_state_changed_by[s.i],
               p_state_expires_ms[s.i], p_state_kept[s.i]::jsonb
        FROM unnest(p_state_settlement) WITH ORDINALITY AS s (settlement_id, i)
        ON CONFLICT (tenant_id, member_id, settlement_id)
        DO UPDATE SET state = excluded.state, changed_by = excluded.changed_by,
                      expires_ms = excluded.expires_ms, kept = excluded.kept;
    END IF;

    INSERT INTO rights.outbox (tenant_id, recorded_ms, events)
    SELECT e.tenant_id, p_recorded_ms, e.events::jsonb FROM unnest(p_event_tenant, p_events) AS e (tenant_id, events);

    RETURN QUERY SELECT 0::bigint, rights.take_budgets(
        p_recorded_ms, p_budget_tenant, p_budget_kind, p_budget_id, p_budget_used, p_budget_held, p_budget_cap,
        p_budget_alerts);
END $$;
