"""Checks of fields that several messages have, and how a mistake is told."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nsmallest
from typing import Protocol, TypeVar

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from rights.domain.book import known_ids
from rights.domain.cel import CelMistake, Reads, check_condition
from rights.domain.limits import BPS, MAX_ID_BYTES
from rights.v1 import rulebook_pb2 as pb

MAX_RULEBOOK_ID_BYTES = 64
MAX_TITLE_BYTES = 256
MAX_WINDOWS_PER_CAMPAIGN = 16
MAX_MEMBER_USES = 1_000_000
MAX_MULTIPLIER_BPS = 1_000_000
MAX_GIFT_UNITS = 10**12

DAY_SECONDS = 86_400
MIN_TIMESTAMP_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z
MAX_TIMESTAMP_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z

_ID = re.compile(rf"[a-z0-9._-]{{1,{MAX_RULEBOOK_ID_BYTES}}}")
_ISSUER = re.compile(rf"platform|(?:merchant|brand|issuer)/[!-~]{{1,{MAX_ID_BYTES}}}")
_PARTY_ID = re.compile(rf"[!-~]{{1,{MAX_ID_BYTES}}}")
_DAILY_TIME = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")
_SHOWN_CHARACTERS = 80
_SHOWN_NAMES = 20

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a rulebook.

    path: the field, from the rulebook ("campaigns[3].percent_discount.rate_bps"); "" is the rulebook itself.
    line, column: for a CEL expression, where in it, from 1; else 0.
    """

    path: str
    message: str
    line: int = 0
    column: int = 0


class Ids(dict[str, None]):
    """The ids of a list, in order, and how a message lists them."""

    @cached_property
    def listed(self) -> str:
        """The first few, by name; computed once, since thousands of references may be wrong."""
        shown = nsmallest(_SHOWN_NAMES, filter(None, self))
        more = f", and {len(self) - len(shown)} more" if len(self) > len(shown) else ""
        return ", ".join(shown) + more if shown else "none"


class Named(Protocol):
    """A message with an id."""

    @property
    def id(self) -> str: ...


