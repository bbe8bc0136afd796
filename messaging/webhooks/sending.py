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

from charites.common import tracing
from charites.common.times import as_utc
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
GIVEN_UP = sum(LADDER, timedelta())
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
    """What is sent to an endpoint now. One that fails gets one delivery, the first of its key, and one that was not
    tried yet if there is such a one: what it refuses for good must not pass for an endpoint that is down."""
    due = sendable(endpoint.pk, now)
    if not endpoint.failing_since:
        return list(due.order_by("pk")[:PORTION])
    earlier = WebhookDelivery.objects.filter(
        endpoint_id=endpoint.pk, state=State.READY, key=OuterRef("key"), pk__lt=OuterRef("pk")
    )
    return list(due.filter(~Exists(earlier)).order_by("next_try_at", "pk")[:1])  # nothing comes before a time


def serve(endpoint_id: int, *, now: datetime) -> int:
    """Sends a portion of what an endpoint has to be told; returns how many were taken. None where somebody else is at
    it."""
    token = secrets.token_hex(16)
    unclaimed = free(now).filter(pk=endpoint_id)
    if not run(lambda: unclaimed.update(lease=token, leased_until=now + LEASE), name="lease_endpoint"):
        return 0
    endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
    portion = next_portion(endpoint, now)
    with tracing.span("send webhooks", kind="CLIENT", endpoint_id=str(endpoint.pk), items=len(portion)):
        results = asyncio.run(send_all(endpoint, portion, now)) if portion else []
    tell_sent(endpoint, results)
    written = run(partial(write_down, endpoint, token, results, now), name="note_deliveries")
    tell_ends(endpoint, written)
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
    status = 0
    try:
        async with asyncio.timeout(CALL_SECONDS):
            async with pool.stream("POST", as_target(endpoint.url), headers=headers, content=body) as answer:
                status = answer.status
                await read_some(answer)
    except NotAllowed as error:
        return Result(delivery, 0, str(error)[:500])
    except (TimeoutError, httpcore.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
        if not status:  # once there is one, it counts, whatever follows it
            return Result(delivery, 0, words_for(error))
    return Result(delivery, status, "" if 200 <= status < 300 else f"answered {status}")


async def read_some(answer: httpcore.Response) -> None:
    """So much of an answer that the connection can be used again."""
    read = 0
    async for part in answer.aiter_stream():
        read += len(part)
        if read > READ_BYTES:
            return


def words_for(error: Exception) -> str:
    """Why there was no answer. What a receiver says otherwise than in HTTP is nobody's business here."""
    if isinstance(error, TimeoutError):
        return f"no answer within {CALL_SECONDS:.0f} s"
    if isinstance(error, httpcore.ProtocolError):
        return "no answer of HTTP"
    return f"no connection: {str(error) or type(error).__name__}"[:500]


def as_target(url: str) -> httpcore.URL:
    """An address with its path as it was typed; httpcore itself would drop what stands behind a semicolon."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)


def body_of(delivery: WebhookDelivery) -> bytes:
    event = {"type": delivery.kind, "timestamp": as_utc(delivery.happened_at), "data": delivery.data}
    return json.dumps(event, ensure_ascii=False).encode()


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


class Ends(NamedTuple):
    """What somebody has to look at: deliveries that are dead, and why the endpoint was switched off, if it was."""

    dead: Sequence[Result] = ()
    reason: str = ""


def write_down(endpoint: WebhookEndpoint, token: str, results: Sequence[Result], now: datetime) -> Ends:
    """Inside a transaction: marks deliveries and the endpoint, as long as the lease is ours."""
    ours = WebhookEndpoint.objects.filter(pk=endpoint.pk, lease=token)
    if not ours.select_for_update().exists():
        return Ends()  # somebody else has taken it over, and sends the same again
    is_up = not all(result.error for result in results)
    alike: dict[tuple[tuple[str, Any], ...], list[Result]] = defaultdict(list)
    for result in results:
        alike[tuple(columns_after(result, endpoint, is_up=is_up, now=now).items())].append(result)
    for columns, group in alike.items():
        ready = WebhookDelivery.objects.filter(pk__in=[result.delivery.pk for result in group], state=State.READY)
        ready.update(**dict(columns), attempts=F("attempts") + 1)
    after = state_after(endpoint, results, is_up=is_up, now=now)
    ours.update(**after, lease="", leased_until=None, updated_at=now)
    dead = [result for columns, group in alike.items() if ("state", State.DEAD) in columns for result in group]
    return Ends(dead, str(after.get("switched_off_because", "")))


def columns_after(result: Result, endpoint: WebhookEndpoint, *, is_up: bool, now: datetime) -> dict[str, Any]:
    """The columns of a delivery after a call. What is not taken climbs the ladder while the endpoint takes others, and
    is dead when that has lasted as long as the ladder; otherwise it waits for the endpoint."""
    if not result.error:
        return {"state": State.DONE, "done_at": now, "next_try_at": None, "last_error": ""}
    attempts = result.delivery.attempts
    wait = LADDER[min(attempts, len(LADDER) - 1)]
    if not is_up and not took_lately(endpoint, attempts, now):
        return {"next_try_at": now + min(wait, LONGEST_PAUSE), "last_error": result.error}
    if attempts >= len(LADDER) and result.delivery.happened_at <= now - GIVEN_UP:
        return {"state": State.DEAD, "done_at": now, "next_try_at": None, "last_error": result.error}
    return {"next_try_at": now + wait, "last_error": result.error}


def took_lately(endpoint: WebhookEndpoint, attempts: int, now: datetime) -> bool:
    """Whether an endpoint has taken others since what was tried so often was tried last."""
    last_wait = LADDER[min(max(attempts - 1, 0), len(LADDER) - 1)]
    since = now - max(last_wait, LONGEST_PAUSE)
    return endpoint.last_taken_at is not None and endpoint.last_taken_at >= since


def state_after(
    endpoint: WebhookEndpoint, results: Sequence[Result], *, is_up: bool, now: datetime
) -> dict[str, object]:
    """The columns of an endpoint after a portion."""
    if not results:
        return {}
    since = endpoint.failing_since or now
    if reason := reason_to_switch_off(results, since, is_up=is_up, now=now):
        return {"is_enabled": False, "switched_off_because": reason[:500], "failing_since": since}
    if is_up:
        return {"failing_since": None, "failures": 0, "paused_until": None, "last_taken_at": now}
    if all(result.delivery.attempts for result in results):  # what was refused before says less than something new
        return {"failing_since": since, "paused_until": now + FIRST_PAUSE}
    pause = min(FIRST_PAUSE * (1 << min(endpoint.failures, 20)), LONGEST_PAUSE)
    return {"failing_since": since, "paused_until": now + pause, "failures": endpoint.failures + 1}


def reason_to_switch_off(results: Sequence[Result], since: datetime, *, is_up: bool, now: datetime) -> str:
    if any(result.status == GONE for result in results):
        return "it answered 410: gone"
    if not is_up and since <= now - timedelta(days=settings.WEBHOOK_DISABLE_DAYS):
        return f"it has taken nothing since {since:%Y-%m-%d %H:%M} UTC: {results[-1].error}"
    return ""


def tell_sent(endpoint: WebhookEndpoint, results: Sequence[Result]) -> None:
    """Counts calls, and writes a line of each that was not taken."""
    for result in results:
        DELIVERIES.labels("failed" if result.error else "done").inc()
        if result.error:
            log.warning("webhook_failed", endpoint=endpoint.pk, delivery=result.delivery.pk, error=result.error)


def tell_ends(endpoint: WebhookEndpoint, ends: Ends) -> None:
    for result in ends.dead:
        told = (str(result.delivery.pk), result.delivery.kind, result.delivery.key, result.error)
        WEBHOOK_DEAD.tell(str(endpoint.pk), *told)
    if ends.reason:
        WEBHOOK_SWITCHED_OFF.tell(str(endpoint.pk), ends.reason)
