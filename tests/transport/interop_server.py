"""The interop server in a process of its own, so that a test can see its memory, and that it stays up.

    python interop_server.py native '{"max_connections_per_worker": 10}'

Prints one line of JSON: the port, and the port of its metrics. Ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import prometheus_client
import uvloop
from interop_service import serving


async def main(kind: str, settings: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    metrics, _ = prometheus_client.start_http_server(0, "127.0.0.1")
    async with serving(kind, **json.loads(settings)) as served:
        print(json.dumps({"port": served.server.port, "metrics": metrics.server_port}), flush=True)
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
