"""How often something may happen for a key: an address, a user name, a buyer.

A rate of 60 a minute lets 60 through at once, and then one a second: all that is kept of a key is when it will have
caught up (GCRA). Processes share that through Redis, one round trip for many keys. Each keeps it for itself, too, so
that who is refused costs no round trip, and a Redis that is away, hangs or has forgotten everything leaves a bound a
process. It is asked in vain once a second at most, and waited for 20 ms at most.
"""

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from math import ceil
from time import monotonic
from typing import NamedTuple

import structlog
from django.conf import settings
from django.core.cache import cache
from redis import RedisError
from redis.commands.core import Script

from charites.common.errors import Limited
from charites.common.redis_client import redis_client

log = structlog.get_logger(__name__)

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SHAPE = re.compile(r"(\d{1,9})/(s|sec|second|m|min|minute|h|hour|d|day)")
MICRO = 1_000_000
TIMEOUT_SECONDS = 0.02
REST_SECONDS = 1.0  # for which a Redis that has failed is left alone
MOST = 100_000  # keys that a process keeps of one kind, about 200 bytes each; of more the oldest are forgotten
TAKE = """
local now, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local found, known, answers = redis.call('MGET', unpack(KEYS)), {}, {}
for place, key in ipairs(KEYS) do
  local due = known[key] or math.max(now, math.min(tonumber(found[place] or '0'), now + burst))
  answers[place] = string.format('%.0f', due)
  if due + interval <= now + burst then
    due = due + interval
    redis.call('SET', key, string.format('%.0f', due), 'PX', ARGV[4])
  end
  known[key] = due
end
return table.concat(answers, ' ')
"""


class Rate(NamedTuple):
    """`times` in `seconds`."""

    times: int
    seconds: int


@lru_cache(100)
def parse_rate(text: str) -> Rate | None:
    """Reads a rate such as `60/min` (s, m, h, d); None for `0`: no limit. Raises ValueError."""
    found = SHAPE.fullmatch(text)
    if text != "0" and not found:
        raise ValueError(f"{text!r} is not a rate such as 60/min")
    times = int(found[1]) if found else 0
    return Rate(times, SECONDS[found[2][0]]) if found and times else None


class Rates:
    """The keys of one kind, such as sign-ins by address. Safe for threads."""

    def __init__(self, kind: str, most: int = MOST) -> None:
        self._kind, self._most = kind, most
        self.clear()
        os.register_at_fork(after_in_child=self.clear)  # nobody there would open the lock

    def clear(self) -> None:
        """Forgets what this process knows."""
        self._mutex = threading.Lock()
        self._due: OrderedDict[str, int] = OrderedDict()  # when a key has caught up; who was seen last stands last

    def take(self, keys: Sequence[str], rate: Rate | None, now: datetime) -> list[float]:
        """Lets each key through once, if it may. Returns how many seconds each has to wait: 0.0, it is through.

        Who is refused is not counted. One key may stand there several times; at most some thousands at once.
        """
        if rate is None:
            return [0.0] * len(keys)
        at, interval, burst = (
            int(now.timestamp() * MICRO),
            max(1, rate.seconds * MICRO // rate.times),
            rate.seconds * MICRO,
        )
        with self._mutex:
            waits = [self._take(key, at, interval, burst) for key in keys]
            self._drop(at)
        through = [place for place, wait in enumerate(waits) if not wait]
        if through and (due := shared.take(self._kind, [keys[place] for place in through], at, interval, burst)):
            with self._mutex:
                for place, others in zip(through, due, strict=True):
                    waits[place] = self._agree(keys[place], others, at, interval, burst)
        return [wait / MICRO for wait in waits]

    def _take(self, key: str, at: int, interval: int, burst: int) -> int:
        """Lets a key through, as far as this process knows; returns microseconds to wait. Needs the mutex."""
        due = max(at, min(self._due.pop(key, 0), at + burst))
        wait = max(0, due + interval - at - burst)
        self._due[key] = due if wait else due + interval
        return wait

    def _agree(self, key: str, others: int, at: int, interval: int, burst: int) -> int:
        """Learns when a key has caught up everywhere, which decides. Needs the mutex."""
        wait = max(0, others + interval - at - burst)
        self._due[key] = max(self._due.get(key, 0), others) if wait else max(self._due.get(key, 0), others + interval)
        return wait

    def _drop(self, at: int) -> None:
        """Forgets who stands in front and has caught up, and the oldest ones of too many. Needs the mutex."""
        while self._due:
            key = next(iter(self._due))
            if len(self._due) <= self._most and self._due[key] > at:
                return
            del self._due[key]


class Shared:
    """What the processes share. One that has failed is left alone for a moment: nobody waits for it again and again."""

    def __init__(self) -> None:
        self._resting_until = 0.0
        self._failed = False

    def take(self, kind: str, keys: Sequence[str], at: int, interval: int, burst: int) -> list[int] | None:
        """Lets the keys through there, each if it may; returns when each had caught up before, in microseconds. None:
        nobody knows."""
        if monotonic() < self._resting_until:
            return None
        try:
            prefix, arguments = cache.make_key(f"rate:{kind}:"), [at, interval, burst, burst // 1000]
            found = script(settings.REDIS_URL)(keys=[f"{prefix}{key}" for key in keys], args=arguments)
            due = [int(each) for each in found.split()]
        except (RedisError, OSError, ValueError) as error:
            self._resting_until = monotonic() + REST_SECONDS
            if not self._failed:
                log.warning("rates_not_shared", error=repr(error))
            self._failed = True
            return None
        self._failed = False
        return due


shared = Shared()


@lru_cache(1)
def script(url: str) -> Script:
    """What Redis runs."""
    redis = redis_client(url, connect_seconds=TIMEOUT_SECONDS, answer_seconds=TIMEOUT_SECONDS)
    return redis.register_script(TAKE)


def take_or_refuse(rates: Rates, key: str, rate: Rate | None, now: datetime) -> None:
    """Lets one key through. Raises Limited, which says when to come back."""
    (wait,) = rates.take([key], rate, now)
    if wait:
        raise Limited(retry_after_seconds=ceil(wait))
