"""A room's page, and what its buttons do."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY

from goods.models import Room
from goods.services import Entry, add_room_goods
from lab.kit.factories import SANDBOX, counts, make_goods, make_order, make_room
from live.visitors import COOKIE
from orders.models import Order, Payment

pytestmark = pytest.mark.django_db

FIELDS = {"goods_id": "1", "price": "9950", "quantity": "1", "name": "Mei", "phone": "138", "address": "1 Road"}


@pytest.fixture(autouse=True)
def demo(settings) -> None:
    settings.DEMO = True
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}
    for name in ("buyer", "buyer2"):
        get_user_model().objects.create_user(name, password="charites")


def put_on_shelf(goods_id: int, stock: int, **columns: Any) -> None:
    make_goods(goods_id, stock=stock or None, **columns)
    add_room_goods(room_id=1, entries=[Entry(goods_id, weight=100 - goods_id)], actor="staff")


@pytest.fixture
def room() -> None:
    make_room(1)
    put_on_shelf(1, 5)
    put_on_shelf(2, 0)
    Room.objects.update(current_goods_id=1)


def fields(**more: str) -> dict[str, str]:
    return {**FIELDS, "key": "k1", **more}


def state_of(html: str) -> str | None:
    found = re.search(r'data-testid="order-status" data-state="([a-z-]+)"', html)
    return found and found[1]


@pytest.mark.usefixtures("room")
def test_room_shows_the_pinned_product_and_the_shelf() -> None:
    page = Client().get("/rooms/1").text

    assert 'data-testid="pinned-title">Goods 1<' in page
    assert '<b data-testid="available" data-available>5</b>' in page
    assert "99.50 CNY" in page
    assert "129.00" in page
    assert page.count('data-testid="shelf-item"') == 2
    assert state_of(page) is None


@pytest.mark.usefixtures("room")
def test_another_product_of_the_shelf_is_shown_large_and_sold_out() -> None:
    page = Client().get("/rooms/1?goods=2").text

    assert 'data-testid="pinned-title">Goods 2<' in page
    assert state_of(page) == "sold-out"


@pytest.mark.usefixtures("room")
def test_buy_leads_to_an_unpaid_order_of_the_visitor() -> None:
    client = Client()

    answer = client.post("/rooms/1/buy", fields(quantity="2"))

    order = Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/rooms/1?order={order.order_id}#order")
    assert (order.user_id, order.room_id) == (get_user_model().objects.get(username="buyer").pk, 1)
    assert counts(1) == (3, 2, 0)
    page = client.get(answer["Location"]).text
    assert state_of(page) == "unpaid"
    assert '<b data-testid="available" data-available>3</b>' in page


@pytest.mark.usefixtures("room")
def test_pressed_twice_it_is_one_order() -> None:
    client = Client()

    first, second = (client.post("/rooms/1/buy", fields()) for _ in range(2))

    assert first["Location"] == second["Location"]
    assert Order.objects.count() == 1


@pytest.mark.usefixtures("room")
def test_two_looks_at_the_page_are_two_orders() -> None:
    client = Client()
    keys = [re.findall(r'name="key" value="([0-9a-f]{32})"', client.get("/rooms/1").text)[0] for _ in range(2)]

    for key in keys:
        client.post("/rooms/1/buy", fields(key=key))

    assert Order.objects.count() == 2


@pytest.mark.parametrize(
    ("more", "status", "state"),
    [
        ({"quantity": "6"}, 409, "sold-out"),
        ({"goods_id": "2"}, 404, "sold-out"),
        ({"goods_id": "3"}, 409, "not-started"),
        ({"goods_id": "4"}, 409, "over"),
        ({"goods_id": "5"}, 409, "over"),
        ({"goods_id": "99"}, 404, "over"),
        ({"goods_id": "6", "quantity": "2"}, 409, "limited"),
        ({"price": "9900"}, 409, "price-changed"),
        ({"quantity": "0"}, 400, "invalid"),
        ({"quantity": "two"}, 400, "invalid"),
        ({"quantity": "9" * 30}, 400, "invalid"),
        ({"quantity": "999999"}, 409, "sold-out"),
        ({"name": ""}, 400, "invalid"),
        ({"key": ""}, 400, "invalid"),
        ({"goods_id": "x"}, 400, "invalid"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("room")
def test_refusal_is_told_on_the_page_and_nothing_is_ordered(more: dict[str, str], status: int, state: str) -> None:
    now = timezone.now()
    put_on_shelf(3, 5, sale_starts_at=now + timedelta(hours=1))
    put_on_shelf(4, 5, sale_ends_at=now - timedelta(hours=1))
    put_on_shelf(5, 5, status=1)
    put_on_shelf(6, 5, limit_per_buyer=1)

    answer = Client().post("/rooms/1/buy", fields(**more))

    assert (answer.status_code, state_of(answer.text)) == (status, state)
    assert not Order.objects.exists()


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(
    ("more", "language", "told"),
    [
        ({"quantity": "x"}, "en", "Pieces: must be a whole number, 1 or more."),
        ({"quantity": "x"}, "zh-hans", "件数：必须是 1 或更大的整数。"),
        ({"name": "", "address": ""}, "en", "Address: is missing. Name: is missing."),
    ],
    ids=str,
)
def test_faults_of_a_form_are_told_by_the_words_beside_its_fields(
    more: dict[str, str], language: str, told: str
) -> None:
    answer = Client(headers={"Accept-Language": language}).post("/rooms/1/buy", fields(**more))

    assert told in answer.text


@pytest.mark.usefixtures("room")
def test_fields_take_no_more_than_an_order_has_room_for() -> None:
    fields_of = re.findall(r'<input id="(name|phone|address)"[^>]* maxlength="(\d+)"', Client().get("/rooms/1").text)

    assert {name: int(length) for name, length in fields_of} == {
        name: Order._meta.get_field(f"receive_{name}").max_length for name in ("name", "phone", "address")
    }


@pytest.mark.usefixtures("room")
def test_pay_leads_to_the_provider_and_cancel_gives_the_piece_back() -> None:
    client = Client()
    client.post("/rooms/1/buy", fields())
    order_id = Order.objects.get().order_id

    paying = client.post(f"/rooms/1/orders/{order_id}/pay")
    cancelled = client.post(f"/rooms/1/orders/{order_id}/cancel")

    assert re.search(r'http-equiv="refresh" content="0;url=http://127.0.0.1:8000/sandbox/pay/', paying.text)
    assert Payment.objects.get().order_id == order_id
    assert cancelled.status_code == 302
    assert state_of(client.get(cancelled["Location"]).text) == "closed"
    assert counts(1) == (5, 0, 0)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("action", ["pay", "cancel"])
def test_somebody_elses_order_is_neither_shown_nor_touched(action: str) -> None:
    order = make_order(user_id=999, now=timezone.now())

    answer = Client().post(f"/rooms/1/orders/{order.order_id}/{action}")

    assert answer.status_code == 404
    assert Order.objects.get().status == Order.Status.UNPAID
    assert not Payment.objects.exists()
    assert state_of(Client().get(f"/rooms/1?order={order.order_id}").text) is None


@pytest.mark.usefixtures("room")
def test_visitor_of_the_demo_becomes_the_other_buyer_and_nobody_else() -> None:
    client = Client()

    client.post("/rooms/1/visitor", {"name": "buyer2"})
    assert "<b>buyer2</b>" in client.get("/rooms/1").text

    client.post("/rooms/1/visitor", {"name": "staff"})
    assert "<b>buyer2</b>" in client.get("/rooms/1").text
    client.cookies[COOKIE] = "staff"
    assert "<b>buyer</b>" in client.get("/rooms/1").text


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("outside", ["no demo", "from elsewhere", "through a proxy"])
def test_outside_the_demo_one_signs_in_to_buy(settings, outside: str) -> None:
    settings.DEMO = outside != "no demo"
    more = {"REMOTE_ADDR": "192.0.2.1"} if outside == "from elsewhere" else {}
    client = Client(headers={"X-Forwarded-For": "192.0.2.1"} if outside == "through a proxy" else {}, **more)
    client.cookies[COOKIE] = "buyer2"

    assert "Sign in to buy" in client.get("/rooms/1").text
    refused = client.post("/rooms/1/buy", fields())
    client.post("/rooms/1/visitor", {"name": "buyer2"})
    signed_in = client.post(refused["Location"], {"username": "buyer2", "password": "charites", "next": "/rooms/1"})
    bought = client.post("/rooms/1/buy", fields())

    assert refused["Location"] == "/sign-in?next=/rooms/1"
    assert (signed_in.status_code, signed_in["Location"]) == (302, "/rooms/1")
    assert bought.status_code == 302
    assert Order.objects.get().user_id == get_user_model().objects.get(username="buyer2").pk


@pytest.mark.usefixtures("room")
def test_sign_in_leads_to_no_other_host() -> None:
    body = {"username": "buyer", "password": "charites", "next": "https://evil.example/"}

    assert Client().post("/sign-in?next=//evil.example", body)["Location"] == "/"


def test_attempts_to_sign_in_are_counted(settings) -> None:
    settings.TOKEN_NAME_RATE = "2/min"
    answers = [Client().post("/sign-in", {"username": "buyer", "password": "wrong"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) > 0


@pytest.mark.usefixtures("room")
def test_form_of_another_site_buys_nothing() -> None:
    answer = Client(enforce_csrf_checks=True).post("/rooms/1/buy", fields())

    assert answer.status_code == 403
    assert not Order.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_room_that_is_not_there_says_so(method: str) -> None:
    path = "/rooms/404" if method == "get" else "/rooms/404/buy"

    answer = getattr(Client(), method)(path, fields())

    assert answer.status_code == 404
    assert "There is no such room" in answer.text


@pytest.mark.usefixtures("room")
def test_page_costs_the_same_however_long_the_shelf(django_assert_max_num_queries) -> None:
    for goods_id in range(10, 30):
        put_on_shelf(goods_id, 1)

    with django_assert_max_num_queries(8):
        assert Client().get("/rooms/1").text.count('data-testid="shelf-item"') == 22


def test_what_hosts_type_is_escaped() -> None:
    make_room(1, title="<script>alert(1)</script>")
    put_on_shelf(1, 1, title='"><img src=x onerror=alert(1)>', head_imgs=["javascript:alert(1)"])

    page = Client().get("/rooms/1").text

    assert "<script>" not in page
    assert "<img src=x" not in page


@pytest.mark.usefixtures("room")
def test_page_of_a_refusal_leads_back_to_the_room_and_so_does_its_address() -> None:
    refused = Client().post("/rooms/1/buy", fields(quantity="6"))

    links = re.findall(r'href="([^"]*goods=[^"]*)"', refused.text)
    assert links == ["/rooms/1?goods=1", "/rooms/1?goods=2"]
    assert Client().get("/rooms/1/buy")["Location"] == "/rooms/1"


@pytest.mark.usefixtures("room")
def test_order_stands_beside_its_own_product() -> None:
    put_on_shelf(3, 5)
    client = Client()

    bought = client.post("/rooms/1/buy", fields(goods_id="3"))

    assert 'data-testid="pinned-title">Goods 3<' in client.get(bought["Location"]).text


@pytest.mark.usefixtures("room")
def test_sold_out_comes_back_only_where_somebody_has_not_paid() -> None:
    put_on_shelf(3, 1)
    client = Client()
    client.post("/rooms/1/buy", fields(goods_id="3"))

    assert "give their pieces back" in client.get("/rooms/1?goods=3").text
    assert "give their pieces back" not in client.get("/rooms/1?goods=2").text


@pytest.mark.usefixtures("room")
def test_page_of_an_unpaid_order_looks_again_by_itself_and_others_do_not() -> None:
    client = Client()
    bought = client.post("/rooms/1/buy", fields())
    refresh = re.compile(r'<meta http-equiv="refresh" content="5;url=/rooms/1')

    assert refresh.search(client.get(bought["Location"]).text)
    assert not refresh.search(client.get("/rooms/1").text)


@pytest.mark.usefixtures("room")
def test_refusal_on_the_page_is_counted_as_at_other_doors(settings) -> None:
    settings.PLACE_RATE = "1/min"
    client, labels = Client(), {"error": "Limited"}
    before = REGISTRY.get_sample_value("charites_limited_total", labels) or 0

    client.post("/rooms/1/buy", fields(key="first"))
    refused = client.post("/rooms/1/buy", fields(key="second"))

    assert (refused.status_code, state_of(refused.text)) == (429, "limited")
    assert REGISTRY.get_sample_value("charites_limited_total", labels) == before + 1


@pytest.mark.usefixtures("room")
def test_key_that_was_for_something_else_is_told_and_the_page_has_a_new_one() -> None:
    client = Client()
    client.post("/rooms/1/buy", fields())

    page = client.post("/rooms/1/buy", fields(quantity="2"))

    assert page.status_code == 422
    assert state_of(page.text) == "conflict"
    assert "may have been ordered" in page.text
    assert 'name="key" value="k1"' not in page.text
    assert Order.objects.count() == 1


@pytest.mark.usefixtures("room")
def test_product_that_is_simply_off_sale_is_not_called_over() -> None:
    put_on_shelf(4, 5, sale_ends_at=timezone.now() - timedelta(hours=1))
    put_on_shelf(5, 5, status=1)

    ended, off = (Client().get(f"/rooms/1?goods={goods_id}").text for goods_id in (4, 5))

    assert ("This sale is over." in ended, "This is not for sale." in ended) == (True, False)
    assert ("This sale is over." in off, "This is not for sale." in off) == (False, True)
    assert (off.count(" · over<"), off.count(" · not for sale<")) == (1, 1)
    assert state_of(off) == "over"
