"""Every scenario over every protocol: the right refusal, words for people, no internals, and nothing written."""

import logging
import re

import pytest
from django.test import override_settings

from charites.common.errors import ServiceError
from charites.tests.bad_input.protocols import REQUEST_ID, Gateway, Grpc, Protocol_, Rest
from charites.tests.bad_input.scenarios import SCENARIOS, Scenario
from charites.tests.bad_input.world import build, picture
from lab.kit.factories import SANDBOX
from orders.models import Order

PROTOCOLS: list[Protocol_] = [Rest(), Grpc(), Gateway()]


def scenarios_of(protocol: Protocol_) -> list[Scenario]:
    return [
        scenario for scenario in SCENARIOS if scenario.operation in protocol.operations and protocol.name in scenario.on
    ]


def names_of_errors(error: type[Exception]) -> set[str]:
    return {error.__name__}.union(*map(names_of_errors, error.__subclasses__()))


CLASS_NAMES = names_of_errors(ServiceError) | {"OperationalError", "IntegrityError", "ErrorDetail", "RpcError"}
INTERNALS = re.compile(
    r"Traceback|\.py\b|SELECT |INSERT |UPDATE |shopping_|django|sqlite|mysql|google\.protobuf|object at 0x|"
    rf"\b(?:{'|'.join(sorted(CLASS_NAMES - {'Invalid', 'Busy', 'Limited', 'Forbidden', 'NotFound'}))})\b"
)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_table_reaches_every_operation_of_a_protocol(protocol: Protocol_) -> None:
    reached = {scenario.operation for scenario in scenarios_of(protocol)}

    assert reached == {*protocol.operations} - {"notify"}  # which is signed instead, see test_notices.py


@pytest.mark.django_db(transaction=True)
@override_settings(PAYMENT_PROVIDER=SANDBOX)
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_bad_input_is_refused_and_changes_nothing(
    protocol: Protocol_, subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture
) -> None:
    """One world for the whole table: no scenario changes a row, so each leaves it to the next as it was."""
    orders = build()
    before = picture()
    with protocol.connected():
        for scenario in scenarios_of(protocol):
            with subtests.test(f"{scenario.operation}: {scenario.name}"):
                caplog.clear()
                check(scenario, protocol, orders)
                assert picture() == before
                assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def check(scenario: Scenario, protocol: Protocol_, orders: dict[str, Order]) -> None:
    order = {"order_id": orders[scenario.order].order_id} if scenario.order else {}
    given = scenario.given if isinstance(scenario.given, bytes) else {**scenario.given, **order}

    refusal = protocol.refuse(scenario.operation, given, scenario.header, scenario.headers)

    assert refusal, "was not refused"
    assert (refusal.status, refusal.code) == scenario.expect(protocol.name), refusal.message
    assert re.search(r"\w \w", refusal.message), "words for people"
    assert refusal.request_id == REQUEST_ID
    assert not INTERNALS.search(refusal.everything)
