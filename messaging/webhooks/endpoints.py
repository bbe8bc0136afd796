"""Who is told of what: endpoints, their secrets, and deliveries that are sent again."""

import base64
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from charites.common.announcements import KINDS
from charites.common.errors import Invalid
from charites.common.models import REASON_LENGTH
from charites.common.text import TextRule, check_texts
from charites.common.transactions import run
from messaging.errors import DeliveryHeldUp, DeliveryNotFound, EndpointNotFound, TooManyEndpoints
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.webhooks import outbox
from messaging.webhooks.addresses import check_url
from messaging.webhooks.reading import earlier_of_key

State = WebhookDelivery.State
MOST_ENDPOINTS = 1_000
FORMER_SECRET = timedelta(days=1)
DESCRIPTION = TextRule("description", REASON_LENGTH)
ANEW: dict[str, Any] = {
    "failing_since": None,
    "failures": 0,
    "paused_until": None,
    "last_taken_at": None,
}
ONCE_MORE: dict[str, Any] = {"state": State.READY, "attempts": 0, "next_try_at": None, "done_at": None}


def new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def check(*, url: str | None = None, kinds: Collection[str] | None = None, description: str = "") -> None:
    """Looks at what is given. Raises Invalid."""
    if url is not None:
        check_url(url)
    if description:
        check_texts((DESCRIPTION, description))
    if kinds is None:
        return
    if not kinds:
        raise Invalid("kinds", _("must be one event or more"))
    if unknown := sorted(set(kinds) - KINDS.keys()):
        raise Invalid(
            "kinds", _("%(kind)s is no event; there are: %(known)s"), kind=unknown[0][:64], known=", ".join(KINDS)
        )


def add_endpoint(*, url: str, kinds: Sequence[str], description: str = "") -> WebhookEndpoint:
    """Adds an endpoint with a secret of its own. Raises Invalid, TooManyEndpoints, Busy, OutcomeUnknown."""
    check(url=url, kinds=kinds, description=description)
    endpoint = WebhookEndpoint(url=url, kinds=sorted(set(kinds)), description=description, secret=new_secret())

    def add() -> None:
        if WebhookEndpoint.objects.count() >= MOST_ENDPOINTS:
            raise TooManyEndpoints(limit=MOST_ENDPOINTS)
        endpoint.pk = None
        endpoint.save(force_insert=True)

    try:
        run(add, name="add_endpoint")
    finally:
        outbox.assume(None)
    return endpoint


def change_endpoint(*, endpoint_id: int, values: Mapping[str, Any], now: datetime) -> WebhookEndpoint:
    """Changes `url`, `kinds`, `description` or `is_enabled`; one that is switched on, also where it was on,
    begins anew, and what waits for it leaves at once. Raises Invalid, EndpointNotFound, Busy, OutcomeUnknown."""

    def change() -> WebhookEndpoint:
        endpoint = locked(endpoint_id)
        is_switched_on = bool(values.get("is_enabled"))
        wanted = {name: values[name] for name in ("url", "kinds", "description") if name in values}
        check(**({"url": endpoint.url} if is_switched_on else {}) | wanted)
        columns = {name: values[name] for name in ("url", "description", "is_enabled") if name in values}
        if "kinds" in values:
            columns["kinds"] = sorted(set(values["kinds"]))
        is_moved = columns.get("url", endpoint.url) != endpoint.url
        if is_switched_on or is_moved:
            columns |= ANEW
        if "is_enabled" in values:
            columns["switched_off_because"] = ""  # somebody has looked
        is_well = is_switched_on and endpoint.is_enabled and not endpoint.failing_since
        if is_moved or ("is_enabled" in values and not is_well):
            # Whoever works for it now works for the one it was, and writes nothing down. Of one that was well already
            # it is as true, and would be sent a second time.
            columns |= {"lease": "", "leased_until": None}
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(**columns, updated_at=now)
        if is_switched_on or is_moved:
            bring_forward(WebhookDelivery.objects.filter(endpoint_id=endpoint_id), now=now)
        return WebhookEndpoint.objects.get(pk=endpoint_id)

    try:
        return run(change, name="change_endpoint")
    finally:
        outbox.assume(None)


