from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from lab.kit.factories import make_goods
from lab.kit.processes.stock_service import StockService
from lab.servers import RabbitMQ
from messaging.registry import register, unregister
from orders import remote
from orders.messages import receiver_of_returns, register_notifications, return_stock
from orders.refunds import RETURN_TOPIC
from orders.tests.flows.half_messages import ROCKETMQ, TOPICS, consume, end_connections


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """The broker between the services, where a test wants one."""
    with RabbitMQ() as server:
        yield server


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[StockService]:
    """The stock service, which hears of orders by calls, or, with the parameter `broker`, over RabbitMQ, or, with
    `rocketmq`, over the RocketMQ of ROCKETMQ_ENDPOINT."""
    match getattr(request, "param", "calls"):
        case "broker":
            broker_url = request.getfixturevalue("rabbitmq").url
        case "rocketmq":
            broker_url = f"rocketmq://{ROCKETMQ}"
        case _:
            broker_url = ""
    with StockService(tmp_path_factory.mktemp("stock"), broker_url) as service:
        yield service


@pytest.fixture
def split(settings: SimpleNamespace, stock: StockService) -> Iterator[None]:
    """This process is the goods and the order service; five pieces of product 1, ten of product 2, at the other one."""
    settings.APPS = ["goods", "orders"]
    settings.STOCK_ENDPOINT = f"ipv4:{stock.address}"
    settings.ORDER_FLOW = "half_message"
    settings.REMOTE_BROKER_URL, settings.MEETS_AT_BROKER = stock.broker_url, bool(stock.broker_url)
    unregister(RETURN_TOPIC)
    register(RETURN_TOPIC, receiver_of_returns())
    register_notifications()
    try:
        if stock.broker_url:
            consume()
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
        end_connections()
