from collections.abc import Iterator

import pytest

from lab.kit.providers import SCRIPTED, Scripted


@pytest.fixture
def provider(settings) -> Iterator[type[Scripted]]:
    """The provider in charge answers what the test lays down."""
    Scripted.reset()
    settings.PAYMENT_PROVIDER = SCRIPTED
    yield Scripted
    Scripted.reset()
