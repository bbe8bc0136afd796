"""What holds for every page of the admin."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Model
from django.test import Client

from goods.announcements import announce_pinned
from goods.models import Goods, Room, RoomGoods
from lab.kit import factories
from lab.kit.admin_site import OUR_APPS, add_url, list_url, make_operator, page_url, sign_in
from messaging.services import Draft, publish_many
from messaging.webhooks.endpoints import add_endpoint
from messaging.webhooks.outbox import spread
from orders import services as orders
from orders.models import Order, Payment
from stock.models import Stock, StockRecord
from stock.services import Adjustment, adjust_stock

pytestmark = pytest.mark.django_db

MODELS = sorted(
    (model for model in admin.site._registry if model._meta.app_label in OUR_APPS), key=lambda m: m.__name__
)
ROWS = 60
MAX_QUERIES = 12


@pytest.fixture
def full_shop() -> None:
    """At least 60 rows of everything; each order is another user's, and the first one has 60 lines."""
    users = get_user_model().objects.bulk_create(
        [get_user_model()(username=f"user{number}", password="!") for number in range(ROWS)]
    )
    goods_ids = range(1, ROWS + 1)
    Goods.objects.bulk_create([Goods(goods_id=number, title=f"Goods {number}", price=990) for number in goods_ids])
    adjust_stock(adjustments=[Adjustment(goods_id, "delivery", "staff", delta=200) for goods_id in goods_ids])
    adjust_stock(adjustments=[Adjustment(1, "count", "staff", delta=1) for _ in range(ROWS)])
    factories.make_room(1, goods_ids=goods_ids)
    Room.objects.bulk_create([Room(room_id=number, title=f"Room {number}") for number in range(2, ROWS + 1)])
    many_lines = dict.fromkeys(goods_ids, 1)
    commands = [factories.make_command(many_lines, user_id=users[0].pk)]
    commands += [factories.make_command({1: 1}, user_id=user.pk) for user in users[1:]]
    placed = orders.place_orders(commands=commands, now=factories.NOW)
    for result in placed:
        pay_twice(result)
    with transaction.atomic():
        publish_many([Draft("payment_notify", str(number), {"text": "x"}) for number in range(ROWS)])
    for number in range(ROWS):
        add_endpoint(url=f"https://shop.example/{number}", kinds=["room.pinned"])
    announce_pinned([1], 1)
    spread()


def pay_twice(result: orders.Placed) -> None:
    """The second capture becomes a payment and a refund of its own."""
    assert result.order is not None
    payment = factories.make_payment(result.order.order)
    for _ in range(2):
        assert orders.record_captures(captures=[factories.make_capture(payment)]) == [None]


def test_every_model_of_ours_is_in_the_admin() -> None:
    assert {model.__name__ for model in MODELS} == {
        *("Goods", "Room", "RoomGoods", "Stock", "StockRecord", "StockAdjustment", "Message"),
        *("WebhookEndpoint", "WebhookDelivery", "Order", "OrderDetail", "Payment", "Refund", "SandboxPayment"),
    }


@pytest.mark.django_db(transaction=True)
def test_no_page_needs_more_than_12_queries(full_shop: None, django_assert_max_num_queries: Any) -> None:
    client = sign_in(make_operator())

    for model in MODELS:
        rows = model._default_manager.order_by("pk")
        assert len(rows) >= ROWS, model
        with django_assert_max_num_queries(MAX_QUERIES):
            page = client.get(list_url(model))
        assert (page.status_code, len(page.context["cl"].result_list)) == (200, 50)
        with django_assert_max_num_queries(MAX_QUERIES):
            page = client.get(page_url(rows[0]))
        assert page.status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_search_with_any_text_finds_nothing_and_does_not_fail(model: type[Model]) -> None:
    client = sign_in(make_operator())

    for text in ("nothing", "-1", "0", "9" * 30, "²", "%", "a b", "' OR 1=1"):
        page = client.get(list_url(model), {"q": text})
        assert page.status_code == 200
        assert list(page.context["cl"].result_list) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [Order, Payment, StockRecord, Stock], ids=lambda model: model.__name__)
def test_rows_that_only_services_write_can_not_be_edited_or_deleted(model: type[Model]) -> None:
    factories.make_goods(1, stock=10)
    factories.make_paid_order()
    client = sign_in(factories.make_user("root", is_staff=True))
    row = model._default_manager.order_by("pk")[0]

    assert client.post(page_url(row), {"status": "400"}).status_code == 403
    assert client.post(page_url(row, "delete"), {"post": "yes"}).status_code == 403
    assert "delete_selected" not in client.get(list_url(model)).content.decode()


@pytest.mark.parametrize("model", [Order, Payment, StockRecord], ids=lambda model: model.__name__)
def test_rows_that_only_services_write_can_not_be_added(model: type[Model]) -> None:
    client = sign_in(factories.make_user("root", is_staff=True))

    assert client.post(add_url(model), {}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_somebody_who_may_only_look_is_offered_no_action() -> None:
    factories.make_goods(1, stock=10)
    factories.make_room(1, goods_ids=[1])
    factories.make_order()
    client = sign_in(make_operator(may_change=False))

    for model in (Goods, Room, RoomGoods, Stock, Order):
        page = client.get(list_url(model))
        assert page.status_code == 200
        assert page.context["action_form"] is None


def test_buyer_does_not_get_in() -> None:
    client: Client = sign_in(factories.make_user("buyer"))

    assert client.get(list_url(Order)).status_code == 302
    assert "login" in client.get(list_url(Order))["location"]


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}, {"password": "!"}, {}], ids=str)
def test_operator_who_is_none_any_more_is_out_with_the_next_page(change: dict[str, Any]) -> None:
    operator = factories.make_user("root", is_staff=True)
    client = sign_in(operator)
    assert client.get(list_url(Order)).status_code == 200

    rows = get_user_model().objects.filter(pk=operator.pk)
    if change:
        rows.update(**change)
    else:
        rows.delete()

    page = client.get(list_url(Order))
    assert (page.status_code, page.get("location", "").partition("?")[0]) == (302, "/admin/login/")


def test_admin_is_named_after_the_shop() -> None:
    page = sign_in(make_operator()).get("/admin/")

    assert page.context["site_header"] == "charites"


def test_name_of_a_user_holds_no_character_that_turns_the_text() -> None:
    client = sign_in(get_user_model().objects.create_superuser("root"))
    somebody = factories.make_user("somebody")

    page = client.get(page_url(somebody))
    form = page.context["adminform"].form
    data = {
        name: form[name].value() or ""
        for name in ("username", "email", "date_joined_0", "date_joined_1")
        if name in form.fields
    }
    data |= {"date_joined_0": "2026-06-01", "date_joined_1": "12:00:00"}
    page = client.post(page_url(somebody), {**data, "first_name": "Li\u202e", "last_name": "Lei"})

    fault = "holds U+202E, which changes the direction of the text"
    assert page.context["adminform"].errors == {"first_name": [fault]}
