from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from random import Random

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from charites.audit import run_audit
from goods.models import Goods, Room, RoomGoods
from goods.services import change_goods
from lab.demo import order_plan
from lab.demo.fixture_catalogue import PASSWORD, load_catalogue, read_catalogue
from lab.demo.order_plan import DAYS, Fate, Market, Shelf, make_plan, pieces_needed
from lab.kit.factories import NOW, SANDBOX, counts, later
from lab.kit.log_lines import facts
from messaging.models import Message
from orders.models import Order, OrderDetail, Refund
from stock.models import Stock, StockAdjustment
from stock.services import Adjustment, adjust_stock

LIMITED_ID, OPENING_ID = 25, 30
MARKET = Market(
    shelves=[Shelf(1, [1, 2, 3]), Shelf(2, [11, 12])],
    addresses=[{"name": "Li Lei", "phone": "1", "address": "1 Harbour Road"}],
    demo_buyer_ids=[7],
)


@pytest.fixture
def demo(settings):
    settings.DEMO = True
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow one proves nothing here


def seed(*words):
    """Runs the command and returns what it says."""
    output = StringIO()
    call_command("seed", *words, stdout=output)
    return output.getvalue()


def row_counts():
    return {model: model.objects.count() for model in (Goods, Room, RoomGoods, Stock, StockAdjustment)}


@pytest.mark.django_db
def test_seed_in_an_empty_shop_makes_the_catalogue(demo):
    seed()

    assert row_counts() == {Goods: 30, Room: 3, RoomGoods: 30, Stock: 30, StockAdjustment: 30}
    stock = {row.goods_id: row.available for row in Stock.objects.all()}
    assert stock == {entry["goods_id"]: entry["stock"] for entry in read_catalogue()["goods"]}
    assert Stock.objects.get(goods_id=9).available == 0
    assert Goods.objects.get(goods_id=10).status == Goods.Status.OFF_SALE


@pytest.mark.django_db(transaction=True)
def test_what_seed_makes_up_is_no_fact_in_the_log(demo):
    with facts() as lines:
        seed("--orders", "10")
        assert Order.objects.exists()
        assert lines() == []

        adjust_stock(adjustments=[Adjustment(1, "delivery", "staff", delta=1)])
        assert [line["event"] for line in lines()] == ["stock_adjusted"]


@pytest.mark.django_db
def test_seed_makes_users_who_can_sign_in_and_staff_who_may_use_the_admin(demo):
    seed()

    users = {name: authenticate(username=name, password=PASSWORD) for name in ("buyer", "buyer2", "staff")}
    assert {name: user.is_staff for name, user in users.items()} == {"buyer": False, "buyer2": False, "staff": True}
    for permission in ("goods.change_goods", "stock.view_stock", "orders.view_order", "messaging.view_message"):
        assert users["staff"].has_perm(permission)
        assert not users["buyer"].has_perm(permission)


@pytest.mark.django_db
def test_seed_again_restores_what_is_missing_and_leaves_the_rest_alone(demo):
    seed()
    Goods.objects.filter(goods_id=1).update(price=1)
    adjust_stock(adjustments=[Adjustment(2, "broken", "staff", delta=-60)])
    buyer = get_user_model().objects.get(username="buyer")
    buyer.set_password("my own")
    buyer.save()
    RoomGoods.objects.filter(room_id=1, goods_id=3).delete()
    RoomGoods.objects.filter(room_id=1, goods_id=4).update(is_deleted=True)

    seeded = load_catalogue(now=NOW)

    assert {entry.name: entry.made for entry in seeded} == {
        "goods": 0,
        "sale rules": 0,
        "rooms": 0,
        "goods in rooms": 1,
        "stock": 0,
        "users": 0,
    }
    assert Goods.objects.get(goods_id=1).price == 1
    assert counts(2) == (0, 0, 0)
    assert authenticate(username="buyer", password="my own")
    assert not RoomGoods.objects.get(room_id=1, goods_id=3).is_deleted
    assert RoomGoods.objects.get(room_id=1, goods_id=4).is_deleted


def rules_of(goods_id):
    goods = Goods.objects.get(goods_id=goods_id)
    return goods.limit_per_buyer, goods.sale_starts_at


