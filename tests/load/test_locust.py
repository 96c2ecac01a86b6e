"""The Locust file drives a real service: every RPC is answered, and answered right."""

import asyncio
import json
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest

from rights.rulebook_yaml import load
from rights.settings import Settings
from rights.supervisor import serving
from rights.v1 import rulebook_pb2, rulebook_pb2_grpc
from tests.authority import Authority

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "service" / "rights" / "programs" / "double11.yaml"


async def started(file: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(ROOT / "benchmarks" / file),
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def locust(*arguments: str, file: str = "locustfile.py") -> tuple[int, str, str]:
    process = await started(file, "--headless", *arguments)
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, out.decode(), err.decode()


async def publish(channel: grpc.aio.Channel) -> None:
    book, mistakes = load(PROGRAM)
    assert not mistakes
    async with channel:
        stub = rulebook_pb2_grpc.RulebookServiceStub(channel)
        published = await stub.Publish(rulebook_pb2.PublishRequest(rulebook=book))
        await stub.Activate(rulebook_pb2.ActivateRequest(version=published.version))


@asynccontextmanager
async def shop(database: str, authority: Authority | None = None) -> AsyncIterator[str]:
    """The address of a service with the program that the load needs."""
    settings = Settings(database_url=database, port=0, metrics_port=0, workers=2, drain_not_serving_seconds=0)
    if authority is not None:
        issued = authority.issue("server")
        files = {"tls_certificate_file": issued.certificate, "tls_key_file": issued.key}
        settings = settings.model_copy(update=files)
    async with serving(settings) as service:
        address = service.address
        if authority is None:
            await publish(grpc.aio.insecure_channel(address))
        else:
            credentials = grpc.ssl_channel_credentials(authority.file.read_bytes())
            await publish(grpc.aio.secure_channel(address, credentials))
        yield address


def requests(results: Sequence[dict], name: str) -> int:
    return sum(entry["num_requests"] for entry in results if entry["name"] == name)


async def test_a_run_has_no_failures(database: str) -> None:
    async with shop(database) as address:
        code, out, err = await locust(
            "-u", "20", "-r", "20", "-t", "3s", "--members", "40", "--json", "--host", address
        )
    assert code == 0, err
    assert "prepared 40 of 40 members" in err
    results = json.loads(out)
    assert [entry for entry in results if entry["num_failures"]] == []
    for name in ("Settle", "Settle (quoted)", "Settle (replay)", "Quote", "GetWallet", "Reverse"):
        assert requests(results, name) > 0, name
    # Quotes are kept but for races between users who shop as one member.
    assert requests(results, "Settle (quoted)") > requests(results, "Settle (quoted) (rejected)")


async def test_kinds_of_checkouts_differ(database: str) -> None:
    load = ("-u", "10", "-r", "10", "-t", "3s", "--members", "20", "--json", "--host")
    shares = {}
    async with shop(database) as address:
        for kind in ("QuoteHeavyCheckout", "SettleHeavyCheckout"):
            code, out, err = await locust(*load, address, kind)
            assert code == 0, err
            results = json.loads(out)
            shares[kind] = requests(results, "Quote") / sum(entry["num_requests"] for entry in results)
    assert shares["QuoteHeavyCheckout"] > 0.5
    assert shares["SettleHeavyCheckout"] < 0.3


def told_by_each_process(out: str) -> Iterator[list[dict]]:
    while out := out.strip():
        results, end = json.JSONDecoder().raw_decode(out)
        yield results
        out = out[end:]


MIDNIGHT = (
    *("--usual-users", "4", "--peak-users", "30", "--members", "40"),
    *("--ramp-seconds", "2", "--hold-seconds", "1", "--decay-seconds", "2"),
)


async def test_a_midnight_over_two_processes_with_a_report(database: str, tmp_path: Path) -> None:
    report = tmp_path / "midnight.html"
    async with shop(database) as address:
        code, out, err = await locust(
            *MIDNIGHT,
            *("--processes", "2", "--html", str(report), "--json", "--host", address),
            file="midnight.py",
        )
    assert code == 0, err
    assert err.count("prepared 40 of 40 members") == 1
    assert err.count("00:00:00") == 1
    assert "2 workers" in err
    results = max(told_by_each_process(out), key=len)  # the workers tell nothing
    assert [entry for entry in results if entry["num_failures"]] == []
    assert requests(results, "Quote") > 0
    assert requests(results, "Settle") > 0
    history = report.read_text()
    assert '"user_count"' in history
    assert "Settle (quoted)" in history


async def test_a_worker_on_another_machine_has_its_own_options(database: str, tmp_path: Path) -> None:
    """The certificates that the master trusts are in a file which is not there for the worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    authority = Authority(tmp_path, "authority")
    async with shop(database, authority) as address:
        masters = tmp_path / "masters.pem"
        masters.write_bytes(authority.file.read_bytes())
        master = await started(
            *("locustfile.py", "--headless", "--master", "--expect-workers", "1", "--master-bind-port", port),
            *("-u", "4", "-r", "4", "-t", "2s", "--members", "10", "--json"),
            *("--host", f"https://{address}", "--ca-file", str(masters)),
        )
        assert master.stderr is not None
        async with asyncio.timeout(60):
            while b"prepared 10 of 10" not in await master.stderr.readline():
                pass
        masters.unlink()
        worker = await started(
            *("locustfile.py", "--worker", "--master-port", port, "--ca-file", str(authority.file))
        )
        (out, _), (_, said) = await asyncio.wait_for(
            asyncio.gather(master.communicate(), worker.communicate()), 60
        )
    assert master.returncode == 0
    assert "Traceback" not in said.decode()
    assert requests(json.loads(out), "Settle") > 0


async def test_the_web_page_plays_it(database: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with shop(database) as address:
        process = await started(
            "midnight.py", *MIDNIGHT, "--web-host", "127.0.0.1", "--web-port", str(port), "--host", address
        )
        page = f"http://127.0.0.1:{port}"
        try:
            async with asyncio.timeout(60):
                while not (html := await fetched(f"{page}/")):  # noqa: ASYNC110  another process
                    await asyncio.sleep(0.1)
                assert "Midnight" in html
                assert "peak_users" in html
                assert json.loads(await fetched(f"{page}/swarm", b"host=" + address.encode()))["success"]
                stats = await stats_when(
                    page, lambda stats: any(e["name"] == "Settle" for e in stats["stats"])
                )
            assert stats["fail_ratio"] == 0
        finally:
            process.terminate()
            await process.communicate()


async def test_the_web_page_outlives_a_test_that_cannot_start(database: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = f"http://127.0.0.1:{port}"
    process = await started(
        "locustfile.py", "--members", "3", "--web-host", "127.0.0.1", "--web-port", str(port)
    )
    try:
        async with asyncio.timeout(60):
            while not await fetched(f"{page}/"):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.1)
            for host in (b"", b"127.0.0.1:1"):
                await fetched(f"{page}/swarm", b"user_count=5&spawn_rate=5&host=" + host)
                await stats_when(page, lambda stats: stats["state"] in ("ready", "stopped"))
            async with shop(database) as address:
                await fetched(f"{page}/swarm", b"user_count=2&spawn_rate=2&host=" + address.encode())
                stats = await stats_when(page, lambda stats: len(stats["stats"]) > 1)  # the last is the total
        assert stats["fail_ratio"] == 0
    finally:
        process.terminate()
        _, err = await process.communicate()
    assert "no service to call" in err.decode()
    assert "members cannot be prepared: UNAVAILABLE" in err.decode()


@pytest.mark.parametrize(
    ("file", "arguments", "said"),
    [
        ("locustfile.py", ["--connections", "0"], "--connections: 0: it must be above 0"),
        ("locustfile.py", ["--ca-file", "/none"], "--ca-file: /none cannot be read"),
        ("midnight.py", ["--decay-seconds", "-1"], "--decay-seconds: -1: it must be 0 or more"),
        ("midnight.py", ["--peak-users", "0"], "--peak-users: 0: it must be above 0"),
    ],
)
async def test_a_bad_option_is_said(file: str, arguments: list[str], said: str) -> None:
    code, _, err = await locust("-t", "1s", *arguments, file=file)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


async def test_a_midnight_may_end_at_once(database: str) -> None:
    async with shop(database) as address:
        code, _, err = await locust(
            *("--usual-users", "2", "--peak-users", "5", "--members", "5", "--host", address),
            *("--ramp-seconds", "0", "--hold-seconds", "0", "--decay-seconds", "0"),
            file="midnight.py",
        )
    assert code == 0, err
    assert "Shape test stopping" in err


async def stats_when(page: str, told: Callable[[dict], bool]) -> dict:
    """What the page's statistics are as soon as they tell that."""
    while True:
        stats: dict = json.loads(await fetched(f"{page}/stats/requests"))
        if told(stats):
            return stats
        await asyncio.sleep(0.1)


async def fetched(url: str, form: bytes | None = None) -> str:
    """The answer's text; "" while nobody answers."""

    def fetch() -> str:
        try:
            with urllib.request.urlopen(url, form, timeout=10) as answer:
                return str(answer.read().decode())
        except ConnectionError:
            return ""
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionError):
                return ""
            raise

    return await asyncio.to_thread(fetch)


@pytest.mark.parametrize(
    ("host", "said"),
    [(["--host", "127.0.0.1:1"], "members cannot be prepared: UNAVAILABLE"), ([], "give --host")],
)
async def test_without_a_service_it_says_so(host: list[str], said: str) -> None:
    code, _, err = await locust("-u", "1", "-t", "1s", "--members", "3", *host)
    assert code != 0
    assert said in err
    assert "Traceback" not in err
