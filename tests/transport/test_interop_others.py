"""The same server called by stock clients that are not grpcio: Node's grpc-js, and buf curl."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from interop_service import ECHO_INITIAL, ECHO_TRAILING, PROTO, SERVICE, Served, serving
from recorder import Recording, recorder

BUF = Path(sys.executable).parent / "buf"
NODE_PACKAGES = Path(sys.prefix) / "node" / "node_modules"
INPUTS, OUTPUTS = (27_182, 8, 1_828, 45_904), (31_415, 9, 2_653, 58_979)
CASES = [  # of client.js
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


@dataclass
class Printed:
    """What a call of buf curl printed."""

    code: int
    out: str
    err: str

    @property
    def sizes(self) -> list[int]:
        """Of the bodies of answers, when all went well."""
        assert self.code == 0, self.err
        bodies = re.findall(r'"body":\s*"(.*?)"', self.out)
        return [len(base64.b64decode(body)) for body in bodies]

    @property
    def failure(self) -> tuple[str, str]:
        """The code and message of a failure."""
        assert self.code != 0, self.out
        told = json.loads(self.err[self.err.index("{\n") :])
        return told["code"], told["message"]


class Buf:
    """buf curl, and where it calls."""

    def __init__(self, address: str, directory: Path) -> None:
        needed(BUF.is_file(), "buf is not here: it comes with the development dependencies (make setup)")
        self._address = address
        self._data = directory / "requests.json"  # a command line would be too short

    async def call(
        self,
        method: str,
        *requests: Any,
        options: tuple[str, ...] = (),
        service: str = SERVICE,
        schema: bool = True,
    ) -> Printed:
        """One call, with the schema in hand or with what reflection tells."""
        self._data.write_text(" ".join(json.dumps(request) for request in requests))
        described = ("--schema", str(PROTO.parent)) if schema else ()
        how = ("curl", "--protocol", "grpc", "--http2-prior-knowledge", *described, *options)
        url = f"http://{self._address}/{service}/{method}"
        return Printed(*await output(BUF, *how, "-d", f"@{self._data}", url))


@pytest.fixture
def buf(served: Served, tmp_path: Path) -> Buf:
    return Buf(served.address, tmp_path)


def payload(size: int) -> dict[str, str]:
    return {"body": base64.b64encode(bytes(size)).decode()}


def wanted(*sizes: int, **fields: Any) -> dict[str, Any]:
    return {"responseParameters": [{"size": size} for size in sizes], **fields}


LARGE = {"responseSize": 314_159, "payload": payload(271_828)}


async def test_buf_curl_by_reflection(buf: Buf, served: Served) -> None:
    assert (await buf.call("UnaryCall", {"responseSize": 5}, schema=False)).sizes == [5]
    how = ("curl", "--protocol", "grpc", "--http2-prior-knowledge", "--list-methods")
    code, listed, err = await output(BUF, *how, f"http://{served.address}")
    assert code == 0, err
    assert {f"{SERVICE}/UnaryCall", "grpc.health.v1.Health/List"} <= set(listed.split())


async def test_buf_curl_empty_unary(buf: Buf) -> None:
    printed = await buf.call("EmptyCall", {})
    assert (printed.code, json.loads(printed.out)) == (0, {}), printed.err


async def test_buf_curl_large_unary(buf: Buf) -> None:
    assert (await buf.call("UnaryCall", LARGE)).sizes == [314_159]


async def test_buf_curl_client_streaming(buf: Buf) -> None:
    printed = await buf.call("StreamingInputCall", *({"payload": payload(size)} for size in INPUTS))
    assert (printed.code, json.loads(printed.out)) == (0, {"aggregatedPayloadSize": 74_922}), printed.err


async def test_buf_curl_server_streaming(buf: Buf) -> None:
    assert (await buf.call("StreamingOutputCall", wanted(*OUTPUTS))).sizes == list(OUTPUTS)


async def test_buf_curl_duplex(buf: Buf) -> None:
    """It does not wait for answers before it sends on."""
    asks = (wanted(size, payload=payload(body)) for size, body in zip(OUTPUTS, INPUTS, strict=True))
    assert (await buf.call("FullDuplexCall", *asks)).sizes == list(OUTPUTS)


async def test_buf_curl_empty_stream(buf: Buf) -> None:
    printed = await buf.call("FullDuplexCall")
    assert (printed.code, printed.out.strip()) == (0, ""), printed.err


async def test_buf_curl_server_compressed(recording: Recording, tmp_path: Path) -> None:
    buf = Buf(recording.address, tmp_path)
    for value in (True, False):
        asked = {"responseCompressed": {"value": value}, **LARGE}
        assert (await buf.call("UnaryCall", asked)).sizes == [314_159]
    assert recording.answers == [1, 0]


@pytest.mark.parametrize(
    ("method", "request_"),
    [("UnaryCall", LARGE), ("FullDuplexCall", wanted(314_159, payload=payload(271_828)))],
)
async def test_buf_curl_custom_metadata(buf: Buf, method: str, request_: dict[str, Any]) -> None:
    sent = ("-H", f"{ECHO_INITIAL}: test_initial_metadata_value", "-H", f"{ECHO_TRAILING}: q6ur")
    printed = await buf.call(method, request_, options=("-v", *sent))
    assert printed.sizes == [314_159]
    headers, _, trailers = printed.err.partition("buf: { (#1)")  # where the first data comes
    assert f"< (#1) {ECHO_INITIAL.title()}: test_initial_metadata_value" in headers
    assert f"< (#1) {ECHO_TRAILING.title()}: q6ur" in trailers


@pytest.mark.parametrize("method", ["UnaryCall", "FullDuplexCall"])
async def test_buf_curl_status_code_and_message(buf: Buf, method: str) -> None:
    printed = await buf.call(method, {"responseStatus": {"code": 2, "message": "test status message"}})
    assert printed.failure == ("unknown", "test status message")


async def test_buf_curl_special_status_message(buf: Buf) -> None:
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    printed = await buf.call("UnaryCall", {"responseStatus": {"code": 2, "message": message}})
    assert printed.failure == ("unknown", message)


@pytest.mark.parametrize("service", [SERVICE, "grpc.testing.UnimplementedService"])
async def test_buf_curl_unimplemented(buf: Buf, service: str) -> None:
    printed = await buf.call("UnimplementedCall", {}, service=service)
    assert printed.failure == ("unimplemented", f"no method /{service}/UnimplementedCall")


async def test_buf_curl_timeout_on_sleeping_server(buf: Buf) -> None:
    asleep = {"responseParameters": [{"size": 1, "intervalUs": 30_000_000}], "payload": payload(27_182)}
    printed = await buf.call("FullDuplexCall", asleep, options=("-v", "--timeout", "1s"))
    assert printed.failure[0] == "deadline_exceeded"
    assert "Grpc-Timeout" in printed.err


async def test_buf_curl_per_call_limits(buf: Buf) -> None:
    printed = await buf.call("UnaryCall", {"payload": payload(8 * 1024 * 1024 + 1)})
    assert printed.failure[0] == "resource_exhausted"
