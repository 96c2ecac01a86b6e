"""What a client can be told, and what it cannot: a mistake is told where it was made, not by the first call."""

from __future__ import annotations

import math
from pathlib import Path

TRANSPORTS = ("native", "grpcio")
_MOST_PORT = 65_535
_PORT_DIGITS = 5
_MOST_SECONDS = 86_400  # what goes into gRPC's header, with room


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of host:port; an IPv6 address has no brackets any more."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS):
        raise ValueError(f"{address!r} is not host:port")
    if not 1 <= int(port) <= _MOST_PORT:
        raise ValueError(f"{address!r} is not host:port: ports are 1 to {_MOST_PORT}")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if set(host) & set("[]:"):
        raise ValueError(f"{address!r} is not host:port: an IPv6 address is in brackets")
    return host, int(port)


def check_token(token: str | None) -> None:
    """A token goes into a header, which holds no other characters. It is not told: it is a secret."""
    if token is not None and not (token.isascii() and token.isprintable()):
        raise ValueError("token has characters that are not printable ASCII, such as a newline at its end")


def check_files(ca_file: Path | None, certificate_file: Path | None, key_file: Path | None) -> None:
    """Without ca_file there is no TLS: nobody who gives a certificate means that."""
    if (certificate_file is None) != (key_file is None):
        raise ValueError("certificate_file and key_file go together")
    if certificate_file is not None and ca_file is None:
        raise ValueError("certificate_file and key_file need ca_file: they are for TLS")


def check_seconds(name: str, seconds: float) -> None:
    """A time to wait for something."""
    if not 0 < seconds <= _MOST_SECONDS:
        raise ValueError(f"{name} is {seconds}, and must be above 0 and at most {_MOST_SECONDS}")


def check_pause(name: str, seconds: float) -> None:
    """There may be none."""
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name} is {seconds}, and must be at least 0 and finite")


def check_count(name: str, count: int) -> None:
    """A number of things, of which there is one at least."""
    if not (isinstance(count, int) and count >= 1):
        raise ValueError(f"{name} is {count}, and must be an integer of at least 1")


def check_transport(transport: str) -> None:
    """One of those there are."""
    if transport not in TRANSPORTS:
        raise ValueError(f"transport is {transport!r}, and must be one of {', '.join(TRANSPORTS)}")
