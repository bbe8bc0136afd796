"""Reads settings from the environment. What is wrong is noted, so that all of it is told at once, a sentence each."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError, ValidationError

from charites.common.redis_client import SCHEMES, check_address

Value = TypeVar("Value")

SECRET_LENGTH, DIFFERENT = 50, 5  # characters, as Django advises
PRIVATE = re.compile("SECRET|URL|KEY|_TOKEN$")  # what such a setting holds, passwords among it, is not repeated


@dataclass(frozen=True, slots=True)
class Bound:
    """What a setting may be; `words` end the sentence "NAME must be ..."."""

    words: str
    holds: Callable[[Any], bool]

    def __call__(self, value: Any) -> None:
        """Raises ValidationError, as environs wants it."""
        if not self.holds(value):
            raise ValidationError(self.words)


def at_least(least: float) -> Bound:
    return Bound(f"{least} or more", lambda value: value >= least)


def between(least: float, most: float) -> Bound:
    return Bound(f"{least} to {most}", lambda value: least <= value <= most)


def one_of(*choices: str) -> Bound:
    return Bound(f"one of: {', '.join(choices)}", lambda value: value in choices)


def some_of(*choices: str) -> Bound:
    def holds(values: list[str]) -> bool:
        return bool(values) and set(values) <= set(choices) and len(values) == len(set(values))

    return Bound(f"one or more of: {', '.join(choices)}", holds)


def matching(pattern: str, words: str) -> Bound:
    return Bound(words, lambda value: bool(re.fullmatch(pattern, value)))


def each(bound: Bound) -> Bound:
    """For lists, none included."""
    return Bound(f"{bound.words}, each", lambda values: all(map(bound.holds, values)))


def address(*schemes: str, several: str = "") -> Bound:
    """An address with a host. `several`: what separates more of the same kind."""

    def holds(value: str) -> bool:
        return all(map(is_address, value.split(several) if several else [value]))

    def is_address(value: str) -> bool:
        try:
            parts = urlsplit(value)
            return parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            return False

    return Bound(f"{' or '.join(f'{name}://' for name in schemes)} with a host", holds)


def is_database(url: str) -> bool:
    try:
        description = dj_database_url.parse(url)
    except ValueError:
        return False
    return description["ENGINE"].rpartition(".")[2] in ("mysql", "sqlite3") and bool(description["NAME"])


def is_redis(url: str) -> bool:
    try:
        check_address(url)
    except ValueError:
        return False
    return True


def is_watched(url: str) -> bool:
    return url.startswith(tuple(SCHEMES)) and is_redis(url)


def is_time_zone(name: str) -> bool:
    try:
        return name == ZoneInfo(name).key
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False


def is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


AT_LEAST_ONE, NOT_NEGATIVE, PORT = at_least(1), at_least(0), between(1, 65535)
SECONDS = between(1, 366 * 86400)
PAUSE = between(0.01, 3600)  # seconds that somebody waits
NAME = matching(r"[\w.-]{1,100}", "letters, digits, `.`, `_` and `-`, 100 at most")
HOST = matching(r"[\w.:*\[\]-]+", "a name or an address, without a port")
ANY_HOST = matching(r"[\w.:-]*", f"empty, or {HOST.words}")
ORIGIN = matching(r"https?://[^\s/?#@]+", "http:// or https:// with a host, without a path")
WEB_ADDRESS, REDIS_HOST = address("http", "https"), address("redis", "rediss")
REDIS_SERVER = Bound(
    f"{REDIS_HOST.words}, and with no options that redis-py does not have",
    lambda value: REDIS_HOST.holds(value) and is_redis(value),
)
AGENT = Bound(f"empty, or {WEB_ADDRESS.words}", lambda value: not value or WEB_ADDRESS.holds(value))
REDIS = Bound(
    f"{REDIS_SERVER.words}, or, with sentinels, redis+sentinel:// or rediss+sentinel:// with their hosts, the name of "
    "the master and a database, such as `redis+sentinel://:password@host:26379,host:26379/name/0`",
    lambda value: REDIS_SERVER.holds(value) or is_watched(value),
)
REDIS_BROKERS, RABBITMQ_BROKERS = address("redis", "rediss", several=";"), address("amqp", "amqps", several=";")
BROKER = Bound(
    "an address with a host, or more of one kind separated by `;`: redis:// or rediss:// (Redis), "
    "amqp:// or amqps:// (RabbitMQ); or sentinels of Redis, as in REDIS_URL",
    lambda value: REDIS_BROKERS.holds(value) or RABBITMQ_BROKERS.holds(value) or is_watched(value),
)
ROCKETMQ_PROXY = address("rocketmq", "rocketmqs")
BETWEEN_SERVICES = Bound(
    "empty, or amqp:// or amqps:// with a host, or more of one kind separated by `;` (RabbitMQ), or rocketmq:// or "
    "rocketmqs:// with a host (RocketMQ's proxy)",
    lambda value: not value or RABBITMQ_BROKERS.holds(value) or ROCKETMQ_PROXY.holds(value),
)
REPLICA = Bound(
    "empty, or `mysql://user:password@host:3306/name` of a MariaDB that follows the one of DATABASE_URL",
    lambda value: not value or (value.startswith("mysql://") and is_database(value)),
)
DATABASE = Bound("`mysql://user:password@host:3306/name` or `sqlite:///file`", is_database)
NETWORKS = each(Bound("a network such as `10.0.0.0/8`", is_network))
HEADER = matching(r"[!-~]*", "empty, or printable ASCII without a blank")  # what is sent in one
HOST_AND_PORT = r"[^\s,/]+:\d{1,5}"
LISTENER = matching(r"|([\w.-]+|\[[\da-f:]+\]):\d{1,5}", "empty, or an address and a port, such as `0.0.0.0:9100`")
ENDPOINT = matching(
    rf"|(ipv[46]:|dns:(///)?)?{HOST_AND_PORT}(,{HOST_AND_PORT})*", "empty, `ipv4:a:1,b:2` or `dns:///host:port`"
)
RATE = matching(
    r"0|[1-9]\d{0,6}/(s|sec|second|m|min|minute|h|hour|d|day)",
    "a number of times, `/` and s, min, h or day, such as `60/min`; or 0",
)
LOG_LEVEL = matching(r"(?i)debug|info|warning|error|critical", "one of: DEBUG, INFO, WARNING, ERROR, CRITICAL")
CURRENCY = matching(r"[A-Z]{3}", "three capital letters (ISO 4217)")
TIME_ZONE = Bound("the name of a time zone, such as `Europe/Berlin` or `UTC`", is_time_zone)
CLASS = matching(r"|[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", "empty, or the dotted path of a class")
SECRET = Bound(
    f"{SECRET_LENGTH} or more random characters",
    lambda value: len(value) >= SECRET_LENGTH and len(set(value)) >= DIFFERENT,
)
STRIPE_KEY = matching(
    r"|[sr]k_(test|live)_\w+", "empty, or a key of Stripe for servers, such as `sk_live_` and letters"
)
STRIPE_SECRET = matching(r"|whsec_[\w+/=-]+", "empty, or what Stripe signs its events with: `whsec_`")
TOKEN = Bound(f"empty, or {SECRET.words}", lambda value: not value or SECRET.holds(value))


class Environment:
    """The environment and the files that stand in for it.

    A setting that cannot be read, or is out of its bound, counts as not set, until `refuse_what_is_wrong` ends it all.
    """

    def __init__(self) -> None:
        self._env = Env()
        self._wrong: list[str] = []

    def read_file(self, path: Path) -> None:
        """Takes what the real environment does not set from a file; one that is not there sets nothing."""
        self._env.read_env(path, recurse=False)

    def refuse(self, sentence: str) -> None:
        """Notes what is wrong; the start ends with it."""
        self._wrong.append(sentence)

    def refuse_what_is_wrong(self) -> None:
        """Raises ImproperlyConfigured with a line for every wrong setting."""
        if self._wrong:
            raise ImproperlyConfigured("\n".join(self._wrong))

    def _read(self, read: Callable[..., Value], name: str, default: Value, validate: Bound | None, kind: str) -> Value:
        try:
            return read(name, default, validate=validate)
        except EnvError:
            self.refuse(self._told(name, validate.words if validate else kind))
            return default

    def _told(self, name: str, words: str) -> str:
        value = "" if PRIVATE.search(name) else f", not {self._env.str(name, '')!r}"
        return f"{name} must be {words}{value}."

    # The readers come last, and `str` the very last: from then on these names are no types in here.

    def list(self, name: str, default: Collection[str], validate: Bound | None = None) -> list[str]:
        """Reads a list with commas. A blank in it is wrong: as a secret it would let anybody sign."""
        text = self.str(name, ",".join(default))
        values = [value.strip() for value in text.split(",")] if text else []
        if "" in values:
            self.refuse(f"{name} must have something before and after each comma.")
        elif validate and not validate.holds(values):
            self.refuse(self._told(name, validate.words))
        return values

    def path(self, name: str, default: Path) -> Path:
        return self._read(self._env.path, name, default, None, "a path")

    def bool(self, name: str, default: bool) -> bool:
        return self._read(self._env.bool, name, default, None, "true or false")

    def float(self, name: str, default: float, validate: Bound | None = None) -> float:
        return self._read(self._env.float, name, default, validate, "a number")

    def int(self, name: str, default: int, validate: Bound | None = None) -> int:
        return self._read(self._env.int, name, default, validate, "a whole number")

    def str(self, name: str, default: str, validate: Bound | None = None) -> str:
        return self._read(self._env.str, name, default, validate, "text")
