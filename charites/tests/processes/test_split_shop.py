"""Goods, stock and orders as three services with a database each: real processes, orders over gRPC, and messages by
calls, or over RabbitMQ."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import grpc
import httpx
import pytest
from django.test import override_settings
from grpc import StatusCode

from charites.audit import open_database
from charites.common.auth import Role
from charites.common.rpc import Client, read_error
from goods.errors import SaleNotStarted
from goods.rpc.goods_pb2 import GoodsDetail
from goods.rpc.goods_pb2_grpc import GoodsStub
from lab.kit.factories import bearer
from lab.kit.processes.shop import START_SECONDS, SplitShop, wait_until
from lab.race.database import own_database
from lab.servers import RabbitMQ
from messaging.broker.sending import NO_ANSWER
from orders.errors import OverBuyersLimit
from orders.models import Order
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderLine, OrderRequest, PayOrderRequest
from orders.rpc.orders_pb2_grpc import OrderStub
from stock.models import StockRecord
from stock.rpc.stock_pb2 import OrderStockRequest, StockLevel, StockLine
from stock.rpc.stock_pb2_grpc import StockStub

pytestmark = [pytest.mark.slow, pytest.mark.once]  # `make run-split` is tested on SQLite

STUBS = {"goods": GoodsStub, "stock": StockStub, "orders": OrderStub}
BUYER, OTHER_BUYER = bearer(1), bearer(2)
LONG_AGO = "2026-01-01 00:00:00"
SECONDS = 120  # a bound for slow machines, no measurement


class Site:
    """A running split shop, a client of each service, and a look into its databases."""

    def __init__(self, shop: SplitShop) -> None:
        self.shop = shop

    def call(self, service: str, method: str, request: Any, *, token: str = BUYER) -> Any:
        with Client(self.shop[service].grpc_address, token=token, timeout_seconds=60, tries=1) as client:
            return getattr(client.stub(STUBS[service]), method)(request)

    def refusal(self, service: str, method: str, request: Any, *, token: str = BUYER) -> StatusCode:
        with pytest.raises(grpc.RpcError) as refused:
            self.call(service, method, request, token=token)
        return refused.value.code()

    def refused_number(self, quantities: dict[int, int]) -> int:
        with pytest.raises(grpc.RpcError) as refused:
            self.call("orders", "CreateOrder", order_of(quantities))
        told = read_error(refused.value)
        return told.code if told else -1

    def place(self, quantities: dict[int, int]) -> int:
        return int(self.call("orders", "CreateOrder", order_of(quantities)).order_id)

    def query(self, service: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(open_database(service, self.shop.databases[service]).connection) as connection:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return list(cursor.fetchall()) if cursor.description else []

    def counts(self, goods_id: int) -> tuple[int, ...]:
        """Available, reserved and sold, from the stock service's database."""
        return self.query("stock", "SELECT num, `lock`, sold FROM shopping_stock WHERE goods_id = %s", goods_id)[0]

    def statuses(self, *order_ids: int) -> list[int]:
        found = dict(self.query("orders", "SELECT order_id, status FROM shopping_order"))
        return [found[order_id] for order_id in order_ids]

    def tables(self, service: str) -> set[str]:
        with closing(open_database(service, self.shop.databases[service]).connection) as connection:
            return set(connection.introspection.table_names())

    def await_grpc(self, service: str) -> None:
        with grpc.insecure_channel(self.shop[service].grpc_address) as channel:
            grpc.channel_ready_future(channel).result(START_SECONDS)

    def await_clean_audit(self) -> str:
        """What the audit says when everything that was on its way has arrived."""
        said = wait_until(
            lambda: (audit := self.shop.audit()).returncode == 0 and audit.stdout, seconds=SECONDS, what="clean audit"
        )
        return str(said)


def order_of(quantities: dict[int, int]) -> CreateOrderRequest:
    items = [OrderLine(goods_id=goods_id, num=number) for goods_id, number in quantities.items()]
    return CreateOrderRequest(items=items, address="1 Harbour Road", name="Li Lei", phone="13800000000")


