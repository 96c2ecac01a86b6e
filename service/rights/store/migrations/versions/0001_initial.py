"""The first schema; see 0001_initial.sql."""

from rights.store.migrate import run_sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql_file(__file__)
