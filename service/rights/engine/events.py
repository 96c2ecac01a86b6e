"""What is told to followers of an entry: see the table rights.outbox for how it is kept."""

from rights.store.writer import Entry

_KINDS = {
    "settle": "settled",
    "confirm": "settled",
    "reserve": "reserved",
    "cancel": "cancelled",
    "lapse": "cancelled",
    "refund": "refunded",
    "reverse": "refunded",
}


def of(entry: Entry) -> list[dict[str, object]]:
    """The events of a booked entry; a refusal has none."""
    if entry.rejection is not None:
        return []
    told: list[dict[str, object]] = []
    kind = _KINDS.get(entry.kind)
    if kind is not None:
        event: dict[str, object] = {"kind": kind, "member": entry.member_id, "entry": entry.entry_id}
        if kind == "cancelled":
            event["cause"] = entry.kind
        told.append(event)
    if entry.effects.absorbed:
        merged = {"merged": entry.effects.absorbed}
        told.append({"kind": "members_merged", "member": entry.member_id, "entry": entry.entry_id, **merged})
    for ladder, before, after in entry.effects.levels:
        level = {"from": before, "to": after, "ladder": ladder}
        told.append({"kind": "tier_changed", "member": entry.member_id, "entry": entry.entry_id, **level})
    for change in entry.effects.plans:
        plan = {"plan": change.plan_id, "until_ms": change.until_ms, "cause": change.cause}
        told.append({"kind": change.what, "member": entry.member_id, "entry": entry.entry_id, **plan})
    if entry.effects.closed is not None:
        program_id, refunded, conversions = entry.effects.closed
        closed = {"program": program_id, "refunded": refunded, "conversions": [tuple(c) for c in conversions]}
        told.append({"kind": "program_closed", "member": entry.member_id, "entry": entry.entry_id, **closed})
    for coupon in entry.effects.granted:
        told.append(
            {
                "kind": "coupon_granted",
                "member": entry.member_id,
                "entry": entry.entry_id,
                "coupon": coupon.coupon_id,
                "template": coupon.template_id,
            }
        )
    return told
