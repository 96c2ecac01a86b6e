-- The invariants of the books as queries, by name. Each answers one row per thing that is wrong, with one
-- column that says what; none when the books are in order. What was booked for a member who was merged into
-- another one is compared as the other one's (rights.person_...). `-- name: x` begins a check; the comment after it
-- says what an empty answer proves. They run in one snapshot, so they may run while the service settles.

-- name: entries_sum_to_zero
-- Booking creates and loses nothing: the legs of every entry sum to zero for every asset.
SELECT format('%s/%s entry %s: %s is off by %s', tenant_id, member_id, entry_id, asset, sum(amount))
FROM rights.person_posting GROUP BY tenant_id, member_id, entry_id, asset HAVING sum(amount) <> 0

-- name: wallets_equal_postings
-- A balance is the sum of its postings, per account, asset, expiry and origin: of lots in the wallet, of lots held
-- by reservations, of pending points, and of debts. No lot without postings, no posting that did not reach its lot.
SELECT format('%s/%s: %s %s expiring %s from %s is off by %s', tenant_id, member_id, account, asset,
              coalesce(expires_ms::text, 'never'), coalesce(origin, 'nobody'), sum(amount))
FROM (SELECT tenant_id, member_id, 'member' AS account, asset, expires_ms, origin, amount FROM rights.lot
      UNION ALL
      SELECT tenant_id, member_id, 'held', asset, expires_ms, origin, amount FROM rights.held_lot
      UNION ALL
      SELECT tenant_id, member_id, 'pending', asset, NULL, origin, amount FROM rights.pending_lot
      UNION ALL
      SELECT tenant_id, member_id, 'debt', asset, NULL, origin, -amount FROM rights.debt
      UNION ALL
      SELECT tenant_id, member_id, account, asset, expires_ms, origin, -amount FROM rights.person_posting
      WHERE account IN ('member', 'held', 'pending', 'debt')) AS moved
GROUP BY tenant_id, member_id, account, asset, expires_ms, origin HAVING sum(amount) <> 0

-- name: lots_are_positive
-- Nothing in a wallet is empty or below zero: no lot, held lot, pending points or debt. And no lot is there twice: lots
-- of one expiry and origin are merged.
SELECT format('%s/%s: %s times %s of %s expiring %s from %s, the least of %s', tenant_id, member_id, count(*), account,
              asset, coalesce(expires_ms::text, 'never'), origin, min(amount))
FROM (SELECT tenant_id, member_id, 'lot' AS account, asset, expires_ms, origin, amount FROM rights.lot
      UNION ALL
      SELECT tenant_id, member_id, 'held', asset, expires_ms, origin, amount FROM rights.held_lot
      UNION ALL
      SELECT tenant_id, member_id, 'pending', asset, NULL, origin, amount FROM rights.pending_lot
      UNION ALL
      SELECT tenant_id, member_id, 'debt', asset, NULL, origin, amount FROM rights.debt) AS there
GROUP BY tenant_id, member_id, account, asset, expires_ms, origin
HAVING min(amount) <= 0 OR account = 'lot' AND count(*) > 1

-- name: budgets_equal_usages
-- What is used and what is held of each budget, quota and pool is what the journal used and held of it.
SELECT format('%s: used of %s %s is off by %s, held by %s', tenant_id, kind, id, sum(used), sum(held))
FROM (SELECT tenant_id, kind, budget_id AS id, used, held FROM rights.budget
      UNION ALL
      SELECT tenant_id, replace(kind, 'held_', ''), id, CASE WHEN kind LIKE 'held%' THEN 0 ELSE -amount END,
             CASE WHEN kind LIKE 'held%' THEN -amount ELSE 0 END
      FROM rights.person_usage WHERE kind NOT IN ('counter', 'measure', 'plan')) AS moved
GROUP BY tenant_id, kind, id HAVING sum(used) <> 0 OR sum(held) <> 0

-- name: budgets_within_caps
-- No budget, quota or pool is exceeded: used + held <= cap, with what transfers have moved.
SELECT format('%s: %s %s has used %s and held %s of %s', tenant_id, kind, budget_id, used, held, cap + moved)
FROM rights.budget WHERE used < 0 OR held < 0 OR used + held > cap + moved

