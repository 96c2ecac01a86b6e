"""What a batch costs whatever its size; see 0012_small_batches.sql."""

from rights.store.migrate import run_sql_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_sql_file(__file__)
