"""Who calls: a verified bearer token, a client certificate, or the development caller.

Identity comes from the credential only, never from a request's body. Knows no gRPC: it reads the call's
metadata and the transport's authentication properties, whichever transport that is.

- Bearer token (`authorization: Bearer JWT`): claims `tenant`, `sub` (the caller), `roles` (a list) and
  `exp`, all but `roles` required. If a call has both, the token is looked at: a gateway's certificate
  proves the gateway, the token its client.
- Client certificate, signed by the configured CA, with one URI in its subject alternative names:
  `rights://TENANT/CALLER?role=checkout&role=operator`.
- Neither configured, on loopback or when told to: tenant "demo", caller "developer", all roles.

Whether the tenant exists is not asked here.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import jwt

from rights import logs
from rights.settings import SHARED_SECRET_ALGORITHMS, Settings, SettingsError

CHECKOUT = "checkout"
OPERATOR = "operator"
AUDITOR = "auditor"
ROLES = frozenset({CHECKOUT, OPERATOR, AUDITOR})

MAX_TOKEN_BYTES = 8 * 1024
MAX_CACHED_CREDENTIALS = 10_000
MIN_SECRET_BYTES = 32

_ID = re.compile(r"[!-~]{1,128}")
_log = logs.get(__name__)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
Reason = Literal["UNAUTHENTICATED", "TOKEN_EXPIRED"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for which tenant, and what it may do."""

    tenant: str
    caller: str
    roles: frozenset[str]


DEVELOPMENT_CALLER = Caller("demo", "developer", ROLES)


class Credentials(Protocol):
    """What a call brings to tell whose it is. All other metadata is of no interest: strangers can have sent a lot."""

    @property
    def authorization(self) -> str | None:
        """That metadata of the request, if there is any."""

    @property
    def peer(self) -> Mapping[str, Iterable[bytes]]:
        """Authentication properties of the connection, as gRPC names them ("peer_uri")."""


