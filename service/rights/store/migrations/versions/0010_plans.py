"""Benefits, paid memberships, programs that close; see 0010_plans.sql."""

from rights.store.migrate import run_sql_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_sql_file(__file__)
