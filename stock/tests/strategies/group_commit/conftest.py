from collections.abc import Iterator

import pytest

from charites.common import batches
from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.processes.shop import wait_until
from stock.strategies.group_commit import GroupCommit


@pytest.fixture
def group() -> Iterator[GroupCommit]:
    made = GroupCommit()
    yield made
    wait_until(lambda: made.batches._committer is None, seconds=TIMEOUT_SECONDS, what="the committer ends")


@pytest.fixture(autouse=True)
def _short_idleness(monkeypatch) -> None:
    monkeypatch.setattr(batches, "IDLE_SECONDS", 0.05)
