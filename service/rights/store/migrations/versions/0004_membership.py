"""What is counted of members, and their levels; see 0004_membership.sql."""

from rights.store.migrate import run_sql_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql_file(__file__)
