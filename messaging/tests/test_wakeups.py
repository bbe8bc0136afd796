import os
import socket
import threading
import time
import uuid
from datetime import UTC, datetime

import pytest
from celery import current_app
from prometheus_client import REGISTRY

from lab.kit.interleaving import Background
from messaging import wakeups as wakeups_module
from messaging.wakeups import QUEUE_LENGTH, REMEMBERED_SLOTS, SLOT_SECONDS, WakeUps, ping, publish

SECONDS = 60  # a bound for busy machines, no measurement
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SLOT = int(START.timestamp()) // SLOT_SECONDS


@pytest.fixture(autouse=True)
def nobody_counts_beside_us() -> None:
    """What earlier tests asked the process's own wake-ups for is done."""
    wakeups_module._wakeups._queue.join()


@pytest.fixture
def task() -> str:
    """A name of its own."""
    return f"tests.{uuid.uuid4().hex}"


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(START.timestamp() + seconds, tz=UTC)


class Broker:
    """Takes wake-ups; may be broken, or hang until it is released."""

    def __init__(self, *, error: Exception | None = None, hangs: bool = False) -> None:
        self.error, self.taken = error, []
        self.released = threading.Event()
        if not hangs:
            self.released.set()

    def __call__(self, task: str, slot: int) -> None:
        assert self.released.wait(SECONDS)
        self.taken.append((task, slot))
        if self.error:
            raise self.error


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("charites_wakeups_total", {"outcome": outcome}) or 0.0


def await_count(outcome: str, number: float) -> None:
    deadline = time.monotonic() + SECONDS
    while counted(outcome) < number:
        assert time.monotonic() < deadline, f"only {counted(outcome)} wake-ups were {outcome}"
        time.sleep(0.005)


def test_set_many_times_in_one_slot_sets_one_wake_up(task):
    broker, before, left_before = Broker(), counted("set"), counted("left")
    wakeups = WakeUps(broker)

    for seconds in (0, 1, 4.999):
        wakeups.set(task, at(seconds))
    wakeups.set(task, at(5))
    await_count("set", before + 2)

    assert broker.taken == [(task, SLOT), (task, SLOT + 1)]
    assert counted("left") == left_before  # nor was Redis asked again


def test_set_of_one_slot_for_two_tasks_sets_two_wake_ups(task):
    broker, before = Broker(), counted("set")
    wakeups = WakeUps(broker)

    wakeups.set(task, START)
    wakeups.set(f"{task}.other", START)
    await_count("set", before + 2)

    assert broker.taken == [(task, SLOT), (f"{task}.other", SLOT)]


def test_set_in_two_processes_sets_one_wake_up(task):
    first, second = Broker(), Broker()
    set_before, left_before = counted("set"), counted("left")

    WakeUps(first).set(task, START)
    await_count("set", set_before + 1)
    WakeUps(second).set(task, START)
    await_count("left", left_before + 1)

    assert (first.taken, second.taken) == ([(task, SLOT)], [])


def test_set_with_a_hanging_broker_returns_at_once_and_drops_what_does_not_fit(task):
    broker, before = Broker(hangs=True), counted("dropped")
    wakeups = WakeUps(broker)
    wakeups.set(task, START)

    for n in range(1, QUEUE_LENGTH + 50):
        wakeups.set(task, at(n * SLOT_SECONDS))

    assert broker.taken == []  # it hangs until we say so: nobody has waited for it
    # One may be in the thread's hand, or still in the queue.
    assert counted("dropped") - before in (48, 49, 50)
    broker.released.set()


def test_set_with_a_broken_broker_is_counted_and_forgotten(task):
    before = counted("failed")
    wakeups = WakeUps(Broker(error=ConnectionError("no broker")))

    wakeups.set(task, START)
    wakeups.set(task, at(5))
    await_count("failed", before + 2)


def test_set_without_redis_is_left_to_the_sweep(task, settings):
    settings.CACHES = {
        "default": {
            **settings.CACHES["default"],
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    broker, before = Broker(), counted("left")

    WakeUps(broker).set(task, START)
    await_count("left", before + 1)

    assert broker.taken == []


def test_set_when_no_thread_can_be_started_does_not_raise(task, monkeypatch):
    def refuse(self) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = counted("dropped")

    WakeUps(Broker()).set(task, START)

    assert counted("dropped") == before + 1


def test_set_remembers_a_bounded_number_of_slots(task):
    wakeups = WakeUps(Broker())

    for n in range(REMEMBERED_SLOTS + 10):
        wakeups.set(task, at(n * SLOT_SECONDS))

    assert len(wakeups._asked) == REMEMBERED_SLOTS


def test_publish_to_a_broker_that_hangs_gives_up(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("CELERY_BROKER_WRITE_URL", f"redis://127.0.0.1:{mute.getsockname()[1]}/0")

        with Background(lambda: publish("task", SLOT)) as publishing:
            with pytest.raises(Exception, match="(?i)time"):
                publishing.result()


def test_publish_tries_the_next_address_when_the_first_one_does_not_answer(monkeypatch, settings):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        addresses = f"redis://127.0.0.1:{mute.getsockname()[1]}/0;{settings.CELERY_BROKER_URL}"
        monkeypatch.setenv("CELERY_BROKER_WRITE_URL", addresses)

        publish("task", SLOT)
        ping()


def test_publish_carries_the_slot_and_no_ids():
    with current_app.connection_for_write() as connection:
        channel = connection.default_channel
        queue = current_app.conf.task_default_queue
        channel.queue_purge(queue)
        publish("task", SLOT)
        message = connection.SimpleQueue(queue).get(block=True, timeout=SECONDS)
        message.ack()

    _args, kwargs, _ = message.payload
    assert message.headers["task"] == "task"
    assert kwargs == {"slot": SLOT}
    # Right after the slot's end, never before.
    assert datetime.fromisoformat(message.headers["eta"]) == at(SLOT_SECONDS)


def test_wake_up_of_a_forked_child_works_although_a_thread_held_the_lock():
    mutex = wakeups_module._wakeups._mutex
    with mutex:
        child = os.fork()
        if child == 0:
            is_free = wakeups_module._wakeups._mutex.acquire(timeout=SECONDS)
            os._exit(0 if is_free else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
