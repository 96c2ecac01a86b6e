-- Budget pools, and transfers of budget between campaigns.
--
-- The cap of a budget is the one of the rulebook that decides and what was `moved` to it, whatever the version. Both
-- are compared with what is taken in the statement that takes it, under the lock of the row: a transfer holds for
-- every settlement that takes anything after it, in whatever process.
--
-- A pool is a row of its own: what is taken from its budgets is taken from it in the same statement.
ALTER TABLE rights.budget
    ADD COLUMN moved bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT budget_kind_check,
    ADD CONSTRAINT budget_kind_check CHECK (kind IN ('budget', 'pool', 'quota')),
    DROP CONSTRAINT budget_not_exceeded,
    ADD CONSTRAINT budget_not_exceeded CHECK (used + held <= cap + moved),
    ADD CONSTRAINT only_budgets_are_moved CHECK (moved = 0 OR kind = 'budget');

-- What operators moved, with the answer that a retry gets. Null: what the pool has not allotted.
CREATE TABLE rights.budget_transfer (
    tenant_id       text COLLATE "C" NOT NULL,
    caller          text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    digest          bytea NOT NULL,
    pool_id         text COLLATE "C" NOT NULL,
    from_budget     text COLLATE "C",
    to_budget       text COLLATE "C",
    amount          bigint NOT NULL CHECK (amount > 0),
    response        bytea NOT NULL,
    moved_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, caller, idempotency_key),
    CONSTRAINT moved_somewhere CHECK (from_budget IS DISTINCT FROM to_budget)
);
CREATE TRIGGER budget_transfer_insert_only BEFORE UPDATE OR DELETE ON rights.budget_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION rights.refuse_change();

-- What is taken and moved of all budgets, quotas and pools of some tenants: [[tenant, kind, id, taken, moved], ...].
-- With p_lock they are locked, too.
CREATE FUNCTION rights.budgets_of(p_tenant text[], p_lock boolean) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_lock THEN
        PERFORM 1 FROM rights.budget b WHERE b.tenant_id = ANY (p_tenant)
        ORDER BY b.tenant_id, b.kind, b.budget_id FOR NO KEY UPDATE;
        -- Others take claims before budgets. Where two members contest one key or order, this batch,
        -- which has its budgets already, gives way at once instead of waiting for the deadlock check.
        PERFORM set_config('lock_timeout', '50ms', true);
    END IF;
    RETURN (SELECT jsonb_agg(jsonb_build_array(b.tenant_id, b.kind, b.budget_id, b.used + b.held, b.moved))
            FROM rights.budget b WHERE b.tenant_id = ANY (p_tenant));
END $$;

-- Takes from budgets, quotas and pools, or gives back to them, and tells of those that become low by it. Answers how
-- many refused, since they have not so much left. p_cap is the rulebook's; p_alerts: [basis points, ...].
CREATE FUNCTION rights.take_budgets(
    p_recorded_ms bigint, p_tenant text[], p_kind text[], p_id text[], p_used bigint[], p_held bigint[],
    p_cap bigint[], p_alerts text[]
) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    written bigint;
BEGIN
    IF cardinality(p_id) = 0 THEN
        RETURN 0;
    END IF;
    PERFORM 1 FROM rights.budget b
    WHERE (b.tenant_id, b.kind, b.budget_id) IN (SELECT * FROM unnest(p_tenant, p_kind, p_id))
    ORDER BY b.tenant_id, b.kind, b.budget_id FOR NO KEY UPDATE;
    WITH changed AS (
        UPDATE rights.budget b
        SET used = b.used + u.used, held = b.held + u.held,
            cap = CASE WHEN u.used + u.held > 0 THEN u.cap ELSE b.cap END
        FROM unnest(p_tenant, p_kind, p_id, p_used, p_held, p_cap, p_alerts)
             AS u (tenant_id, kind, budget_id, used, held, cap, alerts)
        WHERE b.tenant_id = u.tenant_id AND b.kind = u.kind AND b.budget_id = u.budget_id
          AND (u.used + u.held <= 0 OR b.used + b.held + u.used + u.held <= u.cap + b.moved)
        RETURNING b.tenant_id, b.kind, b.budget_id, b.cap + b.moved AS cap, b.used + b.held AS now,
                  b.used + b.held - u.used - u.held AS before, u.alerts
    ), told AS (
        -- An alert is due once at least its share is taken: the amount is rounded up, and never 0.
        INSERT INTO rights.outbox (tenant_id, recorded_ms, events)
        SELECT c.tenant_id, p_recorded_ms, jsonb_agg(jsonb_build_object(
                   'kind', 'budget_low', 'budget_kind', c.kind, 'budget', c.budget_id, 'cap', c.cap,
                   'taken', c.now, 'alert_bps', a.value::int))
        FROM changed c, jsonb_array_elements(c.alerts::jsonb) a,
             LATERAL (SELECT greatest(1, ceil(c.cap::numeric * a.value::int / 10000)) AS amount) AS due
        WHERE c.before < due.amount AND c.now >= due.amount
        GROUP BY c.tenant_id
    )
    SELECT count(*) INTO written FROM changed;
    RETURN cardinality(p_id) - written;
END $$;