-- name: budgets_moved_by_transfers
-- What was moved to and from each budget is what the transfers say; so the budgets of a pool gain together what comes
-- from its rest, and nothing else.
SELECT format('%s: moved to %s %s is off by %s', tenant_id, kind, budget_id, sum(amount))
FROM (SELECT tenant_id, kind, budget_id, moved AS amount FROM rights.budget
      UNION ALL
      SELECT tenant_id, 'budget', from_budget, amount FROM rights.budget_transfer WHERE from_budget IS NOT NULL
      UNION ALL
      SELECT tenant_id, 'budget', to_budget, -amount FROM rights.budget_transfer WHERE to_budget IS NOT NULL) AS moves
GROUP BY tenant_id, kind, budget_id HAVING sum(amount) <> 0

-- name: measures_equal_usages
-- What is counted of a member is what the journal counted, day by day or, for a measure over all days (day 0), in
-- sum. Days that have fallen out of their window are gone; only those still there are compared. (Streaks, which keep
-- their last day and length, are no counts.)
SELECT format('%s/%s: measure %s of day %s is %s, the journal counted %s', m.tenant_id, m.member_id, m.measure_id,
              m.day, m.amount, coalesce(sum(u.amount), 0))
FROM rights.measure m
LEFT JOIN rights.person_usage u ON u.tenant_id = m.tenant_id AND u.member_id = m.member_id AND u.kind = 'measure'
     AND split_part(u.id, '|', 1) = m.measure_id AND (m.day = 0 OR split_part(u.id, '|', 2)::int = m.day)
GROUP BY m.tenant_id, m.member_id, m.measure_id, m.day, m.amount HAVING m.amount <> coalesce(sum(u.amount), 0)

-- name: counters_equal_usages
-- How often a member has used a limited campaign is what the journal counted. Counters of past days,
-- months and years leave the wallet when the next one begins; only those it still holds are compared.
SELECT format('%s/%s: counter %s is off by %s', tenant_id, member_id, id, sum(amount))
FROM (SELECT m.tenant_id, m.member_id, c.key AS id, c.value::bigint AS amount, true AS held
      FROM rights.member m, jsonb_each_text(m.counters) c
      UNION ALL
      SELECT tenant_id, member_id, id, -amount, false FROM rights.person_usage WHERE kind = 'counter') AS moved
GROUP BY tenant_id, member_id, id
HAVING sum(amount) <> 0 AND (split_part(id, '|', 2) = '' OR bool_or(held))

-- name: plans_equal_payments
-- What entries say that was paid for plans, refunded and credited, is the money they book; so for a program's end.
SELECT format('%s/%s entry %s: %s is paid for plans, %s is booked', j.tenant_id, j.member_id, j.entry_id, plans.paid,
              coalesce(money.paid, 0))
FROM rights.journal j
JOIN (SELECT tenant_id, member_id, entry_id, sum(amount) AS paid FROM rights.usage WHERE kind = 'plan'
      GROUP BY 1, 2, 3) AS plans USING (tenant_id, member_id, entry_id)
LEFT JOIN (SELECT tenant_id, member_id, entry_id, -sum(amount) AS paid FROM rights.posting WHERE account = 'payment'
           GROUP BY 1, 2, 3) AS money USING (tenant_id, member_id, entry_id)
WHERE plans.paid <> coalesce(money.paid, 0)

-- name: periods_are_paid
-- A period that a member has is paid by its entry, and nothing of it has come back. Of one that the member has no
-- longer, no more has come back than was paid.
SELECT format('%s/%s: %s of %s, journal %s', tenant_id, member_id, coalesce(p.paid::text, 'no period'), id, coalesce(booked, 0))
FROM (SELECT tenant_id, member_id, plan_id || '|' || entry_id AS id, paid FROM rights.plan_period) AS p
FULL JOIN (SELECT tenant_id, member_id, id, sum(amount) AS booked FROM rights.person_usage WHERE kind = 'plan'
           GROUP BY 1, 2, 3) AS u USING (tenant_id, member_id, id)
WHERE p.paid <> coalesce(booked, 0) OR booked < 0

-- name: coupons_exist
-- Every coupon that an entry did something to is a coupon of that member.
SELECT format('%s/%s entry %s: no coupon %s', j.tenant_id, j.member_id, j.entry_id, j.coupon_id)
FROM rights.person_coupon_move j
WHERE NOT EXISTS (SELECT FROM rights.coupon k
                  WHERE k.tenant_id = j.tenant_id AND k.member_id = j.member_id AND k.coupon_id = j.coupon_id)

-- name: coupons_were_granted
-- Every coupon was granted, once.
SELECT format('%s/%s: coupon %s was granted %s times', tenant_id, member_id, coupon_id, count(entry_id))
FROM rights.coupon LEFT JOIN (SELECT * FROM rights.person_coupon_move WHERE move = 'grant') AS granted
     USING (tenant_id, member_id, coupon_id)
