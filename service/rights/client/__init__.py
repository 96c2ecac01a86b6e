"""The client a checkout imports.

    async with RightsClient("127.0.0.1:50051") as rights:
        response = await rights.settle(request)

Every call has a deadline. What may be retried is retried, with the same request and so the same
idempotency key: a settlement happens once however often its answer is lost on the way. A business
rejection is an answer, not an error; see Rejection in settlement.proto.

How calls travel. Unary calls go over libnghttp2 (rights.native_client): all that are made in one turn of the loop
leave in one write, and what the service commits together comes back in one read. `python -m benchmarks.client` has that
at 350 us of CPU for a settlement, client and workers together, and at 437 over grpc.aio. A stream of settlements
(SettleStream) over the same session costs 313, since it has no headers for each. It is not what `settle` does: a call
tells the service its deadline and its cancellation, so that nothing is executed whose caller has gone, and in overload
it is told so before it is read; in a stream all of that is lost, for a tenth. Who settles in bulk takes
`settle_stream`. Streams, and everything where libnghttp2 is missing, go over grpc.aio.
"""

from rights.client.calls import RightsClient
from rights.client.errors import RightsError

__all__ = ["RightsClient", "RightsError"]
