"""AdjustStock over a real connection."""

from collections.abc import Iterator

import pytest

from lab.kit.factories import counts, make_stock
from lab.kit.grpc_server import Callers, grpc_callers, refusal
from stock.models import StockAdjustment
from stock.rpc.stock_pb2 import AdjustStockRequest, StockChange

pytestmark = pytest.mark.django_db(transaction=True)
INVALID = ("INVALID_ARGUMENT", 10000001)


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    with grpc_callers() as callers:
        yield callers


def change(goods_id: int = 1, delta: int = 5, key: str = "k1", reason: str = "delivery") -> StockChange:
    return StockChange(goods_id=goods_id, delta=delta, reason=reason, idempotency_key=key)


def test_changes_are_carried_out_once(callers: Callers) -> None:
    make_stock(1, 10)
    make_stock(2, 10)
    request = AdjustStockRequest(changes=[change(), change(2, -3, "k2")])

    replies = [callers.service("orders").stock.AdjustStock(request) for _ in range(2)]

    assert [[(level.goods_id, level.num) for level in reply.levels] for reply in replies] == [[(1, 15), (2, 7)]] * 2
    assert (counts(1), counts(2)) == ((15, 0, 0), (7, 0, 0))


def test_all_of_the_changes_are_carried_out_or_none(callers: Callers) -> None:
    make_stock(1, 10)
    make_stock(2, 2)
    request = AdjustStockRequest(changes=[change(), change(2, -3, "k2")])

    refused = refusal(callers.staff().stock.AdjustStock, request)

    assert refused == ("FAILED_PRECONDITION", 40010003)
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize(
    "changes", [[], [change()] * 101, [change(key="")], [change(reason="")], [change(0)], [change(key="a\tkey")]]
)
def test_senseless_changes_are_invalid(callers: Callers, changes: list[StockChange]) -> None:
    make_stock(1, 10)
    before = StockAdjustment.objects.count()

    assert refusal(callers.staff().stock.AdjustStock, AdjustStockRequest(changes=changes)) == INVALID
    assert StockAdjustment.objects.count() == before


def test_changes_are_for_services_and_for_staff_who_may_change_stock(callers: Callers) -> None:
    make_stock(1, 10)

    refused = refusal(callers.buyer().stock.AdjustStock, AdjustStockRequest(changes=[change()]))

    assert refused == ("PERMISSION_DENIED", 10000006)
