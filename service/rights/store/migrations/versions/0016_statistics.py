"""Statistics that cost little; see 0016_statistics.sql."""

from rights.store.migrate import run_sql_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_sql_file(__file__)
