-- The invariants of the books as queries, by name. Each answers one row per thing that is wrong, with one
-- column that says what; none when the books are in order. `-- name: x` begins a check; the comment after it
-- says what an empty answer proves. They run in one snapshot, so they may run while the service settles.

-- name: entries_sum_to_zero
-- Booking creates and loses nothing: the legs of every entry sum to zero for every asset.
SELECT format('%s/%s entry %s: %s is off by %s', tenant_id, member_id, entry_id, asset, sum(amount))
FROM rights.posting GROUP BY tenant_id, member_id, entry_id, asset HAVING sum(amount) <> 0

-- name: wallets_equal_postings
-- A balance is the sum of its postings, per asset, expiry and origin: no lot without postings, no posting
-- that did not reach its lot.
SELECT format('%s/%s: the lot of %s expiring %s from %s is off by %s', tenant_id, member_id, asset,
              coalesce(expires_ms::text, 'never'), coalesce(origin, 'nobody'), sum(amount))
FROM (SELECT tenant_id, member_id, asset, expires_ms, origin, amount FROM rights.lot
      UNION ALL
      SELECT tenant_id, member_id, asset, expires_ms, origin, -amount FROM rights.posting
      WHERE account = 'member') AS moved
GROUP BY tenant_id, member_id, asset, expires_ms, origin HAVING sum(amount) <> 0

-- name: lots_are_positive
-- No lot is empty or below zero, and none is there twice: lots of one expiry and origin are merged.
SELECT format('%s/%s: %s lots of %s expiring %s from %s, the least of %s', tenant_id, member_id, count(*), asset,
              coalesce(expires_ms::text, 'never'), origin, min(amount))
FROM rights.lot
GROUP BY tenant_id, member_id, asset, expires_ms, origin HAVING min(amount) <= 0 OR count(*) > 1

-- name: budgets_equal_usages
-- What is used of each budget and quota is what the journal used of it; and nothing is held, because
-- nothing can hold.
SELECT format('%s: used of %s %s is off by %s, held %s', tenant_id, kind, id, sum(used), sum(held))
FROM (SELECT tenant_id, kind, budget_id AS id, used, held FROM rights.budget
      UNION ALL
      SELECT tenant_id, kind, id, -amount, 0 FROM rights.usage WHERE kind <> 'counter') AS moved
GROUP BY tenant_id, kind, id HAVING sum(used) <> 0 OR sum(held) <> 0

-- name: budgets_within_caps
-- No budget and no quota is exceeded: used + held <= cap.
SELECT format('%s: %s %s has used %s and held %s of %s', tenant_id, kind, budget_id, used, held, cap)
FROM rights.budget WHERE used < 0 OR held < 0 OR used + held > cap

-- name: counters_equal_usages
-- How often a member has used a limited campaign is what the journal counted. Counters of past days,
-- months and years leave the wallet when the next one begins; only those it still holds are compared.
SELECT format('%s/%s: counter %s is off by %s', tenant_id, member_id, id, sum(amount))
FROM (SELECT m.tenant_id, m.member_id, c.key AS id, c.value::bigint AS amount, true AS held
      FROM rights.member m, jsonb_each_text(m.counters) c
      UNION ALL
      SELECT tenant_id, member_id, id, -amount, false FROM rights.usage WHERE kind = 'counter') AS moved
GROUP BY tenant_id, member_id, id
HAVING sum(amount) <> 0 AND (split_part(id, '|', 2) = '' OR bool_or(held))

-- name: coupons_exist
-- Every coupon that an entry redeemed, returned or granted is a coupon of that member.
SELECT format('%s/%s entry %s: no coupon %s', j.tenant_id, j.member_id, j.entry_id, c.coupon_id)
FROM rights.journal j, jsonb_array_elements_text(j.coupons) AS c (coupon_id)
WHERE NOT EXISTS (SELECT FROM rights.coupon k
                  WHERE k.tenant_id = j.tenant_id AND k.member_id = j.member_id AND k.coupon_id = c.coupon_id)

-- name: coupons_were_granted
-- Every coupon was granted, once.
SELECT format('%s/%s: coupon %s was granted %s times', tenant_id, member_id, coupon_id, count(entry_id))
FROM rights.coupon LEFT JOIN (
    SELECT j.tenant_id, j.member_id, j.entry_id, c.coupon_id
    FROM rights.journal j, jsonb_array_elements_text(j.coupons) AS c (coupon_id)
    WHERE j.kind = 'grant' AND j.rejection IS NULL) AS granted USING (tenant_id, member_id, coupon_id)