-- Locks the members of a batch in one global order, then reads what deciding needs, in one round
-- trip: first a row per member (position null), as it is under the lock; then a row per command. Each
-- statement of a volatile function sees what was committed before it began, so what a lock waited for
-- is visible to the reads that follow. With p_lock_budgets the budget rows are locked too: a batch
-- that lost a race for a budget decides again on amounts that cannot move.
CREATE OR REPLACE FUNCTION rights.load_batch(
    p_tenant text[], p_member text[], p_key_scope text[], p_key text[], p_order text[], p_settlement text[],
    p_coupons text[], p_now_ms bigint, p_lock_budgets boolean
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
    FROM unnest(p_tenant, p_member, p_key_scope, p_key, p_order, p_settlement) WITH ORDINALITY
         AS c (tenant_id, member_id, key_scope, key, order_id, settlement_id, position)
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
         ON s.tenant_id = c.tenant_id AND s.member_id = c.member_id AND s.settlement_id = c.settlement_id
    ORDER BY c.position;
END $$;

-- Books a decided batch. Answers how many claims and budgets refused; anything but (0, 0) must be
-- rolled back and decided again. Budgets come last, because everyone waits for them: the hot row is
-- locked for the shortest time, and in one global order.
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
    -- budgets, quotas and pools; caps: of the rulebook; alerts: [basis points, ...]
    p_budget_tenant text[], p_budget_kind text[], p_budget_id text[], p_budget_used bigint[],
    p_budget_held bigint[], p_budget_cap bigint[], p_budget_alerts text[]
) RETURNS TABLE (claims_refused bigint, budgets_refused bigint) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    written bigint;
    wanted  bigint;
BEGIN
    IF cardinality(p_freed_order) > 0 THEN
        DELETE FROM rights.claim c USING unnest(p_freed_tenant, p_freed_order) AS f (tenant_id, claim_key)
        WHERE c.tenant_id = f.tenant_id AND c.scope = 'order' AND c.claim_key = f.claim_key;
    END IF;
    INSERT INTO rights.claim (tenant_id, scope, claim_key, member_id, entry_id, digest)
    SELECT * FROM (
        SELECT c.tenant_id, 'key/' || c.caller AS scope, c.claim_key, c.member_id, c.entry_id, c.digest
        FROM unnest(p_tenant, p_caller, p_key, p_member, p_entry, p_digest)
             AS c (tenant_id, caller, claim_key, member_id, entry_id, digest)
        WHERE c.claim_key IS NOT NULL
        UNION ALL
        SELECT t.tenant_id, 'order', t.claim_key, t.member_id, t.entry_id, NULL::bytea
        FROM unnest(p_taken_tenant, p_taken_order, p_taken_member, p_taken_entry)
             AS t (tenant_id, claim_key, member_id, entry_id)
    ) AS claims ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    wanted := cardinality(array_remove(p_key, NULL)) + cardinality(p_taken_order);
    IF written <> wanted THEN
        RETURN QUERY SELECT wanted - written, 0::bigint;
        RETURN;
    END IF;

    INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, caller,
        idempotency_key, order_id, settlement_id, rulebook_version, rejection, postings, usages, coupons,
        facts, request, response)
    SELECT j.tenant_id, j.member_id, j.entry_id, j.kind, p_recorded_ms, j.caller, j.claim_key, j.order_id,
           j.settlement_id, j.version, j.rejection, j.postings::jsonb, j.usages::jsonb, j.coupons::jsonb,
           j.facts::jsonb, j.request, j.response
    FROM unnest(p_tenant, p_member, p_entry, p_kind, p_caller, p_key, p_order, p_settlement, p_version,
                p_rejection, p_postings, p_usages, p_coupons, p_facts, p_request, p_response)
         AS j (tenant_id, member_id, entry_id, kind, caller, claim_key, order_id, settlement_id, version,
               rejection, postings, usages, coupons, facts, request, response);

    UPDATE rights.member m
    SET lots = w.lots::jsonb, counters = w.counters::jsonb, holds = w.holds::jsonb,
        pending = w.pending::jsonb, debts = w.debts::jsonb, membership = w.membership::jsonb, due_ms = w.due_ms
    FROM unnest(p_wallet_tenant, p_wallet_member, p_wallet_lots, p_wallet_counters, p_wallet_holds,
                p_wallet_pending, p_wallet_debts, p_wallet_membership, p_wallet_due_ms)
         AS w (tenant_id, member_id, lots, counters, holds, pending, debts, membership, due_ms)
    WHERE m.tenant_id = w.tenant_id AND m.member_id = w.member_id;

    INSERT INTO rights.coupon (tenant_id, member_id, coupon_id, template_id, starts_ms, expires_ms)
    SELECT * FROM unnest(p_grant_tenant, p_grant_member, p_grant_id, p_grant_template,
                         p_grant_starts_ms, p_grant_expires_ms);

    IF cardinality(p_coupon_id) > 0 THEN
        UPDATE rights.coupon k SET state = c.state, redeemed_by = c.redeemed_by
        FROM unnest(p_coupon_tenant, p_coupon_member, p_coupon_id, p_coupon_state, p_coupon_redeemed_by)
             AS c (tenant_id, member_id, coupon_id, state, redeemed_by)
        WHERE k.tenant_id = c.tenant_id AND k.member_id = c.member_id AND k.coupon_id = c.coupon_id
          AND (k.state, k.redeemed_by) IS DISTINCT FROM (c.state, c.redeemed_by);
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(p_coupon_id) THEN
            -- The member's lock makes this impossible; a broken invariant must not be booked.
            RAISE EXCEPTION 'coupon state changed under the lock of its member';
        END IF;
    END IF;

    IF cardinality(p_state) > 0 THEN
        INSERT INTO rights.settlement_state (
            tenant_id, member_id, settlement_id, state, changed_by, expires_ms, kept)
        SELECT s.tenant_id, s.member_id, s.settlement_id, s.state, s.changed_by, s.expires_ms, s.kept::jsonb
        FROM unnest(p_state_tenant, p_state_member, p_state_settlement, p_state, p_state_changed_by,
                    p_state_expires_ms, p_state_kept)
             AS s (tenant_id, member_id, settlement_id, state, changed_by, expires_ms, kept)
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
