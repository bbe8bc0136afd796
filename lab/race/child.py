"""The other end of `processes.Child`: a program of the race, which takes lines of JSON and answers with such lines."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from charites.common.transactions import RETRIES
from lab.race.database import PREFIX
from stock.strategies import STRATEGIES, get_strategy
from stock.strategies.strategy import Strategy


class Link:
    """The conversation with the parent. Whatever else is printed goes where errors go."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(self, **words: Any) -> None:
        """Tells the parent; ends this process when the parent is gone, whatever its threads do."""
        try:
            self._out.write(json.dumps(words) + "\n")
            self._out.flush()
        except BrokenPipeError:
            os._exit(1)

    def listen(self) -> Iterator[dict[str, Any]]:
        """Yields what the parent says, until it says no more."""
        while line := sys.stdin.readline():
            yield json.loads(line)

    def wait(self) -> None:
        """Waits for the parent's next line; without a parent there is nothing left to do."""
        if not sys.stdin.readline():
            os._exit(1)


def use(path: str) -> None:
    """Takes stock in this process as the class at `path` does, an unsafe one included, with a fresh instance.

    `STOCK_STRATEGY` cannot name an unsafe strategy in any process: it is checked at the start. This is the one way
    around it, and it leads to databases that the race made for itself only.
    """
    if PREFIX not in str(connection.settings_dict["NAME"]):
        raise RuntimeError("Strategies that oversell are raced on the race's own database only.")
    strategy: type[Strategy] = import_string(path)
    STRATEGIES[strategy.name] = strategy
    settings.STOCK_STRATEGY = strategy.name
    get_strategy.cache_clear()


def retries() -> dict[str, int]:
    """Returns how often batches were tried again in this process so far, by reason."""
    found: dict[str, int] = {}
    for metric in RETRIES.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                reason = sample.labels["reason"]
                found[reason] = found.get(reason, 0) + int(sample.value)
    return found
