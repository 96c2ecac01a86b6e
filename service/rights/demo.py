"""One checkout through the public client, over a real socket, with readable receipts.

quote -> reserve -> confirm, and again (replay) -> same key, other cart (refused) -> refund -> reverse
"""

import asyncio
import signal
import time

from rich.console import Console

from rights import programs, rulebook_yaml
from rights.client import RightsClient, RightsError
from rights.printing import instant, money, print_receipt, print_refund, print_wallet
from rights.settings import Settings
from rights.supervisor import serving
from rights.v1 import common_pb2 as common
from rights.v1 import member_pb2 as member
from rights.v1 import rulebook_pb2 as rulebook
from rights.v1 import settlement_pb2 as settlement

MEMBER = common.MemberRef(member_id="li-lei")
POINTS = 5_000

console = Console(width=100, highlight=False)


class DemoError(Exception):
    """The service answered something else than the demo expects."""


def run(settings: Settings, stay: bool) -> None:
    """Starts the service on the configured database and plays the checkout; with `stay`, serves until Ctrl-C.

    Raises DemoError, SupervisorError or RightsError when something is not as it should be.
    """
    asyncio.run(_run(settings, stay))


async def _run(settings: Settings, stay: bool) -> None:
    async with serving(settings) as service:
        async with RightsClient(service.address) as rights:
            version = await _put_in_force(rights)
            console.print(
                f"Service on [bold]{service.address}[/], rulebook double11 in force as version {version}.\n"
            )
            await play(rights)
        if stay:
            _tell_how_to_call(service.address, service.metrics_address)
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            await stop.wait()


async def _put_in_force(rights: RightsClient) -> int:
    """Publishes the Double-11 rulebook that comes with the service, and activates it."""
    book, mistakes = rulebook_yaml.load(programs.rulebook("double11"))
    if book is None or mistakes:
        raise DemoError("\n".join(str(mistake) for mistake in mistakes))
    published = await rights.publish(rulebook.PublishRequest(rulebook=book))
    await rights.activate(rulebook.ActivateRequest(version=published.version))
    return published.version


async def play(rights: RightsClient) -> None:
    """The checkout of one member."""
    run_id = f"{time.time_ns():x}"  # a demo on a database that has seen others
    await _prepare_member(rights, run_id)
    cart = settlement.Cart(
        currency="CNY",
        lines=[
            settlement.Line(
                sku_id="down-jacket", unit_price_minor=59_900, quantity=1, merchant_id="uniqlo", category_id="apparel"
            ),
            settlement.Line(
                sku_id="olive-oil", unit_price_minor=8_850, quantity=2, merchant_id="tmall-supermarket",
                category_id="food",
            ),
        ],
    )  # fmt: skip
    spends = [settlement.Spend(asset="points", maximum=True)]

    console.rule("[bold]1 Quote[/]: what the checkout page shows", align="left")
    quote = await rights.quote(settlement.QuoteRequest(member=MEMBER, cart=cart, spends=spends))
    print_receipt(console, _receipt(quote), cart.lines)

    console.rule("[bold]2 Reserve[/] with the quote's token: held while the member pays", align="left")
    request = settlement.ReserveRequest(
        idempotency_key=f"demo-{run_id}",
        order_id=f"order-{run_id}",
        member=MEMBER,
        cart=cart,
        spends=spends,
        quote_token=quote.quote_token,
    )
    reservation = (await rights.reserve(request)).reservation
    _check(
        reservation.receipt.payable_minor == quote.receipt.payable_minor,
        "the reserved price is the quoted one",
    )
    console.print(f"reservation {reservation.reservation_id}, held until {instant(reservation.expire_time)}")
    await _print_wallet(rights)

    console.rule("[bold]3 Confirm[/]: settled once, durably", align="left")
    confirmation = settlement.ConfirmRequest(
        idempotency_key=f"demo-confirm-{run_id}", reservation_id=reservation.reservation_id
    )
    first = await rights.confirm(confirmation)
    receipt = _receipt(first)
    console.print(
        f"settlement {receipt.settlement_id} of {receipt.order_id}: pays {_yuan(receipt.payable_minor)}"
    )
    for grant in receipt.grants:
        console.print(f"grants {grant.coupon.template_id}, valid from {instant(grant.coupon.start_time)}")
    again = await rights.confirm(confirmation)
    _check(again.SerializeToString() == first.SerializeToString(), "the replay is the first answer")
    console.print("sent again, as a retry: the same answer, byte for byte; nothing was booked twice\n")

    console.rule("[bold]4 The same key with another cart[/]", align="left")
    altered = settlement.ReserveRequest()
    altered.CopyFrom(request)
    altered.cart.lines[0].quantity = 2
    try:
        await rights.reserve(altered)
    except RightsError as error:
        _check(error.reason == "IDEMPOTENCY_KEY_REUSED", f"the reason is {error.reason}")
        console.print(f"refused: {error}\n")
    else:
        raise DemoError("an altered request under a used key was executed")

    console.rule("[bold]5 Refund[/] of one bottle of oil", align="left")
    part = await rights.refund(
        settlement.RefundRequest(
            idempotency_key=f"demo-refund-{run_id}",
            settlement_id=receipt.settlement_id,
            lines=[settlement.ReturnedLine(line_index=1, quantity=1)],
        )
    )
    _check(part.HasField("refund"), f"refunded, not {part.rejection.message}")
    print_refund(console, part.refund)
    console.print()

    console.rule("[bold]6 Reverse[/]: all that is left", align="left")
    answer = await rights.reverse(
        settlement.ReverseRequest(
            idempotency_key=f"demo-reverse-{run_id}", settlement_id=receipt.settlement_id
        )
    )
    _check(answer.HasField("reversal"), f"reversed, not {answer.rejection.message}")
    print_refund(console, answer.reversal.refund)
    back = part.refund.refunded_minor + answer.reversal.refund.refunded_minor
    _check(back == receipt.payable_minor, f"{receipt.payable_minor} came back, not {back}")
    console.print(f"in all {_yuan(back)}, what was paid")
    await _print_wallet(rights)