GROUP BY tenant_id, member_id, coupon_id HAVING count(entry_id) <> 1

-- name: coupons_follow_their_moves
-- A coupon is where its moves have brought it: redeemed or reserved at most once at a time, or revoked, or handed
-- over, or held. (Each confirmation redeems what its reservation had reserved.)
SELECT format('%s/%s: coupon %s is %s, but was reserved %s and redeemed %s times more than given back, revoked %s times '
              'and handed over %s times', tenant_id, member_id, coupon_id, state, reserved, redeemed, revoked, transferred)
FROM (SELECT k.tenant_id, k.member_id, k.coupon_id, k.state,
             coalesce(sum(CASE WHEN m.move = 'reserve' THEN 1
                               WHEN m.move = 'release' OR m.move = 'redeem' AND m.kind = 'confirm' THEN -1 END), 0) AS reserved,
             coalesce(sum(CASE m.move WHEN 'redeem' THEN 1 WHEN 'return' THEN -1 END), 0) AS redeemed,
             coalesce(sum(CASE m.move WHEN 'revoke' THEN 1 WHEN 'restore' THEN -1 END), 0) AS revoked,
             count(*) FILTER (WHERE m.move = 'transfer') AS transferred
      FROM rights.coupon k LEFT JOIN rights.person_coupon_move m USING (tenant_id, member_id, coupon_id)
      GROUP BY k.tenant_id, k.member_id, k.coupon_id, k.state) AS moved
WHERE (reserved, redeemed, revoked, transferred)
   <> ((state = 'reserved')::int, (state = 'redeemed')::int, (state = 'revoked')::int, (state = 'transferred')::int)

-- name: coupons_have_their_user
-- What redeemed or reserved a coupon is a settlement or reservation of the same member that names it, in a state
-- in which it has the coupon; what revoked it or handed it over is an entry that says so.
SELECT format('%s/%s: coupon %s is %s by %s, which does not have it', k.tenant_id, k.member_id, k.coupon_id,
              k.state, k.redeemed_by)
FROM rights.coupon k
LEFT JOIN rights.person_settlement_state s
  ON s.tenant_id = k.tenant_id AND s.member_id = k.member_id AND s.settlement_id = k.redeemed_by
WHERE k.state <> 'held' AND NOT (
    EXISTS (SELECT FROM rights.person_coupon_move m
            WHERE m.tenant_id = k.tenant_id AND m.member_id = k.member_id AND m.coupon_id = k.coupon_id
              AND m.entry_id = k.redeemed_by
              AND m.move = CASE k.state WHEN 'revoked' THEN 'revoke' WHEN 'reserved' THEN 'reserve'
                                         WHEN 'transferred' THEN 'transfer' ELSE m.move END
              AND m.move <> 'grant')
    AND CASE k.state WHEN 'reserved' THEN coalesce(s.state, '') = 'held'
                     WHEN 'redeemed' THEN coalesce(s.state, 'settled') IN ('settled', 'refunded', 'reversed')
                     ELSE true END)

-- name: transferred_coupons_arrive
-- A coupon that is handed over is one coupon before and after: the other side of the entry grants one of the same
-- template and times, and nothing else.
SELECT format('%s/%s entry %s: coupon %s is handed over, %s arrives', m.tenant_id, m.member_id, m.entry_id, m.coupon_id,
              coalesce(arrived, 'nothing'))
FROM rights.person_coupon_move m
JOIN rights.coupon k USING (tenant_id, member_id, coupon_id)
LEFT JOIN LATERAL (
    SELECT string_agg(format('%s of %s', o.coupon_id, o.template_id), ', ') AS arrived, count(*) AS coupons,
           bool_and((o.template_id, o.starts_ms, o.expires_ms) IS NOT DISTINCT FROM
                    (k.template_id, k.starts_ms, k.expires_ms)) AS same
    FROM rights.person_entry_pair p
    JOIN rights.person_coupon_move g
      ON g.tenant_id = p.tenant_id AND g.member_id = p.other_member_id AND g.entry_id = p.other_entry_id
         AND g.move = 'grant'
    JOIN rights.coupon o ON o.tenant_id = g.tenant_id AND o.member_id = g.member_id AND o.coupon_id = g.coupon_id
    WHERE p.tenant_id = m.tenant_id AND p.member_id = m.member_id AND p.entry_id = m.entry_id) AS other ON true
WHERE m.move = 'transfer' AND (coupons <> 1 OR NOT same)

