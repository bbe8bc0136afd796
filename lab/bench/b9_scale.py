"""B9: a shop with 1,000,000 orders of 10,000 goods and 5,000 rooms against one with a handful, on one database server.

Orders over gRPC first: their floor is 0.90 and their goal 0.95. Then what is read, closed and looked at; those floors
are ours: 0.8, since nothing of it may slow down, and a short run is about as exact as that. The audit reads every row;
its time is printed. A quick run has 200,000 orders.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from lab.bench.b2_orders_over_grpc import order_request
from lab.bench.grpc_load import GrpcShop
from lab.bench.native import Load
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import PLENTY, ROOM, Stage, timed
from lab.kit.large_shop import LargeShop, due, empty, fill

CALLERS = 512
FLOOR, GOAL = 0.90, 0.95
OUR_FLOOR, OUR_GOAL = 0.8, 0.95
ORDERS, QUICK_ORDERS, HANDFUL = 1_000_000, 200_000, 250  # a handful fills some pages of a list, too
QUICK_ROUNDS = 3
SECONDS = 2  # a side, where nothing is written
DUE, DUE_GOODS = 5_000, 10
ORDER = 7  # one of a buyer with a few
PATIENCE = {"read_timeout": 600, "write_timeout": 600}  # in seconds, to make a million rows in one statement
# Buyers of the load are new ones, and lie between those who have orders.
BUYERS = {"lines": 1, "available": PLENTY, "first_buyer": 2**21, "buyer_step": 1_000}
ADMIN_LIST = "/admin/orders/order/"


@dataclass
class Shop:
    """One of the two, in a database of its own; `number`: of the next order that is made by SQL."""

    stage: Stage
    size: LargeShop
    number: int = field(init=False)

    @property
    def name(self) -> str:
        return f"{self.size.orders:,} orders"

    @property
    def database(self) -> str:
        return f"bench_{self.size.orders}"

    @property
    def url(self) -> str:
        return f"{self.stage.database.url.rpartition('/')[0]}/{self.database}"

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """A cursor; until the end, this process belongs to this shop."""
        from django.db import connection  # noqa: PLC0415 (after the settings)

        before = {name: connection.settings_dict[name] for name in ("NAME", "OPTIONS")}
        try:
            connection.close()
            connection.settings_dict |= {"NAME": self.database, "OPTIONS": {**before["OPTIONS"], **PATIENCE}}
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()
            connection.settings_dict |= before

    def make(self) -> None:
        from django.contrib.auth import get_user_model  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415

        self.execute(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")
        with self.opened():
            call_command("migrate", verbosity=0)
            get_user_model().objects.create_superuser("bench")
        self.fill()

    def fill(self) -> None:
        """Makes it as it is at first."""
        with self.opened() as cursor:
            cursor.execute("SET sql_log_bin = 0")
            empty(cursor)
            fill(cursor, self.size)
        self.number = self.size.orders + 1

    def drop(self) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {self.database}")

    def execute(self, sql: str) -> None:
        from django.db import connection  # noqa: PLC0415

        with connection.cursor() as cursor:
            cursor.execute(sql)

    def serve(self) -> GrpcShop:
        """A fresh server with the default transport."""
        from django.conf import settings  # noqa: PLC0415

        return GrpcShop(self.stage, settings.GRPC_SERVER, DATABASE_URL=self.url)

    def in_process(self, what: str, work: Callable[[Any, int], Load]) -> Contestant:
        """Work of this process in this shop, with a cursor and for some seconds."""

        def load(seconds: int) -> Load:
            with self.opened() as cursor:
                return work(cursor, seconds)

        return Contestant(f"{self.name}: {what}", load, [os.getpid()])


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    count = QUICK_ORDERS if rounds <= QUICK_ROUNDS else ORDERS
    large = Shop(stage, LargeShop(orders=count, goods=10_000, rooms=5_000, **BUYERS))
    small = Shop(stage, LargeShop(orders=HANDFUL, goods=DUE_GOODS, **BUYERS))
    shops = [large, small]
    with ExitStack() as ends:
        for shop in shops:
            ends.callback(shop.drop)
            shop.make()
        ends.callback(stage.stop)
        yield side_by_side("CreateOrder", placing, shops, rounds, seconds, floor=FLOOR, goal=GOAL)
        audit(shops)
        small.fill()
        for what, make in (("GetOrder", one_order), ("ListOrders", own_orders), ("a room's list", room_list)):
            yield side_by_side(what, make, shops, rounds, SECONDS)
        for what, make in (("first page in the admin", first_page), ("last page in the admin", last_page)):
            yield side_by_side(what, make, shops, rounds, SECONDS)
        yield side_by_side(f"closing {DUE:,} due orders", closing, shops, rounds, SECONDS)
        audit(shops)


def side_by_side(
    what: str,
    make: Callable[[Shop], Contestant],
    shops: Sequence[Shop],
    rounds: int,
    seconds: int,
    *,
    floor: float = OUR_FLOOR,
    goal: float = OUR_GOAL,
) -> Ratio:
    large, small = contestants = [make(shop) for shop in shops]
    rates = Rates(shops[0].stage, contestants, rounds=rounds, seconds=seconds)
    shops[0].stage.stop()
    name = f"B9 {what}, {shops[0].name} / a handful"
    return rates.ratio(name, large.name, small.name, floor=floor, goal=goal)


def placing(shop: Shop) -> Contestant:
    """The shop with a handful is emptied before each turn: what it placed in the one before would make it large."""
    what = f"{shop.name}: CreateOrder"
    contestant = shop.serve().contestant("Order/CreateOrder", order_request(), callers=CALLERS, what=what)
    return replace(contestant, prepare=shop.fill) if shop.size.orders == HANDFUL else contestant


def one_order(shop: Shop) -> Contestant:
    from orders.rpc.orders_pb2 import OrderRequest  # noqa: PLC0415 (after the settings)

    what, request = f"{shop.name}: GetOrder", OrderRequest(order_id=ORDER)
    return shop.serve().contestant("Order/GetOrder", request, callers=CALLERS, what=what)


def own_orders(shop: Shop) -> Contestant:
    from orders.rpc.orders_pb2 import ListOrdersRequest  # noqa: PLC0415

    buyer = shop.size.first_buyer + ORDER * shop.size.buyer_step
    what, request = f"{shop.name}: ListOrders", ListOrdersRequest(user_id=buyer)
    return shop.serve().contestant("Order/ListOrders", request, callers=CALLERS, what=what)


def room_list(shop: Shop) -> Contestant:
    from goods.rpc.goods_pb2 import RoomGoodsRequest  # noqa: PLC0415

    what, request = f"{shop.name}: a room's list", RoomGoodsRequest(room_id=ROOM)
    return shop.serve().contestant("Goods/GetGoodsListByRoomId", request, callers=CALLERS, what=what)


def first_page(shop: Shop) -> Contestant:
    return shop.in_process("first page", lambda _, seconds: show(1, seconds))


def last_page(shop: Shop) -> Contestant:
    """The last page of its list that is full."""
    from charites.common.admin import ROWS_PER_PAGE  # noqa: PLC0415
    from charites.common.admin_lists import LISTED  # noqa: PLC0415

    page = min(shop.size.orders, LISTED) // ROWS_PER_PAGE
    return shop.in_process(f"page {page}", lambda _, seconds: show(page, seconds))


def show(page: int, seconds: int) -> Load:
    """Looks at a page of the admin's list of orders, again and again."""
    from django.conf import settings  # noqa: PLC0415
    from django.contrib.auth import get_user_model  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["testserver"]
    staff = Client()
    staff.force_login(get_user_model().objects.get())
    started, pages = time.monotonic(), 0
    while time.monotonic() < started + seconds:
        shown = staff.get(ADMIN_LIST, {"p": page})
        if shown.status_code != 200:
            raise AssertionError(shown)
        pages += 1
    return Load(pages, time.monotonic() - started)


def closing(shop: Shop) -> Contestant:
    """Orders that are due at once, of the same few goods in both shops; how long it takes to make them due is nobody's
    business."""

    def work(cursor: Any, seconds: int) -> Load:
        from charites.common import clock  # noqa: PLC0415
        from orders.services import close_due  # noqa: PLC0415

        for statement in due(replace(shop.size, goods=DUE_GOODS), first=shop.number, count=DUE):
            cursor.execute(statement)
        shop.number += DUE
        started = time.monotonic()
        if (closed := close_due(now=clock.now())) != DUE:
            raise AssertionError(f"{closed} orders closed")
        return Load(DUE, time.monotonic() - started)

    return shop.in_process("closing", work)


def audit(shops: Sequence[Shop]) -> None:
    """Raises ServerFailed when a shop is broken."""
    for shop in shops:
        took = timed(lambda shop=shop: shop.stage.audit(DATABASE_URL=shop.url))
        sys.stdout.write(f"B9 audit of a shop made with {shop.name}: {took:.1f} s\n")
