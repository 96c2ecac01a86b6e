"""A batch reads budgets by their names; see 0015_budgets_by_name.sql."""

from rights.store.migrate import run_sql_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_sql_file(__file__)
