"""Goods and stock where they are other services: gRPC, with a token of our own and a deadline.

Only the split form comes here. Every call is idempotent, so the client may repeat it on busy.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import grpc
from django.conf import settings

from charites.common.auth import SHOP_NAME, service_header
from charites.common.errors import ServiceError
from charites.common.rpc import Client, read_error, rebuild
from charites.common.rpc.tls import Tls, TlsUnusable, path_of
from charites.common.threads import each_at_once
from goods.models import Goods
from goods.rpc.goods_pb2 import GoodsDetail, GoodsDetailsRequest, RoomsRequest
from goods.rpc.goods_pb2_grpc import GoodsStub
from messaging.errors import DeliveryFailed
from messaging.registry import Question
from orders.errors import GoodsCallFailed
from stock import errors as stock_errors
from stock.rpc.stock_pb2 import AdjustStockRequest, OrderStockRequest, StockChange, StockLine
from stock.rpc.stock_pb2_grpc import StockStub
from stock.services import Adjustment

GOODS_PAGE = 100  # most goods or rooms that one call may name
NOTIFICATION_SECONDS = 5.0  # for what nobody waits for

REFUSALS = {
    error.code: error
    for error in (
        stock_errors.NotEnoughStock,
        stock_errors.StockNotFound,
        stock_errors.StockRolledBack,
        stock_errors.RecordConflict,
        stock_errors.ReservationOfAnother,
        stock_errors.StockBusy,
        stock_errors.StockContended,
        stock_errors.StockLockFailed,
    )
}


class Unanswered(Exception):
    """No word from the service: the call may have had its effect, or have it a moment later."""


@cache
def client(endpoint: str) -> Client:
    """The connection to a service, one per process."""
    token = partial(service_header, SHOP_NAME)  # by this name stock knows whose reservations they are
    tls = read_tls()
    credentials = tls.of_client() if tls else None
    return Client(endpoint, token=token, timeout_seconds=settings.REMOTE_TIMEOUT_SECONDS, credentials=credentials)


def read_tls() -> Tls | None:
    """How the other services are checked; None: not at all. Raises TlsUnusable."""
    if settings.REMOTE_TLS_CERT and not settings.REMOTE_TLS_CA:
        raise TlsUnusable("REMOTE_TLS_CERT needs REMOTE_TLS_CA: without it the calls are clear text.")
    return Tls.read(*map(path_of, (settings.REMOTE_TLS_CA, settings.REMOTE_TLS_CERT, settings.REMOTE_TLS_KEY)))


# A connection does not survive a fork.
os.register_at_fork(after_in_child=client.cache_clear)


def goods_stub() -> Any:
    return client(settings.GOODS_ENDPOINT).stub(GoodsStub)


def stock_stub() -> Any:
    return client(settings.STOCK_ENDPOINT).stub(StockStub)


def list_goods(*, goods_ids: Sequence[int]) -> list[Goods]:
    """Returns those of the goods that exist, as rows that are not stored here. Raises GoodsCallFailed."""
    requests = [GoodsDetailsRequest(goods_ids=page) for page in pages_of(goods_ids)]
    return [as_goods(detail) for reply in ask_each(goods_stub().GetGoodsDetails, requests) for detail in reply.goods]


def list_existing_rooms(*, room_ids: Sequence[int]) -> set[int]:
    """Returns those of the rooms that exist. Raises GoodsCallFailed."""
    requests = [RoomsRequest(room_ids=page) for page in pages_of(room_ids)]
    return {room.room_id for reply in ask_each(goods_stub().GetRooms, requests) for room in reply.rooms}


def pages_of(ids: Sequence[int]) -> list[Sequence[int]]:
    """Ids in portions that one call may name."""
    return [ids[start : start + GOODS_PAGE] for start in range(0, len(ids), GOODS_PAGE)]


def ask_each(method: Any, requests: Sequence[Any]) -> list[Any]:
    """Returns the replies of the goods service. Raises GoodsCallFailed."""
    try:
        return [method(request) for request in requests]
    except grpc.RpcError as error:
        raise GoodsCallFailed from error


def as_goods(detail: GoodsDetail) -> Goods:
    """A product as the order's snapshot needs it."""
    return Goods(
        goods_id=detail.goods_id,
        status=detail.status,
        title=detail.title,
        market_price=int(detail.market_price),
        price=int(detail.price),
        brief=detail.brief,
        head_imgs=list(detail.head_imgs),
        videos=list(detail.videos),
        detail=list(detail.detail),
        limit_per_buyer=detail.limit_per_buyer,
        sale_starts_at=time_of(detail, "sale_starts_at"),
        sale_ends_at=time_of(detail, "sale_ends_at"),
    )


