"""Deliveries leave: in order for each key, sixteen keys of an endpoint at once, and no endpoint waits for another.

One sweep works for an endpoint at a time, by a lease. It takes the oldest deliveries whose key has none before them
that waits for its next try, sends them, and writes down what became of them, as a set; after a death in between they
are sent again.

    healthy   a portion at a time; what is refused is tried again on a ladder, and is dead at its end
    failing   nothing was taken: one delivery at a time, new ones first, after pauses that grow to ten minutes; what is
              refused while others are taken now and then goes on climbing its ladder, nothing else becomes dead
    off       failing for WEBHOOK_DISABLE_DAYS, or the receiver says that it is gone (410): somebody has to look
"""

import asyncio
import json
import secrets
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore
import structlog
from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from prometheus_client import Counter
from standardwebhooks import Webhook

from charites.common.transactions import run
from messaging.events import WEBHOOK_DEAD, WEBHOOK_SWITCHED_OFF
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.webhooks.addresses import CheckedBackend, NotAllowed

log = structlog.get_logger(__name__)

PORTION = 64
AT_ONCE = 16
CALL_SECONDS = 10.0
PORTION_SECONDS = 5.0  # after which nothing more of a portion is begun
LEASE = timedelta(seconds=60)  # longer than a portion with its last call
READ_BYTES = 4096  # of an answer; nobody wants to know the rest
LADDER = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200))
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=10)
GONE = 410

DELIVERIES = Counter("charites_webhook_deliveries", "Events sent to webhook endpoints.", ["outcome"])
State = WebhookDelivery.State


class Result(NamedTuple):
    """What became of one call: `error` is empty where it was taken; `status`: 0 where there was no answer."""

    delivery: WebhookDelivery
    status: int
    error: str


def list_due(*, now: datetime, is_held_up: bool, slow: Collection[int] = (), limit: int) -> list[int]:
    """Returns endpoints that have something to send and that nobody works for, first who has waited longest: those that
    fail or are known to be slow, or the others."""
    held_up = Q(failing_since__isnull=False) | Q(pk__in=slow)
    due = free(now).filter(Exists(sendable(OuterRef("pk"), now)), held_up if is_held_up else ~held_up)
    return list(due.order_by("updated_at", "pk").values_list("pk", flat=True)[:limit])


def free(now: datetime) -> QuerySet[WebhookEndpoint]:
    is_free = Q(leased_until=None) | Q(leased_until__lt=now)
    is_up = Q(paused_until=None) | Q(paused_until__lte=now)
    return WebhookEndpoint.objects.filter(is_free, is_up, is_enabled=True)


def sendable(endpoint_id: Any, now: datetime) -> QuerySet[WebhookDelivery]:
    """Deliveries of an endpoint that may leave now: none before them, of their key, waits for its next try."""
    ready = WebhookDelivery.objects.filter(endpoint_id=endpoint_id, state=State.READY)
    earlier = WebhookDelivery.objects.filter(
        endpoint_id=OuterRef("endpoint_id"),
        state=State.READY,
        next_try_at__gt=now,
        key=OuterRef("key"),
        pk__lte=OuterRef("pk"),
    )
    is_due = Q(next_try_at=None) | Q(next_try_at__lte=now)
    return ready.filter(is_due, ~Exists(earlier))


def next_portion(endpoint: WebhookEndpoint, now: datetime) -> list[WebhookDelivery]:
    """What is sent to an endpoint now. One that fails gets one delivery, which was not tried yet if there is such a
    one: what it refuses for good must not pass for an endpoint that is down."""
    due = sendable(endpoint.pk, now)
    if endpoint.failing_since:
        return list(due.order_by("next_try_at", "pk")[:1])  # nothing comes before a time
    return list(due.order_by("pk")[:PORTION])


def serve(endpoint_id: int, *, now: datetime) -> int:
    """Sends a portion of what an endpoint has to be told; returns how many were taken. None where somebody else is at
    it."""
    token = secrets.token_hex(16)
    unclaimed = free(now).filter(pk=endpoint_id)
    if not run(lambda: unclaimed.update(lease=token, leased_until=now + LEASE), name="lease_endpoint"):
        return 0
    endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
    portion = next_portion(endpoint, now)
    results = asyncio.run(send_all(endpoint, portion, now)) if portion else []
    run(partial(write_down, endpoint, token, results, now), name="note_deliveries")
    tell(endpoint, results, now)
    return sum(not result.error for result in results)


