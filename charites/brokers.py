"""Which broker Celery has, and what stops the start. Why: docs/adr/0013-two-brokers-for-wake-ups.md."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from charites.common.redis_client import Watched, watched_by

SENTINEL_SECONDS = 0.5  # for the answer of one of them; then the next is asked
OLDEST_CELERY = (5, 6, 3)  # before it a delayed message that is sent again outgrows RabbitMQ's routing keys


def kind_of(url: str) -> str:
    """Returns `redis` or `rabbitmq`."""
    return "rabbitmq" if url.startswith("amqp") else "redis"


def sentinels_for_celery(watched: Watched) -> str:
    """Returns kombu's address of Redis's sentinels; the rest of it is in `options_for_sentinels`."""
    user, password = (quote(watched.options.get(name, ""), safe="") for name in ("username", "password"))
    owner = f"{user}:{password}@" if password else ""
    return ";".join(f"sentinel://{owner}{host}:{port}/{watched.database}" for host, port in watched.sentinels)


def options_for_sentinels(watched: Watched) -> dict[str, Any]:
    """Returns what kombu wants to be told beside the address."""
    return {"master_name": watched.name, "sentinel_kwargs": watched.of_sentinels(SENTINEL_SECONDS)}


def options_for_rabbitmq() -> dict[str, Any]:
    """Returns what AMQP's client is told: how long it may wait, and that no message ends a connection."""
    from charites.common.amqp_frames import frames  # noqa: PLC0415 (only RabbitMQ needs its client)

    return {"read_timeout": 5, "write_timeout": 5, "frame_handler": frames}


def tls_of_redis(url: str) -> dict[str, Any]:
    """Returns what kombu checks the server's certificate by, where the address itself does not say it. Without that it
    would check nothing."""
    if not url.startswith("rediss"):
        return {}
    watched = watched_by(url)
    files = {name: value for name, value in watched.options.items() if name.startswith("ssl_")} if watched else {}
    return {"ssl_cert_reqs": "required", **files}


def unfit(settings: Any) -> Iterator[str]:
    """Says, in one sentence each, why countdowns would not work and what to do."""
    if kind_of(settings.CELERY_BROKER_URL) == "redis":
        yield from short_visibility(settings)
    else:
        yield from old_celery(version("celery"))
        yield from countdowns_in_the_worker(settings)


def short_visibility(settings: Any) -> Iterator[str]:
    from messaging.wakeups import SLOT_SECONDS  # noqa: PLC0415 (needs the settings, which need this module)

    longest = settings.ORDER_PAY_TIMEOUT_SECONDS + SLOT_SECONDS
    visible = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    if visible <= longest:
        yield (
            f"A countdown on Redis lasts up to {longest} s (ORDER_PAY_TIMEOUT_SECONDS and a slot), but is handed out "
            f"again after {visible} s: set CELERY_VISIBILITY_TIMEOUT_SECONDS to more than {longest}."
        )


def old_celery(found: str) -> Iterator[str]:
    if tuple(map(int, re.findall(r"\d+", found)[:3])) < OLDEST_CELERY:
        oldest = ".".join(map(str, OLDEST_CELERY))
        yield f"Celery {found} is too old for RabbitMQ: install {oldest} or newer."


def countdowns_in_the_worker(settings: Any) -> Iterator[str]:
    exchange, queue = settings.CELERY_TASK_DEFAULT_EXCHANGE_TYPE, settings.CELERY_TASK_DEFAULT_QUEUE_TYPE
    if (exchange, queue) != ("topic", "quorum"):
        yield (
            f"With a {exchange} exchange and a {queue} queue the worker holds every countdown instead of RabbitMQ: set "
            "CELERY_TASK_DEFAULT_EXCHANGE_TYPE to 'topic' and CELERY_TASK_DEFAULT_QUEUE_TYPE to 'quorum'."
        )
