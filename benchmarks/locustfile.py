"""A load of checkouts for Locust: many members, realistic carts, over gRPC.

    locust -f benchmarks/locustfile.py --host 127.0.0.1:50051          # web page on http://localhost:8089
    locust -f benchmarks/locustfile.py --headless -u 50 -r 50 -t 30s --html report.html --host 127.0.0.1:50051
    locust -f benchmarks/locustfile.py --processes 2 ...               # a process per core of the machine with the load
    locust -f benchmarks/locustfile.py ... SettleHeavyCheckout         # one kind of users alone

Two kinds of checkouts, as many of each unless one is named: QuoteHeavyCheckout mostly shows prices,
SettleHeavyCheckout mostly settles. benchmarks/midnight.py has the shape of a Double 11 midnight for them.

The service needs the Double 11 rulebook (or one with its shops, coupons and points) in force:

    rights rulebook publish service/rights/programs/double11.yaml --activate

Where callers must show a token, RIGHTS_TOKEN holds one with the roles checkout and operator; a host of
https://NAME:PORT is called over TLS. With --processes or --master, the members are prepared once.

Each RPC is one line of the report. A business rejection is an answer, not a failure: it has a line of its
own, "Settle (rejected)". Failures are errors of the call and wrong answers: a replay that differs from the
first answer, a quoted price that is not kept.
"""

import argparse
import hashlib
import itertools
import logging
import os
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent.pool
import grpc
import grpc.experimental.gevent as grpc_gevent
from bounds import amount_or_zero, count
from google.protobuf.message import Message
from locust import User, constant_pacing, events
from locust.exception import StopTest
from locust.runners import WorkerRunner

from rights.v1 import common_pb2, member_pb2, settlement_pb2
from rights.v1.member_pb2_grpc import MemberServiceStub
from rights.v1.settlement_pb2_grpc import SettlementServiceStub

grpc_gevent.init_gevent()  # gRPC's own threads must not block the greenlets of the users

CALL_TIMEOUT_SECONDS = 10
PREPARE_CONCURRENCY = 64
# Of a user whose call has failed: nobody knocks thousands of times a second at a closed door.
FAILED_PAUSE_SECONDS = 1
POINTS_PER_MEMBER = 50_000
TEMPLATES = ("sea-breeze-400-380", "beauty-20-off", "apparel-15-off", "red-packet-15")

# What is sold: sku, merchant, category, brand, lowest and highest price in minor units.
CATALOGUE = (
    ("phone-x200", "vivid-store", "phones", "vivid", 349_900, 349_900),
    ("earbuds-air", "vivid-store", "audio", "vivid", 19_900, 29_900),
    ("vacuum-v11", "dyson-store", "appliances", "dyson", 249_000, 329_000),
    ("fridge-450", "haier-store", "appliances", "haier", 299_900, 459_900),
    ("serum-50", "beauty-hall", "beauty", "estee-lauder", 59_000, 88_000),
    ("lipstick-01", "beauty-hall", "beauty", "rouge", 9_900, 32_000),
    ("mask-10", "beauty-hall", "beauty", "hydra", 4_900, 15_900),
    ("dress-summer", "sea-breeze", "apparel", "sea-breeze", 15_900, 69_900),
    ("shirt-linen", "sea-breeze", "apparel", "sea-breeze", 9_900, 29_900),
    ("sandals", "sea-breeze", "shoes", "sea-breeze", 12_900, 39_900),
    ("runner-7", "nike-store", "shoes", "nike", 49_900, 109_900),
    ("hoodie", "nike-store", "apparel", "nike", 29_900, 59_900),
    ("rice-10kg", "tmall-supermarket", "food", "north-farm", 5_990, 9_990),
    ("milk-24", "tmall-supermarket", "food", "meadow", 4_990, 7_990),
    ("tissues-30", "tmall-supermarket", "household", "soft", 2_990, 5_990),
    ("detergent", "tmall-supermarket", "household", "clear", 1_990, 6_990),
    ("gift-card-100", "card-shop", "gift-card", "", 10_000, 10_000),
)
# Most carts are small: weights of 1 to 8 lines.
LINES, LINE_WEIGHTS = tuple(range(1, 9)), (30, 24, 16, 11, 8, 5, 4, 2)


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    parser.add_argument("--members", type=count, default=500, help="Members who shop. Default 500.")
    parser.add_argument(
        "--rate-per-user",
        type=amount_or_zero,
        default=0,
        help="Tasks a second of one user; 0, the default: the next as soon as the last is answered.",
    )
    parser.add_argument(
        "--connections",
        type=count,
        default=16,
        help="Connections of one Locust process, spread over the workers of the service. Default 16.",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--ca-file",
        type=_readable,
        env_var="RIGHTS_CA_FILE",
        default="",
        help="PEM certificates that sign the service's, for https hosts. Default: the system's.",
        include_in_web_ui=False,
    )


