-- The first schema. Member data leads with (tenant_id, member_id) in every key, so that it can be
-- distributed by member; claims are their own family, keyed by what they make unique. Tenants,
-- rulebooks, budgets and the like are small and can be replicated.
--
-- Identifiers compare by byte (COLLATE "C"): that is the order in which rows are locked and listed on
-- every machine, and an index search costs a fifth of one by a language's rules.
--
-- Times inside jsonb are integers: milliseconds since 1970-01-01 UTC. Amounts are integers.

CREATE TABLE rights.tenant (
    tenant_id  text COLLATE "C" PRIMARY KEY CHECK (tenant_id ~ '^[A-Za-z0-9._-]{1,64}$'),
    -- Raised by everything that changes what a settlement of the tenant may do (publish, activate,
    -- pause, resume). Every batch reads it, so a change reaches all worker processes with their next batch.
    revision   bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE rights.rulebook (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES rights.tenant,
    version      bigint NOT NULL CHECK (version > 0),
    name         text NOT NULL,
    content      bytea NOT NULL, -- rights.v1.Rulebook
    digest       bytea NOT NULL,
    publisher    text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, version),
    UNIQUE (tenant_id, digest)
);

CREATE TABLE rights.activation (
    tenant_id     text COLLATE "C" NOT NULL,
    activation_id bigint GENERATED ALWAYS AS IDENTITY,
    version       bigint NOT NULL,
    activates_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, activation_id),
    FOREIGN KEY (tenant_id, version) REFERENCES rights.rulebook
);

CREATE TABLE rights.pause (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES rights.tenant,
    campaign_id text COLLATE "C" NOT NULL,
    paused_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, campaign_id)
);

-- What operators did; append only.
CREATE TABLE rights.admin_action (
    tenant_id text COLLATE "C" NOT NULL,
    action_id bigint GENERATED ALWAYS AS IDENTITY,
    acted_at  timestamptz NOT NULL DEFAULT now(),
    caller    text COLLATE "C" NOT NULL,
    action    text NOT NULL,
    subject   text NOT NULL,
    PRIMARY KEY (tenant_id, action_id)
);

-- Budgets (minor units) and quotas (uses). The cap is the one of the rulebook that last used it.
CREATE TABLE rights.budget (
    tenant_id text COLLATE "C" NOT NULL,
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('budget', 'quota')),
    budget_id text COLLATE "C" NOT NULL,
    cap       bigint NOT NULL,
    used      bigint NOT NULL DEFAULT 0,
    held      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, kind, budget_id),
    CONSTRAINT budget_not_negative CHECK (used >= 0 AND held >= 0),
    CONSTRAINT budget_not_exceeded CHECK (used + held <= cap)
) WITH (fillfactor = 50);

-- A member with the wallet: one row, so that one lock serializes everything about a member.
CREATE TABLE rights.member (
    tenant_id  text COLLATE "C" NOT NULL,
    member_id  text COLLATE "C" NOT NULL,
    tier       int NOT NULL DEFAULT 0,
    tags       text[] NOT NULL DEFAULT '{}',
    lots       jsonb NOT NULL DEFAULT '[]', -- [[asset, amount, expires_ms | null, origin], ...]
    counters   jsonb NOT NULL DEFAULT '{}', -- {"campaign|period": uses}
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, member_id),
    CONSTRAINT lots_positive CHECK (NOT lots @? '$[*][1] ? (@ <= 0)'),
    CONSTRAINT counters_positive CHECK (NOT counters @? '$.* ? (@ <= 0)')
) WITH (fillfactor = 75);

CREATE TABLE rights.identity (
    tenant_id     text COLLATE "C" NOT NULL,
    business_line text COLLATE "C" NOT NULL,
    external_id   text COLLATE "C" NOT NULL,
    member_id     text COLLATE "C" NOT NULL,
    linked_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, business_line, external_id)
);
CREATE INDEX identity_by_member ON rights.identity (tenant_id, member_id);

CREATE TABLE rights.coupon (
    tenant_id   text COLLATE "C" NOT NULL,
    member_id   text COLLATE "C" NOT NULL,
    coupon_id   text COLLATE "C" NOT NULL,
    template_id text COLLATE "C" NOT NULL,
    starts_ms   bigint NOT NULL,
    expires_ms  bigint,          -- null: never
    redeemed_by text COLLATE "C",            -- journal entry; null: held
    PRIMARY KEY (tenant_id, member_id, coupon_id),
    CONSTRAINT coupon_window CHECK (expires_ms IS NULL OR expires_ms > starts_ms)
) WITH (fillfactor = 85);
CREATE INDEX coupon_held ON rights.coupon (tenant_id, member_id) WHERE redeemed_by IS NULL;

