# Fields of classes of rights.domain that are written in Python, for what is compiled. See views.h.
#
# To look an attribute up takes compiled code ten times as long as Python's interpreter, which remembers where it was
# found the last time. Typed with one of these, a field is read from its place. Fields are objects of any type here, which
# is checked where it matters: nothing else keeps Python from setting them to something else. An object must have been
# through `__init__`: a field that was never set, or deleted, ends the process, as does None in place of the object.
# So they are taken by `not None` parameters, and out of other fields by `<Class?>`.

cdef extern from "views.h":
    ctypedef class rights.domain.model.Order [object ViewOrder, check_size error]:
        cdef object business_line
        cdef object channel
        cdef object coupon_ids
        cdef object currency
        cdef object explain
        cdef object forbidden_campaigns
        cdef object forbidden_coupons
        cdef object lines
        cdef object member_id
        cdef object pin
        cdef object required_campaigns
        cdef object spends
        cdef object wallet_ms

    ctypedef class rights.domain.wallet.Wallet [object ViewWallet, check_size error]:
        cdef object changed
        cdef object counters
        cdef object coupons
        cdef object debts
        cdef object due_ms
        cdef object holds
        cdef object lots
        cdef object member_id
        cdef object membership
        cdef object pending
        cdef object tags
        cdef object tenant
        cdef object tier

    ctypedef class rights.domain.book.Asset [object ViewAsset, check_size error]:
        cdef object earn
        cdef object expiry
        cdef object id
        cdef object index
        cdef object is_benefit
        cdef object issuer
        cdef object redeem
        cdef object top_up

    ctypedef class rights.domain.book.Campaign [object ViewCampaign, check_size error]:
        cdef object consumes
        cdef object cover_title
        cdef object id
        cdef object index
        cdef object is_cover
        cdef object is_limited
        cdef object keep_used
        cdef object max_uses
        cdef object only_payer
        cdef object period
        cdef object readjudicate
        cdef object shares
        cdef object stage_id
        cdef object template_id
        cdef object units
        cdef object windows

    ctypedef class rights.domain.book.Earn [object ViewEarn, check_size error]:
        cdef object availability
        cdef object basis
        cdef object by_merchant
        cdef object caps
        cdef object max_units
        cdef object on_delivery
        cdef object predicate
        cdef object rate
        cdef object rates
        cdef object tiers

    ctypedef class rights.domain.book.Redeem [object ViewRedeem, check_size error]:
        cdef object max_share_bps
        cdef object max_units
        cdef object min_balance
        cdef object shares
        cdef object then_asset
        cdef object units
        cdef object value

    ctypedef class rights.domain.book.Template [object ViewTemplate, check_size error]:
        cdef object campaign
        cdef object forfeited
        cdef object group
        cdef object id
        cdef object start_after_days
        cdef object transferable
        cdef object until_ms
        cdef object valid_days
        cdef object valid_ms
