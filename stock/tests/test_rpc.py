"""The gRPC service `Stock`, over a real connection."""

from collections.abc import Iterator

import pytest

from charites.common.models import MAX_INT64
from lab.kit.factories import STAFF_ID, counts, make_stock
from lab.kit.grpc_server import Callers, grpc_callers, refusal
from lab.kit.stock_steps import reserve_stock
from stock.models import Stock, StockAdjustment, StockRecord
from stock.rpc.stock_pb2 import OrderStockReply, OrderStockRequest, StockLevel, StockLine

INVALID = ("INVALID_ARGUMENT", 10000001)
FORBIDDEN = ("PERMISSION_DENIED", 10000006)
METHODS = ["SetStock", "GetStock", "ReduceStock", "ReserveStock", "ConfirmStock", "RollbackStock"]


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    with grpc_callers() as callers:
        yield callers


def of_order(order_id: int, *lines: tuple[int, int]) -> OrderStockRequest:
    """A request about an order's (goods_id, pieces)."""
    return OrderStockRequest(
        order_id=order_id, items=[StockLine(goods_id=goods_id, num=number) for goods_id, number in lines]
    )


def records() -> list[tuple[int, int, int, int]]:
    """Returns (order_id, goods_id, num, status) of all records."""
    rows = StockRecord.objects.order_by("order_id", "goods_id")
    return list(rows.values_list("order_id", "goods_id", "num", "status"))


# SetStock, GetStock


def test_set_stock_makes_a_row_and_writes_the_difference(callers: Callers) -> None:
    first = callers.staff().stock.SetStock(StockLevel(goods_id=1, num=50, order_id=99))
    second = callers.service().stock.SetStock(StockLevel(goods_id=1, num=20))

    assert first == StockLevel(goods_id=1, num=50)
    assert second == StockLevel(goods_id=1, num=20)
    adjustments = StockAdjustment.objects.order_by("id").values_list("goods_id", "delta", "reason", "actor")
    assert list(adjustments) == [(1, 50, "set", f"staff:{STAFF_ID}"), (1, -30, "set", "service:0")]


def test_set_stock_by_a_buyer_is_forbidden_and_writes_nothing(callers: Callers) -> None:
    assert refusal(callers.buyer().stock.SetStock, StockLevel(goods_id=1, num=50)) == FORBIDDEN
    assert not Stock.objects.exists()
    assert not StockAdjustment.objects.exists()


@pytest.mark.parametrize(
    "request_", [StockLevel(num=5), StockLevel(goods_id=-1, num=5), StockLevel(goods_id=1, num=-1)]
)
def test_set_stock_with_bad_numbers_is_invalid(callers: Callers, request_: StockLevel) -> None:
    make_stock(1, 10)

    assert refusal(callers.staff().stock.SetStock, request_) == INVALID
    assert counts(1) == (10, 0, 0)


def test_get_stock_says_what_is_available(callers: Callers) -> None:
    make_stock(1, 10)

    assert callers.buyer().stock.GetStock(StockLevel(goods_id=1)) == StockLevel(goods_id=1, num=10)


def test_get_stock_of_unknown_goods_is_not_found(callers: Callers) -> None:
    assert refusal(callers.buyer().stock.GetStock, StockLevel(goods_id=1)) == ("NOT_FOUND", 40010002)


def test_get_stock_without_an_id_is_invalid(callers: Callers) -> None:
    assert refusal(callers.buyer().stock.GetStock, StockLevel()) == INVALID


# ReduceStock


def test_reduce_stock_without_an_order_sells_what_was_asked_for_under_fresh_receipts(callers: Callers) -> None:
    make_stock(1, 10)

    first = callers.staff().stock.ReduceStock(StockLevel(goods_id=1, num=3))
    second = callers.service().stock.ReduceStock(StockLevel(goods_id=1, num=3))

    assert (first.goods_id, first.num) == (1, 7)
    assert (second.goods_id, second.num) == (1, 4)
    assert 0 < first.order_id < second.order_id
    assert counts(1) == (4, 0, 6)
    assert list(StockRecord.objects.values_list("kind", flat=True)) == ["receipt", "receipt"]


