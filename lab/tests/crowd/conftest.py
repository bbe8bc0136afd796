from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kit.demo_addresses import demo_addresses
from lab.kit.factories import SANDBOX


@pytest.fixture(autouse=True)
def demo(settings, tmp_path: Path) -> Iterator[None]:
    """A demo whose runs are nobody else's."""
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.METRICS_DIR = str(tmp_path)
    with demo_addresses():
        yield