-- name: codes_are_redeemed_once
-- Every redemption is of one code, and every redeemed code has its redemption, by the same member.
SELECT format('%s/%s entry %s: %s codes say that it redeemed them, %s such entries are there', tenant_id, member_id,
              entry_id, coalesce(codes, 0), coalesce(entries, 0))
FROM (SELECT tenant_id, member_id, entry_id, 1 AS entries FROM rights.journal
      WHERE kind = 'redeem_code' AND rejection IS NULL) AS redemption
FULL JOIN (SELECT tenant_id, member_id, redeemed_by AS entry_id, count(*) AS codes FROM rights.code
           WHERE redeemed_by IS NOT NULL GROUP BY 1, 2, 3) AS redeemed USING (tenant_id, member_id, entry_id)
WHERE codes IS DISTINCT FROM 1 OR entries IS NULL

-- name: codes_give_what_their_pool_says
-- A redemption gives a coupon of the pool's template, or the pool's units from their issuer, and nothing else.
SELECT format('%s/%s entry %s: a code of pool %s gave %s units and coupons of %s', c.tenant_id, c.member_id,
              c.redeemed_by, c.pool_id, coalesce(given, 0), coalesce(templates, 'nothing'))
FROM rights.code c LEFT JOIN rights.code_pool p USING (tenant_id, pool_id)
LEFT JOIN LATERAL (
    SELECT string_agg(k.template_id, ', ') AS templates
    FROM rights.coupon_move m JOIN rights.coupon k USING (tenant_id, coupon_id)
    WHERE m.tenant_id = c.tenant_id AND m.member_id = c.member_id AND m.entry_id = c.redeemed_by) AS coupons ON true
LEFT JOIN LATERAL (
    SELECT -sum(g.amount) AS given FROM rights.posting g
    WHERE g.tenant_id = c.tenant_id AND g.member_id = c.member_id AND g.entry_id = c.redeemed_by
      AND g.account NOT IN ('member', 'debt')
      AND (g.account, g.asset) IS NOT DISTINCT FROM (p.origin, p.asset)) AS credited ON true
WHERE c.redeemed_by IS NOT NULL AND (templates, given) IS DISTINCT FROM (p.template_id, p.units::numeric)

-- name: pools_have_their_codes
-- A pool has as many codes as its generations have stored, each of them in a pool that is there.
SELECT format('%s: pool %s has %s codes of %s', tenant_id, pool_id, coalesce(there, 0), coalesce(stored, 0))
FROM (SELECT tenant_id, pool_id, sum(g.stored) AS stored
      FROM rights.code_pool JOIN rights.code_generation g USING (tenant_id, pool_id) GROUP BY 1, 2) AS generated
FULL JOIN (SELECT tenant_id, pool_id, count(*) AS there FROM rights.code GROUP BY 1, 2) AS counted
     USING (tenant_id, pool_id)
WHERE coalesce(there, 0) <> coalesce(stored, 0)

-- name: pairs_are_two_entries
-- What was booked for two members is an entry of each, of one kind and time, and neither is a refusal.
SELECT format('%s entry %s of %s has no other side %s of %s', p.tenant_id, p.entry_id, p.member_id, p.other_entry_id,
              p.other_member_id)
FROM rights.person_entry_pair p
LEFT JOIN rights.person_journal j
  ON j.tenant_id = p.tenant_id AND j.member_id = p.member_id AND j.entry_id = p.entry_id AND j.rejection IS NULL
LEFT JOIN rights.person_journal o
  ON o.tenant_id = p.tenant_id AND o.member_id = p.other_member_id AND o.entry_id = p.other_entry_id
     AND o.rejection IS NULL
WHERE (j.kind, j.recorded_ms) IS DISTINCT FROM (o.kind, o.recorded_ms) OR j.kind IS NULL

-- name: entries_have_their_key
-- Every entry, refusals too, is what its idempotency key answers; only what becomes due by itself has none, and the
-- other side of an entry on two members. The keys are unique: so a key has one effect and one stored response.
SELECT format('%s/%s entry %s: its key is not claimed for it', j.tenant_id, j.member_id, j.entry_id)
FROM rights.person_journal j LEFT JOIN rights.person_claim c
  ON c.tenant_id = j.tenant_id AND c.scope = 'key/' || j.caller AND c.claim_key = j.idempotency_key
LEFT JOIN rights.person_entry_pair p
  ON p.tenant_id = j.tenant_id AND p.other_member_id = j.member_id AND p.other_entry_id = j.entry_id
