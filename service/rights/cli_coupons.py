"""The commands about pools of codes of a running service."""

import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rights.cli_calls import (
    CommandError,
    JsonOption,
    Service,
    StreamBroken,
    calls,
    parse_time,
    print_json,
    table,
    when,
)
from rights.v1 import coupon_pb2 as pb

PAUSE_SECONDS = 1.0  # before a broken stream is opened again
ATTEMPTS = 5  # in a row that bring nothing

_out = Console(markup=False, highlight=False, soft_wrap=True)
_err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

coupon_app = typer.Typer(
    help="Codes that become coupons or gift cards: generate, count, revoke.", no_args_is_help=True
)
PoolArgument = Annotated[str, typer.Argument(help="The pool's id.")]


@coupon_app.command("generate")
@calls
def coupon_generate(
    service: Service,
    pool: Annotated[str, typer.Option(help="The pool; it is made if it is not there.")],
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many codes.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="File for the codes, one a line.")],
    template: Annotated[str, typer.Option(help="A code gives a coupon of this template; or")] = "",
    asset: Annotated[str, typer.Option(help="a gift card: of this asset,")] = "",
    units: Annotated[int, typer.Option(min=0, help="so many units,")] = 0,
    origin: Annotated[str, typer.Option(help="issued by this party (default: the asset's issuer),")] = "",
    expire_days: Annotated[int, typer.Option(min=0, help="whose lot expires so many days after, or")] = 0,
    expire_at: Annotated[str, typer.Option(help="at this time (default: as the asset says).")] = "",
    redeem_until: Annotated[str, typer.Option(help="From this time on no code can be redeemed.")] = "",
    resume: Annotated[
        str, typer.Option(metavar="KEY", help="Go on with the generation of this key, from its beginning.")
    ] = "",
) -> None:
    """Generate codes into a file that only you can read. The service tells them once, and then forgets how to.

    If it breaks off, the same command with --resume KEY writes the file anew, with the same codes.
    """
    request = pb.GenerateCodesRequest(
        idempotency_key=resume or f"generate-{secrets.token_hex(8)}", pool_id=pool, count=count
    )
    if bool(template) == bool(asset):
        raise CommandError("a code gives a coupon or a gift card: name --template or --asset", 2)
    if template:
        request.coupon_template_id = template
    else:
        _set_gift_card(request.gift_card, asset, units, origin, expire_days, expire_at)
    if redeem_until:
        request.redeem_until_time.FromDatetime(parse_time("--redeem-until", redeem_until))
    if out.exists():
        raise CommandError(f"{out} is there already: name another file", 2)
    part = out.with_name(f"{out.name}.part")
    try:
        with _private(part) as file, _progress() as progress:
            task = progress.add_task("codes", total=count)
            for chunk in _chunks(service, request):
                file.writelines(f"{code}\n" for code in chunk.codes)
                progress.update(task, completed=chunk.done_count)
            file.flush()
            os.fsync(file.fileno())
        part.rename(out)
        service.coupons("SealCodes", pb.SealCodesRequest(idempotency_key=request.idempotency_key))
    except BaseException:
        _err.print(f"not done; go on with --resume {request.idempotency_key}")
        raise
    _out.print(f"{count:,} codes of pool {pool} are in {out}. Nobody can be told them again.")


@coupon_app.command("pool")
@calls
def coupon_pool(service: Service, pool: PoolArgument, as_json: JsonOption = False) -> None:
    """Show a pool: what its codes give, and how many are used."""
    _show(service.coupons("GetCodePool", pb.GetCodePoolRequest(pool_id=pool)).pool, as_json)


@coupon_app.command("revoke")
@calls
def coupon_revoke(service: Service, pool: PoolArgument, as_json: JsonOption = False) -> None:
    """Take all unused codes of a pool back, for good."""
    _show(service.coupons("RevokeCodePool", pb.RevokeCodePoolRequest(pool_id=pool)).pool, as_json)


def _set_gift_card(
    card: pb.GiftCard, asset: str, units: int, origin: str, expire_days: int, expire_at: str
) -> None:
    if expire_days and expire_at:
        raise CommandError("--expire-days and --expire-at exclude each other", 2)
    card.asset, card.units, card.origin = asset, units, origin
    if expire_days:
        card.expire_days = expire_days
    if expire_at:
        card.expire_time.FromDatetime(parse_time("--expire-at", expire_at))


def _private(path: Path) -> IO[str]:
    """A new file, or an old one emptied, that only its owner can read: codes are worth money."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "w", encoding="ascii")


def _chunks(service: Service, request: pb.GenerateCodesRequest) -> Iterator[pb.GenerateCodesResponse]:
    """Every chunk once, over as many streams as it takes: each tells from the first code on."""
    done = broken = 0
    while done < request.count:
        try:
            for chunk in service.code_stream(request):
                del chunk.codes[: done - chunk.first_index]  # told before
                if chunk.codes:
                    broken, done = 0, chunk.done_count
                    yield chunk
        except StreamBroken as error:
            broken += 1
            if broken == ATTEMPTS:
                raise
            _err.print(f"the stream broke and is opened again: {error}")
            time.sleep(PAUSE_SECONDS)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=_err,
        transient=True,
    )


def _show(pool: pb.CodePool, as_json: bool) -> None:
    if as_json:
        print_json(pool)
        return
    table(
        ("Pool", "Gives", "Until", "Codes", "Unused", "Redeemed", "Revoked"),
        [
            (
                pool.pool_id,
                _gift(pool),
                when(pool.redeem_until_time) or "always",
                *(
                    f"{count:,}"
                    for count in (
                        pool.code_count,
                        pool.unused_count,
                        pool.redeemed_count,
                        pool.revoked_count,
                    )
                ),
            )
        ],
    )


def _gift(pool: Any) -> str:
    if pool.WhichOneof("gift") == "coupon_template_id":
        return f"coupon {pool.coupon_template_id}"
    card = pool.gift_card
    expires = ""
    if card.WhichOneof("expiry") == "expire_days":
        expires = f", for {card.expire_days} days"
    elif card.WhichOneof("expiry") == "expire_time":
        until: datetime = card.expire_time.ToDatetime(UTC)
        expires = f", until {until:%Y-%m-%d %H:%M:%SZ}"
    return f"{card.units:,} {card.asset} of {card.origin}{expires}"
