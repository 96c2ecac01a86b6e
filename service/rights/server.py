"""A worker process: puts the parts together, serves, and drains on SIGTERM."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import structlog
import uvloop

from rights import link, metrics
from rights.api.activities import ActivityApi
from rights.api.auth import DEVELOPMENT_CALLER, Authenticator
from rights.api.budgets import BudgetApi
from rights.api.codes import CodeApi
from rights.api.coupons import CouponApi
from rights.api.edge import Edge
from rights.api.events import EventApi
from rights.api.identities import IdentityApi
from rights.api.intake import Intake
from rights.api.lifecycle import LifecycleApi
from rights.api.members import MemberApi, MemberResolver
from rights.api.quotes import QuoteSigner
from rights.api.reports import ReportApi
from rights.api.rulebooks import RulebookApi
from rights.api.segments import SegmentApi
from rights.api.settlement import SettlementApi
from rights.api.settlement_reads import SettlementReadsApi
from rights.api.simulation import SimulationApi
from rights.api.subscriptions import SubscriptionApi
from rights.domain.book import Kernel
from rights.engine import clock
from rights.engine.drafts import Drafts
from rights.engine.ending import Ending
from rights.engine.errands import Errands
from rights.engine.feed import Feed
from rights.engine.horizon import Horizon
from rights.engine.lane import Lanes
from rights.engine.minting import Minting
from rights.engine.registry import Registry
from rights.engine.reports import Reports
from rights.engine.retention import Retention
from rights.engine.sweeper import Sweeper
from rights.engine.transfers import Transfers
from rights.settings import Settings, SettingsError
from rights.store.codes import CodeStore
from rights.store.migrate import missing_revision
from rights.store.operator import Operator
from rights.store.outbox import Outbox
from rights.store.reader import Reader
from rights.store.segments import SegmentStore
from rights.transport.grpcio import GrpcioServer

log = structlog.get_logger(__name__)


def compiled_kernel() -> Kernel:
    """The Cython kernel. No fallback: silently slow is worse than not started."""
    try:
        from rights_native import _kernel
    except ImportError as error:
        raise SettingsError(
            f"the compiled kernel is missing ({error}); build it with `make setup`. "
            "The service does not start on the Python twin"
        ) from error
    return _kernel


class Server(Protocol):
    """What a transport offers."""

    port: int

    async def start(self) -> None:
        """Accepts calls and says SERVING."""

    async def refuse(self) -> None:
        """Says NOT_SERVING; calls are still served."""

    async def stop(self, grace_seconds: float) -> None:
        """Accepts no more calls and waits for those under way."""


def transport(edge: Edge, settings: Settings) -> Server:
    """The transport that is set; grpcio where the native one cannot be had, which is said and can be seen."""
    if settings.transport == "native":
        try:
            from rights_native import _http2

            _http2.load(settings.nghttp2_library)
        except ImportError as error:
            log.error(
                "native_transport_missing", reason=f"{error}; build it with `make setup`", serving="grpcio"
            )
        except _http2.LibraryMissing as error:
            log.error("native_transport_missing", reason=str(error), serving="grpcio")
        else:
            from rights.transport.native import NativeServer

            metrics.TRANSPORT.labels("native").set(1)
            return NativeServer(edge, settings)
    metrics.TRANSPORT.labels("grpcio").set(1)
    return GrpcioServer(edge, settings)


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[Server]:
    """A serving worker; leaving the context drains it: nothing accepted is lost or failed."""
    kernel = compiled_kernel()
    if settings.clock_file is not None:
        _follow(settings.clock_file)
    async with contextlib.AsyncExitStack() as stack:
        reader = await Reader.open(settings)
        stack.push_async_callback(reader.close)
        async with reader.transaction() as connection:
            missing = await missing_revision(connection)
        if missing:
            raise SettingsError(f"the database lacks migration {missing}; run `rights migrate`")
        outbox = await Outbox.open(settings)
        stack.push_async_callback(outbox.close)
        operator = Operator(reader, clock.now_ms)
        if not settings.authenticates:
            await operator.add_tenant(DEVELOPMENT_CALLER.tenant)
        signer = QuoteSigner(await _quote_secret(settings, reader))
        registry = Registry(reader, kernel)
        lanes = Lanes(registry, settings)
        members = MemberResolver(reader)
        intake = Intake(settings, registry, members, signer)
        codes = CodeStore(reader)
        minting = Minting(codes, settings)
        horizon = Horizon(outbox, settings.event_poll_milliseconds / 1000)
        methods = [
            *SettlementApi(settings, registry, lanes, reader, members, signer, intake).methods(),
            *LifecycleApi(registry, lanes, reader, intake).methods(),
            *SettlementReadsApi(reader, members).methods(),
            *SegmentApi(SegmentStore(reader)).methods(),
            *IdentityApi(lanes, reader, operator, members).methods(),
            *ActivityApi(registry, lanes, reader, operator, members).methods(),
            *MemberApi(registry, lanes, reader, operator, members).methods(),
            *CouponApi(settings, lanes, members).methods(),
            *CodeApi(registry, reader, codes, minting).methods(),
            *SubscriptionApi(registry, lanes, reader, members, Ending(registry, reader, settings)).methods(),
            *RulebookApi(registry, reader, operator).methods(),
            *BudgetApi(registry, reader, Transfers(registry, reader)).methods(),
            *EventApi(Feed(outbox, horizon, settings), outbox).methods(),
            *SimulationApi(settings, registry, reader, members, Drafts(kernel, settings)).methods(),
            *ReportApi(registry, reader, Reports(settings)).methods(),
        ]
        lanes.start()
        stack.push_async_callback(lanes.drain)
        sweeper = Sweeper(registry, settings)
        stack.push_async_callback(sweeper.close)
        sweeper.start()
        chores = (
            registry.poll(settings.rules_poll_milliseconds / 1000),
            horizon.run(),
            Errands(registry, lanes, reader, settings.errand_interval_milliseconds / 1000).run(),
            Retention(outbox, settings).run(),
            minting.seal_forgotten(),
        )
        for chore in chores:
            stack.callback(asyncio.create_task(chore).cancel)
        edge = Edge(
            methods, Authenticator(settings), registry, settings.event_stream_max_seconds, lanes.refusal
        )
        server = transport(edge, settings)
        await server.start()
        try:
            yield server
        finally:
            await server.refuse()
            edge.end_streams()  # they would outlast any grace
            await asyncio.sleep(settings.drain_not_serving_seconds)
            await server.stop(settings.drain_grace_seconds)


async def _serve(settings: Settings, index: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with worker(settings) as server:
        link.announce_ready()
        log.info("worker_ready", worker=index, port=server.port)
        await stop.wait()
        log.info("worker_draining", worker=index)
    log.info("worker_stopped", worker=index)


def run_worker(settings: Settings, index: int) -> None:
    """Serves until SIGTERM. Raises SettingsError when it cannot start."""
    # A settlement makes dozens of objects that reference counting frees. With the usual thresholds the
    # cycle collector walks the requests in flight again and again for nothing, a quarter of the time
    # at full load. It now runs when this many objects are more than at its last run: cycles that
    # accumulate are still collected, requests that come and go do not wake it.
    gc.freeze()
    gc.set_threshold(300_000, 10, 10)
    uvloop.run(_serve(settings, index))


def _follow(clock_file: Path) -> None:
    """The time of everything that is settled is the file's from now on; the log says so where nobody overlooks it."""
    try:
        clock.follow(clock_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"RIGHTS_CLOCK_FILE={clock_file}: {error}") from None
    log.warning("THE_TIME_IS_NOT_REAL", clock_file=str(clock_file), now_ms=clock.now_ms())


async def _quote_secret(settings: Settings, reader: Reader) -> bytes:
    if settings.quote_key_file is not None:
        return settings.quote_key_file.read_bytes()
    return await reader.quote_key()