WHERE CASE WHEN j.kind IN ('lapse', 'release', 'expire', 'tier', 'allowance', 'plan_end', 'close') OR p.entry_id IS NOT NULL THEN j.idempotency_key IS NOT NULL
      ELSE (c.entry_id, c.member_id) IS DISTINCT FROM (j.entry_id, j.member_id) OR c.digest IS NULL END

-- name: orders_have_one_settlement
-- Every settlement, and every reservation that has not ended, claims its order. The claims are unique: so an order
-- has one at a time.
SELECT format('%s/%s entry %s: order %s is not claimed for it', j.tenant_id, j.member_id, j.entry_id, j.order_id)
FROM rights.person_journal j
LEFT JOIN rights.person_settlement_state s
  ON s.tenant_id = j.tenant_id AND s.member_id = j.member_id AND s.settlement_id = j.entry_id
LEFT JOIN rights.person_claim c ON c.tenant_id = j.tenant_id AND c.scope = 'order' AND c.claim_key = j.order_id
WHERE j.kind IN ('settle', 'reserve') AND j.rejection IS NULL
  AND coalesce(s.state, '') NOT IN ('cancelled', 'expired')
  AND (c.entry_id, c.member_id) IS DISTINCT FROM (j.entry_id, j.member_id)

-- name: claims_have_their_entry
-- No claim without its entry: nothing is answered or refused on behalf of an entry that is not there.
SELECT format('%s: claim %s %s names entry %s of %s, which does not make it', c.tenant_id, c.scope, c.claim_key,
              c.entry_id, c.member_id)
FROM rights.person_claim c LEFT JOIN rights.person_journal j
  ON j.tenant_id = c.tenant_id AND j.member_id = c.member_id AND j.entry_id = c.entry_id
WHERE NOT coalesce(CASE c.scope
    WHEN 'order' THEN j.kind IN ('settle', 'reserve') AND j.rejection IS NULL AND j.order_id = c.claim_key
        AND NOT EXISTS (SELECT FROM rights.person_settlement_state s
                        WHERE s.tenant_id = j.tenant_id AND s.member_id = j.member_id
                          AND s.settlement_id = j.entry_id AND s.state IN ('cancelled', 'expired'))
    ELSE c.scope = 'key/' || j.caller AND c.claim_key = j.idempotency_key END, false)

-- name: holds_end_once
-- A reservation is held, or ended exactly once: confirmed, cancelled or lapsed; and its state says the same.
SELECT format('%s/%s: reservation %s is %s; confirmed %s, cancelled %s, lapsed %s times', tenant_id, member_id,
              entry_id, coalesce(state, 'nowhere'), confirmed, cancelled, lapsed)
FROM (SELECT j.tenant_id, j.member_id, j.entry_id, s.state,
             count(*) FILTER (WHERE e.kind = 'confirm') AS confirmed,
             count(*) FILTER (WHERE e.kind = 'cancel') AS cancelled,
             count(*) FILTER (WHERE e.kind = 'lapse') AS lapsed
      FROM rights.person_journal j
      LEFT JOIN rights.person_settlement_state s
        ON s.tenant_id = j.tenant_id AND s.member_id = j.member_id AND s.settlement_id = j.entry_id
      LEFT JOIN rights.person_journal e
        ON e.tenant_id = j.tenant_id AND e.member_id = j.member_id AND e.settlement_id = j.entry_id
           AND e.rejection IS NULL
      WHERE j.kind = 'reserve' AND j.rejection IS NULL
      GROUP BY j.tenant_id, j.member_id, j.entry_id, s.state) AS ended
WHERE (confirmed, cancelled, lapsed) IS DISTINCT FROM (
    (state IN ('settled', 'refunded', 'reversed'))::int, (state = 'cancelled')::int, (state = 'expired')::int)

-- name: holds_are_in_their_wallet
-- What is held is in the wallet of the member, and nothing else is.
SELECT format('%s/%s: reservation %s is %s, %s in the wallet', tenant_id, member_id, reservation_id,
              coalesce(state, 'nowhere'), CASE WHEN held THEN 'but held' ELSE 'but not' END)
FROM (SELECT coalesce(s.tenant_id, h.tenant_id) AS tenant_id, coalesce(s.member_id, h.member_id) AS member_id,
             coalesce(s.settlement_id, h.reservation_id) AS reservation_id, s.state,
             h.reservation_id IS NOT NULL AS held
      FROM rights.person_settlement_state s
      FULL JOIN (SELECT m.tenant_id, m.member_id, k.reservation_id
                 FROM rights.member m, jsonb_object_keys(m.holds) AS k (reservation_id)) AS h
        ON h.tenant_id = s.tenant_id AND h.member_id = s.member_id AND h.reservation_id = s.settlement_id) AS both_sides
