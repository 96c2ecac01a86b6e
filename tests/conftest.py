"""A PostgreSQL for the session, and databases on it: migrated once, then cloned for who wants its own.

RIGHTS_TEST_DATABASE_URL names a server to use instead of an embedded one; its user must be allowed to
create databases.
"""

import os

# gRPC would stop its threads around every fork, and crashes now and then where many channels are busy. Whoever forks
# here (to start a PostgreSQL as another user) only goes on to execute something else.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import asyncio
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from rights.embedded import EmbeddedPostgres
from rights.store.migrate import migrate

TEMPLATE = f"rights_test_{os.getpid()}_template"


def pytest_sessionstart() -> None:
    """Python prefers what is compiled of a module to its source: what was edited since would not be what is tested."""
    for package in ("native/rights_native", "service/rights"):
        for built in Path(__file__).parents[1].joinpath(package).rglob("*.so"):
            name = built.with_name(built.name.partition(".")[0])
            for source in (name.with_suffix(".pyx"), name.with_suffix(".py"), name.with_suffix(".pxd")):
                if source.exists() and source.stat().st_mtime > built.stat().st_mtime:
                    pytest.exit(f"{source} was edited after it was compiled: make setup", returncode=4)


def on(server_url: str, database: str) -> str:
    """The URL of another database of the server."""
    return urlsplit(server_url)._replace(path=f"/{database}").geturl()


def execute(url: str, *statements: str) -> None:
    """Runs statements, each on its own; may be called while an event loop runs."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    given = os.environ.get("RIGHTS_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with EmbeddedPostgres() as postgres:
        yield postgres.url


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> Iterator[Callable[[], str]]:
    """Makes a migrated, empty database and answers its URL; all are dropped at the end."""
    execute(postgres_url, f"CREATE DATABASE {TEMPLATE}")
    migrate(on(postgres_url, TEMPLATE))
    made = [TEMPLATE]
    numbers = itertools.count(1)

    def make() -> str:
        name = f"rights_test_{os.getpid()}_{next(numbers)}"
        execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        made.append(name)
        return on(postgres_url, name)

    yield make
    execute(postgres_url, *(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in made))


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """A migrated, empty database of the test's own."""
    return new_database()