@pytest.fixture(scope="module", params=["calls", pytest.param("broker", marks=pytest.mark.servers)])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[Site]:
    settings = {"DEMO": "true", "AUDIT_GRACE_SECONDS": "0", "ORDER_PAY_TIMEOUT_SECONDS": "1800"}
    with django_db_blocker.unblock(), ExitStack() as stack:
        if request.param == "broker":
            settings["REMOTE_BROKER_URL"] = stack.enter_context(RabbitMQ()).url
        databases = {name: stack.enter_context(own_database()) for name in STUBS}
        shop = stack.enter_context(SplitShop(tmp_path_factory.mktemp("split"), {**os.environ, **settings}, databases))
        shop.prepare()
        for service in STUBS:
            shop[service].start("grpc")
        shop["orders"].start("web", "sweep")
        if request.param == "broker":
            shop["stock"].start("sweep")
        site = Site(shop)
        for service in STUBS:
            site.await_grpc(service)
        shop["orders"].await_web()
        yield site


@pytest.mark.long
def test_rules_of_a_sale_come_with_the_goods_and_what_was_reserved_in_vain_comes_back(site: Site) -> None:
    """Of the demo's goods 25 has a limit of 2, and 30 is on sale later."""
    before = site.counts(25)[0]
    first = site.place({25: 2})

    assert site.refused_number({25: 1}) == OverBuyersLimit.code
    assert site.refused_number({30: 1}) == SaleNotStarted.code

    counts = (before - 2, 2, 0)
    wait_until(lambda: site.counts(25) == counts, seconds=SECONDS, what=f"stock {counts}")
    site.call("orders", "CancelOrder", OrderRequest(order_id=first))
    wait_until(lambda: site.counts(25) == (before, 0, 0), seconds=SECONDS, what="all pieces are back")
    site.await_clean_audit()


def test_orders_are_paid_timed_out_and_cancelled_and_their_stock_follows_in_the_other_database(site: Site) -> None:
    before = {goods_id: site.counts(goods_id)[0] for goods_id in (5, 6)}
    paid, forgotten, cancelled = site.place({5: 2}), site.place({5: 1, 6: 1}), site.place({6: 3})
    placed = site.counts(5), site.counts(6)

    site.call("orders", "PayOrder", PayOrderRequest(order_id=paid))
    site.call("orders", "CancelOrder", OrderRequest(order_id=cancelled))
    site.query("orders", "UPDATE shopping_order SET expires_at = %s WHERE order_id = %s", LONG_AGO, forgotten)

    assert placed == ((before[5] - 3, 3, 0), (before[6] - 4, 4, 0))
    final = [Order.Status.PAID, Order.Status.CLOSED, Order.Status.CLOSED]
    wait_until(lambda: site.statuses(paid, forgotten, cancelled) == final, seconds=SECONDS, what=f"statuses {final}")
    counts = [(before[5] - 2, 0, 2), (before[6], 0, 0)]
    wait_until(lambda: [site.counts(5), site.counts(6)] == counts, seconds=SECONDS, what=f"stock {counts}")
    rows = "SELECT order_id, goods_id, status FROM shopping_stock_record WHERE order_id IN (%s, %s, %s) ORDER BY 1, 2"
    records = site.query("stock", rows, paid, forgotten, cancelled)
    assert records == [
        (paid, 5, StockRecord.Status.DEDUCTED),
        (forgotten, 5, StockRecord.Status.ROLLED_BACK),
        (forgotten, 6, StockRecord.Status.ROLLED_BACK),
        (cancelled, 6, StockRecord.Status.ROLLED_BACK),
    ]
    own = {"goods": "shopping_goods", "stock": "shopping_stock_record", "orders": "shopping_order"}
    for service, table in own.items():
        assert set(own.values()) & site.tables(service) == {table}
    assert "orders + stock" in site.await_clean_audit()