def test_set_stock_with_a_key_is_carried_out_once_whatever_was_sold_since(callers: Callers) -> None:
    make_stock(1, 10)
    set_stock, key = callers.staff().stock.SetStock, [("idempotency-key", "count-7")]

    set_stock(StockLevel(goods_id=1, num=50), metadata=key)
    reserve_stock(order_id=10, quantities={1: 3})
    again = set_stock(StockLevel(goods_id=1, num=50), metadata=key)

    assert again.num == 47
    assert refusal(set_stock, StockLevel(goods_id=1, num=60), metadata=key) == ("INVALID_ARGUMENT", 10000009)
    assert counts(1) == (47, 3, 0)


def test_reduce_stock_with_a_key_is_refused_where_every_call_sells(callers: Callers) -> None:
    make_stock(1, 10)
    reduce = callers.service().stock.ReduceStock

    assert refusal(reduce, StockLevel(goods_id=1, num=3), metadata=[("idempotency-key", "k")]) == INVALID

    assert counts(1) == (10, 0, 0)


def test_reduce_stock_with_an_order_reserves_once(callers: Callers) -> None:
    make_stock(1, 10)
    method = callers.service().stock.ReduceStock

    replies = [method(StockLevel(goods_id=1, num=3, order_id=77)) for _ in range(2)]

    assert replies == [StockLevel(goods_id=1, num=7, order_id=77)] * 2
    assert counts(1) == (7, 3, 0)
    assert records() == [(77, 1, 3, StockRecord.Status.RESERVED)]


def test_reduce_stock_with_an_order_is_for_services(callers: Callers) -> None:
    make_stock(1, 10)

    assert refusal(callers.staff().stock.ReduceStock, StockLevel(goods_id=1, num=3, order_id=77)) == FORBIDDEN
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize(
    "request_",
    [
        StockLevel(num=1),
        StockLevel(goods_id=1),
        StockLevel(goods_id=1, num=-1),
        StockLevel(goods_id=-1, num=1),
        StockLevel(goods_id=1, num=1, order_id=-1),
    ],
)
def test_reduce_stock_with_bad_numbers_is_invalid(callers: Callers, request_: StockLevel) -> None:
    make_stock(1, 10)

    assert refusal(callers.service().stock.ReduceStock, request_) == INVALID
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize("number", [11, MAX_INT64])
@pytest.mark.parametrize("order_id", [0, 77])
def test_reduce_stock_beyond_what_is_there_takes_nothing(callers: Callers, number: int, order_id: int) -> None:
    make_stock(1, 10)
    request = StockLevel(goods_id=1, num=number, order_id=order_id)

    assert refusal(callers.service().stock.ReduceStock, request) == ("FAILED_PRECONDITION", 40010003)
    assert counts(1) == (10, 0, 0)
    assert records() == []


def test_reduce_stock_of_unknown_goods_is_not_found(callers: Callers) -> None:
    assert refusal(callers.service().stock.ReduceStock, StockLevel(goods_id=1, num=1)) == ("NOT_FOUND", 40010002)


# ReserveStock, ConfirmStock, RollbackStock


def test_reserve_stock_merges_lines_and_repeats_without_effect(callers: Callers) -> None:
    make_stock(1, 10)
    make_stock(2, 10)
    method = callers.service().stock.ReserveStock

    replies = [method(of_order(77, (1, 2), (2, 1), (1, 1))) for _ in range(2)]

    assert replies == [OrderStockReply(order_id=77)] * 2
    assert (counts(1), counts(2)) == ((7, 3, 0), (9, 1, 0))


def test_reserve_stock_is_all_or_nothing(callers: Callers) -> None:
    make_stock(1, 10)
    make_stock(2, 1)
    method = callers.service().stock.ReserveStock

    assert refusal(method, of_order(77, (1, 2), (2, 2))) == ("FAILED_PRECONDITION", 40010003)
    assert (counts(1), counts(2)) == ((10, 0, 0), (1, 0, 0))
    assert records() == []


