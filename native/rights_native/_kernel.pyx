# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The settlement kernel, compiled. `rights_native.twin` states what it computes; this is how.

Why it is written the way it is:

(a) *Integers only.* Money is int64 minor units and rates are basis points. A product that can leave
    int64 is formed in 128 bits and divided before it is stored.
(b) *The plan is copied once.* The constructor validates the plan and turns it into flat C arrays, so
    a decision follows no Python object except the facts, each of which is read once.
(c) *Checked at the edge, not inside.* Every index is checked when the plan or the facts come in.
    Functions marked `noexcept nogil` touch no Python object, cannot raise, and report by status.
(d) *Columns, not rows.* A predicate runs once over all lines, instruction by instruction: one
    dispatch per instruction instead of one per instruction and line, and loops that vectorize.
    Predicates have no jumps, so that every line takes the same path.
(e) *Shared predicates run once*, when a campaign asks, and those that no line can meet never: the
    values that a predicate demands of SKU, merchant, category or brand are in an index, so that a
    cart pays for the campaigns that it touches (plan_index). The others are not even looked at, unless
    an explanation is wanted. Results are the same without it.
(f) *Two arenas, reused.* What a request needs is carved out of two blocks that grow to the largest
    request seen: one for its facts, one for the search. A decision allocates nothing else but its
    result. So a Program is for one thread at a time; the GIL is kept throughout, which makes it so.
(g) *An explicit stack.* The search keeps one fixed-size step per candidate and undoes what it did,
    so depth costs no C stack and there is nothing to free on the way out.
(h) *Amount first, shares later.* What a campaign takes off is min(discount, room in scope), whatever
    the allocation; the allocation is only computed for campaigns that are applied.
(i) *Bounds are made when a BEST stage begins.* There the bases of its campaigns are known exactly,
    so bounds are tight where branching happens, and a node only adds and subtracts. What later
    campaigns can take off is bounded by straight lines in the amounts that they will see, so that a
    discount counts for what it nets. Lines fit best around one combination, hence dives before
    the search; where none fits, the search is split first (twin._Bound, _Split). The largest discount
    of a large cart has a line of its own (twin._Bound._spread). While the slope of a part is searched,
    only what slopes change is computed anew (price_bound).
(j) *Ids as a bit set.* Of two sets of ids, which sorted tuple is smaller shows in the lowest bit in
    which they differ, so that ties cost a few words.
(k) *Plain first.* Most carts are small, and most of their time would go into dives and bounds that
    they do not need. One pass over the candidates makes a bound that is valid to the last stage; often
    a few turns with it decide (twin._Search._search_plainly). A cart that needs more loses only them.
