"""A batch does not wait for a member whom another worker has; see 0013_busy_members.sql."""

from rights.store.migrate import run_sql_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_sql_file(__file__)
