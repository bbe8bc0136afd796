"""The gRPC service `Stock`."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from charites.common.auth import Permission, Role
from charites.common.errors import Invalid
from charites.common.models import MAX_LINES
from charites.common.rpc import Call, Job, Servicer, allow, in_loop, merged, required_id
from charites.common.text import tidy
from stock import selectors, services
from stock.queue import MOVING, Queued, in_queue
from stock.rpc import stock_pb2
from stock.rpc.stock_pb2 import (
    AdjustStockReply,
    AdjustStockRequest,
    OrderStockReply,
    OrderStockRequest,
    StockChange,
    StockLevel,
)
from stock.services import Adjustment, Moved


class StockServicer(Servicer):
    descriptor = stock_pb2.DESCRIPTOR.services_by_name["Stock"]

    @allow(Role.SERVICE, Permission.CHANGE_STOCK)
    def SetStock(self, request: StockLevel, call: Call) -> StockLevel:
        adjustment = Adjustment(
            goods_id=request.goods_id,
            target=request.num,
            reason="set",
            actor=call.identity.actor,
            may_add=call.identity.may(Role.SERVICE, Permission.ADD_STOCK),
            idempotency_key=call.idempotency_key(),
        )
        stock = services.adjust_stock(adjustments=[adjustment]).rows[0]
        return StockLevel(goods_id=stock.goods_id, num=stock.available)

    def GetStock(self, request: StockLevel, call: Call) -> StockLevel:
        stock = selectors.get_stock(goods_id=required_id("goods_id", request.goods_id))
        return StockLevel(goods_id=stock.goods_id, num=stock.available)

    @allow(Role.SERVICE, Permission.CHANGE_STOCK)
    @in_loop
    def ReduceStock(self, request: StockLevel, call: Call) -> Job[Queued, Moved]:
        goods_id = request.goods_id
        if request.order_id:  # a reservation, and for services only
            call.identity.require(Role.SERVICE)
            what = services.reserving(
                order_id=request.order_id, quantities={goods_id: request.num}, owner=call.identity.actor
            )
            return Job(MOVING, in_queue(what, shows=goods_id), partial(as_level, goods_id))
        if call.idempotency_key():
            raise Invalid("idempotency_key", _("is not taken here, where every call sells; reserve under an OrderId"))
        sale = services.selling(goods_id=goods_id, quantity=request.num, owner=call.identity.actor)
        return Job(MOVING, in_queue(sale, shows=goods_id), partial(as_level, goods_id))

    @allow(Role.SERVICE, Permission.CHANGE_STOCK)
    @in_loop
    def ReserveStock(self, request: OrderStockRequest, call: Call) -> Job[Queued, Moved]:
        owner, quantities = call.identity.actor, merged(request.items)
        what = services.reserving(order_id=request.order_id, quantities=quantities, owner=owner)
        return Job(MOVING, in_queue(what), as_reply)

    @allow(Role.SERVICE, Permission.CHANGE_STOCK)
    @in_loop
    def ConfirmStock(self, request: OrderStockRequest, call: Call) -> Job[Queued, Moved]:
        what = services.confirming(order_id=request.order_id, owner=call.identity.actor)
        return Job(MOVING, in_queue(what), as_reply)

    @allow(Role.SERVICE, Permission.CHANGE_STOCK)
    @in_loop
    def RollbackStock(self, request: OrderStockRequest, call: Call) -> Job[Queued, Moved]:
        goods_ids = [required_id("goods_id", line.goods_id) for line in request.items]
        what = services.rolling_back(order_id=request.order_id, goods_ids=goods_ids, owner=call.identity.actor)
        return Job(MOVING, in_queue(what), as_reply)

    @allow(Role.SERVICE, Permission.CHANGE_STOCK)
    def AdjustStock(self, request: AdjustStockRequest, call: Call) -> AdjustStockReply:
        if not 0 < len(request.changes) <= MAX_LINES:
            raise Invalid("changes", _("must be 1 to %(limit)s lines"), limit=MAX_LINES)
        may_add = call.identity.may(Role.SERVICE, Permission.ADD_STOCK)
        adjustments = [as_adjustment(change, call.identity.actor, may_add=may_add) for change in request.changes]
        stock = services.adjust_stock(adjustments=adjustments).rows
        return AdjustStockReply(levels=[StockLevel(goods_id=row.goods_id, num=row.available) for row in stock])


def as_adjustment(change: StockChange, actor: str, *, may_add: bool) -> Adjustment:
    """What is asked for. Raises Invalid without a key: again, nobody would know whether it was done."""
    if not change.idempotency_key:
        raise Invalid("idempotency_key", _("is missing"))
    return Adjustment(
        goods_id=change.goods_id,
        delta=change.delta,
        reason=tidy(change.reason),
        actor=actor,
        may_add=may_add,
        idempotency_key=change.idempotency_key,
    )


def as_level(goods_id: int, moved: Moved) -> StockLevel:
    """What is left of the product. Raises the error where nothing was taken."""
    done = moved.done()
    return StockLevel(goods_id=goods_id, num=done.available, order_id=done.number)


def as_reply(moved: Moved) -> OrderStockReply:
    """The order's number. Raises the error where nothing was done."""
    return OrderStockReply(order_id=moved.done().number)


SERVICER = StockServicer
