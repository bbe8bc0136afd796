"""Signatures of callbacks: HMAC-SHA256 over `id.timestamp.body`, as the Standard Webhooks specification has it."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from orders.errors import BadSignature

TOLERANCE_SECONDS = 300


def sign(*, secret: str, notice_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Returns the headers that go with a callback. Every attempt is signed anew."""
    timestamp = str(int(now.timestamp()))
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{_digest(secret, notice_id, timestamp, body)}",
    }


def verify(*, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Raises BadSignature for a notice that is forged, incomplete, or more than five minutes off.

    It may be signed with any of `secrets`: while they are changed, sender and receiver do not change at one moment.
    """
    notice_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not notice_id or not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 12:
        raise BadSignature
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignature
    wanted = [_digest(secret, notice_id, timestamp, body).encode() for secret in secrets]
    for part in headers.get("webhook-signature", "").split(" "):
        version, _, given = part.partition(",")
        # Every secret is compared, so that the time taken does not say which one fits.
        matches = [hmac.compare_digest(digest, given.encode(errors="replace")) for digest in wanted]
        if version == "v1" and any(matches):
            return
    raise BadSignature


def _digest(secret: str, notice_id: str, timestamp: str, body: bytes) -> str:
    content = f"{notice_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()
