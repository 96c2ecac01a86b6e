"""Prices settlements of the past again, under another rulebook, and tells what would have been different.

The rules of a replay:

- *Which*: what was settled in the period, by Settle or by a reservation that was confirmed; of
  reservations, the time is that of the reservation. What was refunded or reversed later counts in
  full, before and after. What was refused then stays out.
- *Time*: each settlement is priced for the moment at which it was decided.
- *Member*: tier, tags and what else conditions knew are those it was decided on (the member's present tier and tags
  where an old entry does not tell). Held are the coupons that were granted before and not redeemed, reserved, revoked,
  handed over or expired, and those it redeemed; a coupon that the replay has used for an earlier order is gone.
- *Merged members*: each has its own until the merge; from then on the one that stays has the coupons and uses of both.
- *Points and stored value*: the wallet has what was spent then, lot by lot, and at least the minimum
  balance that spending asked for. So "as much as possible" never spends more than it did.
- *Budgets, pools and quotas*: they start with the caps of the rulebook that is replayed and what transfers have
  moved by now, whatever was used before the period, and are used up in the order of the journal. Nothing comes
  back to them.
- *Member limits*: uses before the period count, then those of the replay. Nothing comes back to them.
- *Grants*: what only the settlement itself decides, for every Nth order and for tasks, is left out before and after.
- *Quotes and pauses*: a settlement of a quote is priced freely, and no campaign is paused.
- *The same rulebook*: what was settled under the rulebook that is replayed keeps its recorded
  outcome, since that is what the rulebook gave with the limits, pauses and quotes of its moment. It is
  priced nevertheless, and the report says how many of these came out exactly as recorded.

Same journal, same rulebook, same period: the same report, byte for byte.
"""
