"""STOCK_STRATEGY is changed while buyers buy: one gRPC server after the other comes back with another strategy."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import grpc
import pytest

from lab.kit.factories import counts, make_stock
from lab.kit.grpc_server import Callers
from lab.kit.interleaving import TIMEOUT_SECONDS, Background
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from stock.models import StockRecord
from stock.rpc.stock_pb2 import OrderStockRequest, StockLine

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

BUYERS_EACH = 6


def serve(server: Shop, strategy: str) -> None:
    """Starts, or starts again, with this strategy."""
    if "grpc" in server.processes:
        assert server.end("grpc") == 0
    began = server.log("grpc").count("gRPC on") if (server.folder / "grpc.log").exists() else 0
    server.given["STOCK_STRATEGY"] = strategy
    server.start("grpc")
    wait_until(
        lambda: server.log("grpc").count("gRPC on") > began, seconds=START_SECONDS, what=f"a server with {strategy}"
    )


@pytest.fixture
def servers(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[list[Shop]]:
    with contextlib.ExitStack() as stack:
        folders = [tmp_path / name for name in ("first", "second")]
        for folder in folders:
            folder.mkdir()
        yield [stack.enter_context(Shop(folder, process_environment)) for folder in folders]


class Buyers:
    """Buy one piece after the other from one server. An order that was not answered is asked for again."""

    def __init__(self, server: Shop, first_order_id: int) -> None:
        self._callers = Callers(server.grpc_address)
        self._order_ids, self._over = count(first_order_id), threading.Event()
        self.accepted: list[int] = []
        self.refusals: Counter[str] = Counter()

    def buy(self) -> None:
        reserve = self._callers.service().stock.ReserveStock
        while not self._over.is_set():
            order_id = next(self._order_ids)
            request = OrderStockRequest(order_id=order_id, items=[StockLine(goods_id=1, num=1)])
            while not self._is_accepted(reserve, request):
                pass
            self.accepted.append(order_id)

    def _is_accepted(self, reserve, request) -> bool:
        try:
            reserve(request)
        except grpc.RpcError as error:
            self.refusals[error.code().name] += 1
            self._over.wait(0.05)  # the server is away; no test waits for this
            return False
        return True

    def stop(self) -> None:
        self._over.set()

    def close(self) -> None:
        self._callers.close()


@pytest.mark.long
def test_strategy_changed_by_a_rolling_restart_under_load_stays_exact(servers):
    make_stock(1, 100_000)
    for server in servers:
        serve(server, "pessimistic")
    sides = [Buyers(server, 1_000_000 * (n + 1)) for n, server in enumerate(servers)]

    def await_more_from_both() -> None:
        before = [len(side.accepted) for side in sides]
        wait_until(
            lambda: all(len(side.accepted) >= n + 20 for side, n in zip(sides, before, strict=True)),
            seconds=TIMEOUT_SECONDS,
            what="both sell",
        )

    with contextlib.ExitStack() as stack:
        for side in sides:
            stack.callback(side.close)
        buyers = [stack.enter_context(Background(side.buy)) for side in sides for _ in range(BUYERS_EACH)]
        for side in sides:
            stack.callback(side.stop)
        await_more_from_both()
        for n, strategy in enumerate(["group_commit", "optimistic", "redis_lock", "atomic_update"]):
            serve(servers[n % 2], strategy)
            await_more_from_both()
        for side in sides:
            side.stop()
        for buyer in buyers:
            buyer.result()

    accepted = sorted(order_id for side in sides for order_id in side.accepted)
    assert sorted(StockRecord.objects.values_list("order_id", flat=True)) == accepted
    assert counts(1) == (100_000 - len(accepted), len(accepted), 0)
    # Nothing but servers that were away or busy, or that went while a call arrived.
    assert set(sides[0].refusals) | set(sides[1].refusals) <= {"UNAVAILABLE", "CANCELLED"}
