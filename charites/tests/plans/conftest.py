from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from charites.tests.plans.shop import FILLED, SHOP, WAITING, faults_of
from lab.kit import factories
from lab.kit.large_shop import fill
from lab.kit.plans import Sent, all_statements


@pytest.fixture(autouse=True)
def sent(transactional_db: None, settings: Any) -> Iterator[list[Sent]]:
    """What a test sends in a large shop; at its end, none of it has read many rows."""
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    with connection.cursor() as cursor:
        fill(cursor, SHOP)
        for statement in WAITING:
            cursor.execute(statement)
        cursor.execute(f"ANALYZE TABLE {', '.join(FILLED)}")
        cursor.fetchall()
    with all_statements() as sent:
        yield sent
    with connection.cursor() as cursor:
        for table in FILLED:
            cursor.execute(f"TRUNCATE {table}")  # quicker than the tests' own clean-up
    assert not (found := faults_of(sent)), "\n".join(found)