def rotate_secret(*, endpoint_id: int, now: datetime) -> WebhookEndpoint:
    """Gives an endpoint another secret; for a day everything is signed with both. Raises EndpointNotFound."""

    def rotate() -> WebhookEndpoint:
        endpoint = locked(endpoint_id)
        former = {"former_secret": endpoint.secret, "former_secret_until": now + FORMER_SECRET}
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(secret=new_secret(), **former, updated_at=now)
        return WebhookEndpoint.objects.get(pk=endpoint_id)

    return run(rotate, name="rotate_secret")


def remove_endpoint(*, endpoint_id: int) -> None:
    """Forgets an endpoint, and with the sweeps that follow what it was told and was still to be. Raises
    EndpointNotFound, Busy, OutcomeUnknown."""

    def remove() -> None:
        locked(endpoint_id)
        WebhookEndpoint.objects.filter(pk=endpoint_id).delete()

    try:
        run(remove, name="remove_endpoint")
    finally:
        outbox.assume(None)


class Replayed(NamedTuple):
    """What became of deliveries that somebody wants to be sent again, by their ids. `again`: they leave in a moment;
    `off`: once their endpoint is switched on; `held_up`: each by which one that is about the same and comes first."""

    again: Collection[int]
    off: Collection[int]
    held_up: Mapping[int, int]


def replay(*, delivery_ids: Sequence[int], now: datetime) -> Replayed:
    """Sends once more what has ended, before what waits of its key, and at once what waits for its next try, with the
    tries that it had; what waits behind another one of its key still does. Raises DeliveryNotFound when there is none,
    Busy, OutcomeUnknown."""
    chosen = WebhookDelivery.objects.filter(pk__in=delivery_ids)

    def send_again() -> Replayed:
        known = WebhookEndpoint.objects.values("pk")
        endpoint_of = dict(chosen.filter(endpoint_id__in=known).values_list("pk", "endpoint_id"))
        if not endpoint_of:
            raise DeliveryNotFound
        # The endpoints come first, as for whoever writes down what was sent.
        theirs = WebhookEndpoint.objects.filter(pk__in=set(endpoint_of.values()))
        theirs.filter(paused_until__gt=now).update(paused_until=None)
        enabled = set(theirs.filter(is_enabled=True).values_list("pk", flat=True))
        waiting = list(chosen.filter(state=State.READY).order_by("pk").select_for_update().values_list("pk", flat=True))
        if len(waiting) < len(endpoint_of):
            chosen.filter(pk__in=endpoint_of).exclude(state=State.READY).update(**ONCE_MORE)
        if waiting:
            bring_forward(chosen.filter(pk__in=waiting), now=now)
        held_up = find_held_up(list(endpoint_of), now=now)
        off = {pk for pk, endpoint_id in endpoint_of.items() if endpoint_id not in enabled and pk not in held_up}
        return Replayed(endpoint_of.keys() - off - held_up.keys(), off, held_up)

    return run(send_again, name="replay_deliveries")


def replay_one(*, delivery_id: int, now: datetime) -> None:
    """`replay` of one. Raises DeliveryHeldUp, too: it leaves at once when that one is out of the way."""
    replayed = replay(delivery_ids=[delivery_id], now=now)
    if first_id := replayed.held_up.get(delivery_id):
        raise DeliveryHeldUp(delivery_id=delivery_id, first_id=first_id)


def bring_forward(deliveries: QuerySet[WebhookDelivery], *, now: datetime) -> int:
    """Lets go at once what of these waits for its next try; returns how many did."""
    return deliveries.filter(state=State.READY, next_try_at__gt=now).update(next_try_at=None)


def find_held_up(delivery_ids: Sequence[int], *, now: datetime) -> dict[int, int]:
    """Which of these wait behind another one of their key, and behind which."""
    first = earlier_of_key().filter(next_try_at__gt=now).order_by("pk").values("pk")[:1]
    held_up = WebhookDelivery.objects.filter(pk__in=delivery_ids, state=State.READY).annotate(first_id=Subquery(first))
    return dict(held_up.filter(first_id__isnull=False).values_list("pk", "first_id"))


def locked(endpoint_id: int) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.select_for_update().filter(pk=endpoint_id).first()
    if endpoint is None:
        raise EndpointNotFound(endpoint_id=endpoint_id)
    return endpoint
