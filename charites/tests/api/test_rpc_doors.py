"""Nobody takes gRPC away from others: calls that send nothing, watchers, many calls of a connection."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.test import override_settings
from grpc_health.v1 import health_pb2, health_pb2_grpc

from charites.common.errors import Busy
from charites.common.rpc import limits, server
from charites.common.rpc.limits import CALLS_A_CONNECTION, STREAMS_OF_AN_ADDRESS, Streams, Unheard
from charites.tests.api.probe import probe
from lab.doors.grpc_holder import Holder
from lab.kit.grpc_server import Callers, grpc_callers, refusal
from lab.kit.processes.shop import Shop
from stock.rpc.stock_pb2 import StockLevel

GET_STOCK, WATCH = "/Stock/GetStock", "/grpc.health.v1.Health/Watch"
HEALTH = health_pb2.HealthCheckRequest()
HERE = "203.0.113."


@pytest.fixture
def holders() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


# the parts


def test_oldest_call_that_is_not_heard_gives_way(settings) -> None:
    settings.GRPC_MAX_CONCURRENT = 1
    unheard, given_up = Unheard(), []

    for call in ("a", "b", "c", "d"):
        unheard.begin(call, lambda call=call: given_up.append(call))
        if call == "b":
            unheard.heard("b")

    assert given_up == ["a"]


def test_call_that_is_not_heard_in_time_is_given_up(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    settings.GRPC_DEADLINE_SECONDS = 10
    unheard, given_up = Unheard(), []
    unheard.begin("a", lambda: given_up.append("a"))
    now[0] = 105.0
    unheard.begin("b", lambda: given_up.append("b"))

    now[0] = 110.1
    unheard.give_up_late()

    assert given_up == ["a"]


def test_streams_are_bounded_by_kind_and_by_address() -> None:
    streams = Streams()
    with ExitStack() as held:
        for number in range(limits.MOST_STREAMS):
            held.enter_context(streams.place("watch", f"address {number % 2}"))
        for kind, address in [("watch", "address 2"), ("watch", "address 0")]:
            with pytest.raises(Busy), streams.place(kind, address):
                pass
        held.enter_context(streams.place("reflect", "address 0"))

    assert not streams._open


def test_caller_of_ipv6_is_his_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_OF_AN_ADDRESS", 1)
    streams = Streams()

    with streams.place("watch", "2001:db8::1"), streams.place("watch", "2001:db8:0:1::1"):
        with pytest.raises(Busy), streams.place("watch", "2001:db8::2"):
            pass


# both transports, in this process and as they run


@pytest.mark.transport
def test_call_that_sends_nothing_ends_by_itself_and_is_not_begun() -> None:
    calls, methods = probe()

    with override_settings(GRPC_DEADLINE_SECONDS=0.2), grpc_callers(methods) as callers:
        with Holder(callers.address) as holder:
            assert holder.hold(GET_STOCK, 2000) == CALLS_A_CONNECTION
            holder.await_end_of_calls(left_open=server.MOST_WAITED_FOR)
    assert calls == []


@pytest.mark.long
@pytest.mark.transport
def test_calls_that_send_nothing_give_way_to_others(holders: ExitStack) -> None:
    _calls, methods = probe(lambda request, call: request)

    with override_settings(GRPC_MAX_CONCURRENT=5, GRPC_DEADLINE_SECONDS=60), grpc_callers(methods) as callers:
        held = [holders.enter_context(Holder(callers.address)).hold(GET_STOCK, 2000) for _ in range(6)]
        answered = [callers.buyer().stock.GetStock(StockLevel(goods_id=5)) for _ in range(20)]

    assert held == [CALLS_A_CONNECTION] * 6
    assert answered == [StockLevel(goods_id=5)] * 20


@pytest.mark.long
@pytest.mark.transport
def test_calls_that_say_that_they_send_nothing_take_no_places_from_others(holders: ExitStack) -> None:
    _calls, methods = probe(lambda request, call: request)

    with override_settings(GRPC_MAX_CONCURRENT=5), grpc_callers(methods) as callers:
        for _ in range(6):
            holder = holders.enter_context(Holder(callers.address))
            assert holder.hold(GET_STOCK, 2000, ends=True) == CALLS_A_CONNECTION
            holder.await_end_of_calls(left_open=server.MOST_WAITED_FOR)
        answered = [callers.buyer().stock.GetStock(StockLevel(goods_id=5)) for _ in range(20)]

    assert answered == [StockLevel(goods_id=5)] * 20


@pytest.mark.transport
def test_watchers_behind_a_proxy_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_OF_AN_ADDRESS", 1)

    with override_settings(NUM_PROXIES=1), grpc_callers(probe()[1]) as callers:
        stub = callers.anybody().client.stub(health_pb2_grpc.HealthStub)
        watching = [stub.Watch(HEALTH, metadata=[("x-forwarded-for", f"{HERE}{last}")]) for last in (1, 2)]
        told = [next(stream).status for stream in watching]
        once_more = refusal(next, stub.Watch(HEALTH, metadata=[("x-forwarded-for", f"{HERE}1")]))
        for stream in watching:
            stream.cancel()

    assert told == [health_pb2.HealthCheckResponse.SERVING] * 2
    assert once_more == ("UNIMPLEMENTED", 10000004)


def start(shop: Shop) -> None:
    shop.start("grpc")
    shop.await_grpc(60)


@pytest.mark.long
def test_connection_has_a_bounded_number_of_calls_and_takes_nothing_from_others(
    shop: Shop, callers: Callers, holders: ExitStack
) -> None:
    start(shop)

    held = [holders.enter_context(Holder(shop.grpc_address)).hold(GET_STOCK, 2000) for _ in range(16)]
    watching = [holders.enter_context(Holder(shop.grpc_address)).hold(WATCH, 2000, HEALTH) for _ in range(4)]
    refused = {refusal(callers.staff().stock.GetStock, StockLevel(goods_id=404))[0] for _ in range(50)}

    assert held == [CALLS_A_CONNECTION] * 16
    assert watching == [CALLS_A_CONNECTION] * 4
    assert refused == {"NOT_FOUND"}
    check = callers.anybody().client.stub(health_pb2_grpc.HealthStub).Check
    assert check(HEALTH).status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.long
def test_one_address_does_not_have_all_places_of_watchers(shop: Shop, callers: Callers, holders: ExitStack) -> None:
    start(shop)
    watchers = holders.enter_context(Holder(shop.grpc_address))

    watchers.hold(WATCH, CALLS_A_CONNECTION, HEALTH)

    watchers.await_end_of_calls(left_open=STREAMS_OF_AN_ADDRESS)
    assert len(watchers.open) == STREAMS_OF_AN_ADDRESS
