"""Reading endpoints and deliveries."""

from datetime import datetime
from typing import Any

from django.db.models import Min, OuterRef, Subquery

from charites.common.pages import Cursor, Page, along, one_by_one, read_page
from messaging.errors import EndpointNotFound
from messaging.models import Announced, WebhookDelivery, WebhookEndpoint


def get_endpoint(*, endpoint_id: int) -> WebhookEndpoint:
    """Returns an endpoint. Raises EndpointNotFound."""
    endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise EndpointNotFound(endpoint_id=endpoint_id)
    return endpoint


def page_endpoints(cursor: Cursor) -> Page[WebhookEndpoint]:
    """Returns a page of endpoints, by their ids."""
    return read_page(WebhookEndpoint.objects.order_by("pk"), "pk", cursor)


def page_deliveries(cursor: Cursor, *, endpoint_id: int, **wanted: Any) -> Page[WebhookDelivery]:
    """Returns a page of what an endpoint is told, newest first. Raises EndpointNotFound."""
    get_endpoint(endpoint_id=endpoint_id)
    deliveries = WebhookDelivery.objects.filter(endpoint_id=endpoint_id)
    if "key" in wanted:
        return read_page(along(deliveries, "-pk", key=wanted.pop("key")), "pk", cursor, chosen=one_by_one(**wanted))
    if "state" in wanted:
        return read_page(along(WebhookDelivery.objects.all(), "-id", endpoint_id=endpoint_id, **wanted), "id", cursor)
    return read_page(deliveries.order_by("-pk"), "pk", cursor)


def list_newest_deliveries(*, endpoint_id: int, limit: int) -> list[WebhookDelivery]:
    """Returns the newest deliveries of an endpoint."""
    return list(WebhookDelivery.objects.filter(endpoint_id=endpoint_id).order_by("-pk")[:limit])


def count_switched_off(*, most: int) -> int:
    """Returns how many endpoints were switched off because they failed, `most` at most."""
    return WebhookEndpoint.objects.exclude(switched_off_because="").order_by().values("pk")[:most].count()


def oldest_waiting_at() -> datetime | None:
    """Returns when the oldest event happened that waits for an endpoint which is on, or None when none waits."""
    waiting = WebhookDelivery.objects.filter(endpoint_id=OuterRef("pk"), state=WebhookDelivery.State.READY)
    first = Subquery(waiting.order_by("pk").values("happened_at")[:1])
    to_send = WebhookEndpoint.objects.filter(is_enabled=True).aggregate(oldest=Min(first))["oldest"]
    to_spread = Announced.objects.order_by("pk").values_list("created_at", flat=True).first()
    return min(filter(None, (to_send, to_spread)), default=None)
