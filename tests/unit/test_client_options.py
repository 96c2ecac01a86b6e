"""What RightsClient refuses when it is made."""

from pathlib import Path
from typing import Any

import pytest

from rights.client import RightsClient
from rights.client.options import host_and_port

FILE = Path("no.pem")
ADDRESS = "127.0.0.1:50051"


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"address": "service"}, "'service' is not host:port"),
        ({"address": ":50051"}, "':50051' is not host:port"),
        ({"address": "service:²"}, "'service:²' is not host:port"),
        ({"address": "service:0"}, "'service:0' is not host:port: ports are 1 to 65535"),
        ({"address": "service:65536"}, "'service:65536' is not host:port: ports are 1 to 65535"),
        ({"address": "service:" + "9" * 5_000}, "is not host:port"),
        ({"certificate_file": FILE, "ca_file": FILE}, "certificate_file and key_file go together"),
        ({"key_file": FILE, "ca_file": FILE}, "certificate_file and key_file go together"),
        ({"certificate_file": FILE, "key_file": FILE}, "certificate_file and key_file need ca_file"),
        ({"token": "abc\n"}, "token has characters that are not printable ASCII"),
        ({"token": "é"}, "token has characters that are not printable ASCII"),
        ({"address": "::1:50051"}, "'::1:50051' is not host:port: an IPv6 address is in brackets"),
        ({"address": "[::1:50051"}, "is not host:port: an IPv6 address is in brackets"),
        ({"address": "::1]:50051"}, "is not host:port: an IPv6 address is in brackets"),
        ({"timeout_seconds": 0}, "timeout_seconds is 0, and must be above 0 and at most 86400"),
        ({"timeout_seconds": float("inf")}, "timeout_seconds is inf, and must be above 0 and at most 86400"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds is nan, and must be above 0 and at most 86400"),
        ({"timeout_seconds": 86_401}, "timeout_seconds is 86401, and must be above 0 and at most 86400"),
        ({"deadline_seconds": -1}, "deadline_seconds is -1, and must be above 0 and at most 86400"),
        ({"attempts": 0}, "attempts is 0, and must be an integer of at least 1"),
        ({"attempts": 1.5}, "attempts is 1.5, and must be an integer of at least 1"),
        ({"connections": 0}, "connections is 0, and must be an integer of at least 1"),
        ({"connections": 1.5}, "connections is 1.5, and must be an integer of at least 1"),
        ({"backoff_seconds": -0.1}, "backoff_seconds is -0.1, and must be at least 0 and finite"),
    ],
)
def test_what_cannot_be_is_told_at_once(transport: Any, how: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RightsClient(**{"address": ADDRESS, "transport": transport, **how})


def test_an_address_of_ipv6_has_no_brackets_any_more() -> None:
    assert host_and_port("[::1]:50051") == ("::1", 50_051)
    assert host_and_port("service:50051") == ("service", 50_051)


def test_a_transport_is_one_of_two() -> None:
    unknown: Any = "http"
    with pytest.raises(ValueError, match="transport is 'http', and must be one of native, grpcio"):
        RightsClient(ADDRESS, transport=unknown)


def test_a_secret_is_not_told() -> None:
    with pytest.raises(ValueError) as told:
        RightsClient(ADDRESS, token="secret\n")
    assert "secret" not in str(told.value)
