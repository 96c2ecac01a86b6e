"""Every limit and timeout of the service, each with its unit, default and range.

Settings come from the environment: the field `port` is read from `RIGHTS_PORT`. A worker process gets
the very settings of its supervisor through `Settings.environment()`, so both always agree.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ENVIRONMENT_PREFIX = "RIGHTS_"
# Read by the command line and between supervisor and worker; no settings of the service.
OTHER_VARIABLES = frozenset(
    {"RIGHTS_ADDRESS", "RIGHTS_TOKEN", "RIGHTS_CA_FILE", "RIGHTS_SUPERVISOR_FD", "RIGHTS_TEST_DATABASE_URL"}
)
SHARED_SECRET_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})
PUBLIC_KEY_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
MIN_QUOTE_KEY_BYTES = 32
DATABASE_URL_MISSING = (
    "no database is configured: set RIGHTS_DATABASE_URL (postgresql://user:password@host:5432/database), "
    "or use `rights serve --embedded` to try the service without one"
)


class SettingsError(Exception):
    """The settings cannot be used; the message says which and what is allowed."""


def available_cores() -> int:
    """Cores this process may run on."""
    if sys.platform == "linux":
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def joined(host: str, port: int) -> str:
    """Host and port in one; an IPv6 address gets its brackets."""
    host = host.strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Settings(BaseSettings):
    """What the operator of the service can choose."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    # Where it listens.
    host: str = Field("127.0.0.1", min_length=1, description="Address that gRPC listens on.")
    port: int = Field(50051, ge=0, le=65535, description="Port of gRPC; 0 takes a free one.")
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Address of /metrics and /healthz.")
    metrics_port: int = Field(
        9464, ge=0, le=65535, description="Port of /metrics and /healthz; 0 takes a free one."
    )

    # How it spreads work.
    workers: int = Field(
        default_factory=available_cores,
        ge=1,
        le=256,
        description="Worker processes. Set it where a container is given fewer cores than it sees.",
    )
    lanes_per_worker: int = Field(
        1,
        ge=1,
        le=64,
        description="Lanes of a worker; each holds one database connection and commits one batch at a time. "
        "While one lane decides, another of the same worker cannot commit, and keeps what it has locked: more "
        "than one helps only where the database is far away and batches share no budget.",
    )
    max_batch_size: int = Field(256, ge=1, le=4096, description="Requests committed together by a lane.")
    max_queue_length: int = Field(
        20_000, ge=1, le=1_000_000, description="Requests that may wait in a lane; more are shed."
    )
    max_queue_age_milliseconds: int = Field(
        500,
        ge=1,
        le=60_000,
        description="Time that requests wait in a lane, or will at its pace, from which new ones are shed.",
    )
    retry_after_milliseconds: int = Field(
        100, ge=1, le=60_000, description="Delay that a shed caller is told to wait (RetryInfo)."
    )
    search_node_budget: int = Field(
        3_500,
        ge=1,
        le=10_000_000,
        description="Work of the search for the best combination before it answers BOUNDED: a node counts 1, "
        "a bound 25; about 1.5 ms for 1,000.",
    )
    max_message_bytes: int = Field(
        8 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024,
        description="Largest request message; answers have no limit, since what is booked must be told.",
    )

    # How it speaks gRPC. All but the first are the native transport's.
    transport: Literal["native", "grpcio"] = Field(
        "native",
        description="What serves gRPC: libnghttp2 driven from Cython, or grpcio. Without libnghttp2 it is grpcio.",
    )
    nghttp2_library: str = Field("libnghttp2.so.14", min_length=1, description="Name or path of libnghttp2.")
    max_connections_per_worker: int = Field(
        10_000, ge=1, le=1_000_000, description="Connections of a worker; more are closed at once."
    )
    max_calls_per_connection: int = Field(
        1000, ge=1, le=100_000, description="Calls under way on a connection; its client lets more wait."
    )
    max_metadata_bytes: int = Field(
        16 * 1024,
        ge=1024,
        le=1024 * 1024,
        description="Headers of a call, 32 bytes added for each; a call with more fails, sixteen times that ends the "
        "connection.",
    )
    max_buffered_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024 * 1024,
        le=64 * 1024**3,
        description="Requests and metadata that a worker holds while they arrive or wait, answers not yet read, and "
        "3 KiB for each open call; a call that does not fit fails.",
    )
    max_unread_bytes: int = Field(
        16 * 1024 * 1024,
        ge=64 * 1024,
        le=1024**3,
        description="Answers that a client leaves unread on a connection before its new calls are refused, and "
        "requests of its streams wait.",
    )
    max_pings_per_second: int = Field(
        10_000, ge=1, le=1_000_000, description="PING frames on a connection; more end it."
    )
    max_settings_per_second: int = Field(
        100, ge=1, le=1_000_000, description="SETTINGS frames on a connection; more end it."
    )
    max_resets_per_second: int = Field(
        2000,
        ge=1,
        le=1_000_000,
        description="Calls reset on a connection, by its client or for its client's mistakes; more end it.",
    )
    max_empty_frames_per_second: int = Field(
        100, ge=1, le=1_000_000, description="DATA frames without data on a connection; more end it."
    )
    handshake_timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="Time for a new connection to finish TLS, and to say what it speaks."
    )
    request_timeout_seconds: float = Field(
        60.0, gt=0, le=3600, description="Time for a request that has begun to arrive."
    )
    unread_timeout_seconds: float = Field(
        60.0, gt=0, le=3600, description="Time for a client to go on reading an answer that is complete."
    )
    keepalive_seconds: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="Silence on a connection after which its client is asked for a sign of life.",
    )
    keepalive_timeout_seconds: float = Field(
        20.0, gt=0, le=3600, description="Time for that sign, before the connection is closed."
    )
    connection_idle_seconds: float = Field(
        3600.0,
        gt=0,
        le=86_400,
        description="Time without a call after which a connection is closed in order.",
    )

    # How it stops.
    drain_grace_seconds: float = Field(
        20.0,
        ge=0,
        le=600,
        description="Time that accepted requests get to finish after SIGTERM before workers are killed.",
    )
    drain_not_serving_seconds: float = Field(
        0.5,
        ge=0,
        le=60,
        description="Time between health NOT_SERVING and the end of accepting, for load balancers to notice.",
    )

    # The database.
    database_url: str = Field(
        "", repr=False, description="PostgreSQL: postgresql://user:password@host:5432/database."
    )
    read_pool_size: int = Field(
        4, ge=1, le=100, description="Connections of a worker for reads, beside one per lane."
    )
    database_connect_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="Time for one attempt to connect."
    )
    database_reconnect_backoff_min_milliseconds: int = Field(
        50, ge=1, le=60_000, description="First pause between attempts to reconnect; doubles each time."
    )
    database_reconnect_backoff_max_milliseconds: int = Field(
        2000, ge=1, le=60_000, description="Longest pause between attempts to reconnect."
    )
    database_lock_timeout_milliseconds: int = Field(
        5000, ge=1, le=600_000, description="Time a batch waits for a row lock before it is tried again."
    )
    database_retry_attempts: int = Field(
        5,
        ge=1,
        le=100,
        description="Attempts at a batch after deadlock, serialization failure or lost connection.",
    )

    # Reports.
    reports_per_worker: int = Field(
        1,
        ge=1,
        le=16,
        description="Reports a worker makes at a time, each in a process of its own; more are shed.",
    )
    report_timeout_seconds: float = Field(
        300.0, gt=0, le=3600, description="Time a report may take from beginning to end."
    )
    report_statement_timeout_milliseconds: int = Field(
        120_000, ge=1, le=3_600_000, description="Time the database may take for one statement of a report."
    )
    report_slice_size: int = Field(
        10_000, ge=1, le=1_000_000, description="Journal entries that a report reads in one snapshot."
    )
    report_max_rows: int = Field(
        100_000, ge=1, le=1_000_000, description="Rows a report may have, all its tables together."
    )

    # Quotes.
    rules_poll_milliseconds: int = Field(
        250,
        ge=10,
        le=60_000,
        description="How often a worker looks for new rules, to have them ready before they are needed.",
    )
    quote_ttl_seconds: int = Field(900, ge=1, le=86_400, description="How long a quote can be settled.")
    reservation_ttl_seconds: int = Field(
        900, ge=1, le=2_592_000, description="How long a reservation holds, if its request does not say."
    )
    max_reservation_ttl_seconds: int = Field(
        86_400, ge=1, le=2_592_000, description="Longest time a request may ask a reservation to hold."
    )
    max_reservations_per_member: int = Field(
        20, ge=1, le=1_000, description="Reservations a member can have at a time."
    )
    sweep_interval_milliseconds: int = Field(
        500,
        ge=10,
        le=600_000,
        description="How often a worker looks for reservations, lots and pending points whose time has come.",
    )
    errand_interval_milliseconds: int = Field(
        200,
        ge=10,
        le=600_000,
        description="How often a worker looks for gifts that an order has brought another member.",
    )
    sweep_batch_size: int = Field(500, ge=1, le=4096, description="Members swept in one transaction.")
    quote_key_file: Path | None = Field(
        None,
        description="File with the key (32 bytes or more) that signs quotes; the same for all machines. "
        "Without it a key is kept in the database.",
    )

    # Events.
    event_poll_milliseconds: int = Field(
        200,
        ge=10,
        le=60_000,
        description="How often a worker with open event streams looks for new events.",
    )
    event_heartbeat_seconds: float = Field(
        15.0,
        gt=0,
        le=3600,
        description="Longest silence on an event stream; then an empty message tells how far it is.",
    )
    event_streams_per_worker: int = Field(
        64, ge=1, le=10_000, description="Event streams that a worker serves at a time; more are shed."
    )
    event_stream_max_seconds: float = Field(
        3600.0,
        gt=0,
        le=86_400,
        description="How long an event stream lasts; its client opens another, and shows its credentials again.",
    )
    event_message_bytes: int = Field(
        256 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Size from which a message of an event stream takes no further event.",
    )
    event_pool_size: int = Field(
        2,
        ge=1,
        le=100,
        description="Connections of a worker for event streams and retention, made when used.",
    )
    event_retention_hours: float = Field(
        168.0, gt=0, le=87_600, description="Age at which events are dropped, acknowledged or not."
    )
    event_retention_interval_seconds: float = Field(
        15.0,
        gt=0,
        le=3600,
        description="How often old events are dropped, and the lag of consumers is measured.",
    )
    event_retention_batch_size: int = Field(
        200, ge=1, le=10_000, description="Rows of events dropped in one transaction."
    )

    # Simulations.
    simulation_max_draft_bytes: int = Field(
        1024 * 1024,
        ge=1024,
        le=4 * 1024 * 1024,
        description="Largest rulebook that may be simulated without being published.",
    )
    simulation_compilations_per_worker: int = Field(
        1,
        ge=1,
        le=64,
        description="Drafts that a worker compiles at a time; more are shed, so that settlements have the core.",
    )
    simulation_draft_cache_size: int = Field(
        8, ge=1, le=1000, description="Compiled drafts that a worker keeps for the next simulation."
    )

    # Codes.
    code_failures_per_member: int = Field(
        10,
        ge=1,
        le=1_000_000,
        description="Unknown codes that a member may try in an hour; then every code is refused until the next one.",
    )
    code_retell_hours: float = Field(
        24.0,
        gt=0,
        le=8_760,
        description="How long generated codes can be told again under their key, unless they are sealed before.",
    )

    # Who may call.
    jwt_key_file: Path | None = Field(
        None,
        description="PEM public key that verifies bearer tokens; for HS algorithms the shared secret.",
    )
    jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = Field(
        ("RS256", "ES256"),
        description="Accepted signature algorithms, comma-separated; HS ones only on their own.",
    )
    jwt_audience: str | None = Field(
        None, description="Audience that tokens must name; without it `aud` is not looked at."
    )
    jwt_issuer: str | None = Field(
        None, description="Issuer that tokens must name; without it `iss` is not looked at."
    )
    jwt_leeway_seconds: int = Field(
        5, ge=0, le=300, description="Clock difference allowed when a token's times are checked."
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM certificate chain of the server; turns TLS on."
    )
    tls_key_file: Path | None = Field(None, description="PEM private key of the server.")
    tls_client_ca_file: Path | None = Field(
        None,
        description="PEM certificates that sign client certificates; turns on mTLS, which names callers.",
    )
    allow_insecure: bool = Field(
        False,
        description="Allows plaintext or unauthenticated calls beyond loopback. For closed test networks.",
    )

    # Scenarios and demonstrations.
    clock_file: Path | None = Field(
        None,
        description="File that stands for the clock (8 bytes: milliseconds), for scenarios and demonstrations that "
        "span days and years. Time then moves only with the file. Refused where callers are identified.",
    )

    # What it tells.
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Log lines: JSON, for people, or auto (for people on a terminal, else JSON)."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe line logged."
    )
    prometheus_multiproc_dir: Path | None = Field(
        None,
        description="Directory in which workers share metrics, emptied at start; default a temporary one.",
    )

    @field_validator("jwt_algorithms", mode="before")
    @classmethod
    def _split_algorithms(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("jwt_algorithms")
    @classmethod
    def _known_algorithms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = SHARED_SECRET_ALGORITHMS | PUBLIC_KEY_ALGORITHMS
        unknown = sorted(set(value) - known)
        if not value or unknown:
            raise ValueError(f"{', '.join(unknown) or 'nothing'}: allowed are {', '.join(sorted(known))}")
        # A public key is no secret: were both kinds accepted, it could sign a token as an HS key.
        if set(value) & SHARED_SECRET_ALGORITHMS and set(value) & PUBLIC_KEY_ALGORITHMS:
            raise ValueError("HS algorithms cannot be mixed with public-key algorithms")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql_url(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")  # the value may hold a password: not repeated
        return value

    @model_validator(mode="after")
    def _combinations(self) -> Settings:
        mistakes = list(self._mistakes())
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    def _mistakes(self) -> Iterable[str]:
        if self.tls_certificate_file and not self.tls_key_file:
            yield "RIGHTS_TLS_CERTIFICATE_FILE is set without RIGHTS_TLS_KEY_FILE: set both or neither"
        if self.tls_key_file and not self.tls_certificate_file:
            yield "RIGHTS_TLS_KEY_FILE is set without RIGHTS_TLS_CERTIFICATE_FILE: set both or neither"
        if self.tls_client_ca_file and not self.tls_certificate_file:
            yield "RIGHTS_TLS_CLIENT_CA_FILE needs RIGHTS_TLS_CERTIFICATE_FILE: mTLS is TLS first"
        if (
            self.database_reconnect_backoff_min_milliseconds
            > self.database_reconnect_backoff_max_milliseconds
        ):
            yield "RIGHTS_DATABASE_RECONNECT_BACKOFF_MIN_MILLISECONDS is above ..._MAX_MILLISECONDS"
        if self.reservation_ttl_seconds > self.max_reservation_ttl_seconds:
            yield "RIGHTS_RESERVATION_TTL_SECONDS is above RIGHTS_MAX_RESERVATION_TTL_SECONDS"
        if self.max_batch_size > self.max_queue_length:
            yield "RIGHTS_MAX_BATCH_SIZE is above RIGHTS_MAX_QUEUE_LENGTH: a batch is taken from the queue"
        if self.clock_file and self.authenticates:
            yield (
                f"RIGHTS_CLOCK_FILE={self.clock_file} replaces the time of every settlement, and callers are "
                "identified as in production: it is for scenarios and demonstrations, unset it"
            )
        if not is_loopback(self.host) and not self.allow_insecure:
            if not self.authenticates:
                yield (
                    f"RIGHTS_HOST={self.host} can be reached from other machines, "
                    "but nothing identifies callers: set RIGHTS_JWT_KEY_FILE or RIGHTS_TLS_CLIENT_CA_FILE, "
                    "or RIGHTS_ALLOW_INSECURE=true on a closed network"
                )
            if not self.tls_certificate_file:
                yield (
                    f"RIGHTS_HOST={self.host} can be reached from other machines in plaintext: set "
                    "RIGHTS_TLS_CERTIFICATE_FILE and RIGHTS_TLS_KEY_FILE, or RIGHTS_ALLOW_INSECURE=true "
                    "where something else encrypts"
                )

    @property
    def address(self) -> str:
        """What gRPC listens on, as gRPC spells it ("127.0.0.1:50051", "[::1]:50051")."""
        return joined(self.host, self.port)

    @property
    def authenticates(self) -> bool:
        """Whether callers must show who they are; otherwise all are the development caller."""
        return self.jwt_key_file is not None or self.tls_client_ca_file is not None

    def require_database_url(self) -> str:
        """The database, or a `SettingsError` that says how to name one."""
        if not self.database_url:
            raise SettingsError(DATABASE_URL_MISSING)
        return self.database_url

    def check_files(self) -> None:
        """Raises `SettingsError` for files that are named but cannot be used. Called before serving."""
        mistakes = []
        for name in type(self).model_fields:
            path = getattr(self, name)
            if not (name.endswith("_file") and path):
                continue
            try:
                with path.open("rb") as file:
                    start = file.read(MIN_QUOTE_KEY_BYTES)
            except OSError as error:
                mistakes.append(f"{variable(name)}={path}: {error.strerror}")
                continue
            if name == "quote_key_file" and len(start) < MIN_QUOTE_KEY_BYTES:
                mistakes.append(
                    f"{variable(name)}={path}: the key that signs quotes has {MIN_QUOTE_KEY_BYTES} bytes "
                    f"or more, this file {len(start)}"
                )
        if mistakes:
            raise SettingsError("\n".join(mistakes))

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a worker process."""
        return {
            variable(name): _plain(value)
            for name in type(self).model_fields
            if (value := getattr(self, name)) is not None
        }


def variable(field: str) -> str:
    """The environment variable of a field."""
    return ENVIRONMENT_PREFIX + field.upper()


def unknown_variables() -> list[str]:
    """Variables of the environment that look like settings but are none: spelling mistakes, mostly."""
    known = {variable(name) for name in Settings.model_fields} | OTHER_VARIABLES
    return sorted(name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX) and name not in known)


def load_settings(env_file: Path | None = None, **overrides: Any) -> Settings:
    """Reads the environment; `overrides` (those not None) win. Raises `SettingsError` with readable lines."""
    given = {name: value for name, value in overrides.items() if value is not None}
    if env_file is not None and not env_file.is_file():
        raise SettingsError(f"{env_file}: no such file")
    try:
        return Settings(_env_file=env_file, **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError("\n".join(_lines(error))) from None


def settings_table() -> str:
    """The settings as a markdown table."""
    rows = ["| Variable | Default | Range | Meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "one per core" if field.default_factory else _plain(field.default)
        shown = default if field.default_factory else f"`{default}`" if default else "—"
        rows.append(f"| `{variable(name)}` | {shown} | {_range(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _range(field: Any) -> str:
    choices = getattr(field.annotation, "__args__", None)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(choices)
    low = high = None
    above = ""
    for rule in field.metadata:
        if hasattr(rule, "ge"):
            low = rule.ge
        if hasattr(rule, "gt"):
            low, above = rule.gt, "above "
        if hasattr(rule, "le"):
            high = rule.le
    return "" if low is None else f"{above}{low}..{high}"


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _lines(error: ValidationError) -> Iterable[str]:
    for mistake in error.errors(include_url=False):
        message = mistake["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
        if not mistake["loc"]:
            yield message
            continue
        name = str(mistake["loc"][0])
        shown = "" if name == "database_url" else f"={mistake['input']!r}"
        yield f"{variable(name)}{shown}: {message}"
