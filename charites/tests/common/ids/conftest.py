import pytest

from charites.tests.common.ids.set_clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