def time_of(detail: GoodsDetail, name: str) -> datetime | None:
    return getattr(detail, name).ToDatetime(UTC) if detail.HasField(name) else None


def reserve_stock(reservations: Mapping[int, Mapping[int, int]]) -> dict[int, Exception | None]:
    """Reserves for each order (order_id -> goods_id -> pieces) all of it or nothing, several orders at once.

    Returns order_id -> None when reserved; a ServiceError when refused, and nothing is or will be taken; or
    Unanswered.
    """
    answers: dict[int, Exception | None] = {}

    def reserve(reservation: tuple[int, Mapping[int, int]]) -> None:
        order_id, quantities = reservation
        items = [StockLine(goods_id=goods_id, num=number) for goods_id, number in quantities.items()]
        try:
            stock_stub().ReserveStock(OrderStockRequest(order_id=order_id, items=items))
        except grpc.RpcError as error:
            answers[order_id] = refusal(error) or Unanswered(words_of(error))
        else:
            answers[order_id] = None

    each_at_once(reserve, list(reservations.items()))
    return answers


def refusal(error: Any) -> ServiceError | None:
    """Returns what the stock service refused a call with; None unless it is certain that nothing was or will be done.

    A refusal after a try without an answer is not: that try may still be on its way.
    """
    found = read_error(error)
    return None if found is None or error.unanswered else STOCK.refusal(found.code, found.details)


def words_of(error: Any) -> str:
    """What came instead of a reply, for those who run the shop."""
    return f"{error.code().name}: {error.details()}"


class StockService:
    """The stock service, which is told what became of an order: by these questions, which it may be asked twice."""

    name, caller = "stock", SHOP_NAME

    def call(self, question: Question) -> None:
        """Makes a call for which nobody waits; the ladder of its message tries again. Raises the stock service's
        error, or DeliveryFailed."""
        method = client(settings.STOCK_ENDPOINT).channel.unary_unary(f"/{question.method.replace('.', '/')}")
        try:
            method(question.request, timeout=NOTIFICATION_SECONDS)
        except grpc.RpcError as error:
            raise refusal(error) or DeliveryFailed(reason=words_of(error)) from error

    def refusal(self, number: int, details: Mapping[str, str]) -> ServiceError | None:
        """An error of the stock service as one of ours; None for a number by which it says nothing of stock."""
        return rebuild(details, REFUSALS[number]) if number in REFUSALS else None


STOCK = StockService()


def adjusting(adjustments: Sequence[Adjustment]) -> Question:
    """Adjusts stock, all or none; again is fine, by the keys."""
    changes = [
        StockChange(goods_id=a.goods_id, delta=a.delta, reason=a.reason, idempotency_key=str(a.idempotency_key))
        for a in adjustments
    ]
    return Question("Stock.AdjustStock", AdjustStockRequest(changes=changes).SerializeToString())


def confirming(*, order_id: int) -> Question:
    """What the order reserved becomes sold; again is fine."""
    return Question("Stock.ConfirmStock", OrderStockRequest(order_id=order_id).SerializeToString())


def rolling_back(*, order_id: int, goods_ids: Collection[int] = ()) -> Question:
    """What the order reserved becomes available; again, or before the reservation if `goods_ids` names its goods, is
    fine."""
    items = [StockLine(goods_id=goods_id) for goods_id in goods_ids]
    return Question("Stock.RollbackStock", OrderStockRequest(order_id=order_id, items=items).SerializeToString())


def roll_back_stock(*, order_id: int, goods_ids: Collection[int] = ()) -> None:
    """Has it rolled back now. Raises the stock service's error, or DeliveryFailed."""
    STOCK.call(rolling_back(order_id=order_id, goods_ids=goods_ids))