# Sending


class Turns:
    """Who of a portion may call now."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(AT_ONCE)
        self.is_silent = False  # a call had no answer
        self._ends_at = asyncio.get_running_loop().time() + PORTION_SECONDS

    @property
    def are_over(self) -> bool:
        return self.is_silent or asyncio.get_running_loop().time() > self._ends_at


async def send_all(endpoint: WebhookEndpoint, portion: Sequence[WebhookDelivery], now: datetime) -> list[Result]:
    """Sends deliveries, those of one key one after the other until one is not taken. Nothing more is begun once there
    was no answer."""
    chains: dict[str, list[WebhookDelivery]] = defaultdict(list)
    for delivery in portion:
        chains[delivery.key].append(delivery)
    turns = Turns()
    is_secure = endpoint.url.startswith("https:")
    async with httpcore.AsyncConnectionPool(
        max_connections=AT_ONCE, network_backend=CheckedBackend(is_secure=is_secure)
    ) as pool:
        sent = await asyncio.gather(*(send_chain(pool, endpoint, chain, turns, now) for chain in chains.values()))
    return [result for results in sent for result in results]


async def send_chain(
    pool: httpcore.AsyncConnectionPool,
    endpoint: WebhookEndpoint,
    chain: Sequence[WebhookDelivery],
    turns: Turns,
    now: datetime,
) -> list[Result]:
    results: list[Result] = []
    for delivery in chain:
        async with turns.free:
            if turns.are_over:
                break
            results.append(await send(pool, endpoint, delivery, now))
            turns.is_silent |= not results[-1].status
        if results[-1].error:
            break
    return results


async def send(
    pool: httpcore.AsyncConnectionPool, endpoint: WebhookEndpoint, delivery: WebhookDelivery, now: datetime
) -> Result:
    body = body_of(delivery)
    headers = headers_of(endpoint, delivery, body, now)
    try:
        async with asyncio.timeout(CALL_SECONDS):
            async with pool.stream("POST", as_target(endpoint.url), headers=headers, content=body) as answer:
                read = 0
                async for part in answer.aiter_stream():
                    read += len(part)
                    if read > READ_BYTES:
                        break
                status = answer.status
    except TimeoutError:
        return Result(delivery, 0, f"no answer within {CALL_SECONDS:.0f} s")
    except NotAllowed as error:
        return Result(delivery, 0, f"is not called: {error}"[:500])
    except httpcore.ProtocolError:
        return Result(delivery, 0, "no answer of HTTP")  # what else it says is nobody's business here
    except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
        return Result(delivery, 0, f"no connection: {error}"[:500])
    return Result(delivery, status, "" if 200 <= status < 300 else f"answered {status}")


def as_target(url: str) -> httpcore.URL:
    """An address with its path as it was typed; httpcore itself would drop what stands behind a semicolon."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)


def body_of(delivery: WebhookDelivery) -> bytes:
    moment = delivery.happened_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"type": delivery.kind, "timestamp": moment, "data": delivery.data}, ensure_ascii=False).encode()


def headers_of(
    endpoint: WebhookEndpoint, delivery: WebhookDelivery, body: bytes, now: datetime
) -> list[tuple[bytes | str, bytes | str]]:
    """Every try is signed anew, by both secrets while they are changed."""
    message_id, text = f"evt_{delivery.event_id}", body.decode()
    keys = [endpoint.secret]
    if endpoint.former_secret and endpoint.former_secret_until and endpoint.former_secret_until > now:
        keys.append(endpoint.former_secret)
    return [
        ("host", urlsplit(endpoint.url).netloc),
        ("content-type", "application/json"),
        ("user-agent", f"charites/{settings.VERSION}"),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(int(now.timestamp()))),
        ("webhook-signature", " ".join(Webhook(key).sign(message_id, now.astimezone(UTC), text) for key in keys)),
    ]


# What became of it


