/* How the fields of some Python classes lie in their objects, so that compiled code reads them without a look-up.

   They are dataclasses with slots. CPython puts the slots of a class behind the object's head, sorted by name
   (type_new_slots in Objects/typeobject.c), each a reference that `__init__` sets. Compiled code that names such a class
   (_views.pxd, _plan_views.pxd) compares its size with that of the struct when it is imported, and tests/kernel/test_views.py the names;
   so a field that is added or renamed there has to be here, too. */

#include <Python.h>

typedef struct {
    PyObject_HEAD
    PyObject *business_line, *channel, *coupon_ids, *currency, *explain, *forbidden_campaigns,
             *forbidden_coupons, *lines, *member_id, *pin, *required_campaigns, *spends, *wallet_ms;
} ViewOrder;

typedef struct {
    PyObject_HEAD
    PyObject *changed, *counters, *coupons, *debts, *due_ms, *holds, *lots, *member_id, *membership,
             *pending, *tags, *tenant, *tier;
} ViewWallet;

typedef struct {
    PyObject_HEAD
    PyObject *earn, *expiry, *id, *index, *is_benefit, *issuer, *redeem, *top_up;
} ViewAsset;

typedef struct {
    PyObject_HEAD
    PyObject *consumes, *cover_title, *id, *index, *is_cover, *is_limited, *keep_used, *max_uses,
             *only_payer, *period, *readjudicate, *shares, *stage_id, *template_id, *units,
             *windows;
} ViewCampaign;

typedef struct {
    PyObject_HEAD
    PyObject *availability, *basis, *by_merchant, *caps, *max_units, *on_delivery, *predicate,
             *rate, *rates, *tiers;
} ViewEarn;

typedef struct {
    PyObject_HEAD
    PyObject *max_share_bps, *max_units, *min_balance, *shares, *then_asset, *units, *value;
} ViewRedeem;

typedef struct {
    PyObject_HEAD
    PyObject *campaign, *forfeited, *group, *id, *start_after_days, *transferable, *until_ms,
             *valid_days, *valid_ms;
} ViewTemplate;

typedef struct {
    PyObject_HEAD
    PyObject *a, *b, *benefit, *benefit_units, *budget, *c, *cheapest_first, *effect,
             *every_quantity, *groups, *id, *id_rank, *mandatory, *max_quantity, *needs_coupon,
             *on_price, *pool, *predicate, *quota, *stage, *threshold, *unit;
} ViewCampaignPlan;

typedef struct {
    PyObject_HEAD
    PyObject *amounts, *applied, *gap, *met, *multipliers, *nodes, *not_applied, *proven;
} ViewDecision;

typedef struct {
    PyObject_HEAD
    PyObject *amounts, *blocked, *cart_vars, *coupons, *floors, *line_vars, *quantities, *remaining,
             *required, *standing, *tags;
} ViewFacts;
