"""Reading endpoints and deliveries."""

from datetime import datetime
from typing import Any

from django.db.models import Exists, Min, OuterRef, QuerySet, Subquery

from charites.common.pages import Cursor, Page, along, one_by_one, read_page
from charites.common.replicas import may_be_old
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
    endpoint = get_endpoint(endpoint_id=endpoint_id)
    page = may_be_old(find_deliveries)(cursor, endpoint_id, **wanted)
    for delivery in page.items:
        delivery.next_try_at = next_try(
            delivery, is_enabled=endpoint.is_enabled, paused_until=endpoint.paused_until
        )  # what is shown; nobody saves it
    return page


def find_deliveries(cursor: Cursor, endpoint_id: int, **wanted: Any) -> Page[WebhookDelivery]:
    deliveries = WebhookDelivery.objects.filter(endpoint_id=endpoint_id)
    if "key" in wanted:
        return read_page(along(deliveries, "-pk", key=wanted.pop("key")), "pk", cursor, chosen=one_by_one(**wanted))
    if "state" in wanted:
        return read_page(along(WebhookDelivery.objects.all(), "-id", endpoint_id=endpoint_id, **wanted), "id", cursor)
    return read_page(deliveries.order_by("-pk"), "pk", cursor)


def list_newest_deliveries(*, endpoint_id: int, limit: int) -> list[WebhookDelivery]:
    """Returns the newest deliveries of an endpoint, with what it is known by."""
    deliveries = with_endpoints(WebhookDelivery.objects.filter(endpoint_id=endpoint_id))
    return list(deliveries.order_by("-pk")[:limit])


def with_endpoints(deliveries: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    """Adds `endpoint_description`, `endpoint_url`, `endpoint_is_enabled` and `endpoint_paused_until`, None where the
    endpoint was removed, and `is_behind`: whether one that was refused before waits first."""
    endpoint = WebhookEndpoint.objects.filter(pk=OuterRef("endpoint_id"))
    names = ("description", "url", "is_enabled", "paused_until")
    columns = {f"endpoint_{name}": Subquery(endpoint.values(name)) for name in names}
    told: QuerySet[WebhookDelivery] = deliveries.annotate(
        **columns, is_behind=Exists(earlier_of_key().filter(next_try_at__isnull=False))
    )
    return told


def earlier_of_key() -> QuerySet[WebhookDelivery]:
    """What comes before a delivery of the query around it, and still waits."""
    same = {name: OuterRef(name) for name in ("endpoint_id", "key")}
    return WebhookDelivery.objects.filter(state=WebhookDelivery.State.READY, pk__lt=OuterRef("pk"), **same)


def next_try(delivery: WebhookDelivery, *, is_enabled: bool, paused_until: datetime | None) -> datetime | None:
    """When a delivery is tried next: not before its own time, nor before its endpoint's. None: it has ended, it is not
    tried as its endpoint is off, or it leaves as soon as it can."""
    if not is_enabled or delivery.state != WebhookDelivery.State.READY:
        return None
    return max(filter(None, (delivery.next_try_at, paused_until)), default=None)


def count_switched_off(*, most: int) -> int:
    """Returns how many endpoints were switched off because they failed, `most` at most."""
    return WebhookEndpoint.objects.exclude(switched_off_because="").order_by().values("pk")[:most].count()


def oldest_announced_at() -> datetime | None:
    """Returns when the first of the events was announced that no delivery has been made of yet, or None."""
    return Announced.objects.order_by("pk").values_list("created_at", flat=True).first()


def oldest_waiting_at() -> datetime | None:
    """Returns when the oldest event happened that waits for an endpoint which is on, or None when none waits."""
    waiting = WebhookDelivery.objects.filter(endpoint_id=OuterRef("pk"), state=WebhookDelivery.State.READY)
    first = Subquery(waiting.order_by("pk").values("happened_at")[:1])
    to_send = WebhookEndpoint.objects.filter(is_enabled=True).aggregate(oldest=Min(first))["oldest"]
    to_spread = oldest_announced_at()
    return min(filter(None, (to_send, to_spread)), default=None)
