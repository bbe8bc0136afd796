"""A sweep is killed (-9) after a handler has worked and before its message is marked, while others are at work."""

import contextlib
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Self

import pytest
from django.db import connection
from django.utils import timezone

from lab.kit.factories import counts, make_command, make_goods
from lab.kit.findings import findings, wrong_endings
from lab.kit.processes.shop import START_SECONDS
from lab.kit.receivers import effects, publish_some, register_receivers, unregister_receivers
from lab.kit.trials import Trials
from messaging import relay
from messaging.models import Message
from orders import services
from orders.models import Order

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

CLAIM_SECONDS = 1  # then another sweep may take over what a dead one had
# Where it is killed. A handler has returned when its message is about to be marked.
HANDLED = {
    "loops": ["call"],
    "armed_by": "INSERT INTO auth_group",
    "stop_at": "UPDATE messaging_message SET .*state = .* WHERE",
}
CLOSING = {"loops": ["close"], "armed_by": "FROM shopping_order .* FOR UPDATE", "stop_at": ""}
CLOSING_STATEMENTS = 6  # from the lock of the orders to COMMIT


class Sweeper:
    """A process of `lab.kit.processes.sweeper`; leaving the block ends it."""

    def __init__(self, environment: dict[str, str], **options: Any) -> None:
        command = [sys.executable, "-m", "lab.kit.processes.sweeper"]
        options = {"claim_seconds": CLAIM_SECONDS, "skip": 0, **options}
        self._process = subprocess.Popen(
            [*command, json.dumps(options)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=START_SECONDS)

    def await_word(self, word: str) -> None:
        """Reads what it says until it says this; a process that says nothing for too long is killed."""
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        try:
            for line in self._process.stdout or ():
                if line.strip() == word:
                    return
        finally:
            watchdog.cancel()
        raise AssertionError(f"the sweep did not say {word!r}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(START_SECONDS)


class Load:
    """Messages and overdue orders that keep coming from a thread of its own, until the block is left."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.order_ids: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for number in itertools.count():
                keys = [f"{number}.{n}" for n in range(2)]
                publish_some(keys)
                self.keys += keys
                yesterday = timezone.now() - timedelta(days=1)
                placed = services.place_orders(commands=[make_command()] * 10, now=yesterday)
                self.order_ids += [result.order.order.order_id for result in placed if result.order]
                if self._over.wait(0.02):
                    return
        finally:
            connection.close()


@pytest.fixture(autouse=True)
def _topics(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(relay, "CLAIM_SECONDS", CLAIM_SECONDS)
    register_receivers()
    yield
    unregister_receivers()


def finish() -> None:
    """What a sweep does later on, when the claims of the dead ones have run out."""
    later = timezone.now() + timedelta(seconds=CLAIM_SECONDS + 1)
    while relay.deliver_due(now=later) + services.close_due(now=later):
        pass


def test_sweeps_killed_between_handler_and_mark_repeat_no_effect(
    process_environment: dict[str, str], trials: Trials
) -> None:
    make_goods(1, stock=1_000_000)
    kills = trials.count(sample=1, full=25)
    with Load() as load, Sweeper(process_environment, loops=["call", "close"]):
        for _ in range(kills):
            skip = trials.random.randrange(CLOSING_STATEMENTS)
            for where in (HANDLED, {**CLOSING, "skip": skip}):
                with Sweeper(process_environment, **where) as sweeper:
                    sweeper.await_word("standing")
                    sweeper.kill()
    finish()

    done = effects()
    assert {done[key] for key in load.keys} == {1}
    calls = sum(done[f"call {key}"] for key in load.keys)
    assert calls >= len(load.keys) + kills  # those that were killed have been delivered again
    assert set(Message.objects.values_list("state", flat=True)) == {"done"}
    assert set(Order.objects.values_list("status", "version")) == {(Order.Status.CLOSED, 1)}
    assert wrong_endings(load.order_ids) == {}
    assert counts(1) == (1_000_000, 0, 0)
    assert findings() == []
    trials.tell(
        f"{kills} kills between handler and mark, {kills} in the middle of closing, beside another sweep: "
        f"{len(load.keys)} messages ({calls} calls), {len(load.order_ids)} orders closed, each once"
    )
