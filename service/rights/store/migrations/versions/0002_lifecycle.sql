-- The whole life of a settlement: reserved, confirmed or not, refunded in parts, reversed; and what that
-- needs of a wallet: units held, pending or owed. Events for whoever follows.

-- Wallets. Everything that becomes due for a member at some time (a hold that lapses, a lot that expires,
-- pending points that become available) is in its row, and `due_ms` is the soonest of them: one index finds
-- whom the sweeper has to look at, and the lock of the row serializes it with everything else.
ALTER TABLE rights.member
    ADD COLUMN holds   jsonb NOT NULL DEFAULT '{}', -- {reservation: {expires_ms, order_id, lots, coupons, usages}}
    ADD COLUMN pending jsonb NOT NULL DEFAULT '[]', -- [[asset, amount, origin, settlement, available_ms | null, policy, count], ...]
    ADD COLUMN debts   jsonb NOT NULL DEFAULT '{}', -- {"asset|origin": units > 0}
    ADD COLUMN due_ms  bigint,                      -- null: nothing becomes due
    ADD CONSTRAINT pending_positive CHECK (pending = '[]' OR NOT pending @? '$[*][1] ? (@ <= 0)'),
    ADD CONSTRAINT debts_positive CHECK (debts = '{}' OR NOT debts @? '$.* ? (@ <= 0)');
CREATE INDEX member_due ON rights.member (due_ms) WHERE due_ms IS NOT NULL;
UPDATE rights.member m SET due_ms = (SELECT min((l.value ->> 2)::bigint) FROM jsonb_array_elements(m.lots) l)
WHERE m.lots <> '[]';

-- Coupons. `redeemed_by`: the settlement that used it, the reservation that holds it, or the refund that
-- took it away.
ALTER TABLE rights.coupon
    ADD COLUMN state text COLLATE "C" NOT NULL DEFAULT 'held'
        CHECK (state IN ('held', 'reserved', 'redeemed', 'revoked'));
UPDATE rights.coupon SET state = 'redeemed' WHERE redeemed_by IS NOT NULL;
ALTER TABLE rights.coupon ADD CONSTRAINT coupon_user CHECK ((state = 'held') = (redeemed_by IS NULL));
DROP INDEX rights.coupon_held;
CREATE INDEX coupon_open ON rights.coupon (tenant_id, member_id) WHERE state IN ('held', 'reserved');

-- How far a settlement has come. A settlement without a row is settled and nothing of it has come back.
CREATE TABLE rights.settlement_state (
    tenant_id     text COLLATE "C" NOT NULL,
    member_id     text COLLATE "C" NOT NULL,
    settlement_id text COLLATE "C" NOT NULL,  -- the entry that settled or reserved it
    state         text COLLATE "C" NOT NULL
        CHECK (state IN ('held', 'cancelled', 'expired', 'settled', 'refunded', 'reversed')),
    changed_by    text COLLATE "C" NOT NULL,  -- the entry that brought it there
    expires_ms    bigint,                     -- until when it is held; null: not held
    kept          jsonb,                      -- what is left of it after refunds; null: all
    PRIMARY KEY (tenant_id, member_id, settlement_id)
);
INSERT INTO rights.settlement_state (tenant_id, member_id, settlement_id, state, changed_by)
SELECT tenant_id, member_id, reverses, 'reversed', entry_id FROM rights.journal
WHERE kind = 'reverse' AND rejection IS NULL;
DELETE FROM rights.claim WHERE scope = 'reversal'; -- the state says it now, under the member's lock

-- The journal. An entry that the service makes by itself (a hold lapses, a lot expires) has no caller and no
-- key. `settlement_id`: the settlement or reservation that an entry is about, null where it is itself one.
ALTER TABLE rights.journal RENAME COLUMN reverses TO settlement_id;
ALTER TABLE rights.journal
    DROP CONSTRAINT journal_kind_check,
    ADD CONSTRAINT journal_kind_check CHECK (kind IN (
        'settle', 'reserve', 'confirm', 'cancel', 'lapse', 'refund', 'reverse', 'deliver', 'release',
        'credit', 'top_up', 'grant', 'expire')),
    ALTER COLUMN caller DROP NOT NULL,
    ALTER COLUMN idempotency_key DROP NOT NULL,
    ADD COLUMN facts jsonb; -- [tier, [tag, ...]] of the member, as a settlement or reservation was decided on it
CREATE INDEX journal_by_settlement ON rights.journal (tenant_id, settlement_id, entry_id)
    WHERE settlement_id IS NOT NULL;
