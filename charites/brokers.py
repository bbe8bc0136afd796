"""Which broker Celery has, and what stops the start. Why: docs/adr/0013-two-brokers-for-wake-ups.md."""

import re
from importlib.metadata import version
from typing import Any

from django.core.exceptions import ImproperlyConfigured

KINDS = {"redis": "redis", "rediss": "redis", "amqp": "rabbitmq", "amqps": "rabbitmq"}
OLDEST_CELERY = (5, 6, 3)  # before it a delayed message that is sent again outgrows RabbitMQ's routing keys


def kind_of(url: str) -> str:
    """Returns `redis` or `rabbitmq`. Several addresses (`;`) are of one kind. Raises ImproperlyConfigured."""
    schemes = {part.rpartition("://")[0] for part in url.split(";")}
    kinds = {KINDS.get(scheme, "") for scheme in schemes}
    if len(kinds) > 1 or "" in kinds:
        # The address may hold a password, so only its scheme is repeated.
        raise ImproperlyConfigured(
            f"CELERY_BROKER_URL begins with {' and '.join(sorted(schemes)) or 'nothing known'}: set it to redis:// or "
            "rediss:// (Redis), amqp:// or amqps:// (RabbitMQ)."
        )
    return kinds.pop()


def refuse_unfit_broker(settings: Any) -> None:
    """Raises ImproperlyConfigured, in one sentence that says what to do, where countdowns would not work."""
    if kind_of(settings.CELERY_BROKER_URL) == "redis":
        refuse_short_visibility(settings)
    else:
        refuse_old_celery(version("celery"))
        refuse_countdowns_in_the_worker(settings)


def refuse_short_visibility(settings: Any) -> None:
    from messaging.wakeups import SLOT_SECONDS  # noqa: PLC0415 (needs the settings, which need this module)

    longest = settings.ORDER_PAY_TIMEOUT_SECONDS + SLOT_SECONDS
    visible = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    if visible <= longest:
        raise ImproperlyConfigured(
            f"A countdown on Redis lasts up to {longest} s (ORDER_PAY_TIMEOUT_SECONDS and a slot), but is handed out "
            f"again after {visible} s: set CELERY_VISIBILITY_TIMEOUT_SECONDS to more than {longest}."
        )


def refuse_old_celery(found: str) -> None:
    if tuple(map(int, re.findall(r"\d+", found)[:3])) < OLDEST_CELERY:
        oldest = ".".join(map(str, OLDEST_CELERY))
        raise ImproperlyConfigured(f"Celery {found} is too old for RabbitMQ: install {oldest} or newer.")


def refuse_countdowns_in_the_worker(settings: Any) -> None:
    exchange, queue = settings.CELERY_TASK_DEFAULT_EXCHANGE_TYPE, settings.CELERY_TASK_DEFAULT_QUEUE_TYPE
    if (exchange, queue) != ("topic", "quorum"):
        raise ImproperlyConfigured(
            f"With a {exchange} exchange and a {queue} queue the worker holds every countdown instead of RabbitMQ: set "
            "CELERY_TASK_DEFAULT_EXCHANGE_TYPE to 'topic' and CELERY_TASK_DEFAULT_QUEUE_TYPE to 'quorum'."
        )
