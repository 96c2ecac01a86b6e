"""The commands about segments of a running service."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rights.api.fields import Mistakes
from rights.api.orders import check_member
from rights.cli_calls import CommandError, Service, calls
from rights.v1 import common_pb2
from rights.v1 import segment_pb2 as pb

_AT_ONCE = 5_000
_SHOWN = 20  # mistakes of a file

segment_app = typer.Typer(help="Segments: tags on many members at once.", no_args_is_help=True)
_err = Console(stderr=True, markup=False, highlight=False)


@segment_app.command("upload")
@calls
def upload(
    service: Service,
    file: Annotated[
        Path, typer.Argument(help="One member id a line, or LINE:ID of a linked account with --identity.")
    ],
    tag: Annotated[str, typer.Option(help="The tag, as conditions name it.")],
    until: Annotated[str, typer.Option(help="When it ends, RFC 3339 with an offset. Default: never.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag away instead.")] = False,
    identity: Annotated[bool, typer.Option("--identity", help="Lines are accounts, LINE:ID.")] = False,
) -> None:
    """Tag the members of a file, with progress. Doing it again changes nothing."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error}", 2) from None
    members = _members(file, lines, identity)
    first = pb.UploadSegmentRequest(tag=tag, mode="MODE_REMOVE" if remove else "MODE_ADD")
    if until:
        try:
            time = datetime.fromisoformat(until)
        except ValueError as error:
            raise CommandError(f"--until {until}: {error}", 2) from None
        if time.tzinfo is None:
            raise CommandError(f"--until {until}: has no offset; write one as in {until}+08:00", 2)
        first.expire_time.FromDatetime(time)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_err) as progress:
        task = progress.add_task(tag, total=len(members))
        last = pb.UploadSegmentResponse()
        for last in service.upload_segment(_requests(first, members)):
            progress.update(task, completed=last.received_count)
    verb = "without" if remove else "with"
    print(
        f"{last.tagged_count} members {verb} {tag}, {last.unknown_count} unknown, {last.full_count} with too many tags"
    )


def _requests(
    first: pb.UploadSegmentRequest, members: list[common_pb2.MemberRef]
) -> Iterator[pb.UploadSegmentRequest]:
    yield first
    for at in range(0, len(members), _AT_ONCE):
        yield pb.UploadSegmentRequest(members=members[at : at + _AT_ONCE])


def _members(file: Path, lines: list[str], identity: bool) -> list[common_pb2.MemberRef]:
    """Whom the lines name. Nothing is sent unless all of them can be read: told are the first few that can not."""
    members, mistakes = [], Mistakes()
    for number, line in enumerate(lines, 1):
        if name := line.strip():
            members.append(_member(name, identity))
            check_member(members[-1], mistakes, f"{file}:{number}")
    if found := mistakes.found:
        told = [f"{path}: {message}" for path, message in found[:_SHOWN]]
        more = [f"and {len(found) - _SHOWN:,} more"] if len(found) > _SHOWN else []
        raise CommandError(
            "\n".join([f"{file} has lines that name no member; nothing was sent", *told, *more])
        )
    return members


def _member(name: str, identity: bool) -> common_pb2.MemberRef:
    if not identity:
        return common_pb2.MemberRef(member_id=name)
    line, _, account = name.partition(":")
    return common_pb2.MemberRef(identity={"business_line": line, "external_id": account})
