"""A batch is booked by a procedure, which is sent together with COMMIT; see 0014_booking.sql."""

from rights.store.migrate import run_sql_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_sql_file(__file__)
