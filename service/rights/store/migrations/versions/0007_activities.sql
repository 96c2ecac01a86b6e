-- What members do besides ordering, and what they get for it.

ALTER TABLE rights.journal
    DROP CONSTRAINT journal_kind_check,
    ADD CONSTRAINT journal_kind_check CHECK (kind IN (
        'settle', 'reserve', 'confirm', 'cancel', 'lapse', 'refund', 'reverse', 'deliver', 'release',
        'credit', 'top_up', 'grant', 'expire', 'tier', 'transfer', 'redeem_code',
        'activity', 'claim', 'enrol', 'take_task', 'errand'));

-- Gifts that an order of one member brings another one: written with the order, given by an entry of the other member
-- whose idempotency key is the errand's id. So each is given once, whatever is killed in between.
CREATE TABLE rights.errand (
    tenant_id        text COLLATE "C" NOT NULL,
    member_id        text COLLATE "C" NOT NULL, -- whose order it was
    errand_id        text COLLATE "C" NOT NULL, -- that of the entry, and a number
    to_member_id     text COLLATE "C" NOT NULL,
    grant_id         text NOT NULL,
    rulebook_version bigint NOT NULL,
    recorded_ms      bigint NOT NULL,
    done             boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, member_id, errand_id)
);
CREATE INDEX errand_to_do ON rights.errand (recorded_ms) WHERE NOT done;
