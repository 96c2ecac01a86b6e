-- Benefits, paid memberships, programs that close.

-- What was a kind of entry stays one.
DO $$
DECLARE
    before text := (SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conname = 'journal_kind_check');
BEGIN
    EXECUTE format($f$
        ALTER TABLE rights.journal
            DROP CONSTRAINT journal_kind_check,
            ADD CONSTRAINT journal_kind_check CHECK (%s OR kind IN (
                'tier', 'use_benefit', 'return_benefit', 'subscribe', 'renew', 'unsubscribe', 'upgrade', 'allowance',
                'plan_end', 'close'))
    $f$, before);
END $$;

-- A use of a benefit has a state when it is taken back.
ALTER TABLE rights.settlement_state
    DROP CONSTRAINT settlement_state_state_check,
    ADD CONSTRAINT settlement_state_state_check CHECK (
        state IN ('held', 'cancelled', 'expired', 'settled', 'refunded', 'reversed', 'returned'));

-- One row per paid period of a plan that a member has; part of the member's row, see rights.domain.subscription.
CREATE VIEW rights.plan_period AS
SELECT m.tenant_id, m.member_id, p.key AS plan_id, (e.value ->> 0)::bigint AS since_ms,
       (e.value ->> 1)::bigint AS until_ms, (e.value ->> 2)::bigint AS paid, e.value ->> 3 AS issuer,
       (e.value ->> 4)::boolean AS refundable, e.value ->> 5 AS entry_id, (p.value ->> 'due_ms')::bigint AS due_ms
FROM rights.member m, jsonb_each(m.membership -> 'plans') p, jsonb_array_elements(p.value -> 'periods') e;
