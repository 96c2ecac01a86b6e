"""Quote tokens: what a quote promised, signed, so that Settle can hold the service to it."""

import base64
import hashlib
import hmac
from dataclasses import astuple

import orjson

from rights.api.orders import Request
from rights.domain.model import QuotePin, Rejection, RejectionReason
from rights.v1 import settlement_pb2

_SIGNATURE_BYTES = 16
_FORM = (
    b"3\0"  # of the content; a token of another version of the service, with another form, is not valid here
)


def content_digest(request: Request, tenant: str, member_id: str) -> str:
    """Binds a token to what was priced: member, cart, selection, spends, channel, business line."""
    priced = settlement_pb2.QuoteRequest(
        cart=request.cart,
        selection=request.selection,
        spends=request.spends,
        channel=request.channel,
        business_line=request.business_line,
    )
    content = priced.SerializeToString(deterministic=True)
    digest = hashlib.blake2b(content, digest_size=16, person=b"rights.quote")
    digest.update(f"\0{tenant}\0{member_id}".encode())
    return base64.b85encode(digest.digest()).decode()


class QuoteSigner:
    """Makes and opens tokens with a secret that all workers share."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def token(self, pin: QuotePin, digest: str) -> bytes:
        """A token of what was promised for the content with this digest."""
        content = orjson.dumps([digest, *astuple(pin)])
        return self._signature(content) + content

    def open(self, token: bytes, digest: str) -> QuotePin | Rejection:
        """What a token promised, or the rejection that says why it is no good. Its time may be over."""
        signature, content = token[:_SIGNATURE_BYTES], token[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content)):
            return Rejection(
                RejectionReason.QUOTE_INVALID, "quote_token", "not a token of this service, or altered"
            )
        quoted, *promised = orjson.loads(content)
        if quoted != digest:
            return Rejection(
                RejectionReason.QUOTE_MISMATCH,
                "quote_token",
                "made for another member, cart, selection or spends",
            )
        return QuotePin(*promised)

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, _FORM + content, "sha256")[:_SIGNATURE_BYTES]