def write_down(endpoint: WebhookEndpoint, token: str, results: Sequence[Result], now: datetime) -> None:
    """Inside a transaction: marks deliveries and the endpoint, as long as the lease is ours."""
    ours = WebhookEndpoint.objects.filter(pk=endpoint.pk, lease=token)
    if not ours.select_for_update().exists():
        return  # somebody else has taken it over, and sends the same again
    ready = WebhookDelivery.objects.filter(state=State.READY)
    taken = [result.delivery.pk for result in results if not result.error]
    ready.filter(pk__in=taken).update(
        state=State.DONE, done_at=now, next_try_at=None, last_error="", attempts=F("attempts") + 1
    )
    failed = [result for result in results if result.error]
    for attempts, group in by_attempts(failed).items():
        again = after_failure(attempts, endpoint, is_up=bool(taken) or took_lately(endpoint, attempts, now), now=now)
        for error, keys in group.items():
            ready.filter(pk__in=keys).update(**again, last_error=error)
    ours.update(**state_after(endpoint, results, now), lease="", leased_until=None, updated_at=now)


def took_lately(endpoint: WebhookEndpoint, attempts: int, now: datetime) -> bool:
    """Whether an endpoint has taken others since what was tried so often was tried last."""
    since = now - max(LADDER[max(attempts - 1, 0)], LONGEST_PAUSE)
    return endpoint.last_taken_at is not None and endpoint.last_taken_at >= since


def after_failure(attempts: int, endpoint: WebhookEndpoint, *, is_up: bool, now: datetime) -> dict[str, object]:
    """The columns of a delivery that was not taken after so many attempts: it climbs the ladder while the endpoint
    takes others, and waits for the endpoint otherwise."""
    if not is_up:
        return {"next_try_at": now + max(LADDER[0], pause_of(endpoint))}
    if attempts >= len(LADDER):
        return {"state": State.DEAD, "next_try_at": None, "done_at": now, "attempts": attempts + 1}
    return {"next_try_at": now + LADDER[attempts], "attempts": attempts + 1}


def pause_of(endpoint: WebhookEndpoint) -> timedelta:
    """How long an endpoint that fails is left alone: longer each time."""
    return min(FIRST_PAUSE * (1 << min(endpoint.failures, 20)), LONGEST_PAUSE)


def by_attempts(failed: Sequence[Result]) -> dict[int, dict[str, list[int]]]:
    """attempts -> error -> deliveries: what is written down alike."""
    groups: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for result in failed:
        groups[result.delivery.attempts][result.error].append(result.delivery.pk)
    return groups


def state_after(endpoint: WebhookEndpoint, results: Sequence[Result], now: datetime) -> dict[str, object]:
    """The columns of an endpoint after a portion."""
    if not results:
        return {}
    if not all(result.error for result in results):
        return {"failing_since": None, "failures": 0, "paused_until": None, "last_taken_at": now}
    # What was refused before says less of the endpoint than something new.
    is_new = any(result.delivery.next_try_at is None for result in results)
    since = endpoint.failing_since or now
    columns: dict[str, object] = {
        "failing_since": since,
        "failures": endpoint.failures + 1,
        "paused_until": now + (pause_of(endpoint) if is_new else FIRST_PAUSE),
    }
    if reason := reason_to_switch_off(results, since, now):
        columns |= {"is_enabled": False, "switched_off_because": reason[:500]}
    return columns


def reason_to_switch_off(results: Sequence[Result], since: datetime, now: datetime) -> str:
    if any(result.status == GONE for result in results):
        return "it answered 410: gone"
    if since <= now - timedelta(days=settings.WEBHOOK_DISABLE_DAYS):
        return f"it has taken nothing since {since:%Y-%m-%d %H:%M} UTC: {results[-1].error}"
    return ""


def tell(endpoint: WebhookEndpoint, results: Sequence[Result], now: datetime) -> None:
    """Counts what became of a portion, and writes lines of what somebody has to look at."""
    for result in results:
        DELIVERIES.labels("failed" if result.error else "done").inc()
        if result.error:
            log.warning("webhook_failed", endpoint=endpoint.pk, delivery=result.delivery.pk, error=result.error)
    dead = WebhookDelivery.objects.filter(pk__in=[r.delivery.pk for r in results if r.error], state=State.DEAD)
    for delivery in dead if any(result.error for result in results) else ():
        WEBHOOK_DEAD.tell(str(endpoint.pk), str(delivery.pk), delivery.kind, delivery.key, delivery.last_error)
    stored = WebhookEndpoint.objects.filter(pk=endpoint.pk, is_enabled=False).first() if results else None
    if stored:
        WEBHOOK_SWITCHED_OFF.tell(str(endpoint.pk), stored.switched_off_because)