(l) *Same order, same bounds as the twin*, to the node: any difference between the two is a bug.
"""

from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy, memset

from rights.domain.limits import MAX_AMOUNT as _MAX_AMOUNT
from rights.domain.plan import CART_VARS, LINE_VARS, Decision
from rights_native._plan_views cimport Facts
from rights_native.plan_check import check_facts, check_plan
from rights_native.plan_index import INDEXED, implied

cdef extern from *:
    """
    #include <stdint.h>

    static inline int64_t rights_muldiv(int64_t a, int64_t b, int64_t d, int64_t *rest) {
        uint64_t small;
        if (!__builtin_mul_overflow((uint64_t)a, (uint64_t)b, &small)) {
            *rest = (int64_t)(small % (uint64_t)d);
            return (int64_t)(small / (uint64_t)d);
        }
        unsigned __int128 wide = (unsigned __int128)a * (unsigned __int128)b;
        *rest = (int64_t)(wide % (unsigned __int128)d);
        return (int64_t)(wide / (unsigned __int128)d);
    }
    static inline int64_t rights_mul_saturating(int64_t a, int64_t b) {
        int64_t product;
        return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
    }
    static inline int rights_add(int64_t a, int64_t b, int64_t *r) { return __builtin_add_overflow(a, b, r); }
    static inline int rights_sub(int64_t a, int64_t b, int64_t *r) { return __builtin_sub_overflow(a, b, r); }
    static inline int rights_mul(int64_t a, int64_t b, int64_t *r) { return __builtin_mul_overflow(a, b, r); }
    /* the sign of a/b - c/d; all non-negative, b and d positive */
    static inline int rights_compare_ratios(int64_t a, int64_t b, int64_t c, int64_t d) {
        __int128 left = (__int128)a * d, right = (__int128)c * b;
        return left < right ? -1 : left > right;
    }
    static inline int rights_lowest_bit(uint64_t x) { return __builtin_ctzll(x); }
    """
    # quotient and remainder of a * b / d; all non-negative, d > 0, and the quotient fits
    int64_t rights_muldiv(int64_t a, int64_t b, int64_t d, int64_t *rest) noexcept nogil
    int64_t rights_mul_saturating(int64_t a, int64_t b) noexcept nogil  # non-negative
    int rights_add(int64_t a, int64_t b, int64_t *r) noexcept nogil  # these three: whether it overflows
    int rights_sub(int64_t a, int64_t b, int64_t *r) noexcept nogil
    int rights_mul(int64_t a, int64_t b, int64_t *r) noexcept nogil
    int rights_compare_ratios(int64_t a, int64_t b, int64_t c, int64_t d) noexcept nogil  # sign of a/b - c/d
    int rights_lowest_bit(uint64_t x) noexcept nogil  # x != 0

cdef enum:
    CART_VAR_COUNT = 7
    LINE_VAR_COUNT = 7

if len(CART_VARS) != CART_VAR_COUNT or len(LINE_VARS) != LINE_VAR_COUNT:
    raise ImportError("the compiled kernel was built for other CEL variables; build it again")

# The values of the plan's enums, as C constants.
cdef enum Op:
    CONST = 0
    CART = 1
    LINE = 2
    NOT = 3
    NEG = 4
    AND = 5
    OR = 6
    EQ = 7
    NE = 8
    LT = 9
    LE = 10
    GT = 11
    GE = 12
    ADD = 13
    SUB = 14
    MUL = 15
    DIV = 16
    MOD = 17
    SELECT = 18
    IN_SET = 19
    IN_TAGS = 20

cdef enum Basis:
    BASIS_LIST = 1
    BASIS_AFTER_STAGE = 2
    BASIS_RUNNING = 3

cdef enum Select:
    SELECT_BEST = 1
    SELECT_PRIORITY = 2
    SELECT_ALL = 3

cdef enum Effect:
    THRESHOLD = 1
    EVERY = 2
    PERCENT = 3
    FIXED_PRICE = 4
    MULTIPLIER = 5
    COVER = 6

cdef enum Unit:
    ACROSS_LINES = 1
    PER_LINE = 2
    PER_ITEM = 3

cdef enum Rounding:
    HALF_UP = 1
    HALF_EVEN = 2
    HALF_DOWN = 3
    UP = 4
    DOWN = 5

cdef enum Reason:
    APPLIES = 0
    NOT_ELIGIBLE = 40
    NO_COUPON = 50
    NO_BENEFIT = 55
    QUOTA_EXHAUSTED = 70
    BUDGET_EXHAUSTED = 80
    EXCLUDED = 90
    BELOW_THRESHOLD = 100
    NO_EFFECT = 110
    NOT_BEST = 120

cdef enum Group:
    GROUP_FREE = 0
    GROUP_CHOSEN = 1  # by a campaign that may be left
    GROUP_FIXED = 2  # by one that may not

cdef int64_t MAX_AMOUNT = _MAX_AMOUNT

cdef enum:  # see twin
    SHIFT = 20
    FEWEST_BITS = 12
    STEEPEST = 4
    BOUND_NODES = 25
    MOST_PARTS = 64
    DIVES = 2
    TRIES = 6
    EASE = 4
    STEPS = 8
    LARGE_FROM = 40
    LARGE = 4
    LOOSE = 4
    PLAIN_NODES = 48


# --- Flat forms --------------------------------------------------------------------------------------

cdef struct Stage:
    int32_t basis
    int32_t after
    int32_t select

cdef struct Campaign:
    int64_t a
    int64_t b
    int64_t c
    int64_t threshold
    int32_t rank  # position among the plan's campaigns in order of id_rank
    int32_t stage
    int32_t predicate
    int32_t effect
    int32_t budget
    int32_t pool
    int32_t quota
    int32_t benefit
    int64_t benefit_units
    int32_t groups  # first in the list of all campaigns' groups
    int32_t group_count
    int64_t max_quantity
    int64_t every_quantity
    int32_t unit
    bint cheapest_first
    bint on_price
    bint pooled  # see twin._is_pooled
    bint simple  # see twin._is_simple
    bint mandatory
    bint needs_coupon

cdef struct Predicate:
    int32_t code
    int32_t length
    bint per_line

cdef struct Instruction:
    int32_t op
    int64_t arg

cdef struct Span:
    int32_t first
    int32_t count

cdef struct Key:  # a value of an indexed line variable, and the predicates that it can make true
    int64_t value
    int32_t first
    int32_t count

cdef struct Scope:
    int64_t first  # in the list of all scopes' lines; -1: not evaluated yet
    int32_t count

cdef struct Candidate:
    Campaign* plan
    int64_t expiry
    int64_t scope  # first in the list of all scopes' lines
    int64_t shares  # first in the list of all candidates' shares
    int32_t index
    int32_t count  # of lines in scope
    int32_t groups  # first in the list of all candidates' groups
    int32_t group_count
    int32_t level  # which bound covers its turn; -1: none
    int32_t home  # the group for which it counts in bounds; -1: none
    int32_t alike  # the first candidate of its stage with the same predicate
    int32_t rounds  # of largest remainder that sharing its discount can take, and one
    bint out_of_reach  # below its threshold even at list amounts
    bint first_of_stage
    bint in_best_stage
    bint required
    bint reserved

cdef struct Step:
    int64_t rest_before
    int64_t floor_before
    int64_t amount
    bint applied
    bint other_way

cdef struct Most:
    int64_t most  # upper bound of what the candidate takes off
    int64_t net  # what of it counts as its own, scaled; 0: it is part of a line
    int64_t later  # the largest net among later members of its home group
    int64_t discount  # natural discount on the largest basis that can be; -1: below threshold, or (plain) not known

cdef struct Weight:  # see twin._Bound._weigh
    int64_t average
    int64_t slack
    int64_t heaviest
    int32_t stamp
    int32_t part_stamp

cdef struct Line:  # see twin._Bound
    int64_t height
    int64_t slope
    int64_t most
    int32_t candidate  # the first of its class
    bint kept

cdef struct Split:  # see twin._Split
    int64_t loose  # -1: there is nothing to split
    int32_t candidate
    int32_t force

cdef struct Point:
    int64_t basis
    int64_t discount

cdef struct Priced:  # a line of the scope, by what its items cost
    int64_t basis
    int64_t quantity
    int32_t position

cdef struct Arena:
    char* block
    size_t size
    size_t used


cdef inline size_t padded(size_t size) noexcept nogil:
    return (size + 15) & ~<size_t>15


cdef inline void* carve(Arena* arena, size_t size) noexcept nogil:
    """The next `size` bytes. `reserve` has made sure that they are there."""
    cdef void* at = arena.block + arena.used
    arena.used += padded(size)
    return at


cdef int reserve(Arena* arena, size_t size) except -1:
    """Empties the arena and makes it at least `size` bytes."""
    cdef char* block
    arena.used = 0
    if arena.size < size:
        block = <char*>malloc(size * 2)
        if block == NULL:
            raise MemoryError(f"the kernel cannot get {size * 2} bytes")
        free(arena.block)
        arena.block = block
        arena.size = size * 2
    return 0


cdef inline int64_t least(int64_t a, int64_t b) noexcept nogil:
    return a if a < b else b


cdef inline int64_t most_of_two(int64_t a, int64_t b) noexcept nogil:
    return a if a > b else b


cdef inline int64_t positive(int64_t a) noexcept nogil:
    return a if a > 0 else 0


# --- Numbers -----------------------------------------------------------------------------------------

cdef int64_t nth_largest(int64_t* values, int32_t count, int32_t n) noexcept nogil:
    """The value before which `n` are in descending order (quickselect, without branches to mispredict)."""
    cdef int32_t low = 0, high = count, larger, equal, i
    cdef int64_t pivot, value
    while True:
        pivot = values[(low + high) >> 1]
        larger = low
        for i in range(low, high):
            value = values[i]
            values[i] = values[larger]
            values[larger] = value
            larger += value > pivot
        if n < larger:
            high = larger
            continue
        equal = larger
        for i in range(larger, high):
            value = values[i]
            values[i] = values[equal]
            values[equal] = value
            equal += value == pivot
        if n < equal:
            return pivot
        low = equal


cdef void largest_remainder(
    int64_t total, int64_t weight_sum, const int64_t* weights, const int32_t* open_lines, int32_t count,
    int64_t* wanted, int64_t* remainders, int64_t* ordered,
) noexcept nogil:
    """The last three are scratch of `count` elements; the first of them is the result."""
    cdef int32_t k
    cdef int64_t last, extra = total
    for k in range(count):
        wanted[k] = rights_muldiv(total, weights[open_lines[k]], weight_sum, &remainders[k])
        extra -= wanted[k]
    if extra == 0:
        return
    memcpy(ordered, remainders, count * sizeof(int64_t))
    last = nth_largest(ordered, count, <int32_t>extra - 1)  # of those that get one more
    for k in range(count):
        wanted[k] += remainders[k] > last
        extra -= remainders[k] > last
    for k in range(count):
        if extra == 0:
            break
        if remainders[k] == last:
            wanted[k] += 1
            extra -= 1


cdef void share_out(
    int64_t total, const int64_t* weights, const int64_t* capacities, int32_t count,
    int64_t* shares, int32_t* open_lines, int64_t* wanted, int64_t* remainders, int64_t* ordered,
) noexcept nogil:
    """See twin.allocate. The last four are scratch of `count` elements."""
    cdef int64_t left = 0
    cdef int64_t weight_sum, taken
    cdef int32_t k, line, open_count, still_open
    for k in range(count):
        left += capacities[k]
        shares[k] = 0
        open_lines[k] = k
    left = least(left, total)
    open_count = count
    while left > 0:
        weight_sum = 0
        for k in range(open_count):
            weight_sum += weights[open_lines[k]]
        if weight_sum > 0:
            largest_remainder(
                left, weight_sum, weights, open_lines, open_count, wanted, remainders, ordered
            )
        else:
            for k in range(open_count):
                wanted[k] = left
        still_open = 0
        for k in range(open_count):
            line = open_lines[k]
            taken = least(least(wanted[k], capacities[line] - shares[line]), left)
            shares[line] += taken
            left -= taken
            if shares[line] < capacities[line]:
                open_lines[still_open] = line
                still_open += 1
        open_count = still_open


cdef inline int64_t round_bps(int64_t base, int64_t rate_bps, int64_t rounding) noexcept nogil:
    cdef int64_t rest
    cdef int64_t whole = rights_muldiv(base, rate_bps, 10_000, &rest)
    if rounding == UP:
        return whole + (rest > 0)
    if rounding == DOWN:
        return whole
    if rest * 2 != 10_000:
        return whole + (rest * 2 > 10_000)
    return whole + (rounding == HALF_UP or (rounding == HALF_EVEN and (whole & 1) == 1))


cdef inline int64_t percent_of(const Campaign* campaign, int64_t base) noexcept nogil:
    """See twin.percent_of."""
    if campaign.on_price:
        return base - round_bps(base, 10_000 - campaign.a, campaign.c)
    return least(round_bps(base, campaign.a, campaign.c), base)


cdef inline int64_t capped(const Campaign* campaign, int64_t discount) noexcept nogil:
    return least(discount, campaign.b) if campaign.effect == PERCENT and campaign.b > 0 else discount


cdef inline int64_t natural_discount(const Campaign* campaign, int64_t base, int64_t* shortfall) noexcept nogil:
    """See twin.natural_discount."""
    cdef int64_t discount
    shortfall[0] = 0
    if base < campaign.threshold:
        shortfall[0] = campaign.threshold - base
        return 0
    if campaign.effect == THRESHOLD:
        return campaign.a
    if campaign.effect == EVERY:
        if base < campaign.b:
            shortfall[0] = campaign.b - base
            return 0
        discount = base // campaign.b
        if campaign.c > 0:
            discount = least(discount, campaign.c)
        return rights_mul_saturating(campaign.a, discount)
    if campaign.effect == PERCENT:
        return capped(campaign, percent_of(campaign, base))
    return 0


cdef inline int64_t part_of(int64_t amount, int64_t items, int64_t quantity) noexcept nogil:
    """See twin.part_of."""
    cdef int64_t rest
    return amount if items == quantity else rights_muldiv(amount, items, quantity, &rest)


cdef int dearest_first(const void* a, const void* b) noexcept nogil:
    cdef const Priced* left = <const Priced*>a
    cdef const Priced* right = <const Priced*>b
    cdef int order = rights_compare_ratios(right.basis, right.quantity, left.basis, left.quantity)
    return order if order != 0 else (-1 if left.position < right.position else 1)


cdef int cheapest_first(const void* a, const void* b) noexcept nogil:
    cdef const Priced* left = <const Priced*>a
    cdef const Priced* right = <const Priced*>b
    cdef int order = rights_compare_ratios(left.basis, left.quantity, right.basis, right.quantity)
    return order if order != 0 else (-1 if left.position < right.position else 1)


cdef inline int64_t scaled_up(int64_t value, int64_t weight, int32_t shift) noexcept nogil:
    """value * weight / 2^shift, rounded up."""
    cdef int64_t rest, whole
    if value >= 0:
        whole = rights_muldiv(value, weight, <int64_t>1 << shift, &rest)
        return whole + (rest > 0)
    return -rights_muldiv(-value, weight, <int64_t>1 << shift, &rest)


cdef inline int64_t ceiling(int64_t value, int64_t by) noexcept nogil:
    """value / by rounded up; value is not negative."""
    return (value + by - 1) // by


cdef int compare_ids(const uint64_t* left, const uint64_t* right, int32_t words) noexcept nogil:
    """Compares two bit sets as sorted tuples: -1, 0, 1."""
    cdef int32_t w, v
    cdef int bit
    cdef uint64_t differ
    cdef const uint64_t* other
    for w in range(words):
        differ = left[w] ^ right[w]
        if differ != 0:
            # One side goes on with this bit. It is smaller, unless the other side goes on no further.
            bit = rights_lowest_bit(differ)
            other = right if (left[w] >> bit) & 1 else left
            differ = (other[w] >> bit) >> 1
            for v in range(w + 1, words):
                differ |= other[v]
            return -1 if (other == right) == (differ != 0) else 1
    return 0


cdef inline int compare_int64(int64_t left, int64_t right) noexcept nogil:
    return -1 if left < right else (1 if left > right else 0)


cdef void insert_sorted(int64_t* values, int32_t count, int64_t value) noexcept nogil:
    cdef int32_t k = count
    while k > 0 and values[k - 1] > value:
        values[k] = values[k - 1]
        k -= 1
    values[k] = value


# --- The program -------------------------------------------------------------------------------------

cdef class Program:
    """A plan, copied into flat arrays, ready to decide requests. One thread at a time."""

    cdef object plan  # for the messages of check_facts
    # The plan
    cdef Stage* stages
    cdef Campaign* campaigns
    cdef Predicate* predicates
    cdef Instruction* code
    cdef int32_t* groups
    cdef Span* sets
    cdef int64_t* set_values
    cdef int32_t stage_count, campaign_count, predicate_count, group_count, limit_count, asset_count
    cdef int32_t cart_var_count
    cdef Key* keys  # by indexed variable, sorted by value
    cdef Span* keys_of  # per line variable
    cdef int32_t* keyed  # predicates, as the keys list them
    cdef Span* users_of  # per predicate
    cdef int32_t* users  # campaigns, as the predicates list them
    cdef int32_t* unindexed  # predicates that a cart can meet whatever is in it
    cdef int32_t unindexed_count
    cdef int32_t max_depth
    cdef int32_t words  # of a bit set of ids

    # The facts
    cdef Arena facts_arena
    cdef int32_t line_count, tag_count
    cdef int64_t* cart_vars
    cdef int64_t* tags
    cdef int64_t* line_vars  # by variable, then line
    cdef int64_t* listed
    cdef int64_t* floors
    cdef int64_t* quantities
    cdef int64_t* remaining
    cdef int64_t* expiry
    cdef uint8_t* blocked
    cdef uint8_t* has_coupon
    cdef uint8_t* required
    cdef uint8_t* screened
    cdef Scope* scope_of  # per predicate; empty but for those touched
    cdef int32_t* touched  # predicates that the cart can meet
    cdef int32_t touched_count
    cdef uint64_t* reached  # the campaigns of these, as a bit set
    cdef int32_t* passing  # campaigns that passed the screen
    cdef int32_t passing_count
    cdef int64_t* stack_values
    cdef uint8_t* stack_errors
    cdef int32_t* local_group  # per group of the plan; -1: no candidate is in it
    cdef int32_t* scope_lines  # grows on its own, since its size shows only while predicates run
    cdef int64_t scope_used, scope_size

    # The search
    cdef Arena search_arena
    cdef Candidate* candidates  # discounts, then multipliers and covers
    cdef int32_t* candidate_groups  # as local groups
    cdef int32_t discount_count, candidate_count, free_count, local_group_count
    cdef Step* steps
    cdef int64_t* shares
    cdef int64_t* amounts
    cdef int64_t* after_stage
    cdef int64_t* used
    cdef uint8_t* group
    cdef Most* most  # by level, then candidate
    cdef int64_t* of_group  # by level, then local group: the largest net at or after the current turn
    cdef int64_t* price  # by level, then line
    cdef int64_t rest  # of the bound, at the current turn; scaled
    cdef int64_t floor  # what bounds made on the way here say; a later one can be looser
    cdef int64_t one  # of scaled numbers
    cdef int32_t shift
    cdef int64_t* charged  # by local group, then line: the part that one of the group takes off at most
    cdef int64_t* part  # per candidate: the part of each line that it takes off at most, scaled
    cdef int64_t* rough  # by stage, then line: how far rounding can move it until the end of the stage
    cdef int32_t* group_rounds
    cdef int32_t* group_stage
    cdef Weight* weights_of  # per candidate that is the first of its scope in its stage
    cdef int32_t weigh_stamp, part_stamp
    cdef int64_t* below  # these two: by the first candidate of a scope in its stage, then line
    cdef int64_t* more
    cdef int64_t* group_cut
    cdef int64_t* cuts
    cdef int32_t* group_stamp
    cdef int32_t stamp
    cdef uint64_t* masks  # per candidate, its lines as a bit set
    cdef int32_t mask_words
    cdef int64_t* least  # by stage, then line: what is left at its end at least
    cdef int64_t* price_at  # by how many stages are over, then line
    cdef int64_t* weight
    cdef int64_t* slopes
    cdef int64_t* reference  # by stage, then line: the amounts of the best dive
    cdef int64_t* expected  # the reference where it can still be
    cdef Line* lines
    cdef Point* points
    cdef int32_t* active
    cdef int32_t* barred  # per candidate: the part in which it may not be taken; 0: none
    cdef uint8_t* forced
    cdef int32_t* all_forced  # the candidates that are
    cdef int64_t* pull
    cdef int32_t active_count, forced_count, first, parts
    cdef bint plain, diving, splitting, eased, has_reference, impossible
    cdef Split split
    cdef int32_t large, wide  # see twin._Search
    cdef int64_t loose  # see twin._Bound
    cdef int64_t* large_reference
    cdef int64_t* least_before_large
    cdef int64_t* wide_height  # by level
    cdef int64_t* wide_slopes  # by level, then line
    cdef uint64_t* optional_ids
    cdef int64_t* expiries
    cdef int64_t* sorted_expiries
    cdef uint64_t* ids
    cdef uint64_t* other_ids
    cdef int32_t* group_rank
    cdef int64_t* group_expiry
    cdef uint8_t* taken
    cdef int64_t* best_expiries
    cdef uint64_t* best_ids
    cdef int32_t* chosen  # per asset: a candidate or -1
    cdef uint8_t* beside_reason
    cdef int64_t* weights
    cdef int64_t* room_of
    cdef int64_t* wanted
    cdef int32_t* open_lines
    cdef int64_t* remainders
    cdef int64_t* ordered
    cdef int64_t* basis_of  # these five: of the lines of one scope, while an effect is computed
    cdef int64_t* items
    cdef int64_t* wishes
    cdef int64_t* spare
    cdef Priced* priced
    cdef int64_t payable, room, turn_discount
    cdef int32_t expiry_count, highest_rank
    cdef int64_t nodes, node_limit, part_limit, lowest_open
    cdef int32_t pending  # parts that are still to be searched
    cdef bint cut_off, minimal, constrained, found, needs_beside
    cdef int64_t best_payable
    cdef int32_t best_expiry_count
    cdef public int64_t plain_nodes  # see twin.Program

    def __cinit__(self, plan):
        check_plan(plan)
        self.plan = plan
        self.plain_nodes = PLAIN_NODES
        self.stage_count = len(plan.stages)
        self.campaign_count = len(plan.campaigns)
        self.predicate_count = len(plan.predicates)
        self.group_count = plan.group_count
        self.limit_count = plan.limit_count
        self.asset_count = plan.asset_count
        self.cart_var_count = CART_VAR_COUNT + plan.more_var_count
        self.words = (self.campaign_count + 63) // 64
        self.stages = <Stage*>self._allocate(self.stage_count * sizeof(Stage))
        self.campaigns = <Campaign*>self._allocate(self.campaign_count * sizeof(Campaign))
        self.predicates = <Predicate*>self._allocate(self.predicate_count * sizeof(Predicate))
        self.code = <Instruction*>self._allocate(sum(len(p.code) for p in plan.predicates) * sizeof(Instruction))
        self.groups = <int32_t*>self._allocate(sum(len(c.groups) for c in plan.campaigns) * sizeof(int32_t))
        self.sets = <Span*>self._allocate(len(plan.sets) * sizeof(Span))
        self.set_values = <int64_t*>self._allocate(sum(len(s) for s in plan.sets) * sizeof(int64_t))
        self._copy_stages(plan.stages)
        self._copy_campaigns(plan.campaigns)
        self._copy_predicates(plan.predicates)
        self._copy_sets(plan.sets)
        self._make_index(plan)

    def __dealloc__(self):
        free(self.stages)
        free(self.campaigns)
        free(self.predicates)
        free(self.code)
        free(self.groups)
        free(self.sets)
        free(self.set_values)
        free(self.keys)
        free(self.keys_of)
        free(self.keyed)
        free(self.users_of)
        free(self.users)
        free(self.unindexed)
        free(self.scope_of)
        free(self.touched)
        free(self.reached)
        free(self.passing)
        free(self.scope_lines)
        free(self.facts_arena.block)
        free(self.search_arena.block)

    cdef void* _allocate(self, size_t size) except NULL:
        cdef void* block = malloc(size + 1)
        if block == NULL:
            raise MemoryError(f"the kernel cannot get {size} bytes")
        return block

    cdef _copy_stages(self, stages):
        for i, stage in enumerate(stages):
            self.stages[<int>i] = Stage(stage.basis, stage.after, stage.select)

    cdef _copy_campaigns(self, campaigns):
        cdef Campaign* to
        cdef int32_t group_count = 0
        for i, campaign in enumerate(campaigns):
            to = &self.campaigns[<int>i]
            to.a, to.b, to.c, to.threshold = campaign.a, campaign.b, campaign.c, campaign.threshold
            to.stage, to.predicate, to.effect = campaign.stage, campaign.predicate, campaign.effect
            to.budget, to.pool, to.quota = campaign.budget, campaign.pool, campaign.quota
            to.benefit, to.benefit_units = campaign.benefit, campaign.benefit_units
            to.mandatory, to.needs_coupon = campaign.mandatory, campaign.needs_coupon
            to.groups, to.group_count = group_count, len(campaign.groups)
            to.unit = campaign.unit
            to.max_quantity, to.every_quantity = campaign.max_quantity, campaign.every_quantity
            to.cheapest_first, to.on_price = campaign.cheapest_first, campaign.on_price
            to.pooled = to.unit == ACROSS_LINES and to.effect != FIXED_PRICE
            to.simple = to.pooled and to.max_quantity == 0
            for group in campaign.groups:
                self.groups[group_count] = group
                group_count += 1
        for rank, i in enumerate(sorted(range(len(campaigns)), key=lambda i: campaigns[i].id_rank)):
            self.campaigns[<int>i].rank = rank

    cdef _copy_predicates(self, predicates):
        cdef int32_t at = 0, depth
        self.max_depth = 1
        for i, predicate in enumerate(predicates):
            self.predicates[<int>i] = Predicate(at, len(predicate.code), predicate.per_line)
            depth = 0
            for op, arg in predicate.code:
                self.code[at] = Instruction(op, arg)
                at += 1
                if op <= LINE:
                    depth += 1
                elif op == SELECT:
                    depth -= 2
                elif not (op == NOT or op == NEG or op == IN_SET or op == IN_TAGS):
                    depth -= 1
                self.max_depth = max(self.max_depth, depth)

    cdef _copy_sets(self, sets):
        cdef int32_t at = 0
        for i, values in enumerate(sets):
            self.sets[<int>i] = Span(at, len(values))
            for value in sorted(values):
                self.set_values[at] = value
                at += 1

    cdef _make_index(self, plan):
        cdef int32_t at = 0, key = 0
        cdef dict by_value = {variable: {} for variable in INDEXED}
        self.unindexed = <int32_t*>self._allocate(self.predicate_count * sizeof(int32_t))
        for p, predicate in enumerate(plan.predicates):
            way = implied(predicate, plan.sets)
            if way is None:
                self.unindexed[self.unindexed_count] = p
                self.unindexed_count += 1
                continue
            for value in way[1]:
                by_value[way[0]].setdefault(value, []).append(p)
        self._list_users(plan.campaigns)
        lists = [values for keys in by_value.values() for values in keys.values()]
        self.keys = <Key*>self._allocate(len(lists) * sizeof(Key))
        self.keyed = <int32_t*>self._allocate(sum(len(values) for values in lists) * sizeof(int32_t))
        self.keys_of = <Span*>self._allocate(LINE_VAR_COUNT * sizeof(Span))
        for variable in range(LINE_VAR_COUNT):
            self.keys_of[<int>variable] = Span(key, len(by_value.get(variable, ())))
            for value, found in sorted(by_value.get(variable, {}).items()):
                self.keys[key] = Key(value, at, len(found))
                key += 1
                for p in found:
                    self.keyed[at] = p
                    at += 1

    cdef _list_users(self, campaigns):
        cdef int32_t at = 0
        cdef list users = [[] for _ in range(self.predicate_count)]
        for i, campaign in enumerate(campaigns):
            users[campaign.predicate].append(i)
        self.users_of = <Span*>self._allocate(self.predicate_count * sizeof(Span))
        self.users = <int32_t*>self._allocate(self.campaign_count * sizeof(int32_t))
        for p, found in enumerate(users):
            self.users_of[<int>p] = Span(at, len(found))
            for i in found:
                self.users[at] = i
                at += 1
        self.scope_of = <Scope*>self._allocate(self.predicate_count * sizeof(Scope))
        memset(self.scope_of, 0, self.predicate_count * sizeof(Scope))
        self.touched = <int32_t*>self._allocate(self.predicate_count * sizeof(int32_t))
        self.reached = <uint64_t*>self._allocate(self.words * sizeof(uint64_t))
        self.passing = <int32_t*>self._allocate(self.campaign_count * sizeof(int32_t))

    # Facts

    cdef int _read_facts(self, Facts facts) except -1:
        """Copies the facts into the arena, refusing what does not have the shape of the plan."""
        cdef list amounts = facts.amounts, floors = facts.floors, quantities = facts.quantities
        cdef list line_vars = facts.line_vars, cart_vars = facts.cart_vars, row
        cdef dict blocked = facts.blocked, coupons = facts.coupons
        cdef bytes standing = facts.standing
        cdef int32_t lines = <int32_t>len(amounts), i, v
        cdef int64_t total = 0
        cdef size_t campaigns = self.campaign_count
        cdef bint fits = (
            len(cart_vars) == self.cart_var_count and len(line_vars) == lines and len(floors) == lines
            and len(quantities) == lines and len(standing) == self.campaign_count
            and len(facts.remaining) == self.limit_count
        )
        if not fits:
            check_facts(self.plan, facts)
        self.line_count = lines
        self.tag_count = <int32_t>len(facts.tags)
        reserve(
            &self.facts_arena,
            16 * 16 + (self.cart_var_count + self.tag_count + lines * (LINE_VAR_COUNT + 3) + self.limit_count
                       + campaigns + self.max_depth * <size_t>lines + self.max_depth) * sizeof(int64_t)
            + 4 * campaigns + self.group_count * sizeof(int32_t)
            + self.max_depth * <size_t>(lines + 1),
        )
        self.cart_vars = <int64_t*>carve(&self.facts_arena, self.cart_var_count * sizeof(int64_t))
        self.tags = <int64_t*>carve(&self.facts_arena, self.tag_count * sizeof(int64_t))
        self.line_vars = <int64_t*>carve(&self.facts_arena, LINE_VAR_COUNT * <size_t>lines * sizeof(int64_t))
        self.listed = <int64_t*>carve(&self.facts_arena, lines * sizeof(int64_t))
        self.floors = <int64_t*>carve(&self.facts_arena, lines * sizeof(int64_t))
        self.quantities = <int64_t*>carve(&self.facts_arena, lines * sizeof(int64_t))
        self.remaining = <int64_t*>carve(&self.facts_arena, self.limit_count * sizeof(int64_t))
        self.expiry = <int64_t*>carve(&self.facts_arena, campaigns * sizeof(int64_t))
        self.blocked = <uint8_t*>carve(&self.facts_arena, campaigns)
        self.has_coupon = <uint8_t*>carve(&self.facts_arena, campaigns)
        self.required = <uint8_t*>carve(&self.facts_arena, campaigns)
        self.screened = <uint8_t*>carve(&self.facts_arena, campaigns)
        self.local_group = <int32_t*>carve(&self.facts_arena, self.group_count * sizeof(int32_t))
        self.stack_values = <int64_t*>carve(
            &self.facts_arena, self.max_depth * <size_t>(lines + 1) * sizeof(int64_t)
        )
        self.stack_errors = <uint8_t*>carve(&self.facts_arena, self.max_depth * <size_t>(lines + 1))
        for i in range(self.cart_var_count):
            self.cart_vars[i] = cart_vars[i]
        i = 0
        for tag in facts.tags:
            self.tags[i] = tag
            i += 1
        for i in range(lines):
            row = line_vars[i]
            if len(row) != LINE_VAR_COUNT:
                check_facts(self.plan, facts)
            for v in range(LINE_VAR_COUNT):
                self.line_vars[v * lines + i] = row[v]
            self.listed[i], self.floors[i], self.quantities[i] = amounts[i], floors[i], quantities[i]
            fits = self.listed[i] >= 0 and self.floors[i] >= 0 and self.quantities[i] >= 0
            if not fits or self.listed[i] > MAX_AMOUNT - total:
                check_facts(self.plan, facts)
            total += self.listed[i]
        memset(self.blocked, 0, campaigns)
        memset(self.has_coupon, 0, campaigns)
        memset(self.required, 0, campaigns)
        for key, value in blocked.items():
            i = key
            if not 0 <= i < self.campaign_count:
                check_facts(self.plan, facts)
            self.blocked[i] = value
        for key, value in coupons.items():
            i = key
            if not 0 <= i < self.campaign_count:
                check_facts(self.plan, facts)
            self.has_coupon[i] = 1
            self.expiry[i] = value
        for key in facts.required:
            i = key
            if not 0 <= i < self.campaign_count:
                check_facts(self.plan, facts)
            self.required[i] = 1
        self.scope_used = 0
        self.look_up_predicates()
        return 0

    # Predicates

    cdef void look_up_predicates(self) noexcept nogil:
        """Marks as not evaluated what the cart can touch; the scope of everything else is empty."""
        cdef int32_t v, i, k, low, high, middle
        cdef const Key* keys
        cdef const int64_t* values
        for k in range(self.touched_count):  # by the cart before
            self.scope_of[self.touched[k]] = Scope(0, 0)
        self.touched_count = 0
        memset(self.reached, 0, self.words * sizeof(uint64_t))
        for k in range(self.unindexed_count):
            self.touch(self.unindexed[k])
        for v in range(LINE_VAR_COUNT):
            if self.keys_of[v].count == 0:
                continue
            keys = self.keys + self.keys_of[v].first
            values = self.line_vars + <size_t>v * self.line_count
            for i in range(self.line_count):
                if i > 0 and values[i] == values[i - 1]:
                    continue
                low = 0
                high = self.keys_of[v].count
                while low < high:
                    middle = (low + high) >> 1
                    if keys[middle].value < values[i]:
                        low = middle + 1
                    else:
                        high = middle
                if low < self.keys_of[v].count and keys[low].value == values[i]:
                    for k in range(keys[low].count):
                        self.touch(self.keyed[keys[low].first + k])

    cdef inline void touch(self, int32_t predicate) noexcept nogil:
        cdef int32_t k, campaign
        cdef const Span* users = &self.users_of[predicate]
        if self.scope_of[predicate].first < 0:
            return
        self.scope_of[predicate].first = -1
        self.touched[self.touched_count] = predicate
        self.touched_count += 1
        for k in range(users.count):
            campaign = self.users[users.first + k]
            self.reached[campaign >> 6] |= <uint64_t>1 << (campaign & 63)

    cdef int _find_scope(self, int32_t index) except -1:
        """Makes sure that a predicate's lines are known."""
        cdef int32_t i
        cdef int32_t* lines
        cdef bint per_line = self.predicates[index].per_line
        if self.scope_of[index].first >= 0:
            return 0
        if self.scope_used + self.line_count + 1 > self.scope_size:
            lines = <int32_t*>realloc(
                self.scope_lines, (self.scope_size * 2 + self.line_count + 1) * sizeof(int32_t)
            )
            if lines == NULL:
                raise MemoryError("the kernel cannot get memory for the scopes of campaigns")
            self.scope_lines = lines
            self.scope_size = self.scope_size * 2 + self.line_count + 1
        self.scope_of[index].first = self.scope_used
        lines = self.scope_lines + self.scope_used
        self.scope_of[index].count = 0
        if per_line and self.line_count == 0:
            return 0
        self.evaluate(&self.predicates[index], self.line_count if per_line else 1)
        for i in range(self.line_count):
            if self.stack_values[i if per_line else 0] != 0 and not self.stack_errors[i if per_line else 0]:
                lines[self.scope_of[index].count] = i
                self.scope_of[index].count += 1
        self.scope_used += self.scope_of[index].count
        return 0

    cdef void evaluate(self, const Predicate* predicate, int32_t n) noexcept nogil:
        """Runs a predicate over n lines (or once for the cart); the result is the first column of the stack."""
        cdef int32_t pc, i, depth = 0
        cdef int32_t op
        cdef int64_t arg, value
        cdef int64_t* x  # left operand and result
        cdef int64_t* y
        cdef int64_t* z
        cdef uint8_t* ex
        cdef uint8_t* ey
        cdef uint8_t* ez
        for pc in range(predicate.length):
            op = self.code[predicate.code + pc].op
            arg = self.code[predicate.code + pc].arg
            if op <= LINE:
                x = self.stack_values + <size_t>depth * n
                memset(self.stack_errors + <size_t>depth * n, 0, n)
                depth += 1
                if op == LINE:
                    memcpy(x, self.line_vars + arg * self.line_count, n * sizeof(int64_t))
                else:
                    value = arg if op == CONST else self.cart_vars[arg]
                    for i in range(n):
                        x[i] = value
                continue
            if op == NOT or op == NEG or op == IN_SET or op == IN_TAGS:
                x = self.stack_values + <size_t>(depth - 1) * n
                ex = self.stack_errors + <size_t>(depth - 1) * n
                if op == NOT:
                    for i in range(n):
                        x[i] = x[i] == 0
                elif op == NEG:
                    for i in range(n):
                        ex[i] |= rights_sub(0, x[i], &x[i])
                elif op == IN_SET:
                    for i in range(n):
                        x[i] = self.in_set(<int32_t>arg, x[i])
                else:
                    for i in range(n):
                        x[i] = self.in_tags(x[i])
                continue
            if op == SELECT:
                depth -= 2
                x = self.stack_values + <size_t>(depth - 1) * n
                ex = self.stack_errors + <size_t>(depth - 1) * n
                y = x + n
                ey = ex + n
                z = y + n
                ez = ey + n
                for i in range(n):
                    ex[i] |= ey[i] if x[i] != 0 else ez[i]
                    x[i] = y[i] if x[i] != 0 else z[i]
                continue
            depth -= 1
            x = self.stack_values + <size_t>(depth - 1) * n
            ex = self.stack_errors + <size_t>(depth - 1) * n
            y = x + n
            ey = ex + n
            if op == AND:
                for i in range(n):
                    value = (x[i] == 0 and not ex[i]) or (y[i] == 0 and not ey[i])
                    ex[i] = (ex[i] | ey[i]) & (value == 0)
                    x[i] = value == 0
                continue
            if op == OR:
                for i in range(n):
                    value = (x[i] != 0 and not ex[i]) or (y[i] != 0 and not ey[i])
                    ex[i] = (ex[i] | ey[i]) & (value == 0)
                    x[i] = value
                continue
            for i in range(n):
                ex[i] |= ey[i]
            if op == EQ:
                for i in range(n):
                    x[i] = x[i] == y[i]
            elif op == NE:
                for i in range(n):
                    x[i] = x[i] != y[i]
            elif op == LT:
                for i in range(n):
                    x[i] = x[i] < y[i]
            elif op == LE:
                for i in range(n):
                    x[i] = x[i] <= y[i]
            elif op == GT:
                for i in range(n):
                    x[i] = x[i] > y[i]
            elif op == GE:
                for i in range(n):
                    x[i] = x[i] >= y[i]
            elif op == ADD:
                for i in range(n):
                    ex[i] |= rights_add(x[i], y[i], &x[i])
            elif op == SUB:
                for i in range(n):
                    ex[i] |= rights_sub(x[i], y[i], &x[i])
            elif op == MUL:
                for i in range(n):
                    ex[i] |= rights_mul(x[i], y[i], &x[i])
            else:
                for i in range(n):
                    if y[i] == 0 or (y[i] == -1 and x[i] == INT64_MIN):
                        ex[i] = 1
                        x[i] = 0
                    elif op == DIV:
                        x[i] = x[i] // y[i]
                    else:
                        x[i] = x[i] % y[i]

    cdef inline bint in_set(self, int32_t index, int64_t value) noexcept nogil:
        cdef const int64_t* values = self.set_values + self.sets[index].first
        cdef int32_t low = 0, high = self.sets[index].count, middle
        while low < high:
            middle = (low + high) >> 1
            if values[middle] < value:
                low = middle + 1
            else:
                high = middle
        return low < self.sets[index].count and values[low] == value

    cdef inline bint in_tags(self, int64_t value) noexcept nogil:
        cdef int32_t i
        for i in range(self.tag_count):
            if self.tags[i] == value:
                return True
        return False

    # Candidates

    cdef int _screen_all(self, const uint8_t* standing, list remaining, bint fully, bint every) except -1:
        """Screens every campaign, or those that the cart can touch: no other can apply."""
        cdef int32_t word, i
        cdef uint64_t left
        self.passing_count = 0
        for word in range(self.words):
            left = ~<uint64_t>0 if every else self.reached[word]
            while left != 0:
                i = word * 64 + rights_lowest_bit(left)
                left &= left - 1
                if i == self.campaign_count:
                    break
                if self._screen(i, standing[i], remaining, fully) == 0:
                    self.passing[self.passing_count] = i
                    self.passing_count += 1
        return 0

    cdef int _screen(self, int32_t i, int standing, list remaining, bint fully) except -1:
        """0 or why a campaign cannot apply; the first reason, if `fully` or it is required."""
        cdef int reason = self.blocked[i], used_up
        cdef Campaign* campaign = &self.campaigns[i]
        if standing != 0 and (reason == 0 or standing < reason):
            reason = standing
        if reason == 0 or reason > NOT_ELIGIBLE and (fully or self.required[i]):
            self._find_scope(campaign.predicate)
            if self.scope_of[campaign.predicate].count == 0:
                reason = NOT_ELIGIBLE
            elif campaign.needs_coupon and not self.has_coupon[i] and (reason == 0 or reason > NO_COUPON):
                reason = NO_COUPON
            elif campaign.benefit >= 0 or campaign.quota >= 0:
                used_up = self._screen_uses(campaign, remaining)
                if used_up != 0 and (reason == 0 or reason > used_up):
                    reason = used_up
        if reason == 0 and campaign.budget >= 0:
            self.remaining[campaign.budget] = remaining[campaign.budget]
        if reason == 0 and campaign.pool >= 0:
            self.remaining[campaign.pool] = remaining[campaign.pool]
        self.screened[i] = reason
        return reason

    cdef int _screen_uses(self, const Campaign* campaign, list remaining) except -1:
        """See twin._used_up, before anything is used; keeps what remains."""
        if campaign.quota >= 0:
            self.remaining[campaign.quota] = remaining[campaign.quota]
        if campaign.benefit >= 0:
            self.remaining[campaign.benefit] = remaining[campaign.benefit]
            if self.remaining[campaign.benefit] < campaign.benefit_units:
                return NO_BENEFIT
        return QUOTA_EXHAUSTED if campaign.quota >= 0 and self.remaining[campaign.quota] < 1 else 0

    cdef int _list_candidates(self) except -1:
        """Lists what passed the screen and carves the arrays of the search."""
        cdef int32_t k
        cdef int64_t share_count = 0
        cdef size_t lines = self.line_count, limits = self.limit_count, levels = self.stage_count
        cdef size_t n = self.passing_count, group_count = 0
        cdef Campaign* campaign
        cdef Arena* arena = &self.search_arena
        for k in range(self.passing_count):
            campaign = &self.campaigns[self.passing[k]]
            group_count += campaign.group_count
            share_count += self.scope_of[campaign.predicate].count
        self.mask_words = <int32_t>((lines + 63) // 64)
        # Groups are numbered anew among candidates, so there are at most `group_count` of them.
        reserve(
            arena,
            16 * 64
            + n * (sizeof(Candidate) + sizeof(Step) + levels * sizeof(Most) + 6 * sizeof(int64_t) + 3
                   + sizeof(Line) + sizeof(Weight) + 4 * sizeof(Point) + 3 * sizeof(int32_t) + self.mask_words * sizeof(uint64_t))
            + sizeof(Point)
            + group_count * (5 * sizeof(int32_t) + 1 + (levels + 2 + lines) * sizeof(int64_t))
            + 3 * share_count * sizeof(int64_t)
            + levels * sizeof(int64_t) + lines * ((7 * levels + 18) * sizeof(int64_t) + sizeof(int32_t) + sizeof(Priced))
            + limits * sizeof(int64_t) + 4 * self.words * sizeof(uint64_t)
            + self.asset_count * sizeof(int32_t),
        )
        self.candidates = <Candidate*>carve(arena, n * sizeof(Candidate))
        self.candidate_groups = <int32_t*>carve(arena, group_count * sizeof(int32_t))
        self.steps = <Step*>carve(arena, n * sizeof(Step))
        self.most = <Most*>carve(arena, n * levels * sizeof(Most))
        self.of_group = <int64_t*>carve(arena, group_count * levels * sizeof(int64_t))
        self.price = <int64_t*>carve(arena, lines * levels * sizeof(int64_t))
        self.charged = <int64_t*>carve(arena, group_count * lines * sizeof(int64_t))
        self.part = <int64_t*>carve(arena, n * sizeof(int64_t))
        self.rough = <int64_t*>carve(arena, lines * (levels + 1) * sizeof(int64_t))
        self.group_rounds = <int32_t*>carve(arena, group_count * sizeof(int32_t))
        self.group_stage = <int32_t*>carve(arena, group_count * sizeof(int32_t))
        self.weights_of = <Weight*>carve(arena, n * sizeof(Weight))
        self.group_cut = <int64_t*>carve(arena, group_count * sizeof(int64_t))
        self.cuts = <int64_t*>carve(arena, n * sizeof(int64_t))
        self.group_stamp = <int32_t*>carve(arena, group_count * sizeof(int32_t))
        self.masks = <uint64_t*>carve(arena, n * self.mask_words * sizeof(uint64_t))
        self.least = <int64_t*>carve(arena, lines * (levels + 1) * sizeof(int64_t))
        self.price_at = <int64_t*>carve(arena, lines * (levels + 1) * sizeof(int64_t))
        self.weight = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.slopes = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.reference = <int64_t*>carve(arena, lines * levels * sizeof(int64_t))
        self.expected = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.large_reference = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.least_before_large = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.wide_height = <int64_t*>carve(arena, levels * sizeof(int64_t))
        self.wide_slopes = <int64_t*>carve(arena, lines * levels * sizeof(int64_t))
        self.lines = <Line*>carve(arena, n * sizeof(Line))
        self.points = <Point*>carve(arena, (4 * n + 1) * sizeof(Point))
        self.active = <int32_t*>carve(arena, n * sizeof(int32_t))
        self.barred = <int32_t*>carve(arena, n * sizeof(int32_t))
        self.forced = <uint8_t*>carve(arena, n)
        self.all_forced = <int32_t*>carve(arena, n * sizeof(int32_t))
        self.pull = <int64_t*>carve(arena, n * sizeof(int64_t))
        self.optional_ids = <uint64_t*>carve(arena, self.words * sizeof(uint64_t))
        self.group = <uint8_t*>carve(arena, group_count)
        self.group_rank = <int32_t*>carve(arena, group_count * sizeof(int32_t))
        self.group_expiry = <int64_t*>carve(arena, group_count * sizeof(int64_t))
        self.shares = <int64_t*>carve(arena, share_count * sizeof(int64_t))
        self.below = <int64_t*>carve(arena, share_count * sizeof(int64_t))
        self.more = <int64_t*>carve(arena, share_count * sizeof(int64_t))
        self.expiries = <int64_t*>carve(arena, n * sizeof(int64_t))
        self.sorted_expiries = <int64_t*>carve(arena, n * sizeof(int64_t))
        self.best_expiries = <int64_t*>carve(arena, n * sizeof(int64_t))
        self.taken = <uint8_t*>carve(arena, n)
        self.beside_reason = <uint8_t*>carve(arena, n)
        self.amounts = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.after_stage = <int64_t*>carve(arena, lines * self.stage_count * sizeof(int64_t))
        self.weights = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.room_of = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.wanted = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.open_lines = <int32_t*>carve(arena, lines * sizeof(int32_t))
        self.remainders = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.ordered = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.basis_of = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.items = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.wishes = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.spare = <int64_t*>carve(arena, lines * sizeof(int64_t))
        self.priced = <Priced*>carve(arena, lines * sizeof(Priced))
        self.used = <int64_t*>carve(arena, limits * sizeof(int64_t))
        self.ids = <uint64_t*>carve(arena, self.words * sizeof(uint64_t))
        self.other_ids = <uint64_t*>carve(arena, self.words * sizeof(uint64_t))
        self.best_ids = <uint64_t*>carve(arena, self.words * sizeof(uint64_t))
        self.chosen = <int32_t*>carve(arena, self.asset_count * sizeof(int32_t))
        self._fill_candidates()
        return 0

    cdef void _fill_candidates(self) noexcept nogil:
        cdef int32_t i, k, g, at, group_at = 0, stage = -1
        cdef int64_t share_at = 0, total, shortfall
        cdef Campaign* campaign
        cdef Candidate* candidate
        memset(self.local_group, 0xFF, self.group_count * sizeof(int32_t))
        self.local_group_count = 0
        self.discount_count = 0
        self.free_count = 0
        for at in range(self.passing_count):
            i = self.passing[at]
            campaign = &self.campaigns[i]
            candidate = &self.candidates[at]
            candidate.plan = campaign
            candidate.index = i
            candidate.expiry = self.expiry[i] if campaign.needs_coupon else 0
            candidate.scope = self.scope_of[campaign.predicate].first
            candidate.count = self.scope_of[campaign.predicate].count
            candidate.shares = share_at
            share_at += candidate.count
            candidate.groups = group_at
            candidate.group_count = campaign.group_count
            candidate.required = self.required[i]
            candidate.reserved = False
            candidate.in_best_stage = False
            candidate.first_of_stage = False
            for k in range(campaign.group_count):
                g = self.groups[campaign.groups + k]
                if self.local_group[g] < 0:
                    self.local_group[g] = self.local_group_count
                    self.local_group_count += 1
                self.candidate_groups[group_at] = self.local_group[g]
                group_at += 1
            if campaign.stage < self.stage_count:
                self.discount_count += 1
                total = 0
                for k in range(candidate.count):
                    total += self.listed[self.scope_lines[candidate.scope + k]]
                natural_discount(campaign, total, &shortfall)
                candidate.out_of_reach = shortfall > 0
                candidate.in_best_stage = self.stages[campaign.stage].select == SELECT_BEST
                self.free_count += candidate.in_best_stage
                if campaign.stage != stage:
                    stage = campaign.stage
                    candidate.first_of_stage = True
        self.number_bounds(False)
        self.candidate_count = self.passing_count
        self.find_homes()

    cdef void find_homes(self) noexcept nogil:
        """See twin._homes. Also the lines of each discount as a bit set, and how far amounts are scaled."""
        cdef int32_t i, k, g
        cdef int64_t total = 0
        cdef Candidate* candidate
        cdef uint64_t* mask
        for g in range(self.local_group_count):
            self.group_stamp[g] = 0
            self.group_rounds[g] = 0
        for i in range(self.discount_count):
            candidate = &self.candidates[i]
            for k in range(candidate.group_count):
                self.group_stamp[self.candidate_groups[candidate.groups + k]] += 1
        for i in range(self.discount_count):
            candidate = &self.candidates[i]
            candidate.home = -1
            for k in range(candidate.group_count):
                g = self.candidate_groups[candidate.groups + k]
                if candidate.home < 0 or self.group_stamp[g] > self.group_stamp[candidate.home]:
                    candidate.home = g
            mask = self.masks + <size_t>i * self.mask_words
            memset(mask, 0, self.mask_words * sizeof(uint64_t))
            candidate.rounds = 2
            for k in range(candidate.count):
                g = self.scope_lines[candidate.scope + k]
                mask[g >> 6] |= <uint64_t>1 << (g & 63)
                candidate.rounds += self.floors[g] > 0
            if candidate.home >= 0 and candidate.rounds > self.group_rounds[candidate.home]:
                self.group_rounds[candidate.home] = candidate.rounds
        memset(self.group_stamp, 0, self.local_group_count * sizeof(int32_t))
        self.stamp = 0
        self.weigh_stamp = 0
        self.part_stamp = 0
        for i in range(self.discount_count):
            self.weights_of[i].stamp = 0
            self.weights_of[i].part_stamp = 0
            candidate = &self.candidates[i]
            candidate.alike = i
            for k in range(i - 1, -1, -1):
                if self.candidates[k].plan.stage != candidate.plan.stage:
                    break
                if self.candidates[k].plan.predicate == candidate.plan.predicate:
                    candidate.alike = self.candidates[k].alike
                    break
        for i in range(self.line_count):
            total += self.listed[i]
        self.shift = 0
        while (
            self.shift < SHIFT
            and total <= (((<int64_t>1 << 61) - 1) >> (self.shift + 1)) // (self.discount_count + 8)
        ):
            self.shift += 1
        if self.shift < FEWEST_BITS:
            self.shift = 0
        self.one = <int64_t>1 << self.shift

    cdef void _mark_required(self) noexcept nogil:
        """Finds the candidates that share a group with a required campaign; `group` serves as scratch."""
        cdef int32_t i, k
        cdef Candidate* candidate
        self.needs_beside = False
        memset(self.group, 0, self.local_group_count)
        for i in range(self.candidate_count):
            candidate = &self.candidates[i]
            if candidate.required:
                self.needs_beside |= i >= self.discount_count
                for k in range(candidate.group_count):
                    self.group[self.candidate_groups[candidate.groups + k]] = 1
        for i in range(self.candidate_count):
            candidate = &self.candidates[i]
            if not candidate.required:
                for k in range(candidate.group_count):
                    candidate.reserved |= self.group[self.candidate_groups[candidate.groups + k]]

    # The branch: amounts, usage and groups after some turns

    cdef void clear_branch(self) noexcept nogil:
        cdef int32_t i
        memcpy(self.amounts, self.listed, self.line_count * sizeof(int64_t))
        memset(self.used, 0, self.limit_count * sizeof(int64_t))
        memset(self.group, 0, self.local_group_count)
        memset(self.ids, 0, self.words * sizeof(uint64_t))
        self.expiry_count = 0
        self.rest = 0
        self.floor = 0
        self.payable = 0
        self.room = 0
        for i in range(self.line_count):
            self.payable += self.listed[i]
            self.room += positive(self.listed[i] - self.floors[i])

    cdef inline void pass_stages(self, int32_t first, int32_t until) noexcept nogil:
        cdef int32_t stage
        for stage in range(first, until):
            memcpy(
                self.after_stage + <size_t>stage * self.line_count, self.amounts, self.line_count * sizeof(int64_t)
            )

    cdef inline const int64_t* entry(self, int32_t stage) noexcept nogil:
        return self.after_stage + <size_t>(stage - 1) * self.line_count if stage > 0 else self.listed

    cdef inline const int64_t* base_of(self, int32_t stage_index) noexcept nogil:
        cdef Stage* stage = &self.stages[stage_index]
        if stage.basis == BASIS_LIST:
            return self.listed
        if stage.basis == BASIS_AFTER_STAGE:
            return self.after_stage + <size_t>stage.after * self.line_count
        return self.entry(stage_index)

    cdef inline int64_t line_basis(
        self, const int64_t* base, const int64_t* entry, bint stepwise, int32_t line
    ) noexcept nogil:
        if stepwise:
            return positive(base[line] - (entry[line] - self.amounts[line]))
        return base[line]

    cdef inline bint excluded(self, const Candidate* candidate) noexcept nogil:
        cdef int32_t k
        for k in range(candidate.group_count):
            if self.group[self.candidate_groups[candidate.groups + k]] != GROUP_FREE:
                return True
        return False

    # Effects that are not simple. `basis_of` holds the basis of each line in scope.

    cdef int64_t touch_limit(self, const Candidate* candidate) noexcept nogil:
        """See twin.touch_limit."""
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef int64_t items = 0
        cdef int32_t k
        if candidate.plan.every_quantity == 0:
            return candidate.plan.max_quantity
        for k in range(candidate.count):
            items += self.quantities[lines[k]]
        return items // candidate.plan.every_quantity * candidate.plan.max_quantity

    cdef void touch_items(self, const Candidate* candidate) noexcept nogil:
        """See twin.items_touched."""
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef int64_t left = self.touch_limit(candidate)
        cdef bint touches_all = candidate.plan.max_quantity == 0
        cdef int32_t k, count = 0
        for k in range(candidate.count):
            self.items[k] = self.quantities[lines[k]] if touches_all else 0
        if touches_all:
            return
        for k in range(candidate.count):
            if self.quantities[lines[k]] > 0:
                self.priced[count] = Priced(self.basis_of[k], self.quantities[lines[k]], k)
                count += 1
        qsort(self.priced, count, sizeof(Priced), cheapest_first if candidate.plan.cheapest_first else dearest_first)
        for k in range(count):
            self.items[self.priced[k].position] = least(left, self.priced[k].quantity)
            left -= self.items[self.priced[k].position]

    cdef int64_t find_wishes(self, const Candidate* candidate) noexcept nogil:
        """See twin.wishes. What it comes to; for what is pooled the discount, and there are only items."""
        cdef Campaign* campaign = candidate.plan
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef int64_t base, wish, small, larger, total = 0
        cdef int32_t k
        self.touch_items(candidate)
        for k in range(candidate.count):
            base = part_of(self.basis_of[k], self.items[k], self.quantities[lines[k]])
            if campaign.pooled:
                total += base
                continue
            if campaign.effect == FIXED_PRICE:
                wish = positive(base - rights_mul_saturating(campaign.a, self.items[k]))
            elif campaign.effect == THRESHOLD:
                wish = campaign.a
                if campaign.unit == PER_ITEM:
                    wish = rights_mul_saturating(campaign.a, self.items[k])
                wish = least(wish, base)
            elif campaign.unit == PER_LINE:
                wish = percent_of(campaign, base)
            elif self.items[k] == 0:
                wish = 0
            else:
                small = self.basis_of[k] // self.quantities[lines[k]]
                larger = base - small * self.items[k]
                wish = percent_of(campaign, small) * (self.items[k] - larger)
                if larger > 0:
                    wish += percent_of(campaign, small + 1) * larger
            self.wishes[k] = wish
            total += wish
        if campaign.pooled:
            return capped(campaign, percent_of(campaign, total))
        wish = capped(campaign, total)
        if wish < total:
            share_out(
                wish, self.wishes, self.wishes, candidate.count,
                self.spare, self.open_lines, self.wanted, self.remainders, self.ordered,
            )
            memcpy(self.wishes, self.spare, candidate.count * sizeof(int64_t))
        return wish

    cdef int64_t fit_wishes(self, const Candidate* candidate) noexcept nogil:
        """What of the wishes there is room for."""
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef int64_t room, total = 0, wish = self.find_wishes(candidate)
        cdef int32_t k
        for k in range(candidate.count):
            room = positive(self.amounts[lines[k]] - self.floors[lines[k]])
            if candidate.plan.pooled:
                total += room if self.items[k] > 0 else 0
            else:
                self.wishes[k] = least(self.wishes[k], room)
                total += self.wishes[k]
        return least(wish, total)

    cdef int64_t most_wished(self, const Candidate* candidate) noexcept nogil:
        """See twin.most_wished."""
        cdef Campaign* campaign = candidate.plan
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef int64_t left = self.touch_limit(candidate), base = 0, total = 0, price, items
        cdef int32_t k, count = 0
        if campaign.max_quantity == 0:
            return self.find_wishes(candidate)
        for k in range(candidate.count):
            if self.quantities[lines[k]] > 0:
                price = ceiling(self.basis_of[k], self.quantities[lines[k]])
                self.priced[count] = Priced(price, 1, k)
                count += 1
        qsort(self.priced, count, sizeof(Priced), dearest_first)
        for k in range(count):
            price = self.priced[k].basis
            items = least(left, self.quantities[lines[self.priced[k].position]])
            left -= items
            base += price * items
            if campaign.effect == FIXED_PRICE:
                total += positive(price - campaign.a) * items
            elif campaign.effect == THRESHOLD:
                total += least(price, campaign.a) * items
            elif campaign.unit == PER_ITEM:
                total += percent_of(campaign, price) * items
        if campaign.effect == PERCENT and campaign.unit == PER_LINE:
            total = rights_muldiv(base, campaign.a, 10_000, &left) + candidate.count
            total += left > 0
        elif campaign.pooled:
            total = percent_of(campaign, base)
        return capped(campaign, total)

    cdef int turn(
        self, const Candidate* candidate, int64_t known_discount, int64_t* amount, int64_t* shortfall
    ) noexcept nogil:
        """See twin._Branch.turn. `known_discount`: what the bound found for this stage; -1: find it."""
        cdef Campaign* campaign = candidate.plan
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* base = self.base_of(campaign.stage)
        cdef const int64_t* entry = self.entry(campaign.stage)
        cdef bint stepwise = self.stages[campaign.stage].select == SELECT_PRIORITY
        cdef int64_t total = 0, left, discount
        cdef int32_t k
        cdef int used_up = self.used_up(campaign)
        amount[0] = 0
        shortfall[0] = 0
        if used_up != 0:
            return used_up
        if known_discount >= 0:
            discount = known_discount
        else:
            for k in range(candidate.count):
                total += self.line_basis(base, entry, stepwise, lines[k])
            discount = natural_discount(campaign, total, shortfall)
        self.turn_discount = discount
        if shortfall[0] == 0:
            if not campaign.simple:
                for k in range(candidate.count):
                    self.basis_of[k] = self.line_basis(base, entry, stepwise, lines[k])
                amount[0] = self.fit_wishes(candidate)
            else:
                left = 0
                for k in range(candidate.count):
                    left += positive(self.amounts[lines[k]] - self.floors[lines[k]])
                amount[0] = least(discount, left)
        left = self.money_left(campaign)
        if amount[0] > 0 and amount[0] > left:
            shortfall[0] = amount[0] - left
            amount[0] = 0
            return BUDGET_EXHAUSTED
        if self.excluded(candidate):
            shortfall[0] = 0
            return EXCLUDED
        if shortfall[0] > 0:
            return BELOW_THRESHOLD
        return NO_EFFECT if amount[0] == 0 else APPLIES

    cdef void find_shares(self, const Candidate* candidate) noexcept nogil:
        """The shares of the turn just taken, which applies."""
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* base = self.base_of(candidate.plan.stage)
        cdef const int64_t* entry = self.entry(candidate.plan.stage)
        cdef bint stepwise = self.stages[candidate.plan.stage].select == SELECT_PRIORITY
        cdef int64_t* shares = self.shares + candidate.shares
        cdef int64_t discount = self.turn_discount
        cdef int32_t k
        if not candidate.plan.simple:
            for k in range(candidate.count):
                self.basis_of[k] = self.line_basis(base, entry, stepwise, lines[k])
            if not candidate.plan.pooled:
                self.fit_wishes(candidate)
                memcpy(shares, self.wishes, candidate.count * sizeof(int64_t))
                return
            discount = self.find_wishes(candidate)
        for k in range(candidate.count):
            self.weights[k] = self.amounts[lines[k]]
            self.room_of[k] = positive(self.amounts[lines[k]] - self.floors[lines[k]])
            if not candidate.plan.simple:
                self.weights[k] = part_of(self.weights[k], self.items[k], self.quantities[lines[k]])
                if self.items[k] == 0:
                    self.room_of[k] = 0
        share_out(
            discount, self.weights, self.room_of, candidate.count,
            shares, self.open_lines, self.wanted, self.remainders, self.ordered,
        )

    cdef void apply(self, const Candidate* candidate, int64_t amount) noexcept nogil:
        cdef Campaign* campaign = candidate.plan
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* shares = self.shares + candidate.shares
        cdef uint8_t owner = GROUP_CHOSEN if candidate.in_best_stage and not campaign.mandatory else GROUP_FIXED
        cdef int32_t k
        for k in range(candidate.count):
            self.amounts[lines[k]] -= shares[k]
        self.payable -= amount
        self.room -= amount
        if campaign.budget >= 0:
            self.used[campaign.budget] += amount
        if campaign.pool >= 0:
            self.used[campaign.pool] += amount
        self.take_use(campaign, 1)
        for k in range(candidate.group_count):
            self.group[self.candidate_groups[candidate.groups + k]] = owner
        self.ids[campaign.rank >> 6] |= <uint64_t>1 << (campaign.rank & 63)
        if campaign.needs_coupon:
            self.expiries[self.expiry_count] = candidate.expiry
            self.expiry_count += 1

    cdef void undo(self, const Candidate* candidate, int64_t amount) noexcept nogil:
        cdef Campaign* campaign = candidate.plan
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* shares = self.shares + candidate.shares
        cdef int32_t k
        for k in range(candidate.count):
            self.amounts[lines[k]] += shares[k]
        self.payable += amount
        self.room += amount
        if campaign.budget >= 0:
            self.used[campaign.budget] -= amount
        if campaign.pool >= 0:
            self.used[campaign.pool] -= amount
        self.take_use(campaign, -1)
        for k in range(candidate.group_count):
            self.group[self.candidate_groups[candidate.groups + k]] = GROUP_FREE
        self.ids[campaign.rank >> 6] &= ~(<uint64_t>1 << (campaign.rank & 63))
        if campaign.needs_coupon:
            self.expiry_count -= 1

    # Bounds

    cdef void make_bound(self, int32_t first) noexcept nogil:
        """See twin._Bound."""
        cdef int32_t level = self.candidates[first].level, now = self.candidates[first].plan.stage
        cdef Most* most = self.most + <size_t>level * self.candidate_count
        cdef Candidate* candidate
        cdef int32_t j
        self.impossible = False
        self.active_count = 0
        for j in range(first, self.discount_count):
            candidate = &self.candidates[j]
            if self.barred[j] or (self.constrained and candidate.reserved):
                most[j].most = 0
                most[j].discount = -1
                continue
            most[j].most = self.most_of(candidate, now, &most[j].discount)
            if most[j].most > 0:
                self.active[self.active_count] = j
                self.active_count += 1
            elif self.forced[j] or j == self.wide:
                self.impossible = True
        if self.plain:
            self.price_plainly(now)
        else:
            self.go_forth(now, most)
            self.price_bound(first)

    cdef void number_bounds(self, bint plain) noexcept nogil:
        """Says which bound covers which turns: that of the last BEST stage that began, or that of the first."""
        cdef int32_t i, level = -1
        cdef Candidate* candidate
        for i in range(self.discount_count):
            candidate = &self.candidates[i]
            if candidate.first_of_stage and candidate.in_best_stage and (level < 0 or not plain):
                level += 1
            candidate.level = level

    cdef void price_plainly(self, int32_t now) noexcept nogil:
        """Instead of go_forth and price_bound, if there are no lines: nets are what discounts are at most."""
        cdef int32_t j, g
        cdef Most* most = self.most
        memset(self.of_group, 0, self.local_group_count * sizeof(int64_t))
        memset(self.price, 0, self.line_count * sizeof(int64_t))
        self.rest = 0
        for j in range(self.discount_count - 1, self.first - 1, -1):
            if self.basis_after(&self.candidates[j]) > now:
                most[j].discount = -1
            most[j].net = most[j].most
            most[j].later = 0
            g = self.candidates[j].home
            if g < 0:
                self.rest += most[j].net
            else:
                most[j].later = self.of_group[g]
                self.of_group[g] = most_of_two(most[j].net, most[j].later)
                self.rest += self.of_group[g] - most[j].later

    cdef void price_bound(self, int32_t first) noexcept nogil:
        """The part of a bound that slopes change (`pull`): what is active, and `least`, are as they were."""
        cdef int32_t level = self.candidates[first].level
        cdef Most* most = self.most + <size_t>level * self.candidate_count
        cdef int64_t* of_group = self.of_group + <size_t>level * self.local_group_count
        cdef int32_t j, g
        self.split.loose = -1
        self.loose = 0
        self.rest = 0
        self.wide_height[level] = 0
        if self.wide >= 0:
            memset(self.wide_slopes + <size_t>level * self.line_count, 0, self.line_count * sizeof(int64_t))
        memset(of_group, 0, self.local_group_count * sizeof(int64_t))
        memset(self.price + <size_t>level * self.line_count, 0, self.line_count * sizeof(int64_t))
        for j in range(first, self.discount_count):
            most[j].net = 0
            most[j].later = 0
        self.go_back(self.candidates[first].plan.stage, most, level)
        for j in range(self.discount_count - 1, first - 1, -1):
            g = self.candidates[j].home
            if g >= 0:
                most[j].later = of_group[g]
                of_group[g] = most_of_two(most[j].net, of_group[g])
            else:
                self.rest += most[j].net
        for g in range(self.local_group_count):
            self.rest += of_group[g]
        self.rest += self.wide_height[level]

    cdef bint overdraws(self, const Candidate* candidate, const int64_t* left) noexcept nogil:
        """See twin._Bound._overdraws."""
        cdef Campaign* campaign = candidate.plan
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef int64_t base = 0, room = 0, shortfall
        cdef int32_t k
        if not campaign.simple:
            return False
        for k in range(candidate.count):
            base += left[lines[k]]
            room += positive(left[lines[k]] - self.floors[lines[k]])
        base = most_of_two(base, campaign.threshold)
        if campaign.effect == EVERY:
            base = most_of_two(base, campaign.b)
        return least(room, natural_discount(campaign, base, &shortfall)) > self.money_left(campaign)

    cdef void go_forth(self, int32_t now, Most* most) noexcept nogil:
        """See twin._Bound._go_forth."""
        cdef int32_t a, k, i, rounds, needed, stage = now, count = 0
        cdef int64_t free_amount, part, share, largest, before = -1, share_before = -1, factor = 0
        cdef int64_t* left = self.least + <size_t>now * self.line_count
        cdef int64_t* rough = self.rough + <size_t>now * self.line_count
        cdef int64_t* charged
        cdef Candidate* candidate
        cdef const int32_t* lines
        self.part_stamp += 1
        memcpy(left, self.amounts, self.line_count * sizeof(int64_t))
        memset(rough, 0, self.line_count * sizeof(int64_t))
        if self.shift == 0:
            return  # there are no lines
        memset(self.charged, 0, <size_t>self.local_group_count * self.line_count * sizeof(int64_t))
        needed = self.last_to_go_forth(most)
        for a in range(self.active_count):
            candidate = &self.candidates[self.active[a]]
            while stage < candidate.plan.stage:
                memcpy(left + self.line_count, left, self.line_count * sizeof(int64_t))
                memcpy(rough + self.line_count, rough, self.line_count * sizeof(int64_t))
                left += self.line_count
                rough += self.line_count
                stage += 1
            if self.active[a] == self.large:
                memcpy(self.least_before_large, left, self.line_count * sizeof(int64_t))
            if candidate.plan.budget >= 0 and self.overdraws(candidate, left):
                most[self.active[a]].most = 0
                if self.forced[self.active[a]] or self.active[a] == self.wide:
                    self.impossible = True
                continue
            self.active[count] = self.active[a]
            count += 1
            if a > needed:
                continue
            lines = self.scope_lines + candidate.scope
            free_amount = 0
            if candidate.plan.simple:
                for k in range(candidate.count):
                    free_amount += left[lines[k]] * (self.floors[lines[k]] == 0)
            largest = most[self.active[a]].most
            part = self.one
            if largest < free_amount:
                part = ceiling(largest << self.shift, free_amount)
            self.part[self.active[a]] = part
            charged = NULL
            rounds = candidate.rounds
            if candidate.home >= 0:
                charged = self.charged + <size_t>candidate.home * self.line_count
                rounds = self.group_rounds[candidate.home]
            for k in range(candidate.count):
                i = lines[k]
                share = part
                if part == self.one and largest < left[i]:
                    share = ceiling(largest << self.shift, left[i])
                if charged == NULL:
                    rough[i] += rounds
                    left[i] = most_of_two(
                        ((left[i] * (self.one - share)) >> self.shift) - rounds, left[i] - largest
                    )
                elif share > charged[i]:
                    # Of a group one applies: the largest part counts.
                    if charged[i] == 0:
                        rough[i] += rounds
                        left[i] = (positive(left[i] - rounds) * (self.one - share)) >> self.shift
                    else:
                        if charged[i] != before or share != share_before:
                            before = charged[i]
                            share_before = share
                            factor = ((self.one - share) << self.shift) // (self.one - before)
                        left[i] = (left[i] * factor) >> self.shift
                    charged[i] = share
                left[i] = most_of_two(left[i], least(self.amounts[i], self.floors[i]))
        self.active_count = count
        while stage < self.stage_count:
            memcpy(left + self.line_count, left, self.line_count * sizeof(int64_t))
            memcpy(rough + self.line_count, rough, self.line_count * sizeof(int64_t))
            left += self.line_count
            rough += self.line_count
            stage += 1

    cdef int32_t last_to_go_forth(self, const Most* most) noexcept nogil:
        """The last active candidate after which it matters what is left.

        It does not in the last stage, where a unit nets the same on all lines; but for budgets that may not pay.
        """
        cdef int32_t a = self.active_count - 1, j
        cdef int32_t last = self.candidates[self.active[a]].plan.stage if a >= 0 else 0
        while a >= 0:
            j = self.active[a]
            if self.candidates[j].plan.stage != last or j == self.large:
                break
            if self.candidates[j].plan.budget >= 0 and self.money_left(self.candidates[j].plan) < most[j].discount:
                break
            a -= 1
        return a

    cdef int64_t part_left(self, int32_t j) noexcept nogil:
        """See twin._Bound._part_left. `group_cut`: where in `cuts` the largest part of a group is, from 1 on."""
        cdef const uint64_t* mine = self.masks + <size_t>j * self.mask_words
        cdef const uint64_t* other
        cdef uint64_t common, missing
        cdef int64_t product = self.one, part
        cdef int32_t a, w, k, g, count = 0
        memset(self.group_cut, 0, self.local_group_count * sizeof(int64_t))
        for a in range(self.active_count):
            k = self.active[a]
            if self.candidates[k].plan.stage > self.candidates[j].plan.stage:
                break
            other = self.masks + <size_t>k * self.mask_words
            common = 0
            missing = 0
            for w in range(self.mask_words):
                common |= mine[w] & other[w]
                missing |= mine[w] & ~other[w]
            if common == 0:
                continue
            part = self.one if missing != 0 else self.part[k]
            g = self.candidates[k].home
            if g < 0 and part == self.one:
                continue
            if g >= 0 and self.group_cut[g] > 0:
                self.cuts[self.group_cut[g] - 1] = most_of_two(self.cuts[self.group_cut[g] - 1], part)
                continue
            self.cuts[count] = part
            count += 1
            if g >= 0:
                self.group_cut[g] = count
        for k in range(count):
            if self.cuts[k] < self.one:
                product = ceiling(product * (self.one - self.cuts[k]), self.one)
        return product

    cdef const Weight* weigh(self, int32_t j) noexcept nogil:
        """See twin._Bound._weigh."""
        cdef const Candidate* candidate = &self.candidates[j]
        cdef Weight* found = &self.weights_of[candidate.alike]
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* below = self.below + self.candidates[candidate.alike].shares
        cdef const int64_t* more = self.more + self.candidates[candidate.alike].shares
        cdef int64_t* weights = self.weights
        cdef int64_t high = self.weight[lines[0]], low = high, average, over, steep, weight, amount
        cdef int32_t k, step
        if found.stamp == self.weigh_stamp:
            return found
        found.stamp = self.weigh_stamp
        for k in range(candidate.count):
            weights[k] = self.weight[lines[k]]
            high = most_of_two(high, weights[k])
            low = least(low, weights[k])
        found.slack = 0
        found.heaviest = positive(high)
        found.average = found.heaviest
        if high <= 0 or high == low:
            return found
        if found.part_stamp != self.part_stamp:
            found.part_stamp = self.part_stamp
            self.find_shifts(candidate.alike)
        average = low
        for step in range(STEPS):
            over = 0
            steep = 0
            for k in range(candidate.count):
                weight = weights[k] - average
                amount = below[k] + more[k] * (weight > 0)
                over += weight * amount
                steep += amount
            if over <= 0:
                for k in range(candidate.count):
                    weight = weights[k] - average
                    found.slack += weight if weight > 0 else -weight
                found.slack *= candidate.rounds - 1
                found.average = positive(average)
                return found
            if steep <= 0:
                break
            average += ceiling(over, steep)
            if average >= high:
                break
        return found

    cdef void find_shifts(self, int32_t j) noexcept nogil:
        """What each line of a scope counts for in `weigh`: `below` the average, and how much `more` above it."""
        cdef const Candidate* candidate = &self.candidates[j]
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* left = self.least + <size_t>candidate.plan.stage * self.line_count
        cdef const int64_t* rough = self.rough + <size_t>candidate.plan.stage * self.line_count
        cdef int64_t* below = self.below + candidate.shares
        cdef int64_t* more = self.more + candidate.shares
        cdef int64_t above, upper = self.part_left(j)
        cdef int32_t k, i
        for k in range(candidate.count):
            i = lines[k]
            if self.floors[i] > 0:
                below[k] = 0
                more[k] = self.amounts[i]
            else:
                above = scaled_up(self.amounts[i], upper, self.shift) + rough[i]
                below[k] = least(left[i] - rough[i], above)
                more[k] = above - below[k]

    cdef void go_back(self, int32_t now, Most* most, int32_t level) noexcept nogil:
        """See twin._Bound._go_back."""
        cdef int32_t stage, a, b, j, k, last = self.active_count, begin, seen
        cdef bint backwards
        cdef int64_t* price = self.price + <size_t>level * self.line_count
        cdef const Weight* weigh
        cdef int64_t* at
        cdef Candidate* candidate
        self.find_stages()
        memset(self.price_at, 0, (self.stage_count + 1) * <size_t>self.line_count * sizeof(int64_t))
        for k in range(self.line_count):
            self.weight[k] = self.one
        for stage in range(self.stage_count - 1, now - 1, -1):
            if stage + 1 < self.stage_count:
                at = self.price_at + <size_t>(stage + 1) * self.line_count
                for k in range(self.line_count):
                    self.weight[k] -= at[k]
            begin = last
            while begin > 0 and self.candidates[self.active[begin - 1]].plan.stage == stage:
                begin -= 1
            self.stamp += 1
            self.weigh_stamp += 1
            backwards = self.wide >= 0 and self.candidates[self.wide].plan.stage == stage
            for b in range(begin, last):
                a = begin + last - 1 - b if backwards else b
                j = self.active[a]
                if j == self.wide:
                    self.spread(most, level)
                    self.weigh_stamp += 1
                    continue
                candidate = &self.candidates[j]
                seen = self.basis_after(candidate)
                if seen <= now or self.shift == 0 or (candidate.home >= 0 and self.group_stage[candidate.home] == -2):
                    weigh = self.weigh(j)
                    most[j].net = most[j].most * weigh.heaviest
                    if candidate.plan.simple:
                        most[j].net = least(most[j].net, most[j].most * weigh.average + weigh.slack)
                    if j == self.large:
                        self.loose = most[j].net - most[j].most * self.mean_weight()
                elif candidate.home < 0 or self.group_stamp[candidate.home] != self.stamp:
                    if candidate.home >= 0:
                        self.group_stamp[candidate.home] = self.stamp
                    self.add_lines(a, last, seen, most, price)
            last = begin

    cdef void spread(self, const Most* most, int32_t level) noexcept nogil:
        """See twin._Bound._spread."""
        cdef const Candidate* candidate = &self.candidates[self.wide]
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* low = self.least_before_large
        cdef const int64_t* high = self.amounts
        cdef int64_t* slopes = self.wide_slopes + <size_t>level * self.line_count
        cdef int64_t discount = most[self.wide].most, rounds = 1, held = 0, listed = 0, heaviest = 0, rest
        cdef int64_t mean, top = 0, bottom = 0, rough = 0, weight, least_part, most_part, part, reach, height
        cdef int32_t k, i
        for k in range(candidate.count):
            i = lines[k]
            listed += high[i]
            heaviest = most_of_two(heaviest, self.weight[i])
            if self.can_fill_up(candidate, i):
                rounds += 1
            else:
                held += low[i]
        reach = discount + rounds * candidate.count
        if discount < most[self.wide].discount or held < 2 * reach:
            self.wide_height[level] = discount * heaviest
            return
        mean = self.mean_weight()
        for k in range(candidate.count):
            i = lines[k]
            weight = self.weight[i] - mean
            if weight > 0:
                top += weight * high[i]
                bottom -= weight * low[i]
                rough += weight
            elif not self.can_fill_up(candidate, i):
                top += weight * low[i]
                bottom -= weight * high[i]
                rough -= weight
        top = positive(top)
        bottom = positive(bottom)
        least_part = rights_muldiv(discount, self.one, listed, &rest)
        most_part = rights_muldiv(reach, self.one, held, &rest)
        most_part += rest > 0
        part = least_part
        if top > 0:
            part += rights_muldiv(most_part - least_part, top, top + bottom, &rest)
        height = discount * mean + rounds * rough + most_of_two(
            scaled_up(top, most_part - part, self.shift), scaled_up(bottom, part - least_part, self.shift)
        )
        for k in range(candidate.count):
            i = lines[k]
            weight = self.weight[i] - mean
            if weight > 0 or not self.can_fill_up(candidate, i):
                slopes[i] = scaled_up(weight, part, self.shift)
                height += slopes[i] * high[i]
                self.weight[i] -= slopes[i]
        self.wide_height[level] = height

    cdef inline bint can_fill_up(self, const Candidate* candidate, int32_t line) noexcept nogil:
        return self.floors[line] > 0 or self.least_before_large[line] <= 2 * candidate.count

    cdef int64_t mean_weight(self) noexcept nogil:
        """See twin._Bound._mean."""
        cdef const Candidate* candidate = &self.candidates[self.large]
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef int64_t whole = 0, total = 0, amount
        cdef int32_t k, i
        for k in range(candidate.count):
            i = lines[k]
            amount = least(most_of_two(self.large_reference[i], self.least_before_large[i]), self.amounts[i])
            whole += amount * self.weight[i]
            total += amount
        total = most_of_two(1, total)
        return whole // total if whole >= 0 else -((total - 1 - whole) // total)

    cdef void find_stages(self) noexcept nogil:
        """Per home, the stage of its active candidates; -1: none is active, -2: they are of several."""
        cdef int32_t a
        cdef Candidate* candidate
        memset(self.group_stage, 0xFF, self.local_group_count * sizeof(int32_t))
        for a in range(self.active_count):
            candidate = &self.candidates[self.active[a]]
            if candidate.home < 0:
                continue
            if self.group_stage[candidate.home] == -1:
                self.group_stage[candidate.home] = candidate.plan.stage
            elif self.group_stage[candidate.home] != candidate.plan.stage:
                self.group_stage[candidate.home] = -2

    cdef int64_t cut(self, int32_t j, int32_t seen, const Most* most) noexcept nogil:
        """See twin._Bound._cut."""
        cdef int32_t a, w, g
        cdef const uint64_t* mine = self.masks + <size_t>j * self.mask_words
        cdef const uint64_t* other
        cdef uint64_t common
        cdef int64_t total = 0, amount
        cdef Candidate* candidate
        memset(self.group_cut, 0, self.local_group_count * sizeof(int64_t))
        for a in range(self.active_count):
            candidate = &self.candidates[self.active[a]]
            if candidate.plan.stage >= seen:
                break
            other = self.masks + <size_t>self.active[a] * self.mask_words
            common = 0
            for w in range(self.mask_words):
                common |= mine[w] & other[w]
            if common == 0:
                continue
            amount = most[self.active[a]].most
            g = candidate.home
            if g < 0:
                total += amount
            elif amount > self.group_cut[g]:
                total += amount - self.group_cut[g]
                self.group_cut[g] = amount
        return total

    cdef void add_point(self, int32_t* count, int64_t basis, int64_t discount) noexcept nogil:
        self.points[count[0]] = Point(basis, discount)
        count[0] += 1

    cdef void find_points(
        self, const Campaign* campaign, int64_t most, int64_t low, int64_t high, int32_t* count
    ) noexcept nogil:
        """See twin._Bound._points_of."""
        cdef int64_t start = most_of_two(campaign.threshold, low)
        cdef int64_t basis, shortfall, slack, kink, rest, scaled = most << self.shift
        cdef int32_t k
        if not campaign.simple:
            self.add_point(count, low, scaled)
            return
        if campaign.effect == PERCENT:
            slack = self.one // 2
            if campaign.c == UP or campaign.c == DOWN:
                slack = self.one if (campaign.c == UP) != campaign.on_price else 0
            kink = start - 1
            if campaign.a > 0:
                kink = rights_muldiv(scaled - slack, 10_000, campaign.a << self.shift, &rest)
            for k in range(4):
                basis = start if k == 0 else (kink if k == 1 else (kink + 1 if k == 2 else high))
                if start <= basis <= high:
                    rest = 0
                    shortfall = rights_muldiv(basis, campaign.a << self.shift, 10_000, &rest)
                    self.add_point(count, basis, least(shortfall + (rest > 0) + slack, scaled))
            return
        for k in range(1 if campaign.effect == THRESHOLD else 3):
            basis = start
            if k == 1:
                basis = campaign.b * (start // campaign.b + 1)
            elif k == 2:
                basis = high // campaign.b
                if campaign.c > 0:
                    basis = least(basis, campaign.c)
                basis *= campaign.b
            if start <= basis <= high:
                self.add_point(count, basis, least(natural_discount(campaign, basis, &shortfall), most) << self.shift)

    cdef void add_lines(self, int32_t a, int32_t end, int32_t seen, const Most* most, int64_t* price) noexcept nogil:
        """See twin._Bound._add_lines. The unit is the candidate at `a` and those after it of the same home."""
        cdef int32_t home = self.candidates[self.active[a]].home
        cdef int32_t count = 0, c, d, k, i, j, b
        cdef int64_t* left = self.least + <size_t>(seen - 1) * self.line_count
        cdef int64_t* at = self.price_at + <size_t>seen * self.line_count
        cdef int64_t value, base, floor, height, largest, loose
        cdef Candidate* candidate
        cdef const int32_t* lines
        cdef bint free_to_split = True, known
        for k in range(self.line_count):
            value = left[k]
            if self.has_reference:
                value = self.reference[<size_t>(seen - 1) * self.line_count + k]
            self.expected[k] = least(most_of_two(value, left[k]), self.amounts[k])
        for b in range(a, end):
            candidate = &self.candidates[self.active[b]]
            if b == a or (home >= 0 and candidate.home == home):
                if candidate.plan.mandatory or (self.constrained and candidate.required):
                    free_to_split = False
        for b in range(a, end):
            candidate = &self.candidates[self.active[b]]
            if b > a and (home < 0 or candidate.home != home):
                continue
            known = False
            for c in range(count):
                if self.candidates[self.lines[c].candidate].plan.predicate == candidate.plan.predicate:
                    known = True
            if not known:
                if not self.find_line(b, end, home, left, most, price, free_to_split, &self.lines[count]):
                    return
                count += 1
        c = 0
        for d in range(1, count):
            if self.lines[d].height > self.lines[c].height:
                c = d
        memset(self.slopes, 0, self.line_count * sizeof(int64_t))
        floor = self.lines[c].height
        candidate = &self.candidates[self.lines[c].candidate]
        lines = self.scope_lines + candidate.scope
        for k in range(candidate.count):
            i = lines[k]
            self.slopes[i] = self.lines[c].slope
            floor -= self.lines[c].slope * (self.expected[i] - left[i])
        known = False
        for d in range(count):
            self.lines[d].kept = d == c or self.lines[d].most > floor
            if self.lines[d].kept and d != c:
                known = True
                candidate = &self.candidates[self.lines[d].candidate]
                lines = self.scope_lines + candidate.scope
                for k in range(candidate.count):
                    self.slopes[lines[k]] = most_of_two(self.slopes[lines[k]], self.lines[d].slope)
        base = 0
        for k in range(self.line_count):
            base += self.slopes[k] * (self.expected[k] - left[k])
        height = INT64_MIN
        largest = INT64_MIN
        for d in range(count):
            largest = most_of_two(largest, self.lines[d].most)
            if self.lines[d].kept:
                value = self.lines[d].height + base
                candidate = &self.candidates[self.lines[d].candidate]
                lines = self.scope_lines + candidate.scope
                for k in range(candidate.count):
                    value -= self.lines[d].slope * (self.expected[lines[k]] - left[lines[k]])
                height = most_of_two(height, value)
        loose = least(height, largest) - self.lines[c].height
        if loose > 0 and known and free_to_split and loose > self.split.loose:
            self.split = Split(loose, self.lines[c].candidate, -1)
        if height >= largest:
            self.rest += largest
            return
        for k in range(self.line_count):
            price[k] += self.slopes[k]
            at[k] += self.slopes[k]
            height += self.slopes[k] * (self.amounts[k] - self.expected[k])
        self.rest += height

    cdef bint find_line(
        self, int32_t a, int32_t end, int32_t home, const int64_t* left, const Most* most, const int64_t* price,
        bint free_to_split, Line* line,
    ) noexcept nogil:
        """See twin._Bound._find_line. False: what is forced cannot be."""
        cdef int32_t first = self.active[a], b, j, k, i, must = -1, over = -1, count = 1
        cdef Candidate* candidate = &self.candidates[first]
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef int64_t high = 0, at = 0, low = 0, room = self.one, under = 0, low_before = 0, threshold = 0
        cdef int64_t slack, weight, steepest, slope, needed, height, largest = 0, left_basis = 0, left_discount
        slack = self.weigh(first).slack
        weight = self.weigh(first).average
        if not candidate.plan.simple:
            slack = 0
            weight = self.weigh(first).heaviest
        for k in range(candidate.count):
            i = lines[k]
            high += self.amounts[i]
            at += self.expected[i]
            low += left[i]
            room = least(room, self.one - price[i])
        for b in range(a, end):
            j = self.active[b]
            if (
                j == first or (home >= 0 and self.candidates[j].home == home
                               and self.candidates[j].plan.predicate == candidate.plan.predicate)
            ) and (self.candidates[j].plan.effect == EVERY or low < self.candidates[j].plan.threshold <= high):
                low = most_of_two(low, high - self.cut(first, self.basis_after(candidate), most))
                break
        low = least(at, low)
        steepest = 0
        if weight > 0:
            steepest = least(STEEPEST * self.one, rights_muldiv(positive(room), self.one, weight, &slope))
        for b in range(a, end):
            j = self.active[b]
            if (
                j == first or (home >= 0 and self.candidates[j].home == home
                               and self.candidates[j].plan.predicate == candidate.plan.predicate)
            ):
                largest = most_of_two(largest, most[j].most)
                if must < 0 and self.forced[j]:
                    must = j
        if must >= 0:
            threshold = self.candidates[must].plan.threshold
            if high < threshold:
                self.impossible = True
                return False
            low_before = low
            low = most_of_two(low, threshold)
            under = positive(low - at)
            at = most_of_two(at, low)
        self.points[0] = Point(low, 0)
        for b in range(a, end):
            j = self.active[b]
            if (
                j == first or (home >= 0 and self.candidates[j].home == home
                               and self.candidates[j].plan.predicate == candidate.plan.predicate)
            ):
                self.find_points(self.candidates[j].plan, most[j].most, low, high, &count)
                if (
                    (self.candidates[j].plan.effect == THRESHOLD or self.candidates[j].plan.effect == PERCENT)
                    and at < self.candidates[j].plan.threshold <= high
                    and (over < 0 or most[j].most > most[over].most)
                ):
                    over = j
        left_discount = -1
        for k in range(count):
            if self.points[k].basis <= at and (
                self.points[k].discount > left_discount
                or (self.points[k].discount == left_discount and self.points[k].basis > left_basis)
            ):
                left_discount = self.points[k].discount
                left_basis = self.points[k].basis
        needed = 0
        for k in range(count):
            if self.points[k].basis > at and self.points[k].discount > left_discount:
                needed = most_of_two(
                    needed, ceiling(self.points[k].discount - left_discount, self.points[k].basis - left_basis)
                )
        slope = least(needed, steepest)
        if must >= 0:
            if self.pull[must] >= 0:
                slope = self.pull[must] - (self.pull[must] >> EASE if self.eased else 0)
            elif under > 0:
                slope = most_of_two(
                    slope,
                    least(steepest, 2 * (most[must].most << self.shift) // most_of_two(1, threshold - low_before)),
                )
        height = INT64_MIN
        for k in range(count):
            height = most_of_two(height, self.points[k].discount - slope * (self.points[k].basis - at))
        if under > 0:
            height -= slope * under
        elif must < 0 and free_to_split and over >= 0 and height > left_discount:
            needed = rights_muldiv(height - left_discount, weight, self.one, &room)
            if needed > self.split.loose:
                self.split = Split(needed, over, over)
        line.candidate = first
        line.height = scaled_up(height, weight, self.shift) + slack
        line.slope = scaled_up(slope, weight, self.shift)
        line.most = largest * weight + slack
        return True

    cdef inline int32_t basis_after(self, const Candidate* candidate) noexcept nogil:
        """See twin._Branch.basis_after."""
        cdef Stage* stage = &self.stages[candidate.plan.stage]
        if stage.basis == BASIS_LIST:
            return 0
        return stage.after + 1 if stage.basis == BASIS_AFTER_STAGE else candidate.plan.stage

    cdef int64_t most_of(self, const Candidate* candidate, int32_t now, int64_t* discount) noexcept nogil:
        """See twin._Branch.most."""
        cdef Campaign* campaign = candidate.plan
        cdef Stage* stage = &self.stages[campaign.stage]
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* base = self.amounts
        cdef int64_t total = 0, bound = 0, shortfall
        cdef int32_t k
        discount[0] = -1
        if candidate.out_of_reach or self.excluded(candidate):
            return 0
        if self.used_up(campaign) != 0:
            return 0
        if stage.basis == BASIS_LIST:
            base = self.listed
        elif stage.basis == BASIS_AFTER_STAGE and stage.after < now:
            base = self.after_stage + <size_t>stage.after * self.line_count
        for k in range(candidate.count):
            total += base[lines[k]]
            bound += positive(self.amounts[lines[k]] - self.floors[lines[k]])
        discount[0] = natural_discount(campaign, total, &shortfall)
        if shortfall > 0:
            discount[0] = -1
            return 0
        if campaign.simple:
            bound = least(bound, discount[0])
        else:
            for k in range(candidate.count):
                self.basis_of[k] = base[lines[k]]
            if self.basis_after(candidate) <= now and stage.select != SELECT_PRIORITY:
                bound = self.fit_wishes(candidate)
            else:
                bound = least(bound, self.most_wished(candidate))
        return positive(least(bound, self.money_left(campaign)))

    cdef inline int used_up(self, const Campaign* campaign) noexcept nogil:
        """See twin._used_up."""
        if (
            campaign.benefit >= 0
            and self.remaining[campaign.benefit] - self.used[campaign.benefit] < campaign.benefit_units
        ):
            return NO_BENEFIT
        if campaign.quota >= 0 and self.remaining[campaign.quota] - self.used[campaign.quota] < 1:
            return QUOTA_EXHAUSTED
        return 0

    cdef inline void take_use(self, const Campaign* campaign, int sign) noexcept nogil:
        if campaign.quota >= 0:
            self.used[campaign.quota] += sign
        if campaign.benefit >= 0:
            self.used[campaign.benefit] += sign * campaign.benefit_units

    cdef inline int64_t money_left(self, const Campaign* campaign) noexcept nogil:
        """What is left for a campaign's discount, of its budget and of the budget's pool."""
        cdef int64_t left = MAX_AMOUNT
        if campaign.budget >= 0:
            left = self.remaining[campaign.budget] - self.used[campaign.budget]
        if campaign.pool >= 0:
            left = least(left, self.remaining[campaign.pool] - self.used[campaign.pool])
        return left

    cdef inline int64_t rest_after(self, int32_t i, bint applied) noexcept nogil:
        """What the rest falls to at a turn; if it is applied, its shares are known."""
        cdef Candidate* candidate = &self.candidates[i]
        cdef Most* most = self.most + <size_t>candidate.level * self.candidate_count + i
        cdef const int64_t* of_group = self.of_group + <size_t>candidate.level * self.local_group_count
        cdef const int64_t* price = self.price + <size_t>candidate.level * self.line_count
        cdef const int32_t* lines = self.scope_lines + candidate.scope
        cdef const int64_t* shares = self.shares + candidate.shares
        cdef const int64_t* slopes = self.wide_slopes + <size_t>candidate.level * self.line_count
        cdef const int64_t* before
        cdef int32_t k, g
        cdef int64_t rest = self.rest
        if i == self.wide:
            before = self.entry(candidate.plan.stage)
            rest -= self.wide_height[candidate.level]
            for k in range(candidate.count):
                rest += slopes[lines[k]] * (before[lines[k]] - self.amounts[lines[k]])
        elif candidate.home < 0:
            rest -= most.net
        elif self.group[candidate.home] == GROUP_FREE:
            rest -= of_group[candidate.home] - (0 if applied else most.later)
        if applied:
            for k in range(candidate.group_count):
                g = self.candidate_groups[candidate.groups + k]
                if g != candidate.home:
                    rest -= of_group[g]
            if i < self.wide:
                for k in range(candidate.count):
                    rest -= shares[k] * slopes[lines[k]]
            if candidate.in_best_stage:
                for k in range(candidate.count):
                    rest -= shares[k] * price[lines[k]]
        return rest

    cdef inline bint taking_looks_better(self, int32_t i, int64_t amount) noexcept nogil:
        cdef int64_t if_taken = self.rest_after(i, True) >> self.shift
        cdef int64_t if_left = self.rest_after(i, False) >> self.shift
        return amount + least(self.room - amount, if_taken) >= least(self.room, if_left)

    cdef inline void pass_bound(self, int32_t i, bint applied) noexcept nogil:
        """Moves the bound past a turn; before the turn is applied."""
        cdef Candidate* candidate = &self.candidates[i]
        if candidate.level < 0:
            return
        self.rest = self.rest_after(i, applied)
        if candidate.home >= 0:
            self.of_group[<size_t>candidate.level * self.local_group_count + candidate.home] = (
                self.most[<size_t>candidate.level * self.candidate_count + i].later
            )

    cdef inline int64_t lower_bound(self) noexcept nogil:
        return most_of_two(self.floor, self.payable - least(self.room, self.rest >> self.shift))

    cdef bint hopeless(self, int32_t i) noexcept nogil:
        cdef int64_t bound
        if not self.found:
            return False
        bound = self.lower_bound()
        if bound != self.best_payable:
            return bound > self.best_payable
        if self.expiry_count > self.best_expiry_count:
            return True
        return self.tie_is_lost(i)

    cdef bint broken(self, int32_t i) noexcept nogil:
        """See twin._Search._broken."""
        cdef int32_t f, j, k, stage = self.candidates[i].plan.stage
        cdef Candidate* candidate
        cdef int64_t total
        for f in range(self.forced_count):
            j = self.all_forced[f]
            if j >= i:
                candidate = &self.candidates[j]
                if self.excluded(candidate):
                    return True
                if self.basis_after(candidate) > stage:
                    total = 0
                    for k in range(candidate.count):
                        total += self.amounts[self.scope_lines[candidate.scope + k]]
                    if total < candidate.plan.threshold:
                        return True
        return False

    cdef bint tie_lost(self, int32_t count, const uint64_t* ids) noexcept nogil:
        """Whether `count` sorted expiries and these ids are not better than the best."""
        cdef int order = compare_int64(count, self.best_expiry_count)
        cdef int32_t k = 0
        while order == 0 and k < count:
            order = compare_int64(self.sorted_expiries[k], self.best_expiries[k])
            k += 1
        if order == 0:
            order = compare_ids(ids, self.best_ids, self.words)
        return order >= 0

    cdef int32_t sort_expiries(self) noexcept nogil:
        cdef int32_t k
        for k in range(self.expiry_count):
            insert_sorted(self.sorted_expiries, k, self.expiries[k])
        return self.expiry_count

    cdef bint tie_is_lost(self, int32_t i) noexcept nogil:
        """See twin._Search._tie_score."""
        cdef Candidate* candidate
        cdef const Most* most = self.most + <size_t>self.candidates[i].level * self.candidate_count
        cdef const int64_t* of_group = self.of_group + <size_t>self.candidates[i].level * self.local_group_count
        cdef int32_t j, g, w, rank, count = self.sort_expiries(), highest = -1
        cdef int64_t expiry, largest, spare = self.rest - ((self.payable - self.best_payable) << self.shift)
        cdef uint64_t word
        memcpy(self.other_ids, self.ids, self.words * sizeof(uint64_t))
        memset(self.optional_ids, 0, self.words * sizeof(uint64_t))
        for g in range(self.local_group_count):
            self.group_rank[g] = -1
        for j in range(i, self.discount_count):
            candidate = &self.candidates[j]
            g = candidate.home
            if most[j].most == 0 or (g >= 0 and self.group[g] != GROUP_FREE):
                continue
            rank = candidate.plan.rank
            largest = most[j].net if g < 0 else of_group[g]
            if largest <= spare:
                if not candidate.plan.needs_coupon:
                    self.optional_ids[rank >> 6] |= <uint64_t>1 << (rank & 63)
                continue
            if most[j].net < largest - spare:
                continue
            expiry = candidate.expiry if candidate.plan.needs_coupon else INT64_MIN
            if g < 0:
                self.other_ids[rank >> 6] |= <uint64_t>1 << (rank & 63)
                if candidate.plan.needs_coupon:
                    insert_sorted(self.sorted_expiries, count, expiry)
                    count += 1
            elif self.group_rank[g] < 0:
                self.group_rank[g] = rank
                self.group_expiry[g] = expiry
            else:
                if rank < self.group_rank[g]:
                    self.group_rank[g] = rank
                self.group_expiry[g] = least(self.group_expiry[g], expiry)
        for g in range(self.local_group_count):
            rank = self.group_rank[g]
            if rank >= 0:
                self.other_ids[rank >> 6] |= <uint64_t>1 << (rank & 63)
                if self.group_expiry[g] != INT64_MIN:
                    insert_sorted(self.sorted_expiries, count, self.group_expiry[g])
                    count += 1
        for w in range(self.words - 1, -1, -1):
            if highest < 0 and self.other_ids[w] != 0:
                highest = w * 64
                word = self.other_ids[w] >> 1
                while word != 0:
                    highest += 1
                    word >>= 1
                self.other_ids[w] |= self.optional_ids[w] & ((<uint64_t>1 << (highest & 63)) - 1)
            elif highest >= 0:
                self.other_ids[w] |= self.optional_ids[w]
        return self.tie_lost(count, self.other_ids)

    # The search

    cdef void search(self, int64_t node_budget, bint constrained) noexcept nogil:
        """See twin._Search."""
        cdef int32_t i, k
        self.constrained = constrained
        self.node_limit = self.free_count
        for i in range(self.discount_count):
            if self.candidates[i].first_of_stage and self.candidates[i].in_best_stage:
                self.node_limit += BOUND_NODES
        self.node_limit = most_of_two(node_budget, self.node_limit)
        self.part_limit = self.node_limit
        self.pending = 0
        self.nodes = 0
        self.parts = 0
        self.forced_count = 0
        self.large = -1
        self.wide = -1
        self.first = 0
        self.minimal = False
        self.plain = False
        self.splitting = False
        self.eased = False
        self.has_reference = False
        self.found = False
        self.cut_off = False
        for i in range(self.discount_count):
            self.barred[i] = 0
            self.pull[i] = -1
            self.forced[i] = constrained and self.candidates[i].required
            if self.forced[i]:
                self.all_forced[self.forced_count] = i
                self.forced_count += 1
        if self.contradictory():
            return
        while self.first < self.discount_count and not self.candidates[self.first].in_best_stage:
            self.first += 1
        if self.search_plainly():
            return
        self.dive()
        if self.descend_to(0, self.first) == self.first:
            if self.first == self.discount_count:
                self.arrive()
            else:
                self.enter_stage(self.first)
                self.splitting = True
                self.solve_part(-1)
                self.splitting = False
        self.first = 0
        if not self.found and self.cut_off:
            self.minimal = True
            self.clear_branch()
            if self.descend_to(0, self.discount_count) == self.discount_count:
                self.arrive()

    cdef bint search_plainly(self) noexcept nogil:
        """See twin._Search._search_plainly."""
        cdef int32_t at = 0, shift = self.shift
        self.clear_branch()
        if self.free_count > self.plain_nodes:
            return False
        self.shift = 0
        self.one = 1
        self.plain = True
        self.number_bounds(True)
        self.part_limit = self.plain_nodes
        while at >= 0 and not self.cut_off:
            at = self.descend_to(at, self.discount_count)
            if at == self.discount_count:
                self.arrive()
            at = self.backtrack(at)
        self.plain = False
        self.number_bounds(False)
        self.shift = shift
        self.one = <int64_t>1 << shift
        if not self.cut_off:
            return True
        self.found = False
        self.cut_off = False
        self.nodes = 0
        self.clear_branch()
        return False

    cdef bint contradictory(self) noexcept nogil:
        """See twin._Search._contradictory."""
        cdef int32_t i, k, g
        self.stamp += 1
        for i in range(self.discount_count):
            if self.forced[i]:
                for k in range(self.candidates[i].group_count):
                    g = self.candidate_groups[self.candidates[i].groups + k]
                    if self.group_stamp[g] == self.stamp:
                        return True
                    self.group_stamp[g] = self.stamp
        return False

    cdef void dive(self) noexcept nogil:
        """See twin._Search._dive."""
        cdef int32_t round, i, at
        cdef bint better
        self.diving = True
        for round in range(DIVES):
            at = self.descend_to(0, self.discount_count)
            if at == self.discount_count and self.arrive():
                self.pass_stages(
                    self.candidates[at - 1].plan.stage if at > 0 else 0, self.stage_count
                )
                memcpy(self.reference, self.after_stage,
                       <size_t>self.stage_count * self.line_count * sizeof(int64_t))
                self.has_reference = True
                self.find_large()
            self.clear_branch()
            if at < self.discount_count:
                break
        self.diving = False

    cdef void find_large(self) noexcept nogil:
        """See twin._Search._find_large."""
        cdef int32_t j, k, largest = self.first
        cdef int64_t amount, most = -1
        cdef Candidate* candidate
        self.large = -1
        if self.discount_count - self.first < LARGE_FROM or self.shift == 0 or self.forced_count > 0:
            return
        for j in range(self.first, self.discount_count):
            amount = self.steps[j].amount if self.steps[j].applied else 0
            if amount > most:
                most = amount
                largest = j
        candidate = &self.candidates[largest]
        if (
            most <= self.payable >> LARGE or not candidate.plan.simple or candidate.plan.mandatory
            or self.basis_after(candidate) > self.candidates[self.first].plan.stage
        ):
            return
        for j in range(self.discount_count):
            if self.first <= j < largest and not self.candidates[j].in_best_stage:
                return
            if self.candidates[j].plan.mandatory and self.exclude(j, largest):
                return
        self.large = largest
        memcpy(self.large_reference, self.after_stage + <size_t>candidate.plan.stage * self.line_count,
               self.line_count * sizeof(int64_t))
        for j in range(largest, self.discount_count):
            if self.candidates[j].plan.stage != candidate.plan.stage:
                return
            if self.steps[j].applied:
                for k in range(self.candidates[j].count):
                    self.large_reference[self.scope_lines[self.candidates[j].scope + k]] += (
                        self.shares[self.candidates[j].shares + k]
                    )

    cdef bint exclude(self, int32_t one, int32_t other) noexcept nogil:
        cdef int32_t k, g
        for k in range(self.candidates[one].group_count):
            for g in range(self.candidates[other].group_count):
                if (
                    self.candidate_groups[self.candidates[one].groups + k]
                    == self.candidate_groups[self.candidates[other].groups + g]
                ):
                    return True
        return False

    cdef void tighten(self, int32_t force) noexcept nogil:
        """See twin._Search._tighten."""
        cdef int32_t round
        cdef int64_t best = self.rest, kept = 0, step = self.one >> 1
        for round in range(TRIES):
            if kept + step < 0:
                step = -step
            self.pull[force] = kept + step
            self.price_bound(self.first)
            self.nodes += BOUND_NODES
            if self.rest < best:
                best = self.rest
                kept = self.pull[force]
                if self.hopeless(self.first):
                    return
            else:
                step = -(step // 2)
        if self.pull[force] != kept:
            self.pull[force] = kept
            self.price_bound(self.first)

    cdef void solve_part(self, int32_t force) noexcept nogil:
        """See twin._Search._solve_part."""
        cdef int32_t at, j, home, part
        cdef int64_t floor
        cdef Split split
        cdef Candidate* chosen
        cdef Candidate* candidate
        cdef bint alike, second
        if force >= 0:
            self.pull[force] = 0
        self.make_bound(self.first)
        if self.impossible or self.hopeless(self.first):
            return
        if force >= 0:
            self.tighten(force)
            if self.hopeless(self.first):
                return
        if self.nodes >= self.node_limit:
            self.leave_open()
            return
        self.parts += 1
        self.nodes += BOUND_NODES
        part = self.parts
        floor = self.floor
        if self.large_is_loose() and part < MOST_PARTS:
            self.floor = self.lower_bound()
            for second in range(2):
                for j in range(self.first, self.discount_count):
                    if not self.barred[j] and (
                        j == self.large if second else j != self.large and self.exclude(j, self.large)
                    ):
                        self.barred[j] = part
                self.wide = -1 if second else self.large
                self.pending += not second
                self.solve_part(-1 if second else force)
                self.pending -= not second
                self.wide = -1
                for j in range(self.first, self.discount_count):
                    if self.barred[j] == part:
                        self.barred[j] = 0
            self.floor = floor
            return
        if self.split.loose >= 0 and part < MOST_PARTS:
            split = self.split
            chosen = &self.candidates[split.candidate]
            self.floor = self.lower_bound()
            for second in range(2):
                # First only what was chosen, of its home in its stage; then all but it.
                for j in range(self.first, self.discount_count):
                    candidate = &self.candidates[j]
                    if (
                        self.barred[j] or candidate.plan.stage != chosen.plan.stage
                        or not (j == split.candidate or (chosen.home >= 0 and candidate.home == chosen.home))
                    ):
                        continue
                    if split.force >= 0:
                        alike = j == split.force
                    else:
                        alike = candidate.plan.predicate == chosen.plan.predicate
                    if alike == second:
                        self.barred[j] = part
                if split.force >= 0 and not second:
                    self.forced[split.force] = 1
                    self.all_forced[self.forced_count] = split.force
                    self.forced_count += 1
                self.pending += not second
                self.solve_part(-1 if second else split.force)
                self.pending -= not second
                if split.force >= 0 and not second:
                    self.forced[split.force] = 0
                    self.pull[split.force] = -1
                    self.forced_count -= 1
                for j in range(self.first, self.discount_count):
                    if self.barred[j] == part:
                        self.barred[j] = 0
            self.floor = floor
            return
        self.part_limit = self.nodes + (self.node_limit - self.nodes) // (self.pending + 1)
        if self.forced_count > 0:
            self.floor = self.lower_bound()
            self.eased = True
            self.price_bound(self.first)
        at = self.first
        while at >= 0:
            at = self.descend_to(at, self.discount_count)
            if at == self.discount_count:
                self.arrive()
            at = self.backtrack(at)
        self.floor = floor
        self.eased = False

    cdef bint large_is_loose(self) noexcept nogil:
        """See twin._Search._large_is_loose."""
        cdef int64_t gap
        if self.wide >= 0 or not self.found:
            return False
        gap = (self.best_payable - self.lower_bound()) << self.shift
        return 0 < gap < self.loose * LOOSE

    cdef void leave_open(self) noexcept nogil:
        cdef int64_t bound = self.lower_bound()
        if not self.cut_off or bound < self.lowest_open:
            self.lowest_open = bound
        self.cut_off = True

    cdef inline void enter_stage(self, int32_t i) noexcept nogil:
        self.pass_stages(self.candidates[i - 1].plan.stage if i > 0 else 0, self.candidates[i].plan.stage)

    cdef int32_t descend_to(self, int32_t i, int32_t end) noexcept nogil:
        """Goes through turns from i on; how far it came: to the end, or where the branch ends."""
        cdef Candidate* candidate
        while i < end:
            candidate = &self.candidates[i]
            if candidate.first_of_stage and not (self.splitting and i == self.first):
                self.enter_stage(i)
                if candidate.in_best_stage and (i == self.first or not self.plain):
                    self.make_bound(i)
                    if not (self.plain or self.diving or self.minimal):
                        self.nodes += BOUND_NODES
                    if self.impossible:
                        break
            if not self.take_turn(i, candidate):
                break
            i += 1
        return i

    cdef bint take_turn(self, int32_t i, const Candidate* candidate) noexcept nogil:
        cdef bint forced = self.forced[i] != 0 or i == self.wide
        cdef bint must = forced or candidate.plan.mandatory or not candidate.in_best_stage
        cdef int64_t amount, shortfall, known_discount = -1
        cdef const Most* most
        cdef int reason
        if candidate.in_best_stage:
            if not self.diving and (self.hopeless(i) or self.broken(i)):
                return False
            if not self.minimal and not self.diving:
                if self.nodes >= self.part_limit:
                    self.leave_open()
                    return False
                self.nodes += 1
            most = self.most + <size_t>candidate.level * self.candidate_count + i
            if not must and (
                self.minimal or most.most == 0 or self.barred[i]
                or (self.constrained and candidate.reserved) or self.excluded(candidate)
            ):
                self.step(i, False, 0, False)
                return True
            known_discount = most.discount
        reason = self.turn(candidate, known_discount, &amount, &shortfall)
        if reason != APPLIES:
            if forced or (
                candidate.in_best_stage and self.mandatory_displaced(candidate, reason, amount)
            ):
                return False
            self.step(i, False, 0, False)
            return True
        self.find_shares(candidate)
        if must or self.taking_looks_better(i, amount):
            self.step(i, True, amount, not must)
        else:
            self.step(i, False, 0, True)
        return True

    cdef inline bint mandatory_displaced(self, const Candidate* candidate, int reason, int64_t amount) noexcept nogil:
        cdef int32_t k
        if not candidate.plan.mandatory or reason != EXCLUDED or amount == 0:
            return False
        for k in range(candidate.group_count):
            if self.group[self.candidate_groups[candidate.groups + k]] == GROUP_FIXED:
                return False
        return True

    cdef inline void step(self, int32_t i, bint applied, int64_t amount, bint other_way) noexcept nogil:
        self.steps[i].rest_before = self.rest
        self.steps[i].floor_before = self.floor
        self.steps[i].amount = amount
        self.steps[i].applied = applied
        self.steps[i].other_way = other_way
        self.pass_bound(i, applied)
        if applied:
            self.apply(&self.candidates[i], amount)
        if self.candidates[i].level >= 0:
            self.floor = self.lower_bound()

    cdef int32_t backtrack(self, int32_t i) noexcept nogil:
        """Undoes turns before i up to the last with another way to go, and goes it; where to go on, or -1."""
        cdef Candidate* candidate
        cdef Most* most
        cdef int64_t amount, shortfall
        while i > self.first:
            i -= 1
            candidate = &self.candidates[i]
            if self.steps[i].applied:
                self.undo(candidate, self.steps[i].amount)
            self.rest = self.steps[i].rest_before
            self.floor = self.steps[i].floor_before
            if candidate.level >= 0 and candidate.home >= 0:
                most = self.most + <size_t>candidate.level * self.candidate_count + i
                self.of_group[<size_t>candidate.level * self.local_group_count + candidate.home] = (
                    most_of_two(most.net, most.later)
                )
            if self.steps[i].other_way:
                if self.steps[i].applied:
                    self.step(i, False, 0, False)
                else:
                    most = self.most + <size_t>candidate.level * self.candidate_count + i
                    self.turn(candidate, most.discount, &amount, &shortfall)
                    self.find_shares(candidate)
                    self.step(i, True, amount, False)
                return i + 1
        return -1

    cdef bint arrive(self) noexcept nogil:
        """Keeps the combination if it is the best so far; whether it is."""
        cdef int32_t i, count
        if self.found:
            if self.payable > self.best_payable:
                return False
            count = self.sort_expiries()
            if self.payable == self.best_payable and self.tie_lost(count, self.ids):
                return False
        if self.constrained and self.needs_beside and not self.beside_met():
            return False
        count = self.sort_expiries()
        self.found = True
        self.best_payable = self.payable
        self.best_expiry_count = count
        memcpy(self.best_expiries, self.sorted_expiries, count * sizeof(int64_t))
        memcpy(self.best_ids, self.ids, self.words * sizeof(uint64_t))
        for i in range(self.discount_count):
            self.taken[i] = self.steps[i].applied
        return True

    # Beside the discounts: multipliers, covers

    cdef void choose_beside(self) noexcept nogil:
        """See twin._choose_beside. Takes groups, quotas and benefits; `release_beside` gives them back."""
        cdef int32_t asset, i, winner
        cdef Candidate* candidate
        cdef Campaign* best
        for asset in range(self.asset_count):
            winner = -1
            for i in range(self.discount_count, self.candidate_count):
                candidate = &self.candidates[i]
                if candidate.plan.effect != MULTIPLIER or candidate.plan.b != asset:
                    continue
                self.beside_reason[i] = self.why_not_beside(candidate)
                if self.beside_reason[i] != APPLIES:
                    continue
                self.beside_reason[i] = NOT_BEST
                if winner < 0:
                    winner = i
                    continue
                best = self.candidates[winner].plan
                if candidate.plan.a > best.a or (
                    candidate.plan.a == best.a and candidate.plan.rank < best.rank
                ):
                    winner = i
            self.chosen[asset] = winner
            if winner >= 0:
                self.take_beside(winner)
        for i in range(self.discount_count, self.candidate_count):
            candidate = &self.candidates[i]
            if candidate.plan.effect == COVER:
                self.beside_reason[i] = self.why_not_beside(candidate)
                if self.beside_reason[i] == APPLIES:
                    self.take_beside(i)

    cdef inline int why_not_beside(self, const Candidate* candidate) noexcept nogil:
        cdef int used_up = self.used_up(candidate.plan)
        if used_up != 0:
            return used_up
        return EXCLUDED if self.excluded(candidate) else APPLIES

    cdef void take_beside(self, int32_t i) noexcept nogil:
        cdef Candidate* candidate = &self.candidates[i]
        cdef int32_t k
        self.beside_reason[i] = APPLIES
        for k in range(candidate.group_count):
            self.group[self.candidate_groups[candidate.groups + k]] = GROUP_FIXED
        self.take_use(candidate.plan, 1)

    cdef void release_beside(self) noexcept nogil:
        cdef int32_t i, k
        cdef Candidate* candidate
        for i in range(self.discount_count, self.candidate_count):
            if self.beside_reason[i] == APPLIES:
                candidate = &self.candidates[i]
                for k in range(candidate.group_count):
                    self.group[self.candidate_groups[candidate.groups + k]] = GROUP_FREE
                self.take_use(candidate.plan, -1)

    cdef bint beside_met(self) noexcept nogil:
        cdef int32_t i
        cdef bint met = True
        self.choose_beside()
        for i in range(self.discount_count, self.candidate_count):
            if self.candidates[i].required and self.beside_reason[i] != APPLIES:
                met = False
        self.release_beside()
        return met

    # The edge

    def matches(self, Facts facts not None, predicate):
        """The lines on which a predicate is true."""
        cdef int32_t index, k
        self._read_facts(facts)
        if not 0 <= predicate < self.predicate_count:
            raise ValueError(f"predicate {predicate} is unknown")
        index = predicate
        self._find_scope(index)
        return [self.scope_lines[self.scope_of[index].first + k] for k in range(self.scope_of[index].count)]

    def decide(self, Facts facts not None, node_budget, bint explain):
        """The best combination of campaigns for a request."""
        cdef int64_t budget = min(node_budget, 2**62), nodes = 0, gap = 0
        cdef bytes standing = facts.standing
        cdef bint proven = True, has_required = len(facts.required) > 0, able = True
        cdef int32_t i
        self._read_facts(facts)
        self._screen_all(<const uint8_t*><const char*>standing, facts.remaining, explain, explain or has_required)
        self._list_candidates()
        if has_required:
            for i in range(self.campaign_count):
                able = able and not (self.required[i] and self.screened[i] != 0)
            if able:
                self._mark_required()
                self.search(budget, True)
                nodes = self.nodes
                if self.found:
                    return self._settle(explain, nodes)
                if self.cut_off:
                    proven = False
                    for i in range(self.line_count):
                        gap += self.listed[i]
                    gap = positive(gap - self.lowest_open)
        self.search(budget, False)
        decision = self._settle(explain or has_required, nodes + self.nodes)
        if has_required:
            met = {index for index, _ in decision.applied}
            met.update(decision.multipliers)
            if not met.issuperset(facts.required):
                return self._refuse(facts, decision, proven, gap)
            if not explain:
                decision.not_applied = []
        return decision

    cdef _refuse(self, facts, unbound, bint proven, int64_t gap):
        cdef list why = []
        for index, reason, shortfall in unbound.not_applied:
            if self.required[<int>index]:
                why.append((index, EXCLUDED if reason == NOT_BEST else reason, shortfall))
        return Decision(
            False, [], list(facts.amounts), [-1] * self.asset_count, why, proven, gap, unbound.nodes
        )

    cdef _settle(self, bint explain, int64_t nodes):
        """Takes the turns of the best combination once more, and writes down what happens."""
        cdef int32_t i, k, stage = 0
        cdef int64_t amount, shortfall, gap = 0
        cdef int reason
        cdef int64_t* shares
        cdef Candidate* candidate
        cdef list applied = [], not_applied = [], of_campaign, multipliers
        self.clear_branch()
        for i in range(self.discount_count):
            candidate = &self.candidates[i]
            self.pass_stages(stage, candidate.plan.stage)
            stage = candidate.plan.stage
            if not self.taken[i]:
                if explain:
                    reason = self.turn(candidate, -1, &amount, &shortfall)
                    not_applied.append((candidate.index, NOT_BEST if reason == APPLIES else reason, shortfall))
                continue
            self.turn(candidate, -1, &amount, &shortfall)
            self.find_shares(candidate)
            self.apply(candidate, amount)
            shares = self.shares + candidate.shares
            of_campaign = []
            for k in range(candidate.count):
                if shares[k] > 0:
                    of_campaign.append((self.scope_lines[candidate.scope + k], shares[k]))
            applied.append((candidate.index, of_campaign))
        self.choose_beside()
        for i in range(self.discount_count, self.candidate_count):
            if self.candidates[i].plan.effect == COVER and self.beside_reason[i] == APPLIES:
                applied.append((self.candidates[i].index, []))
        multipliers = [-1 if self.chosen[k] < 0 else self.candidates[self.chosen[k]].index
                       for k in range(self.asset_count)]
        if explain:
            for i in range(self.discount_count, self.candidate_count):
                if self.beside_reason[i] != APPLIES:
                    not_applied.append((self.candidates[i].index, self.beside_reason[i], 0))
            for i in range(self.campaign_count):
                if self.screened[i] != 0:
                    not_applied.append((i, self.screened[i], 0))
            not_applied.sort()
        if self.cut_off:
            gap = positive(self.best_payable - self.lowest_open)
        amounts = [self.amounts[k] for k in range(self.line_count)]
        return Decision(True, applied, amounts, multipliers, not_applied, not self.cut_off, gap, nodes)


def allocate(total, list weights, list capacities):
    """See twin.allocate."""
    cdef Arena arena = Arena(NULL, 0, 0)
    cdef int32_t i, count = <int32_t>len(weights)
    cdef int64_t whole, weight_sum = 0, capacity_sum = 0
    cdef int64_t* weight_of
    cdef int64_t* capacity_of
    cdef int64_t* shares
    cdef int64_t* wanted
    cdef int32_t* open_lines
    cdef int64_t* remainders
    cdef int64_t* ordered
    if count != len(capacities):
        raise ValueError(f"{count} weights for {len(capacities)} capacities")
    if total < 0:
        raise ValueError("total, weights and capacities must not be negative")
    whole = min(total, 2**63 - 1)
    reserve(&arena, 16 * 7 + count * (6 * sizeof(int64_t) + sizeof(int32_t)) + 1)
    try:
        weight_of = <int64_t*>carve(&arena, count * sizeof(int64_t))
        capacity_of = <int64_t*>carve(&arena, count * sizeof(int64_t))
        shares = <int64_t*>carve(&arena, count * sizeof(int64_t))
        wanted = <int64_t*>carve(&arena, count * sizeof(int64_t))
        open_lines = <int32_t*>carve(&arena, count * sizeof(int32_t))
        remainders = <int64_t*>carve(&arena, count * sizeof(int64_t))
        ordered = <int64_t*>carve(&arena, count * sizeof(int64_t))
        for i in range(count):
            weight_of[i] = weights[i]
            capacity_of[i] = capacities[i]
            if weight_of[i] < 0 or capacity_of[i] < 0:
                raise ValueError("total, weights and capacities must not be negative")
            if rights_add(weight_sum, weight_of[i], &weight_sum) or rights_add(
                capacity_sum, capacity_of[i], &capacity_sum
            ):
                raise OverflowError
        share_out(whole, weight_of, capacity_of, count, shares, open_lines, wanted, remainders, ordered)
        return [shares[i] for i in range(count)]
    except OverflowError as error:
        raise ValueError("the sums of weights and of capacities must fit an int64") from error
    finally:
        free(arena.block)
