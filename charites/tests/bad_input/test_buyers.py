"""Buyers with too many orders, or who are too fast, over every protocol: the same numbers, and nothing written."""

from typing import Any

import pytest

from charites.tests.bad_input.protocols import Protocol_
from charites.tests.bad_input.scenario import OVER_LIMIT, TOO_MANY_ORDERS, TOO_MANY_UNPAID, Scenario
from charites.tests.bad_input.scenarios import items
from charites.tests.bad_input.test_matrix import PROTOCOLS, check
from charites.tests.bad_input.world import build, picture
from lab.kit.factories import SANDBOX

pytestmark = pytest.mark.django_db(transaction=True)

# Before it, the buyer has placed several orders that are unpaid, and has cancelled one.
RULES = {
    "unpaid orders": ({"MAX_UNPAID_ORDERS": 2}, Scenario("one", "place", items((5, 1)), TOO_MANY_UNPAID)),
    "orders in a while": ({"PLACE_RATE": "2/min"}, Scenario("one", "place", items((5, 1)), TOO_MANY_ORDERS)),
    "pieces of a product": ({}, Scenario("one", "place", items((903, 2)), OVER_LIMIT)),
    "cancellations": ({"CANCEL_RATE": "1/min"}, Scenario("one", "cancel", {}, TOO_MANY_ORDERS, order="unpaid")),
}


CASES = [  # the old clients' gateway cancels nothing
    pytest.param(protocol, rule, id=f"{protocol.name}-{rule}")
    for protocol in PROTOCOLS
    for rule, (_limits, scenario) in RULES.items()
    if scenario.operation in protocol.operations
]


@pytest.mark.parametrize(("protocol", "rule"), CASES)
def test_buyer_with_too_many_is_refused_and_nothing_changes(protocol: Protocol_, rule: str, settings: Any) -> None:
    settings.PAYMENT_PROVIDER = SANDBOX
    orders = build()
    limits, scenario = RULES[rule]
    for name, value in limits.items():
        setattr(settings, name, value)
    before = picture()

    with protocol.connected():
        check(scenario, protocol, orders)

    assert picture() == before
