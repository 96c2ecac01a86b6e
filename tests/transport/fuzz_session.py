"""Coverage-guided fuzzing of the HTTP/2 session code, with sanitizers.

    python tests/transport/fuzz_session.py --seconds 600 [--seed 1] [--corpus DIRECTORY]

An input is what a peer sends and what the owner does meanwhile. Inputs that reach new edges of the compiled code are
kept and varied further. After each, the session's books must be even; a crash, a sanitizer's report or an exception
in a callback ends the run with exit code 1 (99: a sanitizer), and the input is in the file that is named. Run with
`--replay FILE` to see it again. Needs gcc; no libFuzzer, which gcc does not have.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import hpack
import session_build

_HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.B/C"),
    (":authority", "x"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]
_BLOCKS = [
    hpack.Encoder().encode(_HEADERS),
    hpack.Encoder().encode([*_HEADERS, ("grpc-timeout", "1S"), ("grpc-encoding", "gzip"), ("x-bin", "AAAA")]),
    hpack.Encoder().encode([(":status", "200"), ("content-type", "application/grpc")]),
    hpack.Encoder().encode([("grpc-status", "0"), ("grpc-message", "%00")]),
    hpack.Encoder().encode([("x", "y" * 3000)]),
    b"\xbe" * 50,
]
_BODIES = [
    b"\0\0\0\0\0",
    b"\0\0\0\0\3abc",
    b"\1\0\0\0\1z",
    b"\0\0\0\0",
    b"\0\0\1\0\0",
    b"\2",
    b"\0\xff\xff\xff\xff",
    b"x" * 300,
]
_NUMBERS = [0, 1, 4, 5, 6, 255, 16_384, 16_385, 65_535, 0x7FFFFFFF, 0xFFFFFFFF]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def drawn_frame(draw: random.Random) -> bytes:
    """A frame that is mostly in order."""
    stream = draw.choice([0, 1, 1, 1, 3, 3, 5, 2, 7, 0x7FFFFFFF])
    number = struct.pack(">I", draw.choice(_NUMBERS))
    match draw.randrange(12):
        case 0 | 1 | 2:
            return frame(1, draw.choice([4, 5, 0, 1, 0x24, 0x0C]), stream, draw.choice(_BLOCKS))
        case 3 | 4 | 5:
            body = b"".join(draw.choices(_BODIES, k=draw.randint(0, 4)))
            return frame(0, draw.choice([0, 1, 0, 8]), stream, body)
        case 6:
            return frame(3, 0, stream, number)
        case 7:
            return frame(4, draw.choice([0, 0, 1]), 0, struct.pack(">H", draw.randrange(10)) + number)
        case 8:
            return frame(8, 0, draw.choice([0, stream]), number)
        case 9:
            return frame(9, draw.choice([0, 4]), stream, draw.choice(_BLOCKS))
        case 10:
            return frame(6, draw.choice([0, 1]), 0, b"12345678")
        case _:
            return frame(
                draw.choice([2, 5, 7, 10, 200]),
                draw.randrange(256),
                stream,
                draw.randbytes(draw.choice([4, 5, 8, 20])),
            )


def mutated(data: bytes, corpus: list[bytes], draw: random.Random) -> bytes:
    """A variation of an input."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4, 8])):
        at = draw.randrange(len(changed) + 1)
        match draw.randrange(8):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << draw.randrange(8)
            case 1 if changed:
                changed[at % len(changed)] = draw.choice([0, 1, 4, 5, 255, draw.randrange(256)])
            case 2:
                changed[at:at] = draw.randbytes(draw.randint(1, 12))
            case 3:
                del changed[at : at + draw.choice([1, 2, 9, 40])]
            case 4:
                other = draw.choice(corpus)
                changed[at:] = other[draw.randrange(len(other) + 1) :]
            case _:
                changed[at:at] = drawn_frame(draw)
    return bytes(changed[:4096])


