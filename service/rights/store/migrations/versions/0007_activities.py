"""What members do besides ordering, and what they get for it; see 0007_activities.sql."""

from rights.store.migrate import run_sql_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_sql_file(__file__)
