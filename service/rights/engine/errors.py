"""Why a command is not answered. Nothing is recorded in any of these cases."""


class Refused(Exception):
    """A command that ends without an entry. `reason` is the name of an ErrorReason.

    retry_after_seconds: above 0 where the same request may be sent again after it.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        metadata: dict[str, str] | None = None,
        retry_after_seconds: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = metadata or {}
        self.retry_after_seconds = retry_after_seconds


def key_reused(key: str) -> Refused:
    """A key that was first used with other content."""
    message = f"idempotency_key {key!r} was used with other content; nothing was executed"
    return Refused("IDEMPOTENCY_KEY_REUSED", message, {"idempotency_key": key})


class MemberBusy(Exception):
    """Another worker's batch has the member of a command, or there is none: it is for the next batch."""


class MovedTo(Exception):
    """The member of a command is another one now: the command is for that one."""

    def __init__(self, member_id: str, merged_into: str) -> None:
        super().__init__(f"{member_id} is {merged_into} now")
        self.member_id = member_id
        self.merged_into = merged_into


class Overloaded(Refused):
    """Shed before anything was done; the same request may be sent after `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__("OVERLOADED", message, retry_after_seconds=retry_after_seconds)


class Unavailable(Refused):
    """The database is away, or every attempt lost a race; the outcome may be unknown."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__("UNAVAILABLE", message, retry_after_seconds=retry_after_seconds)
