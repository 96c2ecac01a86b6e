"""Reservations, refunds, pending points, debts, stored value, events; see 0002_lifecycle.sql."""

from rights.store.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql_file(__file__)
