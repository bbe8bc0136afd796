"""The broker that REMOTE_BROKER_URL names. RocketMQ's client is an extra, and loaded only where it is chosen."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from messaging.broker import rabbitmq
from messaging.broker.port import Broker


def connection(*, consumes: bool = True) -> Broker[Any]:
    """Returns one to the broker, for one thread. `consumes`: it takes messages. Raises ImproperlyConfigured."""
    if is_rocketmq():
        connection: Broker[Any] = rocketmq().RocketMQ()
        return connection
    return rabbitmq.RabbitMQ(consumes=consumes)


def ping() -> None:
    """Raises BrokerAway when the broker does not answer in time."""
    if is_rocketmq():
        rocketmq().ping()
    else:
        rabbitmq.ping()


def is_rocketmq() -> bool:
    return bool(settings.REMOTE_BROKER_URL.startswith("rocketmq"))


def rocketmq() -> Any:
    """Returns the module. Raises ImproperlyConfigured where RocketMQ's client is not there, or cannot be loaded."""
    try:
        return import_module("messaging.broker.rocketmq")
    except ModuleNotFoundError as error:
        if error.name != "rocketmq":
            raise
        raise ImproperlyConfigured(
            "REMOTE_BROKER_URL: RocketMQ's client is not there: pip install -r requirements-rocketmq.txt."
        ) from error
    except OSError as error:
        raise ImproperlyConfigured(
            f"REMOTE_BROKER_URL: RocketMQ's client opens a log in the home folder: {error}. Set HOME to another one."
        ) from error


def unusable_client() -> Iterator[str]:
    """Says at the start what the first message would find out."""
    if not (settings.MEETS_AT_BROKER and is_rocketmq()):
        return
    try:
        rocketmq()
    except ImproperlyConfigured as error:
        yield str(error)
