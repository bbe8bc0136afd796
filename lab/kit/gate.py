"""A gate in front of a queue's batches: tests decide when a batch is carried out, and see who is in it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from charites.common.batches import Batches
from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.processes.shop import wait_until


class Gate:
    """Stands in front of every batch, and notes who is in it: `name` of each item."""

    def __init__(
        self, queue: Batches[Any, Any], carry_out: Callable[[Sequence[Any]], Sequence[Any]], name: Callable[[Any], Any]
    ) -> None:
        self.batches: list[list[Any]] = []
        self._queue, self._carry_out, self._name = queue, carry_out, name
        self._arrived, self._open = threading.Semaphore(0), threading.Semaphore(0)
        self._is_wide = False

    def __call__(self, batch: Sequence[Any]) -> Sequence[Any]:
        self.batches.append([self._name(item) for item in batch])
        self._arrived.release()
        if not self._is_wide:
            assert self._open.acquire(timeout=TIMEOUT_SECONDS)
        return self._carry_out(batch)

    def await_batch(self) -> None:
        assert self._arrived.acquire(timeout=TIMEOUT_SECONDS), "no batch came"

    def await_queued(self, number: int) -> None:
        wait_until(lambda: len(self._queue._queue) >= number, seconds=TIMEOUT_SECONDS, what=f"{number} are queued")

    def await_given_up(self) -> None:
        """Waits until the first in the queue has gone."""
        wait_until(lambda: not self._queue._queue[0].is_open, seconds=TIMEOUT_SECONDS, what="it is given up")

    def open(self, *, wide: bool = True) -> None:
        """Lets one batch through; `wide`: and all that come after it."""
        self._is_wide = wide
        self._open.release()


@contextmanager
def gate_before(
    queue: Batches[Any, Any],
    carry_out: Callable[[Sequence[Any]], Sequence[Any]],
    name: Callable[[Any], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Gate]:
    """A gate in front of a queue; at the end it is open, and nobody works any more."""
    gate = Gate(queue, carry_out, name)
    monkeypatch.setattr(queue, "_carry_out", gate)
    yield gate
    gate.open()
    wait_until(lambda: queue._committer is None, seconds=TIMEOUT_SECONDS, what="the committer ends")


def status_of(call: grpc.Future) -> str:
    """How a call ended: ok, cancelled, or the name of its status."""
    try:
        call.result(TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        return str(error.code().name)
    except grpc.FutureCancelledError:
        return "cancelled"
    return "ok"
