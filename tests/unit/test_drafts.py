"""Drafts compile a few at a time, once each, and are kept for a while."""

import asyncio
import sys
import threading
from typing import Any

import pytest

from rights.domain.book import Book
from rights.engine.drafts import Drafts
from rights.engine.errors import Overloaded
from rights.settings import Settings
from rights.v1 import rulebook_pb2 as pb
from rights_native import twin


class Kernel:
    """The twin, counting what it compiles, and holding it up until told."""

    def __init__(self) -> None:
        self.compiled = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.allocate = twin.allocate

    def Program(self, plan: Any) -> Any:  # noqa: N802
        assert self.go_on.wait(10)
        self.compiled += 1
        return twin.Program(plan)


def draft(name: str, *stages: str) -> pb.Rulebook:
    listed = [pb.Stage(id=stage, basis=pb.Stage.BASIS_LIST) for stage in stages or ("a",)]
    return pb.Rulebook(name=name, currency="CNY", time_zone="UTC", stages=listed)


def drafts(kernel: Kernel, **settings: Any) -> Drafts:
    return Drafts(kernel, Settings(**settings))


async def test_a_draft_is_compiled_once() -> None:
    kernel = Kernel()
    kept = drafts(kernel)
    first, second = await asyncio.gather(kept.compiled(draft("x")), kept.compiled(draft("x")))
    assert first is second is await kept.compiled(draft("x"))
    assert isinstance(first, Book)
    assert first.version == 0
    assert kernel.compiled == 1


async def test_mistakes_are_answered() -> None:
    mistakes = await drafts(Kernel()).compiled(draft("x", "a", "a"))
    assert isinstance(mistakes, list)
    assert [m.path for m in mistakes] == ["stages[1].id"]


async def test_what_is_over_the_bound_is_shed() -> None:
    kernel = Kernel()
    kernel.go_on.clear()
    kept = drafts(kernel, simulation_compilations_per_worker=1)
    running = asyncio.create_task(kept.compiled(draft("x")))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as shed:
        await kept.compiled(draft("y"))
    assert shed.value.retry_after_seconds > 0
    kernel.go_on.set()
    assert isinstance(await running, Book)
    assert isinstance(await kept.compiled(draft("y")), Book)


async def test_a_caller_that_goes_away_leaves_the_draft_to_others() -> None:
    kernel = Kernel()
    kernel.go_on.clear()
    kept = drafts(kernel)
    impatient, patient = (asyncio.create_task(kept.compiled(draft("x"))) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    kernel.go_on.set()
    assert isinstance(await patient, Book)
    assert impatient.cancelled()


async def test_the_longest_unused_is_forgotten() -> None:
    kernel = Kernel()
    kept = drafts(kernel, simulation_draft_cache_size=2)
    for name in ("x", "y", "x", "z", "x"):
        await kept.compiled(draft(name))
    assert kernel.compiled == 3
    await kept.compiled(draft("y"))
    assert kernel.compiled == 4


async def test_the_interpreter_changes_hands_often_only_while_something_compiles() -> None:
    usual = sys.getswitchinterval()
    kernel = Kernel()
    kernel.go_on.clear()
    kept = drafts(kernel, simulation_compilations_per_worker=2)
    running = [asyncio.create_task(kept.compiled(draft(name))) for name in "xy"]
    for _ in range(5):
        await asyncio.sleep(0)
    assert sys.getswitchinterval() < usual / 10
    kernel.go_on.set()
    await asyncio.gather(*running)
    assert sys.getswitchinterval() == usual


async def test_a_fault_is_not_kept() -> None:
    kernel = Kernel()
    broken = Kernel()
    broken.Program = None  # type: ignore[assignment,method-assign]
    kept = drafts(broken)
    with pytest.raises(TypeError):
        await kept.compiled(draft("x"))
    broken.Program = kernel.Program  # type: ignore[method-assign]
    assert isinstance(await kept.compiled(draft("x")), Book)
