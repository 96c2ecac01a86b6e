"""Between a client and a server: which of their messages are compressed, as clients' own libraries do not tell."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from raw_peer import PREFACE

_DATA, _PADDED = 0, 8
_FRAME_HEADER, _MESSAGE_HEADER = 9, 5


class Flags:
    """The compressed flags of the messages that go one way, in the order in which they end."""

    def __init__(self, skipped: bytes = b"") -> None:
        self.seen: list[int] = []
        self._to_skip = len(skipped)
        self._frames = bytearray()
        self._messages: dict[int, bytearray] = defaultdict(bytearray)

    def feed(self, data: bytes) -> None:
        """Some of what is sent."""
        self._frames += data[self._to_skip :]
        self._to_skip = max(0, self._to_skip - len(data))
        while (frame := _first(self._frames, _FRAME_HEADER, slice(0, 3))) is not None:
            kind, flags, stream = frame[3], frame[4], int.from_bytes(frame[5:9])
            if kind == _DATA:
                assert not flags & _PADDED
                self._add(self._messages[stream], frame[_FRAME_HEADER:])

    def _add(self, messages: bytearray, data: bytes) -> None:
        messages += data
        while (message := _first(messages, _MESSAGE_HEADER, slice(1, 5))) is not None:
            self.seen.append(message[0])


def _first(arrived: bytearray, header: int, length: slice) -> bytes | None:
    """Takes what has come as a whole from the front; `length` is where its header says how much follows."""
    size = header + int.from_bytes(arrived[length])
    if len(arrived) < max(header, size):
        return None
    taken = bytes(arrived[:size])
    del arrived[:size]
    return taken


@dataclass
class Recording:
    """What was seen of all connections through one address."""

    address: str = ""
    connections: int = 0
    requests: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@asynccontextmanager
async def recorder(address: str) -> AsyncIterator[Recording]:
    """An address that leads to another one."""
    recording = Recording()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recording.connections += 1
        there, back = await asyncio.open_connection(*address.split(":"))
        requests, answers = Flags(PREFACE), Flags()
        requests.seen, answers.seen = recording.requests, recording.answers
        await asyncio.gather(_pump(reader, back, requests), _pump(there, writer, answers))

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    recording.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield recording
    finally:
        server.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, flags: Flags) -> None:
    try:
        while data := await source.read(65_536):
            flags.feed(data)
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()