-- What may happen only once, each a unique row written with its effect:
--   scope 'key/CALLER'  an idempotency key, bound to the digest of its request;
--   scope 'order'       the settlement of an order;
--   scope 'reversal'    the reversal of a settlement.
CREATE TABLE rights.claim (
    tenant_id text COLLATE "C" NOT NULL,
    scope     text COLLATE "C" NOT NULL,
    claim_key text COLLATE "C" NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    entry_id  text COLLATE "C" NOT NULL,
    digest    bytea,
    PRIMARY KEY (tenant_id, scope, claim_key)
);

-- Every booked operation and every recorded refusal; insert only.
CREATE TABLE rights.journal (
    tenant_id        text COLLATE "C" NOT NULL,
    member_id        text COLLATE "C" NOT NULL,
    entry_id         text COLLATE "C" NOT NULL,
    kind             text COLLATE "C" NOT NULL CHECK (kind IN ('settle', 'reverse', 'credit', 'grant')),
    recorded_ms      bigint NOT NULL,
    caller           text COLLATE "C" NOT NULL,
    idempotency_key  text COLLATE "C" NOT NULL,
    order_id         text COLLATE "C",
    reverses         text COLLATE "C",            -- the settlement a reversal undoes
    rulebook_version bigint NOT NULL,
    rejection        text,            -- reason; null: booked
    postings         jsonb NOT NULL,  -- [[account, asset, amount, expires_ms | null, origin | null], ...]
    usages           jsonb NOT NULL,  -- [['budget' | 'quota' | 'counter', id, amount], ...]
    coupons          jsonb NOT NULL,  -- [coupon_id, ...]: redeemed (settle), returned (reverse), granted (grant)
    request          bytea NOT NULL,
    response         bytea NOT NULL,
    PRIMARY KEY (tenant_id, member_id, entry_id)
);
CREATE INDEX journal_by_entry ON rights.journal (tenant_id, entry_id);

CREATE FUNCTION rights.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER journal_insert_only BEFORE UPDATE OR DELETE ON rights.journal
    FOR EACH STATEMENT EXECUTE FUNCTION rights.refuse_change();
CREATE TRIGGER admin_action_insert_only BEFORE UPDATE OR DELETE ON rights.admin_action
    FOR EACH STATEMENT EXECUTE FUNCTION rights.refuse_change();

-- The secret that signs quote tokens when no key file is configured; all workers share it.
CREATE TABLE rights.quote_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key      bytea NOT NULL
);
INSERT INTO rights.quote_key (key)
VALUES (sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea));

-- One row per posting, for people, reports and the audit.
CREATE VIEW rights.posting AS
SELECT j.tenant_id, j.member_id, j.entry_id, j.kind, p.ordinality AS leg,
       p.value ->> 0 AS account, p.value ->> 1 AS asset, (p.value ->> 2)::bigint AS amount,
       (p.value ->> 3)::bigint AS expires_ms, p.value ->> 4 AS origin, j.recorded_ms
FROM rights.journal j, jsonb_array_elements(j.postings) WITH ORDINALITY p;

-- One row per use of a budget, a quota or a per-member counter.
CREATE VIEW rights.usage AS
SELECT j.tenant_id, j.member_id, j.entry_id, j.kind AS entry_kind,
       u.value ->> 0 AS kind, u.value ->> 1 AS id, (u.value ->> 2)::bigint AS amount
FROM rights.journal j, jsonb_array_elements(j.usages) u;

-- One row per lot of a wallet.
CREATE VIEW rights.lot AS
SELECT m.tenant_id, m.member_id, l.value ->> 0 AS asset, (l.value ->> 1)::bigint AS amount,
       (l.value ->> 2)::bigint AS expires_ms, l.value ->> 3 AS origin
FROM rights.member m, jsonb_array_elements(m.lots) l;

