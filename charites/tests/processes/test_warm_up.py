"""What servers do before their first caller comes."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from charites.common import clock, ids
from charites.warm_up import warm_up

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process is when it starts."""
    ids._snowflake.forget()
    monkeypatch.setattr(clock, "_clock", clock.unread())


def test_first_order_finds_time_and_numbers_at_hand() -> None:
    warm_up()
    assert clock.carried() is not None

    with CaptureQueriesContext(connection) as captured:
        ids.next_ids(5)
        clock.now()

    assert len(captured) == 0


def test_server_starts_without_its_database() -> None:
    def away(*_: Any) -> None:
        raise OperationalError(2002, "Can't connect")

    with connection.execute_wrapper(away):
        warm_up()

    assert ids.next_ids(1)
