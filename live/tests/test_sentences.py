"""Sentences are whole for whoever translates them: their parts can stand in any order."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.translation import trans_real

from goods.models import Goods
from lab.kit.factories import make_goods, make_order, make_paid_order, make_room, make_user
from live.tests.desk.pressing import host

pytestmark = pytest.mark.django_db

CHINESE = "zh-hans"
AMOUNT = r"199\.00"


def room_before_the_sale() -> str:
    Goods.objects.update(sale_starts_at=timezone.now() + timedelta(days=1))
    return Client().get("/rooms/1", headers={"Accept-Language": CHINESE}).text


def room_during_the_sale() -> str:
    Goods.objects.update(sale_ends_at=timezone.now() + timedelta(days=1), market_price=19900)
    return Client().get("/rooms/1", headers={"Accept-Language": CHINESE}).text


def unpaid_order() -> str:
    client = Client()
    user = make_user("mei")
    client.force_login(user)
    order = make_order({1: 1}, user_id=user.pk, now=timezone.now())
    return client.get(f"/rooms/1?order={order.order_id}", headers={"Accept-Language": CHINESE}).text


def desk() -> str:
    make_paid_order({1: 1}, now=timezone.now())
    return host().get("/rooms/1/desk", headers={"Accept-Language": CHINESE}).text


@pytest.mark.parametrize(
    ("sentence", "translated", "page", "shown"),
    [
        ("The sale starts at %(time)s", "%(time)s 开始", room_before_the_sale, r" UTC</time> 开始"),
        ("The sale ends at %(time)s", "%(time)s 结束", room_during_the_sale, r" UTC</time> 结束"),
        ("instead of %(price)s", "%(price)s 原来", room_during_the_sale, rf">{AMOUNT} 原来<"),
        ("Pay %(amount)s %(currency)s", "%(currency)s %(amount)s 付", unpaid_order, r">CNY 99\.50 付<"),
        ("Where it goes: %(name)s", "%(name)s 收", unpaid_order, r"> 收<"),
        ("Revenue, %(currency)s", "%(currency)s 收入", desk, r">CNY 收入<"),
    ],
)
def test_parts_of_a_sentence_stand_where_its_translation_has_them(
    monkeypatch: pytest.MonkeyPatch, sentence: str, translated: str, page: Callable[[], str], shown: str
) -> None:
    make_goods(1, stock=5)
    make_room(1, goods_ids=[1])
    monkeypatch.setitem(trans_real.translation(CHINESE)._catalog._catalogs[0], sentence, translated)

    assert re.search(shown, page())


def test_orders_and_what_was_paid_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    make_goods(1, stock=5)
    make_room(1, goods_ids=[1])
    sentence = "<b>%(count)s</b> order, <b>%(amount)s %(currency)s</b> paid"
    words = trans_real.translation(CHINESE)._catalog._catalogs[0]
    monkeypatch.setitem(words, (sentence, 0), "已付 <b>%(amount)s %(currency)s</b>，<b>%(count)s</b> 单")

    assert "已付 <b>99.50 CNY</b>，<b>1</b> 单" in desk()