WHERE held <> (coalesce(state, '') = 'held')

-- name: holds_keep_what_was_reserved
-- A hold in a wallet is what its reservation booked, so that its end gives back exactly that: the same uses, and the
-- same coupons. (Its lots are compared with the postings by `wallets_equal_postings`.)
SELECT format('%s/%s: reservation %s booked %s and coupons %s, but holds %s and %s', m.tenant_id, m.member_id, h.key,
              j.usages, j.coupons, h.value -> 'usages', h.value -> 'coupons')
FROM rights.member m, jsonb_each(m.holds) h
JOIN LATERAL (SELECT usages, (SELECT coalesce(jsonb_agg(c.value -> 0 ORDER BY c.value -> 0), '[]')
                              FROM jsonb_array_elements(e.coupons) c WHERE c.value ->> 1 = 'reserve') AS coupons
              FROM rights.person_journal e
              WHERE e.tenant_id = m.tenant_id AND e.member_id = m.member_id AND e.entry_id = h.key) AS j ON true
WHERE (j.usages, j.coupons) IS DISTINCT FROM
      (h.value -> 'usages', (SELECT coalesce(jsonb_agg(c.value ORDER BY c.value), '[]')
                             FROM jsonb_array_elements(h.value -> 'coupons') c))

-- name: pending_points_have_their_settlement
-- What is pending for a settlement is what it earned so and has neither become available nor been taken back; and
-- nothing is pending for one that has come back as a whole.
SELECT format('%s/%s: %s %s of %s are pending for %s, which is %s and has %s left', tenant_id, member_id, pending, asset,
              origin, settlement_id, coalesce(s.state, 'settled'), earned)
FROM (SELECT tenant_id, member_id, settlement_id, asset, origin, sum(pending) AS pending, sum(earned) AS earned
      FROM (SELECT tenant_id, member_id, settlement_id, asset, origin, amount AS pending, 0 AS earned
            FROM rights.pending_lot
            UNION ALL
            SELECT j.tenant_id, j.member_id, coalesce(j.settlement_id, j.entry_id), p.value ->> 1, p.value ->> 4, 0,
                   (p.value ->> 2)::bigint
            FROM rights.person_journal j, jsonb_array_elements(j.postings) p WHERE p.value ->> 0 = 'pending') AS moved
      GROUP BY tenant_id, member_id, settlement_id, asset, origin) AS compared
LEFT JOIN rights.person_settlement_state s USING (tenant_id, member_id, settlement_id)
WHERE pending <> earned OR pending <> 0 AND s.state <> 'settled'

-- name: due_is_the_soonest
-- The sweeper finds every member for whom something is due: `due_ms` is the soonest lot, hold, pending point, plan or
-- change of the membership.
SELECT format('%s/%s: due at %s, but the soonest is %s', m.tenant_id, m.member_id, coalesce(m.due_ms::text, 'never'),
              coalesce(soonest::text, 'never'))
FROM rights.member m, LATERAL (SELECT min(at) AS soonest FROM (
    SELECT (l.value ->> 2)::bigint AS at FROM jsonb_array_elements(m.lots) l
    UNION ALL SELECT (h.value ->> 'expires_ms')::bigint FROM jsonb_each(m.holds) h
    UNION ALL SELECT (p.value ->> 4)::bigint FROM jsonb_array_elements(m.pending) p
    UNION ALL SELECT (s.value ->> 'due_ms')::bigint FROM jsonb_each(m.membership -> 'plans') s
    UNION ALL SELECT (m.membership ->> 'due_ms')::bigint) AS all_of_it) AS due
WHERE m.due_ms IS DISTINCT FROM soonest

-- name: errands_are_done_once
-- What an order has brought another member is given by one entry once it is done (of that member, or of the one it was
-- merged into), and by at most one before; and no entry gives what no order has brought.
SELECT format('%s/%s errand %s to %s: done %s, by %s entries', tenant_id, e.member_id, errand_id, e.to_member_id,
              coalesce(done::text, 'and not sent'), count(j.entry_id))
FROM rights.errand e
FULL JOIN (SELECT tenant_id, entry_id, idempotency_key AS errand_id FROM rights.journal
           WHERE kind = 'errand') AS j USING (tenant_id, errand_id)
