"""The Locust file drives a real service: every RPC is answered, and answered right."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc.aio
import pytest

from rights.rulebook_yaml import load
from rights.settings import Settings
from rights.supervisor import serving
from rights.v1 import rulebook_pb2, rulebook_pb2_grpc

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "service" / "rights" / "programs" / "double11.yaml"


async def locust(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(ROOT / "benchmarks" / "locustfile.py"),
        "--headless",
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def publish(address: str) -> None:
    book, mistakes = load(PROGRAM)
    assert not mistakes
    async with grpc.aio.insecure_channel(address) as channel:
        stub = rulebook_pb2_grpc.RulebookServiceStub(channel)
        published = await stub.Publish(rulebook_pb2.PublishRequest(rulebook=book))
        await stub.Activate(rulebook_pb2.ActivateRequest(version=published.version))


def requests(results: Sequence[dict], name: str) -> int:
    return sum(entry["num_requests"] for entry in results if entry["name"] == name)


async def test_a_run_has_no_failures(database: str) -> None:
    settings = Settings(database_url=database, port=0, metrics_port=0, workers=2, drain_not_serving_seconds=0)
    async with serving(settings) as service:
        await publish(service.address)
        code, out, err = await locust(
            "-u", "20", "-r", "20", "-t", "3s", "--members", "40", "--json", "--host", service.address
        )
    assert code == 0, err
    assert "prepared 40 of 40 members" in err
    results = json.loads(out)
    assert [entry for entry in results if entry["num_failures"]] == []
    for name in ("Settle", "Settle (quoted)", "Settle (replay)", "Quote", "GetWallet", "Reverse"):
        assert requests(results, name) > 0, name
    # Quotes are kept but for races between users who shop as one member.
    assert requests(results, "Settle (quoted)") > requests(results, "Settle (quoted) (rejected)")


@pytest.mark.parametrize(
    ("host", "said"),
    [(["--host", "127.0.0.1:1"], "members cannot be prepared: UNAVAILABLE"), ([], "give --host")],
)
async def test_without_a_service_it_says_so(host: list[str], said: str) -> None:
    code, _, err = await locust("-u", "1", "-t", "1s", "--members", "3", *host)
    assert code != 0
    assert said in err
    assert "Traceback" not in err
