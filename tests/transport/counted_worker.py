"""A worker of the service that tells what lives in it: whenever it is sent a line, by name of type, as JSON."""

import asyncio
import gc
import json
import sys
from collections import Counter

import uvloop

from rights.server import worker
from rights.settings import load_settings


def living() -> dict[str, int]:
    """Live objects that the collector knows, by type, and all blocks of memory that Python has allocated."""
    gc.collect()
    counts = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return {**counts, "blocks": sys.getallocatedblocks()}


async def main() -> None:
    """Serves until stdin ends."""
    async with worker(load_settings(**json.loads(sys.argv[1]))) as server:
        print(json.dumps({"port": server.port}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(living()), flush=True)


uvloop.run(main())
