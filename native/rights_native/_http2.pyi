"""Types of the HTTP/2 sessions; `_http2.pyx` says what each of these is."""

from typing import Any

HEADERS_TOO_LARGE: int
MESSAGE_TOO_LARGE: int
MESSAGE_TRUNCATED: int
BAD_FLAG: int
OVER_BUDGET: int
NO_ERROR: int
REFUSED_STREAM: int
CANCEL: int
INTERNAL_ERROR: int
ENHANCE_YOUR_CALM: int
INADEQUATE_SECURITY: int

class LibraryMissing(Exception): ...

def load(library: str = ...) -> None: ...

class Limits:
    max_streams: int
    max_header_bytes: int
    max_message_bytes: int
    max_unread_bytes: int
    stream_window_bytes: int
    connection_window_bytes: int
    max_pings: int
    max_settings: int
    max_resets: int
    max_empty_frames: int

    def __init__(
        self,
        *,
        max_streams: int = ...,
        max_header_bytes: int = ...,
        max_message_bytes: int = ...,
        max_unread_bytes: int = ...,
        stream_window_bytes: int = ...,
        connection_window_bytes: int = ...,
        max_pings: int = ...,
        max_settings: int = ...,
        max_resets: int = ...,
        max_empty_frames: int = ...,
    ) -> None: ...

class Budget:
    limit: int
    held: int
    spared: int

    def __init__(self, limit: int, spared: int = 0) -> None: ...

class Stream:
    session: Session
    id: int
    call: Any
    opened: bool
    ended: bool
    closed: bool
    reset_code: int
    error: int
    error_bytes: int
    is_post: bool
    has_te: bool
    path: bytes | None
    content_type: bytes | None
    timeout: bytes | None
    encoding: bytes | None
    accepts_gzip: bool
    metadata: list[tuple[bytes, bytes]]
    trailers: list[tuple[bytes, bytes]] | None
    compressed: bool
    opened_at: float
    waiting_since: float
    moved_at: float
    queued: int
    wants_room: bool
    answered: bool

    def take(self) -> bytes | None: ...
    def forget(self) -> None: ...
    @property
    def has_message(self) -> bool: ...
    @property
    def has_compressed(self) -> bool: ...
    def reply(self, message: bytes, compressed: bool = False) -> None: ...
    def start(self, headers: list[tuple[bytes, bytes]]) -> None: ...
    def send(self, message: bytes, compressed: bool = False) -> None: ...
    def finish(self, trailers: list[tuple[bytes, bytes]]) -> None: ...
    def refuse(self, status: bytes, headers: list[tuple[bytes, bytes]]) -> None: ...
    def end(self) -> None: ...
    def reset(self, code: int) -> None: ...

class Session:
    limits: Limits
    budget: Budget
    queued: int
    held: int
    streams: dict[int, Stream]
    calm: str | None
    now: float
    received_at: float
    headers_since: float
    settled: bool
    going_away: bool
    pongs: int
    goaway_code: int
    fault: BaseException | None

    def __init__(self, limits: Limits, budget: Budget, client: bool = False) -> None: ...
    def close(self) -> None: ...
    def receive(self, data: bytes) -> bool: ...
    def take_news(self) -> list[Stream]: ...
    def output(self, limit: int) -> bytes: ...
    @property
    def wants_output(self) -> bool: ...
    @property
    def overfull(self) -> bool: ...
    @property
    def over(self) -> bool: ...
    def request(self, headers: list[tuple[bytes, bytes]]) -> Stream | None: ...
    def ping(self) -> None: ...
    def say_stopping(self) -> None: ...
    def go_away(self, code: int = 0) -> None: ...
    def terminate(self, reason: str) -> None: ...
    def overdue(self, before: float) -> list[Stream]: ...
    def unread(self, before: float) -> list[Stream]: ...
