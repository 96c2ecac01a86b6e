"""The same server called by stock clients that are not grpcio: Node's grpc-js, and buf curl."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from interop_service import PROTO, SERVICE, Served, serving
from recorder import Recording, recorder

BUF = Path(sys.executable).parent / "buf"
NODE_PACKAGES = Path(sys.prefix) / "node" / "node_modules"
CASES = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "timeout_on_sleeping_server",
    "per_call_limits",
    "many_at_once",
]


@pytest_asyncio.fixture
async def served(kind: str) -> AsyncIterator[Served]:
    async with serving(kind) as served:
        yield served


@pytest_asyncio.fixture
async def recording(served: Served) -> AsyncIterator[Recording]:
    async with recorder(served.address) as recording:
        yield recording


def needed(there: bool, what: str) -> None:
    """Skips without a tool, except where nothing may be skipped."""
    if not there:
        assert "CI" not in os.environ, what
        pytest.skip(what)


async def output(*command: str | Path, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, run beside this loop.

    Not by the loop: uvloop forks, and in the child Python may clean up objects that wait for threads it does not have.
    """
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def node(address: str, *cases: str) -> None:
    """Cases of client.js."""
    program = shutil.which("node")
    needed(program is not None, "node is not here: install Node.js 18 or newer")
    needed(NODE_PACKAGES.is_dir(), "grpc-js is not here: `make grpcjs` fetches it with npm")
    command = (str(program), PROTO.parent / "client.js", address, PROTO, *cases)
    code, out, err = await output(*command, NODE_PATH=str(NODE_PACKAGES))
    assert code == 0, err
    assert json.loads(out) == dict.fromkeys(cases, "ok")


async def test_node(served: Served) -> None:
    await node(served.address, *CASES)


@pytest.mark.parametrize("case", ["cancel_after_begin", "cancel_after_first_response"])
async def test_node_cancels_a_call_and_keeps_its_connection(recording: Recording, case: str) -> None:
    await node(recording.address, case)
    assert recording.connections == 1


async def test_node_is_told_that_a_request_is_not_compressed_as_it_says() -> None:
    """grpcio's server does not tell handlers how a message came."""
    async with serving("native") as served:
        await node(served.address, "compressed_probe")


@pytest.mark.parametrize(
    ("case", "requests", "answers"),
    [
        ("client_compressed_unary", [1, 0], [0, 0]),
        ("client_compressed_streaming", [1, 0], [0]),
        ("server_compressed_unary", [0, 0], [1, 0]),
        ("server_compressed_streaming", [0, 0], [1, 1, 0, 0]),
    ],
)
async def test_node_compresses(
    recording: Recording, case: str, requests: list[int], answers: list[int]
) -> None:
    await node(recording.address, case)
    assert (recording.requests, recording.answers) == (requests, answers)


async def buf(
    served: Served, method: str, request: str, *options: str, schema: bool = True
) -> tuple[int, str, str]:
    """One call of `buf curl`."""
    needed(BUF.is_file(), "buf is not here: it comes with the development dependencies (make setup)")
    described = ("--schema", str(PROTO.parent)) if schema else ()
    url = f"http://{served.address}/{SERVICE}/{method}"
    how = ("curl", "--protocol", "grpc", "--http2-prior-knowledge", *described, *options, "-d", request, url)
    return await output(BUF, *how)


@pytest.mark.parametrize("schema", [True, False], ids=["schema", "reflection"])
async def test_buf_curl_unary(served: Served, schema: bool) -> None:
    """With the schema in hand, and with what reflection tells."""
    code, out, err = await buf(served, "UnaryCall", '{"responseSize": 5}', schema=schema)
    assert code == 0, err
    assert json.loads(out) == {"payload": {"body": "AAAAAAA="}}


async def test_buf_curl_streams(served: Served) -> None:
    code, out, err = await buf(
        served, "StreamingOutputCall", '{"responseParameters": [{"size": 1}, {"size": 2}]}'
    )
    assert code == 0, err
    assert out.count("payload") == 2
    requests = '{"payload": {"body": "AAAA"}} {"payload": {"body": "AA=="}}'
    code, out, err = await buf(served, "StreamingInputCall", requests)
    assert (code, json.loads(out)) == (0, {"aggregatedPayloadSize": 4}), err
    asks = '{"responseParameters": [{"size": 3}]} {"responseParameters": [{"size": 4}]}'
    code, out, err = await buf(served, "FullDuplexCall", asks)
    assert (code, out.count("payload")) == (0, 2), err


async def test_buf_curl_failures(served: Served) -> None:
    code, _, err = await buf(
        served, "UnaryCall", '{"responseStatus": {"code": 5, "message": "not \\u263a here"}}'
    )
    assert code != 0
    assert json.loads(err) == {"code": "not_found", "message": "not ☺ here"}
    code, _, err = await buf(served, "UnimplementedCall", "{}")
    assert code != 0
    assert json.loads(err)["code"] == "unimplemented"