def test_every_service_keeps_its_callers_apart(site: Site) -> None:
    before, order_id = site.counts(5), site.place({6: 1})
    reserve = OrderStockRequest(order_id=4711, items=[StockLine(goods_id=5, num=1)])
    with override_settings(SECRET_KEY="somebody-elses-key-which-is-as-long-as-ours-0123456789"):
        forged = bearer(1, Role.SERVICE)

    for method in ("ReserveStock", "ConfirmStock", "RollbackStock"):
        assert site.refusal("stock", method, reserve) == StatusCode.PERMISSION_DENIED
    assert site.refusal("stock", "SetStock", StockLevel(goods_id=5, num=1)) == StatusCode.PERMISSION_DENIED
    for method, request in (
        ("GetOrder", OrderRequest(order_id=order_id)),
        ("CancelOrder", OrderRequest(order_id=order_id)),
        ("PayOrder", PayOrderRequest(order_id=order_id)),
    ):
        assert site.refusal("orders", method, request, token=OTHER_BUYER) == StatusCode.NOT_FOUND
    for service, method, request in (
        ("goods", "GetGoodsDetail", GoodsDetail(goods_id=5)),
        ("stock", "ReserveStock", reserve),
        ("orders", "CreateOrder", order_of({5: 1})),
    ):
        for token in (forged, ""):
            assert site.refusal(service, method, request, token=token) == StatusCode.UNAUTHENTICATED
    assert site.counts(5) == before
    assert site.statuses(order_id) == [Order.Status.UNPAID]
    with Client(site.shop["orders"].grpc_address, token="token", timeout_seconds=60) as client:
        with pytest.raises(grpc.RpcError) as strange:
            client.stub(StockStub).ReserveStock(reserve)
    assert strange.value.code() == StatusCode.UNIMPLEMENTED


def sign_in(site: Site) -> str:
    """The header of the demo's staff, from the service that knows the users."""
    body = {"username": "staff", "password": "charites"}
    pair = httpx.post(f"{site.shop['orders'].url}/api/auth/token", json=body, timeout=60).json()
    return f"Bearer {pair['access']}"


def test_staff_may_at_the_other_services_what_they_might_when_their_token_was_signed(site: Site) -> None:
    with_permissions = sign_in(site)
    site.query("orders", "DELETE FROM auth_user_groups")
    without = sign_in(site)

    reply = site.call("stock", "SetStock", StockLevel(goods_id=7, num=41), token=with_permissions)
    refused = site.refusal("stock", "SetStock", StockLevel(goods_id=7, num=42), token=without)

    assert (reply.num, site.counts(7)[0]) == (41, 41)
    assert refused == StatusCode.PERMISSION_DENIED


@pytest.mark.long
@pytest.mark.parametrize("missing", ["stock", "goods"])
def test_placing_without_a_service_answers_busy_and_takes_nothing(site: Site, missing: str) -> None:
    orders = site.query("orders", "SELECT COUNT(*) FROM shopping_order")
    before = site.counts(5), site.counts(6)
    body = {"items": [{"goods_id": "5", "quantity": 1}], "address": "a", "name": "n", "phone": "p"}

    site.shop[missing].kill("grpc")
    over_grpc = site.refusal("orders", "CreateOrder", order_of({5: 1, 6: 1}))
    over_rest = httpx.post(
        f"{site.shop['orders'].url}/api/orders", json=body, headers={"Authorization": BUYER}, timeout=60
    )
    site.shop[missing].start("grpc")
    site.await_grpc(missing)

    assert (over_grpc, over_rest.status_code) == (StatusCode.UNAVAILABLE, 503)
    assert "Retry-After" in over_rest.headers
    assert site.query("orders", "SELECT COUNT(*) FROM shopping_order") == orders
    wait_until(lambda: is_decided(site), seconds=SECONDS, what="no message is waiting")
    assert (site.counts(5), site.counts(6)) == before
    site.await_clean_audit()


def is_decided(site: Site) -> bool:
    """Whether every half message has had its effect; what waits for its next try, and not for an answer, is made
    due."""
    waiting = "topic = 'order_unplaced' AND state IN ('half', 'ready')"
    update = f"UPDATE messaging_message SET deliver_at = %s WHERE {waiting} AND last_error <> %s"
    site.query("orders", update, LONG_AGO, NO_ANSWER)
    return site.query("orders", f"SELECT COUNT(*) FROM messaging_message WHERE {waiting}") == [(0,)]
