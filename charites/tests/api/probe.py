"""A servicer that misbehaves on purpose."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from charites.common.auth import Permission
from charites.common.rpc import Call, Method, Servicer, allow, methods_of
from stock.rpc import stock_pb2
from stock.rpc.stock_pb2 import AdjustStockReply, AdjustStockRequest, OrderStockReply, OrderStockRequest, StockLevel

WAIT_SECONDS = 60.0  # a bound for busy machines, no measurement


class Probe(Servicer):
    """Does what a test tells it to, under the names of the stock service, and counts its calls."""

    descriptor = stock_pb2.DESCRIPTOR.services_by_name["Stock"]
    behaviour: Callable[[Any, Call], Message] = staticmethod(lambda request, call: StockLevel())
    calls: list[Call]

    def GetStock(self, request: StockLevel, call: Call) -> Message:
        self.calls.append(call)
        return self.behaviour(request, call)

    @allow(Permission.CHANGE_STOCK)
    def SetStock(self, request: StockLevel, call: Call) -> Message:
        return self.GetStock(request, call)

    ReduceStock = GetStock

    def ReserveStock(self, request: OrderStockRequest, call: Call) -> Message:
        self.calls.append(call)
        return OrderStockReply()

    ConfirmStock = RollbackStock = ReserveStock

    def AdjustStock(self, request: AdjustStockRequest, call: Call) -> Message:
        self.calls.append(call)
        return AdjustStockReply()


def probe(behaviour: Callable[[Any, Call], Message] | None = None) -> tuple[list[Call], list[Method]]:
    """A probe with this behaviour; returns the list of its calls, and its methods."""
    calls: list[Call] = []
    does = {"calls": calls, **({"behaviour": staticmethod(behaviour)} if behaviour else {})}
    return calls, methods_of(type("Probe", (Probe,), does))


def raising(error: Exception) -> Callable[[Any, Call], Message]:
    def behaviour(request: Any, call: Call) -> Message:
        raise error

    return behaviour