def forget_sale_rules(*goods_ids, **columns):
    """The demo's goods as a version without sale rules seeded them."""
    Goods.objects.filter(goods_id__in=goods_ids).update(limit_per_buyer=0, sale_starts_at=None, version=0, **columns)


@pytest.mark.django_db
def test_seed_limits_one_product_and_opens_another_a_little_later(demo):
    load_catalogue(now=NOW)

    assert rules_of(LIMITED_ID) == (2, None)
    assert rules_of(OPENING_ID) == (0, NOW + timedelta(seconds=300))
    assert Goods.objects.exclude(goods_id__in=(LIMITED_ID, OPENING_ID)).filter(limit_per_buyer=0).count() == 28


@pytest.mark.django_db
def test_seed_again_opens_no_sale_anew(demo):
    load_catalogue(now=NOW)

    load_catalogue(now=later(3600))

    assert rules_of(OPENING_ID) == (0, NOW + timedelta(seconds=300))


@pytest.mark.django_db
def test_seed_of_a_shop_from_before_the_rules_adds_them_to_what_nobody_edited(demo):
    load_catalogue(now=NOW)
    forget_sale_rules(LIMITED_ID)
    forget_sale_rules(OPENING_ID, updated_by="staff")

    seeded = load_catalogue(now=later(60))

    assert next(entry.made for entry in seeded if entry.name == "sale rules") == 1
    assert rules_of(LIMITED_ID) == (2, None)
    assert rules_of(OPENING_ID) == (0, None)


@pytest.mark.django_db
def test_seed_again_leaves_a_limit_that_staff_switched_off(demo):
    load_catalogue(now=NOW)
    change_goods(goods_id=LIMITED_ID, values={"limit_per_buyer": 0}, actor="staff")

    load_catalogue(now=later(60))

    assert rules_of(LIMITED_ID) == (0, None)


@pytest.mark.django_db
def test_seed_again_says_that_nothing_changed(demo):
    seed()

    assert seed() == "Demo data: everything is there, nothing was changed.\n"


@pytest.mark.django_db
def test_seed_takes_a_fixed_number_of_queries(demo, django_assert_max_num_queries):
    seed()

    with django_assert_max_num_queries(20):
        seed()


@pytest.mark.django_db
def test_seed_outside_of_demo_and_debug_is_refused_and_writes_nothing(settings):
    settings.DEMO = settings.DEBUG = False

    with pytest.raises(CommandError, match="only while DEMO or DEBUG is on"):
        seed()

    assert set(row_counts().values()) == {0}
    assert not get_user_model().objects.exists()


@pytest.mark.django_db(transaction=True)
def test_seed_orders_makes_every_status_and_refund_and_a_clean_audit(demo):
    output = seed("--orders", "60")

    orders = Order.objects.all()
    assert orders.count() == 60
    assert set(orders.values_list("status", "closed_by")) == {
        (Order.Status.UNPAID, ""),
        (Order.Status.PAID, ""),
        (Order.Status.COMPLETED, ""),
        (Order.Status.CLOSED, "timeout"),
        (Order.Status.CLOSED, "user"),
        (Order.Status.CLOSED, "staff"),
    }
    assert set(Refund.objects.values_list("reason", "status")) == {
        ("late", "done"),
        ("double", "done"),
        ("amount", "done"),
    }
    assert not Message.objects.exclude(state=Message.State.DONE).exists()
    assert "60/60" in output
    assert "error" not in output
    assert [(result.check.id, result.ids) for result in run_audit(now=timezone.now()) if result.total] == []


@pytest.mark.django_db(transaction=True)
def test_seed_orders_of_few_buyers_go_beyond_what_one_may_have_now(demo, settings, monkeypatch):
    settings.MAX_UNPAID_ORDERS, settings.PLACE_RATE = 1, "1/day"
    monkeypatch.setattr(order_plan, "ORDERS_PER_BUYER", 60)

    output = seed("--orders", "60")

    assert Order.objects.count() == 60
    assert "error" not in output
    limits = settings.MAX_UNPAID_ORDERS, settings.PLACE_RATE
    assert limits == (1, "1/day")
    assert not OrderDetail.objects.filter(goods_id__in=(LIMITED_ID, OPENING_ID)).exists()
    assert [result.check.id for result in run_audit(now=timezone.now()) if result.total] == []


