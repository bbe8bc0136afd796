"""The gRPC service `Stock`."""

from django.utils.translation import gettext_lazy as _

from charites.common.auth import Role
from charites.common.errors import Invalid
from charites.common.rpc import Call, Servicer, allow, merged, required_id
from stock import selectors, services
from stock.rpc import stock_pb2
from stock.rpc.stock_pb2 import OrderStockReply, OrderStockRequest, StockLevel
from stock.services import Adjustment


class StockServicer(Servicer):
    descriptor = stock_pb2.DESCRIPTOR.services_by_name["Stock"]

    @allow(Role.STAFF, Role.SERVICE)
    def SetStock(self, request: StockLevel, call: Call) -> StockLevel:
        adjustment = Adjustment(
            goods_id=request.goods_id,
            target=request.num,
            reason="set",
            actor=call.identity.actor,
            idempotency_key=call.idempotency_key(),
        )
        stock = services.adjust_stock(adjustments=[adjustment])[0]
        return StockLevel(goods_id=stock.goods_id, num=stock.available)

    def GetStock(self, request: StockLevel, call: Call) -> StockLevel:
        stock = selectors.get_stock(goods_id=required_id("goods_id", request.goods_id))
        return StockLevel(goods_id=stock.goods_id, num=stock.available)

    @allow(Role.STAFF, Role.SERVICE)
    def ReduceStock(self, request: StockLevel, call: Call) -> StockLevel:
        if request.order_id:
            return self.reserve_one(request, call)
        if call.idempotency_key():
            raise Invalid("idempotency_key", _("is not taken here, where every call sells; reserve under an OrderId"))
        receipt_id, stock = services.deduct_stock(goods_id=request.goods_id, quantity=request.num)
        return StockLevel(goods_id=stock.goods_id, num=stock.available, order_id=receipt_id)

    def reserve_one(self, request: StockLevel, call: Call) -> StockLevel:
        """ReduceStock with the number of an order: that is a reservation, and for services only."""
        call.identity.require(Role.SERVICE)
        stock = services.reserve_one(order_id=request.order_id, goods_id=request.goods_id, quantity=request.num)
        return StockLevel(goods_id=stock.goods_id, num=stock.available, order_id=request.order_id)

    @allow(Role.STAFF, Role.SERVICE)
    def ReserveStock(self, request: OrderStockRequest, call: Call) -> OrderStockReply:
        services.reserve_stock(order_id=request.order_id, quantities=merged(request.items))
        return OrderStockReply(order_id=request.order_id)

    @allow(Role.STAFF, Role.SERVICE)
    def ConfirmStock(self, request: OrderStockRequest, call: Call) -> OrderStockReply:
        services.confirm_stock(order_id=request.order_id)
        return OrderStockReply(order_id=request.order_id)

    @allow(Role.STAFF, Role.SERVICE)
    def RollbackStock(self, request: OrderStockRequest, call: Call) -> OrderStockReply:
        goods_ids = [required_id("goods_id", line.goods_id) for line in request.items]
        services.roll_back_stock(order_id=request.order_id, goods_ids=goods_ids)
        return OrderStockReply(order_id=request.order_id)


SERVICER = StockServicer
