from types import SimpleNamespace

import pytest

from charites.common import transactions
from charites.tests.common.transactions.names import Time


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(transactions, "time", SimpleNamespace(monotonic=time.monotonic, sleep=time.sleep))
    return time
