"""Scenarios: what a program does, step by step, in tables that its owner can check.

A scenario is a YAML file beside the rulebook that it is about. It is played against a real service through the public
gRPC API: `rights demo PROGRAM` (or `rights demo FILE`) prints it, and `tests/programs` plays every one of them.

    title: Noodles
    given:
      rulebook: noodles.yaml             # in force from `time` on
      time: 2026-11-11 12:00             # in the rulebook's time zone, as all times below
      members:
        - {id: anna, tier: 1, tags: [fan], wallet: {coins: 30}, coupons: {gift: 1}}
        - {id: m#, repeat: 1000}         # m1 .. m1000
    steps:
      - when: Anna orders noodles        # for people
        at: 2026-11-11 12:30             # or `wait: 3 days`; else a millisecond after the step before
        settle: {order: o1, member: anna, lines: [{sku: noodles, price: 100.00, merchant: wok}]}
        then: {payable: 90.00, discounts: {ten-off: 10.00}, earned: {coins: 4}, wallet: {coins: 34}}

**The clock** is the scenario's (`RIGHTS_CLOCK_FILE`). It stands still but for `at`, `wait` (`1 millisecond`,
`90 minutes`, `3 days` of 24 hours) and the millisecond between two calls, and never goes back. On its way it stops
wherever something becomes due. A step may do nothing but let time pass.

**A step does one thing**; the keys are those of the RPC's request, in short (see `reading`), and a few more:

- `quote`, `settle`, `reserve`: `{order: o1, member: anna, lines: [...], spend: {coins: 500}, coupons: [gift]}`.
  A line is `{sku, price, quantity, merchant, category, brand, floor}`, of one item unless said. `spend` may be
  `maximum` of an asset. `coupons` are templates, exactly these are used; or `none`. Also `channel`, `business_line`,
  `selection`, `quote_token`, `explain`, `key`. A quote has no `order`.
- `confirm`, `cancel`, `reverse`, `deliver`: `o1`, the order of a step before.
- `refund`: `o1` for all of it; `{order: o1, items: {noodles: 1}}` for items, by SKU or by index of the line.
- `credit`, `top_up`: `{member: anna, asset: coins, amount: 10}`; of a top-up the amount is money.
- `grant`: `{member: anna, template: gift}`.
- `upsert`: `{member: anna, tier: 2, tags: [fan]}`.
- `transfer`: `{member: anna, to: ben, coupon: gift}`, a coupon by its template.
- `redeem`: `{member: anna, code: $code}`.
- `record`: `{member: anna, activity: check-in}`; of a referral also `referrer: ben`, who has brought her.
- `claim`: `{member: anna, grant: miles, times: 2}`.
- `enrol`: `{member: anna, program: club}`; with `create: true` of a member that there need not be.
- `take`: `{member: anna, board: daily, task: two-orders}`.
- `recognise`: `{identity: {business_line: taobao, external: a-1}}`.
- `merge`: `{from: annie, into: anna}`.
- `link`: `{member: anna, identity: {business_line: taobao, external: a-1}}`; `unlink` without a member.
- `segment`: `{tag: rfm-champion, members: [anna, ben], expire_time: 2026-12-01}`; with `mode: remove` takes it off.
- `subscribe`, `renew`, `unsubscribe`: `{member: anna, plan: super}`; also `expected_price`, of the first two.
- `upgrade`: `{member: anna, from_plan: basic, plan: super}`.
- `use`: `{member: anna, asset: draws, units: 1, subject: spring}`, of a benefit.
- `check`: `anna`, only looks at the wallet.
- `pause`, `resume`: `ten-off`, a campaign.
- `publish`: `next.yaml`, a rulebook beside the scenario, in force at once, or from a time on:
  `{rulebook: next.yaml, from: 2026-11-11 00:00}`.
- `call`: `SettlementService/GetSettlement` with `request: {settlement: $o1}`, any RPC there is.

An `idempotency_key` that is not given is made of the number of the step. `keep: {token: quote_token}` keeps a part of
the answer for later steps, which write `$token`; `$o1` is the settlement or reservation of order `o1`. With
`repeat: 1000` a step is done so often, each `#` in it being the number, from 1; each answer is compared with `then`,
and what it left behind once, at the end.

**`then` says what must come of it**:

- `payable`, `list`: what the member pays; the list price. A quote, settlement or reservation names `payable`.
- `discounts` by campaign, `spent`, `earned` and `consumed` (of benefits) by asset, `granted` by coupon template or
  asset: compared with `payable`, each as a whole: what is not named must not be there. `funding`, if named, likewise:
  who pays for the discounts. `to_referrer` is what is granted to who has brought the member. Of `record`, `claim`,
  `enrol` and `take`, `granted` and `spent` are compared, each as a whole, wherever there is a `then`.
- `parties`: what each party has received for the order so far (negative: paid), as a whole.
- `refunded`, `charged`: what the member gets back, or owes. A refund or reversal names `refunded`. Of what becomes of a
  plan both are compared, and `granted`, wherever there is a `then`.
- `returned`, `taken_back`: units that come back, and earned ones that are taken back: compared with `refunded`, as a
  whole. `discounts` and `funding` of a refund are those no longer given; if named, as a whole.
- `rejected`, `error`: a refusal's reason (`COUPON_ALREADY_USED`); an error's reason or gRPC code.
- `wallet`: balances of the assets named. `{coins: 4}` is 4 available, and nothing pending, held or owed; else
  `{coins: {available: 4, pending: 2, held: 1, debt: 3}}`.
- `lots`: all lots of the assets named, by expiry: `{coins: {2027-11-12: 4, never: 2}}`.
- `coupons`: all coupons held, by template. `tier`: the one given on the member.
- `tiers`: the levels on the ladders named. `measures`: what is counted, of those named; money where it has decimals.
- `plans`: all plans that the member has, and until when: `{super: 2027-03-15}`.
- `others`: `{ben: {wallet: {coins: 1}}}`, these seven of others, to whom it may come a moment later. Else they
  are of who acts, of the order's member, or of `member` beside `then`.
- `budgets`, `quotas`, `pools`: what is used of those named. `alerts`: `{groceries: 8000}`, that so large a share of
  them is taken, in basis points, has been told (an event BUDGET_LOW).
- `answer`: a part of the response in the proto's fields; of a list every entry, each in part.

Amounts are money as people write it (`39.90`). Units are whole numbers; written with decimals they are money, too:
`wallet: {balance: 105.00}` for stored value.
"""
