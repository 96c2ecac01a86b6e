"""Limits of the contract, as the proto comments state them. They keep every sum inside int64."""

MAX_LINES = 1_000
MAX_UNIT_PRICE_MINOR = 10**12
MAX_QUANTITY = 1_000_000
# Of a cart, a budget, a balance: minor units or units of an asset. What is credited, earned or given must fit. What
# is the member's already is never refused, so a wallet can come to hold more: by what at most 1,000 reservations were
# promised, each no more than this, and by what refunds return. 2^63 is more than 9,000 times as much: so many orders of
# one member, each for all that a wallet may hold, refunded together. Nothing wraps even then: Python's sums are exact,
# and what writes or tells a wallet (JSON, protobuf) refuses larger numbers.
MAX_AMOUNT = 10**15
MAX_COUPON_IDS = 20
MAX_CAMPAIGN_IDS = 50
MAX_SPENDS = 8
MAX_BATCH = 1_000
MAX_UNDER_WAY = 256  # requests of a SettleStream
MAX_ID_BYTES = 128
MAX_EXTERNAL_ID_BYTES = 256
MAX_NOTE_BYTES = 256
MAX_TAGS = 200
MAX_SEGMENT_MEMBERS = 10_000  # per request of an upload
MAX_TAG_BYTES = 64
MAX_TIER = 1_000
MAX_QUOTE_TOKEN_BYTES = 65_536  # a token names every campaign that applied
MAX_HYPOTHETICAL = 200  # coupons, lots, used campaigns of a member that a simulation describes
MAX_USES = 1_000_000  # of a campaign by a member
MAX_PAGE_SIZE = 200
DEFAULT_PAGE_SIZE = 50
MAX_STREAM_EVENTS = 1_000
DEFAULT_STREAM_EVENTS = 100
MAX_CONSUMERS = 100
MAX_CODES = 1_000_000  # of one call
MAX_POOL_CODES = 100_000_000
MAX_GIFT_CARD_DAYS = 36_500
MAX_CODE_BYTES = 64  # as people write one

BPS = 10_000
NEVER_MS = 2**62  # an expiry that does not come; sorts after every real one
