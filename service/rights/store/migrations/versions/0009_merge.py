"""Two members become one; see 0009_merge.sql."""

from rights.store.migrate import run_sql_file

revision = "0009"
down_revision = "0007"


def upgrade() -> None:
    run_sql_file(__file__)