-- What an entry did to coupons: [[coupon_id, 'grant' | 'redeem' | 'reserve' | 'release' | 'return' | 'revoke'], ...]
ALTER TABLE rights.journal DISABLE TRIGGER journal_insert_only;
UPDATE rights.journal j SET coupons = (
    SELECT jsonb_agg(jsonb_build_array(
        c.value, CASE j.kind WHEN 'settle' THEN 'redeem' WHEN 'reverse' THEN 'return' ELSE 'grant' END))
    FROM jsonb_array_elements(j.coupons) c)
WHERE j.coupons <> '[]';
ALTER TABLE rights.journal ENABLE TRIGGER journal_insert_only;

-- Events, for whoever follows: a row per batch and tenant, written with what it tells about. How readers pass over
-- none, however the commits overtake each other: 0003_events.sql.
CREATE TABLE rights.outbox (
    tenant_id   text COLLATE "C" NOT NULL,
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    batch_id    bigint GENERATED ALWAYS AS IDENTITY,
    recorded_ms bigint NOT NULL,
    events      jsonb NOT NULL, -- [{"kind": ..., "member": ..., "entry": ..., ...}, ...]
    PRIMARY KEY (tenant_id, xid, batch_id)
);
CREATE INDEX outbox_by_age ON rights.outbox (recorded_ms);
-- How far a consumer of events has come: everything up to and with this position is acknowledged.
CREATE TABLE rights.event_consumer (
    tenant_id   text COLLATE "C" NOT NULL,
    consumer_id text COLLATE "C" NOT NULL,
    xid         xid8 NOT NULL,
    batch_id    bigint NOT NULL,
    item        int NOT NULL, -- index inside the row's events
    acked_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, consumer_id)
);

-- One row per lot held by a reservation.
CREATE VIEW rights.held_lot AS
SELECT m.tenant_id, m.member_id, h.key AS reservation_id, l.value ->> 0 AS asset, (l.value ->> 1)::bigint AS amount,
       (l.value ->> 2)::bigint AS expires_ms, l.value ->> 3 AS origin
FROM rights.member m, jsonb_each(m.holds) h, jsonb_array_elements(h.value -> 'lots') l;

-- One row per lot that is earned but not available yet.
CREATE VIEW rights.pending_lot AS
SELECT m.tenant_id, m.member_id, p.value ->> 0 AS asset, (p.value ->> 1)::bigint AS amount,
       p.value ->> 2 AS origin, p.value ->> 3 AS settlement_id, (p.value ->> 4)::bigint AS available_ms
FROM rights.member m, jsonb_array_elements(m.pending) p;

-- One row per asset and issuer that a member owes units of.
CREATE VIEW rights.debt AS
SELECT m.tenant_id, m.member_id, split_part(d.key, '|', 1) AS asset, substr(d.key, strpos(d.key, '|') + 1) AS origin,
       d.value::bigint AS amount
FROM rights.member m, jsonb_each_text(m.debts) d;

-- One row per coupon that an entry did something to.
CREATE VIEW rights.coupon_move AS
SELECT j.tenant_id, j.member_id, j.entry_id, j.kind, j.settlement_id, c.value ->> 0 AS coupon_id, c.value ->> 1 AS move
FROM rights.journal j, jsonb_array_elements(j.coupons) c;

DROP FUNCTION rights.load_batch;
DROP FUNCTION rights.commit_batch;
DROP FUNCTION rights.coupons_of;

-- A member's coupons as one value: those that can be used now or later, those that a reservation holds, and
-- those named, whatever became of them. A set-returning function, so that PostgreSQL folds it into the query
-- around it.
CREATE FUNCTION rights.coupons_of(
    p_tenant text, p_member text, p_named text[], p_now_ms bigint
) RETURNS TABLE (coupons jsonb) LANGUAGE sql STABLE AS $$
    SELECT jsonb_agg(jsonb_build_array(
               k.coupon_id, k.template_id, k.starts_ms, k.expires_ms, k.state, k.redeemed_by))
    FROM rights.coupon k
    WHERE k.tenant_id = p_tenant AND k.member_id = p_member
      AND ((k.state IN ('held', 'reserved')
            AND (k.state = 'reserved' OR k.expires_ms IS NULL OR k.expires_ms > p_now_ms))
           OR k.coupon_id = ANY (p_named))
$$;