async def _prepare_member(rights: RightsClient, run_id: str) -> None:
    """A V3 member who holds an 88VIP subscription, points and three coupons."""
    await rights.upsert_member(
        member.UpsertMemberRequest(member=member.Member(member_id="li-lei", tier=3, tags=["88vip"]))
    )
    await rights.credit_asset(
        member.CreditAssetRequest(
            idempotency_key=f"demo-points-{run_id}", member=MEMBER, asset="points", amount=POINTS, note="demo"
        )
    )
    for template in ("apparel-15-off", "beauty-20-off", "red-packet-15"):
        await rights.grant_coupon(
            member.GrantCouponRequest(
                idempotency_key=f"demo-{template}-{run_id}", member=MEMBER, template_id=template
            )
        )
    await _print_wallet(rights)


def _receipt(answer: settlement.QuoteResponse | settlement.ConfirmResponse) -> settlement.Receipt:
    _check(answer.HasField("receipt"), f"a receipt, not {answer.rejection.message}")
    return answer.receipt


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise DemoError(f"expected: {what}")


def _yuan(minor: int) -> str:
    return money(minor, "CNY")


async def _print_wallet(rights: RightsClient) -> None:
    print_wallet(console, await rights.get_wallet(member.GetWalletRequest(member=MEMBER)))


def _tell_how_to_call(address: str, metrics_address: str | None) -> None:
    console.rule("[bold]Serving[/] until Ctrl-C", align="left")
    console.print(f"gRPC      {address} (plaintext; every call is the development caller of tenant demo)")
    if metrics_address:
        console.print(f"metrics   {metrics_address}")
    console.print(
        "\nCall it:\n"
        f"  .venv/bin/rights --help                                  wallet, settlement, rulebook commands\n"
        f"  .venv/bin/rights wallet show li-lei --address {address}\n"
        f"  grpcurl -plaintext {address} list                  any gRPC client; reflection is on\n"
        f"  .venv/bin/buf curl --schema proto --protocol grpc --http2-prior-knowledge \\\n"
        f'    -d \'{{"member": {{"member_id": "li-lei"}}}}\' http://{address}/rights.v1.MemberService/GetWallet\n',
        soft_wrap=True,  # lines to copy
    )