def _readable(path: str) -> str:
    if path and not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"{path} cannot be read")
    return path


log = logging.getLogger("rights.load")


class CallError(Exception):
    """What Locust's report shows of a failed call: calls that fail alike make one line."""


class Service:
    """Connections to the service, and how a call is reported."""

    def __init__(self, environment: Any, connections: int) -> None:
        host = (environment.host or "").rstrip("/")
        if not host:
            raise StopTest("no service to call: give --host 127.0.0.1:50051, or a host on the web page")
        secure = host.startswith("https://")
        address = host.partition("://")[2] or host
        token = os.environ.get("RIGHTS_TOKEN")
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._events = environment.events
        self._channels = []
        for _ in range(connections):
            # A connection each: channels to one address would share one otherwise.
            settings = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
            if secure:
                credentials = grpc.ssl_channel_credentials(environment.rights_roots)
                channel = grpc.secure_channel(address, credentials, settings)
            else:
                channel = grpc.insecure_channel(address, settings)
            self._channels.append(channel)
        turns = itertools.cycle([(SettlementServiceStub(c), MemberServiceStub(c)) for c in self._channels])
        self._turns: Iterator[tuple[SettlementServiceStub, MemberServiceStub]] = turns

    def stubs(self) -> tuple[SettlementServiceStub, MemberServiceStub]:
        """Stubs on the connection whose turn it is."""
        return next(self._turns)

    def plain(self, method: Callable[..., Message], request: Message) -> Any:
        """A call that is not reported; raises grpc.RpcError."""
        return method(request, timeout=CALL_TIMEOUT_SECONDS, metadata=self._metadata)

    def call(
        self,
        name: str,
        method: Callable[..., Message],
        request: Message,
        wrong: Callable[[Any], str] = lambda _: "",
    ) -> Any:
        """A reported call; None if it failed. `wrong` says what is wrong with the answer, "" for nothing."""
        response: Any = None
        failure: Exception | None = None
        began = time.perf_counter()
        try:
            response = self.plain(method, request)
        except grpc.RpcError as error:
            failure = CallError(f"{error.code().name}: {error.details()}")
        seconds = time.perf_counter() - began
        if response is not None:
            if _rejected(response):
                name += " (rejected)"
            if complaint := wrong(response):
                failure = CallError(complaint)
        self._events.request.fire(
            request_type="grpc",
            name=name,
            response_time=seconds * 1000,
            response_length=response.ByteSize() if response is not None else 0,
            response=response,
            context={},
            exception=failure,
        )
        if response is None:
            time.sleep(FAILED_PAUSE_SECONDS)
        return response if failure is None else None

    def close(self) -> None:
        for channel in self._channels:
            channel.close()


def _rejected(response: Any) -> bool:
    return "outcome" in response.DESCRIPTOR.oneofs_by_name and response.WhichOneof("outcome") == "rejection"


def member_id(number: int) -> str:
    """The id of a prepared member."""
    return f"locust-{number:06}"


@events.init.add_listener
def _keep_own(environment: Any, **_: Any) -> None:
    """What is this process's own: at the start of a test the options of the master, on its machine, replace all."""
    options = environment.parsed_options
    environment.rights_connections = options.connections
    environment.rights_roots = Path(options.ca_file).read_bytes() if options.ca_file else None


@events.init.add_listener
def _prepare_first(environment: Any, **_: Any) -> None:
    """Without the web page the run's time begins at the start of the test: the members are made before."""
    if not environment.parsed_options.headless or isinstance(environment.runner, WorkerRunner):
        return
    try:
        _prepare(environment)
    except StopTest as reason:
        log.error("%s", reason)
        raise SystemExit(2) from None