-- A member's coupons as one value: those that can be used now or later, and those named, even if they
-- are redeemed or expired. A set-returning function, so that PostgreSQL folds it into the query around it.
CREATE FUNCTION rights.coupons_of(
    p_tenant text, p_member text, p_named text[], p_now_ms bigint
) RETURNS TABLE (coupons jsonb) LANGUAGE sql STABLE AS $$
    SELECT jsonb_agg(jsonb_build_array(
               k.coupon_id, k.template_id, k.starts_ms, k.expires_ms, k.redeemed_by))
    FROM rights.coupon k
    WHERE k.tenant_id = p_tenant AND k.member_id = p_member
      AND ((k.redeemed_by IS NULL AND (k.expires_ms IS NULL OR k.expires_ms > p_now_ms))
           OR k.coupon_id = ANY (p_named))
$$;

-- Locks the members of a batch in one global order, then reads what deciding needs, in one round
-- trip: first a row per member (position null), as it is under the lock; then a row per command. Each
-- statement of a volatile function sees what was committed before it began, so what a lock waited for
-- is visible to the reads that follow. With p_lock_budgets the budget rows are locked too: a batch
-- that lost a race for a budget decides again on amounts that cannot move.
CREATE FUNCTION rights.load_batch(
    p_tenant text[], p_member text[], p_key_scope text[], p_key text[],
    p_subject_scope text[], p_subject text[], p_coupons text[], p_now_ms bigint, p_lock_budgets boolean
) RETURNS TABLE (
    "position" bigint, tenant_id text, member_id text, tier int, tags text[], lots jsonb, counters jsonb,
    revision bigint, coupons jsonb, key_digest bytea, key_response bytea, subject_entry text, budgets jsonb
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    budget_state jsonb;
BEGIN
    RETURN QUERY
    SELECT NULL::bigint, m.tenant_id, m.member_id, m.tier, m.tags, m.lots, m.counters,
           NULL::bigint, NULL::jsonb, NULL::bytea, NULL::bytea, NULL::text, NULL::jsonb
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
    SELECT c.position, NULL::text, NULL::text, NULL::int, NULL::text[], NULL::jsonb, NULL::jsonb,
           t.revision, h.coupons, k.digest, j.response, o.entry_id,
           CASE WHEN c.position = 1 THEN budget_state END
    FROM unnest(p_tenant, p_member, p_key_scope, p_key, p_subject_scope, p_subject) WITH ORDINALITY
         AS c (tenant_id, member_id, key_scope, key, subject_scope, subject, position)
    LEFT JOIN rights.tenant t ON t.tenant_id = c.tenant_id
    LEFT JOIN LATERAL rights.coupons_of(c.tenant_id, c.member_id, p_coupons, p_now_ms) h ON true
    LEFT JOIN rights.claim k
         ON k.tenant_id = c.tenant_id AND k.scope = c.key_scope AND k.claim_key = c.key
    LEFT JOIN rights.journal j
         ON j.tenant_id = c.tenant_id AND j.member_id = k.member_id AND j.entry_id = k.entry_id
    LEFT JOIN rights.claim o
         ON o.tenant_id = c.tenant_id AND o.scope = c.subject_scope AND o.claim_key = c.subject
    ORDER BY c.position;
END $$;

-- Books a decided batch. Answers how many claims and budgets refused; anything but (0, 0) must be
-- rolled back and decided again. Budgets come last, because everyone waits for them: the hot row is
-- locked for the shortest time, and in one global order.
CREATE FUNCTION rights.commit_batch(
    -- journal
    p_tenant text[], p_member text[], p_entry text[], p_kind text[], p_recorded_ms bigint,
    p_caller text[], p_key text[], p_digest bytea[], p_order text[], p_reverses text[],
    p_version bigint[], p_rejection text[], p_postings text[], p_usages text[], p_coupons text[],
    p_request bytea[], p_response bytea[],
    -- claims besides the keys
    p_subject_tenant text[], p_subject_scope text[], p_subject text[], p_subject_member text[],
    p_subject_entry text[],
    -- wallets
    p_wallet_tenant text[], p_wallet_member text[], p_wallet_lots text[], p_wallet_counters text[],
    -- coupons redeemed (by an entry) or returned (null)
    p_coupon_tenant text[], p_coupon_member text[], p_coupon_id text[], p_coupon_redeemed_by text[],
    -- coupons granted
    p_grant_tenant text[], p_grant_member text[], p_grant_id text[], p_grant_template text[],
    p_grant_starts_ms bigint[], p_grant_expires_ms bigint[],
    -- budgets
    p_budget_tenant text[], p_budget_kind text[], p_budget_id text[], p_budget_amount bigint[],
    p_budget_cap bigint[]
) RETURNS TABLE (claims_refused bigint, budgets_refused bigint) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    written bigint;
    wanted  bigint;
BEGIN
    INSERT INTO rights.claim (tenant_id, scope, claim_key, member_id, entry_id, digest)
    SELECT * FROM (
        SELECT c.tenant_id, 'key/' || c.caller AS scope, c.claim_key, c.member_id, c.entry_id, c.digest
        FROM unnest(p_tenant, p_caller, p_key, p_member, p_entry, p_digest)
             AS c (tenant_id, caller, claim_key, member_id, entry_id, digest)
        UNION ALL
        SELECT s.*, NULL::bytea
        FROM unnest(p_subject_tenant, p_subject_scope, p_subject, p_subject_member, p_subject_entry) AS s
    ) AS claims ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    wanted := cardinality(p_tenant) + cardinality(p_subject_tenant);
    IF written <> wanted THEN
        RETURN QUERY SELECT wanted - written, 0::bigint;
        RETURN;
    END IF;

    INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, caller,
        idempotency_key, order_id, reverses, rulebook_version, rejection, postings, usages, coupons,
        request, response)
    SELECT j.tenant_id, j.member_id, j.entry_id, j.kind, p_recorded_ms, j.caller, j.claim_key, j.order_id,
           j.reverses, j.version, j.rejection, j.postings::jsonb, j.usages::jsonb, j.coupons::jsonb,
           j.request, j.response
    FROM unnest(p_tenant, p_member, p_entry, p_kind, p_caller, p_key, p_order, p_reverses, p_version,
                p_rejection, p_postings, p_usages, p_coupons, p_request, p_response)
         AS j (tenant_id, member_id, entry_id, kind, caller, claim_key, order_id, reverses, version,
               rejection, postings, usages, coupons, request, response);

    UPDATE rights.member m SET lots = w.lots::jsonb, counters = w.counters::jsonb
    FROM unnest(p_wallet_tenant, p_wallet_member, p_wallet_lots, p_wallet_counters)
         AS w (tenant_id, member_id, lots, counters)
    WHERE m.tenant_id = w.tenant_id AND m.member_id = w.member_id;

    INSERT INTO rights.coupon (tenant_id, member_id, coupon_id, template_id, starts_ms, expires_ms)
    SELECT * FROM unnest(p_grant_tenant, p_grant_member, p_grant_id, p_grant_template,
                         p_grant_starts_ms, p_grant_expires_ms);

    IF cardinality(p_coupon_id) > 0 THEN
        UPDATE rights.coupon k SET redeemed_by = c.redeemed_by
        FROM unnest(p_coupon_tenant, p_coupon_member, p_coupon_id, p_coupon_redeemed_by)
             AS c (tenant_id, member_id, coupon_id, redeemed_by)
        WHERE k.tenant_id = c.tenant_id AND k.member_id = c.member_id AND k.coupon_id = c.coupon_id
          AND k.redeemed_by IS DISTINCT FROM c.redeemed_by;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(p_coupon_id) THEN
            -- The member's lock makes this impossible; a broken invariant must not be booked.
            RAISE EXCEPTION 'coupon state changed under the lock of its member';
        END IF;
    END IF;

    IF cardinality(p_budget_id) > 0 THEN
        PERFORM 1 FROM rights.budget b
        WHERE (b.tenant_id, b.kind, b.budget_id)
              IN (SELECT * FROM unnest(p_budget_tenant, p_budget_kind, p_budget_id))
        ORDER BY b.tenant_id, b.kind, b.budget_id FOR NO KEY UPDATE;
        UPDATE rights.budget b
        SET used = b.used + u.amount, cap = CASE WHEN u.amount > 0 THEN u.cap ELSE b.cap END
        FROM unnest(p_budget_tenant, p_budget_kind, p_budget_id, p_budget_amount, p_budget_cap)
             AS u (tenant_id, kind, budget_id, amount, cap)
        WHERE b.tenant_id = u.tenant_id AND b.kind = u.kind AND b.budget_id = u.budget_id
          AND (u.amount <= 0 OR b.used + b.held + u.amount <= u.cap);
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(p_budget_id) THEN
            RETURN QUERY SELECT 0::bigint, cardinality(p_budget_id) - written;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY SELECT 0::bigint, 0::bigint;
END $$;
