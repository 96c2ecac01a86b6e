"""The client a checkout imports.

    async with RightsClient("127.0.0.1:50051") as rights:
        response = await rights.settle(request)

Every call has a deadline. What may be retried is retried, with the same request and so the same
idempotency key: a settlement happens once however often its answer is lost on the way. A business
rejection is an answer, not an error; see Rejection in settlement.proto.

How calls travel. Unary calls go over libnghttp2 (rights.native_client): all that are made in one turn of the loop
leave in one write, what the service commits together comes back in one read, and each still has its own deadline,
status and cancellation. A stream of settlements (SettleStream) would coalesce as well. By `python -m benchmarks.client`
it costs more than calls of their own over grpc.aio, and over the native session about the same in all: the client saves
what the headers of a call cost, the service wraps and queues its answers once more. So calls stay calls. Streams of the
contract, and everything where libnghttp2 is missing, go over grpc.aio.
"""

from rights.client.calls import RightsClient
from rights.client.errors import RightsError

__all__ = ["RightsClient", "RightsError"]
