from collections.abc import Iterator

import pytest
from django.test import override_settings

from lab.kit.factories import SANDBOX
from lab.kit.grpc_server import Callers, grpc_callers


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    with override_settings(PAYMENT_PROVIDER=SANDBOX), grpc_callers() as callers:
        yield callers
