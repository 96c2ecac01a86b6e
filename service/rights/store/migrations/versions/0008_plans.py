"""Benefits, paid memberships, programs that close; see 0008_plans.sql."""

from rights.store.migrate import run_sql_file

revision = "0008"
down_revision = "0005"


def upgrade() -> None:
    run_sql_file(__file__)