@events.test_start.add_listener
def _connect(environment: Any, **_: Any) -> None:
    options = environment.parsed_options
    # The page can be told another host and another number of members for each test.
    if not options.headless and not isinstance(environment.runner, WorkerRunner):
        _prepare(environment)
    environment.rights = Service(environment, environment.rights_connections)


@events.test_stop.add_listener
def _disconnect(environment: Any, **_: Any) -> None:
    service = vars(environment).pop("rights", None)  # there is none where it could not start
    if service is not None:
        service.close()


def _prepare(environment: Any) -> None:
    """Makes members with points and coupons, through the public API. Of many processes the master does.

    Raises StopTest where they cannot be made.
    """
    members = max(1, environment.parsed_options.members)
    run = uuid.uuid4().hex[:12]  # each run credits and grants anew
    began = time.monotonic()
    service = Service(environment, 4)
    log.info("preparing %d members at %s", members, environment.host)
    pool = gevent.pool.Pool(PREPARE_CONCURRENCY)
    step = max(1, members // 5)
    try:
        results = pool.imap_unordered(lambda number: _prepare_member(service, number, run), range(members))
        for done, error in enumerate(results, 1):
            if error is not None:
                pool.kill()
                raise StopTest(
                    f"members cannot be prepared: {error}; is the service at {environment.host}, with the rulebook "
                    "service/rights/programs/double11.yaml in force, and if it asks for tokens, has RIGHTS_TOKEN the "
                    "roles checkout and operator?"
                )
            if done % step == 0:
                log.info("prepared %d of %d members, %.1f s", done, members, time.monotonic() - began)
    finally:
        service.close()


def _prepare_member(service: Service, number: int, run: str) -> str | None:
    """What went wrong, if anything: an exception would be told by each greenlet on its own."""
    try:
        _equip(service, number, run)
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    return None


def _equip(service: Service, number: int, run: str) -> None:
    _, stub = service.stubs()
    chance = random.Random(number)
    tags = ["88vip"] if chance.random() < 0.3 else []
    member = member_pb2.Member(member_id=member_id(number), tier=chance.randrange(7), tags=tags)
    service.plain(stub.UpsertMember, member_pb2.UpsertMemberRequest(member=member))
    reference = common_pb2.MemberRef(member_id=member.member_id)
    service.plain(
        stub.CreditAsset,
        member_pb2.CreditAssetRequest(
            idempotency_key=f"{run}-points-{number}",
            member=reference,
            asset="points",
            amount=POINTS_PER_MEMBER,
        ),
    )
    for template in TEMPLATES:
        service.plain(
            stub.GrantCoupon,
            member_pb2.GrantCouponRequest(
                idempotency_key=f"{run}-{template}-{number}", member=reference, template_id=template
            ),
        )


class Checkout(User):
    """What checkouts do; kinds of them differ in how often they do what."""

    abstract = True

    def on_start(self) -> None:
        options = self.environment.parsed_options
        self.settlements, self.wallets = self.environment.rights.stubs()
        self.call = self.environment.rights.call
        self.random = random.Random()
        # The last requests with their answers, to be sent again; settlements that may be reversed.
        self.answered: deque[tuple[settlement_pb2.SettleRequest, bytes]] = deque(maxlen=20)
        self.reversible: deque[str] = deque(maxlen=20)
        rate = options.rate_per_user
        self._pause = constant_pacing(1 / rate) if rate > 0 else lambda _: 0

    def wait_time(self) -> float:
        return self._pause(self)

    def settle(self) -> None:
        self._settle("Settle", self._order())

    def quote(self) -> None:
        """A member looks at the price, changes the cart, looks again."""
        order = self._order()
        self._quote(order)

    def quote_and_settle(self) -> None:
        """The price that was shown is paid."""
        order = self._order()
        quote = self._quote(order)
        if quote is None or not quote.quote_token:
            return
        order.quote_token = quote.quote_token
        self._settle("Settle (quoted)", order, quote.receipt.payable_minor)

    def settle_again(self) -> None:
        """A retry: the caller did not hear the first answer."""
        if not self.answered:
            return self.settle()
        request, first = self.random.choice(self.answered)
        self._replay(request, first)
        return None

    def wallet(self) -> None:
        request = member_pb2.GetWalletRequest(member=self._member())
        self.call("GetWallet", self.wallets.GetWallet, request)

    def reverse(self) -> None:
        """The order is cancelled: coupons, points and budgets go back."""
        if not self.reversible:
            return self.settle()
        settlement = self.reversible.popleft()
        self.call(
            "Reverse",
            self.settlements.Reverse,
            settlement_pb2.ReverseRequest(idempotency_key=_new_id(), settlement_id=settlement),
        )
        return None

    def _quote(self, order: settlement_pb2.SettleRequest) -> Any:
        request = settlement_pb2.QuoteRequest(
            member=order.member, cart=order.cart, spends=order.spends, channel=order.channel
        )
        return self.call("Quote", self.settlements.Quote, request)

    def _settle(
        self, name: str, request: settlement_pb2.SettleRequest, quoted_minor: int | None = None
    ) -> None:
        def wrong(response: settlement_pb2.SettleResponse) -> str:
            receipt = response.receipt
            if not response.HasField("receipt"):
                return ""
            if receipt.payable_minor != receipt.list_minor - receipt.discount_minor - receipt.redeemed_minor:
                return "the receipt does not add up"
            if quoted_minor is not None and receipt.payable_minor != quoted_minor:
                return "settled at another price than quoted"
            return ""

        response = self.call(name, self.settlements.Settle, request, wrong)
        if response is None:
            return
        self.answered.append((request, _fingerprint(response)))
        if response.HasField("receipt"):
            self.reversible.append(response.receipt.settlement_id)

    def _replay(self, request: settlement_pb2.SettleRequest, first: bytes) -> None:
        self.call(
            "Settle (replay)",
            self.settlements.Settle,
            request,
            lambda response: "" if _fingerprint(response) == first else "the replay differs",
        )

    def _member(self) -> common_pb2.MemberRef:
        members = max(1, self.environment.parsed_options.members)
        return common_pb2.MemberRef(member_id=member_id(self.random.randrange(members)))

    def _cart(self) -> settlement_pb2.Cart:
        count = self.random.choices(LINES, LINE_WEIGHTS)[0]
        lines = []
        for sku, merchant, category, brand, low, high in self.random.sample(CATALOGUE, count):
            lines.append(
                settlement_pb2.Line(
                    sku_id=sku,
                    merchant_id=merchant,
                    category_id=category,
                    brand_id=brand,
                    unit_price_minor=self.random.randrange(low, high + 1, 100),
                    quantity=self.random.choices((1, 2, 3, 5), (80, 13, 5, 2))[0],
                )
            )
        return settlement_pb2.Cart(currency="CNY", lines=lines)

    def _spends(self) -> list[settlement_pb2.Spend]:
        if self.random.random() < 0.2:
            return [settlement_pb2.Spend(asset="points", maximum=True)]
        return []

    def _order(self) -> settlement_pb2.SettleRequest:
        return settlement_pb2.SettleRequest(
            idempotency_key=_new_id(),
            order_id=_new_id(),
            member=self._member(),
            cart=self._cart(),
            spends=self._spends(),
            channel=self.random.choice(("app", "app", "web", "mini-program")),
        )


class QuoteHeavyCheckout(Checkout):
    """Members look for the best price: twelve quotes for an order."""

    tasks = {  # noqa: RUF012  Locust reads it from the class
        Checkout.quote: 70,
        Checkout.wallet: 20,
        Checkout.quote_and_settle: 6,
        Checkout.settle_again: 1,
        Checkout.reverse: 1,
    }


class SettleHeavyCheckout(Checkout):
    """Carts are full: orders, some at a price that was shown, retries, and some that are cancelled."""

    tasks = {  # noqa: RUF012
        Checkout.settle: 60,
        Checkout.quote_and_settle: 15,
        Checkout.settle_again: 10,
        Checkout.wallet: 12,
        Checkout.reverse: 3,
    }


def _new_id() -> str:
    return uuid.uuid4().hex


def _fingerprint(response: Message) -> bytes:
    return hashlib.sha256(response.SerializeToString(deterministic=True)).digest()