@pytest.mark.django_db(transaction=True)
def test_seed_orders_brings_the_stock_they_take(demo):
    seed()
    before = {row.goods_id: row.available for row in Stock.objects.all()}

    seed("--orders", "60")

    for row in Stock.objects.all():
        assert before[row.goods_id] <= row.available <= before[row.goods_id] + 40
    assert counts(9) == (0, 0, 0)
    assert not OrderDetail.objects.filter(goods_id__in=(9, 10)).exists()


@pytest.mark.django_db(transaction=True)
def test_seed_orders_are_spread_over_two_weeks_and_only_unpaid_ones_can_still_be_paid(demo):
    started_at = timezone.now()

    seed("--orders", "60")

    unpaid = Order.objects.filter(status=Order.Status.UNPAID)
    assert all(order.created_at >= started_at and order.expires_at > timezone.now() for order in unpaid)
    past = Order.objects.exclude(status=Order.Status.UNPAID)
    assert all(started_at - timedelta(days=DAYS + 1) < order.created_at < started_at for order in past)
    assert len({order.created_at.date() for order in past}) > 3


@pytest.mark.django_db
def test_seed_orders_without_the_sandbox_is_refused(demo, settings):
    settings.PAYMENT_PROVIDER = ""

    with pytest.raises(CommandError, match="turn DEMO on"):
        seed("--orders", "1")

    assert not Order.objects.exists()


@pytest.mark.django_db
def test_seed_orders_with_everything_off_sale_is_refused(demo):
    seed()
    Goods.objects.update(status=Goods.Status.OFF_SALE)

    with pytest.raises(CommandError, match="nothing to buy"):
        seed("--orders", "1")

    assert not Order.objects.exists()


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "ten", "1000001"])
def test_seed_orders_of_a_wrong_number_is_refused(number):
    with pytest.raises(CommandError, match="must be 1 to 1000000"):
        seed("--orders", number)


def plan(number, *, random=1):
    return make_plan(market=MARKET, number=number, now=datetime(2026, 6, 1, 12, tzinfo=UTC), random=Random(random))


def test_make_plan_with_the_same_random_number_repeats_itself():
    assert plan(200) == plan(200)
    assert plan(200) != plan(200, random=2)


@pytest.mark.parametrize("number", [1, 8, 9, 500])
def test_make_plan_has_the_asked_number_and_every_fate_if_it_can(number):
    moments = plan(number)

    fates = Counter(planned.fate for moment in moments for planned in moment.orders)
    assert fates.total() == number
    assert len(fates) == min(number, len(Fate))


def test_make_plan_is_in_order_of_time_with_the_unpaid_ones_last():
    moments = plan(500)

    times = [moment.at for moment in moments if moment.at]
    assert times == sorted(times)
    assert [moment.at for moment in moments[len(times) :]] == [None] * (len(moments) - len(times))
    assert all((moment.at is None) == (planned.fate is Fate.UNPAID) for moment in moments for planned in moment.orders)


def test_make_plan_sells_most_of_what_a_room_shows_first():
    sold = sum((Counter(p.command.quantities) for moment in plan(1000) for p in moment.orders), Counter())

    assert sold[1] > sold[2] > sold[3] > 0
    assert sold[11] > sold[12] > 0


def test_pieces_needed_counts_kept_pieces_and_the_most_that_is_lent_at_once():
    moments = plan(500)
    kept = Counter()
    for moment in moments:
        for planned in moment.orders:
            if planned.fate in (Fate.UNPAID, Fate.PAID, Fate.COMPLETED, Fate.PAID_TWICE):
                kept.update(planned.command.quantities)

    needed = pieces_needed(moments)

    total = sum((Counter(p.command.quantities) for moment in moments for p in moment.orders), Counter())
    assert all(kept[goods_id] < needed[goods_id] < total[goods_id] for goods_id in (1, 2, 3, 11, 12))
