"""Rulebooks that are not published, compiled for simulations without getting in the way of settlements.

Compiling takes a thread and the interpreter's lock a thousand times longer than a settlement does. So
only a few drafts are compiled at a time, what is over that is shed at once, and a draft that was
compiled lately is kept: simulating many carts against it compiles it once.
"""

import asyncio
import hashlib

from rights import metrics
from rights.domain.book import Book, Kernel
from rights.domain.validation import Mistake, validate
from rights.engine.beside import beside
from rights.engine.errors import Overloaded
from rights.settings import Settings
from rights.v1 import rulebook_pb2

# A draft that can be simulated, or what is wrong with it.
Compiled = Book | list[Mistake]


class Drafts:
    """The drafts of one process, on one event loop."""

    def __init__(self, kernel: Kernel, settings: Settings) -> None:
        self._kernel = kernel
        self._settings = settings
        self._running: dict[bytes, asyncio.Task[Compiled]] = {}
        self._kept: dict[bytes, Compiled] = {}  # the longest unused first

    async def compiled(self, draft: rulebook_pb2.Rulebook) -> Compiled:
        """The draft's book, of version 0, or its mistakes. Raises Overloaded. The caller checks the size."""
        digest = hashlib.sha256(draft.SerializeToString(deterministic=True)).digest()
        if digest in self._kept:
            self._kept[digest] = self._kept.pop(digest)
            return self._kept[digest]
        task = self._running.get(digest)
        if task is None:
            if len(self._running) >= self._settings.simulation_compilations_per_worker:
                metrics.OVERLOAD.labels("compilations").inc()
                raise Overloaded(
                    f"{len(self._running)} drafts are being compiled",
                    self._settings.retry_after_milliseconds / 1000,
                )
            task = self._running[digest] = asyncio.create_task(self._compile(digest, draft))
        return await asyncio.shield(task)  # a caller that goes away must not take it from the others

    async def _compile(self, digest: bytes, draft: rulebook_pb2.Rulebook) -> Compiled:
        try:
            with metrics.DRAFT_COMPILE_SECONDS.time():
                compiled = await beside(self._check_and_compile, draft)
        finally:
            del self._running[digest]
        self._kept[digest] = compiled
        while len(self._kept) > self._settings.simulation_draft_cache_size:
            del self._kept[next(iter(self._kept))]
        return compiled

    def _check_and_compile(self, draft: rulebook_pb2.Rulebook) -> Compiled:
        return validate(draft) or Book(0, draft, self._kernel)
