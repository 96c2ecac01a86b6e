"""The order of events, their consumers and what retention dropped; see 0003_events.sql."""

from rights.store.migrate import run_sql_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sql_file(__file__)
