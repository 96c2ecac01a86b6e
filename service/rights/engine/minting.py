"""Generates codes: each chunk is stored before it is told, and told again to whoever sends the same key again.

A generation begins with a random seed, from which its codes follow. So a stream that broke anywhere, even after a
chunk was stored and before it was told, is opened again and tells the same codes from the first one on. The seed is
erased when the caller seals the generation, or some time after its begin: then only hashes are left of it.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

import structlog

from rights import metrics
from rights.domain import codes
from rights.domain.codes import CodePool
from rights.domain.limits import MAX_AMOUNT, MAX_POOL_CODES
from rights.engine import clock
from rights.engine.beside import beside
from rights.engine.errors import Refused, key_reused
from rights.settings import Settings
from rights.store.codes import CodeStore, GenerationKey
from rights.store.connect import CONNECTION_LOST

CHUNK_CODES = 5_000  # of a message and of a transaction: some 125 kB, some 30 ms
_SEAL_INTERVAL_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Chunk(NamedTuple):
    """Some codes of a generation, from an index on."""

    first: int
    codes: list[str]


class Minting:
    """The generations of a process, on one event loop."""

    def __init__(self, store: CodeStore, settings: Settings) -> None:
        self._store = store
        self._retell_ms = int(settings.code_retell_hours * 3_600_000)

    async def is_begun(self, key: GenerationKey, digest: bytes) -> bool:
        """Whether codes were generated under a key, of a request with this digest. Raises Refused: of another one."""
        generation = await self._store.generation(key)
        if generation is not None and generation.digest != digest:
            raise key_reused(key.key)
        return generation is not None

    async def begin(self, key: GenerationKey, digest: bytes, pool: CodePool, count: int) -> None:
        """Begins a generation of `count` codes. Raises Refused where the pool does not take them."""
        pool_id, card = pool.pool_id, pool.gift_card
        most = MAX_POOL_CODES if card is None else min(MAX_POOL_CODES, MAX_AMOUNT // card.units)
        there, total = await self._store.begin(key, digest, pool, count, most, clock.now_ms())
        if there.is_revoked:
            raise Refused("CODE_POOL_REVOKED", f"pool {pool_id!r} is revoked", {"pool_id": pool_id})
        if there != pool:
            message = f"pool {pool_id!r} is there: {_differences(there, pool)}"
            raise Refused("CODE_POOL_DIFFERS", message, {"pool_id": pool_id})
        if total > most:
            message = f"pool {pool_id!r} would have {total} codes; at most {most} of this kind are allowed"
            raise Refused("CODE_POOL_FULL", message, {"pool_id": pool_id})

    async def tell(self, key: GenerationKey, digest: bytes) -> AsyncGenerator[Chunk, None]:
        """The codes of a generation in their order. Raises Refused."""
        generation = await self._store.generation(key)
        assert generation is not None, "it was begun"
        if generation.digest != digest:
            raise key_reused(key.key)  # another call has been faster
        for first in range(0, generation.codes, CHUNK_CODES):
            if generation.seed is None:
                raise _sealed(key)
            count = min(CHUNK_CODES, generation.codes - first)
            told, hashes = await beside(_mint, generation.seed, first, count)
            new = await self._store.store(key, first, hashes, generation.pool_id)
            if new is None:
                raise _sealed(key)
            metrics.CODES_GENERATED.inc(new)
            yield Chunk(first, told)

    async def seal_forgotten(self) -> None:
        """Seals what was begun long ago, for ever."""
        while True:
            try:
                sealed = await self._store.seal_before(clock.now_ms() - self._retell_ms)
                if sealed:
                    log.info("codes_sealed", generations=sealed)
            except CONNECTION_LOST as error:
                log.warning("sealing_failed", error=str(error))
            except Exception as error:  # must not end the chore
                metrics.FAULTS.labels("sealing").inc()
                log.error("sealing_failed", exc_info=error)
            await asyncio.sleep(_SEAL_INTERVAL_SECONDS)


def _mint(seed: bytes, first: int, count: int) -> tuple[list[str], list[bytes]]:
    told = codes.derived(seed, first, count)
    return told, [codes.hashed(code) for code in told]


def _sealed(key: GenerationKey) -> Refused:
    message = f"the codes of idempotency_key {key.key!r} are sealed: nobody can tell them again"
    return Refused("CODES_SEALED", message, {"idempotency_key": key.key})


def _differences(there: CodePool, asked: CodePool) -> str:
    """Each field in which pools differ, with both values."""
    return ", ".join(
        f"its {name} is {ours}, not {theirs}"
        for name, ours, theirs in zip(CodePool._fields, there, asked, strict=True)
        if ours != theirs
    )
