"""The sandbox's callbacks: what they say, when they come again, and how they are sent."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx
from django.conf import settings
from django.utils.dateparse import parse_datetime

from charites.common import clock, tracing
from charites.common.transactions import run
from messaging.errors import DeliveryFailed
from messaging.models import Message
from messaging.services import Draft, publish, publish_many, revive
from orders.models import SandboxPayment
from orders.payloads import Capture
from orders.payments import signing

CHANNEL = "sandbox"
NOTIFY_TOPIC = "payment_notify"
NOTIFY_STEPS = (1, 3, 5, 10, 15, 30, 60)  # minutes; seconds in the demo
TIMEOUT_SECONDS = 5
NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)


def notify_ladder() -> tuple[timedelta, ...]:
    """How long the sandbox waits after each callback that was not answered with success."""
    unit = timedelta(seconds=1) if settings.DEMO else timedelta(minutes=1)
    return tuple(step * unit for step in NOTIFY_STEPS)


def announce(payment_id: int, *, deliver_at: datetime) -> None:
    """Stores the callback about a captured payment inside the caller's transaction."""
    notice = notice_of(SandboxPayment.objects.get(payment_id=payment_id))
    publish(NOTIFY_TOPIC, notice, key=str(payment_id), deliver_at=deliver_at)


def announce_again(*, payment_ids: Sequence[int], now: datetime) -> list[int]:
    """Sends the callbacks of captured payments once more, delivered before or not; returns whose.

    A callback that was given up gets a new series of tries; otherwise a new one is made from the ledger.
    """
    captured = SandboxPayment.objects.filter(
        payment_id__in=payment_ids, status=SandboxPayment.Status.CAPTURED
    ).order_by("payment_id")
    rows = {str(row.payment_id): row for row in captured}

    def write() -> None:
        dead = Message.objects.filter(topic=NOTIFY_TOPIC, key__in=list(rows), state=Message.State.DEAD)
        revived = dict(dead.values_list("key", "pk"))
        revive(list(revived.values()), now=now)
        publish_many([Draft(NOTIFY_TOPIC, key, notice_of(row), now) for key, row in rows.items() if key not in revived])

    run(write, name="sandbox_announce")
    return [row.payment_id for row in rows.values()]


def notice_of(row: SandboxPayment) -> dict[str, Any]:
    """The body of a callback."""
    return {
        "payment_id": str(row.payment_id),
        "trade_id": row.trade_id,
        "amount": row.amount,
        "currency": row.currency,
        "captured_at": row.captured_at.isoformat() if row.captured_at else "",
    }


def as_capture(notice: Mapping[str, Any]) -> Capture:
    """Reads a callback's body; what is no such value stays what it is, for the port to refuse."""
    return Capture(
        payment_id=as_number(notice.get("payment_id")),
        channel=CHANNEL,
        trade_id=notice.get("trade_id", ""),
        amount=notice.get("amount", 0),
        currency=notice.get("currency", ""),
        captured_at=as_time(notice.get("captured_at")),
    )


def as_number(value: Any) -> Any:
    """A number in JSON, or a string of its digits."""
    return int(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value


def as_time(value: Any) -> Any:
    with suppress(TypeError, ValueError):
        return parse_datetime(value)
    return value


def send_notice(messages: Sequence[Message]) -> None:
    """Calls the shop back. Raises DeliveryFailed unless it answers with success; the ladder then tries again."""
    for message in messages:
        notice = {name: value for name, value in message.payload.items() if name != "v"}
        body = json.dumps(notice).encode()
        headers = signing.sign(
            secret=settings.PAYMENT_SECRET, notice_id=f"notice-{message.pk}", body=body, now=clock.now()
        )
        headers |= {"content-type": "application/json", "x-request-id": message.headers.get("request_id", "")}
        headers |= tracing.carried()
        try:
            answer = httpx.post(settings.PAYMENT_NOTIFY_URL, content=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise DeliveryFailed(reason=repr(error)) from error
        if not answer.is_success:
            raise DeliveryFailed(status=answer.status_code)
