"""Every call passes here, whatever the transport: authenticate, authorize, parse, serve, measure.

invoke -> caller -> tenant -> role -> request -> handler -> bytes, or an ApiError
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

from google.protobuf.message import DecodeError

from rights import metrics
from rights.api.auth import Authenticator
from rights.api.errors import CODES, ApiError, told
from rights.api.methods import Call, Method
from rights.engine.registry import Registry

_NO_DEADLINE_SECONDS = 86_400.0

# Status names as go-grpc-middleware spells them in labels, so that existing dashboards fit.
_LABELS = {code: code.title().replace("_", "") for code in CODES.values()} | {
    "OK": "OK",
    "CANCELLED": "Canceled",
}


class Edge:
    """Serves the methods of the table."""

    def __init__(self, methods: Iterable[Method], authenticator: Authenticator, registry: Registry) -> None:
        self.methods = {method.path: method for method in methods}
        self._authenticator = authenticator
        self._registry = registry
        self._rpcs = {m.path: metrics.Rpc("unary", m.service, m.name) for m in self.methods.values()}

    async def invoke(
        self,
        method: Method,
        request: bytes,
        metadata: Iterable[tuple[str, str | bytes]],
        peer: Mapping[str, Iterable[bytes]],
        seconds_left: float | None,
    ) -> bytes:
        """The response's bytes. Raises ApiError; a cancelled call stays cancelled, its command goes on."""
        rpc = self._rpcs[method.path]
        rpc.started()
        began = time.perf_counter()
        code = "OK"
        try:
            deadline = asyncio.get_running_loop().time() + (
                _NO_DEADLINE_SECONDS if seconds_left is None else seconds_left
            )
            return await self._serve(method, request, metadata, peer, deadline)
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except Exception as error:
            failure = told(error, method.path)
            code = CODES[failure.code]
            raise failure from error
        finally:
            rpc.handled(_LABELS[code], time.perf_counter() - began)

    async def _serve(
        self,
        method: Method,
        raw: bytes,
        metadata: Iterable[tuple[str, str | bytes]],
        peer: Mapping[str, Iterable[bytes]],
        deadline: float,
    ) -> bytes:
        caller = self._authenticator.authenticate(metadata, peer)
        await self._registry.rules(caller.tenant)  # raises for a tenant that is not served
        if not caller.roles & method.roles:
            needed = " or ".join(sorted(method.roles))
            raise ApiError(
                "ROLE_MISSING", f"{method.name} needs the role {needed}", metadata={"role": needed}
            )
        try:
            request = method.request_type.FromString(raw)
        except DecodeError:
            name = method.request_type.DESCRIPTOR.full_name
            raise ApiError("MALFORMED_REQUEST", f"{len(raw)} bytes that are not a {name}") from None
        response = await method.handler(Call(caller.tenant, caller.caller, deadline), request)
        return response if isinstance(response, bytes) else response.SerializeToString()
