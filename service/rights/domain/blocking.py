"""Which campaigns are closed to one order, whatever the cart."""

from rights.domain.book import Book
from rights.domain.model import Order
from rights.domain.plan import Reason
from rights.domain.wallet import Wallet


def blocked(order: Order, wallet: Wallet, book: Book, now_ms: int) -> dict[int, int]:
    """Campaign index -> Reason: those that the member may not use again, and those that the order forbids."""
    found: dict[int, int] = {}
    for counter, uses in wallet.counters.items():
        campaign = book.by_id.get(counter.partition("|")[0])
        if (
            campaign is not None
            and campaign.period >= 0
            and uses >= campaign.max_uses
            and counter == book.counter(campaign.id, campaign.period, now_ms)
        ):
            found[campaign.index] = Reason.MEMBER_LIMIT_REACHED
    for campaign_id in order.forbidden_campaigns:
        if campaign_id in book.by_id:
            found[book.by_id[campaign_id].index] = Reason.FORBIDDEN
    return found
