import pytest

from lab.kit.message_rows import Receiver
from messaging.registry import register, unregister
from messaging.tests.judged import Judge


@pytest.fixture
def receive():
    """Registers receivers of the topic "topic" and forgets them after the test."""

    def registered(receiver, **options):
        register("topic", receiver, **options)
        return receiver

    yield registered
    unregister("topic")


@pytest.fixture
def topic():
    """Registers receiver and judge of the topic "topic" and forgets them after the test."""

    def registered(judge: Judge, receiver: Receiver | None = None) -> Judge:
        register("topic", receiver or Receiver(), check=judge)
        return judge

    yield registered
    unregister("topic")