class Checks:
    """One run over one rulebook. Each `_check_` method notes the mistakes of one message or field."""

    def __init__(self, rulebook: pb.Rulebook) -> None:
        self._rulebook = rulebook
        self._mistakes: list[Mistake] = []
        self._conditions: dict[str, list[CelMistake]] = {}
        self._stage_ids = ids(rulebook.stages)
        self._template_ids = ids(rulebook.coupon_templates)
        self._group_ids = ids(rulebook.grant_groups)
        self._budget_ids = ids(rulebook.budgets)
        self._quota_ids = ids(rulebook.quotas)
        self._pool_ids = ids(rulebook.budget_pools)
        self._asset_ids = ids(rulebook.assets)
        self._campaign_ids = ids(rulebook.campaigns)
        self._benefit_ids = ids(a for a in rulebook.assets if a.kind == pb.Asset.KIND_BENEFIT)
        self._program_ids = ids(rulebook.programs)
        self._earning_ids = ids(asset for asset in rulebook.assets if asset.HasField("earn"))
        self._activity_ids = ids(rulebook.activities)
        self._plan_ids = ids(rulebook.plans)
        self._ladders = {ladder.id: ladder for ladder in rulebook.tier_ladders}
        self._known = known_ids(rulebook)
        self._assets = {asset.id: asset for asset in rulebook.assets}

    def _check_window(self, path: str, window: pb.Window) -> None:
        sound = [
            self._check_timestamp(f"{path}.{name}", getattr(window, name))
            for name in ("start_time", "end_time")
            if window.HasField(name)
        ]
        if sound == [True, True] and _milliseconds(window.end_time) <= _milliseconds(window.start_time):
            start, end = window.start_time.ToJsonString(), window.end_time.ToJsonString()
            self._note(f"{path}.end_time", f"{end} is not after start_time, {start}")
        self._check_daily_times(path, window)
        self._check_weekdays(f"{path}.weekdays", window.weekdays)

    def _check_daily_times(self, path: str, window: pb.Window) -> None:
        times = {"daily_start": window.daily_start, "daily_end": window.daily_end}
        for name, text in times.items():
            if not text:
                if any(times.values()):
                    self._note(
                        f"{path}.{name}", "is required: daily_start and daily_end are given both or neither"
                    )
                continue
            seconds = parse_daily_time(text)
            if seconds is None:
                self._note(f"{path}.{name}", f'{shown(text)} is not a time of day, "HH:MM" or "HH:MM:SS"')
            elif seconds == DAY_SECONDS and name == "daily_start":
                self._note(f"{path}.{name}", f"{shown(text)} is the day's end, allowed as daily_end only")

    def _check_weekdays(self, path: str, weekdays: Sequence[int]) -> None:
        first: dict[int, int] = {}
        for index, weekday in enumerate(weekdays):
            self._check_range(f"{path}[{index}]", weekday, 1, 7)
            if first.setdefault(weekday, index) != index:
                self._note(f"{path}[{index}]", f"{weekday} is already given by entry {first[weekday]}")

    def _check_member_limit(self, path: str, limit: pb.MemberLimit) -> None:
        self._check_range(f"{path}.max_uses", limit.max_uses, 1, MAX_MEMBER_USES)
        self._check_enum(f"{path}.period", limit.period, pb.MemberLimit.Period)

    def _check_funding(self, path: str, funding: Sequence[pb.FundingShare], *, of_discount: bool) -> None:
        for index, share in enumerate(funding):
            self._check_funding_share(f"{path}[{index}]", share, of_discount=of_discount)
        total = sum(share.share_bps for share in funding)
        if not funding:
            self._note(path, f"is required: who pays; the shares sum to {BPS}")
        elif total != BPS:
            self._note(path, f"the shares sum to {total}; they must sum to {BPS}")

    def _check_funding_share(self, path: str, share: pb.FundingShare, *, of_discount: bool) -> None:
        self._check_enum(f"{path}.party", share.party, pb.FundingShare.Party, required=True)
        self._check_range(f"{path}.share_bps", share.share_bps, 1, BPS)
        party_id, id_path = share.party_id, f"{path}.party_id"
        if party_id and share.party == pb.FundingShare.PARTY_PLATFORM:
            self._note(id_path, f"{shown(party_id)} is not allowed for PARTY_PLATFORM; there is one platform")
        elif party_id and not _PARTY_ID.fullmatch(party_id):
            allowed = f"1..{MAX_ID_BYTES} printable ASCII characters without spaces"
            self._note(id_path, f"{shown(party_id)} is not an id; allowed are {allowed}")
        elif not party_id and of_discount and share.party == pb.FundingShare.PARTY_ISSUER:
            self._note(id_path, "is required for PARTY_ISSUER on a discount")

    def _check_issuer(self, path: str, issuer: str) -> None:
        allowed = "platform, merchant/ID, brand/ID or issuer/ID"
        if not issuer:
            self._note(path, f"is required: {allowed}")
        elif not _ISSUER.fullmatch(issuer):
            self._note(
                path,
                f"{shown(issuer)} is not a party; allowed are {allowed}, "
                f"the ID 1..{MAX_ID_BYTES} printable ASCII characters without spaces",
            )

    def _check_condition(self, path: str, text: str) -> None:
        """Large rulebooks repeat their conditions: each text is checked once."""
        if text not in self._conditions:
            self._conditions[text] = check_condition(text, self._known)
        self._note_condition(path, self._conditions[text])

    def _check_member_condition(self, path: str, text: str, reads: Reads = Reads.MEMBER) -> None:
        """One without an order."""
        self._note_condition(path, check_condition(text, self._known, reads))

    def _note_condition(self, path: str, mistakes: list[CelMistake]) -> None:
        for mistake in mistakes:
            self._mistakes.append(Mistake(path, mistake.message, mistake.line, mistake.column))

    def _check_ids(self, path: str, named: Iterable[Named]) -> None:
        indices: dict[str, list[int]] = defaultdict(list)
        for index, item in enumerate(named):
            self._check_id(f"{path}[{index}].id", item.id)
            indices[item.id].append(index)
        for id_, (first, *others) in indices.items():
            for index in others if id_ else ():
                self._note(f"{path}[{index}].id", f"{shown(id_)} is already used by {path}[{first}]")

    def _check_id(self, path: str, id_: str) -> None:
        allowed = f"1..{MAX_RULEBOOK_ID_BYTES} of a-z 0-9 . _ -"
        if not id_:
            self._note(path, f"is required: {allowed}")
        elif not _ID.fullmatch(id_):
            self._note(path, f"{shown(id_)} is not an id; allowed are {allowed}")

    def _check_reference(self, path: str, id_: str, known: Ids, what: str) -> None:
        if id_ and id_ not in known:
            self._note(path, f"{shown(id_)} is not {what} of this rulebook; there are: {known.listed}")

    def _check_benefit(self, path: str, asset_id: str) -> None:
        """A reference to an asset that consists of uses."""
        if not asset_id:
            self._note(path, f"is required: an asset of KIND_BENEFIT; there are: {self._benefit_ids.listed}")
        self._check_reference(path, asset_id, self._benefit_ids, "an asset of KIND_BENEFIT")

    def _check_named(self, path: str, id_: str, known: Ids, what: str) -> None:
        """A reference that must be given."""
        if not id_:
            self._note(path, f"is required: {what}; there are: {known.listed}")
        self._check_reference(path, id_, known, what)

    def _check_text(self, path: str, text: str, max_bytes: int, *, required: bool = False) -> None:
        size = len(text.encode())
        if required and not text:
            self._note(path, f"is required: 1..{max_bytes} bytes")
        elif size > max_bytes:
            self._note(path, f"{shown(text)} takes {size} bytes; at most {max_bytes} are allowed")
        elif "\0" in text:  # PostgreSQL stores none
            self._note(path, f"{shown(text)} has a NUL character; texts may not")

    def _check_range(self, path: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            self._note(path, f"{value} is out of range; allowed are {low}..{high}")

    def _bounded(self, path: str, items: Sequence[_T], most: int) -> Sequence[_T]:
        """The items to check. What exceeds the list's limit is one mistake, whatever it holds."""
        if len(items) > most:
            self._note(path, f"has {len(items)} entries; at most {most} are allowed")
        return items[:most]

    def _check_enum(self, path: str, number: int, enum: EnumTypeWrapper, *, required: bool = False) -> None:
        """Enum fields hold any number; zero is the unspecified value."""
        allowed = ", ".join(name for name, value in enum.items() if value)
        if number not in enum.values():
            self._note(path, f"{number} is not known; allowed are {allowed}")
        elif required and not number:
            self._note(path, f"is required: {allowed}")

    def _check_timestamp(self, path: str, timestamp: Timestamp) -> bool:
        seconds, nanos = timestamp.seconds, timestamp.nanos
        if not MIN_TIMESTAMP_SECONDS <= seconds <= MAX_TIMESTAMP_SECONDS:
            self._note(path, f"{seconds} seconds are out of range; allowed are years 1 to 9999")
            return False
        if not 0 <= nanos < 10**9:
            self._note(path, f"{nanos} nanos are out of range; allowed are 0..999999999")
            return False
        return True

    def _note(self, path: str, message: str) -> None:
        self._mistakes.append(Mistake(path, message))


def parse_daily_time(text: str) -> int | None:
    """Seconds from the day's start of "HH:MM" or "HH:MM:SS", 86,400 for "24:00"; else None."""
    match = _DAILY_TIME.fullmatch(text)
    if not match:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = hours * 3_600 + minutes * 60 + seconds
    return total if minutes < 60 and seconds < 60 and total <= DAY_SECONDS else None


def ids(named: Iterable[Named]) -> Ids:
    """The ids of messages."""
    return Ids((item.id, None) for item in named)


def _milliseconds(timestamp: Timestamp) -> int:
    """Times are kept to the millisecond."""
    return timestamp.seconds * 1_000 + timestamp.nanos // 1_000_000


def shown(text: str) -> str:
    """A value for a message: quoted, escaped, and cut when long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
