-- Operations on two members, coupons handed over, and coupon codes.

ALTER TABLE rights.journal
    DROP CONSTRAINT journal_kind_check,
    ADD CONSTRAINT journal_kind_check CHECK (kind IN (
        'settle', 'reserve', 'confirm', 'cancel', 'lapse', 'refund', 'reverse', 'deliver', 'release',
        'credit', 'top_up', 'grant', 'expire', 'tier', 'transfer', 'redeem_code'));

-- What changes the wallets of two members is an entry of each: the first one's has the key and the answer, and the
-- second one's is its other side. Both are written in one transaction.
CREATE TABLE rights.entry_pair (
    tenant_id       text COLLATE "C" NOT NULL,
    member_id       text COLLATE "C" NOT NULL,
    entry_id        text COLLATE "C" NOT NULL,
    other_member_id text COLLATE "C" NOT NULL,
    other_entry_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, member_id, entry_id),
    CONSTRAINT two_members CHECK (member_id <> other_member_id)
);
CREATE TRIGGER entry_pair_insert_only BEFORE UPDATE OR DELETE ON rights.entry_pair
    FOR EACH STATEMENT EXECUTE FUNCTION rights.refuse_change();

-- A coupon that is handed over stays in its row, and the other member gets a row with an id of its own.
-- `redeemed_by` is then the entry that handed it over.
ALTER TABLE rights.coupon
    DROP CONSTRAINT coupon_state_check,
    ADD CONSTRAINT coupon_state_check CHECK (state IN ('held', 'reserved', 'redeemed', 'revoked', 'transferred'));

-- Pools of codes. What a code gives: a coupon of a template, or a gift card: units of an asset that `origin` issues.
CREATE TABLE rights.code_pool (
    tenant_id       text COLLATE "C" NOT NULL,
    pool_id         text COLLATE "C" NOT NULL,
    template_id     text COLLATE "C",
    asset           text COLLATE "C",
    units           bigint CHECK (units > 0),
    origin          text COLLATE "C",
    expire_days     int,    -- of the gift card's lot, from when the code is redeemed; or
    lot_expires_ms  bigint, -- at a time; both null: as the asset says
    redeem_until_ms bigint, -- null: always
    created_ms      bigint NOT NULL,
    revoked_ms      bigint, -- null: not revoked
    PRIMARY KEY (tenant_id, pool_id),
    CONSTRAINT coupon_or_gift_card CHECK (
        (template_id IS NULL) = (asset IS NOT NULL AND units IS NOT NULL AND origin IS NOT NULL)
        AND (template_id IS NULL OR (asset, units, origin, expire_days, lot_expires_ms) IS NULL))
);

-- What was generated at a time, under an idempotency key. While there is a seed, the codes can be told again.
CREATE TABLE rights.code_generation (
    tenant_id       text COLLATE "C" NOT NULL,
    caller          text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    digest          bytea NOT NULL,
    pool_id         text COLLATE "C" NOT NULL,
    codes           int NOT NULL,           -- how many it is to have
    stored          int NOT NULL DEFAULT 0, -- how many it has
    seed            bytea,
    started_ms      bigint NOT NULL,
    PRIMARY KEY (tenant_id, caller, idempotency_key),
    CONSTRAINT stored_at_most CHECK (stored BETWEEN 0 AND codes)
);
CREATE INDEX code_generation_by_pool ON rights.code_generation (tenant_id, pool_id);
CREATE INDEX code_generation_seeded ON rights.code_generation (started_ms) WHERE seed IS NOT NULL;

-- Codes by their hash; see domain/codes.py. `redeemed_by`: the entry of the member that redeemed it.
CREATE TABLE rights.code (
    tenant_id   text COLLATE "C" NOT NULL,
    code_hash   bytea NOT NULL,
    pool_id     text COLLATE "C" NOT NULL,
    member_id   text COLLATE "C",
    redeemed_by text COLLATE "C",
    PRIMARY KEY (tenant_id, code_hash),
    CONSTRAINT code_redeemer CHECK ((member_id IS NULL) = (redeemed_by IS NULL))
) WITH (fillfactor = 90);
CREATE INDEX code_redeemed ON rights.code (tenant_id, pool_id, redeemed_by) WHERE redeemed_by IS NOT NULL;

-- How many unknown codes a member has tried in the hour (since the epoch) in which it last tried one.
CREATE TABLE rights.code_failure (
    tenant_id text COLLATE "C" NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    hour      bigint NOT NULL,
    failures  int NOT NULL,
    PRIMARY KEY (tenant_id, member_id)
);

-- Locks the codes that the commands of a batch try, in one global order; then answers a row per try with what is
-- known of it. It comes after load_batch: members are locked before codes, and codes before claims and budgets are
-- taken. The second statement sees what the locks have waited for.
CREATE FUNCTION rights.load_codes(p_tenant text[], p_member text[], p_hash bytea[], p_hour bigint) RETURNS TABLE (
    "position" bigint, pool_id text, template_id text, asset text, units bigint, origin text, expire_days int,
    lot_expires_ms bigint, redeem_until_ms bigint, is_revoked boolean, member_id text, redeemed_by text, failures int
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM rights.code c
    WHERE (c.tenant_id, c.code_hash) IN (SELECT * FROM unnest(p_tenant, p_hash))
    ORDER BY c.tenant_id, c.code_hash FOR NO KEY UPDATE;
    RETURN QUERY
    SELECT t.position, p.pool_id, p.template_id, p.asset, p.units, p.origin, p.expire_days, p.lot_expires_ms,
           p.redeem_until_ms, p.revoked_ms IS NOT NULL, c.member_id, c.redeemed_by, coalesce(f.failures, 0)
    FROM unnest(p_tenant, p_member, p_hash) WITH ORDINALITY AS t (tenant_id, member_id, code_hash, position)
    LEFT JOIN rights.code c ON c.tenant_id = t.tenant_id AND c.code_hash = t.code_hash
    LEFT JOIN rights.code_pool p ON p.tenant_id = c.tenant_id AND p.pool_id = c.pool_id
    LEFT JOIN rights.code_failure f
         ON f.tenant_id = t.tenant_id AND f.member_id = t.member_id AND f.hour = p_hour
    ORDER BY t.position;
END $$;
