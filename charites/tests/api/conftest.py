import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from lab.kit.grpc_server import Callers
from lab.kit.processes.shop import Shop


@pytest.fixture
def fresh_throttle(settings: Settings) -> None:
    """Keys of its own: the Redis may serve tests that run beside this one."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}


@pytest.fixture(params=["grpcio", "pyvoy"])
def shop(tmp_path: Path, process_environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A shop with each of the transports."""
    if request.param == "pyvoy":
        pytest.importorskip("pyvoy", reason="pyvoy is not installed: make test installs it")
    with Shop(tmp_path, {**process_environment, "GRPC_SERVER": request.param}) as shop:
        yield shop


@pytest.fixture
def callers(shop: Shop) -> Iterator[Callers]:
    shop.fix_ports()
    callers = Callers(shop.grpc_address)
    yield callers
    callers.close()
