-- Operations on two members, coupons handed over, and coupon codes.

ALTER TABLE rights.journal
    DROP CONSTRAINT journal_kind_check,
    ADD CONSTRAINT journal_kind_check CHECK (kind IN (
        'settle', 'reserve', 'confirm', 'cancel', 'lapse', 'refund', 'reverse', 'deliver', 'release',
        'credit', 'top_up', 'grant', 'expire', 'tier', 'transfer'));

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