GROUP BY tenant_id, e.member_id, errand_id, e.to_member_id, done
HAVING done IS NULL OR count(j.entry_id) > 1 OR done AND count(j.entry_id) = 0

-- name: refusals_book_nothing
-- A refusal has no effect.
SELECT format('%s/%s entry %s: refused with %s, yet it books something', tenant_id, member_id, entry_id, rejection)
FROM rights.person_journal
WHERE rejection IS NOT NULL AND (postings <> '[]' OR usages <> '[]' OR coupons <> '[]' OR facts IS NOT NULL)

-- name: entries_have_their_settlement
-- What is confirmed, cancelled, refunded, reversed or delivered is a settlement or reservation of the same member
-- and order.
SELECT format('%s/%s entry %s: there is no settlement %s of its order', r.tenant_id, r.member_id, r.entry_id, r.settlement_id)
FROM rights.person_journal r LEFT JOIN rights.person_journal s
  ON s.tenant_id = r.tenant_id AND s.member_id = r.member_id AND s.entry_id = r.settlement_id
     AND s.kind IN ('settle', 'reserve') AND s.rejection IS NULL
     AND (s.order_id = r.order_id OR r.kind = 'release')
WHERE r.kind IN ('confirm', 'cancel', 'lapse', 'refund', 'reverse', 'deliver', 'release') AND r.rejection IS NULL
  AND s.entry_id IS NULL

-- name: states_have_their_entry
-- A settlement's state is the one that its last entry has brought it to.
SELECT format('%s/%s: %s is %s by %s, an entry of kind %s', s.tenant_id, s.member_id, s.settlement_id, s.state,
              s.changed_by, coalesce(j.kind, 'none'))
FROM rights.person_settlement_state s
LEFT JOIN rights.person_journal j
  ON j.tenant_id = s.tenant_id AND j.member_id = s.member_id AND j.entry_id = s.changed_by AND j.rejection IS NULL
     AND coalesce(j.settlement_id, j.entry_id) = s.settlement_id
WHERE NOT coalesce(CASE s.state WHEN 'held' THEN j.kind = 'reserve'
                                WHEN 'cancelled' THEN j.kind = 'cancel'
                                WHEN 'expired' THEN j.kind = 'lapse'
                                WHEN 'reversed' THEN j.kind = 'reverse'
                                WHEN 'refunded' THEN j.kind = 'refund'
                                WHEN 'returned' THEN j.kind = 'return_benefit'
                                ELSE j.kind IN ('confirm', 'refund', 'deliver') END, false)

-- name: refunds_add_up_to_the_settlement
-- When everything has come back, by refunds or a reversal, the money of the settlement and all that came after it
-- sums to zero for every account. (Currencies are upper case, assets lower case.)
SELECT format('%s/%s settlement %s: %s of %s is off by %s', s.tenant_id, s.member_id, s.settlement_id, p.asset,
              p.account, sum(p.amount))
FROM rights.person_settlement_state s
JOIN rights.person_journal j
  ON j.tenant_id = s.tenant_id AND j.member_id = s.member_id
     AND coalesce(j.settlement_id, j.entry_id) = s.settlement_id
JOIN rights.person_posting p ON p.tenant_id = j.tenant_id AND p.member_id = j.member_id AND p.entry_id = j.entry_id
WHERE s.state IN ('refunded', 'reversed') AND p.asset ~ '^[A-Z]{3}$'
GROUP BY s.tenant_id, s.member_id, s.settlement_id, p.asset, p.account HAVING sum(p.amount) <> 0

-- name: refunds_leave_what_is_kept
-- After any refund, what the member has paid in all is the price of what is kept: of each line something or nothing,
-- and of the whole nothing exactly when it is refunded or reversed.
SELECT format('%s/%s settlement %s is %s: %s items are kept for %s, paid are %s', tenant_id, member_id, settlement_id,
              state, items, payable, paid)
FROM rights.person_settlement_state s
LEFT JOIN (SELECT j.tenant_id, j.member_id, coalesce(j.settlement_id, j.entry_id) AS settlement_id,
                  -sum((p.value ->> 2)::bigint) AS paid
           FROM rights.person_journal j, jsonb_array_elements(j.postings) p WHERE p.value ->> 0 = 'payment'
           GROUP BY 1, 2, 3) AS payments USING (tenant_id, member_id, settlement_id),
     LATERAL (SELECT sum(q.value::bigint) AS items, min(q.value::bigint) AS least_items
              FROM jsonb_array_elements(s.kept -> 'quantities') q) AS quantities,
     LATERAL (SELECT sum(a.value::bigint) AS payable, min(a.value::bigint) AS least
              FROM jsonb_array_elements(s.kept -> 'payable') a) AS payables