class AuthError(Exception):
    """The caller is not known. `reason`: an ErrorReason without its prefix; `message` may be sent back."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message


class Authenticator:
    """Finds the caller of each call. One per worker; raises `SettingsError` if its key cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._certificates = settings.tls_client_ca_file is not None
        self._key: Any = None
        self._algorithms: list[str] = []
        if settings.jwt_key_file is not None:
            self._key, self._algorithms = _verification_key(settings)
        self._required = ["exp", "sub", "tenant"] + (["aud"] if settings.jwt_audience else [])
        self._development = not settings.authenticates
        # A signature costs about 100 µs to verify, a look-up 0.1 µs. Only verified credentials are kept.
        self._tokens: OrderedDict[str, tuple[Caller, float]] = OrderedDict()
        self._subjects: OrderedDict[bytes, Caller] = OrderedDict()
        if self._development:
            _log.warning(
                "callers are not authenticated: every call is the development caller",
                tenant=DEVELOPMENT_CALLER.tenant,
                caller=DEVELOPMENT_CALLER.caller,
                host=settings.host,
            )

    def authenticate(self, credentials: Credentials) -> Caller:
        """The caller of a call that came with these, or `AuthError`."""
        if self._development:
            return DEVELOPMENT_CALLER
        if self._key is not None and (authorization := credentials.authorization) is not None:
            return self._token_caller(authorization)
        if self._certificates:
            return self._certificate_caller(credentials.peer)
        raise AuthError("UNAUTHENTICATED", "no credential: send metadata `authorization: Bearer TOKEN`")

    def _token_caller(self, authorization: str) -> Caller:
        known = self._tokens.get(authorization)
        if known is not None:
            caller, end = known
            if time.time() < end:
                return caller
            del self._tokens[authorization]
            raise AuthError("TOKEN_EXPIRED", "the token's time is over: get a new one")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthError("UNAUTHENTICATED", "metadata `authorization` must be `Bearer TOKEN`")
        if len(token) > MAX_TOKEN_BYTES:
            raise AuthError("UNAUTHENTICATED", f"the token is longer than {MAX_TOKEN_BYTES} bytes")
        caller, end = self._verify(token)
        _keep(self._tokens, authorization, (caller, end))
        return caller

    def _verify(self, token: str) -> tuple[Caller, float]:
        settings = self._settings
        assert self._key is not None
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=self._algorithms,
                audience=settings.jwt_audience,
                issuer=settings.jwt_issuer,
                leeway=settings.jwt_leeway_seconds,
                options={"require": self._required, "verify_aud": settings.jwt_audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise AuthError("TOKEN_EXPIRED", "the token's time is over: get a new one") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            # PyJWT's messages name the claim or the check, not the token's content.
            detail = str(error) if isinstance(error, jwt.PyJWTError) else "its claims have wrong types"
            raise AuthError("UNAUTHENTICATED", f"the token cannot be verified: {detail}") from None
        roles = claims.get("roles", [])
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise AuthError("UNAUTHENTICATED", "claim `roles` must be a list of strings")
        return (
            Caller(_id("tenant", claims["tenant"]), _id("sub", claims["sub"]), frozenset(roles) & ROLES),
            float(claims["exp"]) + settings.jwt_leeway_seconds,
        )

    def _certificate_caller(self, peer: Mapping[str, Iterable[bytes]]) -> Caller:
        # The CA and the dates were checked in the handshake.
        names = [
            name
            for name in peer.get("peer_uri", ())  # not the DNS names beside them
            if name.startswith(b"rights://")
        ]
        if len(names) != 1:
            raise AuthError(
                "UNAUTHENTICATED",
                "no credential: the client certificate must have exactly one URI rights://TENANT/CALLER?role=ROLE"
                + (", or send metadata `authorization: Bearer TOKEN`" if self._key is not None else ""),
            )
        known = self._subjects.get(names[0])
        if known is None:
            known = _subject(names[0])
            _keep(self._subjects, names[0], known)
        return known


def _subject(name: bytes) -> Caller:
    try:
        parts = urlsplit(name.decode("ascii"))
        query = parse_qs(parts.query, strict_parsing=bool(parts.query), max_num_fields=16)
    except ValueError:
        raise AuthError("UNAUTHENTICATED", "the URI in the client certificate is malformed") from None
    tenant, caller = unquote(parts.netloc), unquote(parts.path.removeprefix("/"))
    return Caller(_id("tenant", tenant), _id("caller", caller), frozenset(query.get("role", ())) & ROLES)


def _id(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise AuthError("UNAUTHENTICATED", f"`{name}` must be 1..128 bytes of printable ASCII without spaces")
    return value


def _keep(cache: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    cache[key] = value
    if len(cache) > MAX_CACHED_CREDENTIALS:
        cache.popitem(last=False)


def _verification_key(settings: Settings) -> tuple[Any, list[str]]:
    """The key, and those of the accepted algorithms that it fits."""
    path = settings.jwt_key_file
    assert path is not None
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"RIGHTS_JWT_KEY_FILE={path}: {error.strerror}") from None
    if set(settings.jwt_algorithms) <= SHARED_SECRET_ALGORITHMS:
        if b"-----BEGIN" in content:
            raise SettingsError(
                f"RIGHTS_JWT_KEY_FILE={path} is a PEM key, but RIGHTS_JWT_ALGORITHMS="
                f"{','.join(settings.jwt_algorithms)} asks for a shared secret"
            )
        if len(content) < MIN_SECRET_BYTES:
            raise SettingsError(
                f"RIGHTS_JWT_KEY_FILE={path}: a shared secret has {MIN_SECRET_BYTES} bytes or more"
            )
        return content, list(settings.jwt_algorithms)
    if b"PRIVATE KEY" in content:
        raise SettingsError(
            f"RIGHTS_JWT_KEY_FILE={path} is a private key: the service needs the public key only"
        )
    key, fitting = None, []
    for name in settings.jwt_algorithms:
        try:
            key = jwt.get_algorithm_by_name(name).prepare_key(content)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        fitting.append(name)
    if fitting:
        return key, fitting
    raise SettingsError(
        f"RIGHTS_JWT_KEY_FILE={path} is no PEM public key for {', '.join(settings.jwt_algorithms)}; "
        "for a shared secret set RIGHTS_JWT_ALGORITHMS=HS256"
    )