-- Locks the members of a batch in one global order, then reads what deciding needs, in one round
-- trip: first a row per member (position null), as it is under the lock; then a row per command. Each
-- statement of a volatile function sees what was committed before it began, so what a lock waited for
-- is visible to the reads that follow. With p_lock_budgets the budget rows are locked too: a batch
-- that lost a race for a budget decides again on amounts that cannot move.
CREATE FUNCTION rights.load_batch(
    p_tenant text[], p_member text[], p_key_scope text[], p_key text[], p_order text[], p_settlement text[],
    p_coupons text[], p_now_ms bigint, p_lock_budgets boolean
) RETURNS TABLE (
    "position" bigint, tenant_id text, member_id text, tier int, tags text[], lots jsonb, counters jsonb,
    holds jsonb, pending jsonb, debts jsonb, due_ms bigint,
    revision bigint, coupons jsonb, key_digest bytea, key_response bytea, order_entry text, order_held_until_ms bigint,
    settlement_state text, settlement_changed_by text, settlement_kept jsonb, budgets jsonb
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    budget_state jsonb;
BEGIN
    RETURN QUERY
    SELECT NULL::bigint, m.tenant_id, m.member_id, m.tier, m.tags, m.lots, m.counters, m.holds, m.pending,
           m.debts, m.due_ms,
           NULL::bigint, NULL::jsonb, NULL::bytea, NULL::bytea, NULL::text, NULL::bigint, NULL::text,
           NULL::text, NULL::jsonb, NULL::jsonb
    FROM rights.member m
    WHERE (m.tenant_id, m.member_id) IN (SELECT * FROM unnest(p_tenant, p_member))
    ORDER BY m.tenant_id, m.member_id FOR NO KEY UPDATE;
    IF p_lock_budgets THEN
        PERFORM 1 FROM rights.budget b WHERE b.tenant_id = ANY (p_tenant)
        ORDER BY b.tenant_id, b.kind, b.budget_id FOR NO KEY UPDATE;
        -- Others take claims before budgets. Where two members contest one key or order, this batch,
        -- which has its budgets already, gives way at once instead of waiting for the deadlock check.
        PERFORM set_config('lock_timeout', '50ms', true);
    END IF;
    SELECT jsonb_agg(jsonb_build_array(b.tenant_id, b.kind, b.budget_id, b.used + b.held))
    INTO budget_state FROM rights.budget b WHERE b.tenant_id = ANY (p_tenant);
    RETURN QUERY
    SELECT c.position, NULL::text, NULL::text, NULL::int, NULL::text[], NULL::jsonb, NULL::jsonb, NULL::jsonb,
           NULL::jsonb, NULL::jsonb, NULL::bigint,
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
CREATE FUNCTION rights.commit_batch(
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
    p_wallet_holds text[], p_wallet_pending text[], p_wallet_debts text[], p_wallet_due_ms bigint[],
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
    -- budgets; alerts: [[basis points, amount], ...]
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
        pending = w.pending::jsonb, debts = w.debts::jsonb, due_ms = w.due_ms
    FROM unnest(p_wallet_tenant, p_wallet_member, p_wallet_lots, p_wallet_counters, p_wallet_holds,
                p_wallet_pending, p_wallet_debts, p_wallet_due_ms)
         AS w (tenant_id, member_id, lots, counters, holds, pending, debts, due_ms)
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

    IF cardinality(p_budget_id) > 0 THEN
        PERFORM 1 FROM rights.budget b
        WHERE (b.tenant_id, b.kind, b.budget_id)
              IN (SELECT * FROM unnest(p_budget_tenant, p_budget_kind, p_budget_id))
        ORDER BY b.tenant_id, b.kind, b.budget_id FOR NO KEY UPDATE;
        WITH changed AS (
            UPDATE rights.budget b
            SET used = b.used + u.used, held = b.held + u.held,
                cap = CASE WHEN u.used + u.held > 0 THEN u.cap ELSE b.cap END
            FROM unnest(p_budget_tenant, p_budget_kind, p_budget_id, p_budget_used, p_budget_held, p_budget_cap,
                        p_budget_alerts)
                 AS u (tenant_id, kind, budget_id, used, held, cap, alerts)
            WHERE b.tenant_id = u.tenant_id AND b.kind = u.kind AND b.budget_id = u.budget_id
              AND (u.used + u.held <= 0 OR b.used + b.held + u.used + u.held <= u.cap)
            RETURNING b.tenant_id, b.kind, b.budget_id, b.cap, b.used + b.held AS now,
                      b.used + b.held - u.used - u.held AS before, u.alerts
        ), told AS (
            INSERT INTO rights.outbox (tenant_id, recorded_ms, events)
            SELECT c.tenant_id, p_recorded_ms, jsonb_agg(jsonb_build_object(
                       'kind', 'budget_low', 'budget_kind', c.kind, 'budget', c.budget_id, 'cap', c.cap,
                       'taken', c.now, 'alert_bps', a.value -> 0))
            FROM changed c, jsonb_array_elements(c.alerts::jsonb) a
            WHERE c.before < (a.value ->> 1)::bigint AND c.now >= (a.value ->> 1)::bigint
            GROUP BY c.tenant_id
        )
        SELECT count(*) INTO written FROM changed;
        IF written <> cardinality(p_budget_id) THEN
            RETURN QUERY SELECT 0::bigint, cardinality(p_budget_id) - written;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY SELECT 0::bigint, 0::bigint;
END $$;
