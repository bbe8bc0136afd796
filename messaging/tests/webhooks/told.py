"""Endpoints, what they are to be told, and rounds of telling."""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from charites.common.announcements import Announcement, Kind, announce
from charites.common.transactions import run
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.webhooks import endpoints, sending
from messaging.webhooks.outbox import spread

ALL = ["order.placed", "order.paid", "order.closed", "order.completed", "order.refunded"]
STATE = WebhookDelivery.State


def add(url: str, kinds: Sequence[str] = ALL) -> WebhookEndpoint:
    return endpoints.add_endpoint(url=url, kinds=list(kinds))


def reread(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return WebhookEndpoint.objects.get(pk=endpoint.pk)


def happen(kind: str, key: str) -> None:
    """Something happens to an order, and commits."""
    run(lambda: announce([Announcement(Kind(kind, ""), key, {"order_id": key})]), name="test")


def tell(endpoint: WebhookEndpoint, *, now: datetime | None = None) -> int:
    """A round for one endpoint; returns how many events it took."""
    now = now or timezone.now()
    spread()
    return sending.serve(endpoint.pk, now=now)


def states(endpoint: WebhookEndpoint) -> list[str]:
    return list(WebhookDelivery.objects.filter(endpoint_id=endpoint.pk).order_by("pk").values_list("state", flat=True))
