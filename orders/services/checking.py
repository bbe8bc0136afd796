"""What an order has to look like, and what it may ask for now."""

from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.models import ADDRESS_LENGTH, MAX_INT64, MAX_LINES, NAME_LENGTH, PHONE_LENGTH
from charites.common.text import TextRule, check_key, check_texts
from charites.common.times import as_utc
from goods.errors import GoodsNotFound, GoodsOffSale, RoomNotFound, SaleNotStarted, SaleOver
from goods.models import Goods
from orders.catalogue import Catalogue
from orders.errors import PriceChanged
from orders.payloads import PlaceOrder

ADDRESS = TextRule("address", ADDRESS_LENGTH, has_lines=True)
NAME = TextRule("name", NAME_LENGTH)
PHONE = TextRule("phone", PHONE_LENGTH)


def check_command(command: PlaceOrder, catalogue: Catalogue, now: datetime) -> None:
    """Raises the first thing that is wrong with a command: with itself, then with how things are now."""
    if not 0 < command.user_id <= MAX_INT64:
        raise Invalid("user_id", _("is missing or out of range"))
    check_texts((ADDRESS, command.address), (NAME, command.name), (PHONE, command.phone))
    if command.idempotency_key is not None:
        check_key(command.idempotency_key)
    if command.room_id is not None and command.room_id not in catalogue.rooms:
        raise RoomNotFound(room_id=command.room_id)
    check_items(command.quantities, catalogue.goods, now)
    check_amount(command, catalogue.goods)


def check_amount(command: PlaceOrder, goods: Mapping[int, Goods]) -> None:
    """An amount that fits, and is the one that the buyer saw."""
    amount = sum(goods[goods_id].price * number for goods_id, number in command.quantities.items())
    if amount > MAX_INT64:
        raise Invalid("quantity", _("makes an amount that is too large"))
    if command.expected_amount is None:
        return
    if not 0 < command.expected_amount <= MAX_INT64:
        raise Invalid("expected_amount", _("must be 1 or more, and fit into an int64"))
    if command.expected_amount != amount:
        raise PriceChanged(expected=command.expected_amount, amount=amount)


def check_items(quantities: Mapping[int, int], goods: Mapping[int, Goods], now: datetime) -> None:
    """1 to 100 goods on sale now, 1 or more pieces each."""
    if not quantities:
        raise Invalid("items", _("is empty"))
    if len(quantities) > MAX_LINES:
        raise Invalid("items", _("has more than %(limit)s lines"), limit=MAX_LINES)
    for goods_id, number in quantities.items():
        if not 0 < goods_id <= MAX_INT64:
            raise Invalid("goods_id", _("is missing or out of range"))
        if not 0 < number <= MAX_INT64:
            raise Invalid("quantity", _("must be 1 or more, and fit into an int64"))
        if goods_id not in goods:
            raise GoodsNotFound(goods_id=goods_id)
        check_on_sale(goods[goods_id], now)


def check_on_sale(goods: Goods, now: datetime) -> None:
    """Raises GoodsOffSale, SaleNotStarted, SaleOver."""
    if goods.status != Goods.Status.ON_SALE:
        raise GoodsOffSale(goods_id=goods.goods_id)
    if goods.sale_starts_at and now < goods.sale_starts_at:
        raise SaleNotStarted(goods_id=goods.goods_id, starts_at=as_utc(goods.sale_starts_at))
    if goods.sale_ends_at and goods.sale_ends_at <= now:
        raise SaleOver(goods_id=goods.goods_id, ended_at=as_utc(goods.sale_ends_at))