GROUP BY tenant_id, member_id, coupon_id HAVING count(entry_id) <> 1

-- name: coupons_redeemed_once
-- A coupon is redeemed at most once: its redemptions less its returns are 1 if it is redeemed, else 0.
SELECT format('%s/%s: coupon %s is %s but was redeemed %s times more than returned', tenant_id, member_id,
              coupon_id, CASE WHEN redeemed_by IS NULL THEN 'held' ELSE 'redeemed' END, coalesce(sum(times), 0))
FROM rights.coupon LEFT JOIN (
    SELECT j.tenant_id, j.member_id, c.coupon_id, CASE j.kind WHEN 'settle' THEN 1 ELSE -1 END AS times
    FROM rights.journal j, jsonb_array_elements_text(j.coupons) AS c (coupon_id)
    WHERE j.kind IN ('settle', 'reverse')) AS moved USING (tenant_id, member_id, coupon_id)
GROUP BY tenant_id, member_id, coupon_id, redeemed_by
HAVING coalesce(sum(times), 0) <> CASE WHEN redeemed_by IS NULL THEN 0 ELSE 1 END

-- name: coupons_redeemed_by_settlements
-- What redeemed a coupon is a booked settlement of the same member that names it and stands.
SELECT format('%s/%s: coupon %s is redeemed by %s, which is no settlement in force with it', k.tenant_id,
              k.member_id, k.coupon_id, k.redeemed_by)
FROM rights.coupon k
WHERE k.redeemed_by IS NOT NULL AND NOT EXISTS (
    SELECT FROM rights.journal j
    WHERE j.tenant_id = k.tenant_id AND j.member_id = k.member_id AND j.entry_id = k.redeemed_by
      AND j.kind = 'settle' AND j.rejection IS NULL AND j.coupons ? k.coupon_id
      AND NOT EXISTS (SELECT FROM rights.journal r
                      WHERE r.tenant_id = j.tenant_id AND r.member_id = j.member_id AND r.kind = 'reverse'
                        AND r.reverses = j.entry_id AND r.rejection IS NULL))

-- name: entries_have_their_key
-- Every entry, refusals too, is what its idempotency key answers. The keys are unique: so a key has one
-- effect and one stored response.
SELECT format('%s/%s entry %s: its key is not claimed for it', j.tenant_id, j.member_id, j.entry_id)
FROM rights.journal j LEFT JOIN rights.claim c
  ON c.tenant_id = j.tenant_id AND c.scope = 'key/' || j.caller AND c.claim_key = j.idempotency_key
WHERE (c.entry_id, c.member_id) IS DISTINCT FROM (j.entry_id, j.member_id) OR c.digest IS NULL

-- name: effects_have_their_claim
-- Every booked settlement claims its order and every booked reversal its settlement. The claims are unique:
-- so an order is settled once and a settlement is reversed once.
SELECT format('%s/%s entry %s: %s %s is not claimed for it', j.tenant_id, j.member_id, j.entry_id, j.scope, j.subject)
FROM (SELECT *, CASE kind WHEN 'settle' THEN 'order' ELSE 'reversal' END AS scope,
                CASE kind WHEN 'settle' THEN order_id ELSE reverses END AS subject
      FROM rights.journal WHERE kind IN ('settle', 'reverse') AND rejection IS NULL) AS j
LEFT JOIN rights.claim c ON c.tenant_id = j.tenant_id AND c.scope = j.scope AND c.claim_key = j.subject
WHERE (c.entry_id, c.member_id) IS DISTINCT FROM (j.entry_id, j.member_id)

-- name: claims_have_their_entry
-- No claim without its entry: nothing is answered or refused on behalf of an entry that is not there.
SELECT format('%s: claim %s %s names entry %s of %s, which does not make it', c.tenant_id, c.scope, c.claim_key,
              c.entry_id, c.member_id)
FROM rights.claim c LEFT JOIN rights.journal j
  ON j.tenant_id = c.tenant_id AND j.member_id = c.member_id AND j.entry_id = c.entry_id
WHERE NOT coalesce(CASE c.scope
    WHEN 'order' THEN j.kind = 'settle' AND j.rejection IS NULL AND j.order_id = c.claim_key
    WHEN 'reversal' THEN j.kind = 'reverse' AND j.rejection IS NULL AND j.reverses = c.claim_key
    ELSE c.scope = 'key/' || j.caller AND c.claim_key = j.idempotency_key END, false)

