"""An order as gRPC takes it, and its refusals."""

from typing import Any

from orders.rpc.orders_pb2 import CreateOrderRequest

INVALID = ("INVALID_ARGUMENT", 10000001)
NOT_FOUND = ("NOT_FOUND", 50010003)


def wanted(**fields: Any) -> CreateOrderRequest:
    """A valid request for one piece of product 1, in the old client's form."""
    defaults = {"goods_id": 1, "num": 1, "address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
    return CreateOrderRequest(**{**defaults, **fields})
