from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from lab.kit.factories import make_goods
from lab.kit.processes.stock_service import StockService
from messaging.registry import register, unregister
from orders import remote
from orders.messages import receiver_of_returns, register_notifications, return_stock
from orders.refunds import RETURN_TOPIC
from orders.tests.flows.half_messages import TOPICS


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockService]:
    with StockService(tmp_path_factory.mktemp("stock")) as service:
        yield service


@pytest.fixture
def split(settings: SimpleNamespace, stock: StockService) -> Iterator[None]:
    """This process is the goods and the order service; five pieces of product 1, ten of product 2, at the other one."""
    settings.APPS = ["goods", "orders"]
    settings.STOCK_ENDPOINT = f"ipv4:{stock.address}"
    settings.ORDER_FLOW = "half_message"
    unregister(RETURN_TOPIC)
    register(RETURN_TOPIC, receiver_of_returns())
    register_notifications()
    try:
        make_goods(1)
        make_goods(2)
        stock.set_stock(1, 5)
        stock.set_stock(2, 10)
        yield
    finally:
        for topic in (*TOPICS, RETURN_TOPIC):
            unregister(topic)
        register(RETURN_TOPIC, return_stock)
        remote.client.cache_clear()
