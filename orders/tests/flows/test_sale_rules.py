"""The rules of a sale where stock is another process: they hold, and what a refused order had reserved comes back."""

from datetime import timedelta
from typing import Any

import pytest

from charites.audit import run_audit
from charites.common.errors import Limited, ServiceError
from goods.errors import SaleNotStarted, SaleOver
from goods.models import Goods
from lab.kit.factories import BUYER_ID, NOW, later, make_command, make_order
from lab.kit.processes.stock_service import StockService
from messaging.models import Message
from orders import services
from orders.errors import OverBuyersLimit, TooManyUnpaid
from orders.models import Allowance, Order
from orders.tests.flows.half_messages import available, deliver, make_order_leave, states

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("split")]


@pytest.fixture(autouse=True, params=["half_message", "direct"])
def flow(request: pytest.FixtureRequest, split: None, settings: Any) -> str:
    settings.ORDER_FLOW = request.param
    return str(request.param)


def place_all(*quantities: int) -> list[type[Exception] | None]:
    """One batch of orders of one buyer; what each was refused with."""
    commands = [make_command({1: number}) for number in quantities]
    return [
        type(placed.error) if placed.error else None for placed in services.place_orders(commands=commands, now=NOW)
    ]


def refuse(error: type[ServiceError], goods_id: int = 1) -> None:
    with pytest.raises(error):
        services.place_order(command=make_command({goods_id: 1}), now=NOW)


def broken_rules() -> list[str]:
    return [result.check.id for result in run_audit(now=NOW) if result.total]


def let_all_leave() -> None:
    for order in Order.objects.filter(status=Order.Status.UNPAID):
        make_order_leave(order)


@pytest.mark.long
def test_a_limit_a_buyer_holds_and_what_was_reserved_in_vain_comes_back(stock: StockService, flow: str) -> None:
    Goods.objects.filter(goods_id=1).update(limit_per_buyer=2)

    assert place_all(1, 2, 1, 1) == [None, OverBuyersLimit, None, OverBuyersLimit]

    if flow == "half_message":
        assert states() == ["aborted", "ready", "aborted", "ready"]  # the refused ones are due at once
        assert deliver() == 2
    assert available(stock) == 3
    assert Allowance.objects.get().pieces == 2
    assert broken_rules() == []
    let_all_leave()
    assert place_all(2) == [None]
    let_all_leave()
    assert available(stock) == 5


@pytest.mark.parametrize(
    ("rule", "value", "error"), [("MAX_UNPAID_ORDERS", 1, TooManyUnpaid), ("PLACE_RATE", "1/min", Limited)]
)
def test_a_buyer_with_too_many_orders_is_refused_and_takes_nothing(
    stock: StockService, settings: Any, rule: str, value: object, error: type[ServiceError]
) -> None:
    setattr(settings, rule, value)
    make_order({1: 1})

    refuse(error)
    deliver()

    assert available(stock) == 4
    assert Order.objects.filter(user_id=BUYER_ID).count() == 1
    assert broken_rules() == []
    let_all_leave()


def test_a_sale_that_is_not_open_asks_stock_for_nothing(stock: StockService) -> None:
    Goods.objects.filter(goods_id=1).update(sale_starts_at=later(1))
    Goods.objects.filter(goods_id=2).update(sale_ends_at=NOW)

    refuse(SaleNotStarted)
    refuse(SaleOver, 2)

    assert not Message.objects.exists()
    assert (available(stock, 1), available(stock, 2)) == (5, 10)
    Goods.objects.filter(goods_id=1).update(sale_starts_at=NOW - timedelta(seconds=1))
    make_order_leave(make_order({1: 1}))