-- name: refusals_book_nothing
-- A refusal has no effect.
SELECT format('%s/%s entry %s: refused with %s, yet it books something', tenant_id, member_id, entry_id, rejection)
FROM rights.journal
WHERE rejection IS NOT NULL AND (postings <> '[]' OR usages <> '[]' OR coupons <> '[]')

-- name: reversals_have_their_settlement
-- What is reversed is a booked settlement of the same member and order, and the same coupons come back.
SELECT format('%s/%s entry %s: does not match the settlement %s', r.tenant_id, r.member_id, r.entry_id, r.reverses)
FROM rights.journal r LEFT JOIN rights.journal s
  ON s.tenant_id = r.tenant_id AND s.member_id = r.member_id AND s.entry_id = r.reverses
     AND s.kind = 'settle' AND s.rejection IS NULL AND s.order_id = r.order_id
WHERE r.kind = 'reverse' AND r.rejection IS NULL
  AND (s.entry_id IS NULL OR NOT (r.coupons @> s.coupons AND r.coupons <@ s.coupons))

-- name: reversals_mirror_money
-- A reversal undoes the settlement's money leg by leg. (Currencies are upper case, assets lower case.)
SELECT format('%s/%s entry %s: %s of %s is off by %s', r.tenant_id, r.member_id, r.entry_id, p.asset, p.account,
              sum(p.amount))
FROM rights.journal r JOIN rights.posting p
  ON p.tenant_id = r.tenant_id AND p.member_id = r.member_id AND p.entry_id IN (r.entry_id, r.reverses)
WHERE r.kind = 'reverse' AND r.rejection IS NULL AND p.asset ~ '^[A-Z]{3}$'
GROUP BY r.tenant_id, r.member_id, r.entry_id, p.asset, p.account HAVING sum(p.amount) <> 0

-- name: reversals_mirror_usages
-- A reversal gives back every use of a budget, a quota and a counter, and no other.
SELECT format('%s/%s entry %s: %s %s is off by %s', r.tenant_id, r.member_id, r.entry_id, u.kind, u.id, sum(u.amount))
FROM rights.journal r JOIN rights.usage u
  ON u.tenant_id = r.tenant_id AND u.member_id = r.member_id AND u.entry_id IN (r.entry_id, r.reverses)
WHERE r.kind = 'reverse' AND r.rejection IS NULL
GROUP BY r.tenant_id, r.member_id, r.entry_id, u.kind, u.id HAVING sum(u.amount) <> 0

-- name: reversals_return_spent_lots
-- What the settlement spent comes back to the same lots: same asset, expiry and origin.
SELECT format('%s/%s entry %s: %s expiring %s from %s is off by %s', r.tenant_id, r.member_id, r.entry_id, p.asset,
              coalesce(p.expires_ms::text, 'never'), p.origin, sum(p.amount))
FROM rights.journal r JOIN rights.posting p
  ON p.tenant_id = r.tenant_id AND p.member_id = r.member_id AND p.account = 'member'
     AND (p.entry_id = r.reverses AND p.amount < 0 OR p.entry_id = r.entry_id AND p.amount > 0)
WHERE r.kind = 'reverse' AND r.rejection IS NULL
GROUP BY r.tenant_id, r.member_id, r.entry_id, p.asset, p.expires_ms, p.origin HAVING sum(p.amount) <> 0

-- name: reversals_take_back_no_more_than_earned
-- What a reversal takes back of an asset was earned by the settlement.
SELECT format('%s/%s entry %s: takes back %s more %s than were earned', r.tenant_id, r.member_id, r.entry_id,
              -sum(p.amount), p.asset)
FROM rights.journal r JOIN rights.posting p
  ON p.tenant_id = r.tenant_id AND p.member_id = r.member_id AND p.account = 'member'
     AND (p.entry_id = r.reverses AND p.amount > 0 OR p.entry_id = r.entry_id AND p.amount < 0)
WHERE r.kind = 'reverse' AND r.rejection IS NULL
GROUP BY r.tenant_id, r.member_id, r.entry_id, p.asset HAVING sum(p.amount) < 0

-- name: entries_of_settle
-- Not a check: all settlements and their refusals, for the checks of receipts that SQL cannot see into.
SELECT tenant_id, member_id, entry_id, order_id, rulebook_version, rejection, postings::text AS postings,
       coupons::text AS coupons, request, response
FROM rights.journal WHERE kind = 'settle'
