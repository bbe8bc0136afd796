"""What is remembered of goods and rooms: on which door, for how long, and that a change here is seen at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charites.common.replies import Replies
from goods import remembered, services
from goods.models import Goods
from goods.rest import views
from goods.rpc import servicers
from goods.rpc.goods_pb2 import GoodsDetailRequest, RoomGoodsRequest
from lab.kit.factories import make_goods, make_room
from lab.kit.grpc_server import Callers, grpc_callers, refusal
from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.rest_client import buyer

pytestmark = pytest.mark.django_db(transaction=True)

CALLERS = 8

CHANGES: dict[str, Callable[[], object]] = {
    "pinned": lambda: services.pin_goods(room_id=3, goods_id=2),
    "put into the list": lambda: services.add_room_goods(room_id=3, entries=[services.Entry(4, 200)], actor="staff"),
    "taken out of the list": lambda: services.remove_room_goods(room_id=3, goods_ids=[1], actor="staff"),
    "off sale": lambda: services.set_goods_status(goods_ids=[1], status=Goods.Status.OFF_SALE, actor="staff"),
    "another title": lambda: services.change_goods(goods_id=1, values={"title": "Jug"}, actor="staff"),
    "deleted": lambda: services.delete_goods(goods_ids=[1], actor="staff"),
}


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    with grpc_callers() as callers:
        yield callers


@pytest.fixture(autouse=True)
def moments_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time."""
    monkeypatch.setattr(remembered, "SECONDS", 600.0)
    for memory in remembered._all:
        monkeypatch.setattr(memory, "_seconds", 600.0)


@pytest.fixture
def room() -> None:
    for goods_id in (1, 2, 4):
        make_goods(goods_id)
    make_room(3, goods_ids=[1, 2])


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("change", CHANGES)
def test_change_is_seen_at_once_on_every_door_of_the_process_that_made_it(callers: Callers, change: str) -> None:
    def seen() -> list[object]:
        over_rest = buyer().get("/api/rooms/3/goods").json()
        return [callers.buyer().goods.GetGoodsListByRoomId(RoomGoodsRequest(room_id=3)), over_rest]

    before = seen()
    assert seen() == before

    CHANGES[change]()

    after = seen()
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False]


@pytest.mark.usefixtures("room")
def test_what_is_remembered_takes_no_statement_and_no_thread(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    goods = callers.buyer().goods

    def seen() -> list[object]:
        room_list = goods.GetGoodsListByRoomId(RoomGoodsRequest(room_id=3))
        return [room_list, goods.GetGoodsDetail(GoodsDetailRequest(goods_id=1))]

    first = seen()
    made: list[object] = []
    for replies in (servicers.ROOM_LISTS, servicers.DETAILS):
        monkeypatch.setattr(replies, "make", made.append)

    assert (seen(), made) == (first, [])


@pytest.mark.usefixtures("room")
def test_one_caller_makes_the_reply_anew_before_its_time_is_over(callers: Callers) -> None:
    def titles() -> list[str]:
        room_list = callers.buyer().goods.GetGoodsListByRoomId(RoomGoodsRequest(room_id=3))
        return [goods.title for goods in room_list.data]

    before = titles()
    Goods.objects.update(title="Changed elsewhere")
    assert titles() == before
    for memory in remembered._all:
        for noted in memory._noted.values():
            noted.read_at -= 400  # of 600 seconds

    assert titles() == ["Changed elsewhere"] * 2


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(("path", "statements"), [("/api/rooms/3/goods", 3), ("/api/goods/1", 1)])
def test_rest_reads_once_a_moment(path: str, statements: int) -> None:
    with CaptureQueriesContext(connection) as captured:
        answers = [buyer().get(path) for _ in range(3)]

    assert len(captured) == statements
    assert len({answer.content for answer in answers}) == 1
    assert {answer["Content-Type"] for answer in answers} == {"application/json"}


@pytest.mark.usefixtures("room")
def test_each_language_has_its_reply() -> None:
    def labels(language: str) -> list[str]:
        header = {"Accept-Language": language}
        listed = buyer().get("/api/rooms/3/goods", headers=header).json()["goods"][0]
        return [listed["status_label"], buyer().get("/api/goods/1", headers=header).json()["status_label"]]

    assert (labels("en"), labels("zh-hans")) == (["on sale"] * 2, ["在售"] * 2)


def test_refusal_is_not_remembered(callers: Callers) -> None:
    read = callers.buyer().goods.GetGoodsDetail
    assert refusal(read, GoodsDetailRequest(goods_id=9))[0] == "NOT_FOUND"
    assert buyer().get("/api/goods/9").status_code == 404

    Goods.objects.create(goods_id=9, title="New", price=5)

    assert read(GoodsDetailRequest(goods_id=9)).title == "New"
    assert buyer().get("/api/goods/9").json()["title"] == "New"


@pytest.mark.usefixtures("room")
def test_change_of_another_process_is_seen_when_the_moment_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert buyer().get("/api/goods/1").json()["title"] == "Goods 1"
    Goods.objects.filter(goods_id=1).update(title="Jug")  # past the services, as another process does
    assert buyer().get("/api/goods/1").json()["title"] == "Goods 1"

    monkeypatch.setattr(views.DETAILS._recent, "_seconds", 0.0)

    assert buyer().get("/api/goods/1").json()["title"] == "Jug"


def test_many_who_ask_at_once_make_one_reply() -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()
    made = []

    def make(key: int) -> bytes:
        made.append(key)
        assert go_on.wait(TIMEOUT_SECONDS)
        return b"reply"

    replies: Replies[int] = remembered.replies(make)

    def ask() -> bytes:
        asked.release()
        return replies.get(1)

    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(ask) for _ in range(CALLERS)]
        for _ in calls:
            assert asked.acquire(timeout=TIMEOUT_SECONDS)
        go_on.set()
        answers = [call.result(TIMEOUT_SECONDS) for call in calls]

    assert (answers, made) == ([b"reply"] * CALLERS, [1])


def test_reply_that_was_made_while_something_changed_is_not_kept() -> None:
    titles = ["old", "new"]

    def make(key: int) -> bytes:
        title = titles.pop(0)
        if title == "old":
            remembered.forget()  # somebody changes it, after it was read
        return title.encode()

    replies: Replies[int] = remembered.replies(make)

    assert [replies.get(1), replies.get(1), replies.get(1)] == [b"old", b"new", b"new"]
