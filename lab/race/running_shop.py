"""A shop that is running, as a guest who leaves it as it was: over gRPC, with goods that it does not have.

What stays behind are rows that say so: the product's stock at 0, its adjustments, and records that are rolled back.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from charites.common.rpc import Client, read_error
from lab.race.processes import RaceFailed
from lab.race.race_plan import Basket, Plan, baskets, fresh_numbers
from stock.errors import StockNotFound
from stock.rpc.stock_pb2 import OrderStockRequest, StockLevel, StockLine
from stock.rpc.stock_pb2_grpc import StockStub

CALL_SECONDS = 30.0


class Shop:
    """The stock of the borrowed goods."""

    def __init__(self, client: Client, plan: Plan) -> None:
        self._stub: Any = client.stub(StockStub)
        self._stock = plan.stock
        self.goods_ids = fresh_numbers(plan.goods)
        self.baskets: list[Basket] = baskets(plan, goods_ids=self.goods_ids)

    def check_unknown(self) -> None:
        """Raises RaceFailed when the shop has stock of the goods: it is not ours to touch."""
        for goods_id in self.goods_ids:
            try:
                self._stub.GetStock(StockLevel(goods_id=goods_id))
            except grpc.RpcError as error:
                ours = read_error(error)
                if ours and ours.code == StockNotFound.code:
                    continue
                raise
            raise RaceFailed(f"The shop has stock of product {goods_id} already: try again with other goods.")

    def fill(self, pieces: int) -> None:
        for goods_id in self.goods_ids:
            self._stub.SetStock(StockLevel(goods_id=goods_id, num=pieces))

    def available(self) -> int:
        """What the stock column claims is left."""
        levels = [self._stub.GetStock(StockLevel(goods_id=goods_id)) for goods_id in self.goods_ids]
        return sum(int(level.num) for level in levels)

    def pieces(self, order_ids: Sequence[int]) -> dict[int, int]:
        """Returns what these orders hold: goods_id -> pieces."""
        wanted = {basket.order_id: basket.quantities for basket in self.baskets}
        taken: Counter[int] = Counter()
        for order_id in order_ids:
            taken.update(wanted[order_id])
        return {goods_id: taken[goods_id] for goods_id in self.goods_ids}

    def give_back(self) -> None:
        """Rolls back every order, also those whose answer nobody heard, and takes the pieces out again."""
        for basket in self.baskets:
            lines = [StockLine(goods_id=goods_id) for goods_id in basket.quantities]
            self._stub.RollbackStock(OrderStockRequest(order_id=basket.order_id, items=lines))
        self.fill(0)


@contextmanager
def borrowed_goods(plan: Plan) -> Iterator[Shop]:
    """Fills the stock of goods of our own in the shop at the plan's address, and empties it again whatever happens."""
    with Client(plan.address, token=plan.token, timeout_seconds=CALL_SECONDS) as client:
        shop = Shop(client, plan)
        try:
            shop.check_unknown()
            try:
                shop.fill(plan.stock)
                yield shop
            finally:
                shop.give_back()
        except grpc.RpcError as error:
            ours = read_error(error)
            why = ours.message if ours else error.details()
            raise RaceFailed(f"The server at {plan.address} answered {error.code().name}: {why}") from error
