"""What a batch costs the database; see 0011_batches.sql."""

from rights.store.migrate import run_sql_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_sql_file(__file__)
