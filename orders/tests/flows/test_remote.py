"""What may be concluded from another service's answer, and what may not."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import pytest
from grpc_status import rpc_status
from prometheus_client import REGISTRY

from charites.common.errors import Forbidden, InternalError, OutcomeUnknown, ServiceError
from charites.common.rpc import as_status
from lab.kit.factories import make_room
from lab.kit.grpc_server import grpc_server
from messaging.errors import DeliveryFailed
from orders import remote
from orders.errors import GoodsCallFailed
from stock.errors import NotEnoughStock, RecordConflict, StockBusy, StockRolledBack
from stock.rpc.stock_pb2 import OrderStockReply

Answer = ServiceError | grpc.StatusCode | None
NOT_ENOUGH = NotEnoughStock(goods_id=1, requested=2, available=1)


@contextmanager
def stock_that_answers(answers: list[Answer]) -> Iterator[str]:
    """A server of the stock service's methods: an error of ours, a bare status as a broken connection gives it, or
    (None) success; one answer per call, in turn."""

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        given = answers.pop(0)
        match given:
            case ServiceError():
                context.abort_with_status(rpc_status.to_status(as_status(given)))
            case grpc.StatusCode():
                context.abort(given, "Socket closed")
        return OrderStockReply().SerializeToString()

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture
def reserve(settings: SimpleNamespace) -> Callable[..., Exception | None]:
    """Reserves once at a service that gives these answers, and returns what came of it."""

    def reserved(*answers: Answer) -> Exception | None:
        left = list(answers)
        with stock_that_answers(left) as address:
            settings.STOCK_ENDPOINT = address
            try:
                return remote.reserve_stock({5: {1: 2}})[5]
            finally:
                remote.client.cache_clear()
                assert left == []

    return reserved


def test_a_refusal_comes_with_its_details(reserve: Callable[..., Exception | None]) -> None:
    error = reserve(NOT_ENOUGH)

    assert isinstance(error, NotEnoughStock)
    assert (error.details, error.message) == (NOT_ENOUGH.details, NOT_ENOUGH.message)


@pytest.mark.parametrize("error", [StockRolledBack(order_id=5), RecordConflict(order_id=5, wanted="a", found="b")])
def test_other_refusals_are_certain_too(reserve: Callable[..., Exception | None], error: ServiceError) -> None:
    assert type(reserve(error)) is type(error)


def test_busy_is_asked_again_and_certain_when_it_stays(reserve: Callable[..., Exception | None]) -> None:
    assert reserve(StockBusy(), StockBusy(), None) is None
    assert type(reserve(StockBusy(), StockBusy(), StockBusy())) is StockBusy


def test_a_refusal_after_a_try_without_an_answer_is_not_certain(reserve: Callable[..., Exception | None]) -> None:
    """The first try may still be on its way, and reserve what the second one was refused."""
    assert type(reserve(grpc.StatusCode.UNAVAILABLE, NOT_ENOUGH)) is remote.Unanswered


@pytest.mark.parametrize("answer", [OutcomeUnknown(), InternalError(), Forbidden(), grpc.StatusCode.UNKNOWN])
def test_what_is_no_refusal_by_stock_is_no_answer(reserve: Callable[..., Exception | None], answer: Answer) -> None:
    assert type(reserve(answer)) is remote.Unanswered


def test_telling_raises_what_the_service_said(settings: SimpleNamespace) -> None:
    with stock_that_answers([None, RecordConflict(order_id=5, wanted="a", found="b")]) as address:
        settings.STOCK_ENDPOINT = address
        remote.STOCK.call(remote.confirming(order_id=5))
        with pytest.raises(RecordConflict):
            remote.STOCK.call(remote.confirming(order_id=5))
    remote.client.cache_clear()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Forbidden(), f"PERMISSION_DENIED: {Forbidden().message}"),
        (InternalError(), f"INTERNAL: {InternalError().message}"),
        (grpc.StatusCode.UNKNOWN, "UNKNOWN: Socket closed"),
    ],
)
def test_telling_that_fails_otherwise_says_how(settings: SimpleNamespace, answer: Answer, words: str) -> None:
    with stock_that_answers([answer]) as address:
        settings.STOCK_ENDPOINT = address
        with pytest.raises(DeliveryFailed) as failed:
            remote.roll_back_stock(order_id=5, goods_ids=[1])
    remote.client.cache_clear()
    assert failed.value.details == {"reason": words}


def calls_of(method: str) -> float:
    labels = {"protocol": "grpc", "route": method, "status": "OK"}
    return REGISTRY.get_sample_value("charites_requests_total", labels) or 0.0


@pytest.mark.django_db(transaction=True)
def test_rooms_are_asked_for_by_id_in_one_call(settings: SimpleNamespace) -> None:
    for room_id in range(1, 6):
        make_room(room_id, is_deleted=room_id == 4)
    before = calls_of("Goods.GetRooms"), calls_of("Goods.GetGoodsListByRoomId")

    with grpc_server() as address:
        settings.GOODS_ENDPOINT = address
        try:
            assert remote.list_existing_rooms(room_ids=[2, 4, 5, 404]) == {2, 5}
            assert remote.list_existing_rooms(room_ids=[]) == set()
        finally:
            remote.client.cache_clear()

    after = calls_of("Goods.GetRooms"), calls_of("Goods.GetGoodsListByRoomId")
    assert after == (before[0] + 1, before[1])


@pytest.mark.django_db(transaction=True)
def test_more_rooms_than_a_call_may_name_are_asked_for_in_portions(settings: SimpleNamespace) -> None:
    make_room(1)
    make_room(250)

    with grpc_server() as address:
        settings.GOODS_ENDPOINT = address
        try:
            assert remote.list_existing_rooms(room_ids=range(1, 251)) == {1, 250}
        finally:
            remote.client.cache_clear()


def test_a_goods_service_that_does_not_answer_is_busy(settings: SimpleNamespace) -> None:
    with stock_that_answers([grpc.StatusCode.INTERNAL]) as address:
        settings.GOODS_ENDPOINT = address
        with pytest.raises(GoodsCallFailed):
            remote.list_existing_rooms(room_ids=[1])
    remote.client.cache_clear()
