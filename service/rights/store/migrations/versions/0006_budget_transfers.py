"""Budget pools and transfers of budget; see 0006_budget_transfers.sql."""

from rights.store.migrate import run_sql_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_sql_file(__file__)
