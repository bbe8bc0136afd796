import uuid

import pytest
from pytest_django.fixtures import Settings


@pytest.fixture
def fresh_throttle(settings: Settings) -> None:
    """Keys of its own: the Redis may serve tests that run beside this one."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}
