"""Operations on two members, coupons handed over, coupon codes; see 0005_codes.sql."""

from rights.store.migrate import run_sql_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql_file(__file__)
