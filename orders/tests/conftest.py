from collections.abc import Iterator

import pytest

from lab.kit.factories import SANDBOX
from lab.kit.providers import SCRIPTED, Scripted

TIMEOUT = 1800


@pytest.fixture
def provider(settings) -> Iterator[type[Scripted]]:
    """The provider in charge answers what the test lays down."""
    Scripted.reset()
    settings.PAYMENT_PROVIDER = SCRIPTED
    yield Scripted
    Scripted.reset()


@pytest.fixture
def pay_timeout(settings) -> None:
    settings.ORDER_PAY_TIMEOUT_SECONDS = TIMEOUT


@pytest.fixture
def sandbox(settings, pay_timeout: None) -> None:
    settings.PAYMENT_PROVIDER = SANDBOX