@pytest.mark.parametrize(
    "request_",
    [
        of_order(0, (1, 1)),
        of_order(77),
        of_order(77, (0, 1)),
        of_order(77, (1, 0)),
        of_order(77, (1, 6), (1, -5)),
        of_order(77, (1, MAX_INT64), (1, 1)),
        of_order(77, *[(1, 1)] * 101),
    ],
    ids=["order", "empty", "goods", "zero", "negative", "overflow", "101"],
)
def test_reserve_stock_with_bad_numbers_is_invalid(callers: Callers, request_: OrderStockRequest) -> None:
    make_stock(1, 10)

    assert refusal(callers.service().stock.ReserveStock, request_) == INVALID
    assert counts(1) == (10, 0, 0)


def test_confirm_stock_sells_what_was_reserved_and_repeats_without_effect(callers: Callers) -> None:
    make_stock(1, 10)
    stock = callers.service().stock
    stock.ReserveStock(of_order(77, (1, 3)))

    replies = [stock.ConfirmStock(of_order(77)) for _ in range(2)]

    assert replies == [OrderStockReply(order_id=77)] * 2
    assert counts(1) == (7, 0, 3)


def test_confirm_stock_without_a_reservation_is_refused(callers: Callers) -> None:
    assert refusal(callers.service().stock.ConfirmStock, of_order(77)) == ("FAILED_PRECONDITION", 40010010)


def test_rollback_stock_gives_back_what_the_record_holds(callers: Callers) -> None:
    make_stock(1, 10)
    stock = callers.service().stock
    stock.ReserveStock(of_order(77, (1, 3)))

    replies = [stock.RollbackStock(of_order(77, (1, 9))) for _ in range(2)]

    assert replies == [OrderStockReply(order_id=77)] * 2
    assert counts(1) == (10, 0, 0)


def test_rollback_stock_before_the_reservation_leaves_a_tombstone(callers: Callers) -> None:
    make_stock(1, 10)
    stock = callers.service().stock

    stock.RollbackStock(of_order(77, (1, 3)))

    assert records() == [(77, 1, 0, StockRecord.Status.ROLLED_BACK)]
    assert refusal(stock.ReserveStock, of_order(77, (1, 3))) == ("FAILED_PRECONDITION", 40010007)
    assert counts(1) == (10, 0, 0)


def test_rollback_stock_of_sold_stock_is_refused(callers: Callers) -> None:
    make_stock(1, 10)
    stock = callers.service().stock
    stock.ReserveStock(of_order(77, (1, 3)))
    stock.ConfirmStock(of_order(77))

    assert refusal(stock.RollbackStock, of_order(77, (1, 3))) == ("FAILED_PRECONDITION", 40010010)
    assert counts(1) == (7, 0, 3)


@pytest.mark.parametrize("request_", [of_order(0), of_order(-1), of_order(77, (0, 1)), of_order(77, (-1, 1))])
def test_rollback_stock_with_bad_numbers_is_invalid(callers: Callers, request_: OrderStockRequest) -> None:
    assert refusal(callers.service().stock.RollbackStock, request_) == INVALID
    assert records() == []


# Who may


def smallest_request(name: str) -> StockLevel | OrderStockRequest:
    """A request that would be carried out if the caller were allowed to."""
    return StockLevel(goods_id=1, num=1) if name in METHODS[:3] else of_order(77, (1, 1))


@pytest.mark.parametrize("name", METHODS)
def test_stock_without_a_token_is_unauthenticated(callers: Callers, name: str) -> None:
    make_stock(1, 10)

    assert refusal(getattr(callers.anybody().stock, name), smallest_request(name)) == ("UNAUTHENTICATED", 10000002)
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "GetStock"])
def test_stock_is_not_changed_by_buyers(callers: Callers, name: str) -> None:
    make_stock(1, 10)

    assert refusal(getattr(callers.buyer().stock, name), smallest_request(name)) == FORBIDDEN
    assert counts(1) == (10, 0, 0)
    assert records() == []
