"""Callers: tokens, certificates, and who is refused."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rights.api import auth
from rights.api.auth import DEVELOPMENT_CALLER, Authenticator, AuthError, Caller
from rights.settings import SettingsError, load_settings

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: Any) -> bytes:
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "public.pem"
    path.write_bytes(public_pem(RSA_KEY))
    return path


def token(key: Any = RSA_KEY, algorithm: str = "RS256", **claims: Any) -> str:
    full = {"tenant": "acme", "sub": "shop", "roles": ["checkout"], "exp": time.time() + 60} | claims
    return jwt.encode({name: value for name, value in full.items() if value is not None}, key, algorithm)


class Brought(NamedTuple):
    """What a call came with."""

    authorization: str | None = None
    peer: Mapping[str, Iterable[bytes]] = {}


def bearer(value: str, peer: Mapping[str, Iterable[bytes]] = {}) -> Brought:
    return Brought(f"Bearer {value}", peer)


def certified(*names: bytes) -> Brought:
    return Brought(peer={"peer_uri": names})


def refusal(authenticator: Authenticator, brought: Brought) -> AuthError:
    with pytest.raises(AuthError) as caught:
        authenticator.authenticate(brought)
    return caught.value


def test_without_configuration_everybody_is_the_development_caller() -> None:
    caller = Authenticator(load_settings()).authenticate(bearer("whatever"))
    assert (
        caller
        == DEVELOPMENT_CALLER
        == Caller("demo", "developer", frozenset({"checkout", "operator", "auditor"}))
    )


def test_a_verified_token_names_the_caller(key_file: Path) -> None:
    authenticator = Authenticator(load_settings(jwt_key_file=key_file))
    caller = authenticator.authenticate(bearer(token(roles=["checkout", "operator", "else"])))
    assert caller == Caller("acme", "shop", frozenset({"checkout", "operator"}))
    assert authenticator.authenticate(Brought("bearer " + token(roles=None))).roles == frozenset()


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": time.time() - 60}, "TOKEN_EXPIRED"),
        ({"exp": None}, "UNAUTHENTICATED"),
        ({"exp": "soon"}, "UNAUTHENTICATED"),
        ({"exp": float("inf")}, "UNAUTHENTICATED"),
        ({"nbf": time.time() + 86_400}, "UNAUTHENTICATED"),
        ({"sub": None}, "UNAUTHENTICATED"),
        ({"sub": ""}, "UNAUTHENTICATED"),
        ({"tenant": None}, "UNAUTHENTICATED"),
        ({"tenant": "a b"}, "UNAUTHENTICATED"),
        ({"tenant": "x" * 129}, "UNAUTHENTICATED"),
        ({"tenant": 7}, "UNAUTHENTICATED"),
        ({"roles": "operator"}, "UNAUTHENTICATED"),
        ({"roles": [1]}, "UNAUTHENTICATED"),
    ],
)
def test_tokens_with_wrong_claims_are_refused(key_file: Path, claims: dict[str, Any], reason: str) -> None:
    error = refusal(Authenticator(load_settings(jwt_key_file=key_file)), bearer(token(**claims)))
    assert error.reason == reason
    assert error.message


def test_forged_tokens_are_refused(key_file: Path) -> None:
    authenticator = Authenticator(load_settings(jwt_key_file=key_file))
    head, body, signature = token().split(".")
    unsigned = jwt.encode({"tenant": "acme", "sub": "shop", "exp": time.time() + 60}, "", "none")
    elliptic = token(ec.generate_private_key(ec.SECP256R1()), "ES256")
    forged = (
        token(OTHER_KEY),
        unsigned,
        elliptic,
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-8]}AAAAAAAA",
        "x",
        "a.b.c",
    )
    for text in forged:
        assert refusal(authenticator, bearer(text)).reason == "UNAUTHENTICATED", text
    # The public key taken for a shared secret.
    secret = "x" * 40
    assert refusal(authenticator, bearer(token(secret, "HS256"))).reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "brought",
    [Brought(), Brought(""), Brought("Basic abc"), bearer("")],
)
def test_no_token_is_refused(key_file: Path, brought: Brought) -> None:
    assert refusal(Authenticator(load_settings(jwt_key_file=key_file)), brought).reason == "UNAUTHENTICATED"


def test_long_tokens_are_refused_unread(key_file: Path) -> None:
    error = refusal(Authenticator(load_settings(jwt_key_file=key_file)), bearer("a" * 10_000))
    assert "longer than" in error.message


def test_audience_and_issuer(key_file: Path) -> None:
    authenticator = Authenticator(
        load_settings(jwt_key_file=key_file, jwt_audience="rights", jwt_issuer="idp")
    )
    assert authenticator.authenticate(bearer(token(aud="rights", iss="idp"))).tenant == "acme"
    for wrong in (
        token(),
        token(aud="rights"),
        token(iss="idp"),
        token(aud="x", iss="idp"),
        token(aud="rights", iss="x"),
    ):
        assert refusal(authenticator, bearer(wrong)).reason == "UNAUTHENTICATED"


def test_verified_tokens_are_remembered_until_they_expire(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authenticator = Authenticator(load_settings(jwt_key_file=key_file, jwt_leeway_seconds=0))
    text = token(exp=time.time() + 60)
    first = authenticator.authenticate(bearer(text))
    monkeypatch.setattr(jwt, "decode", lambda *_args, **_named: pytest.fail("verified twice"))
    assert authenticator.authenticate(bearer(text)) is first
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert refusal(authenticator, bearer(text)).reason == "TOKEN_EXPIRED"


def test_the_memory_is_bounded(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MAX_CACHED_CREDENTIALS", 3)
    authenticator = Authenticator(load_settings(jwt_key_file=key_file))
    for number in range(6):
        authenticator.authenticate(bearer(token(sub=f"shop{number}")))
    assert len(authenticator._tokens) == 3


def test_shared_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s" * 40 + "\n")
    authenticator = Authenticator(load_settings(jwt_key_file=path, jwt_algorithms="HS256"))
    assert authenticator.authenticate(bearer(token("s" * 40, "HS256"))).tenant == "acme"
    assert refusal(authenticator, bearer(token("t" * 40, "HS256"))).reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("content", "algorithms", "told"),
    [
        (b"short", "HS256", "32 bytes"),
        (public_pem(RSA_KEY), "HS256", "asks for a shared secret"),
        (b"s" * 40, "RS256", "no PEM public key"),
        (public_pem(RSA_KEY), "ES256", "no PEM public key"),
        (b"-----BEGIN PRIVATE KEY-----", "RS256", "private key"),
    ],
)
def test_keys_that_cannot_be_used_are_told_at_start(
    tmp_path: Path, content: bytes, algorithms: str, told: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        Authenticator(load_settings(jwt_key_file=path, jwt_algorithms=algorithms))


@pytest.fixture
def certificates() -> Authenticator:
    return Authenticator(load_settings(tls_client_ca_file="ca", tls_certificate_file="c", tls_key_file="k"))


def test_a_certificate_names_the_caller(certificates: Authenticator) -> None:
    uri = b"rights://acme/shop?role=checkout&role=auditor&role=x"
    caller = certificates.authenticate(certified(uri))
    assert caller == Caller("acme", "shop", frozenset({"checkout", "auditor"}))
    assert certificates.authenticate(certified(b"rights://acme/a%2Fb")) == Caller("acme", "a/b", frozenset())


@pytest.mark.parametrize(
    "names",
    [
        [],
        [b"shop.example"],
        [b"rights://a/b", b"rights://a/c"],
        [b"rights://a"],
        [b"rights:///b"],
        [b"rights://a/b c"],
        [b"rights://a/\xff"],
        [b"rights://a/b?role"],
        [b"rights://[a/b"],
        [b"spiffe://a/b"],
    ],
)
def test_certificates_without_one_clear_name_are_refused(
    certificates: Authenticator, names: list[bytes]
) -> None:
    assert refusal(certificates, certified(*names)).reason == "UNAUTHENTICATED"


def test_a_token_is_not_looked_at_without_a_key(certificates: Authenticator) -> None:
    assert refusal(certificates, bearer(token())).reason == "UNAUTHENTICATED"


def test_the_token_goes_before_the_certificate(key_file: Path) -> None:
    both = Authenticator(
        load_settings(
            jwt_key_file=key_file, tls_client_ca_file="ca", tls_certificate_file="c", tls_key_file="k"
        )
    )
    gateway = certified(b"rights://acme/gateway?role=checkout")
    assert both.authenticate(gateway).caller == "gateway"
    assert both.authenticate(bearer(token(), gateway.peer)).caller == "shop"
    assert refusal(both, bearer("broken", gateway.peer)).reason == "UNAUTHENTICATED"
