"""rights.v1.RulebookService: validate, publish, activate, pause, read."""

import re
from collections import defaultdict

from rights.api import answers
from rights.api.errors import ApiError, invalid_fields
from rights.api.fields import Mistakes, shown
from rights.api.members import page_size
from rights.api.methods import Call, Method
from rights.domain.validation import Mistake, validate
from rights.domain.validation.counts import Keepings, changed_counts, keepings
from rights.engine import clock
from rights.engine.beside import beside
from rights.engine.errors import Refused
from rights.engine.registry import Registry, TenantRules
from rights.store.operator import Operator
from rights.store.reader import Reader
from rights.v1 import rulebook_pb2 as pb

SERVICE = "rights.v1.RulebookService"
_OPERATOR = frozenset({"operator"})
_READERS = frozenset({"operator", "auditor"})
_PAGE_TOKEN = re.compile(r"[0-9]{1,18}\Z")
_BACKDATING_MS = 60_000  # a clock a little behind must not refuse "now"


class RulebookApi:
    """The handlers of the service."""

    def __init__(self, registry: Registry, reader: Reader, operator: Operator) -> None:
        self._registry = registry
        self._reader = reader
        self._operator = operator
        self._keepings: defaultdict[str, dict[int, Keepings]] = defaultdict(dict)  # versions never change

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "Validate", pb.ValidateRequest, self.validate, _OPERATOR),
            Method(SERVICE, "Publish", pb.PublishRequest, self.publish, _OPERATOR),
            Method(SERVICE, "Activate", pb.ActivateRequest, self.activate, _OPERATOR),
            Method(SERVICE, "GetRulebook", pb.GetRulebookRequest, self.get_rulebook, _READERS),
            Method(SERVICE, "ListRulebooks", pb.ListRulebooksRequest, self.list_rulebooks, _READERS),
            Method(SERVICE, "PauseCampaign", pb.PauseCampaignRequest, self.pause_campaign, _OPERATOR),
            Method(SERVICE, "ResumeCampaign", pb.ResumeCampaignRequest, self.resume_campaign, _OPERATOR),
        ]

    async def validate(self, call: Call, request: pb.ValidateRequest) -> pb.ValidateResponse:
        """Reports every mistake."""
        mistakes = await self._mistakes(call, request.rulebook)
        return pb.ValidateResponse(
            mistakes=[
                pb.RulebookMistake(path=m.path, message=m.message, line=m.line, column=m.column)
                for m in mistakes
            ]
        )

    async def publish(self, call: Call, request: pb.PublishRequest) -> pb.PublishResponse:
        """Stores the next version; nothing invalid gets past."""
        mistakes = await self._mistakes(call, request.rulebook)
        if mistakes:
            raise rulebook_invalid(mistakes)
        version, created = await self._operator.publish(call.tenant, request.rulebook, call.caller)
        return pb.PublishResponse(version=version, created=created)

    async def activate(self, call: Call, request: pb.ActivateRequest) -> pb.ActivateResponse:
        """Puts a version in force."""
        mistakes = Mistakes()
        mistakes.number("version", request.version, 1, 2**63 - 1)
        now_ms = clock.now_ms()
        at_ms = now_ms
        if request.HasField("activate_time"):
            at_ms = mistakes.time_ms("activate_time", request.activate_time)
            if at_ms < now_ms - _BACKDATING_MS:
                mistakes.add("activate_time", "is more than a minute in the past")
        mistakes.check()
        await self._registry.ensure(call.tenant, request.version)
        stored = await self._reader.rulebook(call.tenant, request.version)
        assert stored is not None, "it was loaded"
        changed = await self._changed_counts(call, stored.rulebook)
        if changed:  # by a version that was put in force after this one was published
            raise rulebook_invalid(changed)
        await self._operator.activate(call.tenant, request.version, at_ms, call.caller)
        activation = pb.Activation(version=request.version, activate_time=answers.timestamp(at_ms))
        return pb.ActivateResponse(activation=activation)

    async def get_rulebook(self, call: Call, request: pb.GetRulebookRequest) -> pb.GetRulebookResponse:
        """Reads a version."""
        mistakes = Mistakes()
        mistakes.number("version", request.version, 0, 2**63 - 1)
        mistakes.check()
        rules = await self._current(call)
        version = request.version or rules.version_at(clock.now_ms())
        stored = await self._reader.rulebook(call.tenant, version)
        if stored is None:
            raise Refused("RULEBOOK_NOT_FOUND", f"no rulebook version {version}", {"version": str(version)})
        response = pb.GetRulebookResponse(
            version=version, rulebook=stored.rulebook, paused_campaign_ids=sorted(rules.paused)
        )
        response.publish_time.FromDatetime(stored.published_at)
        return response

    async def list_rulebooks(self, call: Call, request: pb.ListRulebooksRequest) -> pb.ListRulebooksResponse:
        """Pages through the versions, newest first."""
        mistakes = Mistakes()
        size = page_size(request.page_size, mistakes)
        if request.page_token and not _PAGE_TOKEN.match(request.page_token):
            mistakes.add("page_token", f"{shown(request.page_token)} is not a token of this service")
        mistakes.check()
        before = int(request.page_token or 2**63 - 1)
        stored = await self._reader.rulebooks(call.tenant, before, size + 1)
        rules = await self._current(call)
        now_ms = clock.now_ms()
        response = pb.ListRulebooksResponse(
            next_page_token=str(stored[size - 1].version) if len(stored) > size else "",
            active_version=rules.find_version(now_ms),
            upcoming=[
                pb.Activation(version=version, activate_time=answers.timestamp(at))
                for at, version in rules.activations
                if at > now_ms
            ],
        )
        for each in stored[:size]:
            summary = response.rulebooks.add(version=each.version, name=each.name, publisher=each.publisher)
            summary.publish_time.FromDatetime(each.published_at)
        return response

    async def pause_campaign(self, call: Call, request: pb.PauseCampaignRequest) -> pb.PauseCampaignResponse:
        """Stops a campaign of the rulebook in force."""
        return pb.PauseCampaignResponse(changed=await self._set_paused(call, request.campaign_id, True))

    async def resume_campaign(
        self, call: Call, request: pb.ResumeCampaignRequest
    ) -> pb.ResumeCampaignResponse:
        """Lets a paused campaign act again."""
        return pb.ResumeCampaignResponse(changed=await self._set_paused(call, request.campaign_id, False))

    async def _current(self, call: Call) -> TenantRules:
        """The tenant's rules as of now, not as last cached."""
        revision = (await self._reader.tenant_revisions()).get(call.tenant, 0)
        return await self._registry.rules(call.tenant, revision)

    async def _mistakes(self, call: Call, rulebook: pb.Rulebook) -> list[Mistake]:
        # Type-checking thousands of conditions takes a while; settlements go on meanwhile.
        return await beside(validate, rulebook) or await self._changed_counts(call, rulebook)

    async def _changed_counts(self, call: Call, rulebook: pb.Rulebook) -> list[Mistake]:
        known = self._keepings[call.tenant]
        while more := await self._reader.activated_rulebooks(call.tenant, list(known)):
            known |= {version: keepings(version, each) for version, each in more.items()}
        return changed_counts(rulebook, known.values())

    async def _set_paused(self, call: Call, campaign_id: str, paused: bool) -> bool:
        mistakes = Mistakes()
        mistakes.id("campaign_id", campaign_id)
        mistakes.check()
        rules = await self._current(call)
        # Versions to come, and those that quotes still hold, count: their campaigns can be stopped too.
        known = any(campaign_id in book.by_id for book in rules.books.values())
        if not known and campaign_id not in rules.paused:
            raise ApiError(
                "CAMPAIGN_NOT_FOUND",
                f"no rulebook in use has a campaign {campaign_id!r}",
                metadata={"campaign_id": campaign_id},
            )
        return await self._operator.set_paused(call.tenant, campaign_id, paused, call.caller)


def rulebook_invalid(mistakes: list[Mistake]) -> ApiError:
    """RULEBOOK_INVALID naming every mistake."""
    return invalid_fields(((m.path, _located(m)) for m in mistakes), "RULEBOOK_INVALID")


def _located(mistake: Mistake) -> str:
    return (
        f"line {mistake.line}, column {mistake.column}: {mistake.message}"
        if mistake.line
        else mistake.message
    )
