"""What brokers have in common beside the port: how queues are called, and how an envelope is read from what came."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from messaging.broker.port import Envelope, Unreadable

SIGNATURE, REQUEST_ID, TRACE = "signature", "request_id", "traceparent"


def queue_of(service: str) -> str:
    return f"charites-{service}"


def dead_queue_of(service: str) -> str:
    return f"charites-{service}-dead"


def read_envelope(body: bytes, named: Mapping[str, Any], headers: Mapping[str, Any]) -> Envelope:
    """`named`: kind, about, reply_to and signature of an envelope, in this order, by the names that the broker has for
    them. Raises Unreadable."""
    limit = settings.REQUEST_MAX_BYTES
    if len(body) > limit:
        raise Unreadable(f"it has {len(body)} bytes, and may have {limit}")
    *texts, signature = named.values()
    if not all(isinstance(text, str) and text for text in texts) or not isinstance(signature, str):
        *names, last = named
        raise Unreadable(f"it lacks its {', '.join(names)} or {last}")
    kind, about, reply_to = texts
    known = {name: headers[name] for name in (REQUEST_ID, TRACE) if isinstance(headers.get(name), str)}
    return Envelope(kind, about, reply_to, body, signature, known)