class Run:
    """One input on one session: its first byte says how, the rest comes in pieces, the owner acts in between."""

    def __init__(self, http2: Any, data: bytes) -> None:
        self._http2 = http2
        how = data[0] if data else 0
        self._draw = random.Random(data)
        self._client = how % 4 == 3
        self._data = data[1:]
        limits = http2.Limits(
            max_streams=8,
            max_header_bytes=2048,
            max_message_bytes=2048,
            stream_window_bytes=65_535,
            connection_window_bytes=100_000,
            max_pings=20,
            max_settings=10,
            max_resets=20,
            max_empty_frames=10,
        )
        self._budget = http2.Budget(9_000, 3_000)
        self._session = http2.Session(limits, self._budget, self._client)

    def go(self) -> None:
        """Feeds everything, then closes."""
        session, draw = self._session, self._draw
        mine = []
        if self._client:
            mine = [self._ask(), self._ask()]
            self._data = frame(4, 0, 0, b"") + self._data
        else:
            self._data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + self._data
        at = 0
        while at < len(self._data):
            step = draw.choice([1, 9, 50, 300, 5000])
            session.receive(self._data[at : at + step])
            at += step
            self._act(mine)
            session.output(draw.choice([1, 100, 100_000]))
        self._act(mine)
        session.overdue(session.now + 1)
        session.unread(session.now + 1)
        kept = list(session.streams.values())
        if draw.random() < 0.3:
            session.go_away()
        session.output(1 << 20)
        session.close()
        for stream in session.take_news():
            if self._client:
                while stream.take() is not None:
                    pass
        for stream in [*mine, *kept]:  # owners may come late
            stream.send(b"late")
            stream.finish([])
            stream.reset(8)
            while stream.take() is not None:
                pass
        assert session.fault is None, session.fault
        assert (session.held, self._budget.held, session.queued) == (0, 0, 0), "the books are not even"

    def _ask(self) -> Any:
        stream = self._session.request([(name.encode(), value.encode()) for name, value in _HEADERS])
        stream.send(b"question")
        stream.end()
        return stream

    def _act(self, mine: list[Any]) -> None:
        draw = self._draw
        for stream in self._session.take_news():
            if stream.call is None:
                stream.call = self
            while draw.random() < 0.7 and stream.take() is not None:
                pass
            if self._client:
                continue
            if draw.random() < 0.5:
                stream.forget()
            if self._session.overfull:
                stream.reset(7)
            match draw.randrange(9):
                case 0:
                    stream.reply(b"answer")
                case 1:
                    stream.start([(b"grpc-encoding", b"gzip"), (b"x", b"y")])
                case 2 | 3:
                    stream.start([])
                    stream.wants_room = True
                    stream.send(b"x" * draw.choice([0, 5, 50_000]), draw.random() < 0.5)
                case 4:
                    stream.start([])
                    stream.finish([(b"grpc-status", b"0")])
                case 5:
                    stream.refuse(b"200", [(b"grpc-status", b"13")])
                case 6:
                    stream.reset(8)
                case 7:
                    self._session.ping()
                case _:
                    stream.call = None


class Fuzzer:
    """Keeps what reaches something new."""

    def __init__(self, built: Path, seed: int, crash_file: Path) -> None:
        session_build.use(built)
        from rights_native import _http2

        _http2.load()
        self._http2 = _http2
        self._cover = ctypes.CDLL(str(built))
        self._draw = random.Random(seed)
        self._crash_file = crash_file
        self.corpus: list[bytes] = []
        self.runs = 0

    def try_one(self, data: bytes) -> bool:
        """Runs an input; whether it reached something new. The file holds it in case it is the last."""
        self._crash_file.write_bytes(data)
        self._cover.rights_cover_begin()
        Run(self._http2, data).go()
        self.runs += 1
        is_new = self._cover.rights_cover_new() > 0
        if is_new:
            self.corpus.append(data)
        return is_new

    def go(self, seconds: float, inputs: list[bytes]) -> None:
        """Tries the given inputs, then varies what was kept, for so long."""
        for how in range(4):
            for _ in range(8):
                frames = (drawn_frame(self._draw) for _ in range(self._draw.randint(0, 8)))
                inputs.append(bytes((how,)) + b"".join(frames))
        for data in inputs:
            self.try_one(data)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            # What was found last is varied most: there the frontier is.
            pick = len(self.corpus) - 1 - int(self._draw.expovariate(4 / len(self.corpus)))
            self.try_one(mutated(self.corpus[max(0, pick)], self.corpus, self._draw))

    def told(self) -> str:
        """How far it came."""
        edges = self._cover.rights_cover_total()
        return f"{self.runs} runs, {len(self.corpus)} inputs kept, {edges} edges"


def main() -> None:
    """Builds, then fuzzes in a process that has the sanitizers loaded."""
    parser = argparse.ArgumentParser(description="Fuzzes the HTTP/2 session code.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--corpus", type=Path, help="directory of inputs, read at the start and added to at the end"
    )
    parser.add_argument("--replay", type=Path, help="one input, run alone")
    options = parser.parse_args()
    if "SESSION_BUILD" not in os.environ:
        with tempfile.TemporaryDirectory(prefix="rights-fuzz-") as directory:
            built = session_build.build(Path(directory))
            command = [sys.executable, __file__, *sys.argv[1:]]
            sys.exit(subprocess.run(command, env=session_build.environment(built), check=False).returncode)
    crash_file = Path(tempfile.gettempdir()) / f"rights-fuzz-{os.getpid()}.input"
    fuzzer = Fuzzer(Path(os.environ["SESSION_BUILD"]), options.seed, crash_file)
    print(f"the input at hand is in {crash_file}", flush=True)
    if options.replay is not None:
        fuzzer.try_one(options.replay.read_bytes())
    else:
        known = sorted(options.corpus.glob("*")) if options.corpus else []
        fuzzer.go(options.seconds, [each.read_bytes() for each in known])
        if options.corpus:
            options.corpus.mkdir(parents=True, exist_ok=True)
            for number, data in enumerate(fuzzer.corpus):
                (options.corpus / f"{number:05}").write_bytes(data)
    crash_file.unlink()
    print(fuzzer.told())


if __name__ == "__main__":
    main()
