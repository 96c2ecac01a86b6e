-- Benefits, paid memberships, programs that close.

-- What was a kind of entry stays one.
DO $$
DECLARE
    before text := (SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conname = 'journal_kind_check');
BEGIN
    EXECUTE format($f$
        ALTER TABLE rights.journal
            DROP CONSTRAINT journal_kind_check,
            ADD CONSTRAINT journal_kind_check CHECK (%s OR kind IN ('tier', 'use_benefit', 'return_benefit'))
    $f$, before);
END $$;

-- A use of a benefit has a state when it is taken back.
ALTER TABLE rights.settlement_state
    DROP CONSTRAINT settlement_state_state_check,
    ADD CONSTRAINT settlement_state_state_check CHECK (
        state IN ('held', 'cancelled', 'expired', 'settled', 'refunded', 'reversed', 'returned'));
