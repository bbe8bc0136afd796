from collections.abc import Iterator

import pytest

from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.processes.shop import wait_until
from stock.strategies.group_commit import GroupCommit


@pytest.fixture
def group() -> Iterator[GroupCommit]:
    made = GroupCommit()
    yield made
    wait_until(lambda: made.batches._committer is None, seconds=TIMEOUT_SECONDS, what="the committer ends")