WHERE s.kept IS NOT NULL
  AND (payable <> coalesce(paid, 0) OR least_items < 0 OR least < 0
       OR (items = 0) <> (state IN ('refunded', 'reversed')))

-- name: refunds_return_spent_units
-- When everything has come back, what was spent is back in the lots it came from: same asset, expiry and origin. What
-- expired or repaid a debt at once, or was carried on by its movement, is left to the other checks: only the sum of
-- what issuers gave and took for the settlement is compared, per asset and origin. Reversals of before there were
-- refunds (they left no `kept`) did not take back what was spent already.
SELECT format('%s/%s settlement %s: its issuers of %s are off by %s', s.tenant_id, s.member_id, s.settlement_id,
              p.asset, sum(p.amount))
FROM rights.person_settlement_state s
JOIN rights.person_journal j
  ON j.tenant_id = s.tenant_id AND j.member_id = s.member_id
     AND coalesce(j.settlement_id, j.entry_id) = s.settlement_id
JOIN rights.person_posting p ON p.tenant_id = j.tenant_id AND p.member_id = j.member_id AND p.entry_id = j.entry_id
WHERE s.state IN ('refunded', 'reversed') AND s.kept IS NOT NULL AND p.asset !~ '^[A-Z]{3}$'
  AND p.account NOT IN ('member', 'held', 'pending', 'debt')
GROUP BY s.tenant_id, s.member_id, s.settlement_id, s.kept, p.asset, p.account
HAVING sum(p.amount) > coalesce((s.kept -> 'consumed' ->> p.asset)::bigint, 0)  -- benefits that stay used
    -- below zero: what was given as a gift, if the rulebook lets the member keep one
    OR sum(p.amount) < 0 AND NOT s.kept -> 'gifts' @> 'true'

-- name: refunds_release_usages
-- No settlement gives back more of a budget, quota or counter than it used. What a reservation held is given back when
-- it ends, all of it when it ends unsettled; and after refunds no more of the budgets stays used than what the
-- discounts still use (`kept.used`).
SELECT format('%s/%s settlement %s, %s: %s %s is off by %s', tenant_id, member_id, settlement_id,
              coalesce(s.state, 'settled'), kind, id, amount)
FROM (SELECT j.tenant_id, j.member_id, coalesce(j.settlement_id, j.entry_id) AS settlement_id, u.kind, u.id,
             sum(u.amount) AS amount
      FROM rights.person_journal j JOIN rights.person_usage u
        ON u.tenant_id = j.tenant_id AND u.member_id = j.member_id AND u.entry_id = j.entry_id AND u.kind <> 'plan'
      WHERE j.kind <> 'merge' -- which moves counts from one member to the other
      GROUP BY 1, 2, 3, 4, 5) AS taken
LEFT JOIN rights.person_settlement_state s USING (tenant_id, member_id, settlement_id)
WHERE amount < 0
   OR amount > 0 AND (kind IN ('held_budget', 'held_pool', 'held_quota') AND coalesce(s.state, '') <> 'held'
                      OR s.state IN ('cancelled', 'expired')
                      OR kind IN ('budget', 'pool') AND amount > (SELECT sum(d.value::bigint)
                                                       FROM jsonb_array_elements(s.kept -> 'used') d))

-- name: entries_told
-- Not a check: all settlements, confirmed reservations, refunds, reversals and refusals of these, for the checks of
-- answers that SQL cannot see into. `ordered` is the request with the cart: that of the settlement, or of the
-- reservation that was confirmed; `made_for` the member of these.
SELECT j.tenant_id, j.member_id, j.entry_id, j.kind, coalesce(j.settlement_id, j.entry_id) AS settlement_id, j.order_id,
       j.rulebook_version, j.rejection, j.postings::text AS postings,
       (SELECT coalesce(jsonb_agg(m.value -> 0), '[]') FROM jsonb_array_elements(j.coupons) m
        WHERE m.value ->> 1 = CASE WHEN j.kind IN ('settle', 'confirm') THEN 'redeem' ELSE 'return' END)::text AS coupons,
       coalesce(r.request, j.request) AS ordered, j.response, coalesce(r.member_id, j.member_id) AS made_for
FROM rights.journal j LEFT JOIN rights.journal r
  ON j.kind <> 'settle' AND r.tenant_id = j.tenant_id AND r.entry_id = j.settlement_id
WHERE j.kind IN ('settle', 'confirm', 'refund', 'reverse')
