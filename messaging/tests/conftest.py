import pytest

from messaging.registry import register, unregister


@pytest.fixture
def receive():
    """Registers receivers of the topic "topic" and forgets them after the test."""

    def registered(receiver, **options):
        register("topic", receiver, **options)
        return receiver

    yield registered
    unregister("topic")
