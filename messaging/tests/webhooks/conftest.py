from collections.abc import Iterator

import pytest

from lab.kit.receiver import Receiver


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    """Another system, on this machine, where the setting lets it be."""
    settings.WEBHOOK_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    with Receiver() as receiver:
        yield receiver
