"""Brings a database to this version's schema (alembic runs, orders and records the steps).

Every step is a `.sql` file beside its revision. Steps only go forward; a release that must be
undone is undone by a new step.
"""

from pathlib import Path

from alembic import command, op
from alembic.config import Config
from alembic.script import ScriptDirectory

from rights.store.connect import Connection

_MIGRATIONS = Path(__file__).parent / "migrations"


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["database_url"] = database_url
    return config


def run_sql_file(revision_file: str) -> None:
    """Runs the `.sql` file beside a revision, inside the migration's transaction."""
    sql = Path(revision_file).with_suffix(".sql").read_text()
    # The driver's simple protocol takes many statements at once; SQLAlchemy's prepares each.
    op.get_bind().connection.dbapi_connection.run_async(  # type: ignore[union-attr]
        lambda connection: connection.execute(sql)
    )


def migrate(database_url: str) -> list[str]:
    """Applies what is missing; answers the names of all revisions now applied, oldest first.

    Must be called outside an event loop. Safe to call from several machines at once.
    """
    config = _config(database_url)
    command.upgrade(config, "head")
    return [r.revision for r in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]


async def missing_revision(connection: Connection) -> str | None:
    """The revision this version needs, if the database is not there yet."""
    head = ScriptDirectory.from_config(_config("")).get_current_head()
    if await connection.fetchval("SELECT to_regclass('rights.alembic_version')") is None:
        return head
    current = await connection.fetchval("SELECT version_num FROM rights.alembic_version")
    return None if current == head else head
